"""As test_proofs.py, where the origin is far from zero, as inner products feel, and where both sides are screened."""

import math

import numpy as np
import pytest
from intervals import DIRECTIONS, FRAMED, assert_holds, assert_joined, long_query, short_query


@FRAMED
def test_products_of_rows_far_from_zero_and_queries_across_them(isa, screen):
    """Terms of 2^21 cancel to the last bits of float64: the canonical sum and the screen's add them in different orders."""
    rng = np.random.default_rng(3)
    d = 16
    p = np.float32(rng.integers(2**21, 2**22, d) * rng.choice([-1, 1], d))
    step = np.zeros(d, np.float32)
    step[0] = 1.25
    base = np.stack([p, p, p + step, p - step])
    queries = np.float32(rng.standard_normal((60, d)) * 2.0 ** rng.integers(-14, 1, (60, d)) * 2.0**-20)
    exact = p.astype(np.float64)
    for k in (d - 2, d - 1):  # the rest of the sum, and the rest of that
        queries[:, k] = 0
        queries[:, k] = np.float32([-math.fsum(row.astype(np.float64) * exact) / exact[k] for row in queries])
    queries[0] = 1  # what most queries are as long as
    assert_holds(queries, base, "inner_product", screen)


@FRAMED
def test_products_that_are_rounded_to_the_bound(isa, screen):
    """Far from zero a bound says less than half a step of float32 about a product."""
    rng = np.random.default_rng(4)
    base = np.float32(2**20 + rng.integers(-8, 9, (32, 3)))
    assert_holds(np.float32(rng.standard_normal((20, 3))), base, "inner_product", screen)


@pytest.mark.parametrize("last", [False, True])
@DIRECTIONS
@pytest.mark.parametrize("rows", [short_query, long_query])
def test_sums_of_a_self_join(isa, rows, way, last):
    """Both bounds of a pair hold, that of the packed query and that of the packed base row."""
    q, x = rows(260, way)
    x = np.tile(x, (1030, 1))
    at = len(x) - 1 if last else 0
    x[at] = q[0]
    assert_joined(x, [at], "sqeuclidean")


@pytest.mark.parametrize("last", [False, True])
def test_products_of_a_self_join_far_from_zero(isa, last):
    rng = np.random.default_rng(5)
    x = np.float32(2**18 + rng.integers(-2, 3, (2060, 260)) / 4)
    at = 2059 if last else 0
    x[at] = np.float32(rng.standard_normal(260))
    assert_joined(x, [at], "inner_product")
