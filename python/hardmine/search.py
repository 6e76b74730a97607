"""Which rows are nearest, among those that are allowed: the functions that ask the core.

Every function but `pairwise` returns canonical distances: computed in float64 from the float32 rows in a fixed order of
summation, rounded once to float32. Order is by (distance, index). The result therefore does not depend on threads, block
sizes, the instruction set, chunking or k.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from hardmine import _arrays, _core
from hardmine._arrays import ArrayLike, Floats, Ints, Rows
from hardmine._progress import Progress

Metric: TypeAlias = Literal["sqeuclidean", "euclidean", "cosine", "inner_product"]
METRICS: dict[str, _core.Metric] = dict(_core.Metric.__members__)


class _NeighborsFields(NamedTuple):
    distances: Any
    indices: Any


class Neighbors(_NeighborsFields):
    """The nearest rows of each query: unpacks as (distances, indices), both of shape (n, k).

    Rows are in ascending order of (distance, index). Missing neighbours have index -1 and distance infinity.

    Attributes
    ----------
    distances : array of shape (n, k), float32
        Canonical distances; smaller is nearer, for every metric.
    indices : array of shape (n, k), int64
        Base rows.
    metric : str
        The metric of the distances.
    """

    metric: str

    def __new__(cls, distances: Any, indices: Any, metric: str = "sqeuclidean") -> Neighbors:
        self = super().__new__(cls, distances, indices)
        self.metric = metric
        return self

    def __getnewargs__(self) -> Any:
        return self.distances, self.indices, self.metric

    @property
    def scores(self) -> Any:
        """The similarity view, larger is nearer: 1 - distance for cosine, -distance otherwise (float32)."""
        return _scores(self.distances, self.metric)


def _scores(distances: Any, metric: str) -> Any:
    return 1 - distances if metric == "cosine" else -distances


@dataclass(frozen=True, eq=False)
class Filter:
    """Which pairs of a query and a base row may be kept. Every condition given must hold.

    Filters are applied inside the scan: if a query has n allowed rows, its n nearest are returned, however many nearer
    ones are not allowed. Groups and exclusions cost time only for pairs that are near enough to be kept; `base_mask` and
    `groups="same"` leave the other rows out of the multiplication.

    Parameters
    ----------
    query_groups, base_groups : array of shape (n,) and (m,), integers or strings, optional
        A group of each query and base row. With ``base=None`` the queries' groups serve for both.
    groups : {"different", "same"}
        Whether a pair must be of different groups or of the same.
    exclude : list of n index arrays, or (indptr, indices), or a SciPy CSR matrix, optional
        Base rows that each query must not be given.
    base_mask : array of shape (m,), bool, optional
        The base rows that may be given at all.
    nearer_than, farther_than : float or array of shape (n,), optional
        Strict limits on the canonical distance, in the metric's unit.
    max_per_group : int, optional
        At most this many rows of each base group for a query: the nearest ones. Needs `base_groups`.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> rows = np.array([[0.0], [1.0], [2.0], [5.0]], dtype=np.float32)
    >>> label = np.array([7, 7, 8, 8])
    >>> hardmine.topk(rows, k=1, where=hardmine.Filter(query_groups=label)).indices.ravel()
    array([2, 2, 1, 1])
    """

    query_groups: ArrayLike = None
    base_groups: ArrayLike = None
    groups: Literal["different", "same"] = "different"
    exclude: Any = None
    base_mask: ArrayLike = None
    nearer_than: ArrayLike = None
    farther_than: ArrayLike = None
    max_per_group: int | None = None


class _CoreFilter(NamedTuple):
    """A filter as the core takes it; the names are those of `_core.topk`."""

    groups: _core.Groups = _core.Groups.any
    query_groups: Ints | None = None
    base_groups: Ints | None = None
    exclude_start: Ints | None = None
    exclude_indices: Ints | None = None
    base_mask: Any = None
    nearer_than: Floats | None = None
    farther_than: Floats | None = None
    max_per_group: int = 0


def _check_filter(where: Filter | None, n: int, m: int, self_join: bool) -> _CoreFilter:
    if where is None:
        return _CoreFilter()
    if not isinstance(where, Filter):
        raise TypeError(f"where: expected a hardmine.Filter, got {type(where).__name__}")
    if where.groups not in ("different", "same"):
        raise ValueError(f'groups: expected "different" or "same", got {where.groups!r}')
    found: dict[str, Any] = {}
    base_groups = where.query_groups if where.base_groups is None and self_join else where.base_groups
    if where.query_groups is not None and base_groups is None:
        raise ValueError("base_groups: expected a group for each base row beside query_groups, got None")
    if base_groups is not None and where.query_groups is None and where.max_per_group is None:
        raise ValueError("query_groups: expected a group for each query beside base_groups, got None")
    if where.max_per_group is not None:
        if base_groups is None:
            raise ValueError("max_per_group: expected base_groups beside it, got None")
        found["max_per_group"] = positive("max_per_group", where.max_per_group)
    if base_groups is not None:
        given = [_arrays.labels("base_groups", base_groups, m, "base")]
        if where.query_groups is not None:
            given.append(_arrays.labels("query_groups", where.query_groups, n, "queries"))
            found["groups"] = _core.Groups.__members__[where.groups]
        found.update(zip(("base_groups", "query_groups"), _arrays.codes(*given)))
    if where.exclude is not None:
        found["exclude_start"], found["exclude_indices"] = _arrays.ragged("exclude", where.exclude, n, m)
    if where.base_mask is not None:
        mask = _arrays.to_numpy("base_mask", where.base_mask)
        if mask.dtype != np.bool_:
            raise TypeError(f"base_mask: expected booleans, got {mask.dtype}")
        if mask.shape != (m,):
            raise ValueError(f"base_mask: expected {m} booleans, one for each base row, got shape {mask.shape}")
        found["base_mask"] = np.ascontiguousarray(mask)
    if where.nearer_than is not None:
        found["nearer_than"] = _arrays.round_up(_arrays.thresholds("nearer_than", where.nearer_than, n))
    if where.farther_than is not None:
        found["farther_than"] = _arrays.round_down(_arrays.thresholds("farther_than", where.farther_than, n))
    return _CoreFilter(**found)


def positive(name: str, value: Any) -> int:
    """Check that an argument is an integer of at least 1."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: expected an integer, got {type(value).__name__}") from None
    if isinstance(value, bool):
        raise TypeError(f"{name}: expected an integer, got bool")
    if number < 1:
        raise ValueError(f"{name}: expected at least 1, got {number}")
    return number


def _check_metric(metric: str) -> _core.Metric:
    if metric not in METRICS:
        raise ValueError(f"metric: expected one of {', '.join(METRICS)}, got {metric!r}")
    return METRICS[metric]


def _check_threads(threads: int | None) -> int:
    return 0 if threads is None else positive("threads", threads)


def _check_rows(queries: ArrayLike, base: ArrayLike) -> tuple[Rows, Rows]:
    q = Rows("queries", queries)
    b = q if base is None else Rows("base", base)
    if b.width != q.width:
        raise ValueError(f"base: expected rows of {q.width} numbers like queries, got shape ({b.count}, {b.width})")
    return q, b


def topk(
    queries: ArrayLike,
    base: ArrayLike = None,
    k: int = 10,
    *,
    metric: Metric = "sqeuclidean",
    where: Filter | None = None,
    threads: int | None = None,
    progress: bool | Callable[[int, int], object] = False,
) -> Neighbors:
    """Find the k nearest allowed base rows of each query, exactly.

    Parameters
    ----------
    queries : array of shape (n, d), any float dtype
        NumPy, torch (CPU) or anything with DLPack or ``__array__``. Float32 rows of adjacent numbers are read in place,
        memory maps too; others are rounded to float32 once, block by block.
    base : array of shape (m, d), optional
        By default the queries themselves, each row's own pair left out.
    k : int
        Rows to keep for each query; where fewer are allowed, the rest is padded (index -1, distance infinity).
    metric : {"sqeuclidean", "euclidean", "cosine", "inner_product"}
        Distances, smaller is nearer: cosine is 1 minus the similarity, inner_product the negated product. A row of zeros
        has cosine distance 1 to every row.
    where : Filter, optional
        Which pairs may be kept.
    threads : int, optional
        By default every core the process may use (CPU affinity and OMP_NUM_THREADS respected).
    progress : bool or callable
        True shows a tqdm bar; a callable receives (pairs done, pairs in all) about ten times a second.

    Returns
    -------
    Neighbors
        distances (n, k) float32 and indices (n, k) int64, in the order of (distance, index); tensors if `queries` is one.

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind or value; NaN and infinity are reported with their row.
    RuntimeError
        For a tensor on a device that this build cannot use.

    Notes
    -----
    O(n m d) multiply-adds. Memory above inputs and outputs is at most 34 MiB, 3 MiB a thread and, where inputs must be
    converted, two blocks of 32 MiB, whatever n and m are (more only if k exceeds some 10,000). Ctrl-C ends a scan between
    blocks. Distances are float64 sums rounded once; results are the same bits for any threads, blocks, CPU and k.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> base = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]], dtype=np.float32)
    >>> distances, indices = hardmine.topk(np.zeros((1, 2), np.float32), base, k=2, metric="euclidean")
    >>> distances.tolist(), indices.tolist()
    ([[0.0, 1.0]], [[0, 2]])
    """
    return scan(queries, base, k, metric=metric, where=where, threads=threads, progress=progress)


def scan(
    queries: ArrayLike,
    base: ArrayLike,
    k: int,
    *,
    metric: str,
    where: Filter | None,
    threads: int | None,
    progress: bool | Callable[[int, int], object],
    block: int = 0,
) -> Neighbors:
    """`topk` with the number of base rows packed at a time, which tests vary; it changes no result."""
    q, b = _check_rows(queries, base)
    k, core_metric, n_threads = positive("k", k), _check_metric(metric), _check_threads(threads)
    self_join = base is None
    allowed = _check_filter(where, q.count, b.count, self_join)
    kept = min(k, b.count)
    distances = np.full((q.count, k), np.inf, np.float32)
    indices = np.full((q.count, k), -1, np.int64)
    with Progress(progress, q.count * b.count) as bar:
        for first_query, q_rows in q.blocks():
            rows = slice(first_query, first_query + len(q_rows))
            bound = allowed.nearer_than
            best: tuple[Floats, Ints] | None = None
            for first_base, b_rows in b.blocks():
                found = _core.topk(
                    queries=q_rows,
                    first_query=first_query,
                    base=b_rows,
                    first_base=first_base,
                    k=kept,
                    metric=core_metric,
                    self=self_join,
                    threads=n_threads,
                    block=block,
                    progress=bar.part(len(q_rows) * len(b_rows)),
                    **allowed._replace(nearer_than=bound)._asdict(),
                )
                best = found if best is None else _merge_arrays([best, found], kept, allowed)
                # Rows of later blocks have larger indices: at the distance of the k-th they could not replace it.
                if allowed.max_per_group == 0 and first_base + len(b_rows) < b.count:
                    bound = np.full(q.count, np.nan, np.float32) if bound is None else bound.copy()
                    bound[rows] = np.where(best[1][:, -1] < 0, bound[rows], best[0][:, -1])
            if best is not None:
                distances[rows, :kept], indices[rows, :kept] = best
    return Neighbors(_arrays.like(distances, q.torch), _arrays.like(indices, q.torch), metric)


def _merge_arrays(parts: list[tuple[Floats, Ints]], k: int, allowed: _CoreFilter) -> tuple[Floats, Ints]:
    """The k first of several sorted lists in the order of (distance, index), equal entries once, groups capped."""
    distances = np.concatenate([part[0] for part in parts], axis=1)
    indices = np.concatenate([part[1] for part in parts], axis=1)
    distances, indices = _sort_rows(distances, indices)
    drop = np.zeros(indices.shape, bool)
    drop[:, 1:] = (indices[:, 1:] == indices[:, :-1]) & (distances[:, 1:] == distances[:, :-1])
    if allowed.max_per_group and allowed.base_groups is not None:
        groups = allowed.base_groups[indices]
        order = np.argsort(groups, axis=1, kind="stable")
        ordered = np.take_along_axis(groups, order, axis=1)
        cap = min(allowed.max_per_group, ordered.shape[1])
        beyond = np.zeros(indices.shape, bool)
        beyond[:, cap:] = ordered[:, cap:] == ordered[:, : ordered.shape[1] - cap]
        np.put_along_axis(drop, order, beyond, axis=1)
    if drop.any():
        distances[drop], indices[drop] = np.inf, -1
        distances, indices = _sort_rows(distances, indices)
    return np.ascontiguousarray(distances[:, :k]), np.ascontiguousarray(indices[:, :k])


def _sort_rows(distances: Floats, indices: Ints) -> tuple[Floats, Ints]:
    last = np.where(indices < 0, np.iinfo(np.int64).max, indices)  # missing ones come after every row
    order = np.lexsort((last, distances), axis=1)
    return np.take_along_axis(distances, order, axis=1), np.take_along_axis(indices, order, axis=1)


def merge(*neighbors: Any, k: int | None = None) -> Neighbors:
    """Merge the neighbours found in chunks, shards or on several machines into one result.

    The indices must already be those of the whole base (add each shard's offset). Merging is associative, commutative
    and, because a pair has the same distance everywhere, idempotent: an entry that occurs twice is kept once.

    Parameters
    ----------
    *neighbors : Neighbors, or pairs (distances, indices)
        At least one; the same number of queries in each.
    k : int, optional
        Rows to keep; by default the largest k given.

    Returns
    -------
    Neighbors
        Of shape (n, k); tensors if the first argument holds tensors.

    Raises
    ------
    TypeError, ValueError
        If nothing is given, shapes disagree, or metrics do.

    Notes
    -----
    O(n K log K) time and O(n K) memory for K entries a query in all. With ``max_per_group`` the caps hold for each part
    only: merge what was found without one.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> left = (np.array([[0.0, 2.0]], np.float32), np.array([[4, 9]]))
    >>> right = (np.array([[1.0, 2.0]], np.float32), np.array([[7, 3]]))
    >>> hardmine.merge(left, right).indices.tolist()
    [[4, 7]]
    """
    if not neighbors:
        raise TypeError("neighbors: expected at least one, got none")
    metrics = {part.metric for part in neighbors if isinstance(part, Neighbors)}
    if len(metrics) > 1:
        raise ValueError(f"neighbors: expected one metric, got {', '.join(sorted(metrics))}")
    parts: list[tuple[Floats, Ints]] = []
    for part in neighbors:
        if not isinstance(part, tuple) or len(part) != 2:
            raise TypeError(f"neighbors: expected Neighbors or pairs (distances, indices), got {type(part).__name__}")
        distances, indices = (_arrays.to_numpy("neighbors", array) for array in part)
        if distances.ndim != 2 or distances.shape != indices.shape:
            raise ValueError(f"neighbors: expected two arrays of one shape (n, k), got {distances.shape}, {indices.shape}")
        if distances.dtype != np.float32 or indices.dtype.kind not in "iu":
            raise TypeError(f"neighbors: expected float32 and integers, got {distances.dtype} and {indices.dtype}")
        if len(distances) != (len(parts[0][0]) if parts else len(distances)):
            raise ValueError(f"neighbors: expected {len(parts[0][0])} queries in each, got {len(distances)}")
        parts.append((distances, indices.astype(np.int64)))
    kept = max(part[0].shape[1] for part in parts) if k is None else positive("k", k)
    missing = max(0, kept - sum(part[0].shape[1] for part in parts))
    shape = (len(parts[0][0]), missing)
    parts.append((np.full(shape, np.inf, np.float32), np.full(shape, -1, np.int64)))
    merged = _merge_arrays(parts, kept, _CoreFilter())
    torch_wanted = _arrays.is_torch(neighbors[0][0])
    return Neighbors(*(_arrays.like(array, torch_wanted) for array in merged), *metrics)


def pairwise(
    queries: ArrayLike,
    base: ArrayLike = None,
    *,
    metric: Metric = "sqeuclidean",
    out: Any = None,
    threads: int | None = None,
) -> Any:
    """Compute the float32 matrix of all distances, fast.

    Parameters
    ----------
    queries : array of shape (n, d), any float dtype
        Read in place where float32 (see `topk`).
    base : array of shape (m, d), optional
        By default the queries themselves.
    metric : {"sqeuclidean", "euclidean", "cosine", "inner_product"}
        See `topk`.
    out : array of shape (n, m), float32, optional
        Where to write, without a copy; its rows must be of adjacent numbers and share no memory with the inputs.
    threads : int, optional
        See `topk`.

    Returns
    -------
    array of shape (n, m), float32
        `out` if given; else a tensor if `queries` is one.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As `topk`; also if `out` cannot be written to.

    Notes
    -----
    This is the one function whose values are not canonical: they come from float32 dot products about a common origin o,
    with an error of at most about (d + 16) 2^-24 (|q-o|^2 + 3 |b-o|^2) for squared distances and, for inner_product,
    (d + 16) 2^-25 (|q|^2 / c + c |b-o|^2) with c about |q| / |b-o| (cpp/frame.hpp derives them). Where that exceeds 2^-10 of a distance
    (4 (d + 16) 2^-24 in more than 4,000 dimensions), the pair is
    computed anew and canonical, so that equal rows have distance exactly 0; inner products, which may be near 0 for other
    reasons, are not. The same bits come from every CPU with fused multiply-adds, for any threads. O(n m d) time;
    memory above inputs and `out` as in `topk`.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> hardmine.pairwise(np.eye(2, dtype=np.float32)).tolist()
    [[0.0, 2.0], [2.0, 0.0]]
    """
    q, b = _check_rows(queries, base)
    core_metric, n_threads = _check_metric(metric), _check_threads(threads)
    if out is None:
        result = np.empty((q.count, b.count), np.float32)
    else:
        if not _arrays.is_output(out):
            raise TypeError(f"out: expected a NumPy array or a tensor to write to, got {type(out).__name__}")
        result = _arrays.to_numpy("out", out)
        if result.dtype != np.float32 or not result.dtype.isnative:
            raise TypeError(f"out: expected float32, got {result.dtype}")
        if result.shape != (q.count, b.count):
            raise ValueError(f"out: expected shape ({q.count}, {b.count}), got {result.shape}")
        if not result.flags.writeable or not result.flags.aligned or (b.count > 1 and result.strides[1] != 4):
            raise ValueError("out: expected writable rows of adjacent numbers")
        if result.strides[0] % 4 or (q.count > 1 and result.strides[0] < 4 * b.count):
            raise ValueError("out: expected rows that follow one another without overlap")
        if q.overlaps(result) or b.overlaps(result):
            raise ValueError("out: expected memory of its own, got memory shared with an input")
    for first_query, q_rows in q.blocks():
        for first_base, b_rows in b.blocks():
            part = result[first_query : first_query + len(q_rows), first_base : first_base + len(b_rows)]
            _core.pairwise(
                queries=q_rows,
                first_query=first_query,
                base=b_rows,
                first_base=first_base,
                metric=core_metric,
                out=part,
                threads=n_threads,
                progress=None,
            )
    return _arrays.like(result, q.torch) if out is None else out


def pair_distances(
    queries: ArrayLike,
    base: ArrayLike,
    rows: ArrayLike,
    cols: ArrayLike,
    *,
    metric: Metric = "sqeuclidean",
    threads: int | None = None,
) -> Any:
    """Compute the canonical distances of listed pairs: the same bits as in every function that selects.

    Parameters
    ----------
    queries, base : arrays of shape (n, d) and (m, d), any float dtype
        See `topk`; ``base=None`` for the queries themselves. Converted whole where they cannot be read in place.
    rows, cols : arrays of shape (p,), integers
        Pair i is query ``rows[i]`` and base row ``cols[i]``.
    metric : {"sqeuclidean", "euclidean", "cosine", "inner_product"}
        See `topk`.
    threads : int, optional
        See `topk`.

    Returns
    -------
    array of shape (p,), float32
        A tensor if `queries` is one.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As `topk`; also if a row number is out of range.

    Notes
    -----
    O(p d) time in float64; no memory above inputs and output.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> x = np.array([[0.0, 0.0], [3.0, 4.0]], dtype=np.float32)
    >>> hardmine.pair_distances(x, None, [0, 1], [1, 1], metric="euclidean").tolist()
    [5.0, 0.0]
    """
    q, b = _check_rows(queries, base)
    core_metric, n_threads = _check_metric(metric), _check_threads(threads)
    pairs = _arrays.integers("rows", rows), _arrays.integers("cols", cols)
    if len(pairs[0]) != len(pairs[1]):
        raise ValueError(f"cols: expected {len(pairs[0])} numbers like rows, got {len(pairs[1])}")
    for name, numbers, limit in (("rows", pairs[0], q.count), ("cols", pairs[1], b.count)):
        if len(numbers) and (numbers.min() < 0 or numbers.max() >= limit):
            bad = numbers[(numbers < 0) | (numbers >= limit)][0]
            raise ValueError(f"{name}: expected row numbers from 0 to {limit - 1}, got {bad}")
    queries_block = q.take_all()
    base_block = queries_block if b is q else b.take_all()
    distances = _core.pair_distances(
        queries=queries_block,
        base=base_block,
        rows=pairs[0],
        cols=pairs[1],
        metric=core_metric,
        threads=n_threads,
        progress=None,
    )
    return _arrays.like(distances, q.torch)
