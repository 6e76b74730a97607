"""Pairs against loops over all of them: rules, ties, masks, several labels; the law of the histogram; seeds."""

import math

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

import reference
from batch_reference import batches, known
from hardmine.mining.batch.pairs import RULES, mine_pairs
from optional_torch import torch


def listed(found):
    assert len(found) == 4 and all(part.dtype == np.int64 and part.ndim == 1 for part in found)
    parts = [part.tolist() for part in found]
    return list(zip(*parts[:2])), list(zip(*parts[2:]))


def pairs_of(mask):
    return [(i, j) for i, row in enumerate(mask.tolist()) for j, allowed in enumerate(row) if allowed]


thresholds = st.sampled_from([-1.0, 0.0, 0.2, 1.0, 1.5, math.sqrt(2)])


@hypothesis.given(batches(), thresholds, thresholds, st.sampled_from(reference.METRICS))
def test_margin(problem, pos_margin, neg_margin, metric):
    batch, mask = problem
    d, positive, negative = known(batch, mask, metric)
    found = listed(mine_pairs(*batch, pos_margin=pos_margin, neg_margin=neg_margin, metric=metric, pair_mask=mask))
    assert found[0] == [(i, j) for i, j in pairs_of(positive) if float(d[i, j]) > pos_margin]
    assert found[1] == [(i, j) for i, j in pairs_of(negative) if float(d[i, j]) < neg_margin]


@hypothesis.given(batches(), thresholds | st.just(math.inf), st.sampled_from(["cosine", "euclidean"]))
def test_multi_similarity(problem, epsilon, metric):
    batch, mask = problem
    d, positive, negative = known(batch, mask, metric)
    near = [min([float(d[i, j]) for j in np.flatnonzero(row)], default=math.inf) for i, row in enumerate(negative)]
    far = [max([float(d[i, j]) for j in np.flatnonzero(row)], default=-math.inf) for i, row in enumerate(positive)]
    found = listed(mine_pairs(*batch, rule="multi_similarity", epsilon=epsilon, metric=metric, pair_mask=mask))
    assert found[0] == [(i, j) for i, j in pairs_of(positive) if float(d[i, j]) > near[i] - epsilon]
    assert found[1] == [(i, j) for i, j in pairs_of(negative) if float(d[i, j]) < far[i] + epsilon]


@hypothesis.given(batches(), st.sampled_from([0.01, 0.3, 0.5, 1.0]))
def test_hdc(problem, share):
    batch, mask = problem
    d, *candidates = known(batch, mask)
    found = listed(mine_pairs(*batch, rule="hdc", filter_percentage=share, pair_mask=mask))
    for pairs, allowed, sign in zip(found, candidates, (-1, 1)):
        ordered = sorted(pairs_of(allowed), key=lambda pair: (sign * d[pair], pair))
        assert pairs == sorted(ordered[: math.ceil(share * len(ordered))])


@hypothesis.given(batches(), st.integers(1, 7), st.integers(1, 5), st.integers(0, 3))
def test_uniform_histogram(problem, bins, per_bin, seed):
    batch, mask = problem
    d, *candidates = known(batch, mask)
    options = {"rule": "uniform_histogram", "num_bins": bins, "pos_per_bin": per_bin, "neg_per_bin": 2, "seed": seed}
    found = listed(mine_pairs(*batch, **options, pair_mask=mask))
    for pairs, allowed, number in zip(found, candidates, (per_bin, 2)):
        edges = np.linspace(d[allowed].min(), d[allowed].max(), bins + 1, dtype=float) if allowed.any() else np.zeros(bins + 1)
        left = list(pairs)
        for b in range(bins):
            last = b == bins - 1
            inside = {
                p for p in pairs_of(allowed) if edges[b] <= d[p] and (d[p] <= edges[b + 1] if last else d[p] < edges[b + 1])
            }
            if inside:
                drawn, left = left[:number], left[number:]
                assert len(drawn) == number and set(drawn) <= inside
        assert left == []
    assert found == listed(mine_pairs(*batch, **options, pair_mask=mask))


def test_histogram_draws_evenly_within_a_bin(rng):
    x = rng.standard_normal((12, 2)).astype(np.float32)
    found = listed(mine_pairs(x, np.arange(12) % 2, rule="uniform_histogram", num_bins=1, pos_per_bin=60_000, seed=4))
    _, counts = np.unique(np.array(found[0]) @ [12, 1], return_counts=True)
    assert len(counts) == 60 and ((counts - 1000) ** 2 / 1000).sum() < 59 + 5 * math.sqrt(2 * 59)
    other = listed(mine_pairs(x, np.arange(12) % 2, rule="uniform_histogram", num_bins=1, pos_per_bin=60_000, seed=5))
    assert found[0] != other[0] and found[0] != found[1]


@pytest.mark.parametrize("rule", RULES)
def test_tensors_in_tensors_out(rng, rule):
    x, labels = rng.standard_normal((20, 5)).astype(np.float32), rng.integers(0, 4, 20)
    expected = mine_pairs(x, labels, x[:9], labels[:9], rule=rule)
    found = mine_pairs(torch.tensor(x), torch.tensor(labels), torch.tensor(x[:9]), torch.tensor(labels[:9]), rule=rule)
    for part, same in zip(found, expected):
        assert isinstance(part, torch.Tensor) and part.dtype == torch.int64
        np.testing.assert_array_equal(part, same)
