"""Total relevance against the sum over pairs, and what stays in a reservoir against what it stands for."""

import numpy as np
import pytest
import scipy.stats

from hardmine.mining.deep_ranking.relevance import total_relevance
from hardmine.mining.deep_ranking.weighted_reservoir import WeightedReservoir
from optional_torch import torch
from refusals import assert_refused

SIGMAS = scipy.stats.norm.isf(1e-6 / 2)  # a false alarm of 1e-6 for each mean, were the seed drawn anew


def test_total_relevance_is_the_sum_over_pairs(rng):
    categories = rng.choice(["a", "b", "c"], 120)
    for x in (rng.random((120, 7)), rng.normal(size=(120, 7)), np.eye(7)[rng.integers(0, 7, 120)]):
        x = x.astype(np.float32)
        products = np.maximum(x.astype(np.float64) @ x.T.astype(np.float64), 0)
        expected = [sum(products[i, j] for j in range(120) if j != i and categories[j] == categories[i]) for i in range(120)]
        np.testing.assert_allclose(total_relevance(x, categories), expected, rtol=1e-12, atol=0)
    if not torch:
        return
    tensor = total_relevance(torch.from_numpy(x).to(torch.bfloat16), categories)
    assert isinstance(tensor, torch.Tensor) and np.allclose(tensor.numpy(), expected)


def test_images_that_share_nothing_have_no_relevance():
    x = np.array([[1e8, 0.0, 0.0], [0.0, 1e-8, 0.0], [0.0, 0.0, 3.0], [0.0, 0.0, 0.1]], np.float32)
    assert (total_relevance(x, [0, 0, 0, 0]) > 0).tolist() == [False, False, True, True]


@pytest.mark.slow
def test_weights_divided_by_inclusion_have_the_mean_of_the_stream():
    w, times = np.array([0.1, 1.0, 2.0, 4.0]), 5_000
    sums = np.zeros((times, 4))
    for i in range(times):
        reservoir = WeightedReservoir(np.empty(0, np.int64), np.empty(0), None)
        for id in range(4):
            reservoir.add(np.array([4 * i + id]), w[[id]], capacity=2, seed=3, stream=0)
        sums[i, reservoir.ids % 4] = reservoir.weights / reservoir.inclusion()
    assert reservoir.seen == 4 and np.isclose(reservoir.total, w.sum())
    error = sums.std(axis=0) / times**0.5
    assert (np.abs(sums.mean(axis=0) - w) < SIGMAS * error).all()


X = np.ones((2, 3), np.float32)
BAD = [
    (lambda: total_relevance(X, [1]), ValueError, "categories: expected 2 labels, one for each row of embeddings"),
    (lambda: total_relevance(X.astype(int), [1, 1]), TypeError, "embeddings: expected floating-point numbers, got int64"),
    (lambda: total_relevance(X * np.float32(np.nan), [1, 1]), ValueError, "embeddings: expected finite numbers, got NaN or"),
    (lambda: total_relevance(X, [0.5, 1]), TypeError, "categories: expected integers or strings, got float64"),
]


@pytest.mark.parametrize("call, error, message", BAD)
def test_bad_input(call, error, message):
    assert_refused(call, error, message)
