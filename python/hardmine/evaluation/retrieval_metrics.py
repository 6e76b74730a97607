"""How well rows retrieve what is relevant to them: measures of exact rankings, of floats, codes, or whatever found them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from hardmine import _arguments
from hardmine._arithmetic import in_standard_arithmetic
from hardmine._arrays import ArrayLike
from hardmine._lists import Lists
from hardmine.evaluation.given_rankings import GivenRankings, given_rankings
from hardmine.evaluation.measures import Measure, check_metrics
from hardmine.evaluation.rankings import Ties, order_within
from hardmine.evaluation.ranks import one_way
from hardmine.evaluation.relevance import check_relevance
from hardmine.evaluation.searched_rankings import SearchedRankings
from hardmine.search.index import Base
from hardmine.search.metric import Metric
from hardmine.search.neighbors import Neighbors
from hardmine.search.pairs import check_search

METRICS = ("recall@1", "map", "map@100", "map@r", "r_precision", "micro_ap", "median_rank")


@dataclass(frozen=True, eq=False, repr=False)
class RetrievalMetrics:
    """What `retrieval_metrics` found: ``found["map@r"]`` is a number, and ``found.per_query["map@r"]`` one a query.

    Attributes
    ----------
    values : dict of float
        By name, in the order asked for: means over the queries that have a relevant row, the median of median_rank, and of
        micro_ap the number itself. NaN where no query has one.
    per_query : dict of arrays of shape (n,), float64
        The same for each query, NaN where it has no relevant row; without micro_ap, which belongs to no query.
    total : array of shape (n,), int64
        Relevant rows of each query, wherever they rank.
    ties : str
        The rule asked for.
    """

    values: dict[str, float]
    per_query: dict[str, NDArray[np.float64]]
    total: NDArray[np.int64]
    ties: Ties

    def __getitem__(self, name: str) -> float:
        return self.values[name]

    def keys(self) -> Sequence[str]:
        """The names, so that ``dict(found)`` has the numbers."""
        return list(self.values)

    def __repr__(self) -> str:
        return f"RetrievalMetrics({', '.join(f'{name}={value:.4f}' for name, value in self.values.items())})"

    def summary(self) -> str:
        """The numbers in words, a line each."""
        without = int((self.total == 0).sum())
        left_out = f", {without} without a relevant row left out" if without else ""
        lines = [f"{len(self.total)} queries{left_out}; ties {self.ties}"]
        return "\n".join(lines + [f"  {name:<20}{value:>12.4f}" for name, value in self.values.items()])


@in_standard_arithmetic
def retrieval_metrics(
    queries: ArrayLike | Neighbors | tuple[ArrayLike, ArrayLike],
    base: Base | None = None,
    *,
    relevant: Lists | None = None,
    query_labels: ArrayLike | None = None,
    base_labels: ArrayLike | None = None,
    junk: Lists | None = None,
    metrics: Sequence[str] = METRICS,
    ties: Ties = "expected",
    metric: Metric | None = None,
    query_rows: ArrayLike | None = None,
    bits: int | None = None,
    threads: int | None = None,
    progress: bool | Callable[[int, int], object] = False,
) -> RetrievalMetrics:
    """Measure how well queries retrieve the base rows that are relevant to them, whatever the order of ties.

    Parameters
    ----------
    queries, base : arrays of shape (n, d) and (m, d), any float dtype, or packed codes for ``metric="hamming"``
        See `topk`; ``base=None`` for the queries themselves, each row's own pair left out. The base may be an `Index`. Or, as
        `queries` alone, rankings that are there already: `Neighbors`, re-ranked ones too, or (distances, indices), ascending,
        or (None, indices) without ties.
    relevant : list of n index arrays, (indptr, indices), array of shape (n, p) or SciPy sparse matrix (n, m), optional
        The relevant base rows of each query, as `Filter.exclude` takes lists. Either these, or labels.
    query_labels, base_labels : arrays of shape (n,) and (m,), or (n, classes) and (m, classes), optional
        One label a row, integers or strings, or a row of bool or 0/1 for several: a base row is relevant if it shares one.
        Without `base_labels` the queries are the base, and a query's own row does not count.
    junk : lists as `relevant`, optional
        Base rows that are taken out of a query's ranking, as if they were not in the base; they are not relevant then.
    metrics : sequence of str
        "recall@k": whether a relevant row is among the first k (recall@k of metric learning and of image-text retrieval; the
        share of the relevant rows that is found there is torchmetrics' RetrievalRecall).
        "precision@k": the share of relevant rows among the first k, and "r_precision" that among the first R, R being how
        many are relevant to the query.
        "map": the mean over the relevant rows of the precision at their ranks; "map@k" with ranks up to k alone, divided by
        min(R, k); "map@r" with ranks up to R, divided by R [1]_.
        "median_rank": the median over queries of the rank, 1 for the nearest row, of the first relevant row.
        "micro_ap": the average precision of one ranking of all pairs by distance [2]_; "micro_ap@k" of the k nearest rows of
        each query alone, which are those of `topk` (at the k-th place ties go by index).
    ties : {"expected", "stable", "optimistic", "pessimistic"}
        Rows at equal distance: the mean over all their orders; the lower index (of given rankings the given order) first;
        relevant rows first; relevant rows last. The ties of "micro_ap" are of pairs, which have no stable order: it needs
        another rule.
    metric, query_rows, bits, threads, progress : optional
        See `topk`; beside given rankings None.

    Returns
    -------
    RetrievalMetrics
        Numbers by name, for all queries and for each. A query without a relevant row does not count.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As `topk`; also for names that are no metrics, and unless there are either lists or labels.

    Notes
    -----
    Metrics cut at a rank cost one `topk` of the largest k or R among them (and a second look at queries of which a tie reaches
    beyond it). Where that is above 4,096, or an uncut "map" or "median_rank" is asked for, the rows before each relevant row
    are counted instead, in one scan: O(n m d) multiply-adds, and O(log R) for each row that is nearer than the farthest
    relevant one, which for "map" are most where classes overlap (some 15 ns each) and for "recall@k" and "median_rank" alone
    only those before the first. "micro_ap" is one more scan, which computes in float64 what float32 cannot tell from one of
    the relevant pairs: cheap where these are few or near (copies), slow where they are millions among all others; then
    "micro_ap@k" says the same of what a system would return.

    No matrix of n x m: memory above that of `topk` is some 150 MiB, 12 bytes for each pair of a query and a relevant row where
    lists are given (4 for "micro_ap"), 8 bytes a label, and 5 bytes for each candidate of "micro_ap@k".

    A given ranking that is shorter than the base is measured as it is: relevant rows that are not in it are never found, ties
    at its end stay within it, and a row that comes twice counts once, the second time as a row that is not relevant.

    NDCG, and what else is defined for rankings without ties (reciprocal ranks, fall-out), is torchmetrics': it is not here.

    References
    ----------
    .. [1] Musgrave, Belongie and Lim, "A metric learning reality check", 2020, section 3.2.
    .. [2] Perronnin, Liu and Renders, "A family of contextual measures of similarity between distributions with application
       to image retrieval", 2009.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> points = np.array([[0.0], [1.0], [1.5], [9.0], [9.5]], dtype=np.float32)
    >>> found = hardmine.retrieval_metrics(points, query_labels=list("aabbb"), metrics=("recall@1", "map@r", "median_rank"))
    >>> found
    RetrievalMetrics(recall@1=0.6000, map@r=0.6000, median_rank=1.0000)
    >>> found.per_query["map@r"].tolist()
    [1.0, 0.0, 0.0, 1.0, 1.0]
    """
    _arguments.one_of("ties", ties, get_args(Ties))
    wanted = check_metrics(metrics)
    if ties == "stable" and any(measure.name == "micro_ap" for measure in wanted):
        raise ValueError('ties: expected another rule than stable beside "micro_ap", whose ties are of pairs of any queries')
    given: dict[str, Any] = {
        "relevant": relevant, "query_labels": query_labels, "base_labels": base_labels, "junk": junk
    }  # fmt: skip
    rankings: GivenRankings | SearchedRankings
    if isinstance(queries, tuple):
        searched = {"base": base, "metric": metric, "query_rows": query_rows, "bits": bits}
        rankings = given_rankings(queries, given, searched, ties)
    else:
        search = check_search(queries, base, metric, None, query_rows, bits, threads)
        n, m, own = search.queries.count, search.base.count, one_way(search).allowed.query_rows
        rankings = SearchedRankings(search, check_relevance(**given, n=n, m=m, own=own, alone=search.alone), wanted, ties)
    relevance = rankings.relevance
    every, order = relevance.totals.sum(keepdims=True), order_within(ties)
    found = {measure.name: np.full(relevance.count, np.nan) for measure in wanted if not measure.pooled}
    values = {}
    with rankings.progress(progress):
        for rows, groups in rankings.blocks():
            for measure in wanted:
                if not measure.pooled:
                    found[measure.name][rows] = measure.of(groups, relevance.totals[rows], order)
        for measure in wanted:
            if measure.pooled:
                values[measure.name] = float(Measure("map", "map").of(rankings.pooled(measure), every, order)[0])
            else:
                values[measure.name] = _over_queries(measure, found[measure.name])
    return RetrievalMetrics(values, found, relevance.totals, ties)


def _over_queries(measure: Measure, values: NDArray[np.float64]) -> float:
    counted = values[~np.isnan(values)]
    if len(counted) == 0:
        return float("nan")
    return float(np.median(counted) if measure.kind == "median_rank" else counted.mean())
