"""A second opinion on the candidates of a scan, such as a cross-encoder's: their scores asked anew, and their order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from hardmine import _arrays
from hardmine._arrays import ArrayLike, Floats, Ints
from hardmine.mining.positives import Positives, Reference, choose_reference
from hardmine.mining.window import Window

ASKED = 1 << 16  # pairs in one call

Score: TypeAlias = Callable[[Ints, Ints], Floats]  # (rows, cols) -> scores


def ask(rescore: Callable[[Ints, Ints], ArrayLike], rows: Ints, cols: Ints) -> Floats:
    """The scores of a second opinion, batch by batch."""
    scores = np.empty(len(rows), np.float32)
    for first in range(0, len(rows), ASKED):
        part = slice(first, first + ASKED)
        given = _arrays.to_numpy("rescore", rescore(rows[part], cols[part]))
        if given.shape != scores[part].shape:
            raise ValueError(f"rescore: expected {len(scores[part])} scores, one for each pair, got shape {given.shape}")
        if given.dtype.kind not in "fiu" or np.isnan(given).any():
            raise ValueError(f"rescore: expected numbers, got {'NaN' if given.dtype.kind == 'f' else given.dtype}")
        scores[part] = given
    return scores


def rescore_positives(score: Score, known: Positives, reference: Ints, kind: Reference) -> tuple[Ints, Floats]:
    """Reference positives by the new scores: of all listed ones; of those known by label, the one there is."""
    rows = np.flatnonzero(reference >= 0)
    cols = reference[rows]
    if known.listed is not None and known.query_labels is None:
        rows, cols = known.pairs(0, len(reference))
    found, chosen, value = choose_reference(rows, cols, score(rows, cols), kind)
    index, scores = np.full(len(reference), -1, np.int64), np.full(len(reference), np.nan, np.float32)
    index[found], scores[found] = chosen, value
    return index, scores


def rescore_window(score: Score, window: Window) -> Window:
    """The same candidates with new scores, and in their order."""
    scores = np.full(window.indices.shape, -np.inf, np.float32)
    rows, columns = np.nonzero(window.allowed)
    scores[rows, columns] = score(rows, window.indices[rows, columns])
    order = np.lexsort((window.indices, -scores), axis=1)
    return replace(
        window,
        indices=np.take_along_axis(window.indices, order, axis=1),
        scores=np.take_along_axis(scores, order, axis=1),
        allowed=np.take_along_axis(window.allowed, order, axis=1),
    )
