"""At which place of a ranking a row stands, by counting the rows before it: without the ranking, however long it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, get_args

import numpy as np

from hardmine import _arguments, _arrays, _core
from hardmine._arithmetic import in_standard_arithmetic
from hardmine._arrays import ArrayLike, Ints, RealArray
from hardmine._progress import Report
from hardmine.evaluation.average_precision import Reals
from hardmine.evaluation.rankings import Ties
from hardmine.search.distances import check_pairs, listed_distances
from hardmine.search.filter import Filter
from hardmine.search.index import Base
from hardmine.search.metric import FLOAT_METRICS, Metric
from hardmine.search.neighbors import Distances
from hardmine.search.pairs import PairSearch, check_search
from hardmine.search.sides import blocks_beside, query_blocks

MOST_PLACES = 1 << 20  # in one go: 32 MiB
AT_FIRST, AT_LAST = 0, 2**32 - 1  # indices before and after those of all rows at a distance


@in_standard_arithmetic
def rank_of(
    queries: ArrayLike,
    base: Base | None,
    rows: ArrayLike,
    cols: ArrayLike,
    *,
    metric: Metric | None = None,
    ties: Ties = "expected",
    where: Filter | None = None,
    query_rows: ArrayLike | None = None,
    bits: int | None = None,
    threads: int | None = None,
    progress: bool | Callable[[int, int], object] = False,
) -> RealArray:
    """Compute the ranks of listed base rows: 1 for the nearest one of a query, m for the farthest.

    The rank of a row is 1 and the number of rows before it, so that recall among a million rows, or a median rank, needs no
    ranking of a million rows.

    Parameters
    ----------
    queries, base : arrays of shape (n, d) and (m, d), any float dtype, or packed codes
        See `topk`; ``base=None`` for the queries themselves, each row's own pair left out. The base may be an `Index`.
    rows, cols : arrays of shape (p,), integers
        Pair i is query ``rows[i]`` and base row ``cols[i]``; any number of pairs of a query, in any order.
    metric : {"sqeuclidean", "euclidean", "cosine", "inner_product", "hamming"}, optional
        See `topk`.
    ties : {"expected", "stable", "optimistic", "pessimistic"}
        Rows at exactly the distance of the listed one: the mean over all their orders (half of them before it); the lower
        index first, as in `topk`; none before it; all before it.
    where : Filter, optional
        Which rows count, beside the listed one itself; without a cap per group.
    query_rows, bits, threads, progress : optional
        See `topk`.

    Returns
    -------
    array of shape (p,), float64
        Whole numbers, but for expected ties, which may be halves. A tensor if `queries` is one.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As `topk`; also if a row number is out of range, and for `Filter.max_per_group`.

    Notes
    -----
    One scan of the base for each million pairs: O(n m d) multiply-adds for the queries listed, and O(log p) for each row that
    is nearer than the farthest listed one of its query. A pair is computed in float64 only if float32 cannot tell it from a
    listed one. Memory above that of `topk` is 32 MiB, 32 bytes a pair, and a copy of the listed queries where others are not.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> base = np.array([[1.0], [5.0], [2.0], [-2.0]], dtype=np.float32)
    >>> hardmine.rank_of(np.zeros((1, 1), np.float32), base, [0, 0], [1, 3])   # rows 2 and 3 are equally far
    array([4. , 2.5])
    >>> hardmine.rank_of(np.zeros((1, 1), np.float32), base, [0, 0], [1, 3], ties="optimistic")
    array([4., 2.])
    """
    _arguments.one_of("ties", ties, get_args(Ties))
    search = one_way(check_search(queries, base, metric, where, query_rows, bits, threads))
    listed = check_pairs(rows, cols, search.queries.count, search.base.count)
    if search.allowed.max_per_group:
        raise ValueError(f"max_per_group: expected None for ranks, got {search.allowed.max_per_group}")
    distances = listed_distances(
        search.queries, search.base, *listed, metric=search.metric, threads=search.threads, all_finite=True
    )
    counted = search.allowed.allows(*listed, distances).astype(np.int64)
    device = search.queries.torch
    order = np.lexsort((listed[1], distances, listed[0]))
    asked, of = np.unique(listed[0][order], return_inverse=True)
    if len(asked) < search.queries.count:
        search = search.of(asked)
    ranks = np.empty(len(order))
    ends = np.searchsorted(of, np.arange(len(asked) + 1))
    with search.progress(progress) as bar:
        for first, last in parts_of(ends, MOST_PLACES // 2):
            part = order[ends[first] : ends[last]]
            places = Places(first, ends[first : last + 1] - ends[first], distances[part], listed[1][part])
            ranks[part] = _ranks(search, places, counted[part], ties, bar.part((last - first) * search.base.count))
    return _arrays.like(ranks, device)


class Places(NamedTuple):
    """Places in the rankings of some queries that follow one another, ascending for each: (distance, index)."""

    first: int  # query
    start: Ints  # those of query first + i are [start[i], start[i + 1])
    distances: Distances
    indices: Ints


def _ranks(search: PairSearch, places: Places, counted: Ints, ties: Ties, report: Report | None) -> Reals:
    """Ranks of the rows that stand at these places; one that is `counted` among the allowed rows is not before itself."""
    if ties == "expected":
        before, upto = count_around(search, places, report)
        means: Reals = 1 + (before + upto - counted) / 2
        return means
    if ties == "optimistic":
        places = places._replace(indices=np.full_like(places.indices, AT_FIRST))
    if ties == "pessimistic":
        places = places._replace(indices=np.full_like(places.indices, AT_LAST))
    others = count_before(search, places, report)
    return 1 + (others - counted if ties == "pessimistic" else others).astype(np.float64)


def count_around(search: PairSearch, places: Places, report: Report | None) -> tuple[Ints, Ints]:
    """For each place the allowed rows that are nearer to its query, and those that are no farther."""
    indices, distances = np.tile([AT_FIRST, AT_LAST], len(places.indices)), np.repeat(places.distances, 2)
    query = np.repeat(np.arange(len(places.start) - 1), 2 * np.diff(places.start))
    order = np.lexsort((indices, distances, query))  # of equal distances all first places come before the last ones
    counts = np.empty_like(indices)
    both = Places(places.first, 2 * places.start, distances[order], indices[order])
    counts[order] = count_before(search, both, report)
    return counts[::2], counts[1::2]


def count_before(search: PairSearch, places: Places, report: Report | None) -> Ints:
    """For each place the allowed rows of its query that come before it; the search is `one_way`, without a cap per group."""
    last = places.first + len(places.start) - 1
    start = np.zeros(search.queries.count + 1, np.int64)  # of all queries, as the core counts them
    start[places.first : last + 1] = places.start
    start[last + 1 :] = places.start[-1]
    distances = np.ascontiguousarray(places.distances, np.float32)
    indices = np.ascontiguousarray(places.indices, np.int64)
    counts, done = np.zeros(len(distances), np.int64), 0
    every, total = search.allowed.core(search.allowed.nearer_than), (last - places.first) * search.base.count
    for q_block in query_blocks(search.queries, search.base, places.first, last):
        for b_block in blocks_beside(q_block, search.queries, search.base):
            counts += _core.ranks(
                queries=q_block,
                base=b_block,
                start=start,
                distances=distances,
                indices=indices,
                metric=FLOAT_METRICS.get(search.metric),
                filter=every,
                threads=search.threads,
                progress=_shifted(report, done, total),
            )
            done += len(q_block.rows) * len(b_block.rows)
    return counts


def one_way(search: PairSearch) -> PairSearch:
    """The search in which an array with itself is queries and a base, and each query is a row of it."""
    if not search.allowed.self_join:
        return search
    own = np.arange(search.queries.count)
    return search._replace(allowed=search.allowed._replace(self_join=False, query_rows=own))


def parts_of(ends: Ints, most: int) -> list[tuple[int, int]]:
    """Ranges of queries whose lists, that of i being ``ends[i]`` to ``ends[i + 1]``, are no longer together than `most`.

    A list that is longer alone is a range alone.
    """
    parts, first, n = [], 0, len(ends) - 1
    while first < n:
        last = max(first + 1, int(np.searchsorted(ends, ends[first] + most, "right")) - 1)
        parts.append((first, min(last, n)))
        first = last
    return parts


def _shifted(report: Report | None, done: int, total: int) -> Report | None:
    if report is None:
        return None
    return lambda now, _: report(done + now, total)
