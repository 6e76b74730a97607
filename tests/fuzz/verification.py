"""verify beside loops: exact results of all rows or of a part, with some entries spoilt."""

from __future__ import annotations

from typing import Any

import numpy as np

import hardmine
from verification_reference import assert_verified, first_of_ranking, spoilt
from verification_reference import verify as expected_of

from . import filters, oracle, rows, search, surroundings
from .cases import Case, Property

Rng = np.random.Generator


def _draw(rng: Rng) -> Case:
    case = search.draw_codes(rng) if rng.random() < 0.3 else search.draw_sides(rng, 5e3)
    for name in ("queries", "base"):
        if case[name] is not None:
            case[name] = case[name][:60]  # loops take long
    _, _, q, b = search.lay_out(case)
    matrix = oracle.distances(q, b, case["metric"])
    if rng.random() < 0.6:
        case |= filters.draw(rng, matrix, case["base"] is None)
    _, allowed = filters.build(case, matrix, case["base"] is None)
    known = (allowed if rng.random() < 0.7 else np.ones_like(allowed)) & (rng.random(len(b)) < rng.choice([0.3, 0.9, 1, 1]))
    indices = first_of_ranking(
        matrix, known, min(rows.size(rng, 70), 12), filters.capped_groups(case), case.get("max_per_group")
    )
    return case | {"returned": spoilt(rng, indices, len(b))}


def _check(case: Case) -> None:
    queries, base, q, b = search.lay_out(case)
    alone, indices = case["base"] is None, case["returned"]
    matrix = oracle.distances(q, b, case["metric"])
    where, allowed = filters.build(case, matrix, alone)
    given: Any = np.zeros(indices.shape, matrix.dtype)
    within = (indices >= 0) & (indices < len(b))
    given[within] = matrix[np.nonzero(within)[0], indices[within]]
    options = {"metric": case["metric"], "where": where, "bits": search.bits_of(case), "threads": case["threads"]}
    with surroundings.surroundings(case):
        found = hardmine.verify((given, indices), queries, base, sample=None, **options)
    own = np.arange(len(q)) if alone else None
    groups, cap = filters.capped_groups(case), case.get("max_per_group")
    assert_verified(found, expected_of(indices, matrix, allowed, own, groups, cap))
    assert found.absolute_error == found.relative_error == 0, "canonical distances"
    oracle.check_neighbors(found.exact, oracle.nearest(matrix, allowed, indices.shape[1], groups, cap), "exact")


PROPERTIES = (Property("verify", _draw, _check),)
