"""The command duplicates: near-duplicates of an array, clustered, and a page on which people look at them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, get_args

import numpy as np

import hardmine
from hardmine._files import check_writable, save_npz
from hardmine.cli.inputs import add_checkpoint, add_output, going_on, load, load_rows, progress
from hardmine.cli.searches import explaining
from hardmine.duplicates.keeping import RULES
from hardmine.duplicates.linkage import Linkage
from hardmine.duplicates.near_duplicates import METRICS

ARRAYS = ("labels", "sizes", "diameters", "densities", "open_triangles", "chained", "kept", "keep", "drop")


def add(commands: Any) -> None:
    """Add it to the parsers of an `argparse` command."""
    duplicates = commands.add_parser("duplicates", help="near-duplicates of an array: pairs, clusters, and which rows to keep")
    duplicates.add_argument("rows", metavar="X", help="rows of floats or packed codes: files as of topk")
    duplicates.add_argument(
        "-t", "--threshold", type=float, required=True, metavar="T", help="the largest distance of near-duplicates"
    )
    add_output(duplicates)
    duplicates.add_argument("--metric", choices=METRICS, default="cosine", help="(%(default)s)")
    duplicates.add_argument(
        "--bits", type=int, metavar="B", help="of packed codes, for hamming; by default all of their bytes"
    )
    duplicates.add_argument(
        "--groups", type=Path, metavar="G.npy", help="a class or source of each row, told and not filtered by"
    )
    duplicates.add_argument("--linkage", choices=get_args(Linkage), default="single", help="what a cluster is (%(default)s)")
    duplicates.add_argument(
        "--which-to-keep", default="first", metavar="RULE", help=f"{', '.join(RULES)}, or a .npy file of scores (%(default)s)"
    )
    duplicates.add_argument("--seed", type=int, default=0, help="of --which-to-keep random (%(default)s)")
    duplicates.add_argument("--max-pairs", type=int, metavar="N", help="fail if there are more")
    duplicates.add_argument("--threads", type=int, help="by default every core the process may use")
    duplicates.add_argument("--csv", type=Path, metavar="OUT.csv", help="where a line for each clustered row goes")
    duplicates.add_argument("--review", type=Path, metavar="PAGE.html", help="where a page of the pairs goes")
    duplicates.add_argument("--images", type=Path, metavar="FOLDER", help="whose files, sorted by name, are the rows")
    add_checkpoint(duplicates)
    duplicates.add_argument("--explain", action="store_true", help="print which screens did the work, by which kernels")
    duplicates.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> None:
    if given.images is not None and given.review is None:
        raise ValueError("images: expected --review beside it, got none")
    if given.images is not None and not given.images.is_dir():
        raise ValueError(f"images: expected a folder, got {given.images}")
    if given.review is not None:
        try:  # what the page needs is missed before a long search, not after
            import jinja2  # noqa: F401
            import PIL.Image  # noqa: F401
        except ImportError as error:
            raise ImportError(f'review needs {error.name}: pip install "hardmine[review]"') from None
    for path in (given.csv, given.review):
        if path is not None:
            check_writable(path)
    with explaining(given):
        found = hardmine.near_duplicates(
            load_rows(given.rows),
            given.threshold,
            metric=given.metric,
            groups=load(given.groups),
            linkage=given.linkage,
            which_to_keep=_rule(given.which_to_keep),
            seed=given.seed,
            max_pairs=given.max_pairs,
            bits=given.bits,
            threads=given.threads,
            progress=progress(),
            checkpoint=going_on(given.checkpoint),
        )
    rows, cols, distances = found.pairs
    arrays = {name: np.asarray(getattr(found, name)) for name in ARRAYS}
    save_npz(given.output, rows=rows, cols=cols, distances=distances, shape=found.pairs.shape, **arrays)
    if given.csv is not None:
        found.to_csv(given.csv)
    if given.review is not None:
        found.review(given.review, given.images)
    print(found.summary())
    print(", ".join(str(path) for path in (given.output, given.csv, given.review) if path is not None))


def _rule(text: str) -> Any:
    """A rule by its name, or the scores of a file."""
    if text in RULES:
        return text
    if not Path(text).exists():
        raise ValueError(f"which_to_keep: expected one of {', '.join(RULES)}, or a .npy file of scores, got {text}")
    return load(Path(text))
