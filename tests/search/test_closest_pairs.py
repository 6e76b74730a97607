"""The nearest of all pairs, bit for bit those of the oracle, ties by (row, col)."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from pair_cases import METRICS, capped, draw, drawn, large, large_codes, surroundings, two_sides

import hardmine
import pair_reference
from hardmine import Filter, closest_pairs
from optional_torch import torch
from pair_reference import assert_pairs


@pytest.mark.parametrize("metric", METRICS)
@hypothesis.given(**drawn, n_pairs=st.sampled_from([1, 2, 10, 100, 10**9, 2**70]), cap=st.sampled_from([None, 1, 3]))
def test_equals_the_oracle(metric, kind, n, m, layout, isa, threads, seed, n_pairs, cap):
    rng = np.random.default_rng(seed)
    case = capped(draw(metric, kind, n, m, layout, threads, rng), cap, rng)
    with surroundings(isa):
        found = closest_pairs(*case.rows, n_pairs, **case.options)
    assert_pairs(found, pair_reference.closest_pairs(case.distances, n_pairs, case.keep, case.self_join))
    assert found.shape == case.distances.shape
    assert all(isinstance(array, torch.Tensor) == (layout == "tensor") for array in found)


@pytest.mark.parametrize("metric", METRICS[:-1])
@pytest.mark.parametrize("n", [5, 8, 9, 300])
def test_every_screen(isa, metric, n):
    queries, base, distances = two_sides(metric, n)
    expected = pair_reference.closest_pairs(distances, 5000, np.ones(distances.shape, bool))
    for n_pairs in (1, 700, 5000):
        for threads in (1, 4):
            found = closest_pairs(queries, base, n_pairs, metric=metric, threads=threads)
            assert_pairs(found, tuple(array[:n_pairs] for array in expected))


@pytest.mark.parametrize("metric", METRICS[:-1])
@pytest.mark.parametrize("apart", [True, False], ids=["apart", "ties"])
def test_large_self_joins(isa, rng, metric, apart):
    x, distances = large(metric, apart)
    groups = rng.integers(0, 9, len(x))
    where = Filter(groups, groups="same", farther_than=float(np.quantile(distances, 0.001)))
    for filtered in (None, where):
        keep = pair_reference.allowed(filtered, distances, True)
        expected = pair_reference.closest_pairs(distances, 3000, keep, True)
        for n_pairs, threads in ((10, 1), (3000, 1), (3000, 3)):
            found = closest_pairs(x, n_pairs=n_pairs, metric=metric, where=filtered, threads=threads)
            assert_pairs(found, tuple(array[:n_pairs] for array in expected))


@pytest.mark.parametrize("metric", METRICS[:-1])
def test_caps_of_many_pairs(isa, metric):
    """The list is cut several times, and the first cuts leave fewer pairs than are wanted."""
    queries, base, distances = two_sides(metric, 300)
    groups = np.arange(len(base)) % 7
    keep = pair_reference.capped(distances, np.ones(distances.shape, bool), groups, 2)
    expected = pair_reference.closest_pairs(distances, 10**6, keep)
    for n_pairs in (10, 1000, 4100, 10**6):
        for threads in (1, 3):
            where = Filter(base_groups=groups, max_per_group=2)
            found = closest_pairs(queries, base, n_pairs, metric=metric, where=where, threads=threads)
            assert_pairs(found, tuple(array[:n_pairs] for array in expected))


def test_large_self_joins_of_codes(isa):
    codes, distances = large_codes()
    expected = pair_reference.closest_pairs(distances, 2000, np.ones(distances.shape, bool), True)
    for n_pairs in (1, 100, 2000):
        found = closest_pairs(codes, n_pairs=n_pairs, metric="hamming", bits=70)
        assert_pairs(found, tuple(array[:n_pairs] for array in expected))


def test_equal_rows_tie_by_row_and_col(isa):
    for n in (40, 2100):
        x = np.ones((n, 3), np.float32)
        found = closest_pairs(x, n_pairs=n + 1)
        assert found.rows.tolist() == [0] * (n - 1) + [1] * 2
        assert found.cols.tolist() == [*range(1, n), 2, 3]
        assert not found.distances.any()
        with surroundings(block_bytes=3 * n):
            assert_pairs(closest_pairs(x.astype(np.float64), n_pairs=n + 1), tuple(found))


def test_equal_rows_met_in_another_order_tie_by_col(isa):
    """Blocks of base rows are not visited one after the other: pairs of lower columns replace those that fill the list."""
    base = np.zeros((3072, 3), np.float32)
    base[:256] = 1
    for n in (1, 8):
        found = closest_pairs(np.zeros((n, 3), np.float32), base, n_pairs=10, threads=1)
        assert found.rows.tolist() == [0] * 10 and found.cols.tolist() == [*range(256, 266)]


def test_a_later_block_may_hold_the_smaller_row():
    x = np.array([[0.0], [9.0], [10.0], [1.0]])
    with surroundings(block_bytes=12):  # three rows, of which (1, 2) is found; then (0, 3) at that distance
        assert [array.tolist() for array in closest_pairs(x, n_pairs=1)] == [[0], [3], [1.0]]
    y = np.array([[50.0], [0.0], [1.0]])
    with surroundings(block_bytes=8):  # two queries and two base rows: (1, 0) is found first, then (0, 2) at that distance
        found = closest_pairs(np.array([[2.0], [49.0]]), y, n_pairs=1)
    assert [array.tolist() for array in found] == [[0], [2], [1.0]]


def test_the_first_of_more_are_the_nearest(rng):
    x = rng.integers(-2, 3, (300, 6)).astype(np.float32)
    wide = closest_pairs(x, n_pairs=4000, metric="cosine")
    for n_pairs in (1, 17, 999):
        assert_pairs(closest_pairs(x, n_pairs=n_pairs, metric="cosine"), tuple(array[:n_pairs] for array in wide))
    near = hardmine.topk(x, k=1, metric="cosine")
    assert wide.distances[0] == near.distances.min()


def test_to_csr_puts_pairs_in_the_order_of_rows(rng):
    x, y = rng.standard_normal((30, 4)).astype(np.float32), rng.standard_normal((40, 4)).astype(np.float32)
    found = closest_pairs(torch.from_numpy(x), torch.from_numpy(y), n_pairs=200)
    with pytest.raises(ValueError, match=r"^indptr: expected pairs in the order of rows, got others"):
        _ = found.indptr
    indptr, cols, distances = found.to_csr()
    assert indptr.shape == (31,) and indptr[-1] == 200 and all(isinstance(a, torch.Tensor) for a in (indptr, cols, distances))
    within = hardmine.radius_neighbors(x, y, radius=float(found.distances[-1]))
    for known, array in zip(within.to_csr(), (indptr, cols, distances)):
        np.testing.assert_array_equal(array.numpy(), known)
    assert np.shares_memory(within.to_csr()[1], within.cols)
    rest = hardmine.topk(x, y, 1, where=Filter(exclude=within.to_csr()[:2]))
    assert rest.distances.min() > within.distances.max()


def test_infinite_distances_of_a_later_block_may_come_first():
    queries, base = np.full((2, 1), 3e38, np.float32), np.full((3, 1), -3e38)
    with surroundings(block_bytes=4):  # a base row at a time
        found = closest_pairs(queries, base, n_pairs=2)
    assert [array.tolist() for array in found] == [[0, 0], [0, 1], [np.inf, np.inf]]


def test_as_many_as_asked_for(rng):
    """FAISS's shrinking radius is strict, which drops all pairs at the last distance: 59,986 of 100,000. Others give half."""
    codes = rng.integers(0, 256, (8000, 8), dtype=np.uint8)
    found = closest_pairs(codes, n_pairs=100_000, metric="hamming")
    most = int(found.distances.max())
    within = hardmine.radius_neighbors(codes, radius=most, metric="hamming")
    assert len(found) == 100_000 < len(within) and np.count_nonzero(within.distances < most) < 100_000
    x = rng.standard_normal((40, 8)).astype(np.float32)
    assert len(closest_pairs(x, n_pairs=100)) == 100 and len(closest_pairs(x, n_pairs=1000)) == 40 * 39 // 2
