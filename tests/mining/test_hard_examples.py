"""Selection by loss against slow loops, the published rule of SSD, and every bad input."""

import math
import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardmine.mining.hard_examples import select_hard_examples
from optional_torch import torch


def hardest(losses, candidates, count):
    """The `count` candidates of the largest loss, the lower index first, by repeated search."""
    left, chosen = list(candidates), []
    while left and len(chosen) < count:
        best = left[0]
        for i in left[1:]:
            if losses[i] > losses[best]:
                best = i
        chosen.append(best)
        left.remove(best)
    return chosen


def slow(losses, segments, positive=None, ratio=3.0, k=None, fraction=None, least=0):
    mask = np.zeros(len(losses), bool)
    for s in set(segments):
        mine = [i for i in range(len(losses)) if segments[i] == s]
        if positive is not None:
            count = math.floor(Fraction(str(ratio)) * sum(positive[i] for i in mine))
            mask[[i for i in mine if positive[i]]] = True
            mine = [i for i in mine if not positive[i]]
        else:
            count = k if k is not None else math.floor(Fraction(str(fraction)) * len(mine))
        mask[hardest(losses, mine, max(count, least))] = True
    return mask


values = st.lists(st.sampled_from([0.0, -0.0, 0.5, 1.0, 2.0, np.inf, -np.inf, 1e-30]), max_size=30)
rules = st.one_of(
    st.fixed_dictionaries({"k": st.integers(1, 12)}),
    st.fixed_dictionaries({"fraction": st.sampled_from([0, 0.1, 0.29, 1 / 3, 0.5, 0.7, 1])}),
    st.fixed_dictionaries({"ratio": st.sampled_from([0, 0.5, 0.7, 3.0, 3, 1e300])}),
)


@given(values, rules, st.integers(0, 4), st.integers(1, 5), st.randoms(use_true_random=False))
def test_selection_is_that_of_slow_loops(losses, rule, least, most_segments, random):
    segments = [random.randrange(most_segments) for _ in losses]
    positive = [random.random() < 0.3 for _ in losses] if "ratio" in rule else None
    names = {"k": "k", "fraction": "top_fraction", "ratio": "neg_pos_ratio"}
    options = {names[name]: value for name, value in rule.items()} | {"min_kept": least}
    if positive is not None:
        options["positive_mask"] = np.array(positive, bool)
    losses = np.array(losses, np.float32)
    for given_segments, same in ((segments, segments), (None, [0] * len(losses)), ([f"s{s}" for s in segments], segments)):
        if given_segments is not None:
            given_segments = np.array(given_segments, dtype=None if len(losses) else np.int64)
        found = select_hard_examples(losses, segments=given_segments, **options)
        assert found.dtype == np.bool_
        np.testing.assert_array_equal(found, slow(losses, same, positive, least=least, **rule))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_rows_are_segments(rng, dtype):
    losses = rng.integers(0, 9, (7, 50)).astype(dtype)
    positive = rng.random((7, 50)) < 0.1
    rows = np.repeat(np.arange(7), 50)
    for options in ({"k": 8}, {"top_fraction": 0.3}, {"positive_mask": positive, "min_kept": 4}):
        flat = {name: value.ravel() if name == "positive_mask" else value for name, value in options.items()}
        found = select_hard_examples(losses, **options)
        assert found.shape == losses.shape
        np.testing.assert_array_equal(found.ravel(), select_hard_examples(losses.ravel(), segments=rows, **flat))
        shuffled = rng.permutation(rows)  # the order of segments among the examples is free
        flat["positive_mask"] = positive.ravel() if "positive_mask" in flat else None
        expected = slow(
            losses.ravel(), shuffled.tolist(), flat["positive_mask"], 3.0, flat.get("k"), flat.get("top_fraction"), 0
        )
        flat["min_kept"] = 0
        np.testing.assert_array_equal(select_hard_examples(losses.ravel(), segments=shuffled, **flat), expected)


def published_ssd(losses, positive, ratio=3):
    """The rule of the code published with SSD: positives' losses set to 0, two sorts for the rank, clamped count."""
    ranked = np.where(positive, 0, losses)
    rank = np.argsort(np.argsort(-ranked, axis=1, kind="stable"), axis=1, kind="stable")
    count = np.minimum(ratio * positive.sum(axis=1, keepdims=True), losses.shape[1] - 1)
    return positive | (rank < count)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.2, 0.5, 1.0])
def test_ssd_is_the_published_rule(rng, share):
    losses = rng.exponential(size=(16, 200)) + 1e-9  # of loss 0 are only positives
    losses[3:6] = np.round(losses[3:6] + 1)  # with ties
    positive = rng.random(losses.shape) < share
    np.testing.assert_array_equal(select_hard_examples(losses, positive_mask=positive), published_ssd(losses, positive))


def test_an_image_without_positives_learns_from_min_kept():
    losses = np.array([[0.3, 0.1, 0.2], [0.3, 0.1, 0.2]])
    positive = np.array([[False] * 3, [False, True, False]])
    assert not select_hard_examples(losses, positive_mask=positive)[0].any()
    kept = select_hard_examples(losses, positive_mask=positive, neg_pos_ratio=0, min_kept=1)
    assert kept.tolist() == [[True, False, False], [True, True, False]]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_zeros_of_both_signs_are_equal(dtype):
    assert select_hard_examples(np.array([-0.0, 0.0, -0.0, -1.0], dtype), k=1).tolist() == [True, False, False, False]
    assert select_hard_examples(np.array([0.0, -0.0, -np.inf, np.inf], dtype), k=2).tolist() == [True, False, False, True]


def test_fractions_count_as_they_are_written():
    losses = np.zeros(100)
    for fraction in (0.29, 0.57, 0.07, np.float32(0.29), np.float64(0.58)):
        assert int(float(str(fraction)) * 100) != round(float(str(fraction)) * 100) or fraction == 0.07
        assert select_hard_examples(losses, top_fraction=fraction).sum() == round(float(str(fraction)) * 100)


@pytest.mark.parametrize("shape", [(0,), (0, 5), (5, 0)])
def test_nothing_to_select(shape):
    assert select_hard_examples(np.empty(shape), k=3).shape == shape
    mask = np.empty(shape, bool)
    assert select_hard_examples(np.empty(shape), positive_mask=mask, min_kept=2).shape == shape


def test_tensors_in_tensors_out():
    losses = torch.tensor([[1.0, 3.0, 2.0]], dtype=torch.bfloat16, requires_grad=True)
    found = select_hard_examples(losses, positive_mask=torch.tensor([[True, False, False]]), neg_pos_ratio=1)
    assert isinstance(found, torch.Tensor) and found.dtype == torch.bool and found.tolist() == [[True, True, False]]
    assert losses[found].sum().item() == 4.0


L = np.ones(4)
M = np.ones(4, bool)
BAD = [
    (lambda: select_hard_examples(L.astype(int), k=1), TypeError, "losses: expected floating-point numbers, got int64"),
    (
        lambda: select_hard_examples(1.0, k=1),
        ValueError,
        "losses: expected an array of shape (n,) or (images, n), got shape ()",
    ),
    (lambda: select_hard_examples(np.ones((1, 1, 1)), k=1), ValueError, "got shape (1, 1, 1)"),
    (lambda: select_hard_examples([[1.0, 2.0], [np.nan, 0]], k=1), ValueError, "losses: expected numbers, got NaN at (1, 0)"),
    (
        lambda: select_hard_examples(torch.ones(4, device="meta"), k=1),
        RuntimeError,
        "losses: expected a tensor that holds",
    ),
    (lambda: select_hard_examples(L), ValueError, "k: expected k, top_fraction or positive_mask, got none of them"),
    (lambda: select_hard_examples(L, k=1, top_fraction=0.5), ValueError, "top_fraction: expected None beside k, got both"),
    (lambda: select_hard_examples(L, positive_mask=M, k=1), ValueError, "k: expected None beside positive_mask, whose rule"),
    (lambda: select_hard_examples(L, positive_mask=M, top_fraction=1), ValueError, "top_fraction: expected None beside"),
    (lambda: select_hard_examples(L, positive_mask=L), TypeError, "positive_mask: expected bool, got float64"),
    (
        lambda: select_hard_examples(L, positive_mask=M[:2]),
        ValueError,
        "positive_mask: expected the shape of losses, (4,), got (2,)",
    ),
    (lambda: select_hard_examples(L, positive_mask=M, neg_pos_ratio=-1), ValueError, "neg_pos_ratio: expected at least 0"),
    (lambda: select_hard_examples(L, positive_mask=M, neg_pos_ratio=np.inf), ValueError, "neg_pos_ratio: expected at least 0"),
    (
        lambda: select_hard_examples(L, positive_mask=M, neg_pos_ratio="3"),
        TypeError,
        "neg_pos_ratio: expected a number, got str",
    ),
    (lambda: select_hard_examples(L, k=0), ValueError, "k: expected at least 1, got 0"),
    (lambda: select_hard_examples(L, k=2.0), TypeError, "k: expected an integer, got float"),
    (lambda: select_hard_examples(L, k=2**64), None, None),
    (lambda: select_hard_examples(np.ones(5, np.float32), k=2**64, min_kept=2**70), None, None),
    (lambda: select_hard_examples(L, top_fraction=1.1), ValueError, "top_fraction: expected 0 to 1 and finite, got 1.1"),
    (lambda: select_hard_examples(L, top_fraction=True), TypeError, "top_fraction: expected a number, got bool"),
    (lambda: select_hard_examples(L, k=1, min_kept=-1), ValueError, "min_kept: expected at least 0, got -1"),
    (lambda: select_hard_examples(L, k=1, min_kept=1.0), TypeError, "min_kept: expected an integer, got float"),
    (
        lambda: select_hard_examples(L, k=1, segments=[1, 2]),
        ValueError,
        "segments: expected 4 labels, one for each row of losses",
    ),
    (lambda: select_hard_examples(L, k=1, segments=L), TypeError, "segments: expected integers or strings, got float64"),
    (
        lambda: select_hard_examples(np.ones((2, 2)), k=1, segments=[1, 2]),
        ValueError,
        "segments: expected None beside losses of",
    ),
]


@pytest.mark.parametrize("call, error, message", BAD)
def test_bad_input(call, error, message):
    if error is None:  # more than there are is all of them, however many
        assert call().all()
        return
    with pytest.raises(error, match=re.escape(message)):
        call()
