"""Which rows are nearest, among those that are allowed: the functions that ask the core.

Every function but `pairwise` returns canonical distances: computed in float64 from the float32 rows in a fixed order of
summation, rounded once to float32; for packed codes the number of bits that differ. Order is by (distance, index). The
result therefore does not depend on threads, block sizes, the instruction set, chunking or k.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardmine import _arguments, _arrays, _core
from hardmine._arguments import check_threads
from hardmine._arithmetic import in_standard_arithmetic
from hardmine._arrays import ArrayLike, FloatRows, Ints, Rows
from hardmine._progress import Progress, Report
from hardmine.jobs.fingerprint import of_search
from hardmine.jobs.folder import Folder, opened
from hardmine.jobs.pieces import Pieces, pairs_of_piece, rows_of_piece
from hardmine.search.filter import CoreFilter, Filter, check_filter
from hardmine.search.index import Base, metric_of
from hardmine.search.kept_join import join_kept
from hardmine.search.metric import FLOAT_METRICS, Metric, distance_type
from hardmine.search.neighbors import Distances, Neighbors, check_padding, no_distance
from hardmine.search.sides import blocks_beside, check_rows, query_blocks


@in_standard_arithmetic
def topk(
    queries: ArrayLike,
    base: Base | None = None,
    k: int = 10,
    *,
    metric: Metric | None = None,
    where: Filter | None = None,
    query_rows: ArrayLike | None = None,
    bits: int | None = None,
    threads: int | None = None,
    progress: bool | Callable[[int, int], object] = False,
    checkpoint: str | Path | None = None,
) -> Neighbors:
    """Find the k nearest allowed base rows of each query, exactly.

    Parameters
    ----------
    queries : array of shape (n, d), any float dtype
        NumPy, torch (tensors on a device are copied block by block), anything with DLPack or ``__array__``, and rows that
        are not in memory, which are read block by block: h5py data sets, Zarr and Dask arrays, columns of lists of Arrow,
        pandas and polars, what `open_rows` opens, and a list of any of these, or of paths, as one array. Float32 rows of
        adjacent numbers are read in place, memory maps too; others are rounded to float32 once, block by block. For
        ``metric="hamming"`` packed codes, uint8 of shape (n, bytes), as `pack` makes them.
    base : array of shape (m, d) or Index, optional
        By default the queries themselves, each row's own pair left out. Or an `Index` of rows that are searched many times.
    k : int
        Rows to keep for each query; where fewer are allowed, the rest is padded (index -1, distance infinity). Beyond m only
        as long as the result takes no more than 1 GiB.
    metric : {"sqeuclidean", "euclidean", "cosine", "inner_product", "hamming"}, optional
        Distances, smaller is nearer: cosine is 1 minus the similarity, inner_product the negated product, hamming the
        number of bits that differ. A row of zeros has cosine distance 1 to every row. By default "sqeuclidean"; of an index
        its own, beside which no other is taken.
    where : Filter, optional
        Which pairs may be kept.
    query_rows : array of shape (n,), integers, optional
        Where queries are rows of `base`: the number of each, -1 for one that is not in it. The own row is then left out, so
        that the queries of an array found in parts are those of the whole: ``topk(x[r], x, k, query_rows=r)`` is
        ``topk(x, k=k)`` at r. Not beside ``base=None``.
    bits : int, optional
        Bits of a code that count, for ``metric="hamming"``; by default all of its bytes. Padding beyond them never counts.
    threads : int, optional
        By default every core the process may use (CPU affinity and OMP_NUM_THREADS respected).
    progress : bool or callable
        True shows a tqdm bar; a callable receives (pairs done, pairs in all) about ten times a second.
    checkpoint : str or Path, optional
        A folder in which finished pieces are kept, some minutes of work each: the same call goes on from there after it was
        ended, by whatever means, and returns the same bits. What was begun with other rows or options is an error. The folder
        stays until you remove it; docs/checkpoints.md says what is in it.

    Returns
    -------
    Neighbors
        distances (n, k) float32 (int32 for codes) and indices (n, k) int64, in the order of (distance, index); tensors if
        `queries` is one, on its device.

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind or value; NaN and infinity are reported with their row.
    RuntimeError
        For a tensor that holds no numbers (on "meta"); for a `checkpoint` that another process works in.
    OSError
        If rows cannot be read: the message says which, of what. If `checkpoint` cannot be written to; what was finished is
        kept.

    Notes
    -----
    O(n m d) multiply-adds, half of them for ``base=None``. Distances are float64 sums rounded once; results are the same bits
    for any threads, blocks, CPU, floating-point mode and k. For codes k costs no more than the pairs it keeps: 5,000 of a
    million take seven times as long as 10. Rows that float32 cannot separate (equal ones, clusters far apart) are scored in
    float64: some 4 to 8 times the time of ordinary rows. Ctrl-C ends a scan between blocks, each a small part of a second.

    Memory above inputs and outputs is at most 34 MiB and 3 MiB a thread, whatever n, m, d and k are (40 k bytes a thread if
    that is more). To this come, where inputs must be converted, two blocks of 32 MiB; where they are not in memory, two
    blocks, each of 32 MiB or of one chunk if that is more (the next one is read meanwhile), with what decoding takes beside
    them, and two of 128 MiB of the queries, for each of which the base is read once; up to 96 MiB where an array is searched
    against itself; for `base_mask` 4 bytes for each row that it leaves; for ``groups="same"`` 12 bytes a row and 40
    a group; and 8 bytes for each label, group or excluded row that is not given as int64.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> base = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]], dtype=np.float32)
    >>> distances, indices = hardmine.topk(np.zeros((1, 2), np.float32), base, k=2, metric="euclidean")
    >>> distances.tolist(), indices.tolist()
    ([[0.0, 1.0]], [[0, 2]])
    """
    metric = metric_of(metric, base)
    q, b = check_rows(queries, base, metric, bits)
    k, n_threads = _arguments.positive("k", k), check_threads(threads)
    check_padding("k", k, q.count, b.count)
    allowed = check_filter(where, query_rows, q.count, b.count, self_join=q is b)
    with opened(checkpoint, "topk") as folder:
        distances, indices = scan_kept(
            folder, "neighbors", q, b, k, metric=metric, allowed=allowed, threads=n_threads, progress=progress
        )
    return Neighbors(_arrays.like(distances, q.torch), _arrays.like(indices, q.torch), metric)


@in_standard_arithmetic
def scan(
    q: Rows,
    b: Rows,
    k: int,
    *,
    metric: str,
    allowed: CoreFilter,
    threads: int,
    progress: bool | Callable[[int, int], object] = False,
    block: int = 0,
    too_near: Ints | None = None,
    first: int = 0,
    last: int | None = None,
) -> tuple[Distances, Ints]:
    """(distances, indices) of `topk`, from arguments that are checked, for the queries from `first` to `last`.

    `block` is the number of base rows packed at a time, which tests vary; it changes no result. `too_near`, of shape (n,) and
    for float rows only, is added to: for each query the rows that `farther_than` alone kept out, exact up to
    `_core.most_counted`, then at least that.
    """
    kept = min(k, b.count)
    dtype = distance_type(metric)
    n = (q.count if last is None else last) - first
    result: tuple[Distances, Ints] | None = None
    with Progress(progress, n * b.count) as bar:
        for q_block in query_blocks(q, b, first, last):
            rows = slice(q_block.first, q_block.first + len(q_block.rows))
            counted: dict[str, Any] = {} if too_near is None else {"too_near": too_near[rows]}
            bound = allowed.nearer_than
            best: tuple[Distances, Ints] | None = None
            for b_block in blocks_beside(q_block, q, b):
                found = _core.topk(
                    queries=q_block,
                    base=b_block,
                    k=kept,
                    filter=allowed.core(nearer_than=bound),
                    metric=FLOAT_METRICS.get(metric),
                    threads=threads,
                    block=block,
                    progress=bar.part(len(q_block.rows) * len(b_block.rows)),
                    **counted,
                )
                best = found if best is None else _merged(best, found, kept, allowed, threads)
                # Rows of later blocks have larger indices: at the distance of the k-th they could not replace it.
                if allowed.max_per_group == 0 and b_block.first + len(b_block.rows) < b.count:
                    bound = np.full(q.count, np.nan, np.float32) if bound is None else bound.copy()
                    bound[rows] = np.where(best[1][:, -1] < 0, bound[rows], best[0][:, -1])
            if len(q_block.rows) == n and kept == k:
                result = best
            elif best is not None:
                result = result or _no_neighbors(n, k, dtype)
                result[0][rows.start - first : rows.stop - first, :kept] = best[0]
                result[1][rows.start - first : rows.stop - first, :kept] = best[1]
    return result or _no_neighbors(n, k, dtype)


@in_standard_arithmetic
def scan_kept(
    folder: Folder | None,
    search: str,
    q: Rows,
    b: Rows,
    k: int,
    *,
    metric: str,
    allowed: CoreFilter,
    threads: int,
    progress: bool | Callable[[int, int], object] = False,
    too_near: Ints | None = None,
) -> tuple[Distances, Ints]:
    """What `scan` finds for all queries, in pieces that are kept in a folder by the name of the search."""
    if folder is None or q.count == 0 or b.count == 0:
        return scan(q, b, k, metric=metric, allowed=allowed, threads=threads, progress=progress, too_near=too_near)
    if isinstance(q, FloatRows):
        q.check_finite()  # before the first piece, and not at that of the row
    kept = min(k, b.count)
    distances, indices = _no_neighbors(q.count, kept, distance_type(metric))
    found: dict[str, NDArray[Any]] = {"distances": distances, "indices": indices}
    if too_near is not None:
        found["too_near"] = np.zeros(q.count, np.int64)
    about = of_search(q, b, metric, allowed, k=k, counted=too_near is not None)
    pairs = pairs_of_piece(q.width, threads)
    with Progress(progress, q.count * b.count) as bar:
        left: range | Ints = range(q.count)
        if q is b and metric in FLOAT_METRICS:
            longer = pairs_of_piece(q.width, threads, sum(array.nbytes for array in found.values()))
            joined = Pieces(folder, search, q.count * (q.count + 1) // 2, longer, about, part=f"{search}-joined", grows=True)
            left = join_kept(joined, q, found, metric, allowed, threads, bar)
        rows = rows_of_piece(pairs, b.count, threads, sum(array.nbytes for array in found.values()) // q.count)
        if not isinstance(left, range):  # rows that do not follow one another are copied: as many as a converted block has
            rows = min(rows, max(1, _arrays.BLOCK_BYTES // (q.item * q.width)))
        # Should the lists of the join be damaged, another run may leave others: its pieces have names of their own.
        part = search if len(left) == q.count else f"{search}-beside-{q.count - len(left)}"
        pieces = Pieces(folder, search, len(left), rows, about, part=part)
        for number, first, last in pieces:
            numbers = left[first:last]
            at = slice(numbers.start, numbers.stop) if isinstance(numbers, range) else numbers
            piece = pieces.load(number)
            if piece is not None:
                bar.skip(len(numbers) * b.count)
            else:
                report = bar.part(len(numbers) * b.count) or False
                piece = _piece(q, b, kept, numbers, metric, allowed, threads, report, counted=too_near is not None)
                pieces.save(number, **piece)
            for name, array in piece.items():
                found[name][at] = array
    if too_near is not None:
        too_near += found["too_near"]
    if kept == k:
        return distances, indices
    padded = _no_neighbors(q.count, k, distances.dtype.type)
    padded[0][:, :kept], padded[1][:, :kept] = distances, indices
    return padded


def _piece(
    q: Rows,
    b: Rows,
    k: int,
    numbers: range | Ints,
    metric: str,
    allowed: CoreFilter,
    threads: int,
    progress: bool | Report,
    counted: bool,
) -> dict[str, NDArray[Any]]:
    """What `scan` finds for some queries."""
    if isinstance(numbers, range):
        first, last = numbers.start, numbers.stop
    else:
        first, last, q, allowed = 0, len(numbers), q.only(numbers), allowed.of(numbers)
    near = np.zeros(q.count, np.int64) if counted else None
    distances, indices = scan(
        q,
        b,
        k,
        metric=metric,
        allowed=allowed,
        threads=threads,
        progress=progress,
        too_near=near,
        first=first,
        last=last,
    )
    found: dict[str, NDArray[Any]] = {"distances": distances, "indices": indices}
    return found if near is None else {**found, "too_near": near[first:last]}


def _merged(best: Any, found: Any, k: int, allowed: CoreFilter, threads: int) -> tuple[Distances, Ints]:
    """The lists of two ranges of base rows as one."""
    merged: tuple[Distances, Ints] = _core.merge([best, found], k, allowed.base_groups, allowed.max_per_group, threads)
    return merged


def _no_neighbors(n: int, k: int, dtype: type) -> tuple[Distances, Ints]:
    return np.full((n, k), no_distance(dtype), dtype), np.full((n, k), -1, np.int64)
