"""Pairs of a batch, or of a batch and a memory of references, as indices for a loss: positives and negatives apart.

The rules (`pair_rules`) choose from two bit matrices by the distances alone; here arguments are checked and results given
back in the caller's kind.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from hardmine import _arguments, _arrays
from hardmine._arguments import check_threads, number
from hardmine._arithmetic import in_standard_arithmetic
from hardmine._arrays import ArrayLike, IntArray
from hardmine.mining.batch import pair_rules
from hardmine.mining.batch.batch import Batch, above_zero, check_owner
from hardmine.search.metric import Metric, check_float_metric

Rule: TypeAlias = Literal["margin", "multi_similarity", "hdc", "uniform_histogram"]

RULES = ("margin", "multi_similarity", "hdc", "uniform_histogram")


@in_standard_arithmetic
def mine_pairs(
    embeddings: ArrayLike,
    labels: ArrayLike,
    ref_embeddings: ArrayLike | None = None,
    ref_labels: ArrayLike | None = None,
    *,
    rule: Rule = "margin",
    metric: Metric = "euclidean",
    pos_margin: float = 0.2,
    neg_margin: float = 0.8,
    epsilon: float = 0.1,
    filter_percentage: float = 0.5,
    num_bins: int = 100,
    pos_per_bin: int = 10,
    neg_per_bin: int = 10,
    pair_mask: ArrayLike | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Mine positive and negative pairs of a batch.

    Parameters
    ----------
    embeddings, labels, ref_embeddings, ref_labels, pair_mask, seed, threads
        See `mine_triplets`.
    rule : {"margin", "multi_similarity", "hdc", "uniform_histogram"}
        Positives farther than `pos_margin` and negatives nearer than `neg_margin`; positives farther than the anchor's
        nearest negative less `epsilon` and negatives nearer than its farthest positive plus `epsilon` [1]_; the share
        `filter_percentage` of all positives that is farthest, and of all negatives that is nearest [2]_; so many drawn from
        each bin of distance.
    metric : {"euclidean", "sqeuclidean", "cosine", "inner_product"}
        See `topk`. The rule of [1]_ is meant for "cosine".
    pos_margin, neg_margin : float
        Of ``"margin"``.
    epsilon : float
        Of ``"multi_similarity"``.
    filter_percentage : float
        Of ``"hdc"``: a share above 0 and up to 1, of which the number of pairs is rounded up.
    num_bins, pos_per_bin, neg_per_bin : int
        Of ``"uniform_histogram"``: bins of equal width from the smallest distance to the largest, of positives and of
        negatives apart; pairs drawn from each that has any, with replacement.

    Returns
    -------
    tuple of four arrays, int64
        Anchors and their positives, and anchors and their negatives: two lists of pairs, each sorted by (anchor, other), for
        ``"uniform_histogram"`` by bin. Tensors if `embeddings` is one.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        For an argument of the wrong kind or value, and for one that the rule would not use.

    Notes
    -----
    The rules are those of pytorch-metric-learning 2.9, whose miners normalize embeddings by default. Thresholds are float64
    and compared exactly with the float32 distances, which are canonical (see `pair_distances`); ties at
    the end of a share go to the lower pair. O(b r d) time, and O(b r) memory.

    References
    ----------
    .. [1] Wang et al., "Multi-similarity loss with general pair weighting for deep metric learning", 2019, section 4.1.
    .. [2] Yuan, Yang and Zhang, "Hard-aware deeply cascaded embedding", 2017.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> x = np.array([[0.0], [1.0], [3.0], [7.0]], dtype=np.float32)
    >>> [part.tolist() for part in hardmine.mine_pairs(x, [0, 0, 1, 1], pos_margin=2, neg_margin=3)]
    [[2, 3], [3, 2], [1, 2], [2, 1]]
    """
    _arguments.one_of("rule", rule, RULES)
    check_float_metric(metric)
    for name, value, default, owner in (
        ("pos_margin", pos_margin, 0.2, "margin"),
        ("neg_margin", neg_margin, 0.8, "margin"),
        ("epsilon", epsilon, 0.1, "multi_similarity"),
        ("filter_percentage", filter_percentage, 0.5, "hdc"),
        ("num_bins", num_bins, 100, "uniform_histogram"),
        ("pos_per_bin", pos_per_bin, 10, "uniform_histogram"),
        ("neg_per_bin", neg_per_bin, 10, "uniform_histogram"),
    ):
        check_owner(name, value, default, "rule", owner, rule)
    pos_margin, neg_margin = number("pos_margin", pos_margin), number("neg_margin", neg_margin)
    epsilon, share = number("epsilon", epsilon), above_zero("filter_percentage", filter_percentage, 1.0)
    bins, *per_bin = (
        _arguments.positive(name, value, _arrays.MOST_ROWS)
        for name, value in (("num_bins", num_bins), ("pos_per_bin", pos_per_bin), ("neg_per_bin", neg_per_bin))
    )
    seed = _arguments.whole("seed", seed)
    check_threads(threads)

    batch = Batch(embeddings, labels, ref_embeddings, ref_labels, pair_mask)
    distances, chosen = batch.distances(metric, threads), (batch.positive, batch.negative)
    if rule == "margin":
        chosen = pair_rules.by_margin(distances, *chosen, pos_margin, neg_margin)
    elif rule == "multi_similarity":
        chosen = pair_rules.by_similarity(distances, *chosen, epsilon)
    if rule == "hdc":
        flat = [pair_rules.hardest_share(distances, pairs, share, far) for pairs, far in zip(chosen, (True, False))]
    elif rule == "uniform_histogram":
        flat = [pair_rules.uniform_by_distance(distances, chosen[i], bins, per_bin[i], seed, i) for i in (0, 1)]
    else:
        flat = [np.flatnonzero(pairs) for pairs in chosen]
    a1, p = np.unravel_index(flat[0], distances.shape)
    a2, n = np.unravel_index(flat[1], distances.shape)
    return batch.like(a1), batch.like(p), batch.like(a2), batch.like(n)
