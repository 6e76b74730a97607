"""The oracle itself, on cases worked by hand and in exact arithmetic."""

from fractions import Fraction

import numpy as np
import pytest

import reference


def test_distances_by_hand():
    q, b = np.array([[0.0, 0.0], [1.0, 0.0]], np.float32), np.array([[3.0, 4.0], [0.0, 0.0]], np.float32)
    np.testing.assert_array_equal(reference.distances(q, b, "sqeuclidean"), [[25, 0], [20, 1]])
    np.testing.assert_array_equal(reference.distances(q, b, "euclidean"), [[5, 0], [np.sqrt(20), 1]])
    np.testing.assert_array_equal(reference.distances(q, b, "inner_product"), [[0, 0], [-3, 0]])
    np.testing.assert_allclose(reference.distances(q, b, "cosine"), [[1, 1], [0.4, 1]], rtol=1e-15)


@pytest.mark.parametrize("d", [1, 7, 8, 9, 40])
def test_squared_distance_is_the_exact_one_to_float64_rounding(rng, d):
    q, b = rng.standard_normal((2, d)).astype(np.float32), rng.standard_normal((3, d)).astype(np.float32)
    found = reference.distances(q, b, "sqeuclidean")
    for i in range(2):
        for j in range(3):
            exact = sum((Fraction(float(x)) - Fraction(float(y))) ** 2 for x, y in zip(q[i], b[j]))
            assert abs(Fraction(found[i, j]) - exact) <= (d + 2) * Fraction(2) ** -53 * exact


def test_lane_sum_keeps_its_order():
    # In another order of summation the ones would be lost beside 2**53 or kept beside it.
    terms = np.array([2.0**53, 1, 1, 1, 1, 1, 1, 1, -(2.0**53), 0, 0, 0, 0, 0, 0, 0])
    assert reference.lane_sum(terms) == 7


def test_topk_by_hand():
    x = np.array([[0.0], [1.0], [1.0], [5.0]], np.float32)
    distances, indices = reference.topk(x, None, 4)
    np.testing.assert_array_equal(indices, [[1, 2, 3, -1], [2, 0, 3, -1], [1, 0, 3, -1], [1, 2, 0, -1]])
    np.testing.assert_array_equal(distances[1], [0, 1, 16, np.inf])
    capped = reference.topk(x, x, 2, base_groups=[0, 0, 0, 1], max_per_group=1)
    np.testing.assert_array_equal(capped[1], [[0, 3], [1, 3], [1, 3], [3, 1]])


@pytest.mark.parametrize("change", ["index", "distance", "shape", "dtype"])
def test_assert_same_fails_where_it_must(change):
    distances, indices = np.zeros((2, 2), np.float32), np.zeros((2, 2), np.int64)
    found = [distances.copy(), indices.copy()]
    if change == "index":
        found[1][0, 0] = 1
    elif change == "distance":
        found[0][1, 1] = np.nextafter(np.float32(0), np.float32(1))
    elif change == "shape":
        found = [distances[:1], indices[:1]]
    else:
        found[0] = distances.astype(np.float64)
    with pytest.raises(AssertionError):
        reference.assert_same(found, (distances, indices))
