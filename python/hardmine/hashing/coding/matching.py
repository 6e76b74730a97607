"""Classes matched with centers by SciPy, which is imported only here and only when called."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardmine._arrays import Floats, Ints

MOST_STEPS = 1 << 31  # numbers that exchanges of two may read; a class is exchanged about once


def _optimize() -> Any:
    try:
        return importlib.import_module("scipy.optimize")
    except ImportError:
        raise ImportError('assign_classes needs scipy: pip install "hardmine[scipy]"') from None


def linear(scores: NDArray[np.float64]) -> Ints:
    """The column of each row, each column once at most, with the largest total."""
    _, columns = _optimize().linear_sum_assignment(scores, maximize=True)
    return np.ascontiguousarray(columns, dtype=np.int64)


def quadratic(similarity: NDArray[np.float64], signs: Floats) -> Ints:
    """The center of each class, so that the sum of similarity times distance over all pairs is small.

    The Frank-Wolfe method starts from a random doubly stochastic matrix, always the same: all good centers have about the same
    distances to the others, and from the middle of all matchings no direction leads down.
    """
    classes, count = len(similarity), len(signs)
    padded = np.zeros((count, count))
    padded[:classes, :classes] = similarity
    np.fill_diagonal(padded, 0)
    distances = (signs.shape[1] - signs.astype(np.float64) @ signs.T) / 2
    options = {"P0": "randomized", "rng": np.random.default_rng(0)}
    matched = _optimize().quadratic_assignment(padded, distances, method="faq", options=options).col_ind
    return _exchanged(padded, distances, matched.astype(np.int64))[:classes].copy()


def _exchanged(similarity: NDArray[np.float64], distances: NDArray[np.float64], matched: Ints) -> Ints:
    """Exchange the centers of the two classes for which that lowers the sum the most, while it does.

    With S the similarities, D the distances between the classes' centers and M = S D, the exchange of i and j changes the sum
    by 2 (M_ij + M_ji - M_ii - M_jj + 2 S_ij D_ij).
    """
    count = len(matched)
    d = distances[np.ix_(matched, matched)]
    m = similarity @ d
    for _ in range(min(2 * count, MOST_STEPS // count**2)):
        own = np.diagonal(m)
        change = m + m.T - own[:, None] - own + 2 * similarity * d
        pair = list(divmod(int(change.argmin()), count))
        if change[pair[0], pair[1]] >= -1e-9 * np.abs(own).max():  # what rounding may pretend
            break
        swapped = pair[::-1]
        matched[pair] = matched[swapped]
        before = d[pair[0]]
        before = before[_transposed(count, pair)]
        d[pair] = d[swapped]
        d[:, pair] = d[:, swapped]
        m[:, pair] = m[:, swapped]
        m += np.outer(similarity[:, pair[0]] - similarity[:, pair[1]], d[pair[0]] - before)
    return matched


def _transposed(count: int, pair: list[int]) -> Ints:
    order = np.arange(count)
    order[pair] = pair[::-1]
    return order
