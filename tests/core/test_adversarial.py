"""Rows on which float32 arithmetic fails: the answer is still the oracle's, and the proved intervals still hold."""

import numpy as np
import pytest
from intervals import SCREENS, intervals

import hardmine
import reference
from isas import using_screen
from reference import METRICS, assert_same


def _translated(rng, offset):
    return lambda n, d: rng.standard_normal((n, d)) + offset


def _mixed_scales(rng):
    return lambda n, d: rng.standard_normal((n, d)) * 10.0 ** rng.integers(-18, 19, (n, 1))


def _near_duplicates(rng):
    def rows(n, d):
        few = rng.standard_normal((3, d))
        return few[rng.integers(0, 3, n)] * (1 + 1e-6 * rng.standard_normal((n, d)))

    return rows


def _equal(rng):
    return lambda n, d: rng.integers(0, 2, (1, d)) + np.zeros((n, 1))


def _zeros(rng):
    return lambda n, d: rng.standard_normal((n, d)) * rng.integers(0, 2, (n, 1))


def _outlier(rng):
    def rows(n, d):
        x = rng.standard_normal((n, d))
        x[:: max(1, n // 3)] *= 1e6
        return x

    return rows


def _subnormal(rng):
    return lambda n, d: rng.standard_normal((n, d)) * 1e-41


def _huge(rng):
    return lambda n, d: rng.standard_normal((n, d)) * 1e37


def _one_large_coordinate(rng):
    def rows(n, d):
        x = rng.standard_normal((n, d))
        x[:, 0] *= 1e8
        return x

    return rows


def _one_bit(rng):
    def rows(n, d):
        x = np.tile(rng.standard_normal(d).astype(np.float32), (n, 1))
        at = np.arange(n), rng.integers(0, d, n)
        x[at] = np.nextafter(x[at], np.float32(np.inf))
        return x

    return rows


def _constant(rng):
    return lambda n, d: rng.standard_normal((n, 1)) + np.zeros((1, d))


CLOUDS = {
    "gaussian": lambda rng: _translated(rng, 0),
    "moved by 1e4": lambda rng: _translated(rng, 1e4),
    "moved by 1e6": lambda rng: _translated(rng, 1e6),
    "scaled by 1e-18": lambda rng: lambda n, d: 1e-18 * rng.standard_normal((n, d)),
    "scaled by 1e18": lambda rng: lambda n, d: 1e18 * rng.standard_normal((n, d)),
    "mixed scales": _mixed_scales,
    "near-duplicates": _near_duplicates,
    "equal rows": _equal,
    "zeros": _zeros,
    "outliers": _outlier,
    "subnormal": _subnormal,
    "huge": _huge,
    "one large coordinate": _one_large_coordinate,
    "equal but for one bit": _one_bit,
    "constant rows": _constant,
}


@pytest.fixture(params=CLOUDS)
def cloud(request, rng):
    make = CLOUDS[request.param](rng)
    return lambda n, d: make(n, d).astype(np.float32)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("n, screen", [(4, ""), (40, "float32"), (40, "int8"), (40, "bf16")])
def test_topk_equals_the_oracle(isa, cloud, metric, n, screen):
    b = cloud(500, 20)
    q = np.concatenate([b[: n // 2], cloud(n - n // 2, 20)])
    x = b[: 2 * n]
    with using_screen(screen):
        assert_same(hardmine.topk(q, b, 8, metric=metric), reference.topk(q, b, 8, metric))
        assert_same(hardmine.topk(x, k=5, metric=metric), reference.topk(x, None, 5, metric))


@pytest.mark.parametrize("metric", METRICS)
@SCREENS
@pytest.mark.parametrize("d", [1, 8, 100])
def test_no_distance_lies_outside_its_interval(isa, cloud, metric, screen, d):
    b = cloud(300, d)
    q = np.concatenate([b[:4], cloud(4, d)])
    lower, upper = intervals(q, b, metric, screen)
    true = reference.rounded(q, b, metric)
    assert (lower <= true).all()
    assert (true <= upper).all()


@pytest.mark.parametrize("metric", METRICS)
@SCREENS
def test_intervals_are_narrow_on_ordinary_rows(isa, rng, metric, screen):
    """A bound that always says "anything" would be correct and useless."""
    q, b = rng.standard_normal((8, 256)).astype(np.float32), rng.standard_normal((400, 256)).astype(np.float32)
    lower, upper = intervals(q, b, metric, screen)
    scale = np.abs(reference.distances(q, b, metric)).max()
    share = 2e-4
    if screen == "int8":  # half a step of 1/63 or 1/127 of the largest of 256 components, in all of them
        share = 0.15 if metric == "inner_product" else 0.03
    elif screen == "bf16":  # half a step of 1/128 to 1/256 of each component
        share = 0.03 if metric == "inner_product" else 0.007
    assert ((upper - lower).astype(np.float64) <= share * scale).all()


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean", "cosine"])
def test_pairwise_of_equal_rows_is_zero_and_within_the_stated_bound(isa, cloud, metric):
    b = cloud(200, 30)
    q = b[:50]
    found = hardmine.pairwise(q, b, metric=metric)
    true = reference.distances(q, b, metric)
    rounded = reference.rounded(q, b, metric)
    equal = (q[:, None, :] == b[None, :, :]).all(axis=2)
    assert (found[equal] == rounded[equal]).all()
    finite = rounded < np.inf
    assert (found[~finite] == np.inf).all()
    # 2**-10 of the distance, or its canonical value; subnormal results are held to one step.
    tolerance = 2.0**-10 * true[finite] + 2.0**-149
    assert (np.abs(found[finite].astype(np.float64) - true[finite]) <= tolerance).all()


def test_a_moved_cloud_keeps_its_neighbours(rng):
    x = rng.integers(-8, 9, (2000, 16)).astype(np.float32) / 16
    there = hardmine.topk(x, k=5)
    for offset in (1e4, 3e5):  # such steps of 1/16 and offsets are exact in float32
        moved = (x.astype(np.float64) + offset).astype(np.float32)
        np.testing.assert_array_equal(moved.astype(np.float64) - offset, x)
        assert_same(hardmine.topk(moved, k=5), there)
