"""The float64 answers that hardmine's are compared with."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.case import Rows


def sampled(rows: Rows) -> Rows:
    """Up to 20 row numbers, evenly spread."""
    return np.linspace(0, len(rows) - 1, min(20, len(rows))).astype(int)


def distances(query: Rows, base: Rows, metric: str) -> Rows:
    """Of one query and every base row: float64 sums, rounded once to float32; counts of bits."""
    if metric == "hamming":
        return np.unpackbits(query ^ base, axis=1).sum(axis=1)
    query = query.astype(np.float64)
    parts = []
    for first in range(0, len(base), 50_000):
        rows = base[first : first + 50_000].astype(np.float64)
        if metric == "cosine":
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            parts.append(((rows - query / np.linalg.norm(query)) ** 2).sum(axis=1) / 2)
        else:
            parts.append(((rows - query) ** 2).sum(axis=1))
    exact = np.concatenate(parts)
    return (np.sqrt(exact) if metric == "euclidean" else exact).astype(np.float32)


def around(exact: Any) -> tuple[Any, Any]:
    """The least and the most that a canonical distance may be: NumPy sums in another order, which may move a rounding."""
    if np.asarray(exact).dtype.kind != "f":
        return exact, exact
    return np.nextafter(exact, np.float32(-np.inf)), np.nextafter(exact, np.float32(np.inf))


def nearest(exact: Rows, allowed: Rows, k: int) -> Rows:
    """The k nearest of the allowed rows, by (distance, index)."""
    candidates = np.flatnonzero(allowed)
    return candidates[np.lexsort((candidates, exact[candidates]))][:k]


def assert_nearest(found: Any, order: Rows, exact: Rows) -> None:
    """NumPy sums in another order than the canonical distance; where that moves a rounding, either neighbour is right."""
    swapped = found != order
    np.testing.assert_array_max_ulp(exact[found[swapped]], exact[order[swapped]], 1)
