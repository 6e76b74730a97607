"""Rankings that are there already, as `retrieval_metrics` measures them: lists of base rows, perhaps with distances."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardmine import _arrays
from hardmine._arrays import Ints
from hardmine.evaluation.entries import check_returned, first_of_row
from hardmine.evaluation.measures import Measure
from hardmine.evaluation.rankings import Ties
from hardmine.evaluation.relevance import Relevance, check_relevance
from hardmine.evaluation.tie_groups import TieGroups, groups_of_lists, pooled

MOST_ENTRIES = 1 << 18  # looked at in one go, some 60 bytes each


class GivenRankings:
    """Checked lists: entries in their order, of each list the real ones first."""

    def __init__(
        self, indices: Ints, distances: NDArray[Any] | None, relevance: Relevance, left_out: NDArray[np.bool_], ties: Ties
    ) -> None:
        self.relevance = relevance
        indices = np.where(left_out, -1, indices)
        order = np.argsort(indices < 0, axis=1, kind="stable")  # lists close up where rows were taken out
        self._indices = np.take_along_axis(indices, order, axis=1)
        self._distances = None if distances is None else np.take_along_axis(distances, order, axis=1)
        self._ties = ties

    def progress(self, wanted: object) -> AbstractContextManager[None]:
        """Nothing takes long here."""
        return nullcontext()

    def blocks(self) -> Iterator[tuple[slice, TieGroups]]:
        """The tie groups of some queries at a time."""
        step = max(1, MOST_ENTRIES // self._indices.shape[1])
        for first in range(0, len(self._indices), step):
            rows = slice(first, min(first + step, len(self._indices)))
            distances = None if self._distances is None or self._ties == "stable" else self._distances[rows]
            yield rows, groups_of_lists(distances, self._hits(rows), self._indices[rows] >= 0)

    def pooled(self, measure: Measure) -> TieGroups:
        """The tie groups of the first k entries of all lists."""
        if self._distances is None:
            raise ValueError(f"queries: expected distances beside the indices for {measure.name!r}, got None")
        within = slice(None, measure.k)
        real = self._indices[:, within] >= 0
        hits = self._hits(slice(0, len(self._indices)))[:, within]
        return pooled_entries(self._distances[:, within][real], hits[real], self._ties)

    def _hits(self, rows: slice) -> NDArray[np.bool_]:
        """The relevant entries; of a row that comes twice the first."""
        indices = self._indices[rows]
        of = np.repeat(np.arange(len(indices)), indices.shape[1])
        first = first_of_row(of, indices.ravel()).reshape(indices.shape)
        return self.relevance.hits(rows.start, indices) & first


def pooled_entries(distances: NDArray[Any], hits: NDArray[np.bool_], ties: Ties) -> TieGroups:
    """The tie groups of entries of many lists, in the order of (query, place); stable ties keep that order."""
    if ties != "stable":
        return pooled(distances, hits)
    order = np.argsort(distances, kind="stable")
    return groups_of_lists(None, hits[order][None], np.ones((1, len(hits)), bool))


def given_rankings(
    neighbors: tuple[Any, Any],
    given: dict[str, Any],
    searched: dict[str, Any],
    ties: Ties,
) -> GivenRankings:
    """The rankings of a call that searches nothing, or raise."""
    for name, value in searched.items():
        if value is not None:
            raise ValueError(f"{name}: expected None beside rankings as queries, got {_arrays.outline(value)}")
    if len(neighbors) != 2:
        raise TypeError(f"queries: expected (distances, indices), got a tuple of {len(neighbors)}")
    whole = neighbors[1] if neighbors[0] is None else tuple(neighbors)
    n = len(_arrays.to_numpy("queries", neighbors[1]))
    returned = check_returned(whole, n, "queries")
    indices, distances = returned.of(np.arange(n))
    least, most = int(indices.min(initial=0)), int(indices.max(initial=-1))
    if least < -1:
        raise ValueError(f"queries: expected row numbers, or -1 for none, got {least}")
    relevant, query_labels, base_labels, _ = given.values()
    alone = query_labels is not None and base_labels is None
    if query_labels is not None:
        m = len(_arrays.to_numpy("base_labels", query_labels if alone else base_labels))
        if most >= m:
            raise ValueError(f"queries: expected row numbers from 0 to {m - 1}, as there are labels, got {most}")
    else:
        m = relevant.shape[1] if hasattr(relevant, "tocsr") else _arrays.MOST_ROWS
    own = np.arange(n) if alone else None
    relevance = check_relevance(**given, n=n, m=m, own=own, alone=alone)
    real = indices >= 0
    if distances is not None:
        if np.isnan(distances[real]).any():
            raise ValueError("queries: expected distances, got NaN")
        falls = (distances[:, 1:] < distances[:, :-1]) & real[:, 1:] & real[:, :-1]
        if falls.any():
            raise ValueError(f"queries: expected distances that ascend, got a smaller one after a larger in row {_row(falls)}")
    left_out = np.zeros(indices.shape, bool) if own is None else indices == own[:, None]
    if relevance.junk is not None:
        left_out |= relevance.junk.contains(np.broadcast_to(np.arange(n)[:, None], indices.shape), indices)
    return GivenRankings(indices, distances, relevance, left_out, ties)


def _row(where: NDArray[np.bool_]) -> int:
    return int(where.any(axis=1).argmax())
