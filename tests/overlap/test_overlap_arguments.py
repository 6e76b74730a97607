"""Bad arguments of find_overlap, its report and leaky_splits: exception and message, before any work."""

import re

import numpy as np
import pytest

import hardmine
from hardmine import _core, find_overlap, fleiss_kappa, leaky_splits
from optional_torch import torch

X, Y = np.ones((4, 3), np.float32), np.ones((5, 3), np.float32)
NAN = np.array([[1, 1, 1], [1, np.nan, 1], [np.inf, 1, 1]], np.float32)
CODES = np.ones((4, 2), np.uint8)
REPORT = find_overlap(X, Y, radius=0.1, train_labels=["a", "a", "b", "c"])
PLAIN = find_overlap(X, Y, radius=0.1)
NONE = find_overlap(X, -Y, radius=0.1, train_labels=[1, 1, 2, 3])


def found(**given):
    return lambda: find_overlap(X, Y, **{"radius": 0.1, **given})


CASES = [
    (lambda: find_overlap(None, Y, radius=1), TypeError, "train: expected an array, got None"),
    (lambda: find_overlap(X, None, radius=1), TypeError, "evaluation: expected an array, got None"),
    (lambda: find_overlap(X, np.ones((5, 4)), radius=1), ValueError, "train: expected rows of 4 numbers like evaluation, got"),
    (lambda: find_overlap(X, Y[0], radius=1), ValueError, "evaluation: expected an array of shape (rows, dimensions), got"),
    (
        lambda: find_overlap(X[0], Y, radius=1),
        ValueError,
        "train: expected an array of shape (rows, dimensions), got shape (3,)",
    ),
    (lambda: find_overlap(X.astype(int), Y, radius=1), TypeError, "train: expected floating-point numbers, got int64"),
    (lambda: find_overlap(NAN, Y, radius=1), ValueError, "train: expected finite numbers, got NaN or infinity in row 1"),
    (lambda: find_overlap(X, NAN, k=1), ValueError, "evaluation: expected finite numbers, got NaN or infinity in row 1"),
    (found(score_norm=NAN), ValueError, "score_norm: expected finite numbers, got NaN or infinity in row 1"),
    (
        lambda: find_overlap(X, hardmine.Index(Y), radius=1),
        TypeError,
        "evaluation: expected an array, got an Index, which is a",
    ),
    (
        lambda: find_overlap(hardmine.Index(X), Y, k=1),
        ValueError,
        "directions: expected \"evaluation\" where train is an Index, got 'both'",
    ),
    (
        lambda: find_overlap(hardmine.Index(X), Y, k=1, metric="euclidean"),
        ValueError,
        "metric: expected cosine, the metric of the index, got 'euclidean'",
    ),
    (lambda: find_overlap(CODES, CODES, radius=1), TypeError, "evaluation: expected floating-point numbers, got uint8"),
    (
        lambda: find_overlap(CODES, CODES, radius=1, metric="hamming", bits=8),
        ValueError,
        "bits: expected 9 to 16 for evaluation of 2 bytes, got 8",
    ),
    (
        lambda: find_overlap(X, torch.ones(5, 3, device="meta"), k=1),
        RuntimeError,
        "evaluation: expected a tensor that holds numbers, got one on meta",
    ),
    (found(metric="l2"), ValueError, "metric: expected one of sqeuclidean, euclidean, cosine"),
    (found(radius=None), TypeError, "radius: expected a number, or k beside it, got None"),
    (found(radius="2"), TypeError, "radius: expected a number, got str"),
    (found(radius=[1.0] * 5), TypeError, "radius: expected a number, got list"),
    (found(radius=np.nan), ValueError, "radius: expected a number, got nan"),
    (found(k=0), ValueError, "k: expected at least 1, got 0"),
    (found(k=1.5), TypeError, "k: expected an integer, got float"),
    (
        found(directions="train to test"),
        ValueError,
        "directions: expected one of both, evaluation, train, got 'train to test'",
    ),
    (found(train_labels=[0] * 5), ValueError, "train_labels: expected 4 labels, one for each row of train, got shape (5,)"),
    (found(train_labels=X[:, 0]), TypeError, "train_labels: expected integers or strings, got float32"),
    (
        found(evaluation_labels=[0] * 4),
        ValueError,
        "evaluation_labels: expected 5 labels, one for each row of evaluation, got",
    ),
    (found(ids=["a", "b", "c"]), TypeError, "ids: expected (ids of training rows, ids of evaluation rows), got list"),
    (found(ids=np.arange(4)), TypeError, "ids: expected (ids of training rows, ids of evaluation rows), got ndarray"),
    (found(ids=(np.arange(5), np.arange(5))), ValueError, "ids: expected 4 labels, one for each row of train, got shape (5,)"),
    (found(verifier="sift"), TypeError, "verifier: expected a callable, got str"),
    (found(min_verified=3), ValueError, "min_verified: expected a verifier beside it, got 3 alone"),
    (found(verifier=len, min_verified="3"), TypeError, "min_verified: expected a number, got str"),
    (found(verifier=len, batch_size=0), ValueError, "batch_size: expected at least 1, got 0"),
    (found(aggregate="mean"), ValueError, "aggregate: expected one of any, max, argmax_count, sum, got 'mean'"),
    (found(aggregate="max"), ValueError, 'aggregate: expected train_labels beside "max", got None'),
    (found(max_pairs=-1), ValueError, "max_pairs: expected at least 0, got -1"),
    (
        found(score_norm=np.ones(4)),
        ValueError,
        "score_norm: expected rows, or 5 numbers, one for each evaluation row, got shape",
    ),
    (
        found(score_norm=np.ones((3, 2))),
        ValueError,
        "score_norm: expected rows of 3 numbers like evaluation, got shape (3, 2)",
    ),
    (found(score_norm=np.ones((0, 3))), ValueError, "score_norm: expected at least one row, got none"),
    (found(score_norm=np.array(["a"] * 5)), TypeError, "score_norm: expected numbers, got <U1"),
    (found(score_norm=[np.inf] * 5), ValueError, "score_norm: expected finite numbers, got NaN or infinity"),
    (found(threads=0), ValueError, "threads: expected at least 1, got 0"),
    (found(progress="yes"), TypeError, "progress: expected a bool or a callable, got str"),
    (lambda: leaky_splits(X, [0] * 3, 1.0), ValueError, "splits: expected 4 labels, one for each row of x, got shape (3,)"),
    (lambda: leaky_splits(X, X[:, 0], 1.0), TypeError, "splits: expected integers or strings, got float32"),
    (lambda: leaky_splits(X, [0] * 4, "1"), TypeError, "threshold: expected a number, got str"),
    (lambda: leaky_splits(X, [0] * 4, np.nan), ValueError, "threshold: expected a number, got nan"),
    (lambda: leaky_splits(NAN, [0] * 3, 1.0), ValueError, "x: expected finite numbers, got NaN or infinity in row 1"),
    (lambda: leaky_splits(X, [0] * 4, 1.0, metric="l2"), ValueError, "metric: expected one of sqeuclidean"),
    (lambda: leaky_splits(X, [0] * 4, 1.0, threads=0), ValueError, "threads: expected at least 1, got 0"),
    (lambda: leaky_splits(X, [0] * 4, 1.0, max_pairs=0.5), TypeError, "max_pairs: expected an integer, got float"),
    (lambda: fleiss_kappa([3, 0]), ValueError, "counts: expected an array of shape (items, categories), got shape (2,)"),
    (lambda: fleiss_kappa([[0.5, 0.5]]), TypeError, "counts: expected integers, got float64"),
    (lambda: fleiss_kappa([[4, -1]]), ValueError, "counts: expected numbers of at least 0, got -1"),
    (
        lambda: fleiss_kappa([[3, 0], [2, 2]]),
        ValueError,
        "counts: expected 3 votes for each item, as for the first, got 4 in row 1",
    ),
    (lambda: fleiss_kappa([[1, 0]]), ValueError, "counts: expected at least 2 votes for each item, got 1"),
    # of a report
    (lambda: REPORT.rethreshold("x"), TypeError, "radius: expected a number, got str"),
    (
        lambda: REPORT.rethreshold(0.2),
        ValueError,
        "radius: expected at most 0.1, within which candidates were searched, got 0.2",
    ),
    (lambda: REPORT.rethreshold(np.nan), ValueError, "radius: expected a number, got nan"),
    (lambda: REPORT.table("votes"), ValueError, "which: expected one of pairs, classes, rows, evaluation, got 'votes'"),
    (lambda: PLAIN.table("classes"), ValueError, 'scope: expected train_labels in the report beside "class", got None'),
    (lambda: PLAIN.clean_split("class"), ValueError, 'scope: expected train_labels in the report beside "class", got None'),
    (lambda: PLAIN.clean_split(also=["a"]), ValueError, "also: expected train_labels in the report, got None"),
    (lambda: REPORT.clean_split("image"), ValueError, "scope: expected one of class, row, got 'image'"),
    (lambda: REPORT.clean_split(also=["a", "q"]), ValueError, "also: expected labels of training rows, got q"),
    (lambda: REPORT.clean_split(also=[1]), TypeError, "also: expected labels like train_labels, <U1, got int64"),
    (lambda: REPORT.clean_split(also=[["a"]]), ValueError, "also: expected a list of labels, got shape (1, 1)"),
    (lambda: REPORT.assert_no_overlap(-1), ValueError, "max_rows: expected at least 0, got -1"),
    (lambda: REPORT.decide("most"), ValueError, "rule: expected one of any, majority, unanimous, got 'most'"),
    (lambda: REPORT.decide(None), ValueError, "rule: expected one of any, majority, unanimous, got None"),
    (lambda: REPORT.decide(0), ValueError, "rule: expected at least 1, got 0"),
    (lambda: REPORT.decide(0.5), TypeError, "rule: expected an integer, got float"),
    (lambda: REPORT.decide(unreviewed="drop"), ValueError, "unreviewed: expected one of raise, remove, keep, got 'drop'"),
    (lambda: REPORT.agreement("image"), ValueError, "scope: expected one of pair, class, row, got 'image'"),
    (lambda: REPORT.with_votes("ann", "same"), TypeError, "pairs: expected either pairs or labels, got neither"),
    (
        lambda: REPORT.with_votes("ann", "same", pairs=[(0, 0)], labels=["a"]),
        TypeError,
        "pairs: expected either pairs or labels, got both",
    ),
    (lambda: REPORT.with_votes("ann", "yes", labels=["a"]), ValueError, "votes: expected same, different or unsure, got yes"),
    (lambda: REPORT.with_votes("ann", [True], labels=["a"]), TypeError, "votes: expected strings, got bool"),
    (lambda: REPORT.with_votes(7, "same", labels=["a"]), TypeError, "reviewer: expected strings, got int64"),
    (
        lambda: REPORT.with_votes(["ann", "ben"], "same", labels=["a"]),
        ValueError,
        "reviewer: expected one string or 1, one for each vote, got shape (2,)",
    ),
    (lambda: REPORT.with_votes("ann", "same", labels=["q"]), ValueError, "labels: expected labels of training rows, got q"),
    (
        lambda: PLAIN.with_votes("ann", "same", labels=["a"]),
        ValueError,
        "labels: expected train_labels in the report, got None",
    ),
    (
        lambda: REPORT.with_votes("ann", "same", pairs=[(0, 0), (3, 7)]),
        ValueError,
        "pairs: expected candidates of the report, got training row 3 and evaluation row 7",
    ),
    (
        lambda: NONE.with_votes("ann", "same", pairs=[(0, 0)]),
        ValueError,
        "pairs: expected candidates of the report, got training",
    ),
    (lambda: REPORT.with_votes("ann", "same", pairs=[0, 0]), ValueError, "pairs: expected an array of shape (votes, 2), got"),
    (lambda: REPORT.with_votes("ann", "same", pairs=[(0.0, 0)]), TypeError, "pairs: expected integers, got float64"),
    (lambda: REPORT.review("p.html", pairs_per_class=0), ValueError, "pairs_per_class: expected at least 1, got 0"),
    (lambda: REPORT.to_csv("no/such/folder/x.csv"), OSError, "no/such/folder/x.csv: expected a folder that can be written to"),
    (
        lambda: hardmine.OverlapReport.load("no.npz"),
        FileNotFoundError,
        "no.npz: expected a file that OverlapReport.save wrote",
    ),
]


@pytest.mark.parametrize("call, kind, message", CASES, ids=[message for _, _, message in CASES])
def test_bad_input(call, kind, message, monkeypatch):
    for search in ("topk", "radius_neighbors"):  # nothing is searched before
        monkeypatch.setattr(_core, search, None)
    with pytest.raises(kind, match=re.escape(message)):
        call()


def test_too_many_pairs():
    message = "max_pairs: expected at most 19 pairs, got 20"
    for given in ({"radius": 0.1}, {"k": 5}):
        with pytest.raises(ValueError, match=message):
            find_overlap(X, Y, max_pairs=19, **given)
        assert len(find_overlap(X, Y, max_pairs=20, **given).candidates) == 20


@pytest.mark.parametrize(
    "answer, kind, message",
    [
        (lambda rows, cols: True, ValueError, "verifier: expected 2 answers, one for each pair, got shape ()"),
        (lambda rows, cols: [1], ValueError, "verifier: expected 2 answers, one for each pair, got shape (1,)"),
        (lambda rows, cols: ["yes"] * 2, TypeError, "verifier: expected booleans or numbers, got <U3"),
        (lambda rows, cols: [1, np.nan], ValueError, "verifier: expected booleans or numbers, got NaN"),
        (
            lambda rows, cols: [True, False],
            ValueError,
            "min_verified: expected None beside a verifier that returns booleans, got 1",
        ),
    ],
)
def test_answers_of_a_verifier(answer, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        find_overlap(X, Y, radius=0.1, verifier=answer, batch_size=2, min_verified=1)


def test_nothing_to_vote_on():
    empty = find_overlap(X[:0], Y[:0], k=3, train_labels=[], evaluation_labels=[])
    assert repr(empty).startswith("OverlapReport(0 of 0 candidates")
    for report in (empty, NONE):
        assert report.with_votes([], [], pairs=[]).with_votes([], [], labels=[]).decide().clean_split().removed.tolist() == []
        report.assert_no_overlap()
        for which in ("pairs", "classes", "rows", "evaluation"):
            assert len({len(column) for column in report.table(which).values()}) == 1
        report.summary()
    assert not leaky_splits(X[:0], [], 1.0) and "0 of 0 rows" in repr(leaky_splits(X[:0], [], 1.0))
