"""The oracle of mining: loops over the whole matrix of canonical distances. Options are those of the call."""

import numpy as np

DRAWN = ("random", "softmax", "violating", "distance_weighted", "ambiguous")


def scores_of(distances, metric):
    """Larger is nearer; a score of 0 has no sign."""
    return (1 if metric == "cosine" else 0) - distances


def reference_scores(scores, positive, kind="max"):
    """The score of each query that margins are measured from; NaN without a positive. `positive` is an (n, m) bool matrix."""
    found = np.full(len(scores), np.nan, np.float32)
    for i, known in enumerate(positive):
        if known.any():
            found[i] = {"max": np.max, "min": np.min, "mean": np.mean}[kind](scores[i, known].astype(np.float64))
    return found


def passes(scores, p, options):
    """Which scores are within all limits, compared in float64; NaN limits pass nothing."""
    scores, p = scores.astype(np.float64), p.astype(np.float64)[:, None]
    good = (scores <= np.reshape(options.get("max_score", np.inf), (-1, 1))) & (scores >= options.get("min_score", -np.inf))
    if options.get("absolute_margin") is not None:
        good &= scores <= p - options["absolute_margin"]
    if options.get("relative_margin") is not None:
        good &= scores <= p - np.abs(p) * options["relative_margin"]
    strategy = options.get("sampling_strategy")
    if strategy == "semihard":
        good &= (scores < p) & (scores > p - 0.2)
    return good & (scores > p - 0.1) if strategy == "violating" else good


def windows(distances, allowed, others, options, labels=None):
    """The candidates of each query, nearest first: those of the wanted ranks. `others` are all rows but the query's own."""
    wanted, first = options.get("num_negatives", 5), options.get("range_min", 0)
    drawn = options.get("sampling_strategy") in DRAWN
    last = options.get("range_max", first + wanted * (10 if drawn else 1))
    raw = options.get("rank_base") == "raw"
    found = []
    for i, row in enumerate(distances):
        ranked = np.lexsort((np.arange(len(row)), row))
        order = [j for j in ranked[np.isin(ranked, np.flatnonzero(others[i]))].tolist() if raw or allowed[i, j]]
        taken, kept = {}, []
        for rank, j in enumerate(order):
            if not allowed[i, j]:
                continue
            if labels is not None:
                taken[labels[j]] = taken.get(labels[j], 0) + 1
                if taken[labels[j]] > options["max_per_label"]:
                    continue
            if not raw or first <= rank < last:
                kept.append(j)
        found.append(kept if raw else kept[first:last])
    return found


def hardest(distances, allowed, others, options, labels=None):
    """What is taken without a draw, (n, num_negatives), -1 where there are fewer."""
    wanted = options.get("num_negatives", 5)
    expected = np.full((len(distances), wanted), -1, np.int64)
    for i, window in enumerate(windows(distances, allowed, others, options, labels)):
        expected[i, : min(wanted, len(window))] = window[:wanted]
    return expected


def mined(distances, metric, positive, options, refused=False, labels=None):
    """(indices, scores, positive_scores) of mining without a draw, where no query is a row of the base."""
    scores = scores_of(distances, metric)
    p = reference_scores(scores, positive, options.get("positive_reference", "max"))
    allowed = ~positive & ~np.broadcast_to(refused, positive.shape) & passes(scores, p, options)
    indices = hardest(distances, allowed, np.ones_like(positive), options, labels)
    found = np.take_along_axis(scores, np.maximum(indices, 0), axis=1)
    return indices, np.where(indices < 0, np.float32(-np.inf), found), p
