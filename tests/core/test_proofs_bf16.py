"""What the proof in cpp/screens/quantised_screen.hpp says of bfloat16 has rows here that need it.

Rows whose rests all point one way reach Cauchy-Schwarz: components of 1 + 0.499 * 2^-7, just below the middle between two
bfloat16, beside a row of ones, which has no rest. What so few operations cannot reach is held against the bound itself.
What both formats share has its rows in test_proofs_int8.py.
"""

import numpy as np
import pytest
from intervals import assert_holds, assert_inside, assert_joined, both_signs, g, intervals

import hardmine
from hardmine import _core
from isas import EVERY_ISA, using_isa, using_screen
from reference import METRICS, rounded

HALF = 0.499 * 2.0**-7  # of a step, at 1


@pytest.fixture(params=EVERY_ISA)
def isa(request):
    with using_isa(request.param) as name:
        yield name


def ones(d, size=1.0):
    """A row without a rest, but at right angles to the first component, which fixes the scale of others."""
    x = np.full(d, size)
    x[0] = 0
    return x


def with_rest(d, way=1, size=1.0):
    """All components but the first lie half a step above (or below) a bfloat16."""
    x = np.full(d, size * (1 + way * HALF if way > 0 else 2 - 2 * HALF))
    x[0] = size
    return x


# The rests.


@pytest.mark.parametrize("way", [-1, 1])
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("d", [3, 300])
def test_the_rest_of_a_query(isa, metric, d, way):
    """Times the length of the base row, of which the longest of a panel is not the first."""
    assert_holds(np.float32([with_rest(d, way)]), both_signs(ones(d, 2.0**-9), ones(d, 2.0**-4)), metric, "bf16")


@pytest.mark.parametrize("way", [-1, 1])
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("d", [3, 300])
def test_the_rest_of_a_base_row(isa, metric, d, way):
    assert_holds(np.float32([ones(d, 2.0**-4)]), both_signs(ones(d, 2.0**-9), with_rest(d, way)), metric, "bf16")


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("metric", METRICS)
def test_rests_of_a_self_join(isa, metric, last):
    """Both bounds of a pair pay for both rests."""
    d, n = 260, 2060
    for row, others in ((with_rest(d), ones(d, 2.0**-4)), (ones(d, 2.0**-4), with_rest(d))):
        x = np.tile(both_signs(others), (n // 2, 1))
        at = n - 1 if last else 0
        x[at] = row
        with using_screen("bf16"):
            assert_joined(x, [at], metric)


@pytest.mark.parametrize("of_queries", [True, False])
@pytest.mark.parametrize("d", [3, 300])
def test_rests_are_at_most_half_a_step(isa, d, of_queries):
    """Intervals would hold whatever a row were rounded to: what is nearest to it makes them narrow."""
    rest, other = both_signs(np.full(d, 1 + 0.75 * 2.0**-7)), both_signs(ones(d, 2.0**-4))
    q, b = (rest, other) if of_queries else (other, rest)
    lower = intervals(q, b, "inner_product", "bf16")[0]
    bound = 0.25 * 2.0**-7 * np.sqrt(d) * np.linalg.norm(other[0])
    assert 1.5 * bound < (rounded(q, b, "inner_product") - lower).max() < 2.1 * bound


# Roundings.


@pytest.mark.parametrize("k", [1, 2, 4, 6])
@pytest.mark.parametrize("metric", ["inner_product", "sqeuclidean"])
def test_lower_ends_pay_for_all_roundings(isa, metric, k):
    """Rows of +-1, whose norm is 1 in the frame and which have no rests, at right angles: the slacks are all of it."""
    d = 4**k
    b = np.ones((1, d))
    q = np.where(np.arange(d) % 2, 1.0, -1.0)[None]
    true = 0 if metric == "inner_product" else 2 * d
    e, c = g(d + 16), d * 2.0**-140
    if metric == "inner_product":
        query = base = e * (1 + 4 * e) / 2 * 2 + c
        f = 1
    else:
        query, base, f = 2 * e + c, 3 * 2 * e + c, 2
    proved = 2 * (query + base)
    below = (true - intervals(q, both_signs(b[0]), metric, "bf16")[0][0, 0].astype(np.float64)) / d
    rounded = 3 * 2.0**-24 * true / d + 1e-4 * proved
    assert below >= proved - rounded
    assert below <= 1.01 * proved + 2 * 4 * 2.0**-24 * f + rounded  # the rounding that bytes need is paid, and nothing else


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("d", [3000, 10_001])
def test_sums_that_round_one_way(isa, metric, d):
    """Squares of 1 + 2^-7 have digits that a sum of thousands loses, each time."""
    for near in (1 + 2.0**-7, 1 - 2.0**-8):
        x = np.full((1, d), near, np.float32)
        assert_inside(x, both_signs(x[0]), metric, "bf16")


@pytest.mark.parametrize("d", [1, 2, 100])
def test_products_that_are_flushed(isa, d):
    """Of bfloat16 that have no rests; rows of norm 2^30 say what is 1 in the frame."""
    for size in (-63.0, -63.5, -64.0, -66.0):
        tiny = np.full(d, np.float32(2.0 ** np.floor(size) * (1 + (size % 1) * 0.5)))
        ordinary = np.eye(1, d)[0]
        q = np.stack([*[ordinary] * 9, tiny, -tiny, 3 * tiny])
        base = both_signs(*[ordinary] * 12, tiny)
        for screen in ("bf16", "bf16 again"):
            assert_holds(np.float32(2.0**30 * q), np.float32(2.0**30 * base), "inner_product", screen)


@pytest.mark.parametrize("metric", METRICS)
def test_components_that_would_be_subnormal(isa, metric):
    """They are 0, and rests; those of the base row meet components as large as the frame holds."""
    d = 64
    small = np.full(d, 2.0**-127.5, np.float32)
    small[0] = 1
    large = np.full(d, 2.0**20, np.float32)
    rows = both_signs(np.eye(1, d)[0], small, small / 2, -large)
    assert_holds(np.concatenate([rows[:7], large[None], small[None]]), rows, metric, "bf16")


# A few large components.


def test_a_few_large_components_do_not_blur_the_others(isa, rng):
    """Where bytes have an interval of the width of the distances, bfloat16 has one of a hundredth of them."""
    q, b = rng.standard_normal((9, 512)), rng.standard_normal((60, 512))
    for x in (q, b):
        x[:, ::100] *= 30
    width = {}
    for screen in ("int8", "bf16"):
        lower, upper = intervals(q, b, "sqeuclidean", screen)
        width[screen] = ((upper - lower) / upper).astype(np.float64).mean()
    assert width["bf16"] < 0.01 and width["int8"] > 5 * width["bf16"]


def test_bf16_does_what_bytes_do_not_pay_for(rng):
    """Unasked, where the CPU multiplies it quicker than floats."""
    q, b = rng.standard_normal((1000, 128), np.float32), rng.standard_normal((20_000, 128), np.float32)
    for x in (q, b):
        x[:, 5] *= 30
    found = {}
    for name in EVERY_ISA:
        with using_isa(name), using_screen(""):
            before = _core.screened_pairs()["bf16"]
            found[name] = hardmine.topk(q, b, 5, threads=1)
            done = _core.screened_pairs()["bf16"] - before
            quick = _core.kernels()["bf16"] in ("avx512_bf16", "amx", "tiles")
            assert (done > len(q) * len(b) / 2) == quick, (name, done)
    for other in found.values():
        np.testing.assert_array_equal(other.indices, found[EVERY_ISA[0]].indices)
        np.testing.assert_array_equal(other.distances, found[EVERY_ISA[0]].distances)
