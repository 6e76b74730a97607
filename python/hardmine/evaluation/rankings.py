"""What `code_retrieval.py` sees of a ranking: how many base rows, and how many relevant ones, come one after another.

A ranking is two rows of counts, over distances or, where ties are broken by index, over ranks. They come for a block of
queries at a time, so that memory does not grow with queries, base rows or bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hardmine import _core
from hardmine._arguments import check_threads
from hardmine._arrays import ArrayLike, CodeRows, Ints
from hardmine.evaluation.average_precision import Counts, Order
from hardmine.evaluation.relevance import Labels, check_labels
from hardmine.search.filter import CoreFilter
from hardmine.search.topk import scan

Ties: TypeAlias = Literal["expected", "stable", "optimistic", "pessimistic"]

FOR_FLOATS = "of floats as they are hardmine.retrieval_metrics is the measure"

HISTOGRAM_BYTES = 8 << 20  # of the two histograms of a block of queries: the sums over them take four times as much
RANKED_BYTES = 32 << 20  # of the rows that a block of queries retrieves where ties are broken by index,
RANKED_ROW_BYTES = 30  # each with its distance, index, label or word of labels, and relevance


def order_within(ties: Ties) -> Order:
    """The order of rows in a bucket: where ties are stable it holds one row, which has only one."""
    return "expected" if ties == "stable" else ties


class Block(NamedTuple):
    """The rankings of a block of queries."""

    rows: slice  # the queries
    counts: Counts  # (queries, buckets): base rows in each bucket, nearest first
    relevant: Counts  # (queries, buckets): relevant ones
    total: Ints | None  # (queries,): relevant rows in the whole base, if asked for


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
        self.queries = CodeRows("query_codes", query_codes, bits, FOR_FLOATS)
        self.base = CodeRows("base_codes", base_codes, None, FOR_FLOATS)
        if self.base.width != self.queries.width:
            expected = f"rows of {self.queries.width} bytes like query_codes"
            raise ValueError(f"base_codes: expected {expected}, got shape ({self.base.count}, {self.base.width})")
        self.bits = self.base.bits = self.queries.bits
        self.threads = check_threads(threads)
        self.labels = check_labels(
            query_labels, base_labels, self.queries.count, self.base.count, ("query_codes", "base_codes")
        )

    def blocks(self, top: int, ties: Ties, totals: bool = False) -> Iterator[Block]:
        """Yield the rankings of all queries, complete up to the bucket in which rank `top` lies.

        A bucket is a distance, or one row if ties are "stable". `totals` asks for all relevant rows of each query.
        """
        by_index = ties == "stable" and top > 0
        step = RANKED_BYTES // (RANKED_ROW_BYTES * top) if by_index else HISTOGRAM_BYTES // (8 * (self.bits + 1))
        sizes = self.labels.group_sizes() if totals else None
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

    def _histograms(self, codes: NDArray[np.uint8], labels: Labels, top: int) -> tuple[Counts, Counts]:
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
