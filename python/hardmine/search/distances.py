"""The distances of all pairs, and of listed ones: nothing is searched for."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from hardmine import _arrays, _core
from hardmine._arguments import check_threads
from hardmine._arithmetic import in_standard_arithmetic
from hardmine._arrays import ArrayLike, Block, FloatRows, Ints, Rows
from hardmine.search.index import Base, metric_of
from hardmine.search.metric import FLOAT_METRICS, Metric, distance_type
from hardmine.search.neighbors import DistanceArray, Distances
from hardmine.search.sides import check_rows, query_blocks


@in_standard_arithmetic
def pairwise(
    queries: ArrayLike,
    base: Base | None = None,
    *,
    metric: Metric | None = None,
    out: DistanceArray | None = None,
    bits: int | None = None,
    threads: int | None = None,
) -> DistanceArray:
    """Compute the matrix of all distances, fast.

    Parameters
    ----------
    queries : array of shape (n, d), any float dtype, or packed codes
        Read in place where float32 (see `topk`).
    base : array of shape (m, d) or Index, optional
        By default the queries themselves. Of an index the rows are read.
    metric : {"sqeuclidean", "euclidean", "cosine", "inner_product", "hamming"}, optional
        See `topk`.
    out : array of shape (n, m), float32, or int32 for codes, optional
        Where to write, without a copy; its rows must be of adjacent numbers and share no memory with the inputs.
    bits : int, optional
        See `topk`.
    threads : int, optional
        See `topk`.

    Returns
    -------
    array of shape (n, m), float32, or int32 for codes
        `out` if given; else a tensor if `queries` is one.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As `topk`; also if `out` cannot be written to.

    Notes
    -----
    Distances of codes are exact. Those of floats are not canonical, here alone: they come from float32 dot products about a
    common origin o, with an error of at most about (d + 16) 2^-24 (|q-o|^2 + 3 |b-o|^2) for squared distances and, for
    inner_product, (d + 16) 2^-25 (|q|^2 / c + c |b-o|^2) + 2^-23 |q| |o| with c about |q| / |b-o| (derived in
    cpp/screens/frame.hpp). Where that exceeds 2^-10 of a distance (4 (d + 16) 2^-24 in more than 4,000 dimensions), the
    pair is computed anew and canonical, so that equal rows have distance exactly 0; inner products, which may be near 0 for
    other reasons, are not.
    The same bits come from every CPU with fused multiply-adds, for any threads. O(n m d) time; memory above inputs and `out`
    as in `topk`.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> hardmine.pairwise(np.eye(2, dtype=np.float32)).tolist()
    [[0.0, 2.0], [2.0, 0.0]]
    """
    metric = metric_of(metric, base)
    q, b = check_rows(queries, base, metric, bits)
    n_threads = check_threads(threads)
    dtype = distance_type(metric)
    if out is None:
        result: Distances = np.empty((q.count, b.count), dtype)
    else:
        if not _arrays.is_output(out):
            raise TypeError(f"out: expected a NumPy array or a tensor to write to, got {type(out).__name__}")
        result = _arrays.to_numpy("out", out)
        if result.dtype != dtype or not result.dtype.isnative:
            raise TypeError(f"out: expected {np.dtype(dtype)}, got {result.dtype}")
        if result.shape != (q.count, b.count):
            raise ValueError(f"out: expected shape ({q.count}, {b.count}), got {result.shape}")
        adjacent = result.size == 0 or b.count == 1 or result.strides[1] == 4
        if not result.flags.writeable or not result.flags.aligned or not adjacent:
            raise ValueError("out: expected writable rows of adjacent numbers")
        if result.size and (result.strides[0] % 4 or (q.count > 1 and result.strides[0] < 4 * b.count)):
            raise ValueError("out: expected rows that follow one another without overlap")
        if q.overlaps(result) or b.overlaps(result):
            raise ValueError("out: expected memory of its own, got memory shared with an input")
    for q_block in query_blocks(q, b):
        rows = slice(q_block.first, q_block.first + len(q_block.rows))
        for b_block in b.blocks():
            part = result[rows, b_block.first : b_block.first + len(b_block.rows)]
            _core.pairwise(
                queries=q_block, base=b_block, metric=FLOAT_METRICS.get(metric), out=part, threads=n_threads, progress=None
            )
    return _arrays.like(result, q.torch) if out is None else out


@in_standard_arithmetic
def pair_distances(
    queries: ArrayLike,
    base: Base | None,
    rows: ArrayLike,
    cols: ArrayLike,
    *,
    metric: Metric | None = None,
    bits: int | None = None,
    threads: int | None = None,
) -> DistanceArray:
    """Compute the canonical distances of listed pairs: the same bits as in every function that selects.

    Parameters
    ----------
    queries, base : arrays of shape (n, d) and (m, d), any float dtype, or packed codes
        See `topk`; ``base=None`` for the queries themselves. Of an `Index` the rows are read.
    rows, cols : arrays of shape (p,), integers
        Pair i is query ``rows[i]`` and base row ``cols[i]``.
    metric : {"sqeuclidean", "euclidean", "cosine", "inner_product", "hamming"}, optional
        See `topk`.
    bits, threads : int, optional
        See `topk`.

    Returns
    -------
    array of shape (p,), float32, or int32 for codes
        A tensor if `queries` is one.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As `topk`; also if a row number is out of range.

    Notes
    -----
    O(p d) time in float64. Memory above inputs and output is 8 MiB and, for inputs that must be converted, two blocks of
    32 MiB and 17 bytes a pair; each block of the queries then converts the base once.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> x = np.array([[0.0, 0.0], [3.0, 4.0]], dtype=np.float32)
    >>> hardmine.pair_distances(x, None, [0, 1], [1, 1], metric="euclidean").tolist()
    [5.0, 0.0]
    """
    metric = metric_of(metric, base)
    q, b = check_rows(queries, base, metric, bits)
    n_threads = check_threads(threads)
    pairs = check_pairs(rows, cols, q.count, b.count)
    return _arrays.like(listed_distances(q, b, *pairs, metric=metric, threads=n_threads, all_finite=True), q.torch)


def check_pairs(rows: ArrayLike, cols: ArrayLike, n: int, m: int) -> tuple[Ints, Ints]:
    """Listed pairs of n queries and m base rows, or raise."""
    pairs = _arrays.integers("rows", rows), _arrays.integers("cols", cols)
    if len(pairs[0]) != len(pairs[1]):
        raise ValueError(f"cols: expected {len(pairs[0])} numbers like rows, got {len(pairs[1])}")
    for name, numbers, limit in (("rows", pairs[0], n), ("cols", pairs[1], m)):
        bad = _arrays.outside(numbers, 0, limit)
        if bad is not None:
            raise ValueError(f"{name}: expected row numbers from 0 to {limit - 1}, got {bad}")
    return pairs


@in_standard_arithmetic
def listed_distances(
    q: Rows, b: Rows, rows: Ints, cols: Ints, *, metric: str, threads: int, all_finite: bool = False
) -> Distances:
    """`pair_distances` from arguments that are checked.

    Of the queries only those from the first to the last one listed are read and checked for NaN, unless `all_finite` asks for
    all: whoever asks many times about a few of them, after a scan of all, would spend most of the time on that.
    """
    if b.decoded and b is not q and len(rows):
        return _of_listed_rows(q, b, rows, cols, metric=metric, threads=threads, all_finite=all_finite)
    core = partial(_core.pair_distances, metric=FLOAT_METRICS.get(metric), threads=threads, progress=None)
    distances: Distances = np.empty(len(rows), distance_type(metric))
    rows, cols = np.ascontiguousarray(rows), np.ascontiguousarray(cols)
    first, last = (0, q.count) if all_finite or len(rows) == 0 else (int(rows.min()), int(rows.max()) + 1)
    for q_block in query_blocks(q, b, first, last):
        for b_block in b.blocks():
            if len(q_block.rows) == q.count and len(b_block.rows) == b.count:
                distances = core(queries=q_block, base=b_block, rows=rows, cols=cols)
            else:
                listed = _within(rows, q_block) & _within(cols, b_block)
                within = {"rows": rows[listed] - q_block.first, "cols": cols[listed] - b_block.first}
                distances[listed] = core(queries=q_block, base=b_block, **within)
    return distances


def _of_listed_rows(q: Rows, b: Rows, rows: Ints, cols: Ints, *, metric: str, threads: int, all_finite: bool) -> Distances:
    """The same where a pass over the base decodes it: only chunks that have listed rows are read, each once."""
    asked, place = np.unique(cols, return_inverse=True)
    place = place.reshape(-1)
    distances: Distances = np.empty(len(rows), distance_type(metric))
    step = max(1, _arrays.BLOCK_BYTES // (b.item * b.width))
    for first in range(0, len(asked), step):
        numbers = asked[first : first + step]
        part = b.only(numbers)
        if isinstance(part, FloatRows):
            part.check_finite(numbers)
        at = np.flatnonzero((place >= first) & (place < first + len(numbers)))
        distances[at] = listed_distances(
            q, part, rows[at], place[at] - first, metric=metric, threads=threads, all_finite=all_finite and first == 0
        )
    return distances


def _within(numbers: Ints, block: Block) -> NDArray[np.bool_]:
    return (numbers >= block.first) & (numbers < block.first + len(block.rows))
