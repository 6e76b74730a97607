"""Triplets by relevance: reservoirs against their definition, every draw against its law by chi-squared.

Each statistical test has a fixed seed, and would fail with probability FALSE_ALARM were the seed drawn anew.
"""

import itertools
import pickle

import numpy as np
import pytest
import scipy.stats

from hardmine import _random
from hardmine.mining.deep_ranking.relevance import total_relevance
from hardmine.mining.deep_ranking.relevance_triplets import CLOCK, RelevanceTripletSampler
from optional_torch import torch
from refusals import assert_refused

FALSE_ALARM = 1e-6


def assert_law(drawn, law):
    """`drawn` outcomes follow `law`, a dict of probabilities; cells of fewer than 5 expected draws are pooled."""
    assert set(drawn) <= {outcome for outcome, p in law.items() if p > 0}
    counts = dict.fromkeys(law, 0)
    for outcome in drawn:
        counts[outcome] += 1
    expected = np.array(list(law.values())) * len(drawn) / sum(law.values())
    observed = np.array(list(counts.values()))
    small = expected < 5
    if small.any():
        expected = np.append(expected[~small], expected[small].sum())
        observed = np.append(observed[~small], observed[small].sum())
    used = expected > 0
    assert scipy.stats.chisquare(observed[used], expected[used]).pvalue > FALSE_ALARM


def in_class_law(relevance, cap=np.inf, margin=0.0):
    """P(query, positive, negative) within one category, by three loops; zero where a draw must be repeated."""
    n = len(relevance)
    r = relevance * (1 - np.eye(n))
    capped = np.minimum(r, cap)
    law = {}
    for i, j in np.argwhere(capped > 0).tolist():
        first_two = r[i].sum() / r.sum() * capped[i, j] / capped[i].sum()
        allowed = [k for k in range(n) if k not in (i, j) and r[i, j] - r[i, k] >= margin]
        total = sum(capped[i, k] for k in allowed)
        for k in allowed:
            law[i, j, k] = first_two * capped[i, k] / total if total > 0 else 0.0
    return law


def triplets(sampler, n):
    return list(zip(*(column.tolist() for column in sampler.sample(n))))


def different(ids_a, ids_b):
    return (ids_a[:, None] != ids_b).astype(float)


def symmetric(rng, n):
    half = rng.exponential(size=(n, n)).round(2)
    return half + half.T


@pytest.mark.parametrize("seed", range(6))
def test_the_reservoir_is_the_largest_keys_whatever_the_batches(seed):
    rng = np.random.default_rng(seed)
    n, capacity = 200, 7
    ids, categories = rng.permutation(1000)[:n], rng.choice(["a", "b", "c", "d"], n, p=[0.6, 0.3, 0.08, 0.02])
    w = rng.exponential(size=n) * rng.integers(0, 3, n)  # a third of them never rings
    w[categories == "c"] = 0
    u = 1 - _random.uniform(seed, CLOCK, ids, 0)
    samplers = []
    for batches in (1, 3, 50):
        order = rng.permutation(n)
        sampler = RelevanceTripletSampler(capacity, out_of_class_ratio=0.5, pairwise_relevance=different, seed=seed)
        for part in np.array_split(order, batches):
            sampler.update(ids[part], categories[part], relevance=w[part])
        samplers.append(sampler)
    for name in np.unique(categories):
        mine = np.flatnonzero(categories == name)
        key = {i: np.log(u[i]) / w[i] if w[i] > 0 else -np.inf for i in mine}
        best = sorted(mine, key=lambda i: (-key[i], -u[i]))[:capacity]
        for sampler in samplers:
            assert sampler.reservoirs[name].tolist() == ids[best].tolist()
    first, *others = (triplets(sampler, 300) for sampler in samplers)
    assert all(other == first for other in others)


def test_inclusion_has_the_law_of_successive_sampling():
    """20,000 categories of the same five weights: the sets that stay, against the sum over both orders of drawing them."""
    w, categories, capacity = np.array([1.0, 2.0, 3.0, 4.0, 10.0]), 20_000, 2
    sampler = RelevanceTripletSampler(capacity, out_of_class_ratio=0.0, pairwise_relevance=different)
    ids = np.arange(5 * categories)
    sampler.update(ids, ids // 5, relevance=np.tile(w, categories))
    law = {
        (i, j): w[i] / w.sum() * w[j] / (w.sum() - w[i]) + w[j] / w.sum() * w[i] / (w.sum() - w[j])
        for i, j in itertools.combinations(range(5), 2)
    }
    assert np.isclose(sum(law.values()), 1)
    assert_law([tuple(sorted((kept % 5).tolist())) for kept in sampler.reservoirs.values()], law)


@pytest.mark.parametrize("cap", [None, 0.7])
@pytest.mark.parametrize("margin", [0.0, 1.0])
@pytest.mark.parametrize("kind", ["matrix", "callable"])
def test_in_class_triplets_have_the_law(rng, cap, margin, kind):
    n, draws = 6, 30_000
    r = symmetric(rng, n).round()  # equal relevances, and differences of just the margin
    source = r if kind == "matrix" else lambda a, b: r[a[:, None], b]
    sampler = RelevanceTripletSampler(
        n, out_of_class_ratio=0.0, pairwise_relevance=source, positive_cap=cap, negative_margin=margin, seed=5
    )
    sampler.update(np.arange(n), ["x"] * n)
    law = in_class_law(r, np.inf if cap is None else cap, margin)
    drawn = triplets(sampler, draws)
    assert len(drawn) == draws and sampler.given_up == 0
    assert_law(drawn, law)
    repeated = 1 - sum(law.values())  # of every draw, with the numbers of this law
    assert abs(sampler.redrawn / (draws + sampler.redrawn) - repeated) < 0.02
    assert (sampler.redrawn > 0) == (repeated > 1e-9)


def test_queries_and_positives_have_the_law_across_categories(rng):
    """Negatives from outside repeat no draw: queries by total relevance over all categories, positives by capped relevance."""
    sizes, cap, draws = [2, 5, 1, 9], 1.5, 40_000
    n = sum(sizes)
    categories = np.repeat(np.arange(4), sizes)
    r = symmetric(rng, n)
    sampler = RelevanceTripletSampler(9, out_of_class_ratio=1.0, pairwise_relevance=r, positive_cap=cap, seed=8)
    sampler.update(np.arange(n), categories)
    within = r * (categories[:, None] == categories) * (1 - np.eye(n))
    totals = within.sum(axis=1)
    drawn = triplets(sampler, draws)
    assert sampler.redrawn == sampler.given_up == 0
    assert_law([q for q, _, _ in drawn], dict(enumerate(totals)))
    capped = np.minimum(within, cap)
    joint = totals[:, None] * capped / np.maximum(capped.sum(axis=1, keepdims=True), 1e-9)
    assert_law([(q, p) for q, p, _ in drawn], {(i, j): joint[i, j] for i, j in np.ndindex(n, n)})
    for own in np.unique(categories[totals > 0]):
        outside = [n for q, _, n in drawn if categories[q] == own]
        assert_law(outside, {int(i): 1.0 for i in np.flatnonzero(categories != own)})


def test_the_share_of_negatives_from_outside(rng):
    x = rng.random((40, 3)).astype(np.float32)
    categories, draws, ratio = np.arange(40) % 2, 20_000, 0.3
    sampler = RelevanceTripletSampler(40, out_of_class_ratio=ratio, seed=2)
    sampler.update(np.arange(40), categories, embeddings=x)
    outside = sum(q % 2 != n % 2 for q, _, n in triplets(sampler, draws))
    assert scipy.stats.binomtest(outside, draws, ratio).pvalue > FALSE_ALARM


def test_products_have_the_law_of_their_matrix(rng):
    x = rng.normal(size=(6, 3)).astype(np.float32)
    r = np.maximum(x.astype(np.float64) @ x.T.astype(np.float64), 0)
    sampler = RelevanceTripletSampler(6, out_of_class_ratio=0.0, seed=4)
    sampler.update(np.arange(6), [1] * 6, embeddings=x)
    assert_law(triplets(sampler, 20_000), in_class_law(r))


def test_categories_beyond_their_reservoirs_keep_the_law():
    """Ten times as many images as places: weights undo most of what reservoirs do to the shares of three kinds of image."""
    size, capacity, categories, draws = 300, 30, 1000, 40_000
    kind = np.repeat([0, 1, 2], size // 3)
    value = np.array([0.2, 1.0, 5.0])[kind]
    total = value * (value.sum() - value)  # the relevance of two images is the product of their values
    sampler = RelevanceTripletSampler(
        capacity, out_of_class_ratio=1.0, pairwise_relevance=lambda a, b: np.outer(value[a % size], value[b % size]), seed=6
    )
    ids = np.arange(size * categories)
    for part in np.array_split(ids, 7):
        sampler.update(part, part // size, relevance=total[part % size])
    kept = np.concatenate(list(sampler.reservoirs.values()))
    assert len(kept) == capacity * categories
    positive_law = ((total / total.sum())[:, None] * value * (1 - np.eye(size)) / (value.sum() - value)[:, None]).sum(axis=0)
    query, positive, _ = sampler.sample(draws)
    for drawn, law in ((query, total), (positive, positive_law)):
        shares = np.bincount(kind, law) / law.sum()
        off = [np.abs(np.bincount(kind[ids % size]) / len(ids) - shares).max() for ids in (drawn, kept)]
        assert off[0] < 0.01 < 0.015 < off[1]


def test_images_outside_come_from_categories_by_what_they_have_seen():
    categories, draws = np.repeat([0, 1, 2], [10, 30, 60]), 20_000
    sampler = RelevanceTripletSampler(5, out_of_class_ratio=1.0, pairwise_relevance=different)
    sampler.update(np.arange(100), categories)
    drawn = [(categories[q], categories[n]) for q, _, n in triplets(sampler, draws)]
    for own, sizes in enumerate([{1: 30, 2: 60}, {0: 10, 2: 60}, {0: 10, 1: 30}]):
        assert_law([other for query, other in drawn if query == own], sizes)


def test_a_call_is_a_function_of_the_counter(rng):
    x, ids = rng.random((50, 4)).astype(np.float32), np.arange(50)
    sampler = RelevanceTripletSampler(20, out_of_class_ratio=0.5, negative_margin=0.3, seed=1)
    sampler.update(ids, ids % 3, embeddings=x, relevance=total_relevance(x, ids % 3))
    saved = pickle.loads(pickle.dumps(sampler))
    together = triplets(sampler, 400)
    assert sampler.draws == 400 and len(set(together)) > 100
    assert triplets(saved, 150) + triplets(saved, 250) == together
    saved.draws = 0
    assert triplets(saved, 400) == together
    other = RelevanceTripletSampler(20, out_of_class_ratio=0.5, negative_margin=0.3, seed=2)
    other.update(ids, ids % 3, embeddings=x, relevance=total_relevance(x, ids % 3))
    assert triplets(other, 400) != together


def test_what_cannot_be_drawn_is_given_up_and_counted():
    sampler = RelevanceTripletSampler(4, out_of_class_ratio=0.5, pairwise_relevance=np.ones((5, 5)), max_tries=3)
    sampler.update(np.arange(5), [0, 0, 1, 1, 2])  # no category has a third image
    drawn = triplets(sampler, 1000)
    assert sampler.draws == 1000 == len(drawn) + sampler.given_up and sampler.redrawn == 2 * sampler.given_up
    assert 400 < sampler.given_up < 600
    assert all(q // 2 == p // 2 != n // 2 for q, p, n in drawn)


def test_blocks_change_nothing(rng, monkeypatch):
    from hardmine.mining.deep_ranking import relevance, relevance_triplets

    x = rng.normal(size=(60, 4)).astype(np.float32)
    drawn = []
    for cells in (1 << 22, 64):
        monkeypatch.setattr(relevance, "CELLS", cells)
        monkeypatch.setattr(relevance_triplets, "CELLS", cells)
        sampler = RelevanceTripletSampler(30, out_of_class_ratio=0.3)
        sampler.update(np.arange(60), np.arange(60) % 2, embeddings=x)
        drawn.append(triplets(sampler, 200))
    assert drawn[0] == drawn[1]


def test_tensors_in_tensors_out():
    sampler = RelevanceTripletSampler(9, out_of_class_ratio=0.0)
    sampler.update(torch.arange(9), torch.zeros(9, dtype=torch.int64), embeddings=torch.rand(9, 3))
    assert all(isinstance(column, torch.Tensor) and column.dtype == torch.int64 for column in sampler.sample(4))


def made(**options):
    return RelevanceTripletSampler(
        **{"capacity": 4, "out_of_class_ratio": 0.5, "pairwise_relevance": np.ones((9, 9))} | options
    )


def shown(*arguments, before=(), sampler=None, **options):
    sampler = sampler or made()
    for call in before:
        sampler.update(*call)
    sampler.update(*arguments, **options)
    return sampler


X = np.ones((2, 3), np.float32)
BAD = [
    (lambda: made(capacity=0), ValueError, "capacity: expected at least 1, got 0"),
    (lambda: made(capacity=1), ValueError, "capacity: expected at least 2, a query and a positive, got 1"),
    (lambda: made(capacity=2.5), TypeError, "capacity: expected an integer, got float"),
    (lambda: made(out_of_class_ratio=1.5), ValueError, "out_of_class_ratio: expected 0 to 1 and finite, got 1.5"),
    (lambda: made(out_of_class_ratio="all"), TypeError, "out_of_class_ratio: expected a number, got str"),
    (lambda: made(positive_cap=0), ValueError, "positive_cap: expected more than 0, got 0"),
    (lambda: made(negative_margin=-1), ValueError, "negative_margin: expected at least 0 and finite, got -1"),
    (lambda: made(negative_margin=np.nan), ValueError, "negative_margin: expected at least 0 and finite, got nan"),
    (lambda: made(seed="x"), TypeError, "seed: expected an integer, got str"),
    (lambda: made(max_tries=0), ValueError, "max_tries: expected at least 1, got 0"),
    (
        lambda: made(pairwise_relevance=np.ones((2, 3))),
        ValueError,
        "pairwise_relevance: expected a callable or an array of shape",
    ),
    (
        lambda: made(pairwise_relevance=-np.ones((2, 2))),
        ValueError,
        "pairwise_relevance: expected finite numbers of at least 0",
    ),
    (lambda: made(pairwise_relevance=np.array([["a"]])), TypeError, "pairwise_relevance: expected numbers, got <U1"),
    (lambda: shown([0.5], [1]), TypeError, "ids: expected integers, got float64"),
    (lambda: shown([-1], [1]), ValueError, "ids: expected at least 0, got -1"),
    (lambda: shown([9], [1]), ValueError, "ids: expected 0 to 8, rows of pairwise_relevance, got 9"),
    (lambda: shown([3, 1, 3], [1, 1, 2]), ValueError, "ids: expected each image once, got 3 twice"),
    (lambda: shown([3], [1], [1.0], before=[([3], [1], [1.0])]), ValueError, "ids: expected each image once, got 3 again"),
    (lambda: shown([3], [1, 2]), ValueError, "categories: expected 1 labels, one for each row of ids"),
    (lambda: shown([3, 4], [1, 2], [1.0]), ValueError, "relevance: expected shape (2,), got (1,)"),
    (lambda: shown([3], [1], [np.inf]), ValueError, "relevance: expected finite numbers of at least 0, got inf"),
    (
        lambda: shown([4], [1], before=[([3], [1])]),
        ValueError,
        "relevance: expected totals in every call that shows category 1",
    ),
    (lambda: shown([4], [1], [1.0], before=[([3], [1])]), ValueError, "relevance: expected totals in every call"),
    (
        lambda: shown([3, 4], [1, 2], embeddings=X),
        ValueError,
        "embeddings: expected None beside pairwise_relevance, got an array",
    ),
    (lambda: shown([3], [1], sampler=made(pairwise_relevance=None)), ValueError, "embeddings: expected an array, or pairwise"),
    (
        lambda: shown([3], [1], None, X, sampler=made(pairwise_relevance=None)),
        ValueError,
        "embeddings: expected 1 rows, one for",
    ),
    (
        lambda: shown([3], [1], None, X[:1, :2], before=[([1, 2], [0, 0], None, X)], sampler=made(pairwise_relevance=None)),
        ValueError,
        "embeddings: expected rows of 3 numbers as before, got 2",
    ),
    (
        lambda: shown([3], [1], None, X[:1] * np.float32(np.nan), sampler=made(pairwise_relevance=None)),
        ValueError,
        "embeddings: expected finite numbers, got NaN or infinity in row 0",
    ),
    (lambda: made().sample(5), ValueError, "sample: expected a category with two images of relevance above 0, got none"),
    (lambda: shown([3], [1], [1.0]).sample(5), ValueError, "sample: expected a category with two images of relevance above 0"),
    (lambda: shown([3, 4], [1, 1]).sample(5), ValueError, "sample: expected a second category for negatives"),
    (lambda: shown([3, 4], [1, 1]).sample(0), ValueError, "n: expected at least 1, got 0"),
    (
        lambda: shown([3, 4], [1, 1], sampler=made(pairwise_relevance=lambda a, b: np.ones(2))),
        ValueError,
        "pairwise_relevance: expected shape (2, 2), got (2,)",
    ),
]


@pytest.mark.parametrize("call, error, message", BAD)
def test_bad_input(call, error, message):
    assert_refused(call, error, message)


def test_a_refused_update_changes_nothing():
    sampler = shown([1, 2], ["a", "a"])
    with pytest.raises(ValueError, match="totals in every call"):
        sampler.update([3, 4], ["b", "a"])
    assert list(sampler.reservoirs) == ["a"]
