"""Open triangles of a graph, counted without looking at triples: two pairs of a row whose other ends are no pair."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hardmine._arrays import Ints
from hardmine.search.distances import pair_distances

LEAST_PAIRS = 4096  # of a cluster; fewer are counted with those of other clusters
BYTES_OF_PATH = 128  # of popcount that take no longer than a path of two pairs, some 10 ns
MOST_PATHS = 1 << 23  # of two pairs, met at a time
MATRIX_BYTES = 1 << 26  # of bits, of all rows and some columns at a time,
SLAB_BYTES = 1 << 22  # of which so many are marked before they are packed
MOST_LISTED = 1 << 18  # pairs compared at a time


def open_triangles(rows: Ints, cols: Ints, cluster: Ints, sizes: Ints, threads: int) -> Ints:
    """Of each cluster, from its pairs: `cluster` says which is whose, and rows are places from 0 on, cluster by cluster.

    Every path of two pairs is open but those of triangles, which have three: the sum of C(pairs of a row, 2) less three times
    the triangles. Of two ways to count triangles each cluster takes the one with less to do. One is rows of its matrix, whose
    common bits are those of both less those that differ: O(p m / 8) bytes of popcount for m rows and p pairs. The other meets
    each triangle once, from its row of fewest pairs, along at most O(p^1.5) paths of two pairs.
    """
    n, count = int(sizes.sum()), len(sizes)
    of_row = np.bincount(np.concatenate([rows, cols]), minlength=n)
    paths = np.zeros(count, np.int64)
    np.add.at(paths, np.repeat(np.arange(count), sizes), of_row * (of_row - 1) // 2)
    pairs = np.bincount(cluster, minlength=count)
    low, high = _upwards(rows, cols, of_row)
    walked = np.bincount(cluster, np.bincount(low, minlength=n)[high], count)  # paths of two pairs upwards
    dense = (pairs >= LEAST_PAIRS) & (sizes / 8 * pairs <= BYTES_OF_PATH * walked)
    sparse = ~dense[cluster]
    closed = 3 * _triangles(low[sparse], high[sparse], cluster[sparse], n, count)
    if dense.any():
        start = np.cumsum(sizes) - sizes
        order = np.argsort(cluster, kind="stable")
        ends = np.cumsum(pairs)
        for one in np.flatnonzero(dense):
            mine = order[ends[one] - pairs[one] : ends[one]]
            closed[one] = _common(rows[mine] - start[one], cols[mine] - start[one], int(sizes[one]), threads)
    return np.asarray(paths - closed)


def _upwards(rows: Ints, cols: Ints, of_row: Ints) -> tuple[Ints, Ints]:
    """The pairs from their ends of fewer pairs to those of more; rows are places in that order."""
    rank = np.empty(len(of_row), np.int64)
    rank[np.argsort(of_row, kind="stable")] = np.arange(len(of_row))
    return np.minimum(rank[rows], rank[cols]), np.maximum(rank[rows], rank[cols])


def _common(rows: Ints, cols: Ints, n: int, threads: int) -> int:
    """The sum over all pairs of the rows that are pairs of both ends: three times the triangles."""
    from scipy.sparse import csr_array

    upper = csr_array((np.ones(len(rows), bool), (rows, cols)), shape=(n, n))
    graph, both = (upper + upper.T).tocsr(), 0
    width = max(8, MATRIX_BYTES // n * 8)  # columns at a time
    step = max(1, SLAB_BYTES // width)
    for column in range(0, n, width):
        part = graph[:, column : column + width]
        slabs = (part[first : first + step].toarray() for first in range(0, n, step))
        matrix = np.concatenate([np.packbits(slab, axis=1) for slab in slabs])
        of_row = np.diff(part.indptr)
        both += int(of_row[rows].sum(dtype=np.int64) + of_row[cols].sum(dtype=np.int64))
        for first in range(0, len(rows), MOST_LISTED):
            listed = slice(first, first + MOST_LISTED)
            differ = pair_distances(matrix, None, rows[listed], cols[listed], metric="hamming", threads=threads or None)
            both -= int(np.asarray(differ).sum(dtype=np.int64))
    return both // 2


def _triangles(low: Ints, high: Ints, cluster: Ints, n: int, count: int) -> NDArray[np.int64]:
    """The triangles of each cluster, from its pairs upwards."""
    from scipy.sparse import csr_array

    order = np.lexsort((high, low))
    low, high, cluster = low[order], high[order], cluster[order]
    later = csr_array((np.ones(len(low), np.int64), (low, high)), shape=(n, n))
    steps = np.diff(later.indptr)
    paths = np.concatenate([[0], np.cumsum(steps[high])])  # of two pairs, before each pair as their first one
    found, first = np.zeros(count, np.int64), 0
    while first < n:
        begin = int(later.indptr[first])
        reach = int(np.searchsorted(paths, paths[begin] + MOST_PATHS, "right")) - 1
        last = max(first + 1, int(np.searchsorted(later.indptr, reach, "right")) - 1)
        part = later[first:last]
        closed = (part @ later).multiply(part).tocoo()
        at = np.searchsorted(low * n + high, (closed.row + first) * np.int64(n) + closed.col)
        np.add.at(found, cluster[at], closed.data)
        first = last
    return found
