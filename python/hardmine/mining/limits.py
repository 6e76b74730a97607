"""Thresholds on the score of a negative, and the limits on distances that are the same inside the scan.

A limit compares the float32 score that is returned. Scores fall as distances rise, but rounding makes many distances share one
score; bisection over all float32 numbers finds the last distance of a score exactly, so that the scan, which knows distances,
keeps just the pairs that the limit on the score would.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardmine import _arrays
from hardmine._arrays import ArrayLike, Floats, Ints
from hardmine.search.metric import similarity

Reals = NDArray[np.float64]
UPPER = ("max_score", "absolute_margin", "relative_margin", "sampling_strategy")  # the limits a score may be too high for


@dataclass(frozen=True)
class Thresholds:
    """What a caller asked for; None for no threshold."""

    max_score: Reals | None = None
    min_score: Reals | None = None
    absolute_margin: float | None = None
    relative_margin: float | None = None

    def of(self, queries: slice) -> Thresholds:
        """The thresholds of some queries."""
        high, low = (None if limit is None else limit[queries] for limit in (self.max_score, self.min_score))
        return replace(self, max_score=high, min_score=low)

    def limits(self, positive_scores: Floats) -> ScoreLimits:
        """As scores, for queries with these reference positives; a query without one has no room below it."""
        p = positive_scores.astype(np.float64)
        limits = ScoreLimits(least=self.min_score)
        if self.max_score is not None:
            limits = limits.at_most(self.max_score, "max_score")
        if self.absolute_margin is not None:
            limits = limits.at_most(p - self.absolute_margin, "absolute_margin")
        if self.relative_margin is not None:
            limits = limits.at_most(p - np.abs(p) * self.relative_margin, "relative_margin")
        return limits


@dataclass(frozen=True)
class ScoreLimits:
    """most >= score >= least, below > score > above; one number a query, None for no limit, NaN where nothing passes."""

    most: Reals | None = None
    least: Reals | None = None
    below: Reals | None = None
    above: Reals | None = None
    lowest: Ints | None = None  # which of UPPER is the lowest limit of a query

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        return any(limit is not None for limit in (self.most, self.least, self.below, self.above))

    def at_most(self, scores: Reals, name: str) -> ScoreLimits:
        number = UPPER.index(name)
        if self.most is None or self.lowest is None:
            return replace(self, most=scores, lowest=np.full(len(scores), number))
        lower = ~(self.most <= scores)  # NaN is lower than any
        return replace(self, most=np.where(lower, scores, self.most), lowest=np.where(lower, number, self.lowest))

    def between(self, below: Reals | None, above: Reals) -> ScoreLimits:
        """The limits that a strategy makes narrower."""
        if below is None:
            return replace(self, above=above)
        lowest = np.full(len(below), UPPER.index("sampling_strategy"))
        if self.most is not None and self.lowest is not None:
            lowest = np.where(self.most < below, self.lowest, lowest)
        return replace(self, below=below, above=above, lowest=lowest)

    def of(self, rows: Ints) -> ScoreLimits:
        """The limits of some queries."""
        most, least, below, above = (
            None if limit is None else limit[rows] for limit in (self.most, self.least, self.below, self.above)
        )
        return ScoreLimits(most, least, below, above)

    def too_high(self, scores: Any) -> NDArray[np.bool_]:
        """Which of the scores (n, window) lie above the limits."""
        high = np.zeros(np.shape(scores), bool)
        if self.most is not None:
            high |= scores > self.most[:, None]
        if self.below is not None:
            high |= scores >= self.below[:, None]
        return high

    def nothing(self) -> NDArray[np.bool_]:
        """The queries for which nothing passes, having no positive: (n,), or (1,) where there is no limit."""
        limits = [limit for limit in (self.most, self.below, self.above) if limit is not None]
        return np.asarray(np.isnan(limits).any(axis=0)) if limits else np.zeros(1, bool)

    def by_limit(self, too_high: Ints) -> dict[str, int]:
        """Numbers of rows too high for each query, in all, by the limit that is lowest there; not where it has no limit."""
        if self.lowest is None:
            return {}
        totals = np.bincount(self.lowest, weights=np.where(self.nothing(), 0, too_high), minlength=len(UPPER))
        return {name: int(totals[i]) for i, name in enumerate(UPPER) if (self.lowest == i).any()}

    def passes(self, scores: Any) -> NDArray[np.bool_]:
        """Which of the scores (n, window) lie within; NaN limits pass nothing."""
        passed = np.ones(np.shape(scores), bool)
        for limit, inside in (
            (self.most, np.less_equal),
            (self.least, np.greater_equal),
            (self.below, np.less),
            (self.above, np.greater),
        ):
            if limit is not None:
                passed &= inside(scores, limit[:, None])
        return passed

    def distances(self, metric: str) -> tuple[Floats | None, Floats | None]:
        """(farther_than, nearer_than): the same limits on the canonical distance.

        Where no score lies within, farther_than is the number before nearer_than: nothing lies between these, either. A scan
        counts what is too near, and may or may not see, and count, what is not nearer than nearer_than.
        """
        farther = [
            farthest_with_score(np.where(np.isnan(limit), -np.inf, limit), metric, above=above)
            for limit, above in ((self.most, True), (self.below, False))
            if limit is not None
        ]
        nearer = [
            _next(farthest_with_score(np.where(np.isnan(limit), np.inf, limit), metric, above=above))
            for limit, above in ((self.least, False), (self.above, True))
            if limit is not None
        ]
        if not (farther and nearer):
            return (np.max(farther, axis=0) if farther else None), (np.min(nearer, axis=0) if nearer else None)
        limit = np.min(nearer, axis=0)
        with np.errstate(over="ignore"):
            return np.minimum(np.max(farther, axis=0), np.nextafter(limit, np.float32(-np.inf))), limit


def check_thresholds(
    max_score: ArrayLike | float | None,
    min_score: ArrayLike | float | None,
    absolute: float | None,
    relative: float | None,
    n: int,
    known_positives: bool,
    metric: str | None,
) -> Thresholds:
    """The thresholds of a call for n queries, or raise; `metric` is None where scores are a second opinion's."""
    high = None if max_score is None else _arrays.thresholds("max_score", max_score, n)
    low = None if min_score is None else _arrays.thresholds("min_score", min_score, n)
    for name, limit in (("max_score", high), ("min_score", low)):
        if limit is not None and metric is not None:
            _check_reach(name, limit, metric)
    if high is not None and low is not None and np.any(low > high):
        raise ValueError("min_score: expected at most max_score, got a larger one")
    margins: list[float | None] = []
    given: Any
    for name, given in (("absolute_margin", absolute), ("relative_margin", relative)):
        if given is not None and not known_positives:
            raise ValueError(f"{name}: expected labels or positives beside it, got neither")
        if np.ndim(given) > 0:
            raise ValueError(f"{name}: expected one number, got shape {np.shape(given)}")
        margins.append(None if given is None else float(_arrays.thresholds(name, given, 1)[0]))
    return Thresholds(high, low, *margins)


def _check_reach(name: str, limit: Reals, metric: str) -> None:
    """Raise if no limit of any query lies where the scores of a metric are: it would refuse nothing, or everything.

    Infinite ones say so on purpose, and so may some of many. Distances are never negative, and 2 for cosine at most, also as
    they are rounded.
    """
    least, most = {"cosine": (-1.0, 1.0), "inner_product": (-np.inf, np.inf)}.get(metric, (-np.inf, 0.0))
    above, below = np.isfinite(limit) & (limit > most), np.isfinite(limit) & (limit < least)
    for beyond, refuses_nothing in ((above, name == "max_score"), (below, name == "min_score")):
        if len(limit) and beyond.all():
            effect = "nothing" if refuses_nothing else "every row"
            scores = f"{least:g} to {most:g}, between which {metric} scores lie"
            raise ValueError(f"{name}: expected {scores}, got {limit[0]:g}, which refuses {effect}")


def as_given(
    max_score: ArrayLike | float | None, min_score: ArrayLike | float | None, absolute: float | None, relative: float | None
) -> dict[str, Any]:
    """A user's thresholds by their names; arrays are copied, for a result outlives them."""
    thresholds: dict[str, Any] = {
        "max_score": max_score,
        "min_score": min_score,
        "absolute_margin": absolute,
        "relative_margin": relative,
    }
    return {name: value if np.ndim(value) == 0 else np.array(value) for name, value in thresholds.items()}


def farthest_with_score(score: Reals, metric: str, above: bool) -> Floats:
    """The largest float32 distance whose float32 score is above `score` (or not below it): bisection over all floats."""
    infinity = int(np.float32(np.inf).view(np.int32))
    low = np.full(len(score), -infinity, np.int64)  # positions of floats in their order; -inf has every score
    high = np.full(len(score), infinity + 1, np.int64)
    while np.any(high - low > 1):
        middle = (low + high) // 2
        found = similarity(_float_at(middle), metric)
        beyond = found > score if above else found >= score
        low, high = np.where(beyond, middle, low), np.where(beyond, high, middle)
    return _float_at(low)


def _next(distance: Floats) -> Floats:
    return np.nextafter(distance, np.float32(np.inf))


def _float_at(position: Ints) -> Floats:
    """The float32 that many steps above zero in the order of floats."""
    magnitude = np.abs(position).astype(np.int32).view(np.float32)
    return np.where(position < 0, -magnitude, magnitude)
