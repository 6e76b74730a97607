"""The evidence as a page for reviewers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hardmine import _arguments
from hardmine._arrays import Ints
from hardmine.review.page import write_page
from hardmine.search.pairs import first_of_each

if TYPE_CHECKING:
    from hardmine.overlap.report import OverlapReport


def write(
    report: OverlapReport,
    path: str | Path,
    train_images: Any,
    evaluation_images: Any,
    pairs_per_class: int | None,
    title: str | None,
    **options: Any,
) -> None:
    """See `OverlapReport.review`."""
    if (train_images is None) != (evaluation_images is None):
        raise TypeError("evaluation_images: expected images of both sides, or of neither, got those of one")
    rows, cols, distances = (np.asarray(part) for part in report.pairs)
    said = None if report.verified is None else report.verified[report.evidence]
    if pairs_per_class is not None:
        most = _arguments.positive("pairs_per_class", pairs_per_class)
        if report.classes is None:
            raise ValueError("pairs_per_class: expected train_labels in the report, got None")
        kept = first_of_each(most, np.zeros(len(rows), np.int64), report.classes.of[rows])
        rows, cols, distances, said = rows[kept], cols[kept], distances[kept], None if said is None else said[kept]
    naming, (n, m) = report.naming, report.candidates.shape
    write_page(
        path,
        rows,
        cols,
        distances,
        title=f"Overlap of {n} training rows and {m} evaluation rows" if title is None else title,
        row_images=train_images,
        col_images=evaluation_images,
        row_names=None if naming.train_ids is None else [str(name) for name in naming.train_ids.tolist()],
        col_names=None if naming.evaluation_ids is None else [str(name) for name in naming.evaluation_ids.tolist()],
        classes=None if naming.train_labels is None else naming.train_labels[rows].tolist(),
        notes=None if said is None else [f"verified: {value}" for value in said.tolist()],
        **options,
    )


def places(report: OverlapReport, pairs: Any) -> Ints:
    """The places of pairs of (training row, evaluation row) among the candidates, or raise for the first that is none."""
    given = np.asarray(pairs)
    if given.size == 0:
        given = np.zeros((0, 2), np.int64)
    if given.ndim != 2 or given.shape[1] != 2:
        raise ValueError(f"pairs: expected an array of shape (votes, 2), got shape {given.shape}")
    if given.dtype.kind not in "iu":
        raise TypeError(f"pairs: expected integers, got {given.dtype}")
    known = np.stack([np.asarray(report.candidates.rows), np.asarray(report.candidates.cols)], axis=1)
    numbers, inverse = np.unique(np.concatenate([known, given.astype(np.int64)]), axis=0, return_inverse=True)
    of = inverse.reshape(-1)
    place = np.full(len(numbers), -1)
    place[of[: len(known)]] = np.arange(len(known))
    found = place[of[len(known) :]]
    if (found < 0).any():
        row, col = given[found < 0][0].tolist()
        raise ValueError(f"pairs: expected candidates of the report, got training row {row} and evaluation row {col}")
    return found
