"""pairwise and pair_distances; that no denormal mode changes bits; and the oracle itself, beside exact arithmetic."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

import hardmine
import reference
from hardmine import _core

from . import layouts, oracle, rows, search, surroundings
from .cases import Case, Property

Rng = np.random.Generator
U = 2.0**-24


def _draw_pairwise(rng: Rng) -> Case:
    case = search.draw_codes(rng) if rng.random() < 0.2 else search.draw_sides(rng)
    return case | {"parts": int(rng.integers(0, 3))}


def _output(shape: tuple[int, int], dtype: Any, kind: int) -> Any:
    """None, an array, or part of the rows of a wider one."""
    if kind == 0:
        return None
    return np.full((shape[0], shape[1] + 5), -7, dtype)[:, 2:-3] if kind == 1 else np.full(shape, -7, dtype)


def _check_pairwise(case: Case) -> None:
    queries, base, q, b = search.lay_out(case)
    codes = case["metric"] == "hamming"
    out = _output((len(q), len(b)), np.int32 if codes else np.float32, case["parts"])
    options = {"metric": case["metric"], "bits": search.bits_of(case), "threads": case["threads"], "out": out}
    with surroundings.surroundings(case):
        found = hardmine.pairwise(queries, base, **options)
    assert out is None or found is out, "pairwise: another array than out"
    found = np.asarray(found)
    assert out is None or out.base is None or (out.base[:, [0, 1, -3, -2, -1]] == -7).all(), "pairwise: wrote beside out"
    if codes:
        oracle.check_same("pairwise", found, oracle.distances(q, b, "hamming"))
    elif found.size and not (case["metric"] == "inner_product" and case["block_bytes"]):  # each block has an origin
        _check_bound(found, q, b, case["metric"])


def _check_bound(found: Any, q: Any, b: Any, metric: str) -> None:
    """What the docstring of pairwise states."""
    true, rounded = reference.distances(q, b, metric), oracle.distances(q, b, metric)
    d = q.shape[1]
    with np.errstate(all="ignore"):
        if metric == "inner_product":
            allowed = _products_bound(q, b) + np.abs(true) * 2 * U
        else:
            allowed = max(2.0**-10, 4 * (d + 16) * U) * true
            equal = (q[:, None, :] == b[None, :, :]).all(axis=2)
            oracle.check_same("pairwise of equal rows", found[equal], rounded[equal])
        allowed = allowed + 2.0**-149
        excess = np.abs(found.astype(np.float64) - true) / allowed
        beyond = np.abs(true + np.sign(found) * allowed) > np.finfo(np.float32).max
        excess[np.isinf(found) & beyond] = 0
    worst = np.unravel_index(np.argmax(np.where(np.isnan(excess), np.inf, excess)), excess.shape)
    at = tuple(map(int, worst))
    assert excess[at] <= 1, f"pairwise: at {at} {found[at]!r} instead of {true[at]!r}, {excess[at]:.3g} times the bound"


def _products_bound(q: Any, b: Any) -> Any:
    """(d + 16) 2^-25 (|q|^2 / c + c |b-o|^2) + 2^-23 |q| |o|, and what products lose that are subnormal in the frame.

    There is room for another origin o and for a c that is "about" |q| / |b-o|: a factor of 8.
    """
    q, b, d = q.astype(np.float64), b.astype(np.float64), q.shape[1]
    norms = np.sqrt((b * b).sum(axis=1))
    usual = b[norms <= 2 * np.sort(norms)[len(b) // 2]]  # an outlier does not carry the origin away
    from_origin = ((b - usual.mean(axis=0)) ** 2).sum(axis=1)
    spread = ((usual - usual.mean(axis=0)) ** 2).sum(axis=1).mean()
    square = (q * q).sum(axis=1)
    scales = [2.0 ** np.clip(-np.round(np.log2(x) / 2), -119, 119) if x > 0 else 1 for x in (spread, square.mean())]
    c = scales[0] / scales[1]
    products = (d + 16) * U / 2 * (square[:, None] / c + c * from_origin) + d * 2.0**-140 / (scales[0] * scales[1])
    return 8 * products + 2 * U * np.sqrt(square[:, None] * (usual.mean(axis=0) ** 2).sum())


def _draw_pairs(rng: Rng) -> Case:
    case = search.draw_codes(rng) if rng.random() < 0.2 else search.draw_sides(rng)
    count = int(rng.choice([0, 1, 5, 200]))
    return case | {"rows": rng.integers(0, 1 << 20, count), "cols": rng.integers(0, 1 << 20, count)}


def _check_pairs(case: Case) -> None:
    queries, base, q, b = search.lay_out(case)
    if len(q) == 0 or len(b) == 0:
        return  # no number of a row is good
    listed, cols = case["rows"] % len(q), case["cols"] % len(b)
    options = {"metric": case["metric"], "bits": search.bits_of(case), "threads": case["threads"]}
    with surroundings.surroundings(case):
        found = hardmine.pair_distances(queries, base, listed, cols, **options)
    oracle.check_same("pair_distances", found, oracle.distances(q, b, case["metric"])[listed, cols])


def _draw_denormals(rng: Rng) -> Case:
    case = search.draw_sides(rng, 2e4)
    exponents = rng.integers(-60, 1, (1, case["queries"].shape[1]))
    if rng.random() < 0.7:
        for name in ("queries", "base"):
            if case[name] is not None:
                case[name] = rows.finite(case[name].astype(np.float64) * 2.0**-100 * 2.0**exponents)
    return case | {"k": 5}


def _check_denormals(case: Case) -> None:
    """torch.set_flush_denormal changes the arithmetic of the thread, and nothing that is returned."""
    queries, base, q, b = search.lay_out(case)
    every = np.divmod(np.arange(len(q) * len(b)), max(1, len(b)))
    options = {"metric": case["metric"], "threads": case["threads"]}
    found = []
    for flushed in (False, True):
        layouts.torch.set_flush_denormal(flushed)
        try:
            with surroundings.surroundings(case):
                neighbors = hardmine.topk(queries, base, case["k"], **options)
                matrix = hardmine.pairwise(queries, base, **options)
                listed = hardmine.pair_distances(queries, base, *every, **options)
        finally:
            layouts.torch.set_flush_denormal(False)
        found.append((*neighbors, matrix, listed))
    names = ("topk, distances", "topk, indices", "pairwise", "pair_distances")
    for name, plain, flushed_one in zip(names, *found):
        oracle.check_same(f"{name} where denormals are flushed", flushed_one, plain)


def _draw_reference(rng: Rng) -> Case:
    d = rows.size(rng, 20)
    queries, base = rows.draw_pair(rng, 2, 3, d)
    return {"queries": queries, "base": base, "metric": str(rng.choice(search.METRICS))}


def _root(x: Fraction) -> Fraction:
    """A square root to more than 100 digits."""
    from decimal import Decimal, localcontext

    with localcontext() as context:
        context.prec, context.Emax, context.Emin = 120, 10**6, -(10**6)
        return Fraction((Decimal(x.numerator) / Decimal(x.denominator)).sqrt())


def _check_reference(case: Case) -> None:
    """The oracle differs from rational arithmetic by the rounding of its float64 sums, and by no more."""
    d, metric = case["queries"].shape[1], case["metric"]
    found = reference.distances(case["queries"], case["base"], metric)
    e = (d + 8) * Fraction(2) ** -52
    for i, query in enumerate(case["queries"].tolist()):
        for j, row in enumerate(case["base"].tolist()):
            q, b = [Fraction(x) for x in query], [Fraction(x) for x in row]
            square = sum((x - y) ** 2 for x, y in zip(q, b))
            exact, allowed = square, e * square
            if metric == "euclidean":
                exact = _root(square)
                allowed = e * exact
            elif metric == "inner_product":
                exact, allowed = -sum(x * y for x, y in zip(q, b)), e * sum(abs(x * y) for x, y in zip(q, b))
            elif metric == "cosine":
                norms = [_root(sum(x * x for x in row)) for row in (q, b)]
                exact = 1 - sum(x * y for x, y in zip(q, b)) / norms[0] / norms[1] if all(norms) else Fraction(1)
                allowed = 2 * e * _root(2 * abs(exact)) + 2 * e * e
            error = abs(Fraction(found[i, j].item()) - exact)
            assert error <= allowed, (
                f"reference: {found[i, j]!r} instead of {float(exact)!r}, {float(error / allowed)} times off"
            )


def _draw_bits(rng: Rng) -> Case:
    case = search.draw_sides(rng)
    return case | {"query_layout": "in place", "base_layout": "in place"}


def _check_bits(case: Case) -> None:
    """pairwise gives the same bits on every CPU with fused multiply-adds, and for any threads."""
    queries, base, _, _ = search.lay_out(case)
    fused = [name for name in _core.isas_runnable() if name != "generic"]
    found = []
    for isa in fused:
        with surroundings.surroundings(case | {"isa": isa}):
            found += [hardmine.pairwise(queries, base, metric=case["metric"], threads=threads) for threads in (1, 3)]
    for other in found[1:]:
        oracle.check_same("pairwise elsewhere", other, found[0])


PROPERTIES = (
    Property("pairwise", _draw_pairwise, _check_pairwise, 2),
    Property("pairwise on every CPU", _draw_bits, _check_bits),
    Property("pair_distances", _draw_pairs, _check_pairs, 1.5),
    Property("flushed denormals", _draw_denormals, _check_denormals, 0.5, lambda: layouts.torch is not None),
    Property("the oracle", _draw_reference, _check_reference, 0.2),
)
