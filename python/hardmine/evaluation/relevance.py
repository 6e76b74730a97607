"""Which base rows are relevant to a query: those of its label, or those of a list; its own row and junk never are."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardmine import _arrays, _labels
from hardmine._arrays import ArrayLike, Ints
from hardmine._lists import Lists, RowLists, ragged

MARK_CELLS = 1 << 22  # labels packed, or pairs of rows of several labels looked at, in one go


class Labels(NamedTuple):
    """Which base rows are relevant: those of the query's group, or those whose marks share a bit with the query's."""

    query_groups: Ints | None = None
    base_groups: Ints | None = None
    query_marks: NDArray[np.uint64] | None = None
    base_marks: NDArray[np.uint64] | None = None

    def of_queries(self, rows: slice) -> Labels:
        return self._replace(
            query_groups=None if self.query_groups is None else self.query_groups[rows],
            query_marks=None if self.query_marks is None else self.query_marks[rows],
        )

    def of_base(self, rows: slice) -> Labels:
        return self._replace(
            base_groups=None if self.base_groups is None else self.base_groups[rows],
            base_marks=None if self.base_marks is None else self.base_marks[rows],
        )

    def group_sizes(self) -> Ints | None:
        """All relevant rows of each query, where each row has one label."""
        if self.query_groups is None or self.base_groups is None:
            return None
        n = len(self.query_groups)
        _, group = np.unique(np.concatenate([self.query_groups, self.base_groups]), return_inverse=True)
        return np.bincount(group[n:], minlength=len(group))[group[:n]].astype(np.int64)

    def relevant(self, indices: Ints) -> NDArray[np.bool_]:
        """Whether base row ``indices[i, j]`` is relevant to query i."""
        if self.query_groups is not None and self.base_groups is not None:
            same: NDArray[np.bool_] = self.base_groups[indices] == self.query_groups[:, None]
            return same
        assert self.query_marks is not None and self.base_marks is not None
        shared = np.zeros(indices.shape, np.bool_)
        for of_query, of_base in zip(self.query_marks.T, self.base_marks.T):  # a word of 64 classes at a time
            shared |= (of_base[indices] & of_query[:, None]) != 0
        return shared


class Relevance:
    """The relevant base rows of each query: cleaned lists, or labels less what does not count."""

    def __init__(self, of: Labels | RowLists, n: int, m: int, own: Ints | None, junk: RowLists | None) -> None:
        self.count, self.base_count = n, m
        self._own, self.junk = own, None if junk is None else junk.without(None)
        self._order: tuple[Ints, Ints] | None = None
        self._labels = of if isinstance(of, Labels) else None
        self._lists = RowLists(np.zeros(n + 1, np.int64), np.empty(0, np.int64))
        if isinstance(of, RowLists):
            self._lists = self._cleaned(*of.without(None).pairs(), 0, n)
        self.totals = self._totals()

    def hits(self, first: int, indices: Ints) -> NDArray[np.bool_]:
        """Whether base row ``indices[i, j]``, -1 for none and never own or junk, is relevant to query ``first + i``."""
        if self._labels is None:
            part, rows = self._lists_of(first, first + len(indices)), np.arange(len(indices))[:, None]
            return part.contains(np.broadcast_to(rows, indices.shape), indices)
        if self.base_count == 0:
            return np.zeros(indices.shape, bool)
        of_block = self._labels.of_queries(slice(first, first + len(indices)))
        return of_block.relevant(np.maximum(indices, 0)) & (indices >= 0)

    def lists(self, first: int, last: int) -> RowLists:
        """The relevant rows of the queries from `first` to `last`, ascending."""
        if self._labels is None:
            return self._lists_of(first, last)
        return self._cleaned(*self._labelled(self._labels, first, last), first, last)

    def _lists_of(self, first: int, last: int) -> RowLists:
        start = self._lists.start[first : last + 1]
        return RowLists(start - start[0], self._lists.indices[start[0] : start[-1]])

    def _cleaned(self, rows: Ints, cols: Ints, first: int, last: int) -> RowLists:
        kept = self._counts(rows, cols)
        count = np.bincount(rows[kept] - first, minlength=last - first)
        return RowLists(np.concatenate([[0], np.cumsum(count)]).astype(np.int64), cols[kept])

    def _counts(self, rows: Ints, cols: Ints) -> NDArray[np.bool_]:
        """Which pairs are neither a query's own nor junk."""
        counts = np.ones(rows.shape, bool)
        if self._own is not None:
            counts &= self._own[rows] != cols
        if self.junk is not None:
            counts &= ~self.junk.contains(rows, cols)
        return counts

    def _labelled(self, labels: Labels, first: int, last: int) -> tuple[Ints, Ints]:
        """The pairs of queries and base rows that share a label."""
        if labels.query_groups is not None and labels.base_groups is not None:
            if self._order is None:
                order = np.argsort(labels.base_groups, kind="stable")
                self._order = order, labels.base_groups[order]
            order, ascending = self._order
            begin, end = (np.searchsorted(ascending, labels.query_groups[first:last], side) for side in ("left", "right"))
            spans = RowLists(np.concatenate([[0], np.cumsum(end - begin)]), np.empty(0, np.int64))
            rows = np.repeat(np.arange(first, last), end - begin)
            return rows, order[np.arange(len(rows)) - np.repeat(spans.start[:-1] - begin, end - begin)]
        everything, step = np.arange(self.base_count)[None], max(1, MARK_CELLS // max(1, self.base_count))
        parts = [np.empty((2, 0), np.int64)]
        for at in range(first, last, step):
            block = slice(at, min(at + step, last))
            shared = labels.of_queries(block).relevant(np.broadcast_to(everything, (block.stop - at, self.base_count)))
            found, cols = np.nonzero(shared)
            parts.append(np.stack([found + at, cols]))
        of, cols = np.concatenate(parts, axis=1)
        return of, cols

    def _totals(self) -> Ints:
        if self._labels is None:
            return np.diff(self._lists.start)
        sizes = self._labels.group_sizes()
        if sizes is None:
            step = max(1, MARK_CELLS // max(1, self.base_count))
            blocks = ((at, min(at + step, self.count)) for at in range(0, self.count, step))
            return np.concatenate([np.empty(0, np.int64), *(np.diff(self.lists(*block).start) for block in blocks)])
        counted = self._own is not None and np.flatnonzero(self._own >= 0)
        rows, cols = (np.empty(0, np.int64),) * 2 if self.junk is None else self.junk.pairs()
        if self._own is not None:
            junk_too = self._own[rows] != cols  # an own row that is junk as well is left out once
            rows, cols = np.concatenate([rows[junk_too], counted]), np.concatenate([cols[junk_too], self._own[counted]])
        groups = self._labels.query_groups, self._labels.base_groups
        assert groups[0] is not None and groups[1] is not None
        left_out = np.bincount(rows[groups[0][rows] == groups[1][cols]], minlength=self.count)
        return sizes - left_out


def check_relevance(
    relevant: Lists | None,
    query_labels: ArrayLike | None,
    base_labels: ArrayLike | None,
    junk: Lists | None,
    n: int,
    m: int,
    own: Ints | None,
    alone: bool,
) -> Relevance:
    """What is relevant to n queries among m base rows, from one of the two ways to say so, or raise."""
    if (relevant is None) == (query_labels is None):
        raise TypeError(f"relevant: expected either it or query_labels, got {'neither' if relevant is None else 'both'}")
    found: Labels | RowLists
    if relevant is not None:
        if base_labels is not None:
            raise TypeError("base_labels: expected None beside relevant, got labels")
        found = ragged("relevant", relevant, n, m)
    else:
        assert query_labels is not None
        if base_labels is None and not alone:
            raise TypeError("base_labels: expected a label for each base row beside query_labels, got None")
        other = query_labels if base_labels is None else base_labels
        found = check_labels(query_labels, other, n, m, ("queries", "base"))
    return Relevance(found, n, m, own, None if junk is None else ragged("junk", junk, n, m))


def check_labels(query_labels: ArrayLike, base_labels: ArrayLike, n: int, m: int, of: tuple[str, str]) -> Labels:
    q, b = _arrays.to_numpy("query_labels", query_labels), _arrays.to_numpy("base_labels", base_labels)
    kinds = {1: "one label for each row", 2: "a row of 0 and 1 for each row"}
    if q.ndim not in kinds:
        raise ValueError(f"query_labels: expected {kinds[1]}, or {kinds[2]}, got shape {q.shape}")
    if b.ndim != q.ndim:
        raise ValueError(f"base_labels: expected {kinds[q.ndim]}, like query_labels, got shape {b.shape}")
    if q.ndim == 1:
        labels = (
            _labels.labels("query_labels", query_labels, n, of[0]),
            _labels.labels("base_labels", base_labels, m, of[1]),
        )
        query_groups, base_groups = _labels.numbered(*labels)
        return Labels(query_groups, base_groups)
    if b.shape[1] != q.shape[1]:
        raise ValueError(f"base_labels: expected {q.shape[1]} classes like query_labels, got shape {b.shape}")
    marks = _marks("query_labels", q, n, of[0]), _marks("base_labels", b, m, of[1])
    return Labels(None, None, *marks)


def _marks(name: str, values: NDArray[Any], count: int, of: str) -> NDArray[np.uint64]:
    """Rows of 0 and 1 as bits of words; which bit is which does not matter, as it is the same on both sides."""
    if len(values) != count or values.shape[1] == 0:
        raise ValueError(f"{name}: expected {count} rows of classes, one for each row of {of}, got shape {values.shape}")
    if values.dtype.kind not in "biuf":
        raise TypeError(f"{name}: expected booleans or 0 and 1, got {values.dtype}")
    classes = values.shape[1]
    marks = np.zeros((count, 8 * -(-classes // 64)), np.uint8)
    step = max(1, MARK_CELLS // classes)
    for first in range(0, count, step):
        block = values[first : first + step]
        is_set = block != 0
        wrong = is_set & (block != 1)
        if wrong.any():
            row = int(wrong.any(axis=1).argmax())
            raise ValueError(f"{name}: expected 0 and 1, got {block[row, int(wrong[row].argmax())]} in row {first + row}")
        marks[first : first + step, : -(-classes // 8)] = np.packbits(is_set, axis=1)
    return marks.view(np.uint64)
