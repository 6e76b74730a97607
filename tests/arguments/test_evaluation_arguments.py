"""Bad input of what judges rankings of floats, codes and given lists: named, before any work."""

import re

import numpy as np
import pytest

import hardmine
from hardmine import map_at_k, micro_average_precision, rank_of, retrieval_metrics, revisited_map, score_normalize

X, Y = np.ones((4, 3), np.float32), np.ones((5, 3), np.float32)
NAN = np.full((5, 3), np.nan, np.float32)
IDS, NEAR = np.array([[1, 2], [0, 2], [0, 1], [0, 1]]), np.zeros((4, 2), np.float32)
LABELS = [1, 2, 1, 2]
TRUTH = {"easy": [1], "hard": [], "junk": [0]}

BAD = [
    (lambda: rank_of(X, Y, [0], [5]), ValueError, "cols: expected row numbers from 0 to 4, got 5"),
    (lambda: rank_of(X, Y, [4], [0]), ValueError, "rows: expected row numbers from 0 to 3, got 4"),
    (lambda: rank_of(X, Y, [0, 1], [0]), ValueError, "cols: expected 2 numbers like rows, got 1"),
    (lambda: rank_of(X, Y, [0.0], [0]), TypeError, "rows: expected integers, got float64"),
    (lambda: rank_of(X, Y, [0], [0], ties="first"), ValueError, "ties: expected one of expected, stable, optimistic, pessi"),
    (lambda: rank_of(X, NAN, [0], [0]), ValueError, "base: expected finite numbers, got NaN or infinity in row 0"),
    (lambda: rank_of(NAN, X, [0], [0]), ValueError, "queries: expected finite numbers, got NaN or infinity in row 0"),
    (lambda: rank_of(X, Y[:, :2], [0], [0]), ValueError, "base: expected rows of 3 numbers like queries, got shape (5, 2)"),
    (
        lambda: rank_of(X, Y, [0], [0], where=hardmine.Filter(base_groups=[0] * 5, max_per_group=1)),
        ValueError,
        "max_per_group: expected None for ranks, got 1",
    ),
    (lambda: retrieval_metrics(X), TypeError, "relevant: expected either it or query_labels, got neither"),
    (lambda: retrieval_metrics(X, relevant=[[]] * 4, query_labels=LABELS), TypeError, "relevant: expected either it or query"),
    (lambda: retrieval_metrics(X, Y, query_labels=LABELS), TypeError, "base_labels: expected a label for each base row"),
    (lambda: retrieval_metrics(X, Y, relevant=[[]] * 4, base_labels=[1] * 5), TypeError, "base_labels: expected None beside"),
    (
        lambda: retrieval_metrics(X, query_labels=LABELS[:3]),
        ValueError,
        "query_labels: expected 4 labels, one for each row of",
    ),
    (
        lambda: retrieval_metrics(X, Y, relevant=[[5], [], [], []]),
        ValueError,
        "relevant: expected row numbers from 0 to 4, got",
    ),
    (lambda: retrieval_metrics(X, Y, relevant=[[1]]), ValueError, "relevant: expected 4 lists, one for each query, got 1"),
    (lambda: retrieval_metrics(X, query_labels=LABELS, junk=[[9]] * 4), ValueError, "junk: expected row numbers from 0 to"),
    (
        lambda: retrieval_metrics(X, query_labels=LABELS, metrics="map"),
        TypeError,
        "metrics: expected a sequence of names, got",
    ),
    (lambda: retrieval_metrics(X, query_labels=LABELS, metrics=()), ValueError, "metrics: expected at least one, got none"),
    (
        lambda: retrieval_metrics(X, query_labels=LABELS, metrics=("ndcg",)),
        ValueError,
        "metrics: expected one of map, map@r, r_",
    ),
    (lambda: retrieval_metrics(X, query_labels=LABELS, metrics=("map@0",)), ValueError, "metrics: expected one of map, map@r"),
    (lambda: retrieval_metrics(X, query_labels=LABELS, metrics=(3,)), TypeError, "metrics: expected names, got int"),
    (
        lambda: retrieval_metrics(X, query_labels=LABELS, ties="random"),
        ValueError,
        "ties: expected one of expected, stable, op",
    ),
    (lambda: retrieval_metrics(X, query_labels=LABELS, ties="stable"), ValueError, "ties: expected another rule than stable"),
    (lambda: retrieval_metrics(X, query_labels=LABELS, metric="l2"), ValueError, "metric: expected one of sqeuclidean, "),
    (
        lambda: retrieval_metrics(NAN, query_labels=[1] * 5),
        ValueError,
        "queries: expected finite numbers, got NaN or infinity",
    ),
    (
        lambda: retrieval_metrics((NEAR, IDS), query_labels=LABELS, metric="cosine"),
        ValueError,
        "metric: expected None beside rankings as queries, got 'cosine'",
    ),
    (
        lambda: retrieval_metrics((NEAR, IDS), X, query_labels=LABELS),
        ValueError,
        "base: expected None beside rankings as queri",
    ),
    (
        lambda: retrieval_metrics((NEAR, IDS, IDS), query_labels=LABELS),
        TypeError,
        "queries: expected (distances, indices), got a",
    ),
    (
        lambda: retrieval_metrics((NEAR, IDS + 3), query_labels=LABELS),
        ValueError,
        "queries: expected row numbers from 0 to 3, as",
    ),
    (
        lambda: retrieval_metrics((NEAR, IDS - 9), query_labels=LABELS),
        ValueError,
        "queries: expected row numbers, or -1 for none",
    ),
    (
        lambda: retrieval_metrics((NEAR[:, :1], IDS), query_labels=LABELS),
        ValueError,
        "queries: expected distances and indices of",
    ),
    (
        lambda: retrieval_metrics((np.array([[1, 2], [2, 1], [0, 0], [0, 0]]), IDS), query_labels=LABELS),
        ValueError,
        "queries: expected distances that ascend, got a smaller one after a larger in row 1",
    ),
    (lambda: retrieval_metrics((NEAR * np.nan, IDS), query_labels=LABELS), ValueError, "queries: expected distances, got NaN"),
    (
        lambda: retrieval_metrics((None, IDS), query_labels=LABELS, metrics=("micro_ap@2",)),
        ValueError,
        "queries: expected distances beside the indices for 'micro_ap@2', got None",
    ),
    (lambda: revisited_map(IDS[0], [TRUTH]), ValueError, "rankings: expected shape (queries, images), got shape (2,)"),
    (lambda: revisited_map(NEAR, [TRUTH] * 4), TypeError, "rankings: expected integers, got float32"),
    (lambda: revisited_map(IDS, [TRUTH]), ValueError, "ground_truth: expected 4 mappings, one for each query, got 1"),
    (lambda: revisited_map(IDS, {"gnd": TRUTH}), TypeError, "ground_truth: expected a sequence of mappings, got dict"),
    (lambda: revisited_map(IDS, [[1]] * 4), TypeError, "ground_truth: expected mappings, got list for query 0"),
    (
        lambda: revisited_map(IDS, [{"easy": []}] * 4),
        ValueError,
        "ground_truth: expected easy, hard, junk of each query, got no",
    ),
    (
        lambda: revisited_map(IDS, [{**TRUTH, "easy": [0.5]}] * 4),
        TypeError,
        "ground_truth easy: expected integers, got float64",
    ),
    (lambda: revisited_map([[1, 1]], [TRUTH]), ValueError, "rankings: expected each image once, got one twice in row 0"),
    (lambda: revisited_map(IDS, [TRUTH] * 4, protocols="easy"), TypeError, "protocols: expected a sequence of names, got the"),
    (lambda: revisited_map(IDS, [TRUTH] * 4, protocols=("all",)), ValueError, "protocols: expected one of easy, medium, hard"),
    (lambda: revisited_map(IDS, [TRUTH] * 4, ks=(0,)), ValueError, "ks: expected at least 1, got 0"),
    (lambda: map_at_k({"p": ["a"]}, {"q": ["a"]}), ValueError, "predictions: expected queries of the solution, got 'p'"),
    (lambda: map_at_k({}, {"q": []}), ValueError, "solution: expected at least one id of each query, got none of 'q'"),
    (lambda: map_at_k([["a"]], [["a"], ["b"]]), ValueError, "predictions: expected 2 sequences like solution, got 1"),
    (
        lambda: map_at_k({"q": "abc"}, {"q": ["a"]}),
        TypeError,
        "predictions: expected a sequence of ids of each query, got str",
    ),
    (lambda: map_at_k("abc", {"q": ["a"]}), TypeError, "predictions: expected a mapping or a sequence of sequences, got str"),
    (lambda: map_at_k({}, {"q": ["a"]}, k=0), ValueError, "k: expected at least 1, got 0"),
    (
        lambda: micro_average_precision([1.0], [True, False], 2),
        ValueError,
        "is_true: expected shape (p,) like scores, got (2,)",
    ),
    (lambda: micro_average_precision([1.0], [1], 2), TypeError, "is_true: expected booleans, got int64"),
    (lambda: micro_average_precision(["a"], [True], 2), TypeError, "scores: expected numbers, got <U1"),
    (lambda: micro_average_precision([np.nan], [True], 2), ValueError, "scores: expected numbers, got NaN"),
    (lambda: micro_average_precision([1.0], [True], 0), ValueError, "n_positives: expected at least 1, got 0"),
    (lambda: micro_average_precision([1.0] * 2, [True] * 2, 1), ValueError, "n_positives: expected at least 2, as many are"),
    (lambda: micro_average_precision([1.0], [True], 1, precision=0), ValueError, "precision: expected a number above 0, at"),
    (
        lambda: micro_average_precision([1.0], [True], 1, ties="stable"),
        ValueError,
        "ties: expected one of expected, optimistic",
    ),
    (lambda: score_normalize(X, Y, Y[:2]), ValueError, "train: expected more than 2 rows, got 2"),
    (lambda: score_normalize(X, Y, Y, first=3, last=1), ValueError, "last: expected at least 3, which is first, got 1"),
    (lambda: score_normalize(X, Y[:, :2], Y), ValueError, "base: expected rows of 3 numbers like queries, got shape (5, 2)"),
    (lambda: score_normalize(X, NAN, Y), ValueError, "base: expected finite numbers, got NaN or infinity in row 0"),
    (lambda: score_normalize(X, Y, Y, beta=np.inf), ValueError, "beta: expected a finite number, got inf"),
]


@pytest.mark.parametrize("call, exception, message", BAD, ids=[message[:60] for *_, message in BAD])
def test_bad_input(call, exception, message, monkeypatch):
    for name in ("topk", "ranks", "distance_histogram"):
        if "finite" not in message:
            monkeypatch.setattr(hardmine._core, name, None)  # what is wrong is said before any work
    with pytest.raises(exception, match="^" + re.escape(message)):
        call()
