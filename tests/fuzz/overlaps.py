"""find_overlap and leaky_splits beside loops: candidates of both directions, offsets, tighter thresholds."""

from __future__ import annotations

from typing import Any

import numpy as np

import hardmine
import overlap_reference

from . import filters, oracle, search, surroundings
from .cases import Case, Property

Rng = np.random.Generator


def _draw_sides(rng: Rng) -> Case:
    case = search.draw_codes(rng) if rng.random() < 0.3 else search.draw_sides(rng, 5e3)
    if case["base"] is None:
        case["base"], case["base_layout"] = case["queries"].copy(), case["query_layout"]
    for name in ("queries", "base"):
        case[name] = case[name][:40]  # loops take long
    return case


def _draw_overlap(rng: Rng) -> Case:
    case = _draw_sides(rng)
    _, _, q, b = search.lay_out(case)
    matrix = oracle.distances(q, b, case["metric"])
    options: dict[str, Any] = {"directions": str(rng.choice(["both", "evaluation", "train"]))}
    if rng.random() < 0.6 or not matrix.size:
        options["k"] = int(rng.choice([1, 2, 3, 10, 100]))
    if "k" not in options or rng.random() < 0.5:
        options["radius"] = float(rng.choice(matrix.ravel())) if matrix.size else 1.0
    offsets = rng.choice([0.0, -0.25, 0.1, 7.0], len(q)) if rng.random() < 0.4 else None
    return case | {"options": options, "offsets": offsets}


def _check_overlap(case: Case) -> None:
    evaluation, train, q, b = search.lay_out(case)
    matrix = oracle.distances(q, b, case["metric"]).T
    options = {"metric": case["metric"], "bits": search.bits_of(case), "threads": case["threads"], **case["options"]}
    with surroundings.surroundings(case):
        report = hardmine.find_overlap(train, evaluation, score_norm=case["offsets"], **options)
    limits = {name: case["options"].get(name) for name in ("k", "directions")}
    radius = case["options"].get("radius", np.inf)
    expected = overlap_reference.candidates(matrix, radius=radius, offsets=case["offsets"], **limits)
    _check_pairs("overlap", report.candidates, matrix, expected)
    if len(expected):
        tighter = min(radius, float(matrix[expected[len(expected) // 2]]))
        known = overlap_reference.candidates(matrix, radius=tighter, offsets=case["offsets"], **limits)
        _check_pairs("rethreshold", report.rethreshold(tighter).pairs, matrix, known)


def _check_pairs(what: str, found: Any, matrix: Any, expected: list[tuple[int, int]]) -> None:
    rows, cols = (np.array([pair[side] for pair in expected], np.int64) for side in (0, 1))
    for name, array, known in zip(("rows", "cols", "distances"), found, (rows, cols, matrix[rows, cols])):
        oracle.check_same(f"{what}, {name}", array, known)


def _draw_leaks(rng: Rng) -> Case:
    case = _draw_sides(rng)
    case["base"] = None
    _, _, q, _ = search.lay_out(case)
    matrix = oracle.distances(q, q, case["metric"])
    groups, _ = filters.labels(rng, len(q), len(q))
    return case | {"radius": float(rng.choice(matrix.ravel())) if matrix.size else 1.0, "query_groups": groups}


def _check_leaks(case: Case) -> None:
    x, _, q, _ = search.lay_out(case)
    matrix, splits = oracle.distances(q, q, case["metric"]), case["query_groups"]
    options = {"metric": case["metric"], "bits": search.bits_of(case), "threads": case["threads"]}
    with surroundings.surroundings(case):
        found = hardmine.leaky_splits(x, splits, case["radius"], **options)
    n = len(q)
    leaks = [(i, j) for i in range(n) for j in range(i + 1, n) if splits[i] != splits[j] and matrix[i, j] <= case["radius"]]
    _check_pairs("leaks", found.pairs, matrix, sorted(leaks, key=lambda pair: (matrix[pair], *pair)))


PROPERTIES = (
    Property("find_overlap", _draw_overlap, _check_overlap),
    Property("leaky_splits", _draw_leaks, _check_leaks, 0.5),
)
