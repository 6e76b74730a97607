"""Metrics of rankings beside loops and fractions: every rule of ties, divisor and empty query."""

from __future__ import annotations

from typing import Any

import numpy as np

import hardmine
from ranking_reference import oracle_map, ranked

from . import layouts, rows, surroundings
from .cases import Case, Property
from .search import lay_out_codes

Rng = np.random.Generator
TIES = ("expected", "stable", "optimistic", "pessimistic")


def _draw(rng: Rng) -> Case:
    n, m, bits, classes = rows.size(rng, 6), rows.size(rng, 60), rows.size(rng, 70), int(rng.choice([1, 2, 5, 70]))
    few = rng.integers(0, 2, (rng.integers(1, 4), bits))
    sides = [few[rng.integers(0, len(few), count)] ^ (rng.random((count, bits)) < 0.1) for count in (n, m)]
    if rng.random() < 0.5:
        of_queries, of_base = rng.integers(0, classes, n), rng.integers(0, classes + 1, m)
    else:
        of_queries, of_base = (rng.random((count, classes)) < rng.choice([0.05, 0.4]) for count in (n, m))
    return {
        "queries": sides[0].astype(bool),
        "base": sides[1].astype(bool),
        "query_layout": layouts.draw(rng, layouts.CODES),
        "base_layout": layouts.draw(rng, layouts.CODES),
        "query_labels": of_queries,
        "base_labels": of_base,
        "metric": "hamming",
        "k": int(rng.choice([1, 2, 7, m, m + 4])),
        "ties": str(rng.choice(TIES)),
        "normalize": str(rng.choice(["retrieved", "min", "all"])),
        "empty": str(rng.choice(["zero", "skip"])),
        **surroundings.draw(rng),
    }


def _check(case: Case) -> None:
    queries, base, q, b = lay_out_codes(case)
    bits, ties, top, empty = case["queries"].shape[1], case["ties"], case["k"], case["empty"]
    labels = case["query_labels"], case["base_labels"]
    given = {"bits": bits, "threads": case["threads"]}
    normalize = case["normalize"]
    with surroundings.surroundings(case):
        found = hardmine.mean_average_precision(
            queries, base, *labels, top=top, ties=ties, normalize=normalize, empty=empty, **given
        )
        precision = hardmine.precision_at_k(queries, base, *labels, top, ties=ties, **given)
        curve = hardmine.precision_recall_curve(queries, base, *labels, empty=empty, **given)
        within = hardmine.precision_within_radius(queries, base, *labels, radius=top, empty=empty, **given)
    sides = np.packbits(q, axis=1), np.packbits(b, axis=1), *labels
    _check_close("mean_average_precision", found, oracle_map(*sides, bits, top, ties, normalize, empty))
    rankings = list(ranked(*sides, bits))
    _check_close("precision_at_k", precision, _mean([_precision(*one, top, ties) for one in rankings]))
    for radius in range(bits + 1):
        for name, of in (("precision", curve.precision), ("recall", curve.recall)):
            _check_close(f"{name} within {radius}", of[radius], _within(rankings, radius, name, empty))
    _check_close("precision_within_radius", within, _within(rankings, top, "precision", empty))


def _precision(distances: list[int], relevant: list[bool], k: int, ties: str) -> float:
    """The share of relevant rows among the k nearest."""
    k = min(k, len(distances))
    if k == 0:
        return 0.0
    if ties == "expected":
        last = sorted(distances)[k - 1]
        near = [r for d, r in zip(distances, relevant) if d < last]
        tied = [r for d, r in zip(distances, relevant) if d == last]
        return (sum(near) + sum(tied) / len(tied) * (k - len(near))) / k
    late = {"stable": lambda r: 0, "optimistic": lambda r: not r, "pessimistic": lambda r: r}[ties]
    order = sorted(range(len(distances)), key=lambda j: (distances[j], late(relevant[j]), j))
    return sum(relevant[j] for j in order[:k]) / k


def _within(rankings: Any, radius: int, what: str, empty: str) -> float:
    shares = []
    for distances, relevant in rankings:
        inside = [r for d, r in zip(distances, relevant) if d <= radius]
        of = len(inside) if what == "precision" else sum(relevant)
        shares += [sum(inside) / of] if of else [0.0] * (empty == "zero")
    return _mean(shares)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else float("nan")


def _check_close(what: str, found: float, expected: float) -> None:
    close = np.isclose(found, expected, rtol=1e-12, atol=0, equal_nan=True)
    assert close, f"{what}: {float(found)!r} instead of {expected!r}"


PROPERTIES = (Property("rankings", _draw, _check),)
