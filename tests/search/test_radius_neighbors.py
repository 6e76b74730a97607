"""All pairs within a radius, bit for bit those of the oracle, at the radius itself too."""

import itertools

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from pair_cases import METRICS, beside, capped, draw, drawn, laid_out, large, large_codes, surroundings, two_sides

import hardmine
import pair_reference
from hardmine import Filter, radius_neighbors
from optional_torch import torch
from pair_reference import assert_pairs


def draw_radius(rng, distances, each):
    """One that occurs or lies one step beside such a distance, of all queries or of each; now and then a special one."""
    n = len(distances)
    values = distances.ravel() if distances.size else np.zeros(1)
    found = beside(rng.choice(values, max(n, 1)), rng)
    special = rng.random(len(found)) < 0.1
    found[special] = rng.choice([0.0, -0.0, -1.0, np.inf, -np.inf, 1e300], special.sum())
    return found[:n] if each else float(found[0])


@pytest.mark.parametrize("metric", METRICS)
@hypothesis.given(**drawn, each=st.booleans(), cap=st.sampled_from([None, None, 1, 2]))
def test_equals_the_oracle(metric, kind, n, m, layout, isa, threads, seed, each, cap):
    rng = np.random.default_rng(seed)
    case = capped(draw(metric, kind, n, m, layout, threads, rng), cap, rng)
    radius = draw_radius(rng, case.distances, each)
    with surroundings(isa):
        found = radius_neighbors(*case.rows, radius, **case.options)
    assert_pairs(found, pair_reference.radius_neighbors(case.distances, radius, case.keep, case.self_join))
    assert found.shape == case.distances.shape
    assert all(isinstance(array, torch.Tensor) == (layout == "tensor") for array in found)
    rows = np.asarray(found.rows)
    np.testing.assert_array_equal(found.indptr, np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n))]))


@pytest.mark.parametrize("metric", METRICS[:-1])
@pytest.mark.parametrize("n", [5, 8, 9, 300])
def test_every_screen(isa, metric, n):
    """The screen for few queries and the one for many, with radii that nearly all and nearly no pairs are within."""
    queries, base, distances = two_sides(metric, n)
    for share in (0.0, 0.001, 0.5, 1.0):
        radius = np.quantile(distances, share, axis=1, method="nearest")
        for threads in (1, 4):
            found = radius_neighbors(queries, base, radius, metric=metric, threads=threads)
            assert_pairs(found, pair_reference.radius_neighbors(distances, radius, np.ones(distances.shape, bool)))


@pytest.mark.parametrize("metric", METRICS[:-1])
@pytest.mark.parametrize("apart", [True, False], ids=["apart", "ties"])
def test_large_self_joins(isa, rng, metric, apart):
    """An array large enough for the scan that meets every pair once; each unordered pair comes once."""
    x, distances = large(metric, apart)
    groups, mask = rng.integers(0, 9, len(x)), rng.random(len(x)) < 0.9
    where = Filter(groups, base_mask=mask, farther_than=float(np.quantile(distances, 0.0005)))
    keep = pair_reference.allowed(where, distances, True)
    radius = np.quantile(distances, rng.uniform(0.001, 0.01, len(x)), method="nearest")
    for one, filtered, kept in ((float(radius[0]), None, np.ones(keep.shape, bool)), (radius, where, keep)):
        expected = pair_reference.radius_neighbors(distances, one, kept, True)
        for threads in (1, 3):
            assert_pairs(radius_neighbors(x, radius=one, metric=metric, where=filtered, threads=threads), expected)


def test_large_self_joins_of_codes(isa):
    codes, distances = large_codes()
    keep = np.ones(distances.shape, bool)
    for radius in (0, 14, 14.9):
        found = radius_neighbors(codes, radius=radius, metric="hamming", bits=70)
        assert_pairs(found, pair_reference.radius_neighbors(distances, radius, keep, True))


def test_the_radius_of_both_rows_counts_in_a_self_join():
    x = np.arange(5, dtype=np.float32)[:, None]
    found = radius_neighbors(x, radius=[1, 1, 0, 9, 9], metric="euclidean")
    assert list(zip(found.rows.tolist(), found.cols.tolist())) == [(0, 1), (3, 4)]
    listed = Filter(exclude=[[], [], [], [], [3]])
    assert len(radius_neighbors(x, radius=1, metric="euclidean", where=listed)) == 3, "listed by the later row only"


@pytest.mark.parametrize("groups", ["different", "same"])
def test_a_mask_leaves_out_either_row_of_a_self_join(rng, groups):
    x = rng.integers(-2, 3, (70, 3)).astype(np.float32)
    where = Filter(rng.integers(0, 3, 70), groups=groups, base_mask=rng.random(70) < 0.6)
    distances = pair_reference.matrix(x, None, "sqeuclidean")
    expected = pair_reference.radius_neighbors(distances, 5.0, pair_reference.allowed(where, distances, True), True)
    for layout in ("in place", "converted"):
        with surroundings():
            assert_pairs(radius_neighbors(laid_out(x, layout), radius=5.0, where=where), expected)


def test_the_order_of_rows_does_not_change_which_pairs_are_found(rng):
    x = rng.integers(-2, 3, (150, 5)).astype(np.float32)
    groups, base_groups, order = rng.integers(0, 4, 150), rng.integers(0, 4, 150), rng.permutation(150)
    lists, limit = [rng.integers(0, 150, 5) for _ in range(150)], rng.integers(1, 30, 150)
    back = np.argsort(order)
    whole = radius_neighbors(x, radius=9.0, where=Filter(groups, base_groups, exclude=lists, nearer_than=limit))
    where = Filter(groups[order], base_groups[order], exclude=[back[lists[i]] for i in order], nearer_than=limit[order])
    moved = radius_neighbors(x[order], radius=9.0, where=where)
    pairs = {tuple(sorted(pair)) for pair in zip(order[moved.rows].tolist(), order[moved.cols].tolist())}
    assert pairs == set(zip(whole.rows.tolist(), whole.cols.tolist())) and len(moved) == len(whole)


def test_distances_that_overflow_are_within_infinity_alone():
    x = np.array([[3e38], [-3e38], [3e38]], np.float32)
    assert len(radius_neighbors(x, radius=np.inf)) == 3
    assert radius_neighbors(x, radius=1e300).cols.tolist() == [2]


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean"])
def test_equals_scipy_and_scikit_learn_where_they_are_exact(rng, metric):
    """On a grid of integers float64 has no error: their pairs at the radius itself are in as well."""
    from scipy.sparse import csr_array
    from scipy.spatial import cKDTree
    from sklearn.neighbors import NearestNeighbors

    x, y = (rng.integers(-6, 7, (count, 3)).astype(np.float32) for count in (90, 400))
    for length in (0, 1, 3, 5):
        radius = length**2 if metric == "sqeuclidean" else length
        found = radius_neighbors(x, y, radius, metric=metric)
        lists = cKDTree(y).query_ball_point(x, length)
        indptr, cols, distances = found.to_csr()
        assert [sorted(cols[a:b].tolist()) for a, b in itertools.pairwise(indptr)] == [sorted(one) for one in lists]
        graph = NearestNeighbors(radius=length, algorithm="brute").fit(y).radius_neighbors_graph(x, mode="distance").toarray()
        ours = csr_array((distances, cols, indptr), shape=found.shape).toarray()
        np.testing.assert_allclose(ours, graph**2 if metric == "sqeuclidean" else graph, rtol=1e-6)
        alone = radius_neighbors(x, radius=radius, metric=metric)
        assert {*zip(alone.rows.tolist(), alone.cols.tolist())} == cKDTree(x).query_pairs(length)


def test_the_nearest_of_each_group(rng):
    base, group = rng.integers(-3, 4, (500, 3)).astype(np.float32), rng.integers(0, 6, 500)
    where = Filter(base_groups=group, max_per_group=2)
    near = hardmine.topk(base[:20], base, 12, where=where)
    found = radius_neighbors(base[:20], base, np.inf, where=where)
    assert_pairs(found, (np.repeat(np.arange(20), 12), near.indices.ravel(), near.distances.ravel()))


def test_max_pairs(rng):
    x = rng.standard_normal((60, 4)).astype(np.float32)
    count = len(radius_neighbors(x, radius=3.0))
    assert len(radius_neighbors(x, radius=3.0, max_pairs=count)) == count > 10
    with pytest.raises(ValueError, match=rf"^max_pairs: expected at most {count - 1}\b.*, got {count}\b"):
        radius_neighbors(x, radius=3.0, max_pairs=count - 1)
    with surroundings(block_bytes=100), pytest.raises(ValueError, match=r"^max_pairs: expected at most 3\b"):
        radius_neighbors(x.astype(np.float64), radius=3.0, max_pairs=3)
    assert len(radius_neighbors(x[:1], radius=3.0, max_pairs=0)) == 0
    assert len(radius_neighbors(x, radius=3.0, max_pairs=2**70)) == count


def test_max_pairs_of_more_than_a_list_grows_by_at_a_time():
    x = np.zeros((600, 2), np.float32)
    for threads in (1, 2):
        found = radius_neighbors(x, radius=0.0, max_pairs=179_700, threads=threads)
        assert_pairs(found, (*np.triu_indices(600, 1), np.zeros(179_700, np.float32)))
        with pytest.raises(ValueError, match=r"^max_pairs: expected at most 179699\b.*, got 179700\b"):
            radius_neighbors(x, radius=0.0, max_pairs=179_699, threads=threads)


def test_parts_of_an_array_find_what_it_finds_as_a_whole(rng):
    x = rng.integers(-2, 3, (120, 4)).astype(np.float32)
    whole = radius_neighbors(x, radius=4.0)
    both = {*zip(whole.rows.tolist(), whole.cols.tolist())}
    part = np.array([3, 50, 119])
    found = radius_neighbors(x[part], x, 4.0, query_rows=part)
    expected = {(i, j) for a, b in both for i, j in ((a, b), (b, a)) if i in part.tolist()}
    assert {*zip(part[found.rows].tolist(), found.cols.tolist())} == expected
