"""Open triangles of a graph, counted without looking at triples: two pairs of a row whose other ends are no pair."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hardmine._arrays import MOST_CODE_BYTES, Ints
from hardmine.search.distances import pair_distances

SPARSE = 64  # of a cluster with fewer than one pair in so many entries of its matrix, the matrix would exceed the pairs
LEAST_PAIRS = 4096  # fewer are counted with those of other clusters
MOST_PATHS = 1 << 23  # of two pairs, met at a time
MOST_LISTED = 1 << 18  # pairs compared at a time


def open_triangles(rows: Ints, cols: Ints, cluster: Ints, sizes: Ints, threads: int) -> Ints:
    """Of each cluster, from its pairs: `cluster` says which is whose, and rows are places from 0 on, cluster by cluster.

    Every path of two pairs is open but those of triangles, which have three: the sum of C(pairs of a row, 2) less three times
    the triangles. A cluster of m rows and p pairs takes O(p m / 8) bytes of popcount if it is dense, as rows of its matrix
    whose common bits are those of both less those that differ; otherwise O(p^1.5), for each triangle is met once, from its
    row of fewest pairs.
    """
    n, count = int(sizes.sum()), len(sizes)
    of_row = np.bincount(np.concatenate([rows, cols]), minlength=n)
    paths = np.zeros(count, np.int64)
    np.add.at(paths, np.repeat(np.arange(count), sizes), of_row * (of_row - 1) // 2)
    pairs = np.bincount(cluster, minlength=count)
    dense = (pairs >= LEAST_PAIRS) & (sizes * sizes <= SPARSE * pairs) & (sizes <= 8 * MOST_CODE_BYTES)
    sparse = ~dense[cluster]
    closed = 3 * _triangles(rows[sparse], cols[sparse], cluster[sparse], of_row, count)
    start = np.cumsum(sizes) - sizes
    order = np.argsort(cluster, kind="stable")
    ends = np.cumsum(pairs)
    for one in np.flatnonzero(dense):
        mine = order[ends[one] - pairs[one] : ends[one]]
        closed[one] = _common(rows[mine] - start[one], cols[mine] - start[one], int(sizes[one]), threads)
    return np.asarray(paths - closed)


def _common(rows: Ints, cols: Ints, n: int, threads: int) -> int:
    """The sum over all pairs of the rows that are pairs of both ends: three times the triangles."""
    bits = np.zeros((n, -(-n // 8) * 8), bool)
    bits[rows, cols] = bits[cols, rows] = True
    matrix, of_row = np.packbits(bits, axis=1), bits.sum(axis=1)
    del bits
    both = int(of_row[rows].sum() + of_row[cols].sum())
    for first in range(0, len(rows), MOST_LISTED):
        part = slice(first, first + MOST_LISTED)
        differ = pair_distances(matrix, None, rows[part], cols[part], metric="hamming", threads=threads or None)
        both -= int(np.asarray(differ).sum())
    return both // 2


def _triangles(rows: Ints, cols: Ints, cluster: Ints, of_row: Ints, count: int) -> NDArray[np.int64]:
    """The triangles of each cluster; every pair is seen from its end of fewer pairs."""
    from scipy.sparse import csr_array

    n = len(of_row)
    rank = np.empty(n, np.int64)
    rank[np.argsort(of_row, kind="stable")] = np.arange(n)
    low, high = np.minimum(rank[rows], rank[cols]), np.maximum(rank[rows], rank[cols])
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
