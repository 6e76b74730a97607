"""Every bad input: its exception and its message, and nothing done before it."""

import re

import numpy as np
import pytest

import hardmine
import reference
from hardmine import Filter, merge, mine_hard_negatives, pair_distances, pairwise, sample_non_duplicate_split, topk, verify
from optional_torch import torch

X = np.ones((4, 3), np.float32)
Y = np.ones((5, 3), np.float32)
NAN = np.array([[1, 1, 1], [1, np.nan, 1], [np.inf, 1, 1]], np.float32)
BIG = np.ones((300, 3), np.float32)
BIG_NAN = BIG.copy()
ROWS = np.zeros((4, 2), int)
BIG_NAN[[177, 250], 1] = np.nan, np.inf

CASES = [
    # kinds and shapes of rows
    (
        lambda: topk(np.ones(3, np.float32)),
        ValueError,
        "queries: expected an array of shape (rows, dimensions), got shape (3,)",
    ),
    (
        lambda: topk(X, np.ones((2, 2, 2))),
        ValueError,
        "base: expected an array of shape (rows, dimensions), got shape (2, 2, 2)",
    ),
    (lambda: topk(X, np.ones((5, 4))), ValueError, "base: expected rows of 3 numbers like queries, got shape (5, 4)"),
    (lambda: topk(np.ones((4, 0))), ValueError, "queries: expected at least one dimension, got shape (4, 0)"),
    (lambda: topk(np.ones((4, 3), int)), TypeError, "queries: expected floating-point numbers, got int64"),
    (lambda: topk(np.ones((4, 3), bool)), TypeError, "queries: expected floating-point numbers, got bool"),
    (lambda: topk(X, X.astype(complex)), TypeError, "base: expected floating-point numbers, got complex128"),
    (lambda: topk(X.astype(object)), TypeError, "queries: expected floating-point numbers, got object"),
    (lambda: topk([[1.0], [1.0, 2.0]]), ValueError, "queries: expected an array, got rows of different lengths"),
    (lambda: topk("rows"), ValueError, "queries: expected an array of shape (rows, dimensions), got shape ()"),
    (lambda: topk(np.ma.masked_array(X)), TypeError, "queries: expected an array without a mask, got a masked array"),
    (
        lambda: topk(torch.ones(4, 3, dtype=torch.int32)),
        TypeError,
        "queries: expected floating-point numbers, got torch.int32",
    ),
    (lambda: topk(torch.ones(4, 3).to_sparse()), TypeError, "queries: expected a dense tensor, got layout torch.sparse_coo"),
    (
        lambda: topk(torch.ones(4, 3, device="meta")),
        RuntimeError,
        "queries: expected a tensor that holds numbers, got one on meta",
    ),
    # values of rows
    (lambda: topk(NAN), ValueError, "queries: expected finite numbers, got NaN or infinity in row 1"),
    (lambda: topk(X, NAN), ValueError, "base: expected finite numbers, got NaN or infinity in row 1"),
    (lambda: topk(BIG_NAN), ValueError, "queries: expected finite numbers, got NaN or infinity in row 177"),
    (lambda: topk(BIG, BIG_NAN), ValueError, "base: expected finite numbers, got NaN or infinity in row 177"),
    (lambda: topk(BIG, BIG_NAN, metric="cosine"), ValueError, "base: expected finite numbers, got NaN or infinity in row 177"),
    (lambda: topk(X, BIG_NAN, metric="cosine"), ValueError, "base: expected finite numbers, got NaN or infinity in row 177"),
    (lambda: topk(BIG, BIG_NAN, metric="inner_product"), ValueError, "infinity in row 177"),
    (
        lambda: topk(X, BIG_NAN, metric="inner_product"),
        ValueError,
        "base: expected finite numbers, got NaN or infinity in row 177",
    ),
    (lambda: topk(np.full((9, 3), 1e300)), ValueError, "queries: expected finite numbers, got NaN or infinity in row 0"),
    (lambda: pairwise(BIG, BIG_NAN), ValueError, "base: expected finite numbers, got NaN or infinity in row 177"),
    (lambda: pair_distances(X, NAN, [0], [2]), ValueError, "base: expected finite numbers, got NaN or infinity in row"),
    # k, metric, threads, progress
    (lambda: topk(X, checkpoint=7), TypeError, "checkpoint: expected the path of a folder, got int"),
    (lambda: topk(X, checkpoint=__file__), NotADirectoryError, "checkpoint: expected a folder, got the file"),
    (lambda: topk(X, k=0), ValueError, "k: expected at least 1, got 0"),
    (lambda: topk(X, k=-3), ValueError, "k: expected at least 1, got -3"),
    (lambda: topk(X, k=2.0), TypeError, "k: expected an integer, got float"),
    (lambda: topk(X, k=True), TypeError, "k: expected an integer, got bool"),
    (
        lambda: topk(X, metric="l2"),
        ValueError,
        "metric: expected one of sqeuclidean, euclidean, cosine, inner_product, hamming, got 'l2'",
    ),
    (
        lambda: topk(BIG, k=10**7),
        ValueError,
        "k: expected at most 300, the number of rows, got 10000000: the result would take 33.5 GiB, and",
    ),
    (lambda: topk(X[:0], Y, 2**62), ValueError, "k: expected at most 5, the number of rows, got 4611686018427387904"),
    (lambda: topk(X, k=2**70), ValueError, "k: expected at most 4, the number of rows, got 1180591620717411303424"),
    (lambda: topk(X, threads=2**40), ValueError, "threads: expected at most 4096, got 1099511627776"),
    (lambda: pairwise(X, threads=10**5), ValueError, "threads: expected at most 4096, got 100000"),
    (lambda: topk(X, threads=0), ValueError, "threads: expected at least 1, got 0"),
    (lambda: topk(X, threads="all"), TypeError, "threads: expected an integer, got str"),
    (lambda: topk(X, progress="yes"), TypeError, "progress: expected a bool or a callable, got str"),
    # filters
    (lambda: topk(X, where={}), TypeError, "where: expected a hardmine.Filter, got dict"),
    (lambda: topk(X, Y, where=Filter(query_groups=[0] * 4)), ValueError, "base_groups: expected a group for each base row"),
    (lambda: topk(X, Y, where=Filter(base_groups=[0] * 5)), ValueError, "query_groups: expected a group for each query"),
    (
        lambda: topk(X, Y, where=Filter([0] * 5, [0] * 5)),
        ValueError,
        "query_groups: expected 4 labels, one for each row of queries, got shape (5,)",
    ),
    (lambda: topk(X, where=Filter(np.ones(4))), TypeError, "query_groups: expected integers or strings, got float64"),
    (lambda: topk(X, where=Filter([0] * 3)), ValueError, "query_groups: expected 4 labels, one for each row of queries, got"),
    (lambda: topk(X, where=Filter(base_groups=[0], max_per_group=1)), ValueError, "base_groups: expected 4 labels, one for"),
    (lambda: topk(X, Y, where=Filter(["a"] * 4, [1] * 5)), TypeError, "labels: expected both of one kind"),
    (
        lambda: topk(X, where=Filter([0] * 4, groups="equal")),
        ValueError,
        'groups: expected "different" or "same", got \'equal\'',
    ),
    (lambda: topk(X, where=Filter(exclude=[[0]] * 3)), ValueError, "exclude: expected 4 lists, one for each query, got 3"),
    (
        lambda: topk(X, where=Filter(exclude=[[0], [], [4], []])),
        ValueError,
        "exclude: expected row numbers from 0 to 3, got 4",
    ),
    (
        lambda: topk(X, where=Filter(exclude=[[0], [], [-1], []])),
        ValueError,
        "exclude: expected row numbers from 0 to 3, got -1",
    ),
    (lambda: topk(X, where=Filter(exclude=[[0.5]] * 4)), TypeError, "exclude: expected integers, got float64"),
    (lambda: topk(X, where=Filter(exclude=([0, 1], [0]))), ValueError, "exclude: expected an ascending indptr of 5 numbers"),
    (
        lambda: topk(X, where=Filter(exclude=([0], [0], [1]))),
        ValueError,
        "exclude: expected (indptr, indices) or a list of arrays",
    ),
    (
        lambda: topk(X, where=Filter(exclude={0: 1})),
        TypeError,
        "exclude: expected (indptr, indices) or a list of arrays, got dict",
    ),
    (lambda: topk(X, Y, where=Filter(base_mask=[1, 0, 1, 0, 1])), TypeError, "base_mask: expected booleans, got int64"),
    (lambda: topk(X, Y, where=Filter(base_mask=[True])), ValueError, "base_mask: expected 5 booleans, one for each base row"),
    (lambda: topk(X, where=Filter(nearer_than=np.nan)), ValueError, "nearer_than: expected numbers, got NaN"),
    (lambda: topk(X, where=Filter(farther_than=[1, 2])), ValueError, "farther_than: expected a number or 4 of them"),
    (lambda: topk(X, where=Filter(farther_than="2")), TypeError, "farther_than: expected a number or one for each query"),
    (lambda: topk(X, where=Filter(max_per_group=1)), ValueError, "max_per_group: expected base_groups beside it, got None"),
    (lambda: topk(X, where=Filter([0] * 4, max_per_group=0)), ValueError, "max_per_group: expected at least 1, got 0"),
    # pairwise
    (lambda: pairwise(X, Y, out=np.empty((4, 4), np.float32)), ValueError, "out: expected shape (4, 5), got (4, 4)"),
    (lambda: pairwise(X, Y, out=np.empty((4, 5))), TypeError, "out: expected float32, got float64"),
    (lambda: pairwise(X, Y, out=[[0.0]]), TypeError, "out: expected a NumPy array or a tensor to write to, got list"),
    (
        lambda: pairwise(X, Y, out=np.empty((5, 4), np.float32).T),
        ValueError,
        "out: expected writable rows of adjacent numbers",
    ),
    (
        lambda: pairwise(X, Y, out=np.broadcast_to(np.float32(0), (4, 5))),
        ValueError,
        "out: expected writable rows of adjacent numbers",
    ),
    (lambda: pairwise(BIG[:3], out=BIG[:3]), ValueError, "out: expected memory of its own, got memory shared with an input"),
    # pair_distances and merge
    (lambda: pair_distances(X, Y, [0], [5]), ValueError, "cols: expected row numbers from 0 to 4, got 5"),
    (lambda: pair_distances(X, Y, [-1], [0]), ValueError, "rows: expected row numbers from 0 to 3, got -1"),
    (lambda: pair_distances(X, Y, [0, 1], [0]), ValueError, "cols: expected 2 numbers like rows, got 1"),
    (lambda: pair_distances(X, Y, [0.0], [0]), TypeError, "rows: expected integers, got float64"),
    (lambda: merge(), TypeError, "neighbors: expected at least one, got none"),
    (lambda: merge(X), TypeError, "neighbors: expected Neighbors or pairs (distances, indices), got ndarray"),
    (lambda: merge((X, X)), TypeError, "neighbors: expected float32 or int32, and integers, got float32 and float32"),
    (lambda: merge((X, np.ones((4, 2), int))), ValueError, "neighbors: expected two arrays of one shape (n, k)"),
    (lambda: merge(topk(X), topk(BIG)), ValueError, "neighbors: expected 4 queries in each, got 300"),
    (lambda: merge(topk(X), topk(X, metric="cosine")), ValueError, "neighbors: expected one metric, got cosine, sqeuclidean"),
    (
        lambda: merge(topk(BIG), topk(BIG), k=10**7),
        ValueError,
        "k: expected at most 20, the number of rows, got 10000000: the result would take 33.5 GiB",
    ),
    # verify
    (
        lambda: verify(ROWS.astype(float), X),
        TypeError,
        "neighbors: expected (distances, indices), or indices alone, got float64",
    ),
    (
        lambda: verify((ROWS, X[:, :2]), X),
        TypeError,
        "neighbors: expected (distances, indices), or indices alone, got float32",
    ),
    (
        lambda: verify((ROWS, ROWS, ROWS), X),
        TypeError,
        "neighbors: expected (distances, indices), or indices alone, got a tuple of 3",
    ),
    (lambda: verify((X, ROWS), X), ValueError, "neighbors: expected distances and indices of one shape, got (4, 3), (4, 2)"),
    (lambda: verify((ROWS > 0, ROWS), X), TypeError, "neighbors: expected numbers as distances, got bool"),
    (lambda: verify(ROWS[0], X), ValueError, "neighbors: expected indices of shape (n, k), got shape (2,)"),
    (lambda: verify([ROWS, ROWS], X), ValueError, "neighbors: expected indices of shape (n, k), got shape (2, 4, 2)"),
    (lambda: verify(ROWS[:, :0], X), ValueError, "neighbors: expected indices of shape (n, k), got shape (4, 0)"),
    (lambda: verify(ROWS[:3], X), ValueError, "neighbors: expected 4 rows of indices, one for each query, got 3"),
    (
        lambda: verify(topk(X, metric="cosine"), X, metric="euclidean"),
        ValueError,
        "metric: expected cosine, that of the neighbors, got 'euclidean'",
    ),
    (lambda: verify(ROWS, X, metric=""), ValueError, "metric: expected one of sqeuclidean, euclidean, cosine"),
    (lambda: verify(ROWS, X, sample=0), ValueError, "sample: expected at least 1, got 0"),
    (lambda: verify(ROWS, X, sample=0.5), TypeError, "sample: expected an integer, got float"),
    (lambda: verify(ROWS, X, seed=-1), ValueError, "seed: expected at least 0, got -1"),
    (lambda: verify(ROWS, X, query_rows=[0] * 4), ValueError, "query_rows: expected None beside base=None"),
    # mining
    (
        lambda: mine_hard_negatives(BIG, num_negatives=10**7),
        ValueError,
        "num_negatives: expected at most 300, the number of rows, got 10000000: the result would take 33.5 GiB",
    ),
    (lambda: mine_hard_negatives(X, max_per_label=0, query_labels=[0] * 4), ValueError, "max_per_label: expected at least 1"),
    (lambda: mine_hard_negatives(X, num_negatives=0), ValueError, "num_negatives: expected at least 1, got 0"),
    (
        lambda: mine_hard_negatives(X, Y, query_labels=[0] * 4),
        ValueError,
        "base_labels: expected labels beside those of the other",
    ),
    (
        lambda: mine_hard_negatives(X, Y, base_labels=[0] * 5),
        ValueError,
        "query_labels: expected labels beside those of the other",
    ),
    (lambda: mine_hard_negatives(X, query_labels=[0] * 3), ValueError, "query_labels: expected 4 labels, one for each row"),
    (
        lambda: mine_hard_negatives(X, positives=[0] * 3),
        ValueError,
        "positives: expected 4 row numbers, one for each query, got 3",
    ),
    (
        lambda: mine_hard_negatives(X, Y, positives=[0, 1, 2, 5]),
        ValueError,
        "positives: expected row numbers from 0 to 4, got 5",
    ),
    (
        lambda: mine_hard_negatives(X, absolute_margin=0.1),
        ValueError,
        "absolute_margin: expected labels or positives beside it",
    ),
    (
        lambda: mine_hard_negatives(X, relative_margin=0.1),
        ValueError,
        "relative_margin: expected labels or positives beside it",
    ),
    (
        lambda: mine_hard_negatives(X, positives=[0] * 4, relative_margin=np.nan),
        ValueError,
        "relative_margin: expected numbers, got NaN",
    ),
    (
        lambda: mine_hard_negatives(X, positives=[0] * 4, absolute_margin=[0.1, 0.2]),
        ValueError,
        "absolute_margin: expected one number, got shape (2,)",
    ),
    (lambda: mine_hard_negatives(X, max_per_label=1), ValueError, "max_per_label: expected base_labels beside it, got None"),
    (lambda: mine_hard_negatives(X, max_score=0.1, min_score=0.2), ValueError, "min_score: expected at most max_score"),
    (lambda: sample_non_duplicate_split(np.zeros((2, 2)), 1, 1), ValueError, "groups: expected one group for each row"),
    (lambda: sample_non_duplicate_split(np.zeros(4), 1, 1), TypeError, "groups: expected integers or strings, got float64"),
    (lambda: sample_non_duplicate_split([1, 2], 1, 1, seed=-1), ValueError, "seed: expected at least 0, got -1"),
    (lambda: sample_non_duplicate_split([1, 2], 1, 1, seed=0.5), TypeError, "seed: expected an integer, got float"),
    (lambda: sample_non_duplicate_split([1, 2], 0, 1), ValueError, "n_queries: expected at least 1, got 0"),
]


@pytest.mark.parametrize("call, kind, message", CASES, ids=[message for _, _, message in CASES])
def test_bad_input(call, kind, message):
    with pytest.raises(kind, match=re.escape(message)) as caught:
        call()
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean", "cosine", "inner_product"])
def test_empty_inputs_give_empty_or_padded_results(metric):
    none = np.empty((0, 3), np.float32)
    assert topk(none, Y, 2, metric=metric).indices.shape == (0, 2)
    padded = topk(X, none, 2, metric=metric)
    assert (padded.indices == -1).all() and (padded.distances == np.inf).all() and padded.indices.shape == (4, 2)
    assert pairwise(none, Y, metric=metric).shape == (0, 5)
    assert pairwise(X, none, metric=metric).shape == (4, 0)
    assert pair_distances(X, Y, [], [], metric=metric).shape == (0,)
    mined = mine_hard_negatives(none, Y, num_negatives=3, metric=metric)
    assert mined.indices.shape == (0, 3) and mined.stats["queries"] == 0
    mined = mine_hard_negatives(X, none, num_negatives=3, metric=metric)
    assert mined.stats["shortfall"] == 4 and "0 negatives for 4 queries among 0 rows" in mined.summary()


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean", "cosine", "inner_product"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_bad_row_of_listed_pairs_is_an_error_only_where_it_is_listed(metric, bad):
    base = np.ones((5, 3), np.float32)
    base[1], base[3, 2] = 0, bad  # a row of zeros is none
    for repeats in (1, 4):  # more pairs than base rows, too
        rows, good = np.repeat([0, 1, 3], repeats), np.repeat([4, 1, 0], repeats)
        assert np.isfinite(pair_distances(X, base, rows, good, metric=metric)).all()
        with pytest.raises(ValueError, match="base: expected finite numbers, got NaN or infinity in row 3"):
            pair_distances(X, base, rows, np.repeat([4, 1, 3], repeats), metric=metric)
    far = np.full((1, 3), 3e38, np.float32)
    if metric != "cosine":
        assert np.isinf(pair_distances(far, -far, [0], [0], metric=metric)[0]), "an overflow is no bad row"


def test_numbers_beyond_all_rows_are_no_limit():
    label = np.arange(300) % 7
    rows = np.random.default_rng(0).standard_normal((300, 3)).astype(np.float32)
    for cap in (300, 2**31, 2**70):
        found = topk(rows, k=9, where=Filter(base_groups=label, max_per_group=cap))
        np.testing.assert_array_equal(found.indices, topk(rows, k=9).indices)
        mined = mine_hard_negatives(rows, query_labels=label, max_per_label=cap, range_max=2**62)
        np.testing.assert_array_equal(mined.indices, mine_hard_negatives(rows, query_labels=label).indices)
    assert topk(X, k=1000).indices.shape == (4, 1000), "a little padding is none of our business"
    triplets = [(0, 1, 2), (3, 1, 0)]
    assert hardmine.score_at_top_k(rows, triplets, 2**62) == hardmine.score_at_top_k(rows, triplets, 299)
    mine_hard_negatives(rows, sampling_strategy="random", seed=2**70)


@pytest.mark.parametrize("number", [2**40, -(2**40), -1])
def test_pairs_that_change_after_they_were_checked_are_never_read_beyond_the_rows(monkeypatch, number):
    rows, cols = np.array([0, 3]), np.array([4, 1])
    core = hardmine._core.pair_distances

    def rewritten(**arguments):
        rows[:] = cols[:] = number
        return core(**arguments)

    monkeypatch.setattr(hardmine._core, "pair_distances", rewritten)
    last = pair_distances(X, Y, rows, cols)
    np.testing.assert_array_equal(last, np.repeat(reference.rounded(X[-1:], Y[-1:], "sqeuclidean").ravel(), 2))


def test_one_row_has_no_neighbour_but_itself():
    found = topk(X[:1], k=3)
    assert found.indices.tolist() == [[-1, -1, -1]]


def test_public_names_are_documented():
    for name in hardmine.__all__:
        assert getattr(hardmine, name).__doc__, name
