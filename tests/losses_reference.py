"""The losses of `hardmine.torch` as their papers write them, in float64, pair by pair and bit by bit: the oracle."""

import itertools
import math

import numpy as np


def log(x):
    return math.log(x)


def sign(x):
    return 1.0 if x > 0 else -1.0


def softplus(t):
    return max(t, 0.0) + math.log1p(math.exp(-abs(t)))


def share(one, other):
    """Whether two labels, or two rows of zeros and ones, have something in common."""
    return bool(np.any(np.logical_and(one, other))) if np.ndim(one) else one == other


def pairs(n):
    return [(i, j) for i, j in itertools.product(range(n), repeat=2) if i != j]


def votes(centers, labels, tie):
    """The target of each row: a center, or the bits that most of a row's centers have."""
    if labels.ndim == 1:
        return centers[labels]
    target = np.zeros((len(labels), centers.shape[1]))
    for i, row in enumerate(labels):
        for k in range(centers.shape[1]):
            count = sum(centers[c, k] for c in np.flatnonzero(row))
            target[i, k] = 0.0 if not row.any() else tie[k] if count == 0 else sign(count)
    return target


def central(y, targets):
    total = 0.0
    for row, target in zip(y, targets):
        for value, bit in zip(row, target):
            h, c = (value + 1) / 2, (bit + 1) / 2
            total -= (c * log(h) if c else 0.0) + ((1 - c) * log(1 - h) if 1 - c else 0.0)
    return total / y.size


def log_cosh(x):
    return log(math.cosh(x))


def quantization(y, kind):
    if kind == "log_cosh":
        return sum(sum(log_cosh(abs(v) - 1) for v in row) for row in y) / len(y)
    return sum((abs(v) - 1) ** 2 for v in y.ravel()) / y.size


def likelihood(u, labels, bank=None, bank_labels=None):
    if bank is None:
        chosen = [(u[i], u[j], share(labels[i], labels[j])) for i, j in pairs(len(u))]
    else:
        chosen = [(u[i], bank[j], share(labels[i], bank_labels[j])) for i in range(len(u)) for j in range(len(bank))]
    return sum(softplus(a @ b / 2) - s * (a @ b / 2) for a, b, s in chosen) / max(1, len(chosen))


def dpsh(u, labels, weight, **bank):
    return likelihood(u, labels, **bank) + weight * sum((v - sign(v)) ** 2 for v in u.ravel()) / u.size


def dhn(u, labels, weight, **bank):
    return likelihood(u, labels, **bank) + weight * sum(log_cosh(abs(v) - 1) for v in u.ravel()) / u.size


def balanced(labels):
    """(i, j, s, weight) of each pair."""
    chosen = [(i, j, share(labels[i], labels[j])) for i, j in pairs(len(labels))]
    alike = sum(s for _, _, s in chosen)
    return [(i, j, s, len(chosen) / (alike if s else len(chosen) - alike)) for i, j, s in chosen]


def hashnet(u, labels, slope, beta, jaccard=False):
    g, chosen, total = np.tanh(beta * u), balanced(labels), 0.0
    for i, j, s, weight in chosen:
        if jaccard and s:
            weight *= np.logical_and(labels[i], labels[j]).sum() / np.logical_or(labels[i], labels[j]).sum()
        t = slope * g[i] @ g[j]
        total += weight * (softplus(t) - s * t)
    return total / max(1, len(chosen))


def dch(u, labels, gamma, weight):
    def apart(a, b):
        return len(a) / 2 * (1 - a @ b / math.sqrt(a @ a) / math.sqrt(b @ b))

    chosen, total = balanced(labels), 0.0
    for i, j, s, w in chosen:
        d = apart(u[i], u[j])
        total += w * ((log(d / gamma) if s else 0.0) + log(1 + gamma / d))
    ones = np.ones(u.shape[1])
    return total / max(1, len(chosen)) + weight * sum(log(1 + apart(abs(row), ones) / gamma) for row in u) / len(u)


def dtsh(u, labels, margin, weight, scale):
    losses = []
    for a, p, n in itertools.product(range(len(u)), repeat=3):
        if a != p and share(labels[a], labels[p]) and not share(labels[a], labels[n]):
            t = scale * (u[a] @ u[p] - u[a] @ u[n]) - margin
            losses.append(softplus(t) - t)
    return sum(losses) / max(1, len(losses)) + weight * sum((v - sign(v)) ** 2 for v in u.ravel()) / u.size


def hinge(q, p, n, gap):
    return sum(max(0.0, gap + ((a - b) ** 2).sum() - ((a - c) ** 2).sum()) for a, b, c in zip(q, p, n)) / len(q)


def cross_entropy(scores, label):
    return log(sum(math.exp(v) for v in scores)) - scores[label]


def greedy(u, labels, classifier, weight):
    total = 0.0
    for row, label in zip(u, labels):
        scores = classifier @ np.array([sign(v) for v in row])
        if np.ndim(label):
            total += sum(softplus(v) - bool(y) * v for v, y in zip(scores, label)) / len(scores)
        else:
            total += cross_entropy(scores, label)
    return total / len(u) + weight * sum(abs(abs(v) - 1) ** 3 for v in u.ravel()) / u.size


def dpn(u, targets, margin, over_bits):
    total = sum(max(0.0, margin - v * c) for row, target in zip(u, targets) for v, c in zip(row, target))
    return total / (u.size if over_bits == "mean" else len(u))


def orthohash(u, labels, centers, scale, margin):
    total = 0.0
    for row, label in zip(u, labels):
        own = np.flatnonzero(label) if np.ndim(label) else np.array([label])
        cosines = [row @ c / math.sqrt(row @ row) / math.sqrt(c @ c) for c in centers]
        scores = [scale * (v - margin * (j in own)) for j, v in enumerate(cosines)]
        total += sum(cross_entropy(scores, j) for j in own) / max(1, len(own))
    return total / len(u)


def gradient(function, x, step=1e-6):
    """The gradient of a number, by central differences."""
    result = np.zeros_like(x)
    for at in np.ndindex(x.shape):
        low, high = x.copy(), x.copy()
        low[at], high[at] = x[at] - step, x[at] + step
        result[at] = (function(high) - function(low)) / (2 * step)
    return result
