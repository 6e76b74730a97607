"""A picture of what was mined: how the scores of negatives lie beside those of the positives, and where the margin is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hardmine._arrays import Floats
from hardmine._files import replacing
from hardmine.mining.limits import Thresholds
from hardmine.mining.options import Options

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS = 60
NEGATIVE, POSITIVE, MARGIN = "#cf222e", "#0969da", "#6e7781"


def plot_scores(scores: Floats, positive_scores: Floats, options: Options, path: str | Path | None) -> Figure:
    """The figure of `MinedNegatives.plot`, written to `path` if there is one."""
    try:
        from hardmine.mining.figure import DPI, NotebookFigure
    except ImportError as error:
        raise ImportError(f'plot needs {error.name}: pip install "hardmine[demo]"') from None
    negative, positive = scores[np.isfinite(scores)], positive_scores[np.isfinite(positive_scores)]
    shown = (("negatives", negative, NEGATIVE), ("reference positives", positive, POSITIVE))
    both = np.concatenate([negative, positive])
    edges = np.histogram_bin_edges(both, BINS).tolist()
    figure = NotebookFigure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name, values, color in shown:
        if len(values):
            axes.hist(values, bins=edges, density=True, alpha=0.55, color=color, label=name)
            axes.axvline(float(np.median(values)), color=color, linestyle="--", linewidth=1)
    thresholds = Thresholds(absolute_margin=options.absolute_margin, relative_margin=options.relative_margin)
    below = thresholds.limits(np.median(positive, keepdims=True)).most if len(positive) else None
    if below is not None:
        axes.axvspan(
            float(below[0]), float(np.median(positive)), color=MARGIN, alpha=0.25, label="margin at the median positive"
        )
    axes.set(
        xlabel=f"score ({options.metric}); dashed: medians",
        ylabel="density",
        title="hard negatives and the positives they are measured from",
    )
    if axes.get_legend_handles_labels()[0]:
        axes.legend()
    if path is not None:
        with replacing(Path(path)) as partial:
            figure.savefig(partial, dpi=DPI)
    return figure
