"""The nearest rows of each query, block by block."""

from __future__ import annotations

from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from hardmine import _arguments, _core
from hardmine._arithmetic import in_standard_arithmetic
from hardmine._arrays import Floats, Ints
from hardmine.dask.blocks import Meeting, RowBlock, Rule, meet
from hardmine.dask.rows import RowsLike
from hardmine.dask.stages import Ref, Search, Stages, workers
from hardmine.dask.threads import engine_threads
from hardmine.search.filter import Filter
from hardmine.search.metric import Metric, distance_type
from hardmine.search.neighbors import Distances, Neighbors, check_padding


class Lists(NamedTuple):
    """The nearest rows found so far of a block of queries."""

    distances: Distances
    indices: Ints
    groups: Ints | None = None  # of the rows, where a cap counts them
    too_near: Ints | None = None  # rows that `farther_than` alone kept out, where they are counted: see `scan`


def topk(
    queries: RowsLike,
    base: RowsLike | None = None,
    k: int = 10,
    *,
    metric: Metric = "sqeuclidean",
    where: Filter | None = None,
    query_rows: Any = None,
    bits: int | None = None,
    threads: int | None = None,
    split_every: int | None = None,
) -> Neighbors:
    """Find the k nearest allowed base rows of each query, exactly and lazily: `hardmine.topk` over blocks of rows.

    Parameters
    ----------
    queries : dask.array.Array of shape (n, d), any float dtype, or packed codes
        Or a NumPy array, or anything with ``shape``, ``dtype`` and slicing by rows (h5py, Zarr), which tasks read without a
        lock; a memory map goes to a cluster as its path. Chunks of a Dask array are kept if they have 1,024 rows on average
        and at most 1 GiB each, as float32; its columns become one chunk. Otherwise, and for other arrays, blocks have up to
        262,144 rows and 128 MiB.
    base : the same of shape (m, d), optional
        By default the queries themselves, each row's own pair left out.
    k, metric, where, query_rows, bits : optional
        See `hardmine.topk`. The arrays of a filter lie in memory; a task gets the parts of its blocks.
    threads : int, optional
        Of each task. By default a task takes all threads of its process (of a worker its ``nthreads``), and tasks of one
        process are in the engine one after another.
    split_every : int, optional
        Lists that one task merges, 8 by default.

    Returns
    -------
    Neighbors
        distances (n, k) float32 (int32 for codes) and indices (n, k) int64, Dask arrays of one chunk a block of queries:
        ``dask.compute(found)[0]`` has them as NumPy arrays, bit for bit those of `hardmine.topk`.

    Raises
    ------
    TypeError, ValueError
        As `hardmine.topk`, before anything is read; for rows that are not finite, once they are.

    Notes
    -----
    A block of queries first meets as many blocks of the base as there are workers for (one, if there are more blocks of
    queries); the k-th distance found there is a limit for all others, which takes a quarter to a third off their time. No
    limit is passed on beside `Filter.max_per_group`.

    An array against itself: n m multiply-adds, twice those of one process, because lists of both sides of a pair of blocks are
    two calls. Only pairs i <= j of blocks are tasks, so that a block travels once to each pair.

    A task holds two blocks, and 12 k bytes for each query. Between tasks travel blocks, and lists of as many bytes.

    Examples
    --------
    >>> import dask, dask.array as da, numpy as np, hardmine.dask
    >>> base = da.from_array(np.arange(12, dtype=np.float32).reshape(6, 2), chunks=(3, 2))
    >>> found = hardmine.dask.topk(np.float32([[4, 5], [9, 9]]), base, k=2)
    >>> found
    Neighbors(metric='sqeuclidean', distances=float32 (2, 2), indices=int64 (2, 2))
    >>> dask.compute(found)[0].indices.tolist()
    [[2, 1], [4, 5]]
    """
    search = Search("topk", queries, base, metric, where, query_rows, bits, threads, split_every)
    k = _arguments.positive("k", k)
    check_padding("k", k, search.queries.rows, search.base.rows)
    stages = search.stages()
    for i, lists in enumerate(nearest_lists(search, stages, min(k, search.base.rows), k)):
        for stage, field in (("distances", 0), ("indices", 1)):
            stages.add(stage, (i, 0), itemgetter(field), lists)
    chunks = (search.queries.array.chunks[0], (k,))
    dtype = np.dtype(distance_type(metric))
    distances: Any = stages.array("distances", chunks, dtype)
    indices: Any = stages.array("indices", chunks, np.int64)
    return Neighbors(distances, indices, metric)


def nearest_lists(search: Search, stages: Stages, kept: int, k: int) -> list[Ref]:
    """The `Lists` of each block of queries, (rows, k), of which `kept` may be rows."""
    found = _both_sides(search, stages, kept) if search.alone else _rectangle(search, stages, kept)
    rule, dtype = search.rule, np.dtype(distance_type(search.metric))
    lists = []
    for i, parts in enumerate(found):
        if len(parts) > search.split_every:
            groups = [parts[at : at + search.split_every] for at in range(0, len(parts), search.split_every)]
            parts = [stages.add("merge", (i, 0, at), merged, group, kept, rule, dtype) for at, group in enumerate(groups)]
            parts = [stages.reduce("merge", (i, 1), merged, parts, search.split_every, kept, rule, dtype)]
        lists.append(stages.add("lists", (i,), merged, parts, k, rule, dtype))
    return lists


def _rectangle(search: Search, stages: Stages, kept: int) -> list[list[Ref]]:
    """Each block of queries against each of the base: first against those that begin at its own place, without a limit."""
    n, m = search.queries.blocks, search.base.blocks
    dtype = np.dtype(distance_type(search.metric))
    first = m if search.rule.max_per_group else min(m, -(-workers() // n))
    found = []
    for i in range(n):
        order = [(i + j) % m for j in range(m)]
        known = None
        parts: list[Ref] = []
        for turn, j in enumerate(order):
            if turn == first:
                known = parts[0]
                if first > 1:
                    known = stages.reduce("limit", (i,), merged, parts[:], search.split_every, kept, search.rule, dtype)
                parts = [known]
            block = search.query_block(i), search.base_block(j)
            # Layers of their own: Dask has no layers that need each other.
            stage = "first" if turn < first else "blocks"
            parts.append(stages.add(stage, (i, j), nearest, search.rule, kept, *block, known))
        found.append(parts)
    return found


def _both_sides(search: Search, stages: Stages, kept: int) -> list[list[Ref]]:
    """Each block against itself; then each pair of blocks, which has lists for both."""
    n = search.queries.blocks
    own = [stages.add("blocks", (i, i), nearest_own, search.rule, kept, search.query_block(i)) for i in range(n)]
    found = [[one] for one in own]
    for i in range(n):
        for j in range(i + 1, n):
            known = (own[i], own[j]) if not search.rule.max_per_group else (None, None)
            blocks = search.query_block(i), search.query_block(j)
            both = stages.add("blocks", (i, j), nearest_both, search.rule, kept, *blocks, *known)
            for side, at in enumerate((i, j)):
                found[at].append(stages.add("side", (i, j, side), itemgetter(side), both))
    return found


@in_standard_arithmetic
def nearest(rule: Rule, k: int, queries: RowBlock, base: RowBlock, known: Lists | None = None) -> Lists:
    """The task of two blocks. `known` is what the queries have found in others."""
    meeting = meet(rule, queries, base, alone=False)
    limits = _narrowed(meeting.allowed.nearer_than, known, k, base.begin)
    return _lists(rule, k, meeting, limits)


@in_standard_arithmetic
def nearest_own(rule: Rule, k: int, rows: RowBlock) -> Lists:
    """The task of a block against itself."""
    meeting = meet(rule, rows, rows, alone=True)
    return _lists(rule, k, meeting, meeting.allowed.nearer_than)


@in_standard_arithmetic
def nearest_both(
    rule: Rule, k: int, rows: RowBlock, later: RowBlock, known: Lists | None, known_later: Lists | None
) -> tuple[Lists, Lists]:
    """The task of two blocks of one array: the lists of both."""
    meeting = meet(rule, rows, later, alone=True)
    given = meeting.allowed.nearer_than
    n = len(rows.rows)
    limits = (
        _narrowed(None if given is None else given[:n], known, k, later.begin),
        _narrowed(None if given is None else given[n:], known_later, k, rows.begin),
    )
    both = None
    if limits[0] is not None or limits[1] is not None:
        sizes = len(rows.rows), len(later.rows)
        none = [np.full(size, np.nan, np.float32) for size in sizes]
        both = np.concatenate([no if limit is None else limit for limit, no in zip(limits, none)])
    turned = meeting._replace(queries=meeting.base, base=meeting.queries, blocks=(later, rows))
    return _lists(rule, k, meeting, both), _lists(rule, k, turned, both)


def _lists(rule: Rule, k: int, meeting: Meeting, limits: Floats | None) -> Lists:
    with engine_threads(rule.threads) as threads:
        given = meeting.arguments(rule, threads, limits)
        too_near = np.zeros(len(meeting.queries.rows), np.int64) if rule.counted else None
        counted: dict[str, Any] = {} if too_near is None else {"too_near": too_near}
        distances, indices = _core.topk(**given, **counted, k=min(k, len(meeting.base.rows)), block=0)
    groups = meeting.allowed.base_groups
    of_rows = groups[indices] if rule.max_per_group and groups is not None and len(groups) else None
    return Lists(distances, meeting.cols(indices), of_rows, too_near)


def _narrowed(nearer_than: Floats | None, known: Lists | None, k: int, begin: int) -> Floats | None:
    """The strict limits of the queries of a block, no farther than what a row of another block from `begin` on must be.

    Let t and r be distance and number of the k-th row that a query has found. Those k come before all pairs after (t, r), so a
    row is one of the k nearest of all only if it comes before (t, r): nearer than t, or as near with a number below r. In
    a block that begins beyond r there is none of the latter, and the limit is t; in any other it is the number after t.
    """
    if known is None or known.indices.shape[1] < k or k == 0:
        return nearer_than
    last, numbers = known.distances[:, -1].astype(np.float32), known.indices[:, -1]
    with np.errstate(over="ignore", under="ignore"):
        limit = np.where(numbers < begin, last, np.nextafter(last, np.float32(np.inf)))
    limit[(numbers < 0) | np.isinf(last)] = np.nan
    return limit if nearer_than is None else np.fmin(limit, nearer_than)


@in_standard_arithmetic
def merged(parts: list[Lists], k: int, rule: Rule, dtype: np.dtype[Any]) -> Lists:
    """The k nearest of several lists of the same queries."""
    if len(parts) == 1 and parts[0].distances.shape[1] == k:
        return parts[0]
    lists = [(np.ascontiguousarray(part.distances, dtype), np.ascontiguousarray(part.indices)) for part in parts]
    groups: Ints | None = None
    if rule.max_per_group:
        # The core looks groups up by row: rows are numbered by their order among those that occur, so that ties stay.
        numbers, place = np.unique(np.concatenate([indices.ravel() for _, indices in lists]), return_inverse=True)
        place = place.reshape(-1)
        groups = np.zeros(len(numbers), np.int64)
        groups[place] = np.concatenate([_raveled(part) for part in parts])
        missing = int(len(numbers) > 0 and numbers[0] == -1)
        ends = np.cumsum([indices.size for _, indices in lists])[:-1]
        lists = [
            (distances, np.ascontiguousarray(at.reshape(indices.shape) - missing))
            for (distances, indices), at in zip(lists, np.split(place, ends))
        ]
        groups = groups[missing:]
    with engine_threads(rule.threads) as threads:
        distances, indices = _core.merge(lists, k, groups, rule.max_per_group, threads)
    of_rows = None
    if groups is not None:
        of_rows = groups[indices] if len(groups) else np.zeros(indices.shape, np.int64)
        real = numbers[missing:]
        indices = np.where(indices < 0, -1, real[indices]) if len(real) else indices
    too_near = [part.too_near for part in parts if part.too_near is not None]
    return Lists(distances, indices, of_rows, np.sum(too_near, axis=0) if too_near else None)


def _raveled(part: Lists) -> Ints:
    return np.zeros(part.indices.size, np.int64) if part.groups is None else part.groups.ravel()
