"""The oracle of the miners within a batch: loops over pairs and triplets."""

import hypothesis.strategies as st
import numpy as np

import reference
from hardmine.mining.batch.triplets import PAIR_STRATEGIES

STRATEGY_PAIRS = [
    (p, n) for p in PAIR_STRATEGIES for n in PAIR_STRATEGIES if "semihard" not in (p, n) or {p, n} & {"hard", "easy"}
]


def relation(labels, ref_labels=None, mask=None):
    """(positive, negative) by a loop over pairs."""
    alone = ref_labels is None
    refs = labels if alone else ref_labels
    positive = np.zeros((len(labels), len(refs)), bool)
    negative = positive.copy()
    for i, one in enumerate(labels):
        for j, other in enumerate(refs):
            same = bool(np.any(np.logical_and(one, other))) if np.ndim(one) else one == other
            if not (alone and i == j) and (mask is None or mask[i, j]):
                (positive if same else negative)[i, j] = True
    return positive, negative


def of_type(kind, d_ap, d_an, margin):
    reach = float(d_ap) + margin
    return {
        None: True,
        "all": d_an <= reach,
        "hard": d_an <= reach and d_an <= d_ap,
        "semihard": d_an > d_ap and d_an <= reach,
        "easy": d_an > reach,
    }[kind]


def ranked(distances, candidates, farthest):
    return sorted(candidates, key=lambda j: (-distances[j] if farthest else distances[j], j))


def easy_hard(distances, positives, negatives, pos_strategy, neg_strategy):
    """The positives and negatives of one anchor."""

    def one(candidates, strategy, farthest):
        return candidates if strategy == "all" else ranked(distances, candidates, farthest)[:1]

    if pos_strategy == "semihard":
        negatives = one(negatives, neg_strategy, neg_strategy == "easy")
        return one([j for j in positives if negatives and distances[j] < distances[negatives[0]]], "", True), negatives
    positives = one(positives, pos_strategy, pos_strategy == "hard")
    if neg_strategy == "semihard":
        negatives = [j for j in negatives if positives and distances[j] > distances[positives[0]]]
    return positives, one(negatives, neg_strategy, neg_strategy == "easy")


def brute_force(distances, positive, negative, propose, kind=None, margin=0.2):
    """Every triplet of the anchors' proposals that is of a type, in the order of indices."""
    found = []
    for a, row in enumerate(distances.tolist()):
        positives, negatives = propose(row, np.flatnonzero(positive[a]).tolist(), np.flatnonzero(negative[a]).tolist())
        found += [(a, p, n) for p in sorted(positives) for n in sorted(negatives) if of_type(kind, row[p], row[n], margin)]
    return found


def everything(row, positives, negatives):
    return positives, negatives


def listed(triplets):
    assert all(part.dtype == np.int64 and part.ndim == 1 for part in triplets)
    return list(zip(*(part.tolist() for part in triplets)))


@st.composite
def batches(draw):
    """Rows with many ties, labels of one or several kinds, references or none, a mask or none."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, m, d = draw(st.integers(0, 14)), draw(st.integers(0, 14)), draw(st.integers(1, 5))
    grid, refs = draw(st.integers(1, 4)), draw(st.booleans())
    x, y = (rng.integers(0, grid, (count, d)).astype(np.float32) for count in (n, m))
    if draw(st.booleans()):
        labels, ref_labels = rng.integers(0, 3, n), rng.integers(0, 3, m)
    else:
        labels, ref_labels = (rng.integers(0, 2, (count, 3)) for count in (n, m))
    mask = rng.random((n, m if refs else n)) < 0.7 if draw(st.booleans()) else None
    return (x, labels, y if refs else None, ref_labels if refs else None), mask


def known(batch, mask, metric="euclidean"):
    x, labels, y, ref_labels = batch
    return reference.rounded(x, x if y is None else y, metric), *relation(labels, ref_labels, mask)
