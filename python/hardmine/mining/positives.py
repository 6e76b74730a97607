"""The positives of each query: which base rows they are, and the score that margins are measured from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hardmine import _arrays, _labels, _lists
from hardmine._arrays import ArrayLike, Floats, Ints
from hardmine._lists import Lists, RowLists
from hardmine.mining.sides import Sides
from hardmine.search.filter import Filter

Reference: TypeAlias = Literal["max", "min", "mean"]
REFERENCES = ("max", "min", "mean")
PAIRS = 1 << 20  # distances of positives computed at a time


@dataclass(frozen=True)
class Positives:
    """What is known of the positives, by label (as int64 numbers) and by list.

    A query's own row (`Sides.own_rows`) is no positive of it; the lists are without it.
    """

    query_labels: Ints | None
    base_labels: Ints | None
    listed: RowLists | None
    own_rows: Ints | None

    @property
    def known(self) -> bool:
        return self.query_labels is not None or self.listed is not None

    def same(self) -> Filter | None:
        """What lets through the rows of each query's label, if labels are known."""
        if self.query_labels is None:
            return None
        return Filter(query_groups=self.query_labels, base_groups=self.base_labels, groups="same")

    def pairs(self, first: int, last: int) -> tuple[Ints, Ints]:
        """(query, positive) of the queries from `first` to `last`, each pair once."""
        rows: list[Ints] = []
        cols: list[Ints] = []
        if self.query_labels is not None and self.base_labels is not None:
            order = np.argsort(self.base_labels, kind="stable")
            labels = self.base_labels[order]
            start = np.searchsorted(labels, self.query_labels[first:last], "left")
            count = np.searchsorted(labels, self.query_labels[first:last], "right") - start
            rows.append(np.repeat(np.arange(first, last), count))
            cols.append(order[_ranges(start, count)])
        if self.listed is not None:
            listed = self.listed.pairs(first, last)
            rows.append(listed[0])
            cols.append(listed[1])
        row, col = np.concatenate(rows), np.concatenate(cols)
        keep = np.ones(len(row), bool) if self.own_rows is None else self.own_rows[row] != col
        order = np.lexsort((col[keep], row[keep]))
        row, col = row[keep][order], col[keep][order]
        once = np.ones(len(row), bool)
        once[1:] = (row[1:] != row[:-1]) | (col[1:] != col[:-1])
        return row[once], col[once]

    def count(self, n: int) -> Ints:
        """At least as many as the positives of each query, counted without listing them."""
        total = np.zeros(n, np.int64)
        if self.query_labels is not None and self.base_labels is not None:
            total += _group_sizes(self.query_labels, self.base_labels)
        if self.listed is not None:
            total += np.diff(self.listed.start)
        return total

    def total(self, n: int) -> int:
        """The number of positive pairs of n queries."""
        pairs = 0
        if self.query_labels is not None and self.base_labels is not None:
            pairs = int(_group_sizes(self.query_labels, self.base_labels).sum())
            if self.own_rows is not None:
                rows = np.flatnonzero(self.own_rows >= 0)
                pairs -= int(self.same_label(rows, self.own_rows[rows]).sum())
        if self.listed is not None:
            pairs += int((~self.same_label(*self.listed.pairs())).sum())
        return pairs

    def contains(self, rows: Ints, cols: Ints) -> NDArray[np.bool_]:
        """Whether each pair is a positive one; `cols` may hold -1."""
        found = self.same_label(rows, cols)
        if self.listed is not None:
            found |= self.listed.contains(rows, cols)
        return found

    def same_label(self, rows: Ints, cols: Ints) -> NDArray[np.bool_]:
        """Whether the labels of each pair, if any are known, are equal."""
        if self.query_labels is None or self.base_labels is None or len(self.base_labels) == 0:
            return np.zeros(np.broadcast_shapes(rows.shape, cols.shape), bool)
        return np.asarray(self.base_labels[cols] == self.query_labels[rows])


def _group_sizes(query_labels: Ints, base_labels: Ints) -> Ints:
    """The number of base rows of each query's label."""
    ordered = np.sort(base_labels)
    sizes: Ints = np.searchsorted(ordered, query_labels, "right") - np.searchsorted(ordered, query_labels, "left")
    return sizes


def check_lists(name: str, lists: Lists, sides: Sides) -> RowLists:
    """Lists of base rows, each row once, and not the query's own."""
    return _lists.ragged(name, lists, sides.queries.count, sides.base.count).without(sides.own_rows)


def _ranges(start: Ints, count: Ints) -> Ints:
    """start[0], start[0] + 1, ... (count[0] numbers), start[1], ..."""
    ends = np.cumsum(count)
    numbers: Ints = np.arange(ends[-1] if len(ends) else 0) + np.repeat(start - (ends - count), count)
    return numbers


def check_positives(
    positives: Lists | None, query_labels: ArrayLike | None, base_labels: ArrayLike | None, sides: Sides
) -> Positives:
    """Turn a user's labels and lists into Positives, or raise."""
    listed = None if positives is None else _check_listed(positives, sides)
    return Positives(*_check_labels(query_labels, base_labels, sides), listed, sides.own_rows)


def _check_labels(
    query_labels: ArrayLike | None, base_labels: ArrayLike | None, sides: Sides
) -> tuple[Ints | None, Ints | None]:
    if sides.base is sides.queries and base_labels is None:
        base_labels = query_labels
    if query_labels is None and base_labels is None:
        return None, None
    if query_labels is None or base_labels is None:
        name = "query_labels" if query_labels is None else "base_labels"
        raise ValueError(f"{name}: expected labels beside those of the other side, got None")
    of_queries, of_base = _labels.numbered(
        _labels.labels("query_labels", query_labels, sides.queries.count, "queries"),
        _labels.labels("base_labels", base_labels, sides.base.count, "base"),
    )
    return of_queries, of_base


def _check_listed(positives: Lists, sides: Sides) -> RowLists:
    """The listed positives, from any form."""
    if _lists.are_ids(positives):
        ids, n = _arrays.integers("positives", positives), sides.queries.count
        positives = (np.arange(n + 1), ids)
        if len(ids) != n:
            raise ValueError(f"positives: expected {n} row numbers, one for each query, got {len(ids)}")
    return check_lists("positives", positives, sides)


def find_reference(positives: Positives, sides: Sides, reference: Reference) -> tuple[Ints, Floats]:
    """The positive of each query that margins are measured from, and its score; -1 and NaN where there is none.

    "max": the nearest; "min": the farthest; "mean": the nearest, with the mean score of all.
    """
    n = sides.queries.count
    if positives.known and reference == "max":
        nearest, index = _nearest(positives, sides)
        score = sides.scores_of(nearest)
        score[index < 0] = np.nan
        return index, score
    index, score = np.full(n, -1, np.int64), np.full(n, np.nan, np.float32)
    if positives.known:
        step = np.cumsum(positives.count(n)) // PAIRS  # queries in ranges of about so many pairs
        for part in np.unique(step):
            first, last = np.searchsorted(step, part, "left"), np.searchsorted(step, part, "right")
            rows, cols = positives.pairs(first, last)
            found, chosen, value = choose_reference(rows, cols, sides.scores(rows, cols), reference)
            index[found], score[found] = chosen, value
    return index, score


def choose_reference(rows: Ints, cols: Ints, scores: Floats, reference: Reference) -> tuple[Ints, Ints, NDArray[np.float64]]:
    """Of positive pairs sorted by (row, column): the queries that have any, their reference positive, and its score."""
    if len(rows) == 0:
        return rows, cols, np.empty(0)
    first = np.flatnonzero(np.concatenate([[True], rows[1:] != rows[:-1]]))  # of each query's pairs
    count = np.diff(first, append=len(rows))
    extreme = (np.minimum if reference == "min" else np.maximum).reduceat(scores, first)
    equal = np.flatnonzero(scores == np.repeat(extreme, count))
    chosen = equal[np.searchsorted(equal, first)]  # the first of equal ones
    value = extreme.astype(np.float64)
    if reference == "mean":
        value = np.add.reduceat(scores.astype(np.float64), first) / count
    return rows[first], cols[chosen], value


def _nearest(positives: Positives, sides: Sides) -> tuple[Floats, Ints]:
    by_label = listed = None
    same = positives.same()
    if same is not None:
        by_label = sides.nearest("positives", 1, same)
    if positives.listed is not None:
        rows, cols = positives.listed.pairs()
        listed = rows, cols, sides.distances(rows, cols)
    return nearest_positive(by_label, listed, sides.queries.count)


def nearest_positive(
    by_label: tuple[Floats, Ints] | None, listed: tuple[Ints, Ints, Floats] | None, n: int
) -> tuple[Floats, Ints]:
    """(distances, indices) of n queries, of the nearest row of the same label and listed pairs with their distances."""
    nearest, index = np.full(n, np.inf, np.float32), np.full(n, -1, np.int64)
    if by_label is not None:
        nearest, index = by_label[0][:, 0].copy(), by_label[1][:, 0].copy()
    if listed is not None:
        rows, cols, distances = listed
        row, best_col, score = choose_reference(rows, cols, 0 - distances, "max")
        best = 0 - score.astype(np.float32)
        nearer = (best < nearest[row]) | (index[row] < 0) | ((best == nearest[row]) & (best_col < index[row]))
        nearest[row[nearer]], index[row[nearer]] = best[nearer], best_col[nearer]
    return nearest, index
