"""All near pairs, block by block: of an array with itself each pair of blocks once."""

from __future__ import annotations

from typing import Any

import dask
import dask.array as da
import numpy as np

from hardmine import _arguments
from hardmine.dask.found import (
    check_total,
    closest,
    counts,
    field_of,
    first_pairs,
    in_order,
    in_order_once_checked,
    length,
    near,
    total,
)
from hardmine.dask.rows import RowsLike
from hardmine.dask.stages import Ref, Search, Stages, check_in_memory
from hardmine.search.distance_histogram import check_edges, check_groups
from hardmine.search.filter import Filter
from hardmine.search.metric import Metric, distance_type
from hardmine.search.pairs import Pairs
from hardmine.search.radius_neighbors import NO_LIMIT, check_radius


class LazyPairs(Pairs):
    """`Pairs` as Dask arrays of unknown lengths, one chunk for each block of queries; ``compute()`` gives them as they are.

    ``dask.array.store``, ``to_zarr`` after ``compute_chunk_sizes()``, or ``to_delayed`` write them without collecting them. To
    compute one of the arrays computes the search: take ``dask.compute(found)`` or ``found.compute()`` for all three at once.
    """

    def __repr__(self) -> str:
        if not isinstance(self.rows, da.Array):  # dask.compute makes one of computed arrays
            return super().__repr__()
        return f"LazyPairs({self.shape[0]} x {self.shape[1]}, {self.rows.npartitions} chunks of unknown lengths)"

    def compute(self, **options: Any) -> Pairs:
        """The pairs as NumPy arrays; `options` are those of `dask.compute`."""
        arrays = dask.compute(self.rows, self.cols, self.distances, **options)
        return Pairs(arrays[0], arrays[1], arrays[2], self.shape)


def radius_neighbors(
    queries: RowsLike,
    base: RowsLike | None = None,
    radius: Any = None,
    *,
    metric: Metric = "sqeuclidean",
    where: Filter | None = None,
    query_rows: Any = None,
    max_pairs: int | None = None,
    bits: int | None = None,
    threads: int | None = None,
    split_every: int | None = None,
) -> LazyPairs:
    """Find all allowed pairs within a radius, exactly and lazily: `hardmine.radius_neighbors` over blocks of rows.

    Parameters
    ----------
    queries, base, threads, split_every : optional
        See `hardmine.dask.topk`.
    radius, metric, where, query_rows, bits : optional
        See `hardmine.radius_neighbors`.
    max_pairs : int, optional
        Raise if there are more pairs, before `Filter.max_per_group` is applied: when all tasks of the search are done, before
        any pair of the result is given. One block of queries that has more ends the search early.

    Returns
    -------
    LazyPairs
        rows, cols (int64) and distances (float32, or int32 for codes): Dask arrays of one chunk for each block of queries, of
        unknown lengths, in the order of (row, distance, col). ``compute()`` returns a `Pairs`, bit for bit that of
        `hardmine.radius_neighbors`.

    Raises
    ------
    TypeError, ValueError
        As `hardmine.radius_neighbors`, before anything is read; for rows that are not finite and for too many pairs later.

    Notes
    -----
    O(n m d) multiply-adds, half of them for ``base=None``, where only pairs i <= j of blocks are tasks.

    Examples
    --------
    >>> import dask.array as da, numpy as np, hardmine.dask
    >>> x = da.from_array(np.float32([[0], [1], [9], [7]]), chunks=(2, 1))
    >>> found = hardmine.dask.radius_neighbors(x, radius=4.0)
    >>> found
    LazyPairs(4 x 4, 1 chunks of unknown lengths)
    >>> rows, cols, distances = found.compute()
    >>> rows.tolist(), cols.tolist(), distances.tolist()
    ([0, 2], [1, 3], [1.0, 4.0])
    """
    search = pair_search("radius_neighbors", queries, base, metric, where, query_rows, bits, threads, split_every)
    check_in_memory("radius", radius)
    reach = check_radius(radius, search.queries.rows)
    most = NO_LIMIT if max_pairs is None else min(_arguments.whole("max_pairs", max_pairs), NO_LIMIT)
    stages = search.stages(radius=reach)
    within_blocks(search, stages, most)
    return _as_arrays(search, stages, "pairs", search.queries.blocks)


def closest_pairs(
    queries: RowsLike,
    base: RowsLike | None = None,
    n_pairs: int = 10,
    *,
    metric: Metric = "sqeuclidean",
    where: Filter | None = None,
    query_rows: Any = None,
    bits: int | None = None,
    threads: int | None = None,
    split_every: int | None = None,
) -> LazyPairs:
    """Find the n nearest of all allowed pairs, exactly and lazily: `hardmine.closest_pairs` over blocks of rows.

    Parameters
    ----------
    queries, base, threads, split_every : optional
        See `hardmine.dask.topk`.
    n_pairs, metric, where, query_rows, bits : optional
        See `hardmine.closest_pairs`.

    Returns
    -------
    LazyPairs
        rows, cols (int64) and distances (float32, or int32 for codes): Dask arrays of one chunk of unknown length, in the
        order of (distance, row, col). ``compute()`` returns a `Pairs`, bit for bit that of `hardmine.closest_pairs`.

    Raises
    ------
    TypeError, ValueError
        As `hardmine.closest_pairs`, before anything is read; for rows that are not finite, once they are.

    Notes
    -----
    As `hardmine.dask.radius_neighbors`. Each task finds the nearest pairs of its blocks, up to `n_pairs`, of 20 bytes each.

    Examples
    --------
    >>> import numpy as np, hardmine.dask
    >>> points = np.array([[0.0], [5.0], [6.0], [1.0]], dtype=np.float32)
    >>> hardmine.dask.closest_pairs(points, n_pairs=2).compute().cols.tolist()
    [3, 2]
    """
    search = pair_search("closest_pairs", queries, base, metric, where, query_rows, bits, threads, split_every)
    n, m = search.queries.rows, search.base.rows
    kept = min(_arguments.positive("n_pairs", n_pairs), max(1, n * (n - 1) // 2 if search.alone else n * m))
    stages = search.stages()
    parts = []
    for i, j in search.pairs():
        blocks = search.query_block(i), search.base_block(j)
        parts.append(stages.add("blocks", (i, j), closest, search.rule, kept, *blocks, search.alone))
    best = stages.reduce("merge", (), first_pairs, parts, search.split_every, kept, search.rule)
    stages.add("pairs", (0,), first_pairs, [best], kept, search.rule)
    return _as_arrays(search, stages, "pairs", 1)


def distance_histogram(
    queries: RowsLike,
    base: RowsLike | None = None,
    edges: Any = None,
    *,
    metric: Metric = "sqeuclidean",
    where: Filter | None = None,
    groups: Any = None,
    query_rows: Any = None,
    bits: int | None = None,
    threads: int | None = None,
    split_every: int | None = None,
) -> da.Array:
    """Count all allowed pairs by distance, exactly and lazily: `hardmine.distance_histogram` over blocks of rows.

    Parameters
    ----------
    queries, base, threads, split_every : optional
        See `hardmine.dask.topk`.
    edges, metric, where, groups, query_rows, bits : optional
        See `hardmine.distance_histogram`; without `Filter.max_per_group`, which knows what counts at the end only.

    Returns
    -------
    dask.array.Array of shape (bins,), uint64
        With `groups` of shape (2, bins).

    Raises
    ------
    TypeError, ValueError
        As `hardmine.distance_histogram`, before anything is read; also for a cap per group.

    Examples
    --------
    >>> import numpy as np, hardmine.dask
    >>> points = np.array([[0.0], [1.0], [3.0], [7.0]], dtype=np.float32)
    >>> hardmine.dask.distance_histogram(points, edges=[0, 2, 4, 6], metric="euclidean").compute()
    array([1, 2, 2], dtype=uint64)
    """
    search = pair_search("distance_histogram", queries, base, metric, where, query_rows, bits, threads, split_every)
    if search.rule.max_per_group:
        raise ValueError(
            f"max_per_group: expected None, got {search.rule.max_per_group}; hardmine.distance_histogram takes it"
        )
    for name, value in (("edges", edges), ("groups", groups)):
        check_in_memory(name, value)
    limits = check_edges(edges)
    of_queries, of_base = check_groups(groups, search.queries.rows, search.base.rows, search.alone)
    shape = (len(limits) - 1,) if of_queries is None else (2, len(limits) - 1)
    stages = search.stages(query_kinds=of_queries, base_kinds=of_base)
    edge_node = stages.add("edges", (0,), np.asarray, limits)
    parts = []
    for i, j in search.pairs():
        blocks = search.query_block(i), search.base_block(j)
        parts.append(stages.add("blocks", (i, j), counts, search.rule, edge_node, *blocks, search.alone))
    summed = stages.reduce("merge", (), total, parts, search.split_every)
    stages.add("counts", (0,) * len(shape), np.asarray, summed)
    return stages.array("counts", tuple((size,) for size in shape), np.uint64)


def pair_search(what: str, *given: Any) -> Search:
    """A search of all pairs, whose arguments are those of `Search`."""
    search = Search(what, *given)
    if search.rule.max_per_group and search.alone:
        raise ValueError(
            "max_per_group: expected None beside base=None, where a pair belongs to both of its rows, "
            f"got {search.rule.max_per_group}"
        )
    return search


def within_blocks(search: Search, stages: Stages, most: int) -> list[Ref]:
    """The `Found` of each block of queries, of a search whose stages know the radius."""
    parts: list[list[Ref]] = [[] for _ in range(search.queries.blocks)]
    for i, j in search.pairs():
        blocks = search.query_block(i), search.base_block(j)
        parts[i].append(stages.add("blocks", (i, j), near, search.rule, most, *blocks, search.alone))
    if most == NO_LIMIT:
        return [stages.add("pairs", (i,), in_order, own, search.rule, most) for i, own in enumerate(parts)]
    found = [
        stages.add("merge", (i,), in_order, own, search.rule._replace(max_per_group=0), most) for i, own in enumerate(parts)
    ]
    lengths = [stages.add("count", (i,), length, own) for i, own in enumerate(found)]
    checked = stages.add("check", (0,), check_total, lengths, most)
    return [stages.add("pairs", (i,), in_order_once_checked, own, search.rule, checked) for i, own in enumerate(found)]


def _as_arrays(search: Search, stages: Stages, stage: str, chunks: int) -> LazyPairs:
    found = []
    for field, (name, dtype) in enumerate(
        (("rows", np.int64), ("cols", np.int64), ("distances", distance_type(search.metric)))
    ):
        for i in range(chunks):
            stages.add(name, (i,), field_of, stages.ref(stage, (i,)), field)
        found.append(stages.array(name, ((np.nan,) * chunks,), dtype))
    return LazyPairs(found[0], found[1], found[2], (search.queries.rows, search.base.rows))
