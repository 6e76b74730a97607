"""The oracle of the metrics of rankings: by their definitions, in exact fractions."""

import math
from fractions import Fraction

import numpy as np

NORMALIZE = ("retrieved", "min", "all")


def ap_of(ranking, top, normalize):
    """(AP, whether it is defined) of one ranking of True and False, by its definition."""
    hits, precisions = 0, Fraction(0)
    for position, relevant in enumerate(ranking[:top], start=1):
        hits += relevant
        precisions += Fraction(hits, position) if relevant else 0
    divisor = {"retrieved": hits, "min": min(top, sum(ranking)), "all": sum(ranking)}[normalize]
    return (precisions / divisor if divisor else Fraction(0)), divisor > 0


def exact(counts, relevant, top, normalize):
    """(expected AP, probability that it is defined) as fractions, position by position: slow, for buckets of any size."""
    a = before = 0
    sums, divisor = Fraction(0), {"retrieved": None, "min": min(top, sum(relevant)), "all": sum(relevant)}[normalize]
    for n, p in zip(counts, relevant):
        s = min(n, top - a)
        if s < n and normalize == "retrieved":  # the number of relevant rows seen is random: a mean over all of them
            ap, defined = Fraction(0), Fraction(0)
            for r in range(max(0, s - n + p), min(s, p) + 1):
                weight = Fraction(math.comb(p, r) * math.comb(n - p, s - r), math.comb(n, s))
                if before + r:
                    ap += weight * (sums + inside(s, r, s, a, before)) / (before + r)
                    defined += weight
            return ap, defined
        sums += inside(n, p, s, a, before)
        a, before = a + n, before + p
        if a >= top:
            break
    divisor = before if divisor is None else divisor
    return (sums / divisor if divisor else Fraction(0)), Fraction(divisor > 0)


def inside(n, p, s, a, before):
    """The expected sum of precisions at the first s positions of a bucket."""
    grows = Fraction(p - 1, n - 1) if n > 1 else Fraction(0)
    return sum((Fraction(p, n) * (before + 1 + j * grows) / (a + 1 + j) for j in range(s)), Fraction(0))


def ranked(query_codes, base_codes, query_labels, base_labels, bits):
    """Of each query: distances to all base rows, and which are relevant, by loops."""
    query_bits, base_bits = (np.unpackbits(codes, axis=1, count=bits) for codes in (query_codes, base_codes))
    for code, label in zip(query_bits, query_labels):
        distances = [int((code != other).sum()) for other in base_bits]
        yield distances, [bool(np.any(np.logical_and(label, x)) if np.ndim(label) else label == x) for x in base_labels]


def oracle_map(query_codes, base_codes, query_labels, base_labels, bits, top, ties, normalize, empty):
    aps, weights = [], []
    for distances, relevant in ranked(query_codes, base_codes, query_labels, base_labels, bits):
        if ties == "expected":
            counts = [distances.count(d) for d in range(bits + 1)]
            hits = [sum(r for r, at in zip(relevant, distances) if at == d) for d in range(bits + 1)]
            ap, defined = exact(counts, hits, min(top, len(distances)), normalize)
        else:
            late = {"stable": [0] * len(relevant), "optimistic": [not r for r in relevant], "pessimistic": relevant}[ties]
            order = np.lexsort((np.arange(len(relevant)), late, distances))
            ap, defined = ap_of([relevant[j] for j in order], min(top, len(distances)), normalize)
        aps.append(ap)
        weights.append(Fraction(defined) if empty == "skip" else 1)
    return float(sum(aps) / sum(weights)) if sum(weights) else math.nan
