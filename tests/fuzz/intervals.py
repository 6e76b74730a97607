"""Screens: the interval of a pair holds its canonical distance, on rows that a search drives towards its ends."""

from __future__ import annotations

from typing import Any

import numpy as np

from hardmine import _core

from . import oracle, rows, surroundings
from .cases import Case, Property
from .search import METRICS

Rng = np.random.Generator
SCREENS = ("many", "few", "int8", "int8 again", "bf16", "bf16 again")
WIDE = 16  # steps of float32: in a narrower interval its own rounding says where the distance lies


def ends(case: Case) -> tuple[Any, Any, Any]:
    """(lower, upper, true) of all pairs."""
    with surroundings.surroundings(case):
        metric = _core.Metric.__members__[case["metric"]]
        lower, upper = _core.intervals(case["queries"], case["base"], metric, case["screen"])
    return lower, upper, oracle.distances(case["queries"], case["base"], case["metric"])


def positions(lower: Any, upper: Any, true: Any, cut: bool) -> Any:
    """How far each distance lies from the middle, in half widths: above 1 it is outside.

    NaN where that means nothing: in an infinite or very narrow interval, and near an end that is `cut` off at 0.
    """
    low, high = lower.astype(np.float64), upper.astype(np.float64)
    with np.errstate(all="ignore"):
        half = (high - low) / 2
        step = np.spacing(np.maximum(np.abs(lower), np.abs(upper))).astype(np.float64)
        place = np.abs(true - (low + high) / 2) / half
        blind = ~np.isfinite(half) | (half < WIDE * step) | (cut & (low <= 0) & (true < high / 2))
    return np.where(blind, np.nan, place)


def _reached(case: Case) -> float:
    """The largest position; infinite if a distance lies outside."""
    lower, upper, true = ends(case)
    if not ((lower <= true) & (true <= upper)).all():
        return np.inf
    place = positions(lower, upper, true, case["metric"] != "inner_product")
    return -1.0 if np.isnan(place).all() else float(np.nanmax(place))


def _nudge(rng: Rng, x: Any) -> None:
    at = tuple(rng.integers(0, length) for length in x.shape)
    x[at] = np.nextafter(x[at], rng.choice([-rows.LARGEST, rows.LARGEST]).astype(np.float32))


def _nudge_many(rng: Rng, x: Any) -> None:
    towards = rng.choice([-rows.LARGEST, rows.LARGEST], x.shape).astype(np.float32)
    x[...] = np.where(rng.random(x.shape) < 0.3, np.nextafter(x, towards), x)


def _scale_row(rng: Rng, x: Any) -> None:
    i = rng.integers(0, len(x))
    x[i] = rows.finite(x[i].astype(np.float64) * 2.0 ** rng.integers(-20, 21))


def _scale_all(rng: Rng, x: Any) -> None:
    x[...] = rows.finite(x.astype(np.float64) * 2.0 ** rng.integers(-60, 61))


def _copy_row(rng: Rng, x: Any) -> None:
    x[rng.integers(0, len(x))] = x[rng.integers(0, len(x))]


def _turn_sign(rng: Rng, x: Any) -> None:
    at = rng.integers(0, len(x)), rng.integers(0, x.shape[1])
    x[at] = -x[at]


def _zero(rng: Rng, x: Any) -> None:
    x[rng.integers(0, len(x)), rng.integers(0, x.shape[1])] = 0


def _replace(rng: Rng, x: Any) -> None:
    at = rng.integers(0, len(x)), rng.integers(0, x.shape[1])
    x[at] = rows.finite(x[at].astype(np.float64) * rng.standard_normal() * rows.power(rng, -3, 3))


def _zero_row(rng: Rng, x: Any) -> None:
    x[rng.integers(0, len(x))] = 0


def _oppose(rng: Rng, x: Any) -> None:
    """A row becomes the opposite of another, or nearly: the mean of both is small, and is where the origin lies."""
    nearly = rng.choice([1, 1 + 2.0**-10, 1 - 2.0**-20])
    x[rng.integers(0, len(x))] = rows.finite(-nearly * x[rng.integers(0, len(x))].astype(np.float64))


def _shorten(rng: Rng, x: Any) -> None:
    """Fewer digits round less, or all in one direction."""
    i = rng.integers(0, len(x))
    x[i] = (x[i].view(np.int32) & (-1 << int(rng.integers(1, 23)))).view(np.float32)


CHANGES = (_nudge, _nudge_many, _scale_row, _scale_all, _copy_row, _turn_sign, _zero, _zero_row, _oppose, _replace, _shorten)
LIKELY = np.array([2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1]) / 13


def _changed(rng: Rng, case: Case) -> Case:
    both = np.concatenate([case["queries"], case["base"]])
    for _ in range(rng.integers(1, 4)):
        CHANGES[rng.choice(len(CHANGES), p=LIKELY)](rng, both)
    n = len(case["queries"])
    return case | {"queries": np.ascontiguousarray(both[:n]), "base": np.ascontiguousarray(both[n:])}


def climb(rng: Rng, case: Case, steps: int) -> Case:
    """The case after so many changes of which none made its position smaller."""
    best = _reached(case)
    for _ in range(steps):
        other = _changed(rng, case)
        position = _reached(other)
        if position >= best:
            case, best = other, position
        if best == np.inf:
            break
    return case


def _draw(rng: Rng) -> Case:
    screen = str(rng.choice(SCREENS))
    n, m, d = rows.shape(rng, 5e4)
    queries, base = rows.draw_pair(rng, min(n, 8 if screen == "few" else n), m, d)
    return {"queries": queries, "base": base, "screen": screen, "metric": str(rng.choice(METRICS)), **surroundings.draw(rng)}


def _draw_driven(rng: Rng) -> Case:
    """The driven case of a few rows, from the best of some starts."""
    n, m, d = int(rng.integers(1, 4)), int(rng.integers(1, 9)), rows.size(rng, 300)
    fixed = {"screen": str(rng.choice(SCREENS)), "metric": str(rng.choice(METRICS)), **surroundings.draw(rng)}
    starts = []
    for _ in range(12):
        queries, base = rows.draw_pair(rng, n, m, d)
        starts.append({"queries": queries, "base": base, **fixed})
    return climb(rng, max(starts, key=_reached), 250)


def _check(case: Case) -> dict[str, float] | None:
    if len(case["queries"]) == 0 or len(case["base"]) == 0:
        return None
    lower, upper, true = ends(case)
    screen = case["screen"]
    outside = np.argwhere(~((lower <= true) & (true <= upper)))
    if len(outside):
        at = tuple(outside[0].tolist())
        raise AssertionError(f"an interval of {screen}: {true[at]!r} outside of [{lower[at]!r}, {upper[at]!r}] at {at}")
    place = positions(lower, upper, true, case["metric"] != "inner_product")
    if np.isnan(place).all():
        return None
    return {f"position reached, {screen}, {case['metric']}": float(np.nanmax(place))}


PROPERTIES = (
    Property("intervals", _draw, _check, 2),
    Property("driven intervals", _draw_driven, _check, 0.4),
)
