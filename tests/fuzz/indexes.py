"""An index beside sorting: made at once of any layout, or grown and cut back, and searched on another instruction set."""

from __future__ import annotations

from typing import Any

import numpy as np

import hardmine

from . import filters, oracle, search
from .cases import Case, Property


def _draw(rng: np.random.Generator) -> Case:
    case = search.draw_sides(rng)
    while case["base"] is None:
        case = search.draw_sides(rng)
    _, _, q, b = search.lay_out(case)
    case["k"] = search.draw_k(rng, len(b))
    if rng.random() < 0.5:
        case |= filters.draw(rng, oracle.distances(q, b, case["metric"]), False)
    cuts = sorted(rng.random(rng.integers(0, 5)).round(3).tolist())
    return case | {"options": {"cuts": cuts, "removed": int(rng.integers(0, 40)), "copy": bool(rng.random() < 0.5)}}


def _index(case: Case, base: Any, rows: Any) -> hardmine.Index:
    """Of the base as it was given, or of its rows, which come one after another, with others that are removed again."""
    cuts, removed, copy = (case["options"][name] for name in ("cuts", "removed", "copy"))
    if not cuts:
        return hardmine.Index(base, case["metric"], copy=copy)
    extra = rows[:removed]
    first, *others = np.split(rows, [int(cut * len(rows)) for cut in cuts])
    index = hardmine.Index(np.concatenate([first, extra]), case["metric"])
    for part in others:
        index.add(part)
    index.remove(np.arange(len(first), len(first) + len(extra)))
    return index


def _check(case: Case) -> None:
    queries, base, q, b = search.lay_out(case)
    matrix = oracle.distances(q, b, case["metric"])
    where, allowed = filters.build(case, matrix, False)
    index = _index(case, base, b)
    assert index.shape == b.shape
    expected = oracle.nearest(matrix, allowed, case["k"], filters.capped_groups(case), case.get("max_per_group"))
    oracle.check_neighbors(search.find(case, queries, index, case["k"], where), expected)


PROPERTIES = (Property("index", _draw, _check, 3, available=lambda: "Index" in dir(hardmine)),)
