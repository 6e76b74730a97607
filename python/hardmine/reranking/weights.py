"""Neighbours as they are re-ranked: checked, and how much each counts by its score."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardmine import _arrays
from hardmine._arrays import Ints
from hardmine.search.neighbors import Neighbors

SIMILARITIES = ("cosine", "inner_product")


class Weights(NamedTuple):
    """Base rows of each query, (n, k), and what each counts; nothing where there is none."""

    indices: Ints
    values: NDArray[np.float64]
    metric: str


def check_neighbors(name: str, neighbors: Neighbors, n: int, m: int, metrics: tuple[str, ...] = SIMILARITIES) -> Neighbors:
    """Neighbours of n queries among m rows, by one of the metrics, as NumPy arrays, or raise."""
    if not isinstance(neighbors, Neighbors):
        raise TypeError(f"{name}: expected Neighbors, got {type(neighbors).__name__}")
    if neighbors.metric not in metrics:
        raise ValueError(f"{name}: expected Neighbors of metric {' or '.join(metrics)}, got {neighbors.metric}")
    distances, indices = (_arrays.to_numpy(name, array) for array in neighbors)
    if indices.ndim != 2 or indices.shape != distances.shape or len(indices) != n:
        raise ValueError(f"{name}: expected arrays of shape ({n}, k), got {distances.shape} and {indices.shape}")
    if indices.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected integers as indices, got {indices.dtype}")
    bad = _arrays.outside(indices.ravel(), -1, m)
    if bad is not None:
        raise ValueError(f"{name}: expected row numbers from 0 to {m - 1}, or -1 for none, got {bad}")
    return Neighbors(distances, np.ascontiguousarray(indices, np.int64), neighbors.metric)


def weights_of(neighbors: Neighbors, n: int, power: float) -> Weights:
    """The first n neighbours with their scores, those above 0 to this power."""
    assert neighbors.metric is not None
    scores = np.asarray(neighbors.scores, np.float64)[:, :n]
    indices = np.asarray(neighbors.indices)[:, :n]
    real = indices >= 0
    values = np.where(real, np.maximum(np.where(real, scores, 0), 0) ** power, 0)
    return Weights(indices, values, neighbors.metric)
