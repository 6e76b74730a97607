"""Every bad input of the miners of triplets and pairs: its exception and its message, before the rows are looked at."""

import re

import numpy as np
import pytest

from hardmine.mining.batch.pairs import mine_pairs
from hardmine.mining.batch.triplets import mine_triplets

X, L = np.eye(3, dtype=np.float32), [0, 0, 1]
NAN = np.array([[1, 1, 1], [1, np.nan, 1], [1, 1, 1]], np.float32)

CASES = [
    ((X[0], L), {}, ValueError, "embeddings: expected an array of shape (rows, dimensions), got shape (3,)"),
    ((X.astype(int), L), {}, TypeError, "embeddings: expected floating-point numbers, got int64"),
    ((NAN, L), {}, ValueError, "embeddings: expected finite numbers, got NaN or infinity in row 1"),
    ((X, L, NAN, L), {}, ValueError, "ref_embeddings: expected finite numbers, got NaN or infinity in row 1"),
    ((X * np.float32(1e38), L), {"metric": "sqeuclidean"}, ValueError, "embeddings: expected rows whose distances fit"),
    ((X, [0, 1]), {}, ValueError, "labels: expected 3 labels, one for each row of embeddings, got shape (2,)"),
    ((X, [0.5, 1.0, 1.0]), {}, TypeError, "labels: expected integers or strings, got float64"),
    ((X, np.eye(2)), {}, ValueError, "labels: expected 3 rows of labels, one for each row of embeddings, got shape (2, 2)"),
    ((X, np.eye(3) * 2), {}, ValueError, "labels: expected rows of zeros and ones, got other numbers"),
    ((X, np.eye(3).astype(str)), {}, TypeError, "labels: expected rows of zeros and ones, got <U"),
    ((X, np.eye(3), X, np.eye(3)[:, :2]), {}, ValueError, "ref_labels: expected 3 columns like labels, got shape (3, 2)"),
    ((X, np.eye(3), X, L), {}, ValueError, "ref_labels: expected 3 rows of labels, one for each row of ref_embeddings, got"),
    ((X, L, X), {}, ValueError, "ref_labels: expected an array beside ref_embeddings, got None"),
    ((X, L, None, L), {}, ValueError, "ref_embeddings: expected an array beside ref_labels, got None"),
    ((X, L, X[:, :2], L), {}, ValueError, "ref_embeddings: expected rows of 3 numbers like embeddings, got shape (3, 2)"),
    ((X, L, X, list("abc")), {}, TypeError, "labels: expected both of one kind, got"),
    ((X, L), {"pair_mask": np.ones((3, 3))}, TypeError, "pair_mask: expected booleans, got float64"),
    ((X, L), {"pair_mask": np.ones((2, 3), bool)}, ValueError, "pair_mask: expected shape (3, 3), got (2, 3)"),
    ((NAN, L), {"strategy": "hard"}, ValueError, "strategy: expected one of batch_all, batch_hard, batch_easy_hard, dist"),
    ((NAN, L), {"type_of_triplets": "no"}, ValueError, "type_of_triplets: expected one of all, hard, semihard, easy, None"),
    ((NAN, L), {"metric": "hamming"}, ValueError, "metric: expected one of sqeuclidean, euclidean, cosine, inner_product"),
    ((NAN, L), {"margin": "0.2"}, TypeError, "margin: expected a number, got str"),
    ((NAN, L), {"margin": np.nan}, ValueError, "margin: expected a number, got nan"),
    ((NAN, L), {"strategy": "batch_hard", "margin": 1}, ValueError, "margin: expected type_of_triplets beside it, got None"),
    ((NAN, L), {"n_positive": 2}, ValueError, 'n_positive: expected 1 unless strategy="batch_hard", got 2'),
    ((NAN, L), {"cutoff": 0.3}, ValueError, 'cutoff: expected 0.5 unless strategy="distance_weighted", got 0.3'),
    ((NAN, L), {"pos_strategy": "hard"}, ValueError, "pos_strategy: expected 'easy' unless strategy=\"batch_easy_hard\", got"),
    ((NAN, L), {"strategy": "batch_hard", "n_negative": 0}, ValueError, "n_negative: expected at least 1, got 0"),
    ((NAN, L), {"strategy": "batch_hard", "n_negative": 1.5}, TypeError, "n_negative: expected an integer, got float"),
    ((NAN, L), {"strategy": "batch_hard", "n_negative": (3, 2)}, ValueError, "n_negative: expected (first, last) in this"),
    ((NAN, L), {"strategy": "batch_hard", "n_negative": (3,)}, ValueError, "n_negative: expected a number or (first, last)"),
    ((NAN, L), {"max_triplets": 0}, ValueError, "max_triplets: expected at least 1, got 0"),
    ((NAN, L), {"seed": 0.5}, TypeError, "seed: expected an integer, got float"),
    ((NAN, L), {"threads": 0}, ValueError, "threads: expected at least 1, got 0"),
]
OF_EASY_HARD = [
    ({"pos_strategy": "hardest"}, ValueError, "pos_strategy: expected one of hard, semihard, easy, all, got 'hardest'"),
    ({"pos_strategy": "semihard"}, ValueError, 'neg_strategy: expected one of hard, easy beside "semihard", got'),
    ({"pos_strategy": "all"}, ValueError, 'neg_strategy: expected one of hard, easy beside "semihard", got'),
    ({"allowed_pos_range": 3}, ValueError, "allowed_pos_range: expected (smallest, largest), got shape ()"),
    ({"allowed_neg_range": (2, 1)}, ValueError, "allowed_neg_range: expected (smallest, largest) in this order, got (2, 1)"),
]
CASES += [((NAN, L), {"strategy": "batch_easy_hard"} | options, *rest) for options, *rest in OF_EASY_HARD]
OF_DRAWS = [
    ({"cutoff": 0}, ValueError, "cutoff: expected more than 0, got 0"),
    ({"triplets_per_anchor": 2**70}, ValueError, "triplets_per_anchor: expected at most 4294967294, got 11805916207174113"),
    ({"nonzero_loss_cutoff": 2.5}, ValueError, "nonzero_loss_cutoff: expected 0 to 2, got 2.5"),
    ({"triplets_per_anchor": 0}, ValueError, "triplets_per_anchor: expected at least 1, got 0"),
]
CASES += [((NAN, L), {"strategy": "distance_weighted"} | options, *rest) for options, *rest in OF_DRAWS]


OF_PAIRS = [
    ({"rule": "all"}, ValueError, "rule: expected one of margin, multi_similarity, hdc, uniform_histogram, got 'all'"),
    ({"metric": "hamming"}, ValueError, "metric: expected one of sqeuclidean, euclidean, cosine, inner_product"),
    ({"pos_margin": None}, TypeError, "pos_margin: expected a number, got NoneType"),
    ({"neg_margin": np.nan}, ValueError, "neg_margin: expected a number, got nan"),
    ({"epsilon": 0.2}, ValueError, 'epsilon: expected 0.1 unless rule="multi_similarity", got 0.2'),
    ({"rule": "hdc", "filter_percentage": 50}, ValueError, "filter_percentage: expected 0 to 1, got 50"),
    ({"rule": "hdc", "filter_percentage": 0}, ValueError, "filter_percentage: expected more than 0, got 0"),
    ({"rule": "hdc", "neg_margin": 1}, ValueError, 'neg_margin: expected 0.8 unless rule="margin", got 1'),
    ({"rule": "uniform_histogram", "num_bins": 0}, ValueError, "num_bins: expected at least 1, got 0"),
    ({"rule": "uniform_histogram", "pos_per_bin": 2.5}, TypeError, "pos_per_bin: expected an integer, got float"),
    ({"rule": "uniform_histogram", "seed": "a"}, TypeError, "seed: expected an integer, got str"),
    ({"threads": 0}, ValueError, "threads: expected at least 1, got 0"),
    ({}, ValueError, "embeddings: expected finite numbers, got NaN or infinity in row 1"),
]


@pytest.mark.parametrize("arguments, options, error, message", CASES)
def test_triplets(arguments, options, error, message):
    with pytest.raises(error, match=re.escape(message)):
        mine_triplets(*arguments, **options)


@pytest.mark.parametrize("options, error, message", OF_PAIRS)
def test_pairs(options, error, message):
    with pytest.raises(error, match=re.escape(message)):
        mine_pairs(NAN, L, **options)
