"""What `code_retrieval.py` sees of a ranking: how many base rows, and how many relevant ones, come one after another.

A ranking is two rows of counts, over distances or, where ties are broken by index, over ranks. They come for a block of
queries at a time, so that memory does not grow with queries, base rows or bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hardmine import _arrays, _core, _labels
from hardmine._arguments import check_threads
from hardmine._arrays import ArrayLike, CodeRows, Ints
from hardmine.evaluation.average_precision import Counts, Order
from hardmine.search.filter import CoreFilter
from hardmine.search.topk import scan

Ties: TypeAlias = Literal["expected", "stable", "optimistic", "pessimistic"]

HISTOGRAM_BYTES = 8 << 20  # of the two histograms of a block of queries: the sums over them take four times as much
RANKED_BYTES = 32 << 20  # of the rows that a block of queries retrieves where ties are broken by index,
RANKED_ROW_BYTES = 30  # each with its distance, index, label or word of labels, and relevance
MARK_CELLS = 1 << 22  # labels packed at a time


def order_within(ties: Ties) -> Order:
    """The order of rows in a bucket: where ties are stable it holds one row, which has only one."""
    return "expected" if ties == "stable" else ties


class Block(NamedTuple):
    """The rankings of a block of queries."""

    rows: slice  # the queries
    counts: Counts  # (queries, buckets): base rows in each bucket, nearest first
    relevant: Counts  # (queries, buckets): relevant ones
    total: Ints | None  # (queries,): relevant rows in the whole base, if asked for


class _Labels(NamedTuple):
    """Which base rows are relevant: those of the query's group, or those whose marks share a bit with the query's."""

    query_groups: Ints | None = None
    base_groups: Ints | None = None
    query_marks: NDArray[np.uint64] | None = None
    base_marks: NDArray[np.uint64] | None = None

    def of_queries(self, rows: slice) -> _Labels:
        return self._replace(
            query_groups=None if self.query_groups is None else self.query_groups[rows],
            query_marks=None if self.query_marks is None else self.query_marks[rows],
        )

    def of_base(self, rows: slice) -> _Labels:
        return self._replace(
            base_groups=None if self.base_groups is None else self.base_groups[rows],
            base_marks=None if self.base_marks is None else self.base_marks[rows],
        )

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


class Rankings:
    """Checked codes and labels, and the rankings that follow from them."""

    def __init__(
        self,
        query_codes: ArrayLike,
        base_codes: ArrayLike,
        query_labels: ArrayLike,
        base_labels: ArrayLike,
        bits: int | None,
        threads: int | None,
    ) -> None:
        self.queries = CodeRows("query_codes", query_codes, bits)
        self.base = CodeRows("base_codes", base_codes)
        if self.base.width != self.queries.width:
            expected = f"rows of {self.queries.width} bytes like query_codes"
            raise ValueError(f"base_codes: expected {expected}, got shape ({self.base.count}, {self.base.width})")
        self.bits = self.base.bits = self.queries.bits
        self.threads = check_threads(threads)
        self.labels = _check_labels(query_labels, base_labels, self.queries.count, self.base.count)

    def blocks(self, top: int, ties: Ties, totals: bool = False) -> Iterator[Block]:
        """Yield the rankings of all queries, complete up to the bucket in which rank `top` lies.

        A bucket is a distance, or one row if ties are "stable". `totals` asks for all relevant rows of each query.
        """
        by_index = ties == "stable" and top > 0
        step = RANKED_BYTES // (RANKED_ROW_BYTES * top) if by_index else HISTOGRAM_BYTES // (8 * (self.bits + 1))
        sizes = self._group_sizes() if totals else None
        for first, codes, _ in self.queries.blocks():
            for start in range(0, len(codes), max(1, step)):
                block = codes[start : start + max(1, step)]
                rows = slice(first + start, first + start + len(block))
                labels = self.labels.of_queries(rows)
                complete, total = None, None
                if sizes is not None:
                    total = sizes[rows]
                elif totals:  # of rows with several labels only a histogram of the whole base tells
                    complete = self._histograms(block, labels, self.base.count)
                    total = complete[1].sum(axis=1, dtype=np.int64)
                if by_index:
                    near = CodeRows("query_codes", block, self.bits)
                    _, indices = scan(near, self.base, top, metric="hamming", allowed=CoreFilter(), threads=self.threads)
                    relevant: Counts = labels.relevant(indices)
                    counts: Counts = np.broadcast_to(np.uint8(1), relevant.shape)
                else:
                    counts, relevant = complete or self._histograms(block, labels, top)
                yield Block(rows, counts, relevant, total)

    def _histograms(self, codes: NDArray[np.uint8], labels: _Labels, top: int) -> tuple[Counts, Counts]:
        sums: tuple[Counts, Counts] | None = None
        for first, base, _ in self.base.blocks():
            found = _core.ranking_counts(
                queries=codes,
                base=base,
                bits=self.bits,
                top=top,
                threads=self.threads,
                progress=None,
                **labels.of_base(slice(first, first + len(base)))._asdict(),
            )
            if len(base) == self.base.count:
                return found
            sums = found if sums is None else (sums[0] + found[0], sums[1] + found[1])
        if sums is None:
            empty = np.zeros((len(codes), self.bits + 1), np.uint32)
            return empty, empty
        counts, relevant = sums
        seen = np.cumsum(counts, axis=1, dtype=np.int64) - counts
        beyond = seen >= top  # what one block has there, another may have left out
        counts[beyond] = relevant[beyond] = 0
        return counts, relevant

    def _group_sizes(self) -> Ints | None:
        """All relevant rows of each query, where each row has one label."""
        if self.labels.query_groups is None or self.labels.base_groups is None:
            return None
        n = len(self.labels.query_groups)
        _, group = np.unique(np.concatenate([self.labels.query_groups, self.labels.base_groups]), return_inverse=True)
        return np.bincount(group[n:], minlength=len(group))[group[:n]].astype(np.int64)


def _check_labels(query_labels: ArrayLike, base_labels: ArrayLike, n: int, m: int) -> _Labels:
    q, b = _arrays.to_numpy("query_labels", query_labels), _arrays.to_numpy("base_labels", base_labels)
    kinds = {1: "one label for each row", 2: "a row of 0 and 1 for each row"}
    if q.ndim not in kinds:
        raise ValueError(f"query_labels: expected {kinds[1]}, or {kinds[2]}, got shape {q.shape}")
    if b.ndim != q.ndim:
        raise ValueError(f"base_labels: expected {kinds[q.ndim]}, like query_labels, got shape {b.shape}")
    if q.ndim == 1:
        labels = (
            _labels.labels("query_labels", query_labels, n, "query_codes"),
            _labels.labels("base_labels", base_labels, m, "base_codes"),
        )
        query_groups, base_groups = _labels.numbered(*labels)
        return _Labels(query_groups, base_groups)
    if b.shape[1] != q.shape[1]:
        raise ValueError(f"base_labels: expected {q.shape[1]} classes like query_labels, got shape {b.shape}")
    marks = _marks("query_labels", q, n, "query_codes"), _marks("base_labels", b, m, "base_codes")
    return _Labels(None, None, *marks)


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
