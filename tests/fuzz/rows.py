"""Rows on which float32 arithmetic fails: every scale, every closeness, and mixtures of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Rows = Any  # (n, d) float32, finite
Rng = np.random.Generator

LARGEST = float(np.finfo(np.float32).max)
# Tiles of 4, 6, 14, 16, 32 and 96, screens that change after 8 queries, lanes of 8 and 16.
EDGES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 14, 15, 16, 17, 31, 32, 33, 47, 48, 49, 95, 96, 97, 128, 129)


def power(rng: Rng, low: float, high: float, shape: Any = ()) -> Any:
    """10 to a power that is uniform."""
    return 10.0 ** rng.uniform(low, high, shape)


def _any_scale(rng: Rng, n: int, d: int) -> Any:
    return rng.standard_normal((n, d)) * power(rng, -46, 38.5)


def _scales_of_rows(rng: Rng, n: int, d: int) -> Any:
    widest = rng.choice([3, 18, 40])
    return rng.standard_normal((n, d)) * power(rng, -widest, min(widest, 38), (n, 1))


def _scales_of_coordinates(rng: Rng, n: int, d: int) -> Any:
    widest = rng.choice([3, 18, 40])
    return rng.standard_normal((n, d)) * power(rng, -widest, min(widest, 38), rng.choice([1, n], 1).tolist() + [d])


def _ordinary(rng: Rng, n: int, d: int) -> Any:
    return rng.standard_normal((n, d))


def _zeros(rng: Rng, n: int, d: int) -> Any:
    return rng.standard_normal((n, d)) * power(rng, -3, 3) * (rng.random((n, 1)) < rng.choice([0, 0.5, 0.9]))


def _signed_zeros(rng: Rng, n: int, d: int) -> Any:
    return rng.choice([0.0, -0.0, 0.0, -0.0, 1.0, -1.0, 1e-45, -1e-45], (n, d))


def _few_distinct(rng: Rng, n: int, d: int) -> Any:
    few = rng.standard_normal((rng.integers(1, 5), d)) * power(rng, -3, 3)
    return few[rng.integers(0, len(few), n)]


def _clusters(rng: Rng, n: int, d: int) -> Any:
    few = rng.standard_normal((rng.integers(1, 5), d)) * power(rng, -3, 3)
    return few[rng.integers(0, len(few), n)] * (1 + power(rng, -12, 6) * rng.standard_normal((n, d)))


def _moved(rng: Rng, n: int, d: int) -> Any:
    return rng.standard_normal((n, d)) + power(rng, 0, 9) * rng.standard_normal((1, d))


def _directions(rng: Rng, n: int, d: int) -> Any:
    near = rng.standard_normal((1, d)) + power(rng, -8, -1) * rng.standard_normal((n, d))
    return near * power(rng, 0, rng.choice([0, 3, 15]), (n, 1))


def _scaled_copies(rng: Rng, n: int, d: int) -> Any:
    return rng.standard_normal((1, d)) * 2.0 ** rng.integers(-60, 60, (n, 1))


def _nearly_parallel(rng: Rng, n: int, d: int) -> Any:
    copies = rng.standard_normal((1, d)) * power(rng, -6, 6, (n, 1))
    return copies * (1 + 2.0**-23 * rng.integers(-2, 3, (n, d)))


def _neighbours(rng: Rng, n: int, d: int) -> Any:
    """One row, with one coordinate one or two steps of float32 away."""
    row = (rng.standard_normal((1, d)) * power(rng, -30, 30)).astype(np.float32)
    rows = np.repeat(row, n, axis=0)
    at = np.arange(n), rng.integers(0, d, n)
    for _ in range(rng.integers(1, 3)):
        rows[at] = np.nextafter(rows[at], rng.choice([-LARGEST, LARGEST], n).astype(np.float32))
    return rows.astype(np.float64)


def _outliers(rng: Rng, n: int, d: int) -> Any:
    return rng.standard_normal((n, d)) * np.where(rng.random((n, 1)) < 0.1, power(rng, 2, 30), 1)


def _one_large_coordinate(rng: Rng, n: int, d: int) -> Any:
    rows = rng.standard_normal((n, d))
    rows[:, rng.integers(0, d)] *= power(rng, 3, 20)
    return rows


def _integers(rng: Rng, n: int, d: int) -> Any:
    return rng.integers(-2, 3, (n, d)).astype(np.float64)


def _subnormal(rng: Rng, n: int, d: int) -> Any:
    return rng.integers(-9, 10, (n, d)) * 2.0**-149 * power(rng, 0, 6)


def _huge(rng: Rng, n: int, d: int) -> Any:
    return rng.standard_normal((n, d)) * power(rng, 36, 38.5)


def _opposites(rng: Rng, n: int, d: int) -> Any:
    """Rows and their opposites, some pairs zeros: the mean, where an origin may lie, is nearly 0, but not quite."""
    half = rng.standard_normal((n // 2 + 1, d))
    moved = power(rng, -6, -1) * (1 if rng.random() < 0.5 else rng.standard_normal(d))
    both = np.stack([half, moved - half], axis=1) * (rng.random((n // 2 + 1, 1, 1)) < rng.choice([0.3, 0.6, 1]))
    return both.reshape(-1, d)[:n]


def _sparse(rng: Rng, n: int, d: int) -> Any:
    return rng.standard_normal((n, d)) * (rng.random((n, d)) < 0.1) * power(rng, -20, 20)


KINDS: dict[str, Callable[[Rng, int, int], Any]] = {
    "ordinary": _ordinary,
    "any scale": _any_scale,
    "scales of rows": _scales_of_rows,
    "scales of coordinates": _scales_of_coordinates,
    "zeros": _zeros,
    "signed zeros": _signed_zeros,
    "few distinct": _few_distinct,
    "clusters": _clusters,
    "moved": _moved,
    "directions": _directions,
    "scaled copies": _scaled_copies,
    "nearly parallel": _nearly_parallel,
    "neighbours": _neighbours,
    "outliers": _outliers,
    "one large coordinate": _one_large_coordinate,
    "integers": _integers,
    "subnormal": _subnormal,
    "huge": _huge,
    "opposites": _opposites,
    "sparse": _sparse,
}


def finite(values: Any) -> Rows:
    """As float32, what overflows at the largest number."""
    return np.clip(values, -LARGEST, LARGEST).astype(np.float32)


def draw(rng: Rng, n: int, d: int, kinds: list[str] | None = None) -> Rows:
    """n rows of one kind or, one row this and the next that, of more; here and there a row of zeros."""
    kinds = kinds or draw_kinds(rng)
    parts = [finite(KINDS[kind](rng, n, d)) for kind in kinds]
    mixed = np.stack(parts)[rng.integers(0, len(parts), n), np.arange(n)]
    mixed[rng.random(n) < rng.choice([0, 0, 0, 0.02, 0.5])] = 0
    return mixed


def draw_kinds(rng: Rng) -> list[str]:
    return rng.choice(list(KINDS), rng.choice([1, 1, 1, 2, 3])).tolist()


def draw_pair(rng: Rng, n: int, m: int, d: int) -> tuple[Rows, Rows]:
    """Queries and base rows, the queries in part copies, neighbours, multiples or opposites of base rows."""
    kinds = draw_kinds(rng)
    base = draw(rng, m, d, kinds)
    queries = draw(rng, n, d, kinds if rng.random() < 0.7 else None)
    if n and m:
        copied = np.flatnonzero(rng.random(n) < rng.choice([0, 0.3, 0.9]))
        rows = base[rng.integers(0, m, len(copied))]
        nudged = np.nextafter(rows, rng.choice([-LARGEST, LARGEST], rows.shape).astype(np.float32))
        scaled = finite(rows.astype(np.float64) * 2.0 ** rng.integers(-40, 41, (len(copied), 1)))
        forms = np.stack([rows, nudged, scaled, -rows])
        queries[copied] = forms[rng.choice(4, len(copied), p=[0.4, 0.3, 0.2, 0.1]), np.arange(len(copied))]
        if rng.random() < 0.2:
            queries = finite(queries.astype(np.float64) * _other_scale(rng, queries, base))
    return queries, base


def _other_scale(rng: Rng, queries: Rows, base: Rows) -> Any:
    """A power of two that makes queries tiny or huge, or takes products of both to where float32 ends."""
    sizes = [np.abs(side[side != 0].astype(np.float64)) for side in (queries, base)]
    of_queries, of_base = (np.log2(np.median(size)) if len(size) else 0 for size in sizes)
    wanted = [rng.uniform(-149, -105), rng.uniform(60, 127), rng.choice([-149, -126, 127]) + rng.uniform(-5, 12) - of_base]
    return 2.0 ** np.round(rng.choice(wanted) - of_queries)


def size(rng: Rng, most: int = 300, least: int = 1) -> int:
    """A number of rows or dimensions, often at an edge of the engine's tiles."""
    edges = [edge for edge in EDGES if least <= edge <= most]
    if edges and rng.random() < 0.5:
        return int(rng.choice(edges))
    return int(np.exp(rng.uniform(np.log(max(1, least)), np.log(most + 1))))


def shape(rng: Rng, numbers: float = 2e5) -> tuple[int, int, int]:
    """(n, m, d), of which the product is no more than the oracle can look at many times a second."""
    while True:
        n, m, d = size(rng), size(rng), size(rng, 300)
        if n * m * d <= numbers * (20 if rng.random() < 0.01 else 1):
            return (n if rng.random() > 0.01 else 0), (m if rng.random() > 0.01 else 0), d
