"""`Neighbors`: its metric stays with it, and its scores are the distances turned around."""

import copy
import pickle

import numpy as np
import pytest

import hardmine
from hardmine import Neighbors
from hardmine.search.metric import METRICS
from optional_torch import torch


def of_torch(name):
    """A module of torch, for a test that skips without it."""
    return pytest.importorskip(f"torch.utils.{name}", reason="needs PyTorch")


def tree_map(change, nest):
    return of_torch("_pytree").tree_map(change, nest)


SAME = {  # ways in which a named tuple is made again; all of them keep its arrays' values
    "_replace": lambda found: found._replace(distances=found.distances.copy()),
    "_make": lambda found: found._make(list(found)),
    "its type": lambda found: type(found)(*found),
    "tree_map": lambda found: tree_map(lambda array: array.copy(), found),
    "tree_map of a nest": lambda found: tree_map(lambda array: array.copy(), {"found": [found]})["found"][0],
    "its type, pickled": lambda found: pickle.loads(pickle.dumps(type(found)))(*found),
    "default_convert": lambda found: of_torch("data").default_convert(found),
    "default_collate": lambda found: tree_map(lambda array: array[0], of_torch("data").default_collate([found])),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda found: pickle.loads(pickle.dumps(found)),
    "oldest pickle": lambda found: pickle.loads(pickle.dumps(found, protocol=0)),
    "merge": lambda found: hardmine.merge(found, tuple(found)),
}


def found_by(metric, rng):
    x = rng.standard_normal((6, 9)).astype(np.float32)
    return hardmine.topk(hardmine.pack(x) if metric == "hamming" else x, k=3, metric=metric)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("way", SAME)
def test_the_metric_stays_with_it(rng, metric, way):
    found = found_by(metric, rng)
    again = SAME[way](found)
    assert isinstance(again, Neighbors) and again.metric == metric
    for now, then in zip((*again, again.scores), (*found, found.scores)):
        np.testing.assert_array_equal(np.asarray(now), then)


@pytest.mark.parametrize("metric", METRICS)
def test_scores_are_the_distances_turned_around_and_no_zero_has_a_sign(metric):
    x = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], np.float32)
    found = hardmine.topk(hardmine.pack(x) if metric == "hamming" else x, k=2, metric=metric)
    expected = (1 if metric == "cosine" else 0) - found.distances
    tensors = [Neighbors(*map(torch.from_numpy, found), metric).scores.numpy()] if torch else []
    for scores in (found.scores, *tensors):
        assert scores.dtype == found.distances.dtype
        np.testing.assert_array_equal(scores, expected)
        assert not np.signbit(scores[scores == 0]).any() and (scores == 0).any()


@pytest.mark.parametrize("metric", METRICS[:-1])
@pytest.mark.parametrize(
    "options", [{}, {"positives": [1, 0, 0]}, {"positive_reference": "mean"}, {"random_ratio": 1.0}], ids=str
)
def test_no_zero_of_mining_has_a_sign(metric, options):
    """Equal rows at distance 0, orthogonal ones of similarity 0, in every way that scores are made."""
    x = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], np.float32)
    for base, labels in ((None, [0, 0, 1, 1]), (None, [0, 1, 0, 1]), (x, [0, 1, 0, 1])):
        sides = {"query_labels": labels} if base is None else {"query_labels": labels, "base_labels": labels}
        rows = options | ({"positives": [1, 0, 0, 0]} if "positives" in options else sides)
        mined = hardmine.mine_hard_negatives(x, base, num_negatives=2, metric=metric, **rows)
        for scores in (mined.scores, mined.positive_scores, mined.window.scores):
            assert not np.signbit(scores[scores == 0]).any()


def test_without_a_metric_there_are_no_scores():
    distances, indices = np.zeros((2, 3), np.float32), np.zeros((2, 3), np.int64)
    for bare in (Neighbors(distances, indices), hardmine.merge((distances, indices))):
        assert bare.metric is None
        with pytest.raises(ValueError, match="scores: expected a metric beside the distances, got none"):
            _ = bare.scores
    assert hardmine.merge(Neighbors(distances, indices), Neighbors(distances, indices, "cosine")).metric == "cosine"
    with pytest.raises(ValueError, match="metric: expected one of sqeuclidean, euclidean, cosine, inner_product, hamming"):
        Neighbors(distances, indices, "l2")


def test_its_repr_is_short():
    x = np.ones((1000, 4), np.float32)
    found = hardmine.topk(x, k=5, metric="cosine")
    assert repr(found) == "Neighbors(metric='cosine', distances=float32 (1000, 5), indices=int64 (1000, 5))"
    assert repr(found._replace(distances=None, indices=None)) == "Neighbors(metric='cosine', distances=None, indices=None)"


def test_its_repr_names_the_types_of_tensors():
    found = hardmine.topk(np.ones((1000, 4), np.float32), k=5, metric="cosine")
    tensors = repr(Neighbors(*map(torch.from_numpy, found), "cosine"))
    assert tensors == "Neighbors(metric='cosine', distances=torch.float32 (1000, 5), indices=torch.int64 (1000, 5))"
