"""Pictures: clusters by size and diameter; the ROC curve down to rates of 1e-9."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hardmine._arrays import Ints
from hardmine._files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEAST_RATE = 1e-9
CLOSED, CHAINED, LIMIT = "#0969da", "#cf222e", "#6e7781"


def plot_clusters(
    sizes: Ints, diameters: NDArray[Any], chained: NDArray[np.bool_], threshold: float, metric: str, path: str | Path | None
) -> Figure:
    """The figure of `Duplicates.plot`."""
    figure = _figure((9, 4))
    left, right = figure.subplots(1, 2)
    size, count = np.unique(sizes, return_counts=True)
    left.scatter(size, count, s=14, color=CLOSED)
    left.set(xlabel="rows of a cluster", ylabel="clusters", title=f"{len(sizes)} clusters of {sizes.sum()} rows")
    for name, which, color in (("chained", chained, CHAINED), ("not chained", ~chained, CLOSED)):
        right.scatter(sizes[which], diameters[which], s=14, color=color, label=f"{name}: {which.sum()}")
    right.axhline(threshold, color=LIMIT, linestyle="--", linewidth=1, label="threshold")
    right.set(xlabel="rows of a cluster", ylabel=f"diameter ({metric})", title="their farthest rows")
    right.legend()
    if len(sizes):
        left.set_yscale("log")
        for axes in (left, right):
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_formatter("{x:g}")
    return _saved(figure, path)


def plot_roc(tpr: NDArray[np.float64], fpr: NDArray[np.float64], n_neg: int, title: str, path: str | Path | None) -> Figure:
    """The figure of `PairROC.plot`: a step at each threshold, for a line between two would be curved on this axis."""
    figure = _figure((7, 4.5))
    axes = figure.subplots()
    left = min(LEAST_RATE, 10.0 ** np.floor(np.log10(1 / n_neg)))
    axes.step(np.append(np.maximum(fpr, left), 1.0), np.append(tpr, 1.0), where="post", color=CLOSED)
    axes.axvline(1 / n_neg, color=LIMIT, linestyle="--", linewidth=1, label=f"one of {n_neg:,} negative pairs")
    axes.set(xscale="log", xlim=(left, 1.0), ylim=(0.0, 1.02), xlabel="false-positive rate", ylabel="true-positive rate")
    axes.set_title(title, fontsize=9)
    axes.legend(loc="lower right")
    return _saved(figure, path)


def _figure(size: tuple[float, float]) -> Any:
    try:
        from hardmine.mining.figure import NotebookFigure
    except ImportError as error:
        raise ImportError(f'plot needs {error.name}: pip install "hardmine[demo]"') from None
    return NotebookFigure(figsize=size, layout="constrained")


def _saved(figure: Any, path: str | Path | None) -> Figure:
    from hardmine.mining.figure import DPI

    if path is not None:
        with replacing(Path(path)) as partial:
            figure.savefig(partial, dpi=DPI)
    found: Figure = figure
    return found
