"""Labels: any integer is an ordinary one, and numbers are equal exactly where they are, whatever their dtypes."""

import numpy as np
import pytest

import hardmine
from hardmine import Filter, mine_hard_negatives

FAR = [-1, -(10**12), 10**12, 2**62, -(2**63), 2**63 - 1]  # all but the first are too far apart to count by index


@pytest.fixture
def problem(rng):
    x = rng.standard_normal((60, 5)).astype(np.float32)
    return x, rng.integers(0, len(FAR), 60)


def everything_of_labels(x, label):
    """Results of every function that takes a label or a group for each row."""
    codes = hardmine.pack(x)
    queries, base = x[:20], x[20:]
    sides = {"query_labels": label[:20], "base_labels": label[20:]}
    sampler = hardmine.RelevanceTripletSampler(30, out_of_class_ratio=0.3)
    sampler.update(np.arange(60), label, embeddings=np.abs(x))
    triplets = hardmine.mine_triplets(x, label, type_of_triplets="semihard")
    for groups in ("different", "same"):
        where = Filter(label[:20], label[20:], groups=groups, max_per_group=2)
        yield from hardmine.topk(queries, base, 5, where=where)
    for options in (
        {},
        {"rank_base": "raw", "range_max": 40, "max_per_label": 1},
        {"max_per_label": 1, "random_ratio": 0.4, "relative_margin": 0.05},
        {"positive_reference": "mean", "positives": np.arange(20), "absolute_margin": 0.1},
    ):
        mined = mine_hard_negatives(queries, base, **sides, **options)
        yield from (mined.indices, mined.positive_scores)
        yield mined.stats["dropped"]
        yield mine_hard_negatives(x, query_labels=label, **{k: v for k, v in options.items() if k != "positives"}).indices
    yield from hardmine.mine_pairs(x, label)
    yield from hardmine.mine_triplets(queries, label[:20], base, label[20:])
    yield from triplets
    task = codes[:20], codes[20:], label[:20], label[20:]
    yield hardmine.mean_average_precision(*task)
    yield hardmine.mean_average_precision(*task, top=9, ties="stable", normalize="all")
    yield np.sort(hardmine.total_relevance(x, label))
    yield hardmine.score_at_top_k(x, triplets, 5, groups=label)
    yield hardmine.select_hard_examples(x[:, 0], k=2, segments=label)
    yield sampler.draws


@pytest.mark.parametrize("dtype", [np.int64, object], ids=["integers", "objects"])
def test_any_integer_is_an_ordinary_label(problem, dtype):
    x, code = problem
    expected = list(everything_of_labels(x, code))
    label = np.array(FAR)[code].astype(dtype)
    for found, wanted in zip(everything_of_labels(x, label), expected, strict=True):
        if isinstance(found, dict):
            assert found == wanted
        else:
            np.testing.assert_array_equal(found, wanted)


def test_a_cap_counts_the_label_minus_one_like_any_other(problem):
    """Raw ranks mark what is refused: it must not be taken for rows of label -1."""
    x, code = problem
    options = {"rank_base": "raw", "range_max": 60, "num_negatives": 10, "max_per_label": 1, "max_score": 0.5}
    expected = mine_hard_negatives(x, query_labels=code, **options)
    np.testing.assert_array_equal(mine_hard_negatives(x, query_labels=code - 1, **options).indices, expected.indices)
    assert (expected.counts == 5).all()


NEAR = 2**60  # neighbours that float64 takes for one


@pytest.mark.parametrize(
    "query, base",
    [
        (np.array([NEAR, NEAR + 1], np.uint64), np.array([NEAR, NEAR + 1])),
        (np.array([NEAR, NEAR + 1]), np.array([NEAR + 1, NEAR, NEAR + 2], np.uint64)),
        (np.array([2**63 + 1, 2**63 - 1, 7], np.uint64), np.array([-1, 2**63 - 1, -(2**63) + 1, 7])),
        (np.array([2**63 + 1, 2**63 + 2], np.uint64), np.array([2**63 + 2, 1], np.uint64)),
        (np.array([2**64 - 1, 2**64 - 2, 1], np.uint64), np.array([-1, -2, 1], np.int8)),
        (np.array([2**64 - 1, 0, 1], np.uint64), np.array([True, False, True])),
        (np.array([True, False]), np.array([1, 0, 2], np.uint8)),
        (np.array([255, 1], np.uint8), np.array([-1, 1, 255])),
    ],
    ids=str,
)
def test_numbers_of_different_dtypes_are_compared_exactly(query, base):
    rows, columns = (np.zeros((len(side), 1), np.float32) for side in (query, base))
    same = np.array([[int(a) == int(b) for b in base.tolist()] for a in query.tolist()])
    for groups in ("same", "different"):
        found = hardmine.topk(rows, columns, len(base), where=Filter(query, base, groups=groups)).indices
        for i, row in enumerate(found):
            assert sorted(row[row >= 0].tolist()) == np.flatnonzero(same[i] == (groups == "same")).tolist()
    mined = mine_hard_negatives(rows, columns, query_labels=query, base_labels=base, rank_base="raw", num_negatives=len(base))
    np.testing.assert_array_equal(mined.counts, (~same).sum(axis=1))
    anchors, positives, negatives, others = hardmine.mine_pairs(rows, query, columns, base, pos_margin=-1, neg_margin=1)
    assert list(zip(anchors, positives)) == list(zip(*np.nonzero(same)))
    assert list(zip(negatives, others)) == list(zip(*np.nonzero(~same)))


def test_a_split_alone_takes_negative_clusters_for_none():
    queries, base = hardmine.sample_non_duplicate_split([-1, -1, -7, -7], 2, 2)
    assert sorted([*queries, *base]) == [0, 1, 2, 3]
    for groups in (np.array([2**63, 2**63], np.uint64), np.array([False, False])):
        with pytest.raises(ValueError, match="n_base: expected at most 0 rows"):
            hardmine.sample_non_duplicate_split(groups, 1, 1)


def test_no_rows_have_no_labels():
    """An empty list has no integers to be told by; a base without rows has no labels to look up."""
    x, none = np.ones((4, 3), np.float32), np.empty((0, 3), np.float32)
    sides = {"query_labels": ["a"] * 4, "base_labels": []}
    for options in ({"max_per_label": 1}, {"rank_base": "raw"}, {"random_ratio": 0.5}, {"relative_margin": 0.1}):
        assert mine_hard_negatives(x, none, **sides, **options).stats["shortfall"] == 4
    assert hardmine.topk(x, none, 2, where=Filter([1] * 4, [], max_per_group=2)).indices.shape == (4, 2)
    code = np.zeros((2, 1), np.uint8)
    assert hardmine.mean_average_precision(code, code[:0], [1, 2], [], ties="stable") == 0
    assert len(hardmine.mine_triplets(none, [])[0]) == len(hardmine.total_relevance(none, [])) == 0
