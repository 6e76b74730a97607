"""Triplets against loops over all of them: strategies, types, ties, masks, several labels; memory, seeds, laws."""

import tracemalloc

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

import reference
from batch_reference import STRATEGY_PAIRS, batches, brute_force, easy_hard, everything, known, listed, of_type, ranked
from hardmine.mining.batch.triplets import STRATEGIES, mine_triplets
from optional_torch import torch


@hypothesis.given(batches(), st.sampled_from(reference.METRICS), st.sampled_from([0.0, 0.2, 1.0, -1.0, np.inf]))
def test_all_triplets_of_each_type(problem, metric, margin):
    batch, mask = problem
    parts = []
    for kind in ("all", "hard", "semihard", "easy"):
        found = listed(mine_triplets(*batch, type_of_triplets=kind, margin=margin, metric=metric, pair_mask=mask))
        assert found == brute_force(*known(batch, mask, metric), everything, kind, margin)
        parts.append(found)
    if margin >= 0:
        assert sorted(parts[1] + parts[2]) == parts[0]


@hypothesis.given(batches(), st.sampled_from([1, 2, (1, 3), (2, 2), [2, 9]]), st.sampled_from([1, 3, (2, 4)]))
def test_batch_hard(problem, n_positive, n_negative):
    batch, mask = problem

    def propose(row, positives, negatives):
        (p0, p1), (n0, n1) = ((0, k) if isinstance(k, int) else (k[0] - 1, k[1]) for k in (n_positive, n_negative))
        return ranked(row, positives, True)[p0:p1], ranked(row, negatives, False)[n0:n1]

    for kind in (None, "all", "semihard", "easy"):
        found = mine_triplets(
            *batch,
            strategy="batch_hard",
            n_positive=n_positive,
            n_negative=n_negative,
            type_of_triplets=kind,
            pair_mask=mask,
        )
        assert listed(found) == brute_force(*known(batch, mask), propose, kind)


@hypothesis.given(batches(), st.sampled_from(STRATEGY_PAIRS), st.sampled_from([None, (0.0, 2.0), (1.0, 1.0)]))
def test_batch_easy_hard(problem, strategies, allowed):
    batch, mask = problem

    def propose(row, positives, negatives):
        low, high = allowed or (-np.inf, np.inf)
        inside = [[j for j in side if low <= row[j] <= high] for side in (positives, negatives)]
        return easy_hard(row, *inside, *strategies)

    for kind in (None, "all", "hard"):
        found = mine_triplets(
            *batch,
            strategy="batch_easy_hard",
            pos_strategy=strategies[0],
            neg_strategy=strategies[1],
            allowed_pos_range=allowed,
            allowed_neg_range=allowed,
            type_of_triplets=kind,
            pair_mask=mask,
        )
        assert listed(found) == brute_force(*known(batch, mask), propose, kind)


@hypothesis.given(batches(), st.sampled_from(STRATEGIES), st.integers(1, 40), st.integers(0, 2**70))
def test_a_sample_is_a_part_of_all(problem, strategy, most, seed):
    batch, mask = problem
    options = {"strategy": strategy, "pair_mask": mask, "seed": seed}
    found = listed(mine_triplets(*batch, **options))
    sample = listed(mine_triplets(*batch, **options, max_triplets=most))
    assert sample == sorted(sample) and len(sample) == min(most, len(found))
    remaining = list(found)
    for triplet in sample:
        remaining.remove(triplet)  # each as often as it was there
    assert sample == listed(mine_triplets(*batch, **options, max_triplets=most))


@pytest.mark.parametrize("many", [False, True])
def test_large_blocks_written_in_both_ways(rng, monkeypatch, many):
    """More blocks than one, where most negatives pass and where few do."""
    monkeypatch.setattr("hardmine.mining.batch.triplet_spans.CELLS", 500)
    monkeypatch.setattr("hardmine.mining.batch.pair_rules.CELLS", 500)
    x, labels = rng.standard_normal((90, 4)).astype(np.float32), rng.integers(0, 9 if many else 2, 90)
    mask = rng.random((90, 90)) < (1.0 if many else 0.3)
    for kind, margin in (("all", 0.3), ("semihard", 0.02), ("easy", 2.5), ("easy", 0.0)):
        found = mine_triplets(x, labels, type_of_triplets=kind, margin=margin, pair_mask=mask)
        assert listed(found) == brute_force(*known((x, labels, None, None), mask), everything, kind, margin)


def test_sample_is_uniform(rng):
    x, labels = rng.standard_normal((6, 2)).astype(np.float32), [0, 0, 0, 1, 1, 1]
    total = len(mine_triplets(x, labels, margin=np.inf)[0])
    for most in (5, total - 5):
        counts = np.zeros((6, 6, 6), int)
        for seed in range(800):
            counts[mine_triplets(x, labels, margin=np.inf, max_triplets=most, seed=seed)] += 1
        counts, expected = counts[counts > 0], 800 * most / total
        variance = expected * (1 - most / total)
        assert len(counts) == total and ((counts - expected) ** 2).sum() / variance < 36 + 5 * np.sqrt(72)


def test_a_smaller_sample_is_a_part_of_a_larger_one(rng):
    x, labels = rng.standard_normal((40, 3)).astype(np.float32), rng.integers(0, 4, 40)
    few, more = (set(listed(mine_triplets(x, labels, max_triplets=k, seed=5))) for k in (20, 200))
    assert few < more != set(listed(mine_triplets(x, labels, max_triplets=200, seed=6)))


def sphere(rng, n, d, clusters):
    x = rng.standard_normal((clusters, d))[np.arange(n) % clusters] + 0.8 * rng.standard_normal((n, d))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def weights(x, anchor, negatives, cutoff=0.5):
    """The law of Wu et al. in logarithms of longdouble."""
    d = np.maximum(np.linalg.norm(x[anchor] - x[negatives].astype(np.longdouble), axis=1), cutoff)
    width = x.shape[1]
    logs = (2 - width) * np.log(d) - (width - 3) / 2 * np.log(1 - d**2 / 4)
    logs[d >= 1.4] = -np.inf
    w = np.exp(logs - logs.max())
    return (w / w.sum()).astype(float)


@pytest.mark.slow
@pytest.mark.parametrize("d", [3, 16, 512])
def test_law_of_distance_weighted_draws(rng, d):
    x, labels, draws = sphere(rng, 24, d, 3), np.arange(24) % 12, 20_000
    assert (np.linalg.norm(x[:, None] - x, axis=2) < 1.4).sum() > 100
    a, p, n = mine_triplets(x, labels, strategy="distance_weighted", triplets_per_anchor=draws, seed=3)
    assert (labels[a] == labels[p]).all() and (labels[a] != labels[n]).all() and (a != p).all()
    for anchor in range(4):
        negatives = np.flatnonzero(labels != labels[anchor])
        expected = draws * weights(x, anchor, negatives)
        counts = np.bincount(n[a == anchor], minlength=24)[negatives]
        likely = expected > 5
        assert counts.sum() == draws and counts[~likely].sum() <= expected[~likely].sum() + 30
        statistic = ((counts - expected)[likely] ** 2 / expected[likely]).sum()
        assert statistic < likely.sum() + 5 * np.sqrt(2 * likely.sum()), (anchor, statistic)


def test_no_row_is_without_draws_in_512_dimensions(rng):
    """Weights of one row may be e**-400 of another's; in floats they would all be zero."""
    x = sphere(rng, 60, 512, 60)
    x[1::3] = x[::3] + 0.01 * x[1::3]  # one near neighbour for a third of the rows
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    a, _, _ = mine_triplets(x, np.arange(60) // 3 % 10 + 100 * (np.arange(60) % 3 == 1), strategy="distance_weighted")
    near = (np.linalg.norm(x[:, None] - x, axis=2) < 1.39).sum(axis=1) > 6
    assert near.sum() > 10 and np.isin(np.flatnonzero(near), a).all()


def test_draws_are_as_many_as_rows_of_the_label(rng):
    x, labels = sphere(rng, 30, 8, 2), np.repeat(np.arange(10), 3)
    assert len(mine_triplets(x, labels, strategy="distance_weighted", nonzero_loss_cutoff=2)[0]) == 30 * 3
    found = mine_triplets(x, labels, x, labels, strategy="distance_weighted", nonzero_loss_cutoff=2)
    assert len(found[0]) == 30 * 3 and (found[0] == found[1]).any()  # beside references a row may be its own positive


def test_draws_of_a_type(rng):
    x, labels = sphere(rng, 40, 8, 4), rng.integers(0, 6, 40)
    every = listed(mine_triplets(x, labels, strategy="distance_weighted"))
    found = listed(mine_triplets(x, labels, strategy="distance_weighted", type_of_triplets="semihard", margin=0.3))
    d = reference.rounded(x, x, "euclidean")
    assert found == [(a, p, n) for a, p, n in every if of_type("semihard", d[a, p], d[a, n], 0.3)] != []


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_rows_mined_alone_or_together(rng, monkeypatch, strategy):
    x, labels = sphere(rng, 40, 16, 4), rng.integers(0, 6, 40)
    together = listed(mine_triplets(x, labels, strategy=strategy, seed=9))
    monkeypatch.setattr("hardmine.mining.batch.distance_draws.CELLS", 100)
    alone = []
    for row in range(40):
        mask = np.zeros((40, 40), bool)
        mask[row] = True
        alone += listed(mine_triplets(x, labels, strategy=strategy, seed=9, pair_mask=mask, threads=1))
    assert alone == together != []


def test_draws_depend_on_the_seed(rng):
    x, labels = sphere(rng, 40, 16, 4), rng.integers(0, 6, 40)
    one, same, other = (listed(mine_triplets(x, labels, strategy="distance_weighted", seed=s)) for s in (1, 1, 2))
    assert one == same != other


def test_memory_is_that_of_pairs(rng):
    """2,000 rows: a bit for each triplet of anchors, positives and negatives would take 1 GB, a byte 8 GB."""
    x, labels = rng.standard_normal((2000, 16)).astype(np.float32), np.arange(2000) % 2
    for options in ({"type_of_triplets": "semihard", "margin": 1e-6}, {"margin": np.inf, "max_triplets": 1000}):
        tracemalloc.start()
        found = mine_triplets(x, labels, **options)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert 0 < len(found[0]) < 100_000 and peak < 60 * 2000**2, peak


def test_kinds_of_input(rng):
    x, labels = rng.standard_normal((20, 5)).astype(np.float32), rng.integers(0, 4, 20)
    expected = listed(mine_triplets(x, labels))
    one_hot = np.eye(4, dtype=bool)[labels]
    for given in (labels.astype(str), labels.tolist(), one_hot, one_hot * 1.0):
        assert listed(mine_triplets(x, given)) == expected
    strided = np.zeros((20, 10), np.float64)
    strided[:, ::2] = x
    assert listed(mine_triplets(strided[:, ::2], labels)) == expected


def test_tensors_in_tensors_out(rng):
    x, labels = rng.standard_normal((20, 5)).astype(np.float32), rng.integers(0, 4, 20)
    expected = listed(mine_triplets(x, labels))
    for given in (torch.tensor(labels), torch.tensor(np.eye(4, dtype=bool)[labels])):
        assert listed(mine_triplets(x, given)) == expected
    found = mine_triplets(torch.tensor(x, requires_grad=True), torch.tensor(labels), pair_mask=torch.ones(20, 20, dtype=bool))
    assert all(isinstance(part, torch.Tensor) and part.dtype == torch.int64 for part in found)
    assert list(zip(*(part.tolist() for part in found))) == expected
