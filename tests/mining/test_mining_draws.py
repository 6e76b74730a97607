"""The law of every draw of mining, by Pearson's test of frequencies."""

import numpy as np
import pytest
from scipy import stats as laws

import reference
from hardmine import mine_hard_negatives


def similarities(queries, base):
    return 1 - reference.rounded(queries, base, "cosine")


def first_draws(x, base, strategy, params, draws, **options):
    """How often each base row is drawn first: one query repeated, one negative each."""
    queries = np.repeat(x[:1], draws, axis=0)
    mined = mine_hard_negatives(
        queries, base, num_negatives=1, sampling_strategy=strategy, sampling_params=params, range_max=len(base), **options
    )
    return np.bincount(mined.indices[:, 0], minlength=len(base))


@pytest.mark.parametrize(
    "strategy, params",
    [
        ("random", {}),
        ("softmax", {"temperature": 0.5}),
        ("violating", {"margin": 0.3}),
        ("ambiguous", {"a": 2.0, "b": 0.1}),
        ("distance_weighted", {"cutoff": 0.5, "beyond": 1.4}),
    ],
)
@pytest.mark.parametrize("d", [3, 512])
def test_the_law_of_a_draw(rng, strategy, params, d):
    """Pearson's test of first draws; with fixed seeds a p-value below 1e-4 would be a mistake, not chance."""
    x = rng.standard_normal((1, d)).astype(np.float32)
    base = rng.standard_normal((30, d)).astype(np.float32)
    base[:20] += x * rng.uniform(0.2, 2, (20, 1)).astype(np.float32)
    positive = 3
    draws = 20_000
    counts = first_draws(x, base, strategy, params, draws, positives=np.full(draws, positive))
    s = similarities(x, base)[0].astype(np.float64)
    p = s[positive]
    distance = np.sqrt(2 * (1 - s))
    clipped = np.maximum(distance, 0.5)
    log_weight = {
        "random": lambda: np.zeros(30),
        "softmax": lambda: s / 0.5,
        "violating": lambda: np.where(s > p - 0.3, 0.0, -np.inf),
        "ambiguous": lambda: -2.0 * (s - p - 0.1) ** 2,
        "distance_weighted": lambda: np.where(
            distance < 1.4, (2 - d) * np.log(clipped) - (d - 3) / 2 * np.log(1 - clipped**2 / 4), -np.inf
        ),
    }[strategy]()
    log_weight[positive] = -np.inf
    weight = np.exp(log_weight - log_weight.max())
    expected = draws * weight / weight.sum()
    assert counts.sum() == draws and counts[expected == 0].sum() == 0
    often = expected >= 5
    pooled = np.append(counts[often], counts[~often].sum()), np.append(expected[often], expected[~often].sum())
    keep = pooled[1] > 0
    if (keep.sum() > 1 and pooled[1][-1] >= 1) or keep.sum() > 2:
        seen, wanted = pooled[0][keep], pooled[1][keep]
        if wanted[-1] < 1:
            seen, wanted = seen[:-1], wanted[:-1] * seen[:-1].sum() / wanted[:-1].sum()
        assert laws.chisquare(seen, wanted).pvalue > 1e-4


def test_draws_without_replacement_follow_the_weights():
    """Of two negatives drawn from three, each pair has its exact probability."""
    x = np.array([[1.0, 0.0]], np.float32)
    base = np.array([[1.0, 0.1], [1.0, 0.8], [0.2, 1.0]], np.float32)
    draws = 30_000
    mined = mine_hard_negatives(
        np.repeat(x, draws, axis=0), base, num_negatives=2, sampling_strategy="softmax",
        sampling_params={"temperature": 0.4}, range_max=3,
    )  # fmt: skip
    w = np.exp(similarities(x, base)[0].astype(np.float64) / 0.4)
    w /= w.sum()
    pairs = {(a, b): w[a] * w[b] / (1 - w[a]) + w[b] * w[a] / (1 - w[b]) for a, b in ((0, 1), (0, 2), (1, 2))}
    seen = [((np.sort(mined.indices, axis=1) == pair).all(axis=1)).sum() for pair in pairs]
    assert laws.chisquare(seen, np.array(list(pairs.values())) * draws).pvalue > 1e-4


def test_random_negatives_are_uniform_and_allowed(rng):
    x = rng.standard_normal((1, 4)).astype(np.float32)
    base = rng.standard_normal((25, 4)).astype(np.float32)
    draws = 20_000
    labels = np.arange(25) % 5
    mined = mine_hard_negatives(
        np.repeat(x, draws, axis=0), base, query_labels=np.zeros(draws, int), base_labels=labels, num_negatives=1,
        random_ratio=1.0, exclude=[[1, 2]] * draws,
    )  # fmt: skip
    counts = np.bincount(mined.indices[:, 0], minlength=25)
    good = (labels != 0) & ~np.isin(np.arange(25), [1, 2])
    assert counts[~good].sum() == 0
    assert laws.chisquare(counts[good]).pvalue > 1e-4


def test_random_share_is_filled_wherever_rows_are_allowed(rng):
    x, base = rng.standard_normal((6, 4)).astype(np.float32), rng.standard_normal((4000, 4)).astype(np.float32)
    labels = np.zeros(4000, int)
    labels[[5, 70, 3000]] = 1  # three allowed rows of 4,000
    mined = mine_hard_negatives(
        x, base, query_labels=np.zeros(6, int), base_labels=labels, num_negatives=4, random_ratio=0.5, range_max=4
    )
    assert (np.sort(mined.indices, axis=1) == [-1, 5, 70, 3000]).all() and (mined.counts == 3).all()
    assert mined.stats["shortfall"] == 6
    window = {"max_score": 0.2, "min_score": -0.2}
    mined = mine_hard_negatives(x, base, num_negatives=10, random_ratio=0.6, max_per_label=7, query_labels=np.ones(6, int) * 9,
                                base_labels=np.arange(4000) % 3, **window)  # fmt: skip
    assert (mined.counts == 10).all() and (np.abs(mined.scores) <= 0.2).all()
    assert all(np.bincount(np.arange(4000)[row] % 3).max() <= 7 for row in mined.indices)
