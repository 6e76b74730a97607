"""Hard negatives of more rows than one machine holds: the searches by block, the draw on one of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from dask.delayed import Delayed

from hardmine._arithmetic import in_standard_arithmetic
from hardmine._arrays import ArrayLike, Floats, Ints
from hardmine.dask.listed import ListedPairs, Measured, cut_lists, measure, positive_pairs, together
from hardmine.dask.neighbors import Lists, nearest_lists
from hardmine.dask.rows import RowsLike
from hardmine.dask.stages import Ref, Search, Stages, check_in_memory
from hardmine.mining import drawing
from hardmine.mining.limits import Thresholds
from hardmine.mining.mined import MinedNegatives
from hardmine.mining.options import Options, RankBase
from hardmine.mining.positives import Reference, choose_reference, nearest_positive
from hardmine.mining.request import Request, Rescore, check_request
from hardmine.mining.rescoring import Score, ask
from hardmine.mining.sides import Sides
from hardmine.search.metric import Metric, check_float_metric, similarity


def mine_hard_negatives(
    queries: RowsLike,
    base: RowsLike | None = None,
    *,
    query_labels: Any = None,
    base_labels: Any = None,
    positives: Any = None,
    num_negatives: int = 5,
    metric: Metric = "cosine",
    range_min: int = 0,
    range_max: int | None = None,
    rank_base: RankBase = "filtered",
    max_score: Any = None,
    min_score: Any = None,
    absolute_margin: float | None = None,
    relative_margin: float | None = None,
    positive_reference: Reference = "max",
    exclude: Any = None,
    max_per_label: int | None = None,
    sampling_strategy: drawing.Strategy = "top",
    sampling_params: dict[str, float] | None = None,
    random_ratio: float = 0.0,
    top_fraction: float | None = None,
    query_rows: Any = None,
    rescore: Callable[[Ints, Ints], ArrayLike] | None = None,
    seed: int = 0,
    query_ids: Any = None,
    threads: int | None = None,
    split_every: int | None = None,
) -> Delayed:
    """Find the hardest negatives of each query, lazily: `hardmine.mine_hard_negatives` over blocks of rows.

    Parameters
    ----------
    queries, base, threads, split_every : optional
        See `hardmine.dask.topk`.
    random_ratio : float
        See `hardmine.mine_hard_negatives`. Not beside limits on the score (`max_score`, `min_score`, margins, "semihard" and
        "violating"), unless `rescore` gives the scores: a row is drawn until one is within the limits, so that which rows
        are to be read next depends on the scores of the last.
    rescore : callable, optional
        See `hardmine.mine_hard_negatives`. It is called by the last task, on a cluster that is on a worker.
    query_labels, base_labels, positives, num_negatives, metric, range_min, range_max, rank_base, max_score, min_score,
    absolute_margin, relative_margin, positive_reference, exclude, max_per_label, sampling_strategy, sampling_params,
    top_fraction, query_rows, seed, query_ids : optional
        See `hardmine.mine_hard_negatives`. Arrays and lists lie in memory; a task gets the parts of its blocks.

    Returns
    -------
    dask.delayed.Delayed
        Its ``compute()`` is a `hardmine.MinedNegatives` of NumPy arrays, that of one process.

    Raises
    ------
    TypeError, ValueError
        As `hardmine.mine_hard_negatives`, before anything is read; also for `random_ratio` beside limits. For rows that are
        not finite and for what `rescore` returns, later.

    Notes
    -----
    Two searches at most, each as `hardmine.dask.topk`. Of listed positives, and of rows drawn at random, only the rows that
    are listed travel, to the queries that list them. The farthest or mean positive takes the distances of all positive
    pairs, 20 bytes each, those of a block of queries in one task. The lists of all queries, 12 `range_max` bytes each, come
    together in the last task, which draws.

    Examples
    --------
    >>> import dask.array as da, numpy as np, hardmine.dask
    >>> x = da.from_array(np.float32([[0], [1], [3], [7]]), chunks=(2, 1))
    >>> mined = hardmine.dask.mine_hard_negatives(x, query_labels=[0, 0, 1, 1], num_negatives=1, metric="euclidean").compute()
    >>> mined.indices.ravel(), mined.positive_scores
    (array([2, 2, 1, 1]), array([-1., -1., -4., -4.], dtype=float32))
    """
    in_memory = {"query_labels": query_labels, "base_labels": base_labels, "positives": positives, "exclude": exclude}
    in_memory |= {"max_score": max_score, "min_score": min_score, "query_ids": query_ids}
    for name, value in in_memory.items():
        check_in_memory(name, value)
    check_float_metric(metric)
    search = Search("mine_hard_negatives", queries, base, metric, None, query_rows, None, threads, split_every)
    shapes = [np.broadcast_to(np.float32(0), (side.rows, side.width)) for side in search.sides]  # no memory, and never read
    request = check_request(
        Sides(shapes[0], None if search.alone else shapes[1], query_rows, metric, threads),
        query_labels=query_labels,
        base_labels=base_labels,
        positives=positives,
        num_negatives=num_negatives,
        range_min=range_min,
        range_max=range_max,
        rank_base=rank_base,
        max_score=max_score,
        min_score=min_score,
        absolute_margin=absolute_margin,
        relative_margin=relative_margin,
        positive_reference=positive_reference,
        exclude=exclude,
        max_per_label=max_per_label,
        sampling_strategy=sampling_strategy,
        sampling_params=sampling_params,
        random_ratio=random_ratio,
        top_fraction=top_fraction,
        rescore=rescore,
        seed=seed,
        query_ids=query_ids,
    )
    scored = request.options.num_random > 0 and rescore is None
    if scored and request.limited:
        raise ValueError(
            f"random_ratio: expected 0 beside limits on the score, got {random_ratio}; hardmine.mine_hard_negatives takes both"
        )
    stages = search.stages(request, rescore)
    references = _references(search, stages, request)
    limits = None
    if request.in_scan and request.limited:
        spans = [slice(*search.queries.span(i)) for i in range(search.queries.blocks)]
        parts = [(request.thresholds.of(span), request.options) for span in spans]
        limits = [stages.add("limits", (i,), limits_of, references[i], *part) for i, part in enumerate(parts)]
    among = stages.within("negatives")
    lists = nearest_lists(
        search.under(request.where(), among, limits, counted=limits is not None),
        among,
        min(request.candidates, search.base.rows),
        request.candidates,
    )
    drawn = _random_rows(search, stages, request, references, lists) if scored else []
    stages.add("mined", (0,), mined, request, rescore, references, lists, drawn)
    return stages.delayed("mined", (0,))


class ReferencePositives(NamedTuple):
    """The reference positives of a block of queries, as `find_reference` has them."""

    indices: Ints
    scores: Floats


def _references(search: Search, stages: Stages, request: Request) -> list[Ref]:
    """The tasks that find the `ReferencePositives` of each block of queries."""
    known, kind = request.known, request.options.positive_reference
    nearest: list[Ref] | None = None
    of_pairs = kind != "max" and known.query_labels is not None
    same = known.same()
    if same is not None and not of_pairs:
        among = stages.within("positives")
        nearest = nearest_lists(search.under(same, among), among, min(1, search.base.rows), 1)
    if of_pairs:
        for j in range(search.base.blocks):
            stages.add("base-labels", (j,), np.asarray, _cut(known.base_labels, search.base.span(j)))
    found = []
    for i in range(search.queries.blocks):
        span = search.queries.span(i)
        of_block: list[Any] = [None] * search.base.blocks
        if known.listed is not None:
            of_block = list(cut_lists(known.listed, search.queries, i, search.base))
        if of_pairs:
            own = _cut(known.own_rows, span)
            labels = stages.add("query-labels", (i,), np.asarray, _cut(known.query_labels, span))
            own = None if own is None else stages.add("own-rows", (i,), np.asarray, own)
        parts = []
        for j, listed in enumerate(of_block):
            begin = search.base.span(j)[0]
            if of_pairs:
                place = stages.ref("base-labels", (j,)), listed, begin
                pairs = stages.add("pairs", (i, j), positive_pairs, labels, own, *place)
            elif listed is None or len(listed.indices) == 0:
                continue
            else:
                rows, cols = listed.pairs()
                pairs = ListedPairs(rows, cols + begin)
            parts.append(measure(search, stages, i, j, pairs))
        by_label = None if nearest is None else nearest[i]
        found.append(stages.add("reference", (i,), reference, kind, search.metric, span, by_label, parts))
    return found


def _random_rows(search: Search, stages: Stages, request: Request, references: list[Ref], lists: list[Ref]) -> list[Ref]:
    """The tasks that find the distances of the rows that will be drawn at random; no score decides which they are."""
    asked = stages.add("asked", (0,), random_pairs, request, references, lists)
    among = stages.within("random")
    parts = []
    for i in range(search.queries.blocks):
        of_block = among.add("asked", (i,), of_queries, asked, search.queries.span(i))
        parts += [measure(search, among, i, j, of_block) for j in range(search.base.blocks)]
    return parts


def _cut(array: Ints | None, span: tuple[int, int]) -> Any:
    return None if array is None else array[slice(*span)]


@in_standard_arithmetic
def reference(
    kind: Reference, metric: Metric, span: tuple[int, int], by_label: Lists | None, parts: list[Measured]
) -> ReferencePositives:
    """The task of a block of queries: what `find_reference` finds, of their nearest rows by label and of measured pairs."""
    n = span[1] - span[0]
    rows, cols, distances = together(parts)
    rows = rows - span[0]
    if kind == "max":
        nearest, indices = nearest_positive(None if by_label is None else by_label[:2], (rows, cols, distances), n)
        scores: Floats = similarity(nearest, metric)
        scores[indices < 0] = np.nan
        return ReferencePositives(indices, scores)
    indices, scores = np.full(n, -1, np.int64), np.full(n, np.nan, np.float32)
    found, chosen, value = choose_reference(rows, cols, similarity(distances, metric), kind)
    indices[found], scores[found] = chosen, value
    return ReferencePositives(indices, scores)


@in_standard_arithmetic
def limits_of(positive: ReferencePositives, thresholds: Thresholds, options: Options) -> tuple[Floats | None, Floats | None]:
    """(farther_than, nearer_than) of a block of queries."""
    limits = thresholds.limits(positive.scores)
    limits = drawing.narrow(limits, options.sampling_strategy, options.sampling_params, positive.scores)
    return limits.distances(options.metric)


def random_pairs(request: Request, references: list[ReferencePositives], lists: list[Lists]) -> ListedPairs:
    """The pairs whose scores `mined` will ask for: a draw is a function of numbers alone, so that it can be done twice."""
    asked = []

    def score(rows: Ints, cols: Ints) -> Floats:
        asked.append(ListedPairs(rows, cols))
        return np.zeros(len(rows), np.float32)

    _drawn(request, score, references, lists)
    return asked[0]


def of_queries(pairs: ListedPairs, span: tuple[int, int]) -> ListedPairs:
    """The pairs of a block of queries, numbered from 0 there."""
    here = (pairs.rows >= span[0]) & (pairs.rows < span[1])
    return ListedPairs(pairs.rows[here] - span[0], pairs.cols[here])


def mined(
    request: Request,
    rescore: Rescore | None,
    references: list[ReferencePositives],
    lists: list[Lists],
    drawn: list[Measured],
) -> MinedNegatives:
    """What `mine_hard_negatives` returns."""
    if rescore is not None:
        return _drawn(request, partial(ask, rescore), references, lists)
    all_rows, all_cols, distances = together(drawn)
    keys = all_rows * request.base_rows + all_cols

    def score(rows: Ints, cols: Ints) -> Floats:
        found: Floats = similarity(distances[np.searchsorted(keys, rows * request.base_rows + cols)], request.options.metric)
        return found

    return _drawn(request, score, references, lists)


@in_standard_arithmetic
def _drawn(request: Request, score: Score, references: list[ReferencePositives], lists: list[Lists]) -> MinedNegatives:
    found = request.rescored(score, *(np.concatenate([part[field] for part in references]) for field in range(2)))
    distances, indices = (np.concatenate([part[field] for part in lists]) for field in range(2))
    none = [np.zeros(len(part.indices), np.int64) for part in lists]
    too_near = np.concatenate([no if part.too_near is None else part.too_near for part, no in zip(lists, none)])
    return request.negatives(score, found, distances, indices, too_near)
