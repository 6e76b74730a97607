"""topk, of float rows and of codes, beside sorting: every filter, layout and surrounding."""

from __future__ import annotations

import inspect
import re
from typing import Any

import numpy as np

import hardmine
from blocks import topk_in_blocks

from . import filters, layouts, oracle, rows, surroundings
from .cases import Case, Property

METRICS = ("sqeuclidean", "euclidean", "cosine", "inner_product")


def draw_sides(rng: np.random.Generator, numbers: float = 2e5) -> Case:
    """Float rows of both sides, or of one against itself, as arrays of some layout."""
    n, m, d = rows.shape(rng, numbers)
    queries, base = rows.draw_pair(rng, n, m, d)
    alone = rng.random() < 0.25
    return {
        "queries": queries,
        "base": None if alone else base,
        "query_layout": layouts.draw(rng),
        "base_layout": layouts.draw(rng),
        "metric": str(rng.choice(METRICS)),
        **surroundings.draw(rng),
    }


def lay_out_sides(case: Case) -> tuple[Any, Any, Any, Any]:
    """(queries, base) as the library gets them, and the float32 rows that both hold."""
    queries, seen = layouts.lay_out(case["queries"], case["query_layout"])
    if case["base"] is None:
        return queries, None, seen, seen
    base, base_seen = layouts.lay_out(case["base"], case["base_layout"])
    return queries, base, seen, base_seen


def draw_codes(rng: np.random.Generator) -> Case:
    """Bits of both sides, near few centers, and the layouts of the codes."""
    n, m, bits = rows.size(rng), rows.size(rng, 200), rows.size(rng, 200)
    few = rng.integers(0, 2, (rng.integers(1, 5), bits))
    flipped = rng.choice([0, 0.01, 0.2, 0.5])
    queries, base = (few[rng.integers(0, len(few), k)] ^ (rng.random((k, bits)) < flipped) for k in (n, m))
    return {
        "queries": queries.astype(bool),
        "base": None if rng.random() < 0.25 else base.astype(bool),
        "query_layout": layouts.draw(rng, layouts.CODES),
        "base_layout": layouts.draw(rng, layouts.CODES),
        "metric": "hamming",
        **surroundings.draw(rng),
    }


def lay_out_codes(case: Case) -> tuple[Any, Any, Any, Any]:
    """The same for codes: their padding is set here and there, and counts nowhere; the last two are bits."""
    bits = case["queries"].shape[1]
    sides = []
    for name, layout in (("queries", "query_layout"), ("base", "base_layout")):
        if case[name] is None:
            sides.append((None, sides[0][1]))
            continue
        codes = np.packbits(case[name], axis=1)
        codes[1::2, -1] |= 0xFF >> 1 + (bits - 1) % 8
        laid, seen = layouts.lay_out(codes, case[layout])
        sides.append((laid, np.unpackbits(seen, axis=1, count=bits).astype(bool)))
    return sides[0][0], sides[1][0], sides[0][1], sides[1][1]


def lay_out(case: Case) -> tuple[Any, Any, Any, Any]:
    return (lay_out_codes if case["metric"] == "hamming" else lay_out_sides)(case)


def bits_of(case: Case) -> int | None:
    """The argument `bits` of a case of codes."""
    return case["queries"].shape[1] if case["metric"] == "hamming" else None


def find(case: Case, queries: Any, base: Any, k: int, where: Any = None, **more: Any) -> Any:
    """topk in the surroundings of a case, as arrays."""
    options = {"metric": case["metric"], "where": where, "bits": bits_of(case), "threads": case["threads"], **more}
    with surroundings.surroundings(case):
        if case["block"]:
            return topk_in_blocks(queries, base, k, block=case["block"], **options)
        return hardmine.topk(queries, base, k, **options)


def draw_k(rng: np.random.Generator, m: int) -> int:
    return max(1, int(rng.choice([1, 2, 3, 5, 10, 100, m - 1, m, m + 1, 2 * m])))


def _draw(rng: np.random.Generator, case: Case) -> Case:
    _, _, q, b = lay_out(case)
    alone = case["base"] is None
    case["k"] = draw_k(rng, len(b))
    if rng.random() < 0.7:
        case |= filters.draw(rng, oracle.distances(q, b, case["metric"]), alone)
    return case


def _check(case: Case) -> None:
    queries, base, q, b = lay_out(case)
    matrix = oracle.distances(q, b, case["metric"])
    where, allowed = filters.build(case, matrix, case["base"] is None)
    expected = oracle.nearest(matrix, allowed, case["k"], filters.capped_groups(case), case.get("max_per_group"))
    oracle.check_neighbors(find(case, queries, base, case["k"], where), expected)


def _draw_not_finite(rng: np.random.Generator) -> Case:
    case = draw_sides(rng, 2e4) | {"query_layout": "in place", "base_layout": "in place", "k": 3}
    for name in ("queries", "base"):
        if case[name] is not None and rng.random() < 0.6:
            for _ in range(rng.integers(1, 4)):
                at = tuple(rng.integers(0, length) if length else 0 for length in case[name].shape)
                if case[name].size:
                    case[name][at] = rng.choice([np.nan, np.inf, -np.inf])
    return case


def _check_not_finite(case: Case) -> None:
    """Queries first, then base rows, and of each the first."""
    bad = {}
    for name in ("queries", "base"):
        if case[name] is not None:
            bad[name] = np.flatnonzero(~np.isfinite(case[name]).all(axis=1))
    named = next(
        (f"{name}: expected finite numbers, got NaN or infinity in row {i[0]}" for name, i in bad.items() if len(i)), ""
    )
    if case["base"] is not None and (len(case["queries"]) == 0 or len(case["base"]) == 0):
        return  # whether anything is read then is nobody's business
    try:
        find(case, case["queries"], case["base"], case["k"])
    except ValueError as error:
        assert named and re.match(re.escape(named) + r"\b", str(error)), f"{error!s} instead of {named or 'an answer'}"
    else:
        assert not named, f"an answer instead of {named}"


def _draw_query_rows(rng: np.random.Generator) -> Case:
    n, m, d = rows.shape(rng, 1e5)
    base = rows.draw(rng, m, d)
    of_base = rng.integers(-1, m, n)
    queries = np.where(of_base[:, None] >= 0, base[of_base], rows.draw(rng, n, d)) if m else rows.draw(rng, n, d)
    case = {"queries": queries, "base": base, "query_rows": of_base, "k": draw_k(rng, m), "metric": str(rng.choice(METRICS))}
    return case | {"query_layout": "in place", "base_layout": layouts.draw(rng)} | surroundings.draw(rng)


def _check_query_rows(case: Case) -> None:
    """A query's own row is not its neighbour, and parts of the queries find what they would together."""
    queries, base, q, b = lay_out_sides(case)
    own = np.minimum(case["query_rows"], len(b) - 1)
    matrix = oracle.distances(q, b, case["metric"])
    allowed = np.arange(len(b)) != own[:, None]
    found = find(case, queries, base, case["k"], query_rows=own)
    oracle.check_neighbors(found, oracle.nearest(matrix, allowed, case["k"]))
    for part in (slice(0, 1), slice(1, 9), slice(9, None)):
        alone = find(case, queries[part], base, case["k"], query_rows=own[part])
        oracle.check_neighbors(alone, (np.asarray(found[0])[part], np.asarray(found[1])[part]), "a part")


PROPERTIES = (
    Property("topk", lambda rng: _draw(rng, draw_sides(rng)), _check, 6),
    Property("topk of codes", lambda rng: _draw(rng, draw_codes(rng)), _check, 3),
    Property("rows that are not finite", _draw_not_finite, _check_not_finite),
    Property(
        "query_rows",
        _draw_query_rows,
        _check_query_rows,
        2,
        available=lambda: "query_rows" in inspect.signature(hardmine.topk).parameters,
    ),
)
