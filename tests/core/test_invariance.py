"""The same answer, bit for bit, for any threads, blocks, chunks, instruction set, order of rows and k."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

import hardmine
from blocks import topk_in_blocks
from hardmine import _core
from hardmine.search.metric import FLOAT_METRICS
from isas import using_isa
from reference import METRICS, assert_same

K = 9


@pytest.fixture(params=METRICS)
def metric(request):
    return request.param


@pytest.fixture(params=[5, 700])
def rows(request, rng):
    """Queries and a base with ties, duplicates and an offset."""
    base = np.concatenate([rng.standard_normal((9000, 24)), rng.integers(0, 2, (1000, 24)), np.zeros((3, 24))]) + 3
    base = base.astype(np.float32)
    base[100:200] = base[:100]
    queries = np.concatenate([base[: request.param // 2], rng.standard_normal((request.param // 2 + 1, 24))])
    return queries.astype(np.float32), base


def test_threads(rows, metric):
    one = hardmine.topk(*rows, K, metric=metric, threads=1)
    for threads in (2, 3, 7):
        assert_same(hardmine.topk(*rows, K, metric=metric, threads=threads), one)


def test_blocks(rows, metric):
    whole = hardmine.topk(*rows, K, metric=metric)
    for block in (1, 17, 100, 4096):
        found = topk_in_blocks(*rows, K, metric=metric, block=block)
        assert_same(found, whole)


def test_instruction_sets(rows, metric):
    best = hardmine.topk(*rows, K, metric=metric)
    for name in _core.isas_runnable():
        with using_isa(name):
            assert_same(hardmine.topk(*rows, K, metric=metric), best)


def test_chunks_merged(rows, metric):
    queries, base = rows
    whole = hardmine.topk(queries, base, K, metric=metric)
    parts = []
    for first in range(0, len(base), 1234):
        distances, indices = hardmine.topk(queries, base[first : first + 1234], K, metric=metric)
        parts.append(hardmine.Neighbors(distances, np.where(indices < 0, -1, indices + first), metric))
    assert_same(hardmine.merge(*parts), whole)
    assert_same(hardmine.merge(hardmine.merge(*parts[3:]), *parts[:3]), whole)
    assert_same(hardmine.merge(whole, parts[0], whole), whole)


def test_queries_one_by_one(rows, metric):
    queries, base = rows
    together = hardmine.topk(queries, base, K, metric=metric)
    for i in range(0, len(queries), 97):
        assert_same(
            hardmine.topk(queries[i : i + 1], base, K, metric=metric), (together[0][i : i + 1], together[1][i : i + 1])
        )


def test_smaller_k_is_a_prefix(rows, metric):
    many = hardmine.topk(*rows, 60, metric=metric)
    for k in (1, 10, 59):
        assert_same(hardmine.topk(*rows, k, metric=metric), (many[0][:, :k], many[1][:, :k]))


def test_order_of_base_rows(rows, metric, rng):
    queries, base = rows
    order = rng.permutation(len(base))
    found = hardmine.topk(queries, base, K, metric=metric)
    shuffled = hardmine.topk(queries, base[order], K, metric=metric)
    np.testing.assert_array_equal(shuffled.distances, found.distances)


def test_a_pair_has_one_distance_everywhere(rows, metric):
    queries, base = rows
    found = hardmine.topk(queries, base, K, metric=metric)
    listed = hardmine.pair_distances(
        queries, base, np.repeat(np.arange(len(queries)), K), found.indices.ravel(), metric=metric
    )
    np.testing.assert_array_equal(listed.reshape(-1, K), found.distances)


@pytest.mark.parametrize("n", [4, 50])
def test_distance_is_symmetric(rng, metric, n):
    x, y = rng.standard_normal((2, n, 19)).astype(np.float32)
    i, j = np.divmod(np.arange(n * n), n)
    np.testing.assert_array_equal(
        hardmine.pair_distances(x, y, i, j, metric=metric), hardmine.pair_distances(y, x, j, i, metric=metric)
    )


@pytest.mark.parametrize("n, m", [(1, 1), (70, 70), (33, 90), (4, 200)])
def test_matrix_of_a_batch_is_canonical(isa, rng, metric, n, m):
    x, y = rng.standard_normal((n, 37)).astype(np.float32), rng.standard_normal((m, 37)).astype(np.float32)
    for base in (x, y):
        i, j = np.divmod(np.arange(n * len(base)), len(base))
        expected = hardmine.pair_distances(x, base, i, j, metric=metric).reshape(n, -1)
        for threads in (1, 3):
            found = _core.canonical_matrix(
                queries=x, base=base, metric=FLOAT_METRICS[metric], self=base is x, threads=threads, progress=None
            )
            np.testing.assert_array_equal(found, expected)


def test_pairwise_is_the_same_for_threads_and_fused_instruction_sets(rows, metric):
    queries, base = rows
    best = hardmine.pairwise(queries, base, metric=metric)
    np.testing.assert_array_equal(hardmine.pairwise(queries, base, metric=metric, threads=1), best)
    for name in _core.isas_runnable():
        if name != "generic":  # on x86-64 this one has no fused multiply-add
            with using_isa(name):
                np.testing.assert_array_equal(hardmine.pairwise(queries, base, metric=metric), best)


@hypothesis.given(sizes=st.lists(st.integers(0, 6), min_size=1, max_size=4), k=st.integers(1, 8), seed=st.integers(0, 2**32))
def test_merge_is_associative_commutative_and_idempotent(sizes, k, seed):
    rng = np.random.default_rng(seed)
    parts = []
    for shard, size in enumerate(sizes):
        distances = np.sort(rng.integers(0, 4, (3, size)).astype(np.float32), axis=1)
        indices = shard * 10 + np.tile(np.arange(size), (3, 1))
        parts.append(hardmine.Neighbors(distances, indices))
    whole = hardmine.merge(*parts, k=k)
    assert_same(hardmine.merge(*parts[::-1], k=k), whole)
    assert_same(hardmine.merge(*parts, whole, k=k), whole)
    assert_same(hardmine.merge(hardmine.merge(*parts[:1], k=k), *parts[1:], k=k), whole)
