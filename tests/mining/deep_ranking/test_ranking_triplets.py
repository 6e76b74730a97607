"""The two numbers of Deep Ranking against loops over the oracle's distances."""

import re

import numpy as np
import pytest

import reference
from hardmine.mining.deep_ranking.ranking_triplets import score_at_top_k, similarity_precision
from hardmine.search.metric import METRICS
from optional_torch import torch
from refusals import assert_refused


def random_triplets(rng, n, count):
    return np.array([rng.choice(n, 3, replace=False) for _ in range(count)])


def matrix_of(x, metric):
    return (
        reference.bit_distances(*[np.unpackbits(x, axis=1).astype(bool)] * 2)
        if metric == "hamming"
        else reference.rounded(x, x, metric)
    )


def rows_for(rng, metric, n, d=3):
    if metric == "hamming":
        return rng.integers(0, 256, (n, 1), dtype=np.uint8)
    return rng.integers(-2, 3, (n, d)).astype(np.float32)  # with many ties


def slow_precision(matrix, triplets):
    return sum(matrix[q, p] < matrix[q, n] for q, p, n in triplets) / len(triplets)


def slow_score(matrix, triplets, k, groups):
    score = 0
    for q, p, n in triplets:
        ranked = [j for j in np.lexsort((np.arange(len(matrix)), matrix[q])) if j != q and groups[j] == groups[q]]
        if p in ranked[:k] or n in ranked[:k]:
            score += 1 if matrix[q, p] < matrix[q, n] else -1
    return score


@pytest.mark.parametrize("metric", METRICS)
def test_numbers_are_those_of_slow_loops(rng, metric):
    x = rows_for(rng, metric, 40)
    matrix, triplets = matrix_of(x, metric), random_triplets(rng, 40, 300)
    assert similarity_precision(x, triplets, metric=metric) == slow_precision(matrix, triplets)
    assert similarity_precision(x, tuple(triplets.T), metric=metric) == slow_precision(matrix, triplets)
    assert similarity_precision(lambda q, j: matrix[q, j], triplets) == slow_precision(matrix, triplets)
    names = rng.choice(["red", "blue", "green"], 40)
    for k in (1, 3, 10, 39, 1000):
        assert score_at_top_k(x, triplets, k, metric=metric) == slow_score(matrix, triplets, k, np.zeros(40))
        assert score_at_top_k(x, triplets, k, metric=metric, groups=names) == slow_score(matrix, triplets, k, names)


def test_ties_are_not_correct():
    x, triplets = np.zeros((5, 2), np.float32), [(0, 1, 2), (0, 2, 1), (4, 3, 2)]
    assert similarity_precision(x, triplets) == 0.0
    assert score_at_top_k(x, triplets, k=4) == -3
    assert score_at_top_k(x, triplets, k=1) == -2  # of equal distances the lower index is nearer: 0 of query 4


def test_all_images_are_among_more_than_there_are_even_at_distance_infinity():
    x = np.array([[0.0], [3e38], [-3e38]], np.float32)
    assert [score_at_top_k(x, [(0, 1, 2)], k) for k in (1, 2, 5)] == [-1, -1, -1]
    assert score_at_top_k(x, [(0, 2, 1)], 5) == -1


def test_without_triplets():
    x = np.zeros((5, 2), np.float32)
    for none in ([], np.empty((0, 3), int), (np.empty(0, int),) * 3):
        assert np.isnan(similarity_precision(x, none))
        assert score_at_top_k(x, none) == 0


def test_tensors(rng):
    x = rng.normal(size=(20, 4)).astype(np.float32)
    triplets = random_triplets(rng, 20, 50)
    tensor, ids = torch.from_numpy(x), torch.from_numpy(triplets)
    assert similarity_precision(tensor, ids) == similarity_precision(x, triplets)
    assert score_at_top_k(tensor, ids, 5) == score_at_top_k(x, triplets, 5)


def test_bits(rng):
    triplets = random_triplets(rng, 20, 50)
    codes = rng.integers(0, 256, (20, 1), dtype=np.uint8)
    assert similarity_precision(codes, triplets, metric="hamming", bits=3) == similarity_precision(
        codes & 0b11100000, triplets, metric="hamming"
    )
    assert score_at_top_k(codes, triplets, 5, metric="hamming", bits=3) == score_at_top_k(
        codes & 0b11100000, triplets, 5, metric="hamming"
    )


X = np.ones((4, 3), np.float32)
BAD = [
    (lambda f: f(X[0], [(0, 1, 2)]), ValueError, "embeddings: expected an array of shape (rows, dimensions), got shape (3,)"),
    (lambda f: f(X.astype(int), [(0, 1, 2)]), TypeError, "embeddings: expected floating-point numbers, got int64"),
    (lambda f: f(X, [(0, 1, 2)], metric="hamming"), TypeError, "embeddings: expected packed codes, uint8, got float32"),
    (lambda f: f(X, [(0, 1, 2)], metric="l2"), ValueError, "metric: expected one of sqeuclidean"),
    (
        lambda f: f(X, [(0, 1)]),
        ValueError,
        "triplets: expected an array of shape (t, 3) or a tuple of three, got shape (1, 2)",
    ),
    (lambda f: f(X, ([0], [1], [2, 3])), ValueError, "triplets: expected three arrays of one length, got 1, 1 and 2"),
    (lambda f: f(X, [(0.0, 1.0, 2.0)]), TypeError, "triplets: expected integers, got float64"),
    (lambda f: f(X, [(0, 1, 4)]), ValueError, "triplets: expected row numbers from 0 to 3, got 4"),
    (lambda f: f(X, [(0, -1, 2)]), ValueError, "triplets: expected row numbers from 0 to 3, got -1"),
    (lambda f: f(X, [(0, 1, 2), (3, 1, 1)]), ValueError, "triplets: expected three different rows, got (3, 1, 1)"),
    (lambda f: f(X, [(0, 1, 2)], threads=0), ValueError, "threads: expected at least 1, got 0"),
    (lambda f: f(X * np.float32(np.nan), [(0, 1, 2)]), ValueError, "expected finite numbers, got NaN or infinity in row 0"),
]


@pytest.mark.parametrize("function", [similarity_precision, score_at_top_k])
@pytest.mark.parametrize("call, error, message", BAD)
def test_bad_input(function, call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call(function)


MORE = [
    (lambda: score_at_top_k(X, [(0, 1, 2)], 0), ValueError, "k: expected at least 1, got 0"),
    (
        lambda: score_at_top_k(X, [(0, 1, 2)], groups=[1, 2]),
        ValueError,
        "groups: expected 4 labels, one for each row of embeddings",
    ),
    (
        lambda: similarity_precision(lambda q, j: q[:1], [(0, 1, 2), (1, 0, 2)]),
        ValueError,
        "that returns 2 distances, got shape (1,)",
    ),
    (
        lambda: similarity_precision(lambda q, j: q * np.nan, [(0, 1, 2)]),
        ValueError,
        "a callable that returns numbers, got NaN",
    ),
    (
        lambda: similarity_precision(lambda q, j: q.astype(str), [(0, 1, 2)]),
        TypeError,
        "a callable that returns numbers, got <U",
    ),
    (lambda: similarity_precision(lambda q, j: q, [(0, -1, 2)]), ValueError, "triplets: expected row numbers from 0, got -1"),
]


@pytest.mark.parametrize("call, error, message", MORE)
def test_more_bad_input(call, error, message):
    assert_refused(call, error, message)
