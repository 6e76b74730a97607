"""Queries that are rows of the base: an array searched or mined in parts gives what it gives as a whole, to the last bit."""

import json
from collections import Counter

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

import hardmine
from blocks import converted_blocks
from hardmine import Filter, MinedNegatives, mine_hard_negatives, topk

N = 90
ARRAYS = ("indices", "scores", "positive_indices", "positive_scores", "counts")


def rows_of(kind, rng):
    x = rng.integers(-2, 3, (N, 6)).astype(np.float32) + np.float32(0.5)  # many ties
    x[40:60] = x[:20]
    return x.astype(np.float16) if kind == "converted" else x


def parts_of(rng, parts):
    """All rows in a random order, cut into parts, some of them in two."""
    order = rng.permutation(N)
    return np.split(np.concatenate([order, order[:7]]), np.sort(rng.integers(0, N, parts - 1)))


def small_blocks():
    """Rows that must be converted come twenty at a time."""
    return converted_blocks(4 * 6 * 20)


limits = st.fixed_dictionaries(
    {},
    optional={
        "max_score": st.sampled_from([0.2, 0.8]),
        "min_score": st.sampled_from([-0.5, 0.0]),
        "absolute_margin": st.sampled_from([-0.3, 0.0, 0.1]),
        "relative_margin": st.sampled_from([-0.1, 0.05]),
    },
)


@pytest.mark.slow
@hypothesis.given(
    kind=st.sampled_from(["in place", "converted"]),
    known=st.sampled_from(["labels", "lists", "both"]),
    excluded=st.booleans(),
    limits=limits,
    reference=st.sampled_from(["max", "min", "mean"]),
    rank_base=st.sampled_from(["filtered", "raw"]),
    first=st.integers(0, 3),
    cap=st.sampled_from([None, 1, 2]),
    strategy=st.sampled_from(["top", "random", "softmax", "semihard", "violating"]),
    ratio=st.sampled_from([0.0, 0.5]),
    rescored=st.booleans(),
    parts=st.integers(1, 6),
    seed=st.integers(0, 99),
)
def test_mined_in_parts_is_mined_whole(
    kind, known, excluded, limits, reference, rank_base, first, cap, strategy, ratio, rescored, parts, seed
):
    rng = np.random.default_rng(seed)
    x, label = rows_of(kind, rng), rng.integers(-1, 6, N)
    lists = {"positives": [rng.integers(0, N, i % 4) for i in range(N)], "exclude": [rng.integers(0, N, 3) for _ in range(N)]}
    lists["exclude"] = [np.append(own, i) for i, own in enumerate(lists["exclude"])]  # the own row counts for nothing
    if known == "labels":
        del lists["positives"]
    if not excluded:
        del lists["exclude"]
    options = {
        "num_negatives": 4, "range_min": first, "range_max": 30, "rank_base": rank_base, "positive_reference": reference,
        "max_per_label": None if known == "lists" else cap, "sampling_strategy": strategy, "random_ratio": ratio, "seed": 5,
        **limits,
    }  # fmt: skip
    opinion = rng.permutation(N * N).reshape(N, N).astype(np.float32) / (N * N)

    def mine(rows):
        """The whole if `rows` is None, or a part."""
        own = np.arange(N) if rows is None else rows
        given = {name: [each[i] for i in own] for name, each in lists.items()}
        if rescored:
            given["rescore"] = lambda queries, cols: opinion[own[queries], cols]
        if known != "lists":
            given |= {"query_labels": label[own]} | ({} if rows is None else {"base_labels": label})
        if rows is None:
            return mine_hard_negatives(x, **given, **options)
        return mine_hard_negatives(x[rows], x, query_rows=rows, **given, **options)

    with small_blocks():
        whole = mine(None)
        dropped, doubled = Counter(), mine(np.arange(N))
        for rows in parts_of(rng, parts):
            part = mine(rows)
            for name in ARRAYS:
                np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[rows])
            np.testing.assert_array_equal(part.window.indices, whole.window.indices[rows])
            np.testing.assert_array_equal(part.window.query_ids, rows)
            assert not (part.indices == rows[:, None]).any() and not (part.positive_indices == rows).any()
        for rows in np.array_split(rng.permutation(N), parts):
            dropped.update(mine(rows).stats["dropped"])
        assert +dropped == +Counter(whole.stats["dropped"])
        assert json.dumps(doubled.stats) == json.dumps(whole.stats) and doubled.params == whole.params


@pytest.mark.parametrize("rank_base", ["filtered", "raw"])
def test_a_part_is_refiltered_saved_and_listed_as_the_whole_is(rng, tmp_path, rank_base):
    x, label, rows = rows_of("in place", rng), rng.integers(0, 5, N), rng.permutation(N)[:30]
    options = {"num_negatives": 3, "range_max": N, "rank_base": rank_base}
    whole = mine_hard_negatives(x, query_labels=label, **options)
    part = mine_hard_negatives(x[rows], x, query_labels=label[rows], base_labels=label, query_rows=rows, **options)
    part.save(tmp_path / "part.npz")
    for limits in ({"relative_margin": 0.05}, {"max_score": 0.5, "absolute_margin": 0.1}):
        expected = whole.refilter(**limits)
        for found in (part.refilter(**limits), MinedNegatives.load(tmp_path / "part.npz").refilter(**limits)):
            for name in ARRAYS:
                np.testing.assert_array_equal(getattr(found, name), getattr(expected, name)[rows])
    anchors, positives, _ = part.triplets()
    assert (rows[anchors] != positives).all()


def test_without_query_rows_a_query_is_its_own_nearest_positive(rng):
    x, label = rng.standard_normal((N, 6)).astype(np.float32), rng.integers(0, 5, N)
    sides = {"query_labels": label, "base_labels": label, "relative_margin": 0.05}
    assert (mine_hard_negatives(x, x, **sides).positive_indices == np.arange(N)).all()
    rows = np.where(np.arange(N) % 2, np.arange(N), -1)  # every other query is none of the base's rows
    found = mine_hard_negatives(x, x, query_rows=rows, **sides)
    assert ((found.positive_indices == np.arange(N)) == (rows < 0)).all()
    own = topk(x, x, 1, query_rows=rows).indices[:, 0] == np.arange(N)
    assert (own == (rows < 0)).all()


def test_draws_of_queries_that_are_no_rows_have_numbers_of_their_own(rng):
    x = rng.standard_normal((N, 6)).astype(np.float32)
    rows = np.array([3, -1, 5, -1])
    found = mine_hard_negatives(x[:4], x, query_rows=rows, sampling_strategy="random")
    np.testing.assert_array_equal(found.window.query_ids, [3, N + 1, 5, N + 3])
    given = mine_hard_negatives(x[:4], x, query_rows=rows, sampling_strategy="random", query_ids=[9, 8, 7, 6])
    np.testing.assert_array_equal(given.window.query_ids, [9, 8, 7, 6])


@hypothesis.given(
    kind=st.sampled_from(["in place", "converted", "codes"]),
    metric=st.sampled_from(["sqeuclidean", "cosine", "inner_product"]),
    groups=st.sampled_from([None, "different", "same"]),
    excluded=st.booleans(),
    masked=st.booleans(),
    window=st.booleans(),
    cap=st.sampled_from([None, 2]),
    k=st.sampled_from([1, 7, 60, N]),
    parts=st.integers(1, 12),
    seed=st.integers(0, 99),
)
def test_searched_in_parts_is_searched_whole(kind, metric, groups, excluded, masked, window, cap, k, parts, seed):
    rng = np.random.default_rng(seed)
    x, group = rows_of(kind, rng), rng.integers(0, 4, N)
    options = {"metric": metric}
    if kind == "codes":
        x, options = hardmine.pack(x), {"metric": "hamming", "bits": 6}
    exclude = [rng.integers(0, N, 5) for _ in range(N)]

    def where(rows):
        return Filter(
            query_groups=None if groups is None else group[rows],
            base_groups=None if groups is None and cap is None else group,
            groups=groups or "different",
            exclude=[exclude[i] for i in rows] if excluded else None,
            base_mask=group != 1 if masked else None,
            farther_than=0.5 if window else None,
            max_per_group=cap,
        )

    with small_blocks():
        whole = topk(x, k=k, where=where(np.arange(N)), **options)
        for rows in parts_of(rng, parts):
            part = topk(x[rows], x, k, where=where(rows), query_rows=rows, **options)
            np.testing.assert_array_equal(part.indices, whole.indices[rows])
            np.testing.assert_array_equal(part.distances, whole.distances[rows])


@pytest.mark.slow
def test_the_own_row_of_a_guessed_scan_is_left_out(isa, rng):
    """Many codes and a large k: where the limit is guessed from a sample; and many rows at once, in panels."""
    x = rng.standard_normal((9000, 24)).astype(np.float32)
    rows = rng.permutation(9000)[:300]
    for array, options in ((x, {}), (hardmine.pack(x), {"metric": "hamming"})):
        for k in (5, 700):
            expected, found = topk(array, k=k, **options), topk(array[rows], array, k, query_rows=rows, **options)
            np.testing.assert_array_equal(found.indices, expected.indices[rows])
            np.testing.assert_array_equal(found.distances, expected.distances[rows])


@pytest.mark.parametrize(
    "query_rows, base, kind, message",
    [
        ([0, 1, 2], None, ValueError, "query_rows: expected None beside base=None, where every query is its own row"),
        ([0, 1], "given", ValueError, "query_rows: expected 3 row numbers, one for each query, got 2"),
        ([0, 1, 5], "given", ValueError, "query_rows: expected row numbers from 0 to 4, or -1 for none, got 5"),
        ([0, -2, 1], "given", ValueError, "query_rows: expected row numbers from 0 to 4, or -1 for none, got -2"),
        ([0.0, 1.0, 2.0], "given", TypeError, "query_rows: expected integers, got float64"),
        ([[0, 1, 2]], "given", ValueError, "query_rows: expected a 1-D array of integers, got shape (1, 3)"),
    ],
    ids=str,
)
def test_bad_query_rows(query_rows, base, kind, message):
    x, y = np.ones((3, 2), np.float32), None if base is None else np.ones((5, 2), np.float32)
    for call in (topk, mine_hard_negatives):
        with pytest.raises(kind) as caught:
            call(x, y, query_rows=query_rows)
        assert str(caught.value).startswith(message)
