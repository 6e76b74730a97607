"""Hash centers: the distances they reach, what they are made of, votes, assignments, and every bad input."""

import itertools
import re
import sys

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

import hardmine
from hardmine.hashing.centers import assign_centers, assign_classes, hash_centers, semantic_centers
from hardmine.hashing.coding import codebook
from hardmine.hashing.coding.chosen import Chosen, min_distance
from hardmine.hashing.coding.published import BLOCK, rejection
from optional_torch import torch
from refusals import assert_refused


def distances(codes, bits):
    """The matrix of all pairs, by a product of signs; independent of the engine."""
    signs = np.unpackbits(codes, axis=1, count=bits).astype(np.float32) * 2 - 1
    return ((bits - signs @ signs.T) / 2).astype(np.int64)


def smallest(codes, bits):
    matrix = distances(codes, bits)
    return matrix[~np.eye(len(codes), dtype=bool)].min()


@hypothesis.example((1024, 10), True)
@hypothesis.given(st.integers(1, 10).flatmap(lambda bits: st.tuples(st.integers(1, 2**bits), st.just(bits))), st.booleans())
def test_any_number_of_short_words(case, multi_label):
    n_classes, bits = case
    centers = hash_centers(n_classes, bits, multi_label=multi_label)
    assert len(np.unique(centers.codes, axis=0)) == n_classes == len(centers.codes)
    assert centers.min_distance <= centers.upper_bound
    if n_classes > 1:
        assert centers.min_distance == smallest(centers.codes, bits) >= 1


SIZES = "3,1000 7,5 4096,12 50,4096 1,1 2,1 2,2 100,65536 20000,300 1000,777 65536,16"


@pytest.mark.parametrize("case", SIZES.split())
def test_sizes_of_every_kind(case):
    n_classes, bits = map(int, case.split(","))
    centers = hash_centers(n_classes, bits)
    assert centers.min_distance == {50: 2089, 100: 33098, 3: 666, 1000: 388}.get(n_classes, centers.min_distance)
    assert len(np.unique(centers.codes, axis=0)) == n_classes
    assert centers.signs().shape == (n_classes, bits)


def test_a_single_class():
    centers = hash_centers(1, 40)
    assert (centers.min_distance, centers.mean_distance, centers.upper_bound, centers.optimal) == (40, 40.0, 40, True)
    assert 0 < centers.signs().mean() + 1 < 2


@pytest.mark.slow
def test_too_many_words_to_compare(monkeypatch):
    centers = hash_centers(1_000_000, 64)
    assert centers.min_distance == 16 and len(np.unique(centers.codes.view(np.uint64))) == 1_000_000
    monkeypatch.setattr(codebook, "MOST_BYTES", 1000)  # now for sets whose pairs can be compared by the test
    codebook._best_known.cache_clear()
    for n_classes, bits in [(600, 64), (1024, 40), (3000, 100), (513, 300)]:
        code = codebook.best_code(n_classes, bits, 0)
        assert code.columns is not None and code.size == 1 << (n_classes - 1).bit_length()
        centers = hash_centers(n_classes, bits)
        assert centers.min_distance == smallest(centers.codes, bits)
    codebook._best_known.cache_clear()


def test_what_is_measured_is_the_codes():
    code = codebook.best_code(64, 64, 0)
    codes = np.packbits(code.words(np.arange(64)), axis=1)
    codes[17] = codes[40]
    assert min_distance(Chosen(codes, np.zeros(64, np.int64), code)) == 0


@pytest.mark.parametrize("case", [(100, 64), (1000, 64), (128, 64), (2000, 64), (38, 48), (101, 64), (33, 16)])
def test_complementary_pairs_balance_every_bit(case):
    n_classes, bits = case
    words = np.unpackbits(hash_centers(n_classes, bits).codes, axis=1)
    np.testing.assert_array_equal(words[1::2], 1 - words[: n_classes // 2 * 2 : 2])
    assert set(2 * words.sum(axis=0, dtype=int) - n_classes) <= ({0} if n_classes % 2 == 0 else {-1, 1})


@pytest.mark.parametrize("case", [(30, 64), (48, 48), (40, 80), (400, 64), (2000, 64), (500, 64), (30, 32), (100, 16)])
def test_votes_get_one_word_of_a_pair(case):
    n_classes, bits = case
    one, pairs = hash_centers(n_classes, bits, multi_label=True), hash_centers(n_classes, bits)
    assert one.min_distance >= pairs.min_distance
    room = n_classes <= codebook.best_code(n_classes, bits, 0).size // 2
    assert (distances(one.codes, bits).max() < bits) == room


def test_votes_of_three_keep_away_from_foreign_classes():
    labels = np.array([[i in chosen for i in range(21)] for chosen in itertools.combinations(range(21), 3)])
    nearest, distinct = [], []
    for multi_label in (True, False):
        centers = hash_centers(21, 32, multi_label=multi_label)
        voted = semantic_centers(centers, labels)
        matrix = distances(np.concatenate([voted, centers.codes]), 32)[: len(voted), len(voted) :]
        nearest.append(np.where(labels, 99, matrix).min(axis=1).mean())
        distinct.append(len(np.unique(voted, axis=0)))
    assert distinct[0] == 1330 > distinct[1] and nearest[0] == 16.0 > nearest[1]


def test_seeds():
    for method in ("best", "csq", "bernoulli", "rejection"):
        one, same, other = (hash_centers(150, 64, method=method, seed=s) for s in (0, 0, 1))
        np.testing.assert_array_equal(one.codes, same.codes)
        assert not np.array_equal(one.codes, other.codes)
        assert (one.min_distance, one.mean_distance) == (same.min_distance, same.mean_distance)
    np.testing.assert_array_equal(hash_centers(100, 40, seed=5).codes, hash_centers(100, 40, seed=5).codes)


def test_signs_and_mean_distance():
    centers = hash_centers(10, 13, method="bernoulli")
    signs = centers.signs()
    assert signs.shape == (10, 13) and signs.dtype == np.float32 and set(np.unique(signs)) == {-1, 1}
    np.testing.assert_array_equal(hardmine.pack(signs), centers.codes)
    assert centers.mean_distance == distances(centers.codes, 13).sum() / 90
    with pytest.raises(AttributeError):
        centers.bits = 3


# as published


def sylvester(order):
    matrix = np.ones((1, 1), int)
    while len(matrix) < order:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return matrix


@pytest.mark.parametrize("bits", [1, 2, 16, 64])
def test_csq_takes_rows_of_sylvester_s_matrix(bits):
    matrix = sylvester(bits)
    both = np.concatenate([matrix, -matrix])
    for n_classes in {1, bits // 2 or 1, bits, bits + 1, 2 * bits}:
        centers = hash_centers(n_classes, bits, method="csq", seed=9)
        np.testing.assert_array_equal(centers.signs(), both[:n_classes])


@pytest.mark.parametrize(("n_classes", "bits"), [(200, 64), (10, 48), (100, 12), (33, 16)])
def test_csq_tosses_coins_otherwise(n_classes, bits):
    centers = hash_centers(n_classes, bits, method="csq", seed=3)
    np.testing.assert_array_equal(centers.codes, hash_centers(n_classes, bits, method="bernoulli", seed=3).codes)
    assert abs(centers.signs().mean()) < 0.1


def test_random_words_may_repeat():
    assert hash_centers(16, 4, method="bernoulli").min_distance == 0
    assert hash_centers(16, 4, method="rejection").min_distance >= 0


def slow_rejection(n_classes, bits, seed, failures):
    """OrthoHash's loop, a word at a time, from the same stream."""
    rng, words, failed, hundredths, stream = np.random.default_rng(seed), [], 0, 61, []
    while len(words) < n_classes:
        if not stream:
            stream = list(rng.integers(0, 2, (BLOCK, bits), dtype=np.uint8))
        word = stream.pop(0)
        if all(100 * (word != w).sum() >= hundredths * bits for w in words):
            words.append(word)
        else:
            failed += 1
            if failed >= failures:
                failed, hundredths = 0, hundredths - 1
    return np.array(words)


@pytest.mark.parametrize(("n_classes", "bits", "failures"), [(12, 16, 100), (40, 24, 37), (20, 9, 300), (300, 12, 5)])
def test_rejection_is_the_loop_it_stands_for(n_classes, bits, failures):
    found = rejection(n_classes, bits, np.random.default_rng(7), failures)
    np.testing.assert_array_equal(found, slow_rejection(n_classes, bits, 7, failures))


def test_rejection_reaches_what_it_did():
    assert [hash_centers(*case, method="rejection").min_distance for case in [(100, 16), (100, 32), (100, 64)]] == [5, 12, 26]


def test_published_centers(data):
    with np.load(data / "csq_hash_centers.npz") as sets:
        assert len(sets.files) == 15
        for name in sets.files:
            n_classes, bits = sets[name].shape
            nus = {16: 4, 32: 16, 64: 32}  # of the others, one set was drawn anew
            expected = nus[bits] if "nus" in name else 20 if name == "64_coco_80" else {16: 2, 32: 8, 64: 32}[bits]
            codes = hardmine.pack(sets[name])
            assert hardmine.topk(codes, k=1, metric="hamming", bits=bits).distances.min() == expected
            ours = hash_centers(n_classes, bits)
            assert ours.min_distance > expected or (ours.min_distance == expected and ours.optimal)


# votes and assignments


def slow_votes(signs, labels, seed):
    """A sample, a bit, a label at a time."""
    bits = signs.shape[1]
    tie = np.random.default_rng(seed).integers(0, 2, -(-bits // 8) * 8, dtype=np.uint8)
    voted = []
    for row in labels:
        sums = [sum(signs[c, bit] for c in np.flatnonzero(row)) for bit in range(bits)]
        voted.append([tie[bit] if total == 0 else total > 0 for bit, total in enumerate(sums)])
    return np.packbits(np.array(voted, np.uint8), axis=1)


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int64, np.float32, np.float64, "tensor"])
def test_votes(rng, kind):
    centers = hash_centers(13, 21, multi_label=True)
    labels = rng.random((200, 13)) < rng.choice([0.1, 0.3, 0.6], (200, 1))
    labels[np.arange(200), rng.integers(0, 13, 200)] = True
    given = torch.tensor(labels) if kind == "tensor" else labels.astype(kind) * (1 if kind is bool else kind(3))
    for seed in (0, 4):
        voted = semantic_centers(centers, given, seed=seed)
        assert isinstance(voted, np.ndarray) == (kind != "tensor")
        np.testing.assert_array_equal(np.asarray(voted), slow_votes(centers.signs(), labels, seed))
    raw = semantic_centers(centers.codes, labels)
    np.testing.assert_array_equal(raw, slow_votes(centers.signs(), labels, 0))


def test_votes_depend_on_the_labels_and_the_seed_only(monkeypatch):
    centers = hash_centers(40, 64, multi_label=True)
    labels = np.zeros((3000, 40), bool)
    labels[:, [3, 17]] = True
    voted = semantic_centers(centers, labels)
    monkeypatch.setattr("hardmine.hashing.centers.BLOCK", 1000)
    np.testing.assert_array_equal(voted, semantic_centers(centers, labels))
    assert len(np.unique(voted, axis=0)) == 1
    tied = (centers.signs()[3] + centers.signs()[17]) == 0
    changed = np.unpackbits(voted[0] ^ semantic_centers(centers, labels[:1], seed=1)[0]).astype(bool)
    assert tied.sum() == 32 and changed.any() and not changed[~tied].any()
    assert semantic_centers(centers, labels[:0]).shape == (0, 8)


def test_votes_over_coco(data):
    with np.load(data / "multilabel_lists.npz") as lists:
        labels = np.unpackbits(lists["coco80_test"], axis=1, count=80)
    labels = labels[labels.any(axis=1)][:400]
    centers = hash_centers(80, 64, multi_label=True)
    np.testing.assert_array_equal(semantic_centers(centers, labels), slow_votes(centers.signs(), labels, 0))


@pytest.mark.parametrize("threads", [None, 1])
def test_nearest_centers(rng, threads):
    centers = hash_centers(100, 30)
    codes = centers.codes[rng.integers(0, 100, 500)] ^ np.packbits(rng.random((500, 30)) < 0.15, axis=1)
    indices, found = assign_centers(codes, centers, threads=threads)
    matrix = distances(np.concatenate([codes, centers.codes]), 30)[:500, 500:]
    np.testing.assert_array_equal(indices, matrix.argmin(axis=1))  # argmin is the lower one of two
    np.testing.assert_array_equal(found, matrix.min(axis=1))
    assert (indices.dtype, found.dtype, indices.shape) == (np.int64, np.int32, (500,))
    assert not torch or isinstance(assign_centers(torch.tensor(codes), centers)[0], torch.Tensor)


def test_matching_scores():
    optimize = pytest.importorskip("scipy.optimize")
    rng, centers = np.random.default_rng(0), hash_centers(9, 16)
    for shape in [(9, 9), (4, 9), (1, 9)]:
        scores = rng.random(shape)
        found = assign_classes(centers, scores)
        assert found.dtype == np.int64 and len(set(found)) == shape[0]
        best = scores[optimize.linear_sum_assignment(-scores)].sum()
        assert scores[np.arange(shape[0]), found].sum() == pytest.approx(best)


@pytest.mark.parametrize(("classes", "available"), [(16, 16), (10, 16), (20, 80)])
def test_similar_classes_get_near_centers(classes, available):
    pytest.importorskip("scipy")
    rng, centers = np.random.default_rng(1), hash_centers(available, 48)
    kind = np.arange(classes) // 2
    similarity = (kind[:, None] == kind).astype(float)  # classes come in twins
    matrix = distances(centers.codes, 48)
    found = assign_classes(centers, similarity)
    assert found.shape == (classes,) and len(set(found.tolist())) == classes and set(found.tolist()) <= set(range(available))
    if torch:
        np.testing.assert_array_equal(found, assign_classes(centers, torch.tensor(similarity)))

    def cost(matched):
        return (similarity * matrix[np.ix_(matched, matched)]).sum()

    assert cost(found) <= min(cost(rng.permutation(available)[:classes]) for _ in range(200))
    for i, j in itertools.combinations(range(classes), 2):
        exchanged = found.copy()
        exchanged[[i, j]] = found[[j, i]]
        assert cost(found) <= cost(exchanged)
    if classes == available == 16:
        assert cost(found) == 16 * matrix[matrix > 0].min(), "every class beside its twin"


def test_without_scipy(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(ImportError, match=re.escape('assign_classes needs scipy: pip install "hardmine[scipy]"')):
        assign_classes(np.zeros((3, 1), np.uint8), np.eye(3))


# errors

C = np.array([[0], [255], [15]], np.uint8)
L = np.array([[1, 0, 1], [0, 1, 0]])
EMPTY_ROW = np.array([[1, 0, 1], [0, 0, 0]])
ERRORS = [
    (lambda: hash_centers(0, 8), ValueError, "n_classes: expected at least 1, got 0"),
    (lambda: hash_centers(3.0, 8), TypeError, "n_classes: expected an integer, got float"),
    (lambda: hash_centers(True, 8), TypeError, "n_classes: expected an integer, got bool"),
    (lambda: hash_centers(9, 3), ValueError, "n_classes: expected at most 2**bits = 8, got 9"),
    (lambda: hash_centers(9, 3, method="csq"), ValueError, "n_classes: expected at most 2**bits = 8, got 9"),
    (lambda: hash_centers(3, 0), ValueError, "bits: expected at least 1, got 0"),
    (lambda: hash_centers(3, 65537), ValueError, "bits: expected 1 to 65536, got 65537"),
    (lambda: hash_centers(3, True), TypeError, "bits: expected an integer, got bool"),
    (lambda: hash_centers(3, 8, method="b"), ValueError, "method: expected one of best, csq, bernoulli, rejection, got 'b'"),
    (lambda: hash_centers(3, 8, multi_label=1), TypeError, "multi_label: expected True or False, got int"),
    (lambda: hash_centers(3, 8, seed=-1), ValueError, "seed: expected at least 0, got -1"),
    (lambda: hash_centers(3, 8, seed=None), TypeError, "seed: expected an integer, got NoneType"),
    (lambda: semantic_centers(C.astype(int), L), TypeError, "centers: expected packed codes, uint8, got int64"),
    (lambda: semantic_centers(C[:0], L), ValueError, "centers: expected at least one center, got shape (0, 1)"),
    (lambda: semantic_centers(C, L[:, :2]), ValueError, "label_matrix: expected shape (n, 3), a column for each center"),
    (lambda: semantic_centers(C, L[0]), ValueError, "label_matrix: expected shape (n, 3), a column for each center"),
    (lambda: semantic_centers(C, L.astype(str)), TypeError, "label_matrix: expected booleans or numbers, got <U21"),
    (lambda: semantic_centers(C, EMPTY_ROW), ValueError, "label_matrix: expected a label in every row, got none in row 1"),
    (lambda: semantic_centers(C, L * np.nan), ValueError, "label_matrix: expected numbers, got NaN in row 0"),
    (lambda: semantic_centers(C, L, seed=1.5), TypeError, "seed: expected an integer, got float"),
    (lambda: assign_centers(np.zeros((2, 2), np.uint8), C), ValueError, "codes: expected rows of 1 bytes like centers, got"),
    (lambda: assign_centers(np.zeros((2, 1)), C), TypeError, "codes: expected packed codes, uint8, got float64"),
    (lambda: assign_centers(C, C[0]), ValueError, "centers: expected an array of shape (rows, 1 to"),
    (lambda: assign_centers(C, C, threads=0), ValueError, "threads: expected at least 1, got 0"),
    (lambda: assign_classes(C, np.eye(4)), ValueError, "similarity: expected shape (n, n) or (n, 3), n from 1 to 3"),
    (lambda: assign_classes(C, np.zeros((0, 3))), ValueError, "similarity: expected shape (n, n) or (n, 3), n from 1 to 3"),
    (lambda: assign_classes(C, [[0, 1], [2, 0]]), ValueError, "similarity: expected a symmetric matrix or 3 columns"),
    (lambda: assign_classes(C, np.full((3, 3), np.inf)), ValueError, "similarity: expected finite numbers, got NaN or infin"),
    (lambda: assign_classes(C, np.eye(3) * 1j), TypeError, "similarity: expected real numbers, got complex128"),
]


@pytest.mark.parametrize(("call", "error", "message"), ERRORS, ids=[message[:60] for *_, message in ERRORS])
def test_bad_arguments(call, error, message):
    assert_refused(call, error, message)
