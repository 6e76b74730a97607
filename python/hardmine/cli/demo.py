"""`hardmine demo`: the hardest negatives among real handwritten digits, as numbers and as a picture; then digits as codes, and
near-duplicates.

The data are the 1,797 8x8 digits that scikit-learn ships (UCI, Alpaydin and Kaynak). Every digit is a query against all
others; the nearest one of another label is its hardest negative (hn1), the five nearest are hn2.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

import hardmine
from hardmine import _core
from hardmine._files import check_writable, replacing, save_npz
from hardmine.cli import demo_duplicates, demo_hashing
from hardmine.mining.mined import MinedNegatives
from hardmine.mining.stats import QUANTILES

PAIRS_SHOWN = 20


def run(folder: Path, progress: bool) -> None:
    """Mine, print the tables, and write hardmine-demo.npz, hardmine-demo.png and hardmine-demo.html into `folder`."""
    try:
        import jinja2  # noqa: F401
        import matplotlib.figure  # noqa: F401
        import PIL.Image  # noqa: F401
        import scipy.sparse  # noqa: F401
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(f'the demo needs {error.name}: pip install "hardmine[demo]"') from None
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        raise OSError(f"folder: expected one that is there or can be made, got {folder}") from None
    archive, picture, page = (folder / f"hardmine-demo{suffix}" for suffix in (".npz", ".png", ".html"))
    for path in (archive, picture, page):
        check_writable(path)
    digits = load_digits()
    pixels, label = digits.data.astype(np.float32), digits.target
    unit = pixels / np.linalg.norm(pixels, axis=1, keepdims=True)

    print(f"{len(pixels)} handwritten digits of {pixels.shape[1]} pixels; ISA {_core.isa()}, {_core.threads()} threads")
    mined: dict[str, MinedNegatives] = {}
    for name, rows in (("pixels", pixels), ("unit norm", unit)):
        hardmine.mine_hard_negatives(rows[:64], query_labels=label[:64])  # wakes the threads before the clock starts
        for short, wanted in (("hn1", 1), ("hn2", 5)):
            start = time.perf_counter()
            found = hardmine.mine_hard_negatives(
                rows, query_labels=label, num_negatives=wanted, metric="euclidean", progress=progress
            )
            seconds = time.perf_counter() - start
            mined[f"{short}, {name}"] = found
            _print_table(f"{short}: {wanted} hardest, {name}, Euclidean distance", found, len(rows) ** 2 / seconds)

    hardest = mined["hn1, unit norm"]
    arrays: dict[str, Any] = {}
    for name, found in mined.items():
        key = name.replace(", ", "_").replace(" ", "_")
        arrays |= {f"{key}_indices": found.indices, f"{key}_distances": 0 - found.scores}
    arrays |= demo_hashing.run(pixels, label)
    arrays |= demo_duplicates.run(digits.images, pixels, label, page)
    save_npz(archive, label=label, **arrays)
    _draw(picture, digits.images, label, hardest)
    print(f"\nwrote {archive}, {picture} and {page}")


def _print_table(title: str, found: MinedNegatives, rate: float) -> None:
    stats = found.stats
    print(f"\n{title}")
    print(f"  {'negatives found':<44}{stats['negatives']:>9}")
    print(f"  {'':<28}" + "".join(f"{f'{q:.0%}':>8}" for q in QUANTILES))
    for row, key in (("hardest negative's distance", "hardest_scores"), ("nearest positive's distance", "positive_scores")):
        print(f"  {row:<28}" + "".join(f"{0 - v:>8.3f}" for v in reversed(stats[key])))
    print(f"  {'hardest negative nearer than nearest positive':<48}{stats['harder_than_positive']:>9.2%}")
    print(f"  {'pairs per second, both scans':<44}{rate:>13.3g}")


def hardest_pairs(found: MinedNegatives, wanted: int) -> tuple[Any, Any, Any]:
    """The `wanted` hardest pairs of all, each unordered pair once: (rows, cols, distances), nearest first."""
    rows, cols = found.pairs()
    distances = 0 - found.scores[found.indices >= 0]
    order = np.lexsort((cols, rows, distances))
    rows, cols, distances = rows[order], cols[order], distances[order]
    _, first = np.unique(np.sort(np.stack([rows, cols], axis=1), axis=1), axis=0, return_index=True)
    keep = np.sort(first)[:wanted]
    return rows[keep], cols[keep], distances[keep]


def _draw(path: Path, images: Any, label: Any, found: MinedNegatives) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows, cols, distances = hardest_pairs(found, PAIRS_SHOWN)
    across = 5
    down = -(-len(rows) // across)
    figure = Figure(figsize=(12.5, 1.72 * down + 1.0), facecolor="white")
    FigureCanvasAgg(figure)
    figure.suptitle(
        f"The {len(rows)} hardest negatives among {len(label):,} handwritten digits",
        x=0.03, y=0.985, ha="left", va="top", fontsize=17, fontweight="bold", color="#1b1f24",
    )  # fmt: skip
    figure.text(
        0.03, 1 - 0.52 / figure.get_figheight(),
        "Each pair is two different digits that lie nearest to each other: Euclidean distance between unit-norm pixels",
        ha="left", va="top", fontsize=11, color="#57606a",
    )  # fmt: skip
    grid = figure.add_gridspec(
        down, across, left=0.03, right=0.97, bottom=0.02, top=1 - 1.05 / figure.get_figheight(), wspace=0.22, hspace=0.36
    )
    for place, (row, col, distance) in enumerate(zip(rows, cols, distances)):
        cell = grid[place // across, place % across].subgridspec(1, 2, wspace=0.06)
        for side, index in enumerate((row, col)):
            axes = figure.add_subplot(cell[side])
            axes.imshow(images[index], cmap="Greys", vmin=0, vmax=16, interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            for spine in axes.spines.values():
                spine.set_color("#d0d7de")
            color = "#0969da" if side == 0 else "#cf222e"
            axes.set_title(str(label[index]), fontsize=14, fontweight="bold", color=color, pad=3)
            if side == 0:
                axes.text(
                    1.03, -0.06, f"{distance:.3f}",
                    transform=axes.transAxes, ha="center", va="top", fontsize=10, color="#57606a",
                )  # fmt: skip
    with replacing(path) as partial:
        figure.savefig(partial, dpi=110)
