"""Ranking metrics: against slow loops over sorted rows, shuffled databases, published results, and bad input."""

import itertools
import math
import re
import tracemalloc

import numpy as np
import pytest

import hardmine
from hardmine.evaluation import rankings, relevance
from hardmine.evaluation.code_retrieval import (
    mean_average_precision,
    precision_at_k,
    precision_recall_curve,
    precision_within_radius,
)
from optional_torch import torch
from ranking_reference import NORMALIZE, oracle_map, ranked

TIES = ("expected", "stable", "optimistic", "pessimistic")
EMPTY = ("zero", "skip")


def collection(rng, n, m, bits, classes=4, several=False):
    """Codes that lie close to few centers, and labels of few classes, some of which one side lacks."""
    centers = rng.integers(0, 2, (classes, bits))
    sides = []
    for count, other in ((n, 0), (m, 1)):
        kind = rng.integers(0, classes, count) + other
        flips = rng.random((count, bits)) < 0.15
        codes = np.packbits(centers[rng.integers(0, classes, count)] ^ flips, axis=1)
        sides.append((codes, rng.random((count, classes)) < 0.3 if several else kind))
    (query_codes, query_labels), (base_codes, base_labels) = sides
    return query_codes, base_codes, query_labels, base_labels


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("ties", TIES)
def test_map_equals_the_oracle(isa, rng, ties, several):
    for n, m, bits, classes in ((5, 40, 8, 3), (3, 30, 13, 5), (4, 1, 64, 2), (2, 25, 130, 70)):
        data = collection(rng, n, m, bits, classes, several)
        for top, normalize, empty in itertools.product((1, 4, 17, m + 9), NORMALIZE, EMPTY):
            found = mean_average_precision(*data, bits=bits, top=top, ties=ties, normalize=normalize, empty=empty)
            expected = oracle_map(*data, bits, top, ties, normalize, empty)
            np.testing.assert_allclose(found, expected, rtol=1e-13)
        assert mean_average_precision(*data, bits=bits, ties=ties) == mean_average_precision(
            *data, bits=bits, top=m, ties=ties
        )


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("ties", TIES)
def test_precision_at_k_equals_the_oracle(rng, ties, several):
    data = collection(rng, 6, 40, 9, 3, several)
    for k in (1, 2, 11, 40, 99):
        shares = []
        for distances, relevant in ranked(*data, 9):
            order = np.lexsort((np.arange(40), distances))
            if ties in ("optimistic", "pessimistic"):
                order = np.lexsort((np.array(relevant) ^ (ties == "optimistic"), distances))
            farthest = np.sort(distances)[min(k, 40) - 1]
            near, at = np.array(distances) < farthest, np.array(distances) == farthest
            seen = np.array(relevant)[order[:k]].sum()
            if ties == "expected":
                seen = np.sum(relevant & near) + np.sum(relevant & at) / at.sum() * (min(k, 40) - near.sum())
            shares.append(seen / min(k, 40))
        assert precision_at_k(*data, k, bits=9, ties=ties) == pytest.approx(np.mean(shares), rel=1e-14)


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("empty", EMPTY)
def test_curve_and_radius_equal_the_oracle(rng, empty, several):
    bits = 11
    data = collection(rng, 12, 50, bits, 9, several)
    curve = precision_recall_curve(*data, bits=bits, empty=empty)
    np.testing.assert_array_equal(curve.radius, np.arange(bits + 1))
    for radius in range(bits + 4):
        precision, recall = [], []
        for distances, relevant in ranked(*data, bits):
            within = [r for d, r in zip(distances, relevant) if d <= radius]
            precision += [sum(within) / len(within)] if within else [0] * (empty == "zero")
            recall += [sum(within) / sum(relevant)] if any(relevant) else [0] * (empty == "zero")
        found = precision_within_radius(*data, radius, bits=bits, empty=empty)
        np.testing.assert_allclose(found, np.mean(precision) if precision else np.nan, rtol=1e-14)
        if radius <= bits:
            assert found == curve.precision[radius] or math.isnan(found)
            np.testing.assert_allclose(curve.recall[radius], np.mean(recall), rtol=1e-14)


def test_order_of_the_database_changes_only_stable_ties(rng):
    query_codes, base_codes, query_labels, base_labels = collection(rng, 20, 300, 8)
    for order in (np.argsort(base_labels, kind="stable"), rng.permutation(300)):
        for ties, top in itertools.product(TIES, (25, None)):
            before = mean_average_precision(query_codes, base_codes, query_labels, base_labels, top=top, ties=ties)
            after = mean_average_precision(
                query_codes, base_codes[order], query_labels, base_labels[order], top=top, ties=ties
            )
            assert (before == after) == (ties != "stable"), ties


@pytest.mark.parametrize("normalize", NORMALIZE)
def test_expected_is_the_mean_over_shuffled_databases(rng, normalize):
    """The mean of N stable values lies within 5 standard errors of their expectation but with probability 6e-7 a check."""
    query_codes, base_codes, query_labels, base_labels = collection(rng, 8, 60, 8)
    shuffles = 400
    for top in (3, 20, 60):
        options = {"top": top, "normalize": normalize}
        found = []
        for _ in range(shuffles):
            order = rng.permutation(60)
            shuffled = query_codes, base_codes[order], query_labels, base_labels[order]
            found.append(mean_average_precision(*shuffled, ties="stable", **options))
        expected = mean_average_precision(query_codes, base_codes, query_labels, base_labels, **options)
        assert abs(np.mean(found) - expected) <= 5 * np.std(found, ddof=1) / math.sqrt(shuffles) + 1e-12


def test_degenerate_collections():
    zeros, ones = np.zeros((3, 2), np.uint8), np.full((4, 2), 255, np.uint8)
    for ties, normalize, top in itertools.product(TIES, NORMALIZE, (None, 1, 2)):
        options = {"ties": ties, "normalize": normalize, "top": top}
        share = 1 if top is None or normalize != "all" else top / 4
        assert mean_average_precision(zeros, ones, [1] * 3, [1] * 4, **options) == pytest.approx(share)  # all, at one distance
        assert mean_average_precision(zeros, ones, [1] * 3, [2] * 4, **options) == 0  # none is relevant
        assert math.isnan(mean_average_precision(zeros, ones, [1] * 3, [2] * 4, empty="skip", **options))
        assert mean_average_precision(zeros, ones, [1, 2, 2], [1] * 4, empty="skip", **options) == pytest.approx(share)
        no_labels = np.array([[0, 0], [1, 0], [0, 0]]), np.array([[1, 0]] * 4)
        assert mean_average_precision(zeros, ones, *no_labels, empty="skip", **options) == pytest.approx(share)
        assert mean_average_precision(zeros, ones, *no_labels, **options) == pytest.approx(share / 3)
        none = np.empty(0, int)
        assert mean_average_precision(zeros, ones[:0], [1] * 3, none, **options) == 0
        assert math.isnan(mean_average_precision(zeros[:0], ones, none, [1] * 4, **options))
    assert precision_at_k(zeros, ones[:0], [1] * 3, none, 5) == 0
    assert math.isnan(precision_at_k(zeros[:0], ones, none, [1] * 4, 5))
    curve = precision_recall_curve(zeros, ones, [1, 1, 2], [1] * 4, empty="skip")
    np.testing.assert_array_equal(curve.precision, [np.nan] * 16 + [2 / 3])
    np.testing.assert_array_equal(curve.recall, [0] * 16 + [1])


def everything(data, threads=None):
    """One number of every kind."""
    for ties, normalize in itertools.product(TIES, NORMALIZE):
        yield mean_average_precision(*data, top=13, ties=ties, normalize=normalize, threads=threads)
    yield precision_at_k(*data, 7, ties="stable", threads=threads)


@pytest.mark.parametrize("several", [False, True])
def test_blocks_and_threads_change_nothing(rng, monkeypatch, several):
    data = collection(rng, 23, 70, 16, several=several)
    whole, curve = list(everything(data)), precision_recall_curve(*data)
    monkeypatch.setattr(rankings, "HISTOGRAM_BYTES", 3 * 8 * 17)
    monkeypatch.setattr(rankings, "RANKED_BYTES", 1)
    monkeypatch.setattr(relevance, "MARK_CELLS", 1)
    assert list(everything(data, threads=1)) == whole
    np.testing.assert_allclose(precision_recall_curve(*data, threads=1)[1:], curve[1:], rtol=1e-14)


@pytest.mark.parametrize("library", ["NumPy", "torch"])
def test_kinds_of_input(rng, library):
    as_array = np.asarray if library == "NumPy" else torch.from_numpy
    query_codes, base_codes, query_labels, base_labels = collection(rng, 9, 40, 16)
    several = collection(rng, 9, 40, 16, 5, several=True)[2:]
    expected = mean_average_precision(query_codes, base_codes, query_labels, base_labels, top=11)
    reversed_twice, inside = base_codes[::-1].copy()[::-1], np.hstack([base_codes, base_codes])[:, :2]
    for base in (np.asfortranarray(base_codes), reversed_twice, inside, as_array(base_codes)):
        assert mean_average_precision(query_codes, base, query_labels, base_labels, top=11) == expected
    for convert in (list, as_array, lambda x: np.array([f"class {i}" for i in x]), lambda x: x.astype(np.uint64)):
        labels = convert(query_labels), convert(base_labels)
        assert mean_average_precision(query_codes, base_codes, *labels, top=11) == expected
    expected = mean_average_precision(query_codes, base_codes, *several, top=11)
    for convert in (np.int64, np.float32, np.asfortranarray, np.ndarray.tolist, as_array):
        assert mean_average_precision(query_codes, base_codes, *map(convert, several), top=11) == expected
    one_hot = [labels[:, None] == np.arange(6) for labels in (query_labels, base_labels)]
    for ties in TIES:
        of_one = mean_average_precision(query_codes, base_codes, query_labels, base_labels, ties=ties, normalize="min", top=11)
        assert of_one == mean_average_precision(query_codes, base_codes, *one_hot, ties=ties, normalize="min", top=11)
    curve = precision_recall_curve(as_array(query_codes), base_codes, query_labels, base_labels)
    assert all(type(column) is type(as_array(base_codes)) and column.shape == (17,) for column in curve)


def test_padding_does_not_count(rng):
    data = collection(rng, 7, 30, 13)
    noisy = [codes | np.array([0, 7], np.uint8) * rng.integers(0, 2, (len(codes), 1), np.uint8) for codes in data[:2]]
    for ties in TIES:
        found = mean_average_precision(*noisy, *data[2:], bits=13, ties=ties)
        assert found == mean_average_precision(*data, bits=13, ties=ties)


@pytest.mark.parametrize("ties, shape", [("expected", (40, 65_536, 60)), ("stable", (400, 64, 30_000))])
def test_memory_does_not_grow_with_bits_or_rows(rng, ties, shape):
    n, bits, m = shape
    codes = rng.integers(0, 256, (n, bits // 8), np.uint8), rng.integers(0, 256, (m, bits // 8), np.uint8)
    labels = rng.integers(0, 3, n), rng.integers(0, 3, m)
    tracemalloc.start()
    assert 0 < mean_average_precision(*codes, *labels, ties=ties) < 1
    precision_recall_curve(*codes, *labels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 << 20


@pytest.mark.parametrize("name, published, stable", [("UCF101", 0.8738, 0.8740), ("HMDB51", 0.5606, 0.5610)])
def test_published_retrieval_lists(data, name, published, stable):
    """Lists published with the codes of a network, ties as some sort left them: same distances, mAP@100 close to ours."""
    path = data / f"csq_{name}_outputs.npz"
    if not path.exists():
        pytest.skip(f"no {path.name}")
    file = np.load(path)
    codes = [np.packbits(file[key] > 0, axis=1) for key in ("test_hash", "database_hash")]
    labels, ids = [file["test_label"], file["database_label"]], file["ids"].astype(np.int64)
    found = hardmine.topk(*codes, 100, metric="hamming")
    of_published = np.unpackbits(codes[0][:, None] ^ codes[1][ids], axis=2).sum(axis=2)
    np.testing.assert_array_equal(found.distances, of_published)

    relevant = labels[1][ids] == labels[0][:, None]
    hits = relevant.cumsum(axis=1)
    ap = (hits / np.arange(1, 101) * relevant).sum(axis=1) / np.maximum(hits[:, -1], 1)
    assert round(ap.mean(), 4) == published

    of_ties = {ties: mean_average_precision(*codes, *labels, top=100, ties=ties) for ties in TIES}
    assert round(of_ties["stable"], 4) == stable
    assert of_ties["pessimistic"] < of_ties["expected"] < of_ties["optimistic"]
    assert of_ties["pessimistic"] < ap.mean() < of_ties["optimistic"]


GOOD = {
    "query_codes": np.zeros((2, 1), np.uint8),
    "base_codes": np.zeros((3, 1), np.uint8),
    "query_labels": [1, 2],
    "base_labels": [1, 2, 3],
}
SEVERAL = {"query_labels": np.eye(2, 4), "base_labels": np.eye(3, 4)}
BAD = [
    ({"ties": "random"}, ValueError, "ties: expected one of expected, stable, optimistic, pessimistic, got 'random'"),
    ({"normalize": "top"}, ValueError, "normalize: expected one of retrieved, min, all, got 'top'"),
    ({"empty": "nan"}, ValueError, "empty: expected one of zero, skip, got 'nan'"),
    ({"top": 0}, ValueError, "top: expected at least 1, got 0"),
    ({"top": 2.0}, TypeError, "top: expected an integer, got float"),
    ({"threads": 0}, ValueError, "threads: expected at least 1, got 0"),
    ({"bits": 9}, ValueError, "bits: expected 1 to 8 for query_codes of 1 bytes, got 9"),
    (
        {"query_codes": np.zeros((2, 1))},
        TypeError,
        "query_codes: expected packed codes, uint8, got float64; of floats as they are hardmine.retrieval_metrics is",
    ),
    ({"base_codes": np.zeros(3, np.uint8)}, ValueError, "base_codes: expected an array of shape (rows, 1 to"),
    (
        {"base_codes": np.zeros((3, 2), np.uint8), "bits": 7},
        ValueError,
        "base_codes: expected rows of 1 bytes like query_codes",
    ),
    ({"query_labels": [1]}, ValueError, "query_labels: expected 2 labels, one for each row of query_codes, got shape (1,)"),
    ({"base_labels": [0.5] * 3}, TypeError, "base_labels: expected integers or strings, got float64"),
    ({"base_labels": ["a"] * 3}, TypeError, "labels: expected both of one kind, got int64 and <U1"),
    ({"query_labels": 1}, ValueError, "query_labels: expected one label for each row, or a row of 0 and 1 for each row, got"),
    (
        {"base_labels": np.eye(3)},
        ValueError,
        "base_labels: expected one label for each row, like query_labels, got shape (3, 3)",
    ),
    ({"query_labels": np.eye(2)}, ValueError, "base_labels: expected a row of 0 and 1 for each row, like query_labels, got"),
    ({**SEVERAL, "base_labels": np.eye(3)}, ValueError, "base_labels: expected 4 classes like query_labels, got shape (3, 3)"),
    (
        {**SEVERAL, "base_labels": np.eye(2, 4)},
        ValueError,
        "base_labels: expected 3 rows of classes, one for each row of base",
    ),
    ({**SEVERAL, "base_labels": 2 * np.eye(3, 4)}, ValueError, "base_labels: expected 0 and 1, got 2.0 in row 0"),
    ({**SEVERAL, "query_labels": np.eye(2, 4) * np.nan}, ValueError, "query_labels: expected 0 and 1, got nan in row 0"),
    ({**SEVERAL, "query_labels": np.eye(2, 4) * 1j}, TypeError, "query_labels: expected booleans or 0 and 1, got complex128"),
    ({"k": 0}, ValueError, "k: expected at least 1, got 0"),
    ({"k": 3, "ties": "first"}, ValueError, "ties: expected one of expected, stable, optimistic, pessimistic, got 'first'"),
    ({"radius": -1}, ValueError, "radius: expected at least 0, got -1"),
    ({"radius": 1.5}, TypeError, "radius: expected an integer, got float"),
    ({"radius": True}, TypeError, "radius: expected an integer, got bool"),
    ({"radius": 1, "empty": None}, ValueError, "empty: expected one of zero, skip, got None"),
]


@pytest.mark.parametrize("changes, exception, message", BAD, ids=[message[:60] for *_, message in BAD])
def test_bad_input(changes, exception, message, monkeypatch):
    function = {"k": precision_at_k, "radius": precision_within_radius}.get(next(iter(changes)), mean_average_precision)
    monkeypatch.setattr(rankings.Rankings, "blocks", None)  # what is wrong is said before any work
    with pytest.raises(exception, match="^" + re.escape(message)):
        function(**{**GOOD, **changes})
