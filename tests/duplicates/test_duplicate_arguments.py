"""Bad arguments of what looks at near-duplicates: exception and message, before any work."""

import re
import sys

import numpy as np
import pytest

import hardmine
from hardmine import Filter, near_duplicates, pair_roc

X = np.ones((4, 3), np.float32)
CODES = np.ones((4, 2), np.uint8)
PAIRS = [[0, 1]]

CASES = [
    (lambda: near_duplicates(X, None), TypeError, "threshold: expected a number, got None"),
    (lambda: near_duplicates(X, [0.1] * 4), TypeError, "threshold: expected a number, got [0.1, 0.1, 0.1, 0.1]"),
    (lambda: near_duplicates(X, -0.1), ValueError, "threshold: expected a number of at least 0, got -0.1"),
    (lambda: near_duplicates(X, np.nan), ValueError, "threshold: expected a number of at least 0, got nan"),
    (lambda: near_duplicates(X, 1, metric="inner_product"), ValueError, "metric: expected one of cosine, sqeuclidean, eucli"),
    (lambda: near_duplicates(CODES, 1), TypeError, "x: expected floating-point numbers, got uint8"),
    (lambda: near_duplicates(X, 1, metric="hamming"), TypeError, "x: expected packed codes, uint8, got float32"),
    (lambda: near_duplicates(hardmine.Index(X), 1), TypeError, "x: expected an array, got an Index, which is a base"),
    (
        lambda: near_duplicates(X, 1, groups=[0]),
        ValueError,
        "groups: expected 4 labels, one for each row of x, got shape (1,)",
    ),
    (lambda: near_duplicates(X, 1, groups=[0.5] * 4), TypeError, "groups: expected integers or strings, got float64"),
    (lambda: near_duplicates(X, 1, linkage="average"), ValueError, "linkage: expected one of single, complete, star, got"),
    (lambda: near_duplicates(X, 1, which_to_keep="last"), ValueError, "which_to_keep: expected one of first, hard, easy, ce"),
    (lambda: near_duplicates(X, 1, which_to_keep=[1, 2]), ValueError, "which_to_keep: expected 4 numbers, one for each row"),
    (lambda: near_duplicates(X, 1, which_to_keep=["a"] * 4), TypeError, "which_to_keep: expected one of first, hard, easy,"),
    (lambda: near_duplicates(X, 1, which_to_keep=[1, 2, 3, np.nan]), ValueError, "which_to_keep: expected numbers, got NaN"),
    (lambda: near_duplicates(X, 1, seed=-1), ValueError, "seed: expected at least 0, got -1"),
    (lambda: near_duplicates(X, 1, max_pairs=1.5), TypeError, "max_pairs: expected an integer, got float"),
    (lambda: near_duplicates(X, 1, where=Filter([0] * 4, max_per_group=1)), ValueError, "max_per_group: expected None bes"),
    (lambda: near_duplicates(X, 1, threads=0), ValueError, "threads: expected at least 1, got 0"),
    (lambda: near_duplicates(X, 1, bits=3), ValueError, 'bits: expected None beside metric="cosine", got 3'),
    (lambda: pair_roc(X), TypeError, "positives: expected positives or groups, got neither"),
    (lambda: pair_roc(X, PAIRS, groups=[0] * 4), TypeError, "positives: expected positives or groups, got both"),
    (lambda: pair_roc(X, [[0, 4]]), ValueError, "positives: expected row numbers from 0 to 3, got 4"),
    (lambda: pair_roc(X, [[-1, 2]]), ValueError, "positives: expected row numbers from 0 to 3, got -1"),
    (lambda: pair_roc(X, [[2, 2]]), ValueError, "positives: expected pairs of two rows, got row 2 with itself"),
    (lambda: pair_roc(X, [[0, 1, 2]]), ValueError, "positives: expected (rows, cols) or an array of shape (p, 2), got shape"),
    (lambda: pair_roc(X, [[0.0, 1.0]]), TypeError, "positives: expected integers, got float64"),
    (lambda: pair_roc(X, ([0], [1, 2])), ValueError, "positives: expected as many cols as rows, 1, got 2"),
    (lambda: pair_roc(X, []), ValueError, "positives: expected at least one positive pair, got none"),
    (
        lambda: pair_roc(X, hardmine.Pairs(np.array([0]), np.array([1]), np.array([0.5]), (5, 5))),
        ValueError,
        "positives: expected pairs of 4 x 4 rows, got of 5 x 5",
    ),
    (lambda: pair_roc(X, groups=[0, 1, -1, -1]), ValueError, "groups: expected at least one positive pair, got none"),
    (
        lambda: pair_roc(X, groups=[0] * 4),
        ValueError,
        "negatives: expected at least one negative pair, got 6 positive ones of",
    ),
    (lambda: pair_roc(X, groups=[0] * 5), ValueError, "groups: expected 4 labels, one for each row of x, got shape (5,)"),
    (lambda: pair_roc(X, PAIRS, negatives="some"), ValueError, 'negatives: expected "all", ("hard", n_queries, n_base, k) or'),
    (lambda: pair_roc(X, PAIRS, negatives=("hard", 1)), ValueError, 'negatives: expected "all", ("hard", n_queries, n_base,'),
    (lambda: pair_roc(X, PAIRS, negatives=()), ValueError, 'negatives: expected "all", ("hard", n_queries, n_base, k) or'),
    (lambda: pair_roc(X, PAIRS, negatives=("hard", 1, 0, 1)), ValueError, "negatives, n_base: expected at least 1, got 0"),
    (
        lambda: pair_roc(X, PAIRS, negatives=("hard", 3, 2, 1)),
        ValueError,
        "negatives: expected n_queries + n_base of at most 4",
    ),
    (lambda: pair_roc(X, PAIRS, negatives=("hard", 1, 2, 3)), ValueError, "negatives, k: expected at most n_base = 2, got 3"),
    (lambda: pair_roc(X, PAIRS, negatives=("random", 1.0)), TypeError, "negatives, n: expected an integer, got float"),
    (
        lambda: pair_roc(X, PAIRS, negatives=("random", 6)),
        ValueError,
        "negatives, n: expected at most 5 negative pairs, got 6",
    ),
    (
        lambda: pair_roc(X, groups=[0, 0, 1, 1], negatives=("hard", 1, 3, 1)),
        ValueError,
        "n_base: expected at most 2 rows, all that match none of the queries, got 3",
    ),
    (lambda: pair_roc(X, PAIRS, thresholds=["a"]), TypeError, "thresholds: expected numbers, got <U1 (1,)"),
    (lambda: pair_roc(X, PAIRS, thresholds=[np.nan]), ValueError, "thresholds: expected numbers, got NaN"),
    (lambda: pair_roc(X, PAIRS, metric="l2"), ValueError, "metric: expected one of sqeuclidean, euclidean, cosine"),
]


@pytest.mark.parametrize("call, kind, message", CASES, ids=[f"{i} {message[:30]}" for i, (_, _, message) in enumerate(CASES)])
def test_bad_arguments(monkeypatch, call, kind, message):
    for name in ("radius_neighbors", "distance_histogram", "pair_distances", "topk"):
        monkeypatch.setattr(hardmine._core, name, None)  # nothing is looked at before everything is checked
    with pytest.raises(kind, match="^" + re.escape(message)):
        call()


def test_rates_and_thresholds_of_a_curve():
    roc = pair_roc(np.float32([[0], [1], [5]]), PAIRS, metric="euclidean")
    for call, kind, message in (
        (lambda: roc.fpr_at_tpr(1.1), ValueError, "tpr: expected a rate from 0 to 1, got 1.1"),
        (lambda: roc.tpr_at_fpr(np.nan), ValueError, "fpr: expected a rate from 0 to 1, got nan"),
        (lambda: roc.tpr_at_fpr("0"), TypeError, "fpr: expected a number, got '0'"),
        (lambda: roc.false_alarms_at(None), TypeError, "threshold: expected a number, got None"),
        (lambda: roc.false_alarms_at([1]), TypeError, "threshold: expected a number, got [1]"),
        (lambda: roc.false_alarms_at(4.5), ValueError, "threshold: expected one at which pairs were counted, got 4.5, at"),
    ):
        with pytest.raises(kind, match="^" + re.escape(message)):
            call()
    assert roc.false_alarms_at(-np.inf) == roc.false_alarms_at(0.5) == roc.false_alarms_at(1) == 0
    assert roc.false_alarms_at(np.inf) == 2


@pytest.mark.parametrize("call", [lambda: near_duplicates(X, 0.1), lambda: pair_roc(X, PAIRS, negatives=("hard", 1, 1, 1))])
def test_without_scipy_the_extra_is_named(monkeypatch, call):
    for name in [name for name in sys.modules if name.split(".")[0] == "scipy"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ImportError, match=r'needs scipy: pip install "hardmine\[duplicates\]"'):
        call()


@pytest.mark.parametrize("call", [lambda x: near_duplicates(x, 0.1), lambda x: pair_roc(x, PAIRS)])
def test_rows_that_are_not_finite(call):
    x = X.copy()
    x[2, 1] = np.inf
    with pytest.raises(ValueError, match=r"^x: expected finite numbers, got NaN or infinity in row 2"):
        call(x)
