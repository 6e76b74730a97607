"""The oracle of retrieval metrics: rankings of all rows by loops, tied rows in every order as exact fractions."""

import math
from fractions import Fraction

from ranking_reference import exact


def rank(distances, col, ties, left_out=()):
    """The rank of one row among all others."""
    others = [j for j in range(len(distances)) if j != col and j not in left_out]
    nearer = sum(distances[j] < distances[col] for j in others)
    tied = [j for j in others if distances[j] == distances[col]]
    before = {
        "expected": Fraction(len(tied), 2),
        "stable": sum(j < col for j in tied),
        "optimistic": 0,
        "pessimistic": len(tied),
    }
    return 1 + nearer + before[ties]


def buckets(entries, ties):
    """Of (distance, relevant) in the order of indices: (rows, relevant ones) of each group of tied rows, nearest first.

    With a rule that decides every tie a group is one row.
    """
    late = {"optimistic": lambda r: not r, "pessimistic": lambda r: r}.get(ties, lambda r: 0)
    order = sorted(range(len(entries)), key=lambda j: (entries[j][0], late(entries[j][1]), j))
    found, last = [], None
    for j in order:
        distance, relevant = entries[j]
        if ties != "expected" or distance != last:
            found.append([0, 0])
        found[-1][0] += 1
        found[-1][1] += relevant
        last = distance
    return found


def metric(name, groups, total):
    """A metric of one ranking, of which `total` rows are relevant, in it or not; None where none is."""
    if total == 0:
        return None
    kind, _, cut = name.partition("@")
    counts, relevant = [n for n, _ in groups], [p for _, p in groups]
    missing = total - sum(relevant)  # beyond the end of a list
    if kind == "map":
        top = {"": sum(counts), "r": total}.get(cut) or int(cut)
        divisor = min(total, top) if cut.isdigit() else total
        found, _ = exact([*counts, missing], [*relevant, 0], top, "all")
        return found * sum(relevant) / divisor if sum(relevant) else Fraction(0)
    if kind in ("precision", "r_precision"):
        top = int(cut) if cut else total
        return _expected_within(groups, top) / top
    before = 0
    for n, p in groups:
        if p:
            if kind == "median_rank":
                return before + Fraction(n + 1, p + 1)
            s = min(max(int(cut) - before, 0), n)
            return 1 - Fraction(math.comb(n - p, s), math.comb(n, s))
        before += n
    return math.inf if kind == "median_rank" else Fraction(0)


def _expected_within(groups, top):
    found, before = Fraction(0), 0
    for n, p in groups:
        found += Fraction(p * min(max(top - before, 0), n), n)
        before += n
    return found


def of_rankings(rankings, totals, names, ties):
    """Every metric of each query, and of all: {name: (value, values)}."""
    found = {}
    for name in names:
        if name.startswith("micro_ap"):
            k = int(name.partition("@")[2] or max(map(len, rankings), default=0))
            pool = [entry for one in rankings for entry in sorted(one, key=lambda entry: entry[0])[:k]]
            value = metric("map", buckets(pool, ties), sum(totals))
            found[name] = math.nan if value is None else float(value), None
            continue
        values = [metric(name, buckets(one, ties), total) for one, total in zip(rankings, totals)]
        counted = sorted(float(value) for value in values if value is not None)
        mean = math.nan
        if counted:
            half = len(counted) // 2
            median = counted[half] if len(counted) % 2 else (counted[half - 1] + counted[half]) / 2
            mean = median if name == "median_rank" else sum(counted) / len(counted)
        found[name] = mean, [math.nan if value is None else float(value) for value in values]
    return found


def revisited(ranking, relevant, junk, ks):
    """(AP, P@k for each k) of one query of Revisited Oxford and Paris; None without a relevant image.

    The published arithmetic, image by image: places of relevant images, less the junk before each, then trapezoids.
    """
    if not relevant:
        return None
    places, junk_so_far = [], 0
    for place, image in enumerate(ranking):
        if image in junk:
            junk_so_far += 1
        elif image in relevant:
            places.append(place - junk_so_far)
    ap = 0.0
    for j, place in enumerate(places):
        left = 1.0 if place == 0 else j / place
        ap += (left + (j + 1) / (place + 1)) * (1 / len(relevant)) / 2
    precisions = []
    for k in ks:
        last = min(max(places) + 1, k) if places else 1
        precisions.append(sum(place + 1 <= last for place in places) / last)
    return ap, precisions


def micro_average_precision(scores, is_true, n_positives, least):
    """(sum of precisions times steps of recall, largest recall of a precision), wrong pairs of a score first."""
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], is_true[i]))
    right, value, best = 0, 0.0, 0.0
    for i, at in enumerate(order, start=1):
        right += is_true[at]
        value += is_true[at] * right / i / n_positives
        if right / i >= least:
            best = max(best, right / n_positives)
    return value, best


def k_reciprocal(matrix, n, k1, k2, lam, extra=1):
    """Distances of n queries to the rest, of the squared distances of all to all, row by row; each row its own first.

    `extra` entries are looked at beside k1.
    """
    import numpy as np

    size = len(matrix)
    scaled = np.array([row / row.max() for row in matrix])
    ranks = [[i, *sorted((j for j in range(size) if j != i), key=lambda j: (matrix[i][j], j))] for i in range(size)]

    def mutual(i, k):
        return {j for j in ranks[i][: k + extra] if i in ranks[j][: k + extra]}

    codes = np.zeros((size, size))
    for i in range(size):
        own = mutual(i, k1)
        expanded = set(own)
        for j in own:
            half = mutual(j, int(np.around(k1 / 2)))
            if len(half & own) * 3 > 2 * len(half):
                expanded |= half
        for j in expanded:
            codes[i, j] = np.exp(-scaled[i, j])
        codes[i] /= codes[i].sum()
    if k2 > 1:
        codes = np.array([codes[ranks[i][:k2]].mean(axis=0) for i in range(size)])
    found = np.zeros((n, size - n))
    for i in range(n):
        for j in range(n, size):
            shared = np.minimum(codes[i], codes[j]).sum()
            found[i, j - n] = (1 - lam) * (1 - shared / (2 - shared)) + lam * scaled[i, j]
    return found
