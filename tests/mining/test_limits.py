"""Limits on scores: which of them can refuse anything."""

import re

import numpy as np
import pytest

from hardmine import mine_hard_negatives


@pytest.mark.parametrize(
    "metric, limits, message",
    [
        ("euclidean", {"max_score": 4.0}, "max_score: expected -inf to 0, between which euclidean scores lie, got 4, NOTHING"),
        ("sqeuclidean", {"max_score": 1e-9}, "max_score: expected -inf to 0, "),
        ("euclidean", {"min_score": 0.5}, "min_score: expected -inf to 0, between which euclidean scores lie, got 0.5, ALL"),
        ("cosine", {"max_score": 1.5}, "max_score: expected -1 to 1, between which cosine scores lie, got 1.5, NOTHING"),
        ("cosine", {"max_score": -1.5}, "max_score: expected -1 to 1, between which cosine scores lie, got -1.5, ALL"),
        ("cosine", {"min_score": -2}, "min_score: expected -1 to 1, between which cosine scores lie, got -2, NOTHING"),
        ("euclidean", {"max_score": [3.0] * 5}, "max_score: expected -inf to 0, "),
    ],
)
def test_a_limit_that_no_score_can_reach_is_an_error(metric, limits, message):
    x = np.arange(10, dtype=np.float32).reshape(5, 2)
    message = message.replace("NOTHING", "which refuses nothing").replace("ALL", "which refuses every row")
    with pytest.raises(ValueError, match=re.escape(message)):
        mine_hard_negatives(x, metric=metric, **limits)
    wide = mine_hard_negatives(x, metric=metric, num_negatives=1)
    if np.ndim(limits.get("max_score")) == 0:
        with pytest.raises(ValueError, match=re.escape(message)):
            wide.refilter(**limits)
    opinion = {"rescore": lambda rows, cols: np.full(len(rows), 2.0)}  # whose scores are anything
    rescored = mine_hard_negatives(x, metric=metric, range_max=5, **opinion, **limits)
    assert rescored.counts.tolist() == rescored.refilter(**limits).counts.tolist()


def test_limits_at_the_ends_of_all_scores():
    """Rounded or not, no score lies beyond them; infinity is no limit, and so may be one query's of many."""
    x = np.array([[1.0, 1e-4], [-1.0, -1e-4], [3.0, 3e-4], [0.1, 0.7], [-0.3, -2.1]], np.float32)
    for metric, low, high in (("cosine", -1, 1), ("euclidean", -np.inf, 0), ("inner_product", -1e9, 1e9)):
        whole = mine_hard_negatives(x, metric=metric, num_negatives=4)
        for limits in ({"max_score": high}, {"min_score": low}, {"max_score": np.inf, "min_score": -np.inf}):
            np.testing.assert_array_equal(
                mine_hard_negatives(x, metric=metric, num_negatives=4, **limits).indices, whole.indices
            )
    mine_hard_negatives(x, metric="euclidean", max_score=[3.0, -1.0, -1.0, -1.0, np.inf])
