"""Hard negatives: the nearest rows that are not of a query's own kind, or a draw from among them.

What needs distances is one `topk` with a filter: what is known to be positive, by label or by list, is excluded, and limits
on the score become limits on the distance inside the scan, so that a query for which n negatives exist gets n, without
fetching more and hoping. What needs chance is drawn afterwards from the window of candidates that the scan returns
(`drawing.py`). Scores are the similarity view of the canonical distances (`Neighbors.scores`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from hardmine._arithmetic import in_standard_arithmetic
from hardmine._arrays import ArrayLike, Ints
from hardmine._lists import Lists
from hardmine.jobs.folder import opened
from hardmine.mining import drawing
from hardmine.mining.mined import MinedNegatives
from hardmine.mining.options import RankBase
from hardmine.mining.positives import Reference, find_reference
from hardmine.mining.request import check_request
from hardmine.mining.rescoring import ask
from hardmine.mining.sides import Sides
from hardmine.search.index import Base, metric_of
from hardmine.search.metric import Metric


@in_standard_arithmetic
def mine_hard_negatives(
    queries: ArrayLike,
    base: Base | None = None,
    *,
    query_labels: ArrayLike | None = None,
    base_labels: ArrayLike | None = None,
    positives: Lists | None = None,
    num_negatives: int = 5,
    metric: Metric | None = None,
    range_min: int = 0,
    range_max: int | None = None,
    rank_base: RankBase = "filtered",
    max_score: ArrayLike | float | None = None,
    min_score: ArrayLike | float | None = None,
    absolute_margin: float | None = None,
    relative_margin: float | None = None,
    positive_reference: Reference = "max",
    exclude: Lists | None = None,
    max_per_label: int | None = None,
    sampling_strategy: drawing.Strategy = "top",
    sampling_params: dict[str, float] | None = None,
    random_ratio: float = 0.0,
    top_fraction: float | None = None,
    query_rows: ArrayLike | None = None,
    rescore: Callable[[Ints, Ints], ArrayLike] | None = None,
    seed: int = 0,
    query_ids: ArrayLike | None = None,
    threads: int | None = None,
    progress: bool | Callable[[int, int], object] = False,
    checkpoint: str | Path | None = None,
) -> MinedNegatives:
    """Find the hardest negatives of each query: the nearest base rows that are not its positives.

    With no limits and ``num_negatives=1`` the result is hn1 of the near-duplicate protocol (the minimum of each row of the
    distance matrix), with ``num_negatives=5`` it is hn2 [1]_.

    Parameters
    ----------
    queries : array of shape (n, d), any float dtype
        Embeddings (see `topk`).
    base : array of shape (m, d) or Index, optional
        Where negatives are looked for; by default the queries themselves, each row's own pair left out.
    query_labels, base_labels : array of shape (n,) and (m,), integers or strings, optional
        A row of the query's label is a positive, never a negative. With ``base=None`` the queries' labels serve for both. Any
        integer is an ordinary label (see `Filter`): rows of label -1 are positives of one another.
    positives : array of shape (n,), or lists as `Filter.exclude` has them, optional
        Base rows that are positives of each query, one or many, beside those of its label.
    num_negatives : int
        Negatives for each query; beyond m only as `k` of `topk`.
    metric : {"cosine", "inner_product", "sqeuclidean", "euclidean"}, optional
        By default "cosine", or that of an index. Scores are 1 - distance for cosine and -distance otherwise.
    range_min, range_max : int, optional
        Ranks to choose from: the nearest `range_min` are skipped, and none beyond `range_max` is taken, which may be beyond m.
        By default `range_max` is range_min + num_negatives, and ten times as many negatives where a strategy draws.
    rank_base : {"filtered", "raw"}
        Whether ranks count what all filters let through (as sentence-transformers does), or all rows but the query's own
        (as FlagEmbedding does); then fewer may be left in the range.
    max_score, min_score : float or array of shape (n,), optional
        Keep negatives with ``min_score <= score <= max_score``. Scores are at most 0 for "sqeuclidean" and "euclidean", and
        -1 to 1 for "cosine": a limit beyond that, but for infinity, is an error.
    absolute_margin : float, optional
        Keep negatives with ``score <= p - absolute_margin``, p the score of the query's reference positive.
    relative_margin : float, optional
        Keep negatives with ``score <= p - abs(p) * relative_margin``: the limit lies below p whatever its sign.
    positive_reference : {"max", "min", "mean"}
        Of several positives, the score p is that of the nearest, of the farthest (as sentence-transformers takes it), or
        the mean.
    exclude : lists as `Filter.exclude` has them, optional
        Base rows that are neither positives nor to be given.
    max_per_label : int, optional
        At most this many negatives of each base label for a query. Needs labels of the base.
    sampling_strategy : {"top", "random", "softmax", "semihard", "violating", "distance_weighted", "ambiguous"}
        The nearest of the range; or drawn from it without replacement, uniformly or with weights exp(score / temperature);
        the nearest with ``p - margin < score < p`` [3]_; uniformly of those with ``score > p - margin``; with weights that
        make all distances of random unit rows equally likely [4]_; with weights exp(-a (score - p - b)^2) [5]_.
    sampling_params : dict, optional
        temperature (0.05); margin (0.2 for semihard, 0.1 for violating); cutoff (0.5) and beyond (1.4) for
        distance_weighted; a (1) and b (0) for ambiguous.
    random_ratio : float
        The share of each query's negatives, rounded, that is drawn uniformly from all its allowed rows instead.
    top_fraction : float, optional
        Instead of `num_negatives`: this share of the base, rounded up.
    query_rows : array of shape (n,), integers, optional
        Where queries are rows of `base`: the number of each, -1 for one that is not in it. The own row is then neither a
        negative nor a positive, and is passed over by raw ranks, so that an array mined in parts,
        ``mine_hard_negatives(x[r], x, query_labels=y[r], base_labels=y, query_rows=r)``, gives what mining ``x`` alone gives.
        Without it a query that is in the base by its label is its own nearest positive. Not beside ``base=None``.
    rescore : callable, optional
        ``rescore(rows, cols) -> scores`` of listed pairs, a second opinion such as a cross-encoder's. It scores the
        candidates of the range, the positives and the random rows; limits, margins and strategies then use its scores.
    seed : int
        Of every draw, which depends on it, the query's number and the base row only.
    query_ids : array of shape (n,), integers, optional
        The queries' numbers that draws depend on: queries mined in parts, each with its numbers in the whole, draw what they
        would together. By default `query_rows` where they are given (m plus its place for a query that is -1), otherwise
        0, 1, ...
    threads : int, optional
        See `topk`.
    progress : bool or callable
        See `topk`.
    checkpoint : str or Path, optional
        See `topk`: the two scans are kept. What is drawn and counted from them is done anew, so that options of the draw may
        change.

    Returns
    -------
    MinedNegatives
        Arrays of the queries' kind (NumPy or torch).

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As `topk`; also for a margin where no positives are given, and for options that contradict each other.

    Notes
    -----
    Two scans at most: one for the nearest positive of each query, among the rows of its label only, and one for the
    negatives. Limits compare the float32 scores that are returned. A query without a positive has no reference for a
    margin: it gets no negatives then, and is counted in ``stats["without_positive"]`` and ``stats["shortfall"]``. Margins
    on the positive's score follow NV-Retriever [2]_. Time and memory as two calls of `topk` with ``k=range_max``; the farthest
    or mean positive takes the distances of all positive pairs.

    References
    ----------
    .. [1] Morra and Lamberti, "Benchmarking unsupervised near-duplicate image detection", 2019.
    .. [2] Moreira et al., "NV-Retriever", 2024, section 3.
    .. [3] Schroff, Kalenichenko and Philbin, "FaceNet", 2015.
    .. [4] Wu et al., "Sampling matters in deep embedding learning", 2017.
    .. [5] Zhou et al., "SimANS: simple ambiguous negatives sampling", 2022.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> x = np.array([[0.0], [1.0], [3.0], [7.0]], dtype=np.float32)
    >>> mined = hardmine.mine_hard_negatives(
    ...     x, query_labels=[0, 0, 1, 1], num_negatives=1, metric="euclidean")
    >>> mined.indices.ravel(), mined.positive_scores
    (array([2, 2, 1, 1]), array([-1., -1., -4., -4.], dtype=float32))
    """
    metric = metric_of(metric, base, "cosine")
    sides = Sides(queries, base, query_rows, metric, threads)
    request = check_request(
        sides,
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
    score = sides.scores if rescore is None else partial(ask, rescore)
    too_near = np.zeros(sides.queries.count, np.int64)
    with opened(checkpoint, "mine_hard_negatives") as sides.folder:
        reference = request.rescored(score, *find_reference(request.known, sides, positive_reference))
        where = request.where(*request.limits(reference[1]).distances(metric)) if request.in_scan else request.where()
        distances, indices = sides.nearest("negatives", request.candidates, where, progress, too_near)
    return request.negatives(score, reference, distances, indices, too_near, sides.queries.torch)
