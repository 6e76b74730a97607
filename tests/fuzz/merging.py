"""merge, beside sets of (distance, index)."""

from __future__ import annotations

from typing import Any

import numpy as np

import hardmine

from . import oracle, rows
from .cases import Case, Property

Rng = np.random.Generator


def _draw(rng: Rng) -> Case:
    """Parts whose entries come from few pairs, so that many occur twice, tie, or are missing."""
    n, integers = int(rng.choice([0, 1, 2, 30])), rng.random() < 0.3
    limit = int(rng.choice([3, 20, 1 << 40]))
    values = [0.0, 1.0, 2.0, 3.0, 2.0**31 - 1] if integers else [0.0, -1.0, 1.5, 2.0**-149, 3e38, np.inf]
    parts = []
    for _ in range(rng.integers(1, 5)):
        shape = n, rows.size(rng, 20, 0)
        distances = rng.choice(values, shape).astype(np.int32 if integers else np.float32)
        indices = rng.integers(0, limit, shape)
        missing = rng.random(shape) < rng.choice([0, 0.3])
        distances[missing] = 2**31 - 1 if integers else np.inf
        indices[missing] = -1
        parts.append([distances, indices])
    return {"parts": parts, "k": None if rng.random() < 0.3 else int(rng.choice([1, 3, 10, 100]))}


def _check(case: Case) -> None:
    parts, k = case["parts"], case["k"]
    found = hardmine.merge(*(tuple(part) for part in parts), k=k)
    kept = max(part[0].shape[1] for part in parts) if k is None else k
    distances, indices = parts[0]
    expected = [np.full((len(distances), kept), 2**31 - 1 if distances.dtype == np.int32 else np.inf, distances.dtype)]
    expected.append(np.full((len(indices), kept), -1, np.int64))
    for i in range(len(distances)):
        entries = {pair for part in parts for pair in zip(part[0][i].tolist(), part[1][i].tolist()) if pair[1] >= 0}
        for at, entry in enumerate(sorted(entries)[:kept]):
            expected[0][i, at], expected[1][i, at] = entry
    oracle.check_neighbors(found, expected, "merge")
    others: list[Any] = [hardmine.merge(*(tuple(part) for part in reversed(parts)), k=kept)]
    others.append(hardmine.merge(found, tuple(parts[-1]), k=kept))  # idempotent
    for other in others:
        oracle.check_neighbors(other, found, "merge once more")


PROPERTIES = (Property("merge", _draw, _check),)
