"""Rows at the ends of float32, and rows whose differences are: the answer is the oracle's there too."""

import subprocess
import sys

import numpy as np
import pytest

import hardmine
import reference
from hardmine import Filter
from reference import METRICS, assert_same


def test_cosine_finds_a_row_of_zeros_among_many_queries(isa):
    x = np.random.default_rng(6).standard_normal((1000, 256)).astype(np.float32)
    x[500] = 0
    found = hardmine.topk(x[490:506], x, 1, metric="cosine")
    assert found.indices[10] == [0] and found.distances[10] == [1]
    assert_same(found, reference.topk(x[490:506], x, 1, "cosine"))


@pytest.mark.parametrize("d", [2, 16])
@pytest.mark.parametrize("seed", range(8))
def test_cosine_of_scaled_copies(isa, d, seed):
    rng = np.random.default_rng(seed)
    o = rng.standard_normal(d)
    o = (o / np.linalg.norm(o)).astype(np.float32)
    q = (o * rng.uniform(0.5, 2, (200, 1))).astype(np.float32)
    base = np.tile(o, (300, 1))
    found = hardmine.topk(q, base, 1, metric="cosine")
    assert_same(found, reference.topk(q, base[:1], 1, "cosine"))


def test_products_of_queries_of_mixed_scales(isa):
    base = np.repeat(np.float32([2**20 - 1, 2**20, 2**20 + 1]), 20)[:, None]
    q = np.float32([2.0**70] * 11 + [1.37 * 2.0**-87])[:, None]
    for k in (1, 5, 25):
        assert_same(hardmine.topk(q, base, k, metric="inner_product"), reference.topk(q, base, k, "inner_product"))


@pytest.mark.parametrize("metric", ["inner_product", "cosine"])
@pytest.mark.parametrize("d", [2, 9, 40])
def test_few_queries_whose_products_underflow(isa, metric, d):
    rng = np.random.default_rng(d)
    for q_size, b_size in ((1e-22, 1e-22), (1e-40, 1e-4), (1e-25, 1e-20), (2.0**-75, 2.0**-75)):
        q = (q_size * rng.standard_normal((5, d))).astype(np.float32)
        base = (b_size * rng.standard_normal((200, d))).astype(np.float32)
        q[2:] = q_size  # all products of a row alike: all of them are lost, or rounded up
        base[40:] = b_size * rng.uniform(0.5, 2, (160, 1))
        assert_same(hardmine.topk(q, base, 3, metric=metric), reference.topk(q, base, 3, metric))
        group_q, group_b = np.arange(5) % 2, rng.integers(0, 2, 200)
        where = Filter(groups="same", query_groups=group_q, base_groups=group_b)
        expected = reference.topk(q, base, 3, metric, group_q[:, None] == group_b)
        assert_same(hardmine.topk(q, base, 3, metric=metric, where=where), expected)


@pytest.mark.parametrize("size", [1e-30, 1e19, 1e-22, 1e37, 1e-38])
@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "cosine"])
def test_pairwise_keeps_its_digits_at_any_size(isa, metric, size):
    x = (size * np.random.default_rng(0).standard_normal((60, 24))).astype(np.float32)
    found = hardmine.pairwise(x[:40], x, metric=metric).astype(np.float64)
    true = reference.rounded(x[:40], x, metric)
    np.testing.assert_array_equal(np.isinf(found), np.isinf(true))
    finite = np.isfinite(true)
    found, true = np.where(finite, found, 0), np.where(finite, true, 0)
    assert (np.abs(found - true) <= 2.0**-10 * true.astype(np.float64) + 2.0**-149).all()
    assert metric == "sqeuclidean" or (finite.all() and (true > 0).sum() > 2000)


@pytest.mark.parametrize("size", [2.75e18, 2.0**-76.85])
@pytest.mark.parametrize("metric", ["inner_product", "sqeuclidean"])
def test_pairwise_where_float32_cannot_hold_the_unit(isa, metric, size):
    """2^128 or 2^-150: but the distances it can."""
    rng = np.random.default_rng(0)
    x = (size * rng.standard_normal((200, 24))).astype(np.float32)
    found = hardmine.pairwise(x[:40], x, metric=metric).astype(np.float64)
    true = reference.distances(x[:40], x, metric)
    norms = [np.linalg.norm(rows.astype(np.float64), axis=1) for rows in (x[:40], x)]
    held = np.abs(true) < 2.0**127.9
    assert held.mean() > 0.1
    within = 2.0**-10 * true if metric == "sqeuclidean" else 40 * 2.0**-24 * norms[0][:, None] * norms[1]
    assert (np.abs(found - true)[held] <= (within + 2.0**-149)[held]).all()


def signs(array):
    return np.signbit(np.asarray(array)).any()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("n", [4, 40])
@pytest.mark.parametrize("size", [0.0, 1e-30, 1e-23])
def test_no_distance_is_minus_zero(isa, metric, n, size):
    """Not even of products that underflow, or of rows of zeros."""
    rng = np.random.default_rng(0)
    q = (size * rng.choice([-1, 1], (n, 6))).astype(np.float32)
    base = (size * rng.choice([-1, 0, 1], (50, 6))).astype(np.float32)
    true = reference.rounded(q, base, metric)
    zero = true == 0
    found = hardmine.topk(q, base, 50, metric=metric)
    assert not signs(found.distances[found.distances == 0])
    matrix = hardmine.pairwise(q, base, metric=metric)
    assert not signs(matrix[matrix == 0])
    i, j = np.divmod(np.arange(n * 50), 50)
    listed = hardmine.pair_distances(q, base, i, j, metric=metric)
    assert not signs(listed[zero.reshape(-1)])
    np.testing.assert_array_equal(listed, true.reshape(-1))


@pytest.mark.slow
def test_flushing_subnormals_changes_no_bit():
    pytest.importorskip("torch", reason="needs PyTorch, which can flush them")
    code = """
import sys
import numpy as np, torch, hardmine
from hardmine import _core
from hardmine.search.metric import FLOAT_METRICS

rng = np.random.default_rng(0)
x = (1e-39 * rng.standard_normal((2100, 256))).astype(np.float32)
q = x[:64] * np.float32(2)
i, j = np.divmod(np.arange(64 * 50), 50)


def answers():
    for metric in ("sqeuclidean", "euclidean", "cosine", "inner_product"):
        for threads in (1, 3):
            for rows in (q, q[:5]):
                yield from hardmine.topk(rows, x, 4, metric=metric, threads=threads)
                yield hardmine.pairwise(rows, x, metric=metric, threads=threads)
            yield from hardmine.topk(x, k=3, metric=metric, threads=threads)
            yield hardmine.pair_distances(q, x, i, j, metric=metric, threads=threads)
            yield _core.canonical_matrix(
                queries=q, base=x, metric=FLOAT_METRICS[metric], self=False, threads=threads, progress=None
            )


def flushes():
    return (torch.tensor([1e-39]) * 0.5).view(torch.int32).item() == 0


before = [np.asarray(a).tobytes() for a in answers()]
assert not flushes()
if not torch.set_flush_denormal(True):
    sys.exit(77)
assert flushes()
after = [np.asarray(a).tobytes() for a in answers()]
assert flushes(), "the caller's choice is the caller's"
assert before == after
print("same")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    if done.returncode == 77:
        pytest.skip("this machine cannot flush subnormals")
    assert done.stdout == "same\n", done.stderr
