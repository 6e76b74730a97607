"""Every line of the derivations in cpp/screens/frame.hpp and few_screen.hpp has rows here that need it.

What quantised_screen.hpp adds has its own in test_proofs_int8.py.

Rows are built so that all roundings of a sum go the same way: one large term makes the partial sums large from the start, and
every later one is a little less than half a step of them, and lost, or a little more, and counted twice. A screen that leaves
out the line then misses its interval, or loses the pair in a window that holds nothing but its canonical distance. Base rows
come as x and -x, so that the origin is exactly 0, and about 1 long, so that the scale is exactly 1.

What the sums cannot reach, because the standard bound g(n) itself cannot be reached, is held against that bound instead.
`python -m tests.mutations` takes the lines away one by one.
"""

import math

import numpy as np
import pytest
from intervals import (
    DIRECTIONS,
    FRAMED,
    IN_PLACE,
    SCREENS,
    U,
    assert_found,
    assert_holds,
    assert_inside,
    both_signs,
    g,
    intervals,
    long_query,
    short_query,
)

from isas import using_isa
from reference import METRICS

# The sums.


@DIRECTIONS
@pytest.mark.parametrize("rows", [short_query, long_query])
@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean"])
def test_sums_of_panels(isa, rows, way, metric):
    assert_holds(*rows(1000, way), metric)


@DIRECTIONS
def test_products_of_panels(isa, way):
    """Inner products: the chain begins near 0, so the first product must lift it."""
    near = 1 + way * 2.0**-9
    x, q = np.full(1000, near * 2.0**-12), np.full(1000, near * 2.0**-12)
    x[0], q[0] = 1.001, 1.001
    assert_holds(np.float32([q, -q]), both_signs(x), "inner_product")


@pytest.mark.parametrize("turn", [-1, 1])
@DIRECTIONS
def test_the_chain_below_zero(isa, way, turn):
    assert_holds(*long_query(1000, way, turn), "sqeuclidean")


def few_rows(d, way, size=1.0):
    """Differences e whose squares fill 32 lanes with 1.02, then add half a step of them. -size: as a product of q and b."""
    near = 1 + way * 2.0**-9
    e = np.full(d, near * 2.0**-12)
    e[:32] = 1.01
    return e * size


@DIRECTIONS
@pytest.mark.parametrize("metric", METRICS)
@IN_PLACE
def test_sums_of_few(isa, way, metric, screen):
    e = few_rows(1600, way)
    q = np.zeros_like(e) if "euclidean" in metric else e
    assert_holds(np.float32([q]), both_signs(e), metric, screen)


@DIRECTIONS
@IN_PLACE
def test_sums_of_few_against_each_other(isa, way, screen):
    """Cosine where the product errs and the norms do not."""
    e = few_rows(1600, way)
    straight = np.zeros_like(e)
    straight[:32] = 1
    for q, b in ((e, straight), (straight, e), (e, np.roll(e, 32))):
        assert_holds(np.float32([q]), both_signs(b), "cosine", screen)


# The standard bounds, where no sum reaches them.


def halves(lower, upper):
    return (upper.astype(np.float64) - lower) / 2


@pytest.mark.parametrize("d", [3, 40, 1000, 50_000])
@pytest.mark.parametrize("times", [0.01, 0.5, 1.0, 2.0, 30.0])
def test_half_a_width_of_distances_is_what_the_bounds_add_up_to(d, times):
    """Lines 1 to 4, whatever the share of the query in it."""
    rng = np.random.default_rng(d)
    x = rng.standard_normal((1, d))
    x /= np.linalg.norm(x)
    base = both_signs(x[0])
    q = np.float32(times * np.roll(x, 1, axis=1))
    lower, upper = intervals(q, base, "sqeuclidean")
    n_q, n_b = np.linalg.norm(q.astype(np.float64)), np.linalg.norm(base[0].astype(np.float64))
    proved = (
        2.02 * U * (n_q + n_b) ** 2
        + g(d / 4 + 4) * n_b**2
        + g(d + 2) * (n_b**2 + 2 * n_q * n_b)
        + 3 * U * n_b**2
        + (d + 8) * 2.0**-53 * 2 * (n_q**2 + n_b**2)
    )
    clipped = lower == 0
    assert (halves(lower, upper)[~clipped] + U * upper[~clipped] >= proved).all()


def test_half_a_width_of_products_pays_for_its_own_slack():
    """Inner products in 200,000 dimensions, where half of the squares of the bias are lost: h is more than e."""
    d = 200_000
    x = short_query(d, -1)[1][:1]
    base, q = both_signs(x[0]), x
    lower, upper = intervals(q, base, "inner_product")
    exact = float((x.astype(np.float64) ** 2).sum())
    known = 4 * float(np.float32(x[0, 0]) * np.float32(x[0, 0]))
    assert exact - known > 0.24 * (d * U)
    half = halves(lower, upper)[0, 0]
    slack_b = half * known / (exact + known)
    assert half >= U * exact + (g(d + 2) + 3 * U) * slack_b + g(d + 2) * exact


@pytest.mark.parametrize("metric", METRICS)
@SCREENS
def test_beyond_the_last_dimension_nothing_is_claimed(metric, screen):
    """e reaches 1/7, or 1/4 for few queries: in more dimensions every interval is the whole line."""
    most = 1 / 4 if screen == "few" else 1 / 7
    d = math.ceil(most / (1 + most) / U)
    row = np.zeros((1, d), np.float32)
    row[0, :2] = 1, 2
    with using_isa("generic"):  # a panel has fewest lanes here
        lower, upper = intervals(row, row, metric, screen)
    assert lower == (-np.inf if metric == "inner_product" else 0) and upper == np.inf


# Packing.


def test_packing_about_an_origin_between_the_numbers(isa):
    """The origin 2^-24 is half a step of rows near 1, so these are rounded by all of it; in one dimension little else errs."""
    base = np.float32([[1.25 + 2.0**-22], [-1.25], [0], [0]])
    j = np.arange(-200, 200)[:, None]
    assert_inside(np.float32(1 + 2.0**-23 * j), base, "sqeuclidean")
    assert_inside(np.float32(-1 - 2.0**-23 * j), base, "sqeuclidean")


def nearly_parallel(a, b, cross):
    """An integer vector whose cross product with (a, b) is `cross`, so that their angle is cross / (|v| |w|)."""
    y = pow(a, -1, b) * cross % b
    x = (a * y - cross) // b
    # cross = a y - b x, up to multiples of (a, b), of which the longest that float32 holds is best
    assert a * y - b * x == cross
    return x, y


def cones(rng, power):
    for _ in range(12):
        while True:
            a, b = (int(n) for n in rng.integers(2**22, 2**23, 2) * 2 + 1)
            if math.gcd(a, b) == 1:
                break
        rows = []
        for cross in [int(n) for n in rng.integers(2**power, 2 ** (power + 1), 40)]:
            for sign in (-1, 1):
                x, y = nearly_parallel(a, b, sign * cross)
                if min(abs(x), abs(y)) > 2**20 and max(abs(x), abs(y)) < 2**24:
                    rows.append((x, y))
        yield np.float32([(a, b), (a, b)]), np.float32(rows)


@pytest.mark.parametrize("power", [0, 1, 3, 6, 9, 11, 13, 15, 18])
@FRAMED
def test_packing_of_rows_that_are_nearly_parallel(isa, power, screen):
    """Their unit vectors differ by 2^-47 and more, as little as float64 can tell: both sides must mean the same products."""
    rng = np.random.default_rng(power)
    for base, q in cones(rng, power):
        assert_inside(q, base, "cosine", screen)


@FRAMED
def test_windows_of_rows_that_are_nearly_parallel(isa, screen):
    for power in (0, 6, 13):
        for base, q in list(cones(np.random.default_rng(power), power))[:3]:
            assert_found(q[:30], base, "cosine", screen)


@pytest.mark.parametrize("d", [2, 3, 16])
@FRAMED
def test_scaled_copies_have_a_distance_near_zero(isa, d, screen):
    rng = np.random.default_rng(d)
    for _ in range(10):
        o = rng.standard_normal((1, d))
        o /= np.linalg.norm(o)
        q = np.float32(o * rng.uniform(0.5, 2, (60, 1)))
        assert_inside(q, np.tile(np.float32(o), (4, 1)), "cosine", screen)


@SCREENS
def test_rows_of_zeros_have_cosine_distance_one(isa, screen):
    rng = np.random.default_rng(0)
    rows = np.float32(rng.standard_normal((16, 24)) + [[2.0] * 24])
    rows[::3] = 0
    assert_holds(rows, rows, "cosine", screen)


# Underflow.


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean"])
@SCREENS
def test_differences_whose_squares_underflow(isa, metric, screen):
    """In the frame, and for few queries in float32 itself, each square is less than the least number, or rounded up to it."""
    for d in (1, 40, 1000):
        for size in (1e-30, 2.0**-74.9, 2.0**-75.1, 2.0**-75.6, 1e-21):
            tiny = np.full((1, d), size)
            base = np.concatenate([both_signs(np.eye(1, d)[0], tiny[0]), np.float32(2 * tiny)])
            q = np.float32(np.concatenate([tiny, 0 * tiny, 3 * tiny]))
            assert_holds(q, base[2:] if screen == "few" else base, metric, screen)


@SCREENS
def test_products_that_underflow(isa, screen):
    for d in (1, 40, 1000):
        for size in (1e-30, 2.0**-74.9, 2.0**-75.1, 2.0**-75.6, 1e-21):
            tiny = np.full((1, d), size)
            base = np.concatenate([both_signs(np.eye(1, d)[0], tiny[0]), np.float32(2 * tiny)])
            q = np.float32(np.concatenate([tiny, -tiny, 3 * tiny]))
            assert_holds(q, base[2:] if screen == "few" else base, "inner_product", screen)
            # and where only the frame is too small for them, or one side alone
            for times in ((2.0**30, 2.0**30), (2.0**-30, 2.0**30), (2.0**30, 2.0**-30)):
                assert_holds(np.float32(times[0] * q), np.float32(times[1] * base), "inner_product", screen)


def test_packed_queries_that_underflow_beside_a_far_origin(isa):
    base = np.repeat(np.float32([2**20 - 1, 2**20, 2**20 + 1]), 20)[:, None]
    q = np.float32([2.0**70] * 11 + [1.37 * 2.0**-87])[:, None]
    assert_holds(q, base, "inner_product")
    few = np.float32([1.37 * 2.0**-87, 1.37 * 2.0**-149, 0])[:, None]
    assert_holds(few, base, "inner_product", screen="few")


def test_norms_that_underflow(isa):
    """For few queries a length is never taken for less than 2^-50; tiny queries keep a slack."""
    for d in (1, 6, 100):
        b = np.full((1, d), 2.0**-76.2)
        q = np.concatenate([np.full((1, d), 2.0**20), np.full((1, d), 1.1), np.full((1, d), 2.0**-149)])
        assert_holds(np.float32(q), both_signs(b[0], 2.0**70 * b[0]), "inner_product", screen="few")
    ones = np.ones((1, 40))  # all products are half of the least number, and lost
    assert_holds(np.float32(2.0**-149 * ones), both_signs(0.49 * ones[0]), "cosine", screen="few")


@pytest.mark.parametrize("q_size", [1e-40, 1e-30, 1e-13, 1.0, 1e13, 1e30])
@pytest.mark.parametrize("b_size", [1e-40, 1e-13, 1.0, 1e30])
@SCREENS
def test_cosine_at_any_size(isa, q_size, b_size, screen):
    rng = np.random.default_rng(0)
    q, b = np.float32(q_size * rng.standard_normal((8, 6))), np.float32(b_size * rng.standard_normal((16, 6)))
    assert_holds(q, b, "cosine", screen)


@SCREENS
def test_products_that_overflow_on_the_way(isa, screen):
    """In one lane of any width: the sum leaves float32 and comes back."""
    q, b = np.zeros((1, 96), np.float32), np.zeros((1, 96), np.float32)
    q[0, ::32] = 2.0**66
    b[0, ::32] = 2.0**61 * np.float32([-1.5, -1.5, 2.5])
    assert_holds(np.concatenate([q, -q]), both_signs(b[0]), "inner_product", screen)


@pytest.mark.parametrize("metric", METRICS)
@SCREENS
def test_rows_that_the_frame_cannot_hold(isa, metric, screen):
    """Their squares leave float32: the canonical distance decides, on either side."""
    rng = np.random.default_rng(0)
    b = np.float32(rng.standard_normal((64, 8)))
    b[[5, 9, 11]] *= np.float32([[1e12], [1e22], [1e37]])
    assert_holds(b[3:12], b, metric, screen)
