"""Every term of the bound in cpp/screens/quantised_screen.hpp has rows here that need it.

Rows whose rests all point one way reach Cauchy-Schwarz: a row of X + 0.499 steps, X whole, whose first component fixes the
step, and beside it a row of ones, which has no rest. A screen that leaves out half of a term is above the distance of the
pair.
What the roundings of so few operations cannot reach is held against the bound itself.
"""

import numpy as np
import pytest
from intervals import U, assert_holds, assert_inside, assert_joined, both_signs, g, intervals

import hardmine
import reference
from hardmine import Filter
from isas import EVERY_ISA, using_isa, using_screen
from reference import METRICS

STEPS = pytest.mark.parametrize("steps", [63, 127])  # to the largest component, of base rows as instruction sets have them


@pytest.fixture(params=EVERY_ISA)
def isa(request):
    with using_isa(request.param) as name:
        yield name


AGAIN = pytest.mark.parametrize("screen", ["int8", "int8 again"])


def with_rest(d, steps, whole=0):
    """A row of which all components but the first lie 0.499 steps above whole numbers, drawn up to `whole`."""
    x = (np.random.default_rng(d).integers(-whole, whole + 1, d) + 0.499) / steps
    x[0] = 1
    return x


def ones(d, size=1.0):
    x = np.full(d, size)
    x[0] = 0
    return x


# The rests.


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("d", [3, 100, 2000])
def test_the_rest_of_a_query(isa, metric, d):
    """Times the length of the base row, of which the longest of a panel is not the first."""
    assert_holds(np.float32([with_rest(d, 127)]), both_signs(ones(d, 2.0**-9), ones(d, d**-0.5)), metric, "int8")


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("d", [3, 100, 2000])
@STEPS
def test_the_rest_of_a_base_row(isa, metric, d, steps):
    """Times the norm of the query; the one row of a panel that has such a rest is not the first."""
    assert_holds(np.float32([ones(d, d**-0.5)]), both_signs(ones(d), with_rest(d, steps)), metric, "int8")


@pytest.mark.parametrize("metric", METRICS)
@STEPS
def test_rests_beside_whole_numbers(isa, metric, steps):
    d = 100
    whole = with_rest(d, steps, steps - 1)
    assert_holds(np.float32([ones(d)]), both_signs(whole), metric, "int8")
    assert_holds(np.float32([with_rest(d, 127, 126)]), both_signs(ones(d)), metric, "int8")


@pytest.mark.parametrize("wanting", [False, True])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("metric", METRICS)
@STEPS
def test_rests_of_a_self_join(isa, metric, steps, last, wanting):
    """Both bounds of a pair pay for both rests."""
    d, n = 260, 2060
    for row, others in ((with_rest(d, steps), ones(d, d**-0.5)), (ones(d, d**-0.5), with_rest(d, steps))):
        x = np.tile(both_signs(others), (n // 2, 1))
        at = n - 1 if last else 0
        x[at] = row
        with using_screen("int8"):
            assert_joined(x, [at], metric, wanting)


@pytest.mark.parametrize("at", [0, 1930])
def test_rests_that_one_row_of_a_self_join_has(isa, at):
    """Nothing else passes the bounds that are looked at first: half of the rows want this one, and the others none."""
    d, n = 260, 2060
    x = np.tile(both_signs(ones(d, 0.02 * d**-0.5)), (n // 2, 1))
    x[at] = with_rest(d, 127)
    true = reference.rounded(x[at : at + 1], x, "inner_product")[0]
    wants = np.arange(n) % 2 == 0
    wants[max(0, at - 64) : at + 64] = False  # nor the columns beside it
    limit = np.where(wants, np.nextafter(true, np.float32(np.inf)), -1e30)
    where = Filter(query_groups=(np.arange(n) == at).astype(int), nearer_than=limit)
    with using_screen("int8"):
        found = hardmine.topk(x, k=1, metric="inner_product", where=where)
    np.testing.assert_array_equal(found.indices[:, 0], np.where(wants, at, -1))
    np.testing.assert_array_equal(found.distances[wants, 0], true[wants])


# Roundings, and rows without directions.


@pytest.mark.parametrize("k", [1, 2, 4, 6, 8])
@pytest.mark.parametrize("metric", ["inner_product", "sqeuclidean"])
def test_lower_ends_pay_for_all_roundings(isa, metric, k):
    """Rows of +-1, whose norm is 1 in the frame and whose rests are nearly 0, at right angles: the slacks are all of it."""
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
    proved = 2 * (query + base) + 4 * U * f
    below = (true - intervals(q, both_signs(b[0]), metric, "int8")[0][0, 0].astype(np.float64)) / d
    rounded = 3 * U * true / d + 1e-4 * proved
    assert below >= proved - rounded
    assert below <= 1.01 * proved + 4 * U * f + rounded  # and nothing else is paid


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("d", [1, 2000, 131_072, 140_000])
def test_sums_of_the_largest_codes(isa, metric, d):
    """127^2 d leaves 24 bits from 1,041 dimensions on, and int32 beyond 131,072, where the screen is not used."""
    q, b = np.ones((1, d), np.float32), both_signs(np.ones(d))
    for screen in ("int8", "int8 again"):
        assert_inside(q, b, metric, screen)
    if d == 140_000:
        assert (intervals(q, b, metric, "int8")[1] == np.inf).all()


@AGAIN
def test_rows_of_zeros_beside_rows_of_zeros(isa, screen):
    """The 1 of their distance is rounded as the product of the origin with itself is added to it."""
    rng = np.random.default_rng(0)
    for d in (1, 2, 3, 4, 8):
        for _ in range(30):
            base = rng.choice([-1, 1], (1, d)) * (1 + 0.02 * rng.random((24, d))) * rng.choice([-1, 1], (24, 1))
            base[::4] = 0
            assert_inside(np.zeros((1, d)), base, "cosine", screen)


@AGAIN
@pytest.mark.parametrize("metric", METRICS)
def test_rows_about_the_longest_that_the_frame_holds(isa, screen, metric):
    """Beyond 2^30 they are zeros in the frame, whatever lies beside them there."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 16))
    x[40:] = x[40] / np.linalg.norm(x[40]) * 2.0 ** np.linspace(28, 36, 24)[:, None]
    base = np.float32(x)
    assert_holds(base[38:], base, metric, screen)
    # What a query is worth along the origin is lost with it. The mean of the squares of its neighbours says what 1 is.
    q = rng.standard_normal((300, 16))
    q[299] = 2.0**32  # between the queries that the frame looks at
    assert_holds(
        np.float32(q[280:]) if metric != "inner_product" else np.float32(q), np.float32(x[:40] + 2.0**16), metric, screen
    )


# The second look.


@AGAIN
@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean"])
def test_differences_whose_squares_underflow_in_the_frame(isa, screen, metric):
    """And not where they come from: the scale of the frame is 2^-20 there."""
    for d in (1, 40, 1000):
        for size in (2.0**-60, 1.3 * 2.0**-56, 2.0**-54.5):
            tiny = np.full((1, d), size)
            base = both_signs(2.0**20 * np.eye(1, d)[0], tiny[0])
            assert_holds(np.float32(np.concatenate([tiny, 0 * tiny, 3 * tiny])), base, metric, screen)


@AGAIN
@pytest.mark.parametrize("d", [64, 4096])
def test_cosine_of_norms_whose_inverse_is_subnormal(isa, screen, d):
    rng = np.random.default_rng(d)
    x = np.clip(rng.standard_normal((6, d)) / 3, -1, 1) * 3.3e38
    q = np.concatenate([x[:3] * (1 - 1e-4 * rng.random((3, 1))), x[3:] * 2.0**-3])
    assert_inside(np.float32(q), np.float32(x), "cosine", screen)
    assert_inside(np.float32(2.0**-60 * q), np.float32(x), "cosine", screen)


@AGAIN
def test_products_of_zeros_and_rows_that_the_frame_cannot_hold(isa, screen):
    rng = np.random.default_rng(0)
    q, b = rng.standard_normal((12, 8)), rng.standard_normal((64, 8))
    q[3] = 0
    b[[5, 9, 11]] *= [[1e12], [1e25], [1e37]]
    assert_holds(np.float32(q), np.float32(b), "inner_product", screen)


@AGAIN
@pytest.mark.parametrize("d", [1, 40, 1000])
def test_products_of_rows_whose_squares_underflow(isa, screen, d):
    rng = np.random.default_rng(d)
    near = 1 + 2.0**-9 * rng.random((13, d))
    q = near[:12] * 2.0 ** rng.integers(-3, 4, (12, 1)) / np.sqrt(d)
    assert_holds(np.float32(q), both_signs(np.eye(1, d)[0], 2.0**-76 * near[12]), "inner_product", screen)


@AGAIN
@pytest.mark.parametrize("d", [1, 40, 1000])
def test_products_that_underflow_in_the_frame(isa, screen, d):
    """And not where they come from: rows of norm 2^30 say what is 1 there."""
    tiny, ordinary = np.full(d, 2.0**-75.6), np.eye(1, d)[0]
    q = np.stack([*[ordinary] * 9, tiny, -tiny, 3 * tiny])
    assert_holds(np.float32(2.0**30 * q), np.float32(2.0**30 * both_signs(ordinary, tiny)), "inner_product", screen)
