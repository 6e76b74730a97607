"""Retrieval metrics and ranks beside loops over all rows, with ties everywhere."""

import numpy as np
import pytest

import hardmine
import reference
import retrieval_reference as oracle
from hardmine import Neighbors, rank_of, retrieval_metrics
from hardmine.evaluation import given_rankings, ranks, relevance, searched_rankings

TIES = ("expected", "stable", "optimistic", "pessimistic")
CUT = ("recall@1", "recall@3", "precision@2", "map@4", "map@r", "r_precision", "micro_ap@3")
WHOLE = (*CUT, "map", "median_rank")


def rows(rng, metric, n, d=3):
    """Few values, so that most distances are shared."""
    if metric == "hamming":
        return np.packbits(rng.random((n, 6)) < 0.5, axis=1)
    return rng.integers(-1, 2, (n, d)).astype(np.float32)


def matrix(queries, base, metric):
    n, m = len(queries), len(base)
    pairs = np.repeat(np.arange(n), m), np.tile(np.arange(m), n)
    return np.asarray(hardmine.pair_distances(queries, base, *pairs, metric=metric)).reshape(n, m)


def lists_of(distances, relevant, left_out, k=None):
    """Each query's (distance, relevant) of the rows that count, in the order of indices or the k nearest, and how many are."""
    rankings, totals = [], []
    for near, good, out in zip(distances.tolist(), relevant, left_out):
        kept = [j for j in range(len(near)) if not out[j]]
        totals.append(sum(bool(good[j]) for j in kept))
        kept = sorted(kept, key=lambda j: (near[j], j))[:k] if k else kept
        rankings.append([(near[j], bool(good[j])) for j in kept])
    return rankings, totals


def assert_metrics(found, expected, names):
    assert list(found.keys()) == list(dict.fromkeys(names))
    for name, (value, values) in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-11, atol=1e-14, err_msg=name)
        if values is not None:
            np.testing.assert_allclose(found.per_query[name], values, rtol=1e-11, atol=1e-14, err_msg=name)


@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("metric", [*reference.METRICS, "hamming"])
def test_metrics_equal_their_definitions(metric, ties, rng):
    for case in range(6):
        alone = case % 2 == 0
        q, b = rows(rng, metric, 12), rows(rng, metric, 40)
        n, m = (12, 12) if alone else (12, 40)
        distances = matrix(q, q if alone else b, metric)
        junk = rng.random((n, m)) < (0.1 if case > 1 else 0)
        left_out = junk | (np.eye(n, m, dtype=bool) if alone else False)
        if case < 4:
            q_labels, b_labels = rng.integers(0, 4, n), rng.integers(0, 5, m)
            relevant = q_labels[:, None] == (q_labels if alone else b_labels)
            given = {"query_labels": q_labels, "base_labels": None if alone else b_labels}
        else:
            relevant = rng.random((n, m)) < rng.choice([0.05, 0.4])
            given = {"relevant": [np.flatnonzero(row) for row in relevant]}
        rankings, totals = lists_of(distances, relevant, left_out)
        names = CUT if case % 3 == 0 else WHOLE + (("micro_ap",) if ties != "stable" else ())
        found = retrieval_metrics(
            q,
            None if alone else b,
            **given,
            junk=[np.flatnonzero(row) for row in junk],
            metrics=names,
            ties=ties,
            metric=metric,
        )
        assert found.total.tolist() == totals
        expected = oracle.of_rankings(rankings, totals, [x for x in names if "micro" not in x or ties == "stable"], ties)
        if "micro_ap" in names:
            expected |= oracle.of_rankings(rankings, totals, ["micro_ap"], ties)
        nearest, _ = lists_of(distances, relevant, left_out, k=3)
        expected |= oracle.of_rankings(nearest, totals, ["micro_ap@3"], ties)
        assert_metrics(found, expected, names)


def test_only_the_first_relevant_row_is_counted_where_that_is_enough(rng):
    q, b, labels = rows(rng, "euclidean", 9), rows(rng, "euclidean", 50), (rng.integers(0, 4, 9), rng.integers(0, 4, 50))
    names = ("recall@2", "median_rank")
    for ties in TIES:
        given = {"query_labels": labels[0], "base_labels": labels[1], "ties": ties}
        found, more = (retrieval_metrics(q, b, **given, metrics=metrics) for metrics in (names, (*names, "map")))
        for name in names:
            np.testing.assert_array_equal(found.per_query[name], more.per_query[name])


def test_several_labels_a_row(rng):
    q, b = rows(rng, "sqeuclidean", 8), rows(rng, "sqeuclidean", 30)
    marks = rng.random((8, 70)) < 0.05, rng.random((30, 70)) < 0.05
    relevant = (marks[0].astype(int) @ marks[1].T.astype(int)) > 0
    by_labels = retrieval_metrics(q, b, query_labels=marks[0], base_labels=marks[1])
    by_lists = retrieval_metrics(q, b, relevant=[np.flatnonzero(row) for row in relevant])
    assert dict(by_labels) == dict(by_lists) and by_labels.total.tolist() == relevant.sum(axis=1).tolist()
    assert 0 < by_labels["map"] < 1


def test_blocks_and_kinds_of_arrays_change_nothing(rng, monkeypatch):
    q, labels = rng.standard_normal((30, 5)).round(1), rng.integers(0, 4, 30)
    for ties in TIES[:1] + TIES[2:]:
        expected = {}
        for names in (CUT, (*WHOLE, "micro_ap")):
            expected[names] = retrieval_metrics(q.astype(np.float32), query_labels=labels, metrics=names, ties=ties)
        with monkeypatch.context() as small:
            for module, constant in (
                (searched_rankings, "MOST_ENTRIES"), (searched_rankings, "AT_ONCE"), (searched_rankings, "MOST_PLACES"),
                (searched_rankings, "MOST_RANKED"), (given_rankings, "MOST_ENTRIES"), (relevance, "MARK_CELLS"),
            ):  # fmt: skip
                small.setattr(module, constant, 7)
            small.setattr(hardmine._arrays, "BLOCK_BYTES", 5 * 4 * 7)
            for names, whole in expected.items():
                x = q.astype(np.float32).astype(np.float64)
                found = retrieval_metrics(x, query_labels=labels.astype(str), metrics=names, ties=ties, threads=3)
                for name in names:
                    np.testing.assert_allclose(found[name], whole[name], rtol=1e-13, err_msg=name)


@pytest.mark.parametrize("ties", TIES)
def test_given_rankings(ties, rng):
    q, b, labels = rows(rng, "cosine", 9), rows(rng, "cosine", 50), (rng.integers(0, 4, 9), rng.integers(0, 4, 50))
    junk = [rng.integers(0, 50, 4) for _ in range(9)]
    whole = hardmine.topk(q, b, k=50, metric="cosine")
    names = WHOLE + (("micro_ap",) if ties != "stable" else ())
    given = {"query_labels": labels[0], "base_labels": labels[1], "junk": junk, "metrics": names, "ties": ties}
    found, expected = retrieval_metrics(whole, **given), retrieval_metrics(q, b, metric="cosine", **given)
    for name in names:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-12, err_msg=name)
    # A list that is shorter is measured as it is.
    short = hardmine.topk(q, b, k=7, metric="cosine")
    relevant = labels[0][:, None] == labels[1]
    totals = relevant.sum(axis=1).tolist()
    rankings = [
        [(d, bool(relevant[i, j])) for d, j in zip(*map(np.ndarray.tolist, (short.distances[i], short.indices[i])))]
        for i in range(9)
    ]
    del given["junk"]
    found = retrieval_metrics(tuple(short), **given)
    assert_metrics(found, oracle.of_rankings(rankings, totals, names, ties), names)


def test_given_rankings_of_indices_alone_and_of_rows_that_come_twice():
    indices = np.array([[2, 2, 0, -1], [1, 0, 2, 3]])
    found = retrieval_metrics(
        (None, indices), relevant=[[2, 0], [3]], metrics=("map", "recall@1", "median_rank", "precision@2")
    )
    assert found.per_query["map"].tolist() == [(1 + 2 / 3) / 2, 1 / 4]
    assert found.per_query["precision@2"].tolist() == [0.5, 0]
    assert (found["recall@1"], found["median_rank"]) == (0.5, 2.5)
    alone = retrieval_metrics((None, np.array([[0, 1], [1, 0], [0, 2]])), query_labels=[5, 5, 5], metrics=("recall@1", "map"))
    assert dict(alone) == {"recall@1": 1, "map": 0.5}  # own rows are taken out, where they are


def test_queries_without_a_relevant_row_do_not_count(rng):
    x = rng.standard_normal((6, 4)).astype(np.float32)
    found = retrieval_metrics(x, query_labels=[1, 1, 2, 3, 3, 3])
    assert np.isnan(found.per_query["map"][2]) and found.total.tolist() == [1, 1, 0, 2, 2, 2]
    assert found["map"] == pytest.approx(np.delete(found.per_query["map"], 2).mean())
    assert "6 queries, 1 without a relevant row left out; ties expected" in found.summary()
    none = retrieval_metrics(x, query_labels=np.arange(6))
    assert np.isnan(list(none.values.values())).all()
    for empty in (retrieval_metrics(x[:0], x, relevant=[]), retrieval_metrics(x, x[:0], relevant=[[]] * 6)):
        assert np.isnan(list(empty.values.values())).all()


def test_a_base_of_equal_rows(rng):
    """Every rank is a tie: the closed forms over one group of all rows."""
    x, labels = np.ones((200, 8), np.float32), np.repeat([0, 1], [50, 150])
    found = retrieval_metrics(
        x[:1], x, query_labels=[0], base_labels=labels, metrics=("precision@7", "recall@1", "median_rank")
    )
    assert found["precision@7"] == pytest.approx(0.25) and found["recall@1"] == pytest.approx(0.25)
    assert found["median_rank"] == pytest.approx(201 / 51)


@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("metric", [*reference.METRICS, "hamming"])
def test_ranks(metric, ties, rng, isa):
    for n, m, alone in ((1, 300, False), (7, 60, False), (20, 20, True)):
        q, b = rows(rng, metric, n), rows(rng, metric, m)
        distances = matrix(q, q if alone else b, metric)
        listed = rng.integers(0, n, 40), rng.integers(0, m, 40)
        found = rank_of(q, None if alone else b, *listed, metric=metric, ties=ties)
        expected = [oracle.rank(distances[i].tolist(), j, ties, [i] if alone else []) for i, j in zip(*listed)]
        assert found.tolist() == [float(one) for one in expected]


def test_ranks_with_a_filter_and_in_blocks(rng, monkeypatch):
    q, b = rows(rng, "sqeuclidean", 10), rows(rng, "sqeuclidean", 80)
    mask, listed = rng.random(80) < 0.5, (rng.integers(0, 10, 60), rng.integers(0, 80, 60))
    distances, refused = matrix(q, b, "sqeuclidean"), np.flatnonzero(~mask).tolist()
    where = hardmine.Filter(base_mask=mask)
    monkeypatch.setattr(ranks, "MOST_PLACES", 6)
    for kind in (np.float32, np.float64):
        monkeypatch.setattr(hardmine._arrays, "BLOCK_BYTES", 3 * 4 * 9)
        for ties in TIES:
            found = rank_of(q.astype(kind), b.astype(kind), *listed, where=where, ties=ties)
            assert found.tolist() == [oracle.rank(distances[i].tolist(), j, ties, refused) for i, j in zip(*listed)]


def test_a_window_that_lies_beyond_a_place(rng):
    """The filter scores a pair at its edge; the place of one query must not take what belongs to none."""
    x = np.zeros((19, 1), np.float32)
    x[[1, 18]], x[2] = 1, -(2.0**-74)
    where = hardmine.Filter(farther_than=np.where(np.arange(19) == 17, 1.4e-44, 0))
    assert rank_of(x, None, [17, 4], [18, 5], where=where, ties="stable").tolist() == [2, 1]


def test_ranks_are_places_of_topk(rng):
    x = rng.standard_normal((300, 40)).astype(np.float32)
    found = hardmine.topk(x, k=299)
    each = np.repeat(np.arange(300), 299)
    assert (rank_of(x, None, each, found.indices.ravel(), ties="stable").reshape(300, 299) == np.arange(1, 300)).all()
    assert rank_of(x, None, [], []).shape == (0,)
    calls = []
    rank_of(x, hardmine.Index(x, "euclidean"), [0, 3], [5, 6], progress=lambda *now: calls.append(now))
    assert calls[-1][0] == calls[-1][1]


def test_equal_to_pytorch_metric_learning(rng):
    """Where there are no ties: recall@1, MAP@R, R-precision and mAP."""
    calculator = pytest.importorskip("pytorch_metric_learning.utils.accuracy_calculator", reason="needs hardmine[peers]")
    torch = pytest.importorskip("torch")
    x, y = rng.standard_normal((200, 16)).astype(np.float32), rng.standard_normal((150, 16)).astype(np.float32)
    labels = rng.integers(0, 20, 200), rng.integers(0, 20, 150)
    theirs = {"recall@1": "precision_at_1", "map@r": "mean_average_precision_at_r", "map": "mean_average_precision"}
    theirs |= {"r_precision": "r_precision"}

    def knn(query, k, reference, ref_includes_query):  # ours, since theirs wants FAISS
        found = hardmine.topk(np.asarray(query), None if ref_includes_query else np.asarray(reference), k=k)
        return torch.from_numpy(np.asarray(found.distances)), torch.from_numpy(np.asarray(found.indices))

    judge = calculator.AccuracyCalculator(include=tuple(theirs.values()), k=None, device=torch.device("cpu"), knn_func=knn)
    as_tensors = [torch.from_numpy(array) for array in (x, labels[0], y, labels[1])]
    for alone in (False, True):
        expected = judge.get_accuracy(*as_tensors[: 2 if alone else 4])
        against = (None, None) if alone else (y, labels[1])
        found = retrieval_metrics(x, against[0], query_labels=labels[0], base_labels=against[1], metrics=tuple(theirs))
        for name, theirs_of in theirs.items():
            assert found[name] == pytest.approx(expected[theirs_of], rel=1e-6), name


def test_neighbors_keep_what_they_are(rng):
    x = rng.standard_normal((20, 4)).astype(np.float32)
    found = retrieval_metrics(Neighbors(*hardmine.topk(x, k=3), "sqeuclidean"), query_labels=np.arange(20) % 4)
    assert repr(found).startswith("RetrievalMetrics(recall@1=") and found.ties == "expected"
