"""radius_neighbors, closest_pairs and distance_histogram beside a matrix of all distances."""

from __future__ import annotations

from typing import Any

import numpy as np

import hardmine
import pair_reference
from hardmine import _arrays

from . import filters, oracle, search, surroundings
from .cases import Case, Property

Rng = np.random.Generator


def _draw_sides(rng: Rng) -> Case:
    """Rows or codes, and a filter for them; a cap per group only where there is a base."""
    case = search.draw_codes(rng) if rng.random() < 0.3 else search.draw_sides(rng, 1e5)
    _, _, q, b = search.lay_out(case)
    if rng.random() < 0.6:
        case |= filters.draw(rng, oracle.distances(q, b, case["metric"]), case["base"] is None)
        case.pop("max_per_group", None)
        if case["base"] is not None and case.get("base_groups") is not None and rng.random() < 0.4:
            case["max_per_group"] = int(rng.choice([1, 2, 5]))
    return case


def _seen(case: Case) -> tuple[Any, Any, Any, Any, Any, bool]:
    """(queries, base, their distances, the filter, the pairs that it allows, whether these are one array)."""
    queries, base, q, b = search.lay_out(case)
    alone = case["base"] is None
    matrix = oracle.distances(q, b, case["metric"])
    where, allowed = filters.build(case, matrix, alone)
    allowed = pair_reference.capped(matrix, allowed, case.get("base_groups"), case.get("max_per_group"))
    return queries, base, matrix, where, allowed, alone


def _options(case: Case, where: Any) -> dict[str, Any]:
    return {"metric": case["metric"], "where": where, "bits": search.bits_of(case), "threads": case["threads"]}


def _check_pairs(what: str, found: Any, expected: Any) -> None:
    for name, array, known in zip(("rows", "cols", "distances"), found, expected):
        oracle.check_same(f"{what}, {name}", array, known)


def _draw_radius(rng: Rng) -> Case:
    case = _draw_sides(rng)
    _, _, q, b = search.lay_out(case)
    return case | {"radius": filters.threshold(rng, oracle.distances(q, b, case["metric"]))}


def _check_radius(case: Case) -> None:
    queries, base, matrix, where, allowed, alone = _seen(case)
    radius = np.asarray(case["radius"])
    with surroundings.surroundings(case):
        found = hardmine.radius_neighbors(queries, base, radius, **_options(case, where))
    _check_pairs("radius", found, pair_reference.radius_neighbors(matrix, radius, allowed, alone))


def _draw_closest(rng: Rng) -> Case:
    return _draw_sides(rng) | {"k": int(rng.choice([1, 2, 10, 100, 1000, 10**6]))}


def _check_closest(case: Case) -> None:
    queries, base, matrix, where, allowed, alone = _seen(case)
    with surroundings.surroundings(case):
        found = hardmine.closest_pairs(queries, base, case["k"], **_options(case, where))
    _check_pairs("closest", found, pair_reference.closest_pairs(matrix, case["k"], allowed, alone))


def _draw_histogram(rng: Rng) -> Case:
    case = _draw_sides(rng)
    _, _, q, b = search.lay_out(case)
    matrix = oracle.distances(q, b, case["metric"])
    bins = int(rng.choice([1, 2, 10, 1000]))
    edges = rng.choice(matrix.ravel(), bins + 1).astype(np.float64) if matrix.size else rng.standard_normal(bins + 1)
    beside = np.nextafter(edges, rng.choice([-np.inf, np.inf], bins + 1))
    edges = np.where(rng.random(bins + 1) < 0.4, beside, edges)
    special = rng.random(bins + 1) < 0.05
    edges[special] = rng.choice([-np.inf, -1.0, -0.0, 0.0, 1e300, np.inf], special.sum())
    case["edges"] = np.sort(edges)
    if case.get("base_groups") is None:
        of_queries, of_base = filters.labels(rng, *matrix.shape)
        case |= {"query_groups": of_queries, "base_groups": of_queries if case["base"] is None else of_base}
    return case


def _check_histogram(case: Case) -> None:
    queries, base, matrix, where, allowed, alone = _seen(case)
    both = case["query_groups"], case["base_groups"]
    with surroundings.surroundings(case):
        options = _options(case, where)
        whole = hardmine.distance_histogram(queries, base, case["edges"], **options)
        groups = both[0] if alone else both
        split = hardmine.distance_histogram(queries, base, case["edges"], groups=groups, **options)
    dtype = np.int64 if _arrays.is_torch(queries) else np.uint64
    pairs, same = pair_reference.counted(allowed, alone), oracle.same_group(*both)
    for what, found, kept in (("all", whole, pairs), ("same", split[0], pairs & same), ("other", split[1], pairs & ~same)):
        expected = np.histogram(matrix[kept].astype(np.float64), case["edges"])[0].astype(dtype)
        oracle.check_same(f"histogram, {what}", found, expected)


PROPERTIES = (
    Property("radius_neighbors", _draw_radius, _check_radius, 2),
    Property("closest_pairs", _draw_closest, _check_closest, 2),
    Property("distance_histogram", _draw_histogram, _check_histogram, 2),
)
