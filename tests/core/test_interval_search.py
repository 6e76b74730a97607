"""Rows that nobody thought of: hill climbing for distances near the ends of their intervals, and beyond."""

import math

import numpy as np
import pytest
from intervals import SCREENS, both_signs, intervals

import reference
from reference import METRICS

pytestmark = pytest.mark.slow


def climb(rng, d, metric, screen, steps):
    """Hill climbing over rows: how far a canonical distance comes from the middle of its interval, in half widths.

    Each query has a base row of its own; the frame is held by rows that stay.
    """
    n = 8
    held = both_signs(*rng.standard_normal((12, d)) / math.sqrt(d))
    q, b = (np.float32(rng.standard_normal((n, d)) / math.sqrt(d)) for _ in range(2))
    best = np.full(n, -1.0)
    worst = 0.0
    for _ in range(steps):
        new = []
        for rows, other in ((q, b), (b, q)):
            kind = rng.integers(0, 6, (n, 1))
            chosen = rng.random((n, d)) < rng.choice([1 / d, 0.2, 1.0])
            moved = np.select(
                [kind == 0, kind == 1, kind == 2, kind == 3, kind == 4],
                [
                    rows * (1 + 2.0**-23 * rng.integers(-3, 4, (n, d))),
                    rows * 2.0 ** rng.integers(-12, 13, (n, d)),
                    other * (1 + 2.0**-12 * rng.standard_normal((n, 1))),
                    rows * (1 + 0.1 * rng.standard_normal((n, d))),
                    rows * 2.0 ** rng.integers(-3, 4, (n, 1)),
                ],
                rows,
            )
            new.append(np.float32(np.where(chosen, np.clip(moved, -1e6, 1e6), rows)))
        new_q, new_b = new
        lower, upper = intervals(new_q, np.concatenate([held, new_b]), metric, screen)
        i = np.arange(n)
        low, high = (ends[i, len(held) + i].astype(np.float64) for ends in (lower, upper))
        true = reference.distances(new_q, new_b, metric)[i, i]
        rounded = reference.rounded(new_q, new_b, metric)[i, i]
        assert (low <= rounded).all() and (rounded <= high).all(), (new_q, new_b)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.abs(true - (low + high) / 2) / ((high - low) / 2)
        ratio = np.where(np.isfinite(ratio) & (low > 0 if metric != "inner_product" else True), ratio, 0.0)
        better = ratio >= best
        q[better], b[better], best[better] = new_q[better], new_b[better], ratio[better]
        worst = max(worst, best.max())
    return worst


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("d", [1, 3, 40])
@SCREENS
def test_no_search_finds_a_distance_outside_its_interval(isa, metric, d, screen):
    assert climb(np.random.default_rng(d), d, metric, screen, steps=40) <= 1 + 1e-6
