"""Hard negatives: the nearest rows that are not of a query's own kind.

Mining is one `topk` with a filter. What is known to be positive, by label or by list, is excluded; limits on the score
become a window of distances inside the scan, so that a query for which n negatives exist gets n, without fetching more and
hoping. Scores are the similarity view of the canonical distances (`Neighbors.scores`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardmine import _arrays
from hardmine._arrays import ArrayLike, FloatRows, Floats, Ints, Rows
from hardmine.filter import Filter
from hardmine.neighbors import Neighbors
from hardmine.search import Metric, pair_distances, topk

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, eq=False)
class MinedNegatives:
    """The hardest negatives of each query, hardest first.

    Attributes
    ----------
    indices : array of shape (n, num_negatives), int64
        Base rows; -1 where a query has fewer negatives.
    scores : array of shape (n, num_negatives), float32
        Their similarity to the query, larger is harder; -inf where missing.
    positive_scores : array of shape (n,), float32
        The similarity of each query's nearest positive; NaN where none is known.
    counts : array of shape (n,), int64
        Negatives found for each query.
    metric : str
        The metric of the scores.
    stats : dict
        Numbers about the result: `queries`, `base_rows`, `negatives`, `shortfall` (queries that got fewer than they asked
        for), `without_positive`, `harder_than_positive` (the share of queries whose hardest negative is nearer than their
        nearest positive; NaN where no positive is known), and quantiles (5, 25, 50, 75, 95 %) of `hardest_scores` and
        `positive_scores`.
    """

    indices: Any
    scores: Any
    positive_scores: Any
    counts: Any
    metric: str
    stats: dict[str, Any]

    def pairs(self) -> tuple[Any, Any]:
        """Return (queries, negatives): the mined pairs as two int64 arrays, query by query, hardest first.

        Returns
        -------
        tuple of two arrays of shape (counts.sum(),), int64
            Copies, of the same kind as `indices`.
        """
        indices = _arrays.to_numpy("indices", self.indices)
        rows, ranks = np.nonzero(indices >= 0)
        torch_wanted = _arrays.is_torch(self.indices)
        return _arrays.like(rows, torch_wanted), _arrays.like(indices[rows, ranks], torch_wanted)


def mine_hard_negatives(
    queries: ArrayLike,
    base: ArrayLike = None,
    *,
    query_labels: ArrayLike = None,
    base_labels: ArrayLike = None,
    positives: Any = None,
    num_negatives: int = 5,
    metric: Metric = "cosine",
    max_score: ArrayLike = None,
    min_score: ArrayLike = None,
    absolute_margin: float | None = None,
    relative_margin: float | None = None,
    max_per_label: int | None = None,
    threads: int | None = None,
    progress: bool | Callable[[int, int], object] = False,
) -> MinedNegatives:
    """Find the hardest negatives of each query: the nearest base rows that are not its positives.

    With no limits and ``num_negatives=1`` the result is hn1 of the near-duplicate protocol (the minimum of each row of the
    distance matrix), with ``num_negatives=5`` it is hn2 [1]_.

    Parameters
    ----------
    queries : array of shape (n, d), any float dtype
        Embeddings (see `topk`).
    base : array of shape (m, d), optional
        Where negatives are looked for; by default the queries themselves, each row's own pair left out.
    query_labels, base_labels : array of shape (n,) and (m,), integers or strings, optional
        A row of the query's label is a positive, never a negative. With ``base=None`` the queries' labels serve for both.
    positives : array of shape (n,), list of n index arrays, (indptr, indices) or SciPy CSR matrix, optional
        Base rows that are positives of each query, one or many, beside those of its label.
    num_negatives : int
        Negatives for each query.
    metric : {"cosine", "inner_product", "sqeuclidean", "euclidean"}
        Scores are 1 - distance for cosine and -distance otherwise.
    max_score, min_score : float or array of shape (n,), optional
        Keep negatives with ``min_score <= score <= max_score``.
    absolute_margin : float, optional
        Keep negatives with ``score <= p - absolute_margin``, p the score of the query's nearest positive (itself left out).
    relative_margin : float, optional
        Keep negatives with ``score <= p - abs(p) * relative_margin``: the limit lies below p whatever its sign.
    max_per_label : int, optional
        At most this many negatives of each base label for a query. Needs labels of the base.
    threads : int, optional
        See `topk`.
    progress : bool or callable
        See `topk`.

    Returns
    -------
    MinedNegatives
        Arrays of the queries' kind (NumPy or torch).

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As `topk`; also for a margin where no positives are given.

    Notes
    -----
    Two scans at most: one for the nearest positive of each query, among the rows of its label only, and one for the
    negatives. Limits compare the float32 scores that are returned. A query without a positive has no reference for a
    margin: it gets no negatives then, and is counted in ``stats["without_positive"]`` and ``stats["shortfall"]``. Margins
    on the positive's score follow NV-Retriever [2]_. Time and memory as two calls of `topk`.

    References
    ----------
    .. [1] Morra and Lamberti, "Benchmarking unsupervised near-duplicate image detection", 2019.
    .. [2] Moreira et al., "NV-Retriever", 2024, section 3.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> x = np.array([[0.0], [1.0], [3.0], [7.0]], dtype=np.float32)
    >>> mined = hardmine.mine_hard_negatives(
    ...     x, query_labels=[0, 0, 1, 1], num_negatives=1, metric="euclidean")
    >>> mined.indices.ravel(), mined.positive_scores
    (array([2, 2, 1, 1]), array([-1., -1., -4., -4.], dtype=float32))
    """
    q = FloatRows("queries", queries)
    b = q if base is None else FloatRows("base", base)
    wanted = _arrays.positive("num_negatives", num_negatives)
    query_codes, base_codes = _check_labels(query_labels, base_labels, q, b)
    listed = None if positives is None else _check_positives(positives, q.count, b.count, same_rows=base is None)
    if max_per_label is not None and base_codes is None:
        raise ValueError("max_per_label: expected base_labels beside it, got None")
    for name, margin in (("absolute_margin", absolute_margin), ("relative_margin", relative_margin)):
        if margin is not None and query_codes is None and listed is None:
            raise ValueError(f"{name}: expected labels or positives beside it, got neither")
    limits = _check_limits(max_score, min_score, absolute_margin, relative_margin, q.count)

    nearest = _nearest_positive(queries, base, query_codes, base_codes, listed, metric, threads)
    positive_scores = Neighbors(nearest, None, metric).scores
    positive_scores[~np.isfinite(nearest)] = np.nan
    highest, lowest = limits.window(positive_scores)
    found = topk(
        queries,
        base,
        wanted,
        metric=metric,
        where=Filter(
            query_groups=query_codes,
            base_groups=base_codes,
            exclude=listed,
            max_per_group=max_per_label,
            farther_than=None if highest is None else _farthest_with_score(highest, metric, above=True),
            nearer_than=None if lowest is None else _next(_farthest_with_score(lowest, metric, above=False)),
        ),
        threads=threads,
        progress=progress,
    )
    indices = _arrays.to_numpy("indices", found.indices)
    scores = Neighbors(_arrays.to_numpy("distances", found.distances), indices, metric).scores
    counts = (indices >= 0).sum(axis=1)
    return MinedNegatives(
        indices=_arrays.like(indices, q.torch),
        scores=_arrays.like(scores, q.torch),
        positive_scores=_arrays.like(positive_scores, q.torch),
        counts=_arrays.like(counts, q.torch),
        metric=metric,
        stats=_summarize(scores, positive_scores, counts, wanted, b.count),
    )


def _check_labels(query_labels: ArrayLike, base_labels: ArrayLike, q: Rows, b: Rows) -> tuple[Ints | None, Ints | None]:
    if b is q and base_labels is None:
        base_labels = query_labels
    if query_labels is None and base_labels is None:
        return None, None
    for name, given in (("query_labels", query_labels), ("base_labels", base_labels)):
        if given is None:
            raise ValueError(f"{name}: expected labels beside those of the other side, got None")
    query_codes, base_codes = _arrays.codes(
        _arrays.labels("query_labels", query_labels, q.count, "queries"),
        _arrays.labels("base_labels", base_labels, b.count, "base"),
    )
    return query_codes, base_codes


def _check_positives(positives: Any, n: int, m: int, same_rows: bool) -> tuple[Ints, Ints]:
    """The listed positives as CSR; a row is not its own positive."""
    one_each = not isinstance(positives, tuple) and not hasattr(positives, "indptr")
    if one_each and (not isinstance(positives, list) or all(np.ndim(p) == 0 for p in positives)):
        ids = _arrays.integers("positives", positives)
        positives = (np.arange(n + 1), ids)
        if len(ids) != n:
            raise ValueError(f"positives: expected {n} row numbers, one for each query, got {len(ids)}")
    start, indices = _arrays.ragged("positives", positives, n, m)
    if same_rows:
        rows = np.repeat(np.arange(n), np.diff(start))
        other = rows != indices
        start = np.concatenate([[0], np.cumsum(np.bincount(rows[other], minlength=n))])
        indices = indices[other]
    return start, indices


@dataclass(frozen=True)
class _Limits:
    max_score: NDArray[np.float64] | None
    min_score: NDArray[np.float64] | None
    absolute_margin: float | None
    relative_margin: float | None

    def window(self, positive_scores: Floats) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
        """The highest and lowest score that each query's negatives may have; None for no limit."""
        p = positive_scores.astype(np.float64)
        limits = [] if self.max_score is None else [self.max_score]
        if self.absolute_margin is not None:
            limits.append(p - self.absolute_margin)
        if self.relative_margin is not None:
            limits.append(p - np.abs(p) * self.relative_margin)
        if not limits:
            return None, self.min_score
        highest = np.min(limits, axis=0)
        return np.where(np.isnan(highest), -np.inf, highest), self.min_score


def _check_limits(max_score: ArrayLike, min_score: ArrayLike, absolute: Any, relative: Any, n: int) -> _Limits:
    high = None if max_score is None else _arrays.thresholds("max_score", max_score, n)
    low = None if min_score is None else _arrays.thresholds("min_score", min_score, n)
    if high is not None and low is not None and np.any(low > high):
        raise ValueError("min_score: expected at most max_score, got a larger one")
    margins = []
    for name, margin in (("absolute_margin", absolute), ("relative_margin", relative)):
        if np.ndim(margin) > 0:
            raise ValueError(f"{name}: expected one number, got shape {np.shape(margin)}")
        margins.append(None if margin is None else float(_arrays.thresholds(name, margin, 1)[0]))
    return _Limits(high, low, *margins)


def _nearest_positive(
    queries: ArrayLike,
    base: ArrayLike,
    query_codes: Ints | None,
    base_codes: Ints | None,
    listed: tuple[Ints, Ints] | None,
    metric: Metric,
    threads: int | None,
) -> Floats:
    """The distance of each query's nearest positive, itself left out; infinity where there is none."""
    n = FloatRows("queries", queries).count
    nearest = np.full(n, np.inf, np.float32)
    if query_codes is not None:
        same = Filter(query_groups=query_codes, base_groups=base_codes, groups="same")
        found = topk(queries, base, 1, metric=metric, where=same, threads=threads)
        nearest = _arrays.to_numpy("distances", found.distances)[:, 0].copy()
    if listed is not None and len(listed[1]):
        start, indices = listed
        rows = np.repeat(np.arange(n), np.diff(start))
        distances = pair_distances(queries, base, rows, indices, metric=metric, threads=threads)
        np.minimum.at(nearest, rows, _arrays.to_numpy("distances", distances))
    return nearest


def _farthest_with_score(score: NDArray[np.float64], metric: str, above: bool) -> Floats:
    """The largest float32 distance whose float32 score is above `score` (or not below it): bisection over all floats.

    Scores fall as distances rise, but rounding makes many distances share one score; this finds the last of them exactly,
    so that a limit on the score is the same limit on the distance.
    """
    infinity = int(np.float32(np.inf).view(np.int32))
    low = np.full(len(score), -infinity, np.int64)  # positions of floats in their order; -inf has every score
    high = np.full(len(score), infinity + 1, np.int64)
    while np.any(high - low > 1):
        middle = (low + high) // 2
        found = Neighbors(_float_at(middle), None, metric).scores
        beyond = found > score if above else found >= score
        low, high = np.where(beyond, middle, low), np.where(beyond, high, middle)
    return _float_at(low)


def _float_at(position: Ints) -> Floats:
    """The float32 that many steps above zero in the order of floats."""
    magnitude = np.abs(position).astype(np.int32).view(np.float32)
    return np.where(position < 0, -magnitude, magnitude)


def _next(distance: Floats) -> Floats:
    return np.nextafter(distance, np.float32(np.inf))


def _summarize(scores: Floats, positive_scores: Floats, counts: Ints, wanted: int, base_rows: int) -> dict[str, Any]:
    hardest = scores[counts > 0, 0]
    known = positive_scores[~np.isnan(positive_scores)]
    both = (counts > 0) & ~np.isnan(positive_scores)
    harder = scores[both, 0] > positive_scores[both]
    return {
        "queries": len(counts),
        "base_rows": base_rows,
        "negatives": int(counts.sum()),
        "shortfall": int((counts < wanted).sum()),
        "without_positive": int(np.isnan(positive_scores).sum()),
        "harder_than_positive": float(harder.mean()) if len(harder) else float("nan"),
        "hardest_scores": _quantiles(hardest),
        "positive_scores": _quantiles(known),
    }


def _quantiles(values: Floats) -> list[float]:
    if len(values) == 0:
        return [float("nan")] * len(QUANTILES)
    return [float(v) for v in np.quantile(values, QUANTILES)]
