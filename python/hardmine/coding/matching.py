"""Classes matched with centers by SciPy, which is imported only here and only when called."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardmine._arrays import Floats, Ints

MOST_EXCHANGED = 64  # centers; trying all exchanges of two takes cubic time and a Python loop


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
    """The center of each class, so that the sum of similarity times distance over all pairs is small."""
    quadratic_assignment = _optimize().quadratic_assignment
    classes, count = len(similarity), len(signs)
    padded = np.zeros((count, count))
    padded[:classes, :classes] = similarity
    distances = (signs.shape[1] - signs.astype(np.float64) @ signs.T) / 2
    matched = quadratic_assignment(padded, distances, method="faq").col_ind
    if count <= MOST_EXCHANGED:
        guess = np.stack([np.arange(count), matched], axis=1)
        matched = quadratic_assignment(padded, distances, method="2opt", options={"partial_guess": guess}).col_ind
    return np.ascontiguousarray(matched[:classes], dtype=np.int64)
