"""Whether a search was exact: any index's result beside the exact one, for a sample of its queries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardmine import _arguments
from hardmine._arguments import check_threads
from hardmine._arithmetic import in_standard_arithmetic
from hardmine._arrays import ArrayLike, FloatRows, Ints
from hardmine._progress import Progress
from hardmine.evaluation.entries import INVALID, Entries, check_returned, look_at
from hardmine.search.filter import Filter, check_filter
from hardmine.search.metric import Metric
from hardmine.search.neighbors import Distances, Neighbors
from hardmine.search.pairs import PairSearch
from hardmine.search.sides import check_rows
from hardmine.search.topk import scan

MOST_QUERIES = 2048  # searched at a time, so that memory does not grow with the sample
MOST_ENTRIES = 1 << 19  # and of their result
NAMED = 10  # queries that the summary names

MEANING = {
    "missing": "padding where more rows are allowed",
    "outside": "numbers of no base row",
    "own": "the query's own row",
    "refused": "rows that the filter refuses",
    "repeated": "rows given twice",
}


@dataclass(frozen=True, eq=False, repr=False)
class Verification:
    """What `verify` found, for each of the s queries that it looked at; true where all are equal.

    A query is *equal* where at each place there is an allowed row, given once, whose canonical distance is that of the exact
    result there: rows at one distance may change places, and of those tied at the last place any may stand. No tolerance is
    allowed, because canonical distances need none.

    Attributes
    ----------
    queries : array of shape (s,), int64
        The queries looked at, ascending.
    exact : Neighbors
        Their exact neighbours, as `topk` returns them, of shape (s, k).
    equal : array of shape (s,), bool
        See above.
    identical : array of shape (s,), bool
        The rows of `exact` themselves, in its order: ties by index. It implies `equal`.
    recall : array of shape (s,), float64
        Of the exact rows the share that was found; of a query that may have none, 1. A row counts if it is no farther than the
        last exact one (and a cap per group would have left it), whichever of the tied ones it is.
    recall_by_index : array of shape (s,), float64
        The same where only the rows of `exact` count: it depends on how ties are broken.
    rank_error : array of shape (s,), int64
        How many places too early the worst row stands: the allowed rows of the whole base that are strictly nearer than it,
        less its place. 0 where no row is too early.
    invalid : dict of arrays of shape (s,), int64
        Entries that must not be: "missing" (-1 where more rows are allowed), "outside" (numbers of no base row), "own" (the
        query's own row), "refused" (by the filter, or beyond its cap) and "repeated".
    absolute_error, relative_error : float or None
        The largest difference of a given distance from the canonical one, and in proportion to that; None without distances.
    shape : tuple of int
        (n, m): the numbers of queries, looked at or not, and of base rows.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> points = np.array([[0.0], [1.0], [-1.0], [5.0]], dtype=np.float32)
    >>> hardmine.verify(np.array([[2], [0], [0], [2]]), points)   # rows 1 and 2 are equally near to row 0
    Verification(4 of 4 queries, k=1: 3 equal, 2 identical, recall 0.7500, worst rank error 2)
    """

    queries: Ints
    exact: Neighbors
    equal: NDArray[np.bool_]
    identical: NDArray[np.bool_]
    recall: NDArray[np.float64]
    recall_by_index: NDArray[np.float64]
    rank_error: Ints
    invalid: dict[str, Ints]
    absolute_error: float | None
    relative_error: float | None
    shape: tuple[int, int]

    def __bool__(self) -> bool:
        return bool(self.equal.all())

    def __repr__(self) -> str:
        return (
            f"Verification({len(self.queries)} of {self.shape[0]} queries, k={self.exact.indices.shape[1]}: "
            f"{self.equal.sum()} equal, {self.identical.sum()} identical, recall {_mean(self.recall):.4f}, "
            f"worst rank error {self.rank_error.max(initial=0)})"
        )

    def summary(self) -> str:
        """The numbers in words, a few lines to print."""
        k, of_ties = self.exact.indices.shape[1], _mean(self.recall_by_index)
        lines = [f"{len(self.queries)} of {self.shape[0]} queries, k={k} of {self.shape[1]} rows by {self.exact.metric}"]
        lines += [_line("equal: at each place a row exactly as far as the exact one", f"{_mean(self.equal):.2%}")]
        lines += [_line("identical: the very rows, ties by index", f"{_mean(self.identical):.2%}", 4)]
        lines += [_line(f"recall@{k}: rows no farther than the last exact one", f"{_mean(self.recall):.4f}")]
        if of_ties != _mean(self.recall):
            lines += [_line("by index: of tied rows only those of lower index", f"{of_ties:.4f}", 4)]
        worst = self.rank_error.max(initial=0)
        lines += [_line("worst rank error: places that a row stands too early", str(worst))]
        lines += [_line(MEANING[kind], str(count.sum())) for kind, count in self.invalid.items() if count.any()]
        if self.absolute_error is not None:
            lines += [_line("largest error of a distance", f"{self.absolute_error:.3g}")]
            lines += [_line("in proportion to the distance", f"{self.relative_error:.3g}", 4)]
        wrong = self.queries[~self.equal]
        if len(wrong):
            more = ", ..." if len(wrong) > NAMED else ""
            lines += [f"  not equal: queries {', '.join(map(str, wrong[:NAMED]))}{more}"]
        return "\n".join(lines)


@in_standard_arithmetic
def verify(
    neighbors: Neighbors | tuple[ArrayLike, ArrayLike] | ArrayLike,
    queries: ArrayLike,
    base: ArrayLike | None = None,
    *,
    metric: Metric | None = None,
    where: Filter | None = None,
    query_rows: ArrayLike | None = None,
    sample: int | None = 100,
    seed: int = 0,
    bits: int | None = None,
    threads: int | None = None,
    progress: bool | Callable[[int, int], object] = False,
) -> Verification:
    """Compare the result of any search with the exact one, for a sample of its queries.

    Parameters
    ----------
    neighbors : Neighbors, (distances, indices), or indices alone; arrays of shape (n, k)
        A result of this library, of FAISS or scikit-learn, whose pairs come in this order, or the indices of any other index:
        numbers of base rows, -1 for none. Where they come first (hnswlib, PyNNDescent), pass them alone. Scores are no
        distances: of FAISS's inner products and cosines pass ``(-D, I)`` and ``(1 - D, I)``, or `I` alone.
    queries, base : arrays of shape (n, d) and (m, d), any float dtype, or packed codes
        What was searched; ``base=None`` for the queries themselves, each row's own pair left out. See `topk`.
    metric : {"sqeuclidean", "euclidean", "cosine", "inner_product", "hamming"}, optional
        By default that of `neighbors`, where they have one, else "sqeuclidean".
    where : Filter, optional
        Which pairs were allowed.
    query_rows : array of shape (n,), integers, optional
        See `topk`.
    sample : int or None
        Queries to look at, drawn without replacement; all where there are no more, or of None.
    seed : int
        Of the draw.
    bits, threads, progress : optional
        See `topk`.

    Returns
    -------
    Verification
        True where every query looked at is equal; `Verification.summary` says in words what was found.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As `topk`; also for indices that are no integers or not one row for each query, and for a metric that is not that of
        `neighbors`.

    Notes
    -----
    O(s m d) multiply-adds for s queries, twice where rows were missed: how many are nearer than a given one is counted in the
    whole base, canonically; where a result is far from the exact one, each nearer pair is scored in float64. With a cap per
    group this goes query by query. Memory above that of `topk`, whatever n, m and s are: some 150 MiB (for long rows, 2,048 of
    them, converted), what is returned, and with a cap 50 bytes for each row nearer to one query.

    A share of equal queries in the sample that is p leaves an error of sqrt(p (1 - p) / s); if all of 100 are equal, fewer
    than 3 % of all are not, with a probability of 95 %.

    `recall` is that of ann-benchmarks [1]_ without its tolerance of 0.001 in the distance. An index that computes in float32
    may exchange rows whose distances it cannot tell apart: it then has a recall just below 1 and a rank error of a few.

    References
    ----------
    .. [1] Aumüller, Bernhardsson and Faithfull, "ANN-Benchmarks: a benchmarking tool for approximate nearest neighbor
       algorithms", 2020.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> x = np.random.default_rng(0).standard_normal((1000, 16)).astype(np.float32)
    >>> _, found = hardmine.topk(x[:200], x[:900], k=5)           # an index that lacks a tenth of the rows
    >>> checked = hardmine.verify(found, x[:200], x, sample=None)
    >>> checked
    Verification(200 of 200 queries, k=5: 133 equal, 133 identical, recall 0.9240, worst rank error 4)
    >>> bool(checked), bool(hardmine.verify(hardmine.topk(x, k=5), x))
    (False, True)
    """
    known = neighbors.metric if isinstance(neighbors, Neighbors) else None
    if metric is not None and known is not None and metric != known:
        raise ValueError(f"metric: expected {known}, that of the neighbors, got {metric!r}; their indices alone have none")
    chosen = metric if metric is not None else known or "sqeuclidean"
    q, b = check_rows(queries, base, chosen, bits)
    n_threads = check_threads(threads)
    most = None if sample is None else _arguments.positive("sample", sample)
    seed = _arguments.whole("seed", seed)
    returned = check_returned(neighbors, q.count)
    search = PairSearch(q, b, chosen, check_filter(where, query_rows, q.count, b.count, self_join=q is b), n_threads)
    drawn = np.arange(q.count)
    if most is not None and most < q.count:
        drawn = np.sort(np.random.default_rng(seed).choice(q.count, most, replace=False))

    k = returned.indices.shape[1]
    found: list[dict[str, Any]] = []
    with Progress(progress, len(drawn) * b.count) as bar:
        for block in _blocks(drawn, max(1, min(MOST_QUERIES, MOST_ENTRIES // k))):
            part, report = search.of(block), bar.part(len(block) * b.count) or False
            if isinstance(part.queries, FloatRows):
                part.queries.check_finite(block)
            exact = scan(part.queries, b, k, metric=chosen, allowed=part.allowed, threads=n_threads, progress=report)
            indices, given = returned.of(block)
            entries = look_at(part, indices, exact)
            found.append(_compare(entries, exact) | _errors(entries, given))

    def joined(name: str) -> Any:
        return np.concatenate([one[name] for one in found])

    measured = returned.distances is not None
    return Verification(
        queries=drawn,
        exact=Neighbors(joined("exact distances"), joined("exact indices"), chosen),
        **{name: joined(name) for name in ("equal", "identical", "recall", "recall_by_index", "rank_error")},
        invalid={kind: joined(kind) for kind in INVALID},
        absolute_error=float(joined("absolute").max(initial=0)) if measured else None,
        relative_error=float(joined("relative").max(initial=0)) if measured else None,
        shape=(q.count, b.count),
    )


def _blocks(rows: Ints, size: int) -> Iterator[Ints]:
    """The rows, so many at a time; at least one part, if an empty one."""
    for first in range(0, max(1, len(rows)), size):
        yield rows[first : first + size]


def _compare(entries: Entries, exact: tuple[Distances, Ints]) -> dict[str, Any]:
    """What is said of each query of a block."""
    distances, indices = exact
    real, padded = indices >= 0, entries.indices == -1
    wanted = real.sum(axis=1)
    last = distances[np.arange(len(distances)), np.maximum(wanted - 1, 0)]
    hits = (entries.left & (entries.distances <= last[:, None])).sum(axis=1)
    rows = np.where(entries.valid, entries.indices, 0)  # others may be any numbers
    query = np.arange(len(indices))[:, None] * (1 + max(indices.max(initial=0), rows.max(initial=0)))
    same = entries.valid & np.isin(query + rows, (query + indices)[real])
    late = np.where(entries.valid, entries.nearer - np.arange(indices.shape[1]), 0)
    return {
        "exact distances": distances,
        "exact indices": indices,
        "equal": np.where(real, entries.valid & (entries.distances == distances), padded).all(axis=1),
        "identical": (entries.indices == indices).all(axis=1),
        "recall": _share(hits, wanted),
        "recall_by_index": _share(same.sum(axis=1), wanted),
        "rank_error": late.max(axis=1, initial=0),
        "missing": np.maximum(padded.sum(axis=1) - (~real).sum(axis=1), 0),
        **{kind: where.sum(axis=1) for kind, where in entries.invalid.items()},
    }


def _errors(entries: Entries, given: NDArray[np.float64] | None) -> dict[str, Any]:
    """How far the given distances of base rows are from the canonical ones; NaN is infinitely far."""
    if given is None:
        return {}
    of_rows = (entries.indices != -1) & ~entries.invalid["outside"]
    given, true = given[of_rows], entries.distances[of_rows].astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        absolute = np.where(given == true, 0.0, np.abs(given - true))
        absolute[np.isnan(absolute)] = np.inf
        relative = np.where(absolute == 0, 0.0, absolute / np.abs(true))
    relative[np.isnan(relative)] = np.inf
    return {"absolute": absolute, "relative": relative}


def _share(found: Ints, wanted: Ints) -> NDArray[np.float64]:
    return np.where(wanted > 0, found / np.maximum(wanted, 1), 1.0)


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _line(text: str, value: str, indent: int = 2) -> str:
    return f"{' ' * indent + text:<60}{value:>12}"
