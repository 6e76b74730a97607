"""The ROC curve of all pairs beside scikit-learn's, which sorts them."""

import fractions

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

import hardmine
import pair_reference
from blocks import converted_blocks
from duplicates_reference import labelled_pairs
from hardmine import pair_roc
from hardmine.duplicates import labelled_pairs as drawing
from hardmine.duplicates.roc import PairROC
from optional_torch import torch

METRICS = ("cosine", "inner_product", "sqeuclidean", "euclidean", "hamming")


def assert_sklearns(roc, distances, positive):
    """Each point is one of scikit-learn's, each corner of its curve is here, the area is the sum over all pairs."""
    from sklearn.metrics import roc_auc_score, roc_curve

    largest = 1e39  # it takes no infinite scores
    scores = -np.clip(distances.astype(np.float64), -largest, largest)
    fpr, tpr, thresholds = roc_curve(positive, scores, drop_intermediate=False)
    assert roc.thresholds[0] == -np.inf and (roc.tpr[0], roc.fpr[0], roc.tpr[-1], roc.fpr[-1]) == (0, 0, 1, 1)
    at = np.searchsorted(-thresholds, np.clip(roc.thresholds[1:], -largest, largest), "right") - 1  # the last not beyond
    np.testing.assert_array_equal(roc.fpr[1:], fpr[at])
    np.testing.assert_array_equal(roc.tpr[1:], tpr[at])
    wrong, right = (np.diff(np.rint(rate * count)) for rate, count in ((fpr, (~positive).sum()), (tpr, positive.sum())))
    corners = np.flatnonzero(wrong[:-1] * right[1:] != wrong[1:] * right[:-1]) + 1
    assert set(zip(fpr[corners].tolist(), tpr[corners].tolist())) <= set(zip(roc.fpr.tolist(), roc.tpr.tolist()))
    assert (np.diff(roc.thresholds[1:]) > 0).all() and np.diff(roc.false_positives).min() >= 0
    assert (roc.n_pos, roc.n_neg) == (positive.sum(), (~positive).sum())
    assert abs(roc.auc - roc_auc_score(positive, scores)) < 1e-12


@pytest.mark.parametrize("metric", METRICS)
@hypothesis.settings(max_examples=25)
@hypothesis.given(
    n=st.sampled_from([3, 4, 9, 40]),
    kind=st.sampled_from(["ties", "ordinary", "huge", "zeros"]),
    transitive=st.booleans(),
    layout=st.sampled_from(["in place", "converted", "tensor"]),
    more=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_is_scikit_learns(metric, n, kind, transitive, layout, more, seed):
    rng = np.random.default_rng(seed)
    if metric == "hamming":
        seen = rng.random((n, 13)) < 0.4
        x = np.packbits(seen, axis=1)
    else:
        x = rng.integers(-1, 2, (n, 3)).astype(np.float32)
        if kind == "ordinary":
            x = rng.standard_normal((n, 3)).astype(np.float32)
        x *= np.float32({"huge": 2e19, "zeros": 0}.get(kind, 1))
        seen = x
    labels = rng.integers(-2, n // 2, n)
    labels[:2] = 0
    labels[2] = -1
    same = (labels[:, None] == labels) & (labels >= 0)
    listed = np.argwhere(np.triu(same, 1))
    if not transitive:
        listed = rng.permutation(listed)[: 1 + len(listed) // 2]
        same = np.zeros((n, n), bool)
        same[tuple(listed.T)] = True
        same |= same.T
    matrix = pair_reference.matrix(seen, None, metric)
    distances, positive = labelled_pairs(matrix, same)
    given = {"metric": metric, "bits": 13 if metric == "hamming" else None}
    if more:
        given["thresholds"] = rng.choice(distances, 3).astype(np.float64) + rng.choice([0, 0.25], 3)
    if transitive:
        given["groups"] = labels
    elif seed % 2:
        given["positives"] = np.concatenate([listed, listed[:1, ::-1]])
    else:
        given["positives"] = (listed[:, 1], listed[:, 0])
    x = np.asfortranarray(x) if layout == "converted" else torch.from_numpy(x) if layout == "tensor" else x
    with converted_blocks(100):
        roc = pair_roc(x, **given)
    assert_sklearns(roc, distances, positive)
    assert "all pairs" in roc.protocol
    for threshold in given.get("thresholds", ()):
        assert roc.false_alarms_at(threshold) == (distances[~positive].astype(np.float64) <= threshold).sum()


@pytest.mark.parametrize("metric", ["cosine", "hamming"])
def test_two_thousand_rows_with_ties(metric, rng):
    """1,999,000 pairs, thousands of them at one distance."""
    x = rng.integers(0, 3, (2000, 4)).astype(np.float32)
    seen = x > 0 if metric == "hamming" else x
    labels = rng.integers(-1500, 800, 2000)
    matrix = pair_reference.matrix(seen, None, metric)
    distances, positive = labelled_pairs(matrix, (labels[:, None] == labels) & (labels >= 0))
    roc = pair_roc(np.packbits(seen, axis=1) if metric == "hamming" else x, groups=labels, metric=metric)
    assert_sklearns(roc, distances, positive)
    assert 100 < roc.n_pos < 1000 and roc.n_pos + roc.n_neg == 1_999_000
    for rate in (0.0, 0.25, 0.5, 1.0):
        reached = roc.fpr[roc.tpr >= rate].min()
        assert roc.fpr_at_tpr(rate) == reached
        assert roc.tpr_at_fpr(rate) == roc.tpr[roc.fpr <= rate].max()


def test_counts_beyond_53_bits():
    """A curve of 10^6 rows and more: neither counts nor the area lose a pair."""
    rng = np.random.default_rng(1)
    for n_pos, n_neg in ((10**6, 499_999_500_000 - 10**6), (3 * 10**9, 2**60 + 1)):
        at = np.arange(1, 40, dtype=np.int32)
        equal = [rng.multinomial(every // 2, np.ones(39) / 39).astype(np.int64) for every in (n_pos, n_neg)]
        below = [np.cumsum(one) - one for one in equal]
        equal[0][-1] += n_pos - equal[0].sum()  # every positive lies at a distance
        roc = PairROC.of_counts(at, (below[0], equal[0]), (below[1], equal[1]), n_pos, n_neg, "hamming", "")
        wins = sum(int(p) * (2 * (n_neg - int(b)) - int(e)) for p, b, e in zip(equal[0], below[1], equal[1]))
        assert roc.auc == float(fractions.Fraction(wins, 2 * n_pos * n_neg))
        assert roc.false_positives[-1] == n_neg and roc.false_alarms_at(39) == below[1][-1] + equal[1][-1]


def test_a_curve_by_hand():
    """Three points: one positive pair before all others, then one behind them."""
    roc = pair_roc(np.array([[0], [1], [3]], np.float32), [[0, 1]], metric="euclidean")  # negatives at 2 and 3
    assert roc.thresholds.tolist() == [-np.inf, 1, np.inf] and roc.auc == 1
    roc = pair_roc(np.array([[0], [2], [3]], np.float32), [[0, 2], [2, 0]], metric="euclidean")  # 3; negatives at 2 and 1
    assert roc.true_positives.tolist() == [0, 0, 1, 1] and roc.false_positives.tolist() == [0, 2, 2, 2] and roc.auc == 0
    assert roc.thresholds[2] == 3 and roc.thresholds[1] == np.nextafter(np.float32(3), np.float32(0))
    with pytest.raises(
        ValueError, match=r"^threshold: expected one at which pairs were counted, got 1\.5, at which there are 0 to 2"
    ):
        roc.false_alarms_at(1.5)
    counted = pair_roc(np.array([[0], [2], [3]], np.float32), [[0, 2]], metric="euclidean", thresholds=[1.5])
    assert counted.false_alarms_at(1.5) == 1 and counted.auc == 0 and counted.false_alarms_at(2.9999998) == 2


def test_hard_negatives_are_those_of_the_miner(rng):
    """hn1 and hn2 of the protocol, by the functions that the README shows."""
    x = rng.standard_normal((400, 8)).astype(np.float32)
    labels = np.where(np.arange(400) < 60, np.arange(400) // 2, -1)
    x[1:60:2] = x[:60:2] + rng.standard_normal((30, 8)).astype(np.float32) * np.float32(0.3)
    pairs = np.arange(60).reshape(-1, 2)
    matrix = pair_reference.matrix(x, None, "cosine")
    for k in (1, 5):
        roc = pair_roc(x, groups=labels, negatives=("hard", 44, 200, k), seed=3)
        queries, base = hardmine.sample_non_duplicate_split(labels, 44, 200, seed=3)
        mined = hardmine.mine_hard_negatives(x[queries], x[base], num_negatives=k)
        hard = matrix[queries[mined.pairs()[0]], base[mined.pairs()[1]]]
        positive = np.repeat([True, False], [30, len(hard)])
        assert_sklearns(roc, np.concatenate([matrix[pairs[:, 0], pairs[:, 1]], hard]), positive)
        assert roc.n_neg == 44 * k and "44 queries" in roc.protocol and f"the hardest {44 * k} of 8,800 pairs" in roc.protocol
        listed = pair_roc(x, pairs, negatives=("hard", 44, 200, k), seed=3)
        assert listed.n_neg == 44 * k and listed.auc > 0.5
    codes = hardmine.pack(x)
    assert pair_roc(codes, groups=labels, metric="hamming", negatives=("hard", 44, 200, 5)).n_neg == 220


def test_random_negatives_are_negative_pairs_each_as_likely(rng):
    """The rows' own pairs and the positives are left out; all others come equally often."""
    positives = drawing.unranked(np.array([0, 3, 4, 27]))
    counts = np.zeros(28, int)
    for seed in range(400):
        rows, cols = drawing.draw_others(*positives, 8, 6, seed)
        numbers = drawing.ranks(rows, cols)
        assert (rows < cols).all() and len(set(numbers.tolist())) == 6
        counts[numbers] += 1
    assert (counts[[0, 3, 4, 27]] == 0).all()
    left = np.delete(counts, [0, 3, 4, 27])
    assert (
        (left - 100) ** 2
    ).sum() / 100 < 55  # chi-squared of 23 degrees, below 1 in 5,000, less for draws without replacement
    every = drawing.draw_others(*positives, 8, 24, 0)
    assert sorted(drawing.ranks(*every)) == sorted(set(range(28)) - {0, 3, 4, 27})
    x = rng.standard_normal((50, 4)).astype(np.float32)
    roc = pair_roc(x, [[0, 1]], negatives=("random", 100), seed=1)
    assert (roc.n_pos, roc.n_neg) == (
        1,
        100,
    ) and "100 pairs drawn from the 1,224 that are not positive, seed 1" in roc.protocol
    assert "100 pairs drawn" in roc.summary()


def test_pairs_have_numbers_beyond_53_bits():
    for n in (2, 3, 10**6, 2**32 - 3):
        cols = np.unique(np.clip(np.array([1, 2, n // 2, n - 2, n - 1]), 1, n - 1))
        for rows in (np.zeros(len(cols), np.int64), cols - 1, cols // 2):
            numbers = drawing.ranks(rows, cols)
            assert [side.tolist() for side in drawing.unranked(numbers)] == [rows.tolist(), cols.tolist()]


def test_pictures_and_tables(tmp_path, rng):
    x = rng.standard_normal((300, 8)).astype(np.float32)
    x[150:] = x[:150] + rng.standard_normal((150, 8)).astype(np.float32) * np.float32(0.2)
    roc = pair_roc(x, groups=np.arange(300) % 150)
    roc.to_csv(tmp_path / "roc.csv")
    lines = (tmp_path / "roc.csv").read_text().splitlines()
    assert lines[0] == "threshold,tpr,fpr,true_positives,false_positives" and len(lines) == len(roc.thresholds) + 1
    assert np.array_equal([float(line.split(",")[0]) for line in lines[1:]], roc.thresholds)
    figure = roc.plot(tmp_path / "roc.png")
    (axes,) = figure.axes
    assert axes.get_xscale() == "log" and axes.get_xlim() == (1e-9, 1.0) and (tmp_path / "roc.png").stat().st_size > 5000
    assert "all pairs of 300 rows that are not positive" in roc.summary() and "44,700" in roc.summary()
