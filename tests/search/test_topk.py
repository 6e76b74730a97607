"""topk without filters: every metric on every instruction set, shapes around the tile sizes, ties, padding."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

import hardmine
import reference
from hardmine import _core
from isas import using_isa
from reference import METRICS, assert_same

# Around 1, the few-query screen (8), register tiles (4, 6, 14), panels (8, 16, 32) and the query tile (96).
QUERIES = [0, 1, 3, 8, 9, 14, 97]
BASES = [0, 1, 15, 33, 777]


def cloud(rng, n, d, ties=False):
    rows = rng.integers(-2, 3, (n, d)) if ties else rng.standard_normal((n, d))
    return rows.astype(np.float32)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("n", QUERIES)
def test_equals_the_oracle(isa, rng, metric, n):
    for m in BASES:
        for d, ties in ((1, True), (5, True), (16, False), (33, False)):
            q, b = cloud(rng, n, d, ties), cloud(rng, m, d, ties)
            for k in (1, 7, m + 1):
                assert_same(hardmine.topk(q, b, k, metric=metric), reference.topk(q, b, k, metric))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("n", [5, 60])
def test_self_join_leaves_own_pair_out(isa, rng, metric, n):
    x = cloud(rng, n, 6, ties=True)
    assert_same(hardmine.topk(x, k=4, metric=metric), reference.topk(x, None, 4, metric))


@pytest.mark.parametrize("n", [2, 40])
def test_equal_rows_have_distance_zero_and_ties_go_to_the_lower_index(isa, rng, n):
    b = np.repeat(cloud(rng, 20, 50), 50, axis=0)
    q = b[:: len(b) // n][:n]
    for metric in ("sqeuclidean", "euclidean", "cosine"):
        found = hardmine.topk(q, b, 60, metric=metric)
        assert_same(found, reference.topk(q, b, 60, metric))
        assert (found.distances[:, :50] == 0).all()


@pytest.mark.parametrize("n", [3, 30])
def test_thousands_of_equal_rows(isa, rng, n):
    b = np.tile(cloud(rng, 1, 20), (5000, 1))
    b[::1000] += 1
    q = cloud(rng, n, 20)
    for metric in METRICS:
        assert_same(hardmine.topk(q, b, 10, metric=metric), reference.topk(q, b, 10, metric))


def test_rows_sorted_from_far_to_near(isa):
    q = np.zeros((20, 4), np.float32)
    b = np.linspace(50, 1, 6000, dtype=np.float32)[:, None] * np.ones((1, 4), np.float32)
    assert_same(hardmine.topk(q, b, 5), reference.topk(q, b, 5))


def test_large_k(isa, rng):
    q, b = cloud(rng, 20, 10), cloud(rng, 3000, 10)
    for k in (1000, 2999, 3000):
        assert_same(hardmine.topk(q, b, k), reference.topk(q, b, k))


def test_many_dimensions(isa, rng):
    q, b = cloud(rng, 12, 4099), cloud(rng, 200, 4099)
    for metric in METRICS:
        assert_same(hardmine.topk(q, b, 5, metric=metric), reference.topk(q, b, 5, metric))


@hypothesis.given(
    n=st.integers(0, 30),
    m=st.integers(0, 120),
    d=st.integers(1, 40),
    k=st.integers(1, 130),
    metric=st.sampled_from(METRICS),
    low=st.sampled_from([-1, -3, -1000]),
    scale=st.sampled_from([1.0, 0.37, 1e-20, 1e15]),
    seed=st.integers(0, 2**32),
)
def test_any_shape(n, m, d, k, metric, low, scale, seed):
    rng = np.random.default_rng(seed)
    q = (rng.integers(low, 2, (n, d)) * scale).astype(np.float32)
    b = (rng.integers(low, 2, (m, d)) * scale).astype(np.float32)
    for isa in _core.isas_runnable():
        with using_isa(isa):
            assert_same(hardmine.topk(q, b, k, metric=metric), reference.topk(q, b, k, metric))


def test_scores_are_the_similarity_view(rng):
    q, b = cloud(rng, 3, 5), cloud(rng, 9, 5)
    for metric in METRICS:
        found = hardmine.topk(q, b, 2, metric=metric)
        np.testing.assert_array_equal(found.scores, 1 - found.distances if metric == "cosine" else -found.distances)


def test_neighbors_unpack_pickle_and_copy(rng):
    import copy
    import pickle

    found = hardmine.topk(cloud(rng, 3, 5), k=2, metric="cosine")
    distances, indices = found
    assert distances is found.distances and indices is found.indices
    for other in (pickle.loads(pickle.dumps(found)), copy.copy(found)):
        assert other.metric == "cosine"
        np.testing.assert_array_equal(other.indices, found.indices)


def test_progress_is_called_with_growing_counts_and_ends_at_the_total(rng):
    calls = []
    hardmine.topk(cloud(rng, 4000, 64), cloud(rng, 20000, 64), 5, progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (4000 * 20000, 4000 * 20000)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)


def test_an_error_in_progress_ends_the_scan(rng):
    def fail(done, total):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        hardmine.topk(cloud(rng, 4000, 64), cloud(rng, 20000, 64), 5, progress=fail)
