"""Oracle of find_overlap and what follows from it: loops over a matrix of canonical distances, sets and dictionaries.

Pairs are (training row, evaluation row); `matrix` has a row for each training row and a column for each evaluation row.
"""

import itertools

import numpy as np


def candidates(matrix, k=None, radius=np.inf, directions="both", offsets=None):
    """Pairs in the order of (distance with offset, training row, evaluation row)."""
    n, m = matrix.shape
    offsets = np.zeros(m) if offsets is None else offsets
    found = set()
    if k is None:
        found = set(itertools.product(range(n), range(m)))
    else:
        if directions != "train":
            for j in range(m):
                found |= {(i, j) for i in sorted(range(n), key=lambda i: (matrix[i, j], i))[:k]}
        if directions != "evaluation":
            for i in range(n):
                found |= {(i, j) for j in sorted(range(m), key=lambda j: (matrix[i, j], j))[:k]}
    found = [(i, j) for i, j in found if float(matrix[i, j]) <= radius - offsets[j]]
    return sorted(found, key=lambda pair: (float(matrix[pair]) + offsets[pair[1]], *pair))


def background_offsets(matrix, metric):
    """The mean score with the three nearest background rows; a column for each evaluation row."""
    scores = (1.0 if metric == "cosine" else 0.0) - np.sort(matrix.astype(np.float64), axis=0)[:3]
    return scores.mean(axis=0)


def evidence(pairs, accepted, labels, rule, scores, surer):
    """Which of the pairs, hardest first, are of a class that their evaluation row chooses."""
    if rule == "any":
        return list(accepted)
    chosen = {}
    for j in {j for (_, j), good in zip(pairs, accepted) if good}:
        of = {}
        for place, ((i, col), good) in enumerate(zip(pairs, accepted)):
            if col == j and good:
                of.setdefault(labels[i], []).append(place)
        value = {
            "argmax_count": len,
            "sum": lambda places: sum(scores[p] for p in places),
            "max": (lambda places: -min(places)) if surer is None else (lambda places: max(surer[p] for p in places)),
        }[rule]
        chosen[j] = max(of, key=lambda label: (value(of[label]), -min(of[label])))
    return [bool(good) and chosen[j] == labels[i] for (i, j), good in zip(pairs, accepted)]


def unit_votes(votes, unit_of_pair, units_of_class):
    """{unit: {reviewer: vote}} of votes (reviewer, vote, pair or None, class or None) in their order."""
    last = {(who, pair, label): said for who, said, pair, label in votes}
    strength = ["unsure", "different", "same"]
    found = {}
    for (who, pair, label), said in last.items():
        for unit in [unit_of_pair(pair)] if pair is not None else units_of_class(label):
            of = found.setdefault(unit, {})
            of[who] = max(of.get(who, "unsure"), said, key=strength.index)
    return found


def decision(said, rule):
    """What is decided on a unit of which reviewers said these votes."""
    same, different = said.count("same"), said.count("different")
    if same + different == 0:
        return "pending"
    agreed = {"any": same > 0, "majority": 2 * same > same + different, "unanimous": different == 0}.get(rule)
    return "remove" if (same >= rule if agreed is None else agreed) else "keep"


def fleiss_kappa(counts):
    """The published formula, term by term."""
    N, k = len(counts), len(counts[0])
    n = sum(counts[0])
    p = [sum(counts[i][j] for i in range(N)) / (N * n) for j in range(k)]
    P = [(sum(counts[i][j] ** 2 for j in range(k)) - n) / (n * (n - 1)) for i in range(N)]
    P_bar, P_e = sum(P) / N, sum(share**2 for share in p)
    return (P_bar - P_e) / (1 - P_e)


def kept_rows(labels, gone, scope, n):
    """Training rows that stay where these units go: classes, or rows."""
    return [i for i in range(n) if (labels[i] if scope == "class" else i) not in gone]
