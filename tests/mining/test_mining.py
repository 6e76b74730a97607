"""Hard negatives against brute force, limits on the returned scores, the near-duplicate protocol and split."""

import os
import pathlib

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

import hardmine
import mining_reference
import reference
from hardmine import mine_hard_negatives, sample_non_duplicate_split
from optional_torch import torch
from reference import METRICS


def brute_force(queries, base, metric, positive, labels=None, **options):
    return mining_reference.mined(reference.rounded(queries, base, metric), metric, positive, options, labels=labels)


def assert_mined(mined, expected):
    np.testing.assert_array_equal(mined.indices, expected[0])
    np.testing.assert_array_equal(mined.scores, expected[1])
    np.testing.assert_array_equal(mined.positive_scores, expected[2])
    np.testing.assert_array_equal(mined.counts, (expected[0] >= 0).sum(axis=1))


@pytest.fixture
def problem(rng):
    queries, base = rng.standard_normal((60, 8)).astype(np.float32), rng.standard_normal((500, 8)).astype(np.float32)
    return queries, base, rng.integers(0, 9, 60), rng.integers(0, 8, 500)  # label 8 has no positive


@pytest.mark.parametrize("metric", METRICS)
def test_labels(problem, metric):
    queries, base, q_label, b_label = problem
    mined = mine_hard_negatives(queries, base, query_labels=q_label, base_labels=b_label, metric=metric)
    assert_mined(mined, brute_force(queries, base, metric, q_label[:, None] == b_label[None, :]))
    assert mined.stats["without_positive"] == (q_label == 8).sum()


@pytest.mark.parametrize("form", ["ids", "tensor", "lists", "csr"])
def test_positives(problem, rng, form):
    queries, base, _, _ = problem
    lists = [rng.choice(500, 1 if form in ("ids", "tensor") else rng.integers(0, 40), replace=False) for _ in range(60)]
    positive = np.zeros((60, 500), bool)
    for i, p in enumerate(lists):
        positive[i, p] = True
    given = {
        "ids": lambda: [int(p[0]) for p in lists],
        "tensor": lambda: torch.tensor(np.concatenate(lists)),
        "lists": lambda: lists,
        "csr": lambda: (np.cumsum([0] + [len(p) for p in lists]), np.concatenate(lists)),
    }[form]()
    assert_mined(mine_hard_negatives(queries, base, positives=given), brute_force(queries, base, "cosine", positive))


def test_labels_and_positives_together_in_a_self_join(rng):
    x = rng.standard_normal((120, 6)).astype(np.float32)
    label, listed = rng.integers(0, 60, 120), rng.integers(0, 120, 120)
    positive = label[:, None] == label[None, :]
    positive[np.arange(120), listed] = True
    np.fill_diagonal(positive, False)
    mined = mine_hard_negatives(x, query_labels=label, positives=listed, metric="euclidean")
    distances = reference.rounded(x, x, "euclidean")
    allowed = ~positive
    _, indices = reference.topk(x, None, 5, "euclidean", allowed)
    np.testing.assert_array_equal(mined.indices, indices)
    known = np.where(positive, -distances, -np.inf).max(axis=1)
    np.testing.assert_array_equal(mined.positive_scores, np.where(positive.any(axis=1), known, np.nan))


LIMITS = [
    {"max_score": 0.3},
    {"max_score": 0.3, "min_score": 0.1},
    {"absolute_margin": 0.05},
    {"absolute_margin": -0.1},
    {"relative_margin": 0.05},
    {"relative_margin": 0.1, "max_score": 0.8, "min_score": -0.5},
    {"absolute_margin": 0.02, "relative_margin": 0.02},
]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("limits", LIMITS, ids=str)
def test_limits(problem, metric, limits):
    queries, base, q_label, b_label = problem
    if metric != "cosine":  # bring the scores limits into the range of these distances
        limits = {name: x * 5 - 4.5 if "score" in name else x for name, x in limits.items()}
    mined = mine_hard_negatives(queries, base, query_labels=q_label, base_labels=b_label, metric=metric, **limits)
    positive = q_label[:, None] == b_label[None, :]
    expected = brute_force(queries, base, metric, positive, **limits)
    assert_mined(mined, expected)
    assert mined.stats["shortfall"] == (expected[0] < 0).any(axis=1).sum()


@pytest.mark.parametrize("limit", [0.0, 0.8, 1.0, 0.99999994, -1.0, 1e-9, np.inf, -np.inf])
def test_limits_at_values_that_float32_rounds(rng, limit):
    x = rng.standard_normal((80, 3)).astype(np.float32)
    x[::4] = x[0] * (1 + 1e-4 * rng.standard_normal((20, 1)))  # scores that round to 1
    everything = np.zeros((80, 80), bool)
    mined = mine_hard_negatives(x, x, max_score=limit)
    assert_mined(mined, brute_force(x, x, "cosine", everything, max_score=limit))
    mined = mine_hard_negatives(x, x, min_score=limit)
    assert_mined(mined, brute_force(x, x, "cosine", everything, min_score=limit))


def test_relative_margin_is_safe_for_negative_scores():
    """The limit lies below the positive's score whatever its sign (sentence-transformers #3819)."""
    query, base = np.array([[1.0, 0.0]], np.float32), np.array([[-1.0, 1.0], [-0.9, 1.0], [-1.2, 1.0]], np.float32)
    mined = mine_hard_negatives(query, base, positives=[0], relative_margin=0.05, num_negatives=2)
    assert mined.positive_scores[0] < 0
    assert mined.indices.tolist() == [[2, -1]]


def test_max_per_label(problem):
    queries, base, q_label, b_label = problem
    mined = mine_hard_negatives(queries, base, query_labels=q_label, base_labels=b_label, max_per_label=1, num_negatives=8)
    positive = q_label[:, None] == b_label[None, :]
    assert_mined(mined, brute_force(queries, base, "cosine", positive, b_label, num_negatives=8, max_per_label=1))


def test_500_positives_nearer_than_any_negative_still_give_n(rng):
    """TREC-COVID's trouble (sentence-transformers #2818): no buffer is large enough, so there is none."""
    base = rng.standard_normal((2000, 4)).astype(np.float32)
    queries = rng.standard_normal((20, 4)).astype(np.float32)
    positives = [np.argsort(row)[:500] for row in reference.distances(queries, base, "cosine")]
    mined = mine_hard_negatives(queries, base, positives=positives, num_negatives=7)
    assert (mined.counts == 7).all()
    positive = np.zeros((20, 2000), bool)
    for i, p in enumerate(positives):
        positive[i, p] = True
    assert_mined(mined, brute_force(queries, base, "cosine", positive, num_negatives=7))


def test_queries_with_different_numbers_of_positives_use_their_own(rng):
    """Each margin refers to the query's own positives (a bug of sentence-transformers before 6)."""
    x = rng.standard_normal((40, 5)).astype(np.float32)
    positives = [list(range(41, 41 + i % 4)) for i in range(40)]
    base = np.concatenate([x, rng.standard_normal((10, 5))]).astype(np.float32)
    mined = mine_hard_negatives(x, base, positives=positives, absolute_margin=0.1)
    scores = 1 - reference.rounded(x, base, "cosine")
    for i, p in enumerate(positives):
        if p:
            assert mined.positive_scores[i] == scores[i, p].max()
            kept = mined.scores[i][mined.indices[i] >= 0]
            assert (kept.astype(np.float64) <= float(scores[i, p].max()) - 0.1).all()
        else:
            assert np.isnan(mined.positive_scores[i]) and mined.counts[i] == 0
    assert mined.stats["without_positive"] == 10


def test_near_duplicate_protocol(rng):
    """hn1 is the minimum of each row of the matrix, hn2 its five smallest (Morra and Lamberti)."""
    x = rng.standard_normal((1000, 10)).astype(np.float32)
    cluster = np.full(1000, -1)
    cluster[:100] = np.repeat(np.arange(50), 2)
    queries, base = sample_non_duplicate_split(cluster, 44, 800, seed=3)
    matrix = reference.rounded(x[queries], x[base], "euclidean")
    hn1 = mine_hard_negatives(x[queries], x[base], num_negatives=1, metric="euclidean")
    hn2 = mine_hard_negatives(x[queries], x[base], num_negatives=5, metric="euclidean")
    np.testing.assert_array_equal(-hn1.scores[:, 0], matrix.min(axis=1))
    np.testing.assert_array_equal(-hn2.scores, np.sort(matrix, axis=1)[:, :5])
    assert [len(array) for array in hn1.pairs()] == [44, 44]
    assert [len(array) for array in hn2.pairs()] == [220, 220]


@hypothesis.given(
    n=st.integers(2, 80), share=st.floats(0.05, 0.6), seed=st.integers(0, 2**32), strings=st.booleans(), lone=st.booleans()
)
def test_split_has_no_match_between_its_sides(n, share, seed, strings, lone):
    rng = np.random.default_rng(seed)
    group = rng.integers(-1 if lone else 0, max(1, n // 3), n)
    given = np.array([f"cluster {g}" for g in group]) if strings else group
    n_queries = max(1, int(share * n / 2))
    n_base = max(1, int(share * n / 2))
    try:
        queries, base = sample_non_duplicate_split(given, n_queries, n_base, seed=seed)
    except ValueError as error:
        assert "n_base" in str(error)
        return
    assert len(queries) == n_queries == len(np.unique(queries)) and len(base) == n_base == len(np.unique(base))
    assert not set(queries) & set(base)
    shared = set(group[queries]) & set(group[base])
    assert shared <= ({-1} if not strings else set())
    again = sample_non_duplicate_split(given, n_queries, n_base, seed=seed)
    np.testing.assert_array_equal(again[0], queries)
    np.testing.assert_array_equal(again[1], base)


def test_split_is_random_and_fails_where_it_must():
    group = np.arange(1000)
    drawn = {tuple(sample_non_duplicate_split(group, 3, 3, seed=s)[0]) for s in range(20)}
    assert len(drawn) == 20
    with pytest.raises(ValueError, match="n_base: expected at most 0 rows, all that match none of the queries, got 2"):
        sample_non_duplicate_split(np.zeros(10, int), 1, 2)
    with pytest.raises(ValueError, match="expected at most 10 rows, got 11"):
        sample_non_duplicate_split(np.arange(10), 5, 6)


def test_torch_in_torch_out(problem):
    queries, base, q_label, b_label = problem
    mined = mine_hard_negatives(
        torch.from_numpy(queries), torch.from_numpy(base), query_labels=torch.from_numpy(q_label), base_labels=b_label
    )
    expected = mine_hard_negatives(queries, base, query_labels=q_label, base_labels=b_label)
    for name in ("indices", "scores", "positive_scores", "counts"):
        array = getattr(mined, name)
        assert isinstance(array, torch.Tensor)
        np.testing.assert_array_equal(array.numpy(), getattr(expected, name))
    for tensor, array in zip(mined.pairs(), expected.pairs()):
        np.testing.assert_array_equal(tensor.numpy(), array)


def test_pairs_and_stats_by_hand():
    x = np.array([[0.0], [1.0], [3.0], [7.0]], np.float32)
    mined = mine_hard_negatives(x, query_labels=["a", "a", "b", "c"], num_negatives=2, metric="euclidean", max_score=-2.0)
    assert mined.indices.tolist() == [[2, 3], [2, 3], [1, 0], [2, 1]]
    rows, cols = mined.pairs()
    assert rows.tolist() == [0, 0, 1, 1, 2, 2, 3, 3] and cols.tolist() == [2, 3, 2, 3, 1, 0, 2, 1]
    assert mined.stats["negatives"] == 8 and mined.stats["shortfall"] == 0 and mined.stats["without_positive"] == 2
    assert mined.stats["harder_than_positive"] == 0.0
    assert mined.stats["positive_scores"] == [-1.0] * 5


def test_real_near_duplicates(data):
    """500 photos and five edits each: the nearest row to an edit is its original far more often than any negative."""
    archive = np.load(data / "bsds500_sscd512_f16.npz")
    originals, edits = archive["orig"], archive["jpeg30"]
    mined = mine_hard_negatives(edits, originals, positives=np.arange(500), num_negatives=1)
    positive = np.eye(500, dtype=bool)
    assert_mined(
        mined, brute_force(edits.astype(np.float32), originals.astype(np.float32), "cosine", positive, num_negatives=1)
    )
    assert mined.stats["harder_than_positive"] < 0.05


def test_hardest_pairs_of_the_demo_occur_once():
    from hardmine.cli.demo import hardest_pairs

    x = np.array([[0.0], [1.0], [1.5], [9.0]], np.float32)
    mined = hardmine.mine_hard_negatives(x, query_labels=[0, 1, 2, 3], num_negatives=2, metric="euclidean")
    rows, cols, distances = hardest_pairs(mined, 3)
    assert list(zip(rows.tolist(), cols.tolist(), distances.tolist())) == [(1, 2, 0.5), (0, 1, 1.0), (0, 2, 1.5)]


def test_wordnet_from_embeddings_to_negatives():
    """Real text embeddings with their 45 labels, a hundred queries checked against the whole matrix."""
    folders = [os.environ.get("HARDMINE_DATA"), pathlib.Path.home() / ".cache" / "hardmine-data"]
    found = [pathlib.Path(folder) / "wordnet.npz" for folder in folders if folder]
    if not any(path.exists() for path in found):
        pytest.skip("no wordnet.npz in HARDMINE_DATA nor in ~/.cache/hardmine-data")
    with np.load(next(path for path in found if path.exists())) as saved:
        x, label = saved["x"][::6], saved["label"][::6]
    mined = mine_hard_negatives(x, query_labels=label, num_negatives=3, relative_margin=0.05, max_per_label=1)
    rows = np.linspace(0, len(x) - 1, 100).astype(int)
    for i in rows:
        distances = reference.rounded(x[i : i + 1], x, "cosine")[0]
        scores = 1 - distances
        positive = (label == label[i]) & (np.arange(len(x)) != i)
        p = scores[positive].max().astype(np.float64)
        good = (label != label[i]) & (scores <= p - abs(p) * 0.05)
        taken, expected = set(), []
        for j in np.lexsort((np.arange(len(x)), distances)):
            if good[j] and label[j] not in taken and len(expected) < 3:
                taken.add(label[j])
                expected.append(j)
        assert mined.indices[i].tolist() == expected
        assert mined.positive_scores[i] == np.float32(p)
