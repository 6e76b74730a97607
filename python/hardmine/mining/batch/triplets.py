"""Triplets of a batch, or of a batch and a memory of references, as indices for a loss.

Strategies choose positives and negatives for each anchor, as bit matrices; types say by how much the negative is farther
than the positive. Both meet in `Spans`, which counts, lists or samples triplets without a third dimension in memory.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np

from hardmine import _arguments, _arrays
from hardmine._arguments import check_threads, number
from hardmine._arithmetic import in_standard_arithmetic
from hardmine._arrays import ArrayLike, Floats, IntArray
from hardmine.mining.batch import distance_draws, pair_rules
from hardmine.mining.batch.batch import Batch, above_zero, check_owner
from hardmine.mining.batch.triplet_spans import TYPES, Spans, Triplets, limits, sample_ranks
from hardmine.search.metric import Metric, check_float_metric

Type: TypeAlias = Literal["all", "hard", "semihard", "easy"]
Strategy: TypeAlias = Literal["batch_all", "batch_hard", "batch_easy_hard", "distance_weighted"]
PairStrategy: TypeAlias = Literal["hard", "semihard", "easy", "all"]

STRATEGIES = ("batch_all", "batch_hard", "batch_easy_hard", "distance_weighted")
PAIR_STRATEGIES = ("hard", "semihard", "easy", "all")


@in_standard_arithmetic
def mine_triplets(
    embeddings: ArrayLike,
    labels: ArrayLike,
    ref_embeddings: ArrayLike | None = None,
    ref_labels: ArrayLike | None = None,
    *,
    strategy: Strategy = "batch_all",
    type_of_triplets: Type | None = None,
    margin: float = 0.2,
    metric: Metric = "euclidean",
    n_positive: int | tuple[int, int] = 1,
    n_negative: int | tuple[int, int] = 1,
    pos_strategy: PairStrategy = "easy",
    neg_strategy: PairStrategy = "semihard",
    allowed_pos_range: tuple[float, float] | None = None,
    allowed_neg_range: tuple[float, float] | None = None,
    cutoff: float = 0.5,
    nonzero_loss_cutoff: float = 1.4,
    triplets_per_anchor: int | None = None,
    max_triplets: int | None = None,
    pair_mask: ArrayLike | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> tuple[IntArray, IntArray, IntArray]:
    """Mine triplets (anchor, positive, negative) of a batch: anchor and positive share a label, anchor and negative do not.

    Parameters
    ----------
    embeddings : array of shape (b, d), any float dtype
        The anchors (see `topk`).
    labels : array of shape (b,), integers or strings, or of shape (b, classes), zeros and ones
        Rows with several labels share one if any column is 1 in both. Any integer is an ordinary label (see `Filter`).
    ref_embeddings, ref_labels : array of shape (r, d); as `labels`, optional
        Where positives and negatives are looked for; by default the batch, a row never beside itself.
    strategy : {"batch_all", "batch_hard", "batch_easy_hard", "distance_weighted"}
        Every positive with every negative; the `n_positive` farthest positives with the `n_negative` nearest negatives [1]_;
        one positive by `pos_strategy` with one negative by `neg_strategy` [2]_; random positives with negatives drawn evenly
        over distances [3]_.
    type_of_triplets : {"all", "hard", "semihard", "easy"}, optional
        Of what the strategy proposes, keep triplets with m <= margin, m <= margin and m <= 0, 0 < m <= margin, m > margin,
        where m is the negative's distance less the positive's. By default "all" for ``"batch_all"``, and no condition for
        the others.
    margin : float
        Compared exactly: the negative's distance with the sum, in float64, of the positive's and the margin. Infinity with
        type "all" keeps every triplet.
    metric : {"euclidean", "sqeuclidean", "cosine", "inner_product"}
        Distances, smaller is nearer (see `topk`).
    n_positive, n_negative : int or pair of int
        Of ``"batch_hard"``: how many, or the first and the last rank, from 1: (2, 5) leaves out the hardest, which may be
        mislabelled.
    pos_strategy, neg_strategy : {"hard", "semihard", "easy", "all"}
        Of ``"batch_easy_hard"``: a hard positive is the farthest, a hard negative the nearest, an easy one the opposite; a
        semihard negative is the nearest farther than the positive, a semihard positive the farthest nearer than the negative.
        Not both semihard, nor semihard beside all.
    allowed_pos_range, allowed_neg_range : pair of float, optional
        Of ``"batch_easy_hard"``: the smallest and largest distance of a positive or negative.
    cutoff, nonzero_loss_cutoff : float
        Of ``"distance_weighted"``: smaller distances of normalized rows weigh as much as `cutoff`; from the second on, which
        is at most 2, negatives are not drawn.
    triplets_per_anchor : int, optional
        Of ``"distance_weighted"``: draws of each anchor, with replacement; by default the rows that share its label, itself
        included.
    max_triplets : int, optional
        Return a uniform sample, without replacement, of so many of the triplets.
    pair_mask : array of shape (b, r), bool, optional
        Which pairs may be used at all, as positives or negatives.
    seed : int
        Of every random choice.
    threads : int, optional
        Of the distances (see `topk`).

    Returns
    -------
    tuple of three arrays of shape (triplets,), int64
        Anchors, rows of `embeddings`, and positives and negatives, rows of the references; sorted by (anchor, positive,
        negative). Tensors if `embeddings` is one. An anchor without a positive or a negative has no triplets.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        For an argument of the wrong kind or value, and for one that the strategy would not use.

    Notes
    -----
    The rules are those of pytorch-metric-learning 2.9, whose miners normalize embeddings by default, and of OML 4.0 for
    several hard ones; ties go to the lower index. Here ranges limit the strategy "all" too. Distances are canonical (see
    `pair_distances`). For b rows and r references, time is
    O(b r (d + log r)) and what the result takes, also where ``max_triplets`` samples from any number of triplets; memory is
    the result and O(b r), never b r r. Distance-weighted draws take O(b r) each; their weights are kept as logarithms, so that
    no row's weights all vanish in many dimensions, and their random numbers belong to (seed, anchor, column, draw): what an
    anchor gets does not depend on other anchors.

    References
    ----------
    .. [1] Hermans, Beyer and Leibe, "In defense of the triplet loss for person re-identification", 2017.
    .. [2] Xuan, Stylianou and Pless, "Improved embeddings with easy positive triplet mining", 2020.
    .. [3] Wu et al., "Sampling matters in deep embedding learning", 2017, section 4.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> x = np.array([[0.0], [1.0], [3.0], [7.0]], dtype=np.float32)
    >>> anchors, positives, negatives = hardmine.mine_triplets(x, [0, 0, 1, 1], strategy="batch_hard")
    >>> anchors.tolist(), positives.tolist(), negatives.tolist()
    ([0, 1, 2, 3], [1, 0, 3, 2], [2, 2, 1, 1])
    >>> [part.tolist() for part in hardmine.mine_triplets(x, [0, 0, 1, 1], type_of_triplets="hard")]
    [[2, 2], [3, 3], [0, 1]]
    """
    _arguments.one_of("strategy", strategy, STRATEGIES)
    _arguments.one_of("type_of_triplets", type_of_triplets, (*TYPES, None))
    check_float_metric(metric)
    margin = number("margin", margin)
    if type_of_triplets is None and strategy != "batch_all" and margin != 0.2:
        raise ValueError(f"margin: expected type_of_triplets beside it, got None and {margin}")
    for name, value, default, owner in (
        ("n_positive", n_positive, 1, "batch_hard"),
        ("n_negative", n_negative, 1, "batch_hard"),
        ("pos_strategy", pos_strategy, "easy", "batch_easy_hard"),
        ("neg_strategy", neg_strategy, "semihard", "batch_easy_hard"),
        ("allowed_pos_range", allowed_pos_range, None, "batch_easy_hard"),
        ("allowed_neg_range", allowed_neg_range, None, "batch_easy_hard"),
        ("cutoff", cutoff, 0.5, "distance_weighted"),
        ("nonzero_loss_cutoff", nonzero_loss_cutoff, 1.4, "distance_weighted"),
        ("triplets_per_anchor", triplets_per_anchor, None, "distance_weighted"),
    ):
        check_owner(name, value, default, "strategy", owner, strategy)
    positive_ranks, negative_ranks = _check_ranks("n_positive", n_positive), _check_ranks("n_negative", n_negative)
    _check_pair_strategies(pos_strategy, neg_strategy)
    positive_range = _check_range("allowed_pos_range", allowed_pos_range)
    negative_range = _check_range("allowed_neg_range", allowed_neg_range)
    cutoff, far = above_zero("cutoff", cutoff), above_zero("nonzero_loss_cutoff", nonzero_loss_cutoff, 2.0)
    draws = (
        None
        if triplets_per_anchor is None
        else _arguments.positive("triplets_per_anchor", triplets_per_anchor, _arrays.MOST_ROWS)
    )
    most = None if max_triplets is None else _arguments.positive("max_triplets", max_triplets)
    seed = _arguments.whole("seed", seed)
    check_threads(threads)

    batch = Batch(embeddings, labels, ref_embeddings, ref_labels, pair_mask)
    positive, negative = batch.positive, batch.negative
    if strategy == "distance_weighted":
        cosine = batch.distances("cosine", threads)
        found = distance_draws.draw(cosine, positive, negative, batch.width, cutoff, far, draws, batch.alone, seed)
        if type_of_triplets is not None:
            found = _of_type(batch.distances(metric, threads), found, type_of_triplets, margin)
        if most is not None:
            ranks = sample_ranks(len(found[0]), most, seed)
            found = found[0][ranks], found[1][ranks], found[2][ranks]
    else:
        everything = strategy == "batch_all" and type_of_triplets in (None, "all") and margin == np.inf
        distances = np.zeros(positive.shape, np.float32) if everything else batch.distances(metric, threads)
        if strategy == "batch_hard":
            positive = pair_rules.by_rank(distances, positive, positive_ranks, farthest=True)
            negative = pair_rules.by_rank(distances, negative, negative_ranks, farthest=False)
        elif strategy == "batch_easy_hard":
            positive = positive if positive_range is None else pair_rules.within(distances, positive, *positive_range)
            negative = negative if negative_range is None else pair_rules.within(distances, negative, *negative_range)
            positive, negative = pair_rules.easy_hard(distances, positive, negative, pos_strategy, neg_strategy)
        elif type_of_triplets is None:
            type_of_triplets = "all"
        spans = Spans(distances, positive, negative, type_of_triplets, margin)
        whole = most is None or most >= spans.total
        found = spans.take_all() if whole else spans.take(sample_ranks(spans.total, most or 0, seed))
    return batch.like(found[0]), batch.like(found[1]), batch.like(found[2])


def _of_type(distances: Floats, triplets: Triplets, kind: str, margin: float) -> Triplets:
    anchors, positives, negatives = triplets
    low, high = limits(kind, distances[anchors, positives], margin)
    kept = (distances[anchors, negatives] > low) & (distances[anchors, negatives] <= high)
    return anchors[kept], positives[kept], negatives[kept]


def _check_ranks(name: str, value: Any) -> tuple[int, int]:
    """A number of ranks, or the first and last of them from 1, as a half-open window from 0."""
    if not isinstance(value, (tuple, list)):
        return 0, _arguments.positive(name, value)
    if len(value) != 2:
        raise ValueError(f"{name}: expected a number or (first, last), got {len(value)} numbers")
    first, last = _arguments.positive(name, value[0]), _arguments.positive(name, value[1])
    if last < first:
        raise ValueError(f"{name}: expected (first, last) in this order, got ({first}, {last})")
    return first - 1, last


def _check_pair_strategies(pos_strategy: str, neg_strategy: str) -> None:
    _arguments.one_of("pos_strategy", pos_strategy, PAIR_STRATEGIES)
    _arguments.one_of("neg_strategy", neg_strategy, PAIR_STRATEGIES)
    for one, other in ((pos_strategy, neg_strategy), (neg_strategy, pos_strategy)):
        if one == "semihard" and other in ("semihard", "all"):
            raise ValueError(f'neg_strategy: expected one of hard, easy beside "semihard", got {other!r}')


def _check_range(name: str, value: Any) -> tuple[float, float] | None:
    if value is None:
        return None
    if np.shape(value) != (2,):
        raise ValueError(f"{name}: expected (smallest, largest), got shape {np.shape(value)}")
    low, high = number(name, value[0]), number(name, value[1])
    if low > high:
        raise ValueError(f"{name}: expected (smallest, largest) in this order, got ({low:g}, {high:g})")
    return low, high
