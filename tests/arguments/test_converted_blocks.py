"""Inputs that must be converted, or whose numbers do not lie side by side, are read block by block and never copied whole."""

import tracemalloc

import numpy as np
import pytest

import hardmine
from hardmine import _arrays
from hardmine.mining.deep_ranking import relevance
from optional_torch import torch

pytestmark = pytest.mark.slow

MIB = 1 << 20


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(_arrays, "BLOCK_BYTES", MIB)
    monkeypatch.setattr(relevance, "ROW_CELLS", MIB // 4)
    monkeypatch.setattr(relevance, "CELLS", MIB // 4)


def traced(call):
    """What a call returns, and the most memory it took, in MiB."""
    tracemalloc.start()
    try:
        result = call()
        return result, tracemalloc.get_traced_memory()[1] / MIB
    finally:
        tracemalloc.stop()


def wide(rng, n, d):
    """Rows of which a whole copy in float32 would be seen, and the same in other kinds of arrays."""
    x = rng.standard_normal((n, d), dtype=np.float32).astype(np.float16)
    tensors = [torch.from_numpy(x)] if torch else []
    return x.astype(np.float32), [x, np.asfortranarray(x.astype(np.float32)), *tensors]


def everything_of_floats(x, label, triplets, extra):
    sampler = hardmine.RelevanceTripletSampler(5, out_of_class_ratio=0.5)
    sampler.update(np.arange(len(x)), label, relevance=extra, embeddings=x)
    yield "mine_triplets", lambda: np.stack(hardmine.mine_triplets(x, label, max_triplets=100))
    yield "mine_triplets beside references", lambda: np.stack(hardmine.mine_triplets(x, label, x, label, max_triplets=100))
    yield (
        "mine_triplets by distance",
        lambda: np.stack(
            hardmine.mine_triplets(x, label, strategy="distance_weighted", nonzero_loss_cutoff=2.0, max_triplets=100)
        ),
    )
    yield "mine_pairs", lambda: np.concatenate(hardmine.mine_pairs(x, label, rule="hdc", filter_percentage=0.01))
    yield "similarity_precision", lambda: hardmine.similarity_precision(x, triplets)
    yield "score_at_top_k", lambda: hardmine.score_at_top_k(x, triplets, 7)
    yield "score_at_top_k of groups", lambda: hardmine.score_at_top_k(x, triplets, 7, groups=label)
    yield "update", lambda: (sampler.update(np.arange(len(x)) + 10**6, label, relevance=extra, embeddings=x), sampler.draws)[1]
    yield "sample", lambda: np.stack(sampler.sample(50))


def test_batches_and_triplets(rng):
    whole, others = wide(rng, 60, 30_000)  # 7 MiB as float32, a block of which is 8 rows
    label, triplets = np.arange(60) % 7, np.stack([rng.permutation(60)[:3] for _ in range(100)])
    extra = rng.uniform(size=60)
    expected = [call() for _, call in everything_of_floats(whole, label, triplets, extra)]
    for x in others:
        for (name, call), known in zip(everything_of_floats(x, label, triplets, extra), expected):
            found, peak = traced(call)
            assert peak < 5, (name, type(x), peak)
            np.testing.assert_array_equal(found, known, err_msg=name)


@pytest.mark.parametrize("sign", ["none negative", "some negative"])
def test_total_relevance(rng, sign):
    whole, others = wide(rng, 200, 24_000)  # 18 MiB as float32
    if sign == "none negative":
        whole, others = np.abs(whole), [abs(x) for x in others]
    label = rng.integers(0, 2, 200)
    x = whole.astype(np.float64)
    products = np.maximum(x @ x.T, 0) * (label[:, None] == label)
    np.fill_diagonal(products, 0)
    for each in (whole, *others[:2]):
        totals, peak = traced(lambda each=each: hardmine.total_relevance(each, label))
        assert peak < 12, (type(each), peak)
        np.testing.assert_allclose(totals, products.sum(axis=1), rtol=1e-9)


def test_rows_in_place_are_checked_without_a_mask_of_their_size(rng):
    x = rng.standard_normal((40, 400_000), dtype=np.float32)  # 16 million numbers
    _, peak = traced(lambda: hardmine.mine_triplets(x, np.arange(40) % 5, max_triplets=9))
    assert peak < 4
    x[33, 7] = np.nan
    with pytest.raises(ValueError, match="embeddings: expected finite numbers, got NaN or infinity in row 33"):
        hardmine.mine_triplets(x, np.arange(40) % 5)


def rankings(query, base, labels, bits):
    task = query, base, labels[: len(query)], labels[len(query) :]
    for options in (
        {},
        {"top": 50},
        {"top": 50, "ties": "stable"},
        {"top": 9, "normalize": "all"},
        {"empty": "skip", "top": 3},
    ):
        yield hardmine.mean_average_precision(*task, bits=bits, **options)
    yield hardmine.precision_at_k(*task, 20, bits=bits)
    yield hardmine.precision_recall_curve(*task, bits=bits).precision


@pytest.mark.parametrize("several", [False, True])
def test_codes(rng, several):
    """Every other byte, and codes whose padding is not zero."""
    n, m, width = 7, 120_000, 128
    whole = rng.integers(0, 256, (n + m, 2 * width), dtype=np.uint8)
    whole[50_000:] = whole[:50_000].repeat(2, axis=0)[: n + m - 50_000]
    labels = rng.integers(0, 4, n + m)
    if several:
        labels = rng.random((n + m, 5)) < 0.2
    for codes, bits in ((whole[:, ::2], 1024), (np.ascontiguousarray(whole[:, :width]), 1019)):
        clean = np.packbits(np.unpackbits(np.ascontiguousarray(codes), axis=1, count=bits), axis=1)
        expected = list(rankings(clean[:n], clean[n:], labels, bits))
        found, peak = traced(lambda codes=codes, bits=bits: list(rankings(codes[:n], codes[n:], labels, bits)))
        for one, known in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, known)
        assert peak < 9, "a whole copy is 15 MiB; labels take 5"


def test_padding_of_a_base_that_only_speaks_dlpack_never_counts(rng):
    class OnlyDLPack:
        def __init__(self, array):
            self.array = array

        def __dlpack__(self, **options):
            return self.array.__dlpack__(**options)

        def __dlpack_device__(self):
            return self.array.__dlpack_device__()

    codes = rng.integers(0, 256, (60, 2), dtype=np.uint8)
    expected = hardmine.topk(codes[:9], codes, 5, metric="hamming", bits=11)
    found = hardmine.topk(codes[:9], OnlyDLPack(codes), 5, metric="hamming", bits=11)
    np.testing.assert_array_equal(found.distances, expected.distances)


@pytest.mark.parametrize("kind", ["codes", "floats"])
def test_blocks_of_fewer_rows_than_neighbors(rng, monkeypatch, kind):
    """What earlier blocks have found is no limit until it is k rows."""
    x = rng.integers(0, 256, (90, 4), dtype=np.uint8)
    x, metric = (x, "hamming") if kind == "codes" else (x.astype(np.float32), "euclidean")
    whole = hardmine.topk(x[:9], x, 7, metric=metric)
    for rows in (1, 3, 20):
        monkeypatch.setattr(_arrays, "BLOCK_BYTES", rows * x[0].nbytes)
        found = hardmine.topk(x[:9], np.asfortranarray(x), 7, metric=metric)
        np.testing.assert_array_equal(found.indices, whole.indices)
        np.testing.assert_array_equal(found.distances, whole.distances)
