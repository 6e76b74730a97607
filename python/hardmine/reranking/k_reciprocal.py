"""Re-ranking by k-reciprocal neighbours: rows are alike that are among the neighbours of the same rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardmine import _arguments, _arrays, _core
from hardmine._arguments import check_threads
from hardmine._arithmetic import in_standard_arithmetic
from hardmine._arrays import ArrayLike, Ints, Rows
from hardmine.reranking.weights import check_neighbors
from hardmine.search.distances import listed_distances
from hardmine.search.filter import CoreFilter
from hardmine.search.metric import FLOAT_METRICS
from hardmine.search.neighbors import Distances, Neighbors
from hardmine.search.sides import check_rows
from hardmine.search.topk import scan

SQUARED = {"sqeuclidean": "sqeuclidean", "euclidean": "sqeuclidean", "cosine": "cosine"}
CELLS = 1 << 22  # distances looked at in one go for the largest of a row
ROWS_AT_ONCE = 1 << 13  # whose neighbours' neighbours are looked at in one go


@in_standard_arithmetic
def k_reciprocal(
    queries: ArrayLike,
    base: ArrayLike | None,
    neighbors: Neighbors,
    *,
    k1: int = 20,
    k2: int = 6,
    lambda_: float = 0.3,
    count_self: bool = True,
    threads: int | None = None,
) -> Neighbors:
    """Re-rank neighbours by how many reciprocal neighbours they share with the query.

    Parameters
    ----------
    queries, base : arrays of shape (n, d) and (m, d), any float dtype
        What was searched; ``base=None`` for the queries themselves.
    neighbors : Neighbors of metric "sqeuclidean", "euclidean" or "cosine"
        What `topk` found: these are the rows that are re-ranked, and no others.
    k1, k2 : int
        Neighbours that are looked at for reciprocity, and that codes are averaged over, the row itself included.
    lambda_ : float
        The share of the original distance in the result, from 0 to 1.
    count_self : bool
        Whether the row itself comes on top of its k1 neighbours, as in the published code, which looks at k1 + 1 entries. If
        not, k1 entries are looked at, and it is one of them: a row then has at most k1 reciprocal neighbours.
    threads : int, optional
        See `topk`.

    Returns
    -------
    Neighbors
        The same rows of each query by (new distance, index), without a metric; float32. Tensors if `neighbors` holds tensors.

    Raises
    ------
    TypeError, ValueError, RuntimeError, ImportError
        As `topk`; if the neighbours are not of these rows; if SciPy is missing.

    Notes
    -----
    The algorithm of [1]_, over queries and base together: a row's code is exp(-d) of its k1-reciprocal neighbours and of those
    of these that share more than two thirds of theirs, averaged over its k2 nearest; the new distance is (1 - lambda) of the
    Jaccard distance of codes and lambda of d, the squared distance over the largest one of the row. Equal rows are their own
    first neighbours. The published code holds (n + m)^2 distances several times: 11 GB for Market-1501; here memory is
    O((n + m) k1 k2) numbers and the answer. Time: `topk` of all rows in all, k = k1, once more the same for the largest
    distance of each, and O(k1^2) for each row.

    References
    ----------
    .. [1] Zhong, Zheng, Cao and Li, "Re-ranking person re-identification with k-reciprocal encoding", 2017.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> x = np.random.default_rng(0).standard_normal((300, 8)).astype(np.float32)
    >>> found = hardmine.topk(x[:10], x[10:], k=50)
    >>> again = hardmine.k_reciprocal(x[:10], x[10:], found)
    >>> again
    Neighbors(metric=None, distances=float32 (10, 50), indices=int64 (10, 50))
    >>> bool((np.sort(again.indices) == np.sort(found.indices)).all())
    True
    """
    try:
        from scipy.sparse import csr_array
    except ImportError:
        raise ImportError('k_reciprocal needs SciPy 1.12: pip install "hardmine[scipy]"') from None
    k1, k2, n_threads = _arguments.positive("k1", k1), _arguments.positive("k2", k2), check_threads(threads)
    if not isinstance(lambda_, (int, float)) or not 0 <= lambda_ <= 1:
        raise ValueError(f"lambda_: expected a number from 0 to 1, got {lambda_!r}")
    q, b = check_rows(queries, base, "sqeuclidean", None)
    given = check_neighbors("neighbors", neighbors, q.count, b.count, tuple(SQUARED))
    together = _Together(q, b, SQUARED[str(given.metric)], n_threads)
    size = together.size
    ranks = together.nearest(max(k1, k2 - 1))
    largest = together.largest()

    sets = reciprocal_sets(ranks, k1 + count_self)
    halves = reciprocal_sets(ranks, int(np.around(k1 / 2)) + count_self)
    parts = []
    for first in range(0, size, ROWS_AT_ONCE):
        expanded = _expanded(sets[first : first + ROWS_AT_ONCE], halves)
        rows, cols = expanded.nonzero()
        scaled = together.distances(rows + first, cols) / largest[rows + first]
        parts.append((rows + first, cols, np.exp(-scaled)))
    rows, cols, weights = (np.concatenate(part) for part in zip(*parts)) if parts else (np.empty(0, int),) * 3
    sums = np.bincount(rows, weights, size)
    codes = csr_array((weights / sums[rows], (rows, cols)), shape=(size, size))
    if k2 > 1:
        nearest = ranks[:, :k2]
        real = nearest >= 0
        some = np.nonzero(real)[0]
        mean = csr_array((1 / real.sum(axis=1)[some], (some, nearest[real])), shape=(size, size))
        codes = (mean @ codes).tocsr()

    distances, indices = np.full(given.indices.shape, np.inf, np.float32), np.full_like(given.indices, -1)
    dense = np.zeros(size)
    for i, listed in enumerate(np.asarray(given.indices)):
        cols = listed[listed >= 0]
        own = codes[[i]]
        dense[own.indices] = own.data
        others = codes[cols + together.offset]
        overlap = np.bincount(
            np.repeat(np.arange(len(cols)), np.diff(others.indptr)), np.minimum(others.data, dense[others.indices]), len(cols)
        )
        dense[own.indices] = 0
        scaled = together.distances(np.full(len(cols), i), cols + together.offset) / largest[i]
        new = ((1 - lambda_) * (1 - overlap / (2 - overlap)) + lambda_ * scaled).astype(np.float32)
        order = np.lexsort((cols, new))
        distances[i, : len(cols)], indices[i, : len(cols)] = new[order], cols[order]
    device = _arrays.device_of(neighbors.indices)
    return Neighbors(_arrays.like(distances, device), _arrays.like(indices, device))


def reciprocal_sets(ranks: Ints, k: int) -> Any:
    """Which rows are among the first k of each other's ranking, the row itself included: a sparse matrix of ones.

    ``ranks[i]`` begins with i; -1 is none.
    """
    from scipy.sparse import csr_array

    near = ranks[:, :k]
    real = near >= 0
    shape = (len(ranks), len(ranks))
    forward = csr_array((np.ones(np.count_nonzero(real), np.int32), (np.nonzero(real)[0], near[real])), shape=shape)
    mutual = forward.multiply(forward.T).tocsr()
    mutual.eliminate_zeros()
    return mutual


def _expanded(sets: Any, halves: Any) -> Any:
    """The sets of some rows, and of each member the half-sized set of which more than two thirds are in the row's."""
    shared = (sets @ halves.T).multiply(sets).tocsr()
    sizes = np.diff(halves.indptr)
    shared.data = (3 * shared.data > 2 * sizes[shared.indices]).astype(np.int32)
    shared.eliminate_zeros()
    return (sets + shared @ halves).tocsr()


class _Together:
    """Queries and base as one array of rows, queries first; one array with itself is only one."""

    def __init__(self, q: Rows, b: Rows, metric: str, threads: int) -> None:
        self._sides = [q] if b is q else [q, b]
        self._starts = np.cumsum([0] + [side.count for side in self._sides])
        self.size, self.offset = int(self._starts[-1]), 0 if b is q else q.count
        self._metric, self._threads = metric, threads

    def nearest(self, k: int) -> Ints:
        """Each row and its k nearest others, -1 where there are fewer: (size, k + 1)."""
        parts = []
        for i, side in enumerate(self._sides):
            lists: list[tuple[Distances, Ints]] = []
            for j, other in enumerate(self._sides):
                allowed = CoreFilter(self_join=side is other)
                found = scan(side, other, k, metric=self._metric, allowed=allowed, threads=self._threads)
                lists.append((found[0], np.where(found[1] >= 0, found[1] + self._starts[j], -1)))
            _, indices = _core.merge(lists, k) if len(lists) > 1 else lists[0]
            own = np.arange(self._starts[i], self._starts[i + 1])[:, None]
            parts.append(np.concatenate([own, indices], axis=1))
        return np.concatenate(parts)

    def largest(self) -> NDArray[np.float64]:
        """The largest distance of each row; 1 where all are 0."""
        found = np.zeros(self.size)
        for i, side in enumerate(self._sides):
            for other in self._sides:
                step = max(1, CELLS // max(1, other.count))
                for at in range(0, side.count, step):
                    rows = np.arange(at, min(at + step, side.count))
                    far = _farthest(side, rows, other, self._metric, self._threads)
                    every = slice(self._starts[i] + at, self._starts[i] + at + len(rows))
                    found[every] = np.maximum(found[every], far)
        return np.where(found > 0, found, 1)

    def distances(self, rows: Ints, cols: Ints) -> NDArray[np.float64]:
        """The canonical distances of pairs."""
        found = np.empty(len(rows))
        of_row, of_col = (np.searchsorted(self._starts[1:], numbers, "right") for numbers in (rows, cols))
        for i, side in enumerate(self._sides):
            for j, other in enumerate(self._sides):
                at = np.flatnonzero((of_row == i) & (of_col == j))
                pairs = rows[at] - self._starts[i], cols[at] - self._starts[j]
                found[at] = listed_distances(side, other, *pairs, metric=self._metric, threads=self._threads)
        return found


def _farthest(side: Rows, rows: Ints, other: Rows, metric: str, threads: int) -> Distances:
    """The distance of each row to the farthest other one: float32 products find it, and its distance is canonical."""
    if other.count == 0:
        return np.zeros(len(rows), np.float32)
    far, col = np.full(len(rows), -np.inf, np.float32), np.zeros(len(rows), np.int64)
    for q_block in side.blocks(int(rows[0]), int(rows[-1]) + 1):
        within = slice(q_block.first - int(rows[0]), q_block.first - int(rows[0]) + len(q_block.rows))
        for b_block in other.blocks():
            matrix = np.empty((len(q_block.rows), len(b_block.rows)), np.float32)
            _core.pairwise(
                queries=q_block, base=b_block, metric=FLOAT_METRICS[metric], out=matrix, threads=threads, progress=None
            )
            best = matrix.argmax(axis=1)
            value = matrix[np.arange(len(best)), best]
            larger = value > far[within]
            far[within], col[within] = (
                np.where(larger, value, far[within]),
                np.where(larger, best + b_block.first, col[within]),
            )
    return listed_distances(side, other, rows, col, metric=metric, threads=threads)
