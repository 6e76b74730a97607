"""Triplets as spans: for an anchor whose negatives are sorted by distance, those of a positive lie side by side.

A type of triplets says how much farther than the positive the negative lies, which is an interval of the negative's
distance. So triplets are counted by two binary searches a positive, and written out, or drawn by their number, without ever
looking at those that are not wanted: O(pairs log pairs + result) time, and memory for the result, not for anchors times
positives times negatives.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hardmine import _arrays, _random
from hardmine._arrays import Floats, Ints
from hardmine.mining.batch.batch import Bools

Triplets: TypeAlias = tuple[Ints, Ints, Ints]

TYPES = ("all", "hard", "semihard", "easy")
CELLS = 1 << 21  # of a block of (anchor, positive) pairs times negatives
DENSE = 8  # where more than one in so many passes, comparing all is faster than gathering and sorting
RANKS = 1 << 40  # stream of random numbers


def limits(kind: str | None, positive_distances: Floats, margin: float) -> tuple[Floats, Floats]:
    """The limits of a negative's distance, ``low < d <= high``, beside a positive of that distance; None: no limits.

    The sum of distance and margin is rounded to float64; float32 distances are compared with it exactly.
    """
    exact = positive_distances.astype(np.float64)
    reach = _arrays.round_down(exact + margin)
    none, most = np.full_like(reach, -np.inf), np.full_like(reach, np.inf)
    if kind is None:
        return none, most
    if kind == "easy":
        return reach, most
    if kind == "hard":
        return none, np.minimum(reach, positive_distances)
    return (positive_distances if kind == "semihard" else none), reach


class Spans:
    """The triplets of chosen positives and negatives of which the margin is of one type."""

    def __init__(self, distances: Floats, positive: Bools, negative: Bools, kind: str | None, margin: float) -> None:
        positive = positive & negative.any(axis=1, keepdims=True)
        self.anchors, self.positives = np.nonzero(positive)
        self._columns, self._values = _left_aligned(distances, negative)
        self._low, self._high = limits(kind, distances[self.anchors, self.positives], margin)
        self._start = np.zeros(len(self.anchors), np.int64)  # of each pair's span among the anchor's sorted negatives
        end = negative.sum(axis=1)[self.anchors]  # without limits the span is all of them
        ends = np.cumsum(positive.sum(axis=1))
        for anchor in [] if kind is None else np.unique(self.anchors):
            pairs = slice(ends[anchor - 1] if anchor else 0, ends[anchor])
            ordered = np.sort(self._values[anchor])  # NaN, where there is no negative, comes last
            self._start[pairs] = np.searchsorted(ordered, self._low[pairs], side="right")
            end[pairs] = np.searchsorted(ordered, self._high[pairs], side="right")
        self.counts = np.maximum(end - self._start, 0)  # a negative margin may turn a span around
        self._ends = np.cumsum(self.counts)
        self.total = int(self.counts.sum())

    def take_all(self) -> Triplets:
        """Every triplet, in the order of (anchor, positive, negative)."""
        negatives = np.empty(self.total, np.int64)
        step = max(1, CELLS // max(1, self._values.shape[1]))
        written = 0
        for first in range(0, len(self.anchors), step):
            pairs = slice(first, first + step)
            count = int(self.counts[pairs].sum())
            if count == 0:
                continue
            cells = len(self.anchors[pairs]) * self._values.shape[1]
            found = self._compare(pairs) if count * DENSE > cells else self._gather(pairs)
            negatives[written : written + count] = found
            written += count
        return np.repeat(self.anchors, self.counts), np.repeat(self.positives, self.counts), negatives

    def take(self, ranks: Ints) -> Triplets:
        """The triplets of these ascending numbers, counted by (anchor, positive, distance, negative), sorted by indices."""
        pairs = np.searchsorted(self._ends, ranks, side="right")
        places = self._start[pairs] + ranks - (self._ends - self.counts)[pairs]
        anchors, positives = self.anchors[pairs], self.positives[pairs]
        negatives = np.empty(len(ranks), np.int64)
        for anchor, first, last in _runs(anchors):
            order = np.argsort(self._values[anchor], kind="stable")
            negatives[first:last] = self._columns[anchor, order[places[first:last]]]
        order = np.lexsort((negatives, positives, anchors))
        return anchors[order], positives[order], negatives[order]

    def _compare(self, pairs: slice) -> NDArray[np.int32]:
        """The negatives of some pairs: every negative of the anchor compared with the limits."""
        rows = self._values[self.anchors[pairs]]
        inside = rows > self._low[pairs, None]
        inside &= rows <= self._high[pairs, None]
        return self._columns[self.anchors[pairs]][inside]

    def _gather(self, pairs: slice) -> Ints:
        """The negatives of some pairs: the span of each copied out of the anchor's sorted negatives."""
        anchors, counts = self.anchors[pairs], self.counts[pairs]
        some, local = np.unique(anchors, return_inverse=True)
        order = np.argsort(self._values[some], axis=1, kind="stable")
        columns = np.take_along_axis(self._columns[some], order, axis=1)
        width = columns.shape[1]
        begin = local.reshape(-1) * width + self._start[pairs] - (np.cumsum(counts) - counts)
        found = columns.reshape(-1)[np.repeat(begin, counts) + np.arange(counts.sum())]
        # Distances put them in order; one sort of (pair, index) as a single number puts them in the order of indices.
        pair = np.repeat(np.arange(len(anchors)) << 32, counts)
        return np.sort(found + pair) - pair


def _left_aligned(distances: Floats, negative: Bools) -> tuple[NDArray[np.int32], Floats]:
    """Each row's negatives moved to the left: their columns, ascending, and their distances, NaN where there is none."""
    n, m = negative.shape
    counts = negative.sum(axis=1)
    width = int(counts.max(initial=0))
    if 2 * width > m:  # not worth moving
        columns = np.broadcast_to(np.arange(m, dtype=np.int32), (n, m))
        return columns, np.where(negative, distances, np.float32(np.nan))
    rows, cols = np.nonzero(negative)
    places = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    moved, values = np.zeros((n, width), np.int32), np.full((n, width), np.nan, np.float32)
    moved[rows, places] = cols
    values[rows, places] = distances[rows, cols]
    return moved, values


def _runs(numbers: Ints) -> list[tuple[int, int, int]]:
    """(number, first, last) of each run of equal numbers."""
    first = np.flatnonzero(np.diff(numbers, prepend=-1))
    return list(zip(numbers[first].tolist(), first.tolist(), [*first[1:].tolist(), len(numbers)]))


def sample_ranks(total: int, count: int, seed: int) -> Ints:
    """`count` of the numbers below `total`, ascending: a uniform sample without replacement.

    The first `count` distinct ones of a sequence of independent numbers are such a sample; if it is more than half of all,
    those left out are. A smaller sample of the same seed and total is therefore a part of a larger one, up to one half.
    """
    if count >= total:
        return np.arange(total)
    fewer = min(count, total - count)
    size, first = fewer, np.empty(0, np.int64)
    while len(first) < fewer:
        size += size // 2 + 16
        numbers = (_random.bits(seed, RANKS, 0, np.arange(size)) % np.uint64(total)).astype(np.int64)
        _, first = np.unique(numbers, return_index=True)
    chosen = np.sort(numbers[np.sort(first)[:fewer]])
    if fewer == count:
        return chosen
    kept = np.ones(total, bool)
    kept[chosen] = False
    return np.flatnonzero(kept)
