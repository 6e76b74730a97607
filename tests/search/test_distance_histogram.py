"""Counts of pairs by distance: those of the oracle for edges on, beside and between distances."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from pair_cases import METRICS, beside, capped, draw, drawn, large, large_codes, surroundings, two_sides

import hardmine
import pair_reference
from hardmine import Filter, distance_histogram
from hardmine.search.distance_histogram import check_edges
from optional_torch import torch


def draw_edges(rng, distances, bins):
    """Ascending numbers at and beside distances that occur, some of them equal, now and then infinite."""
    values = distances.ravel() if distances.size else np.zeros(1)
    edges = beside(rng.choice(values, bins + 1), rng)
    if rng.random() < 0.3:
        edges[0] = rng.choice([-np.inf, -1e300, -1.0, 0.0])
    if rng.random() < 0.3:
        edges[-1] = rng.choice([np.inf, 1e300, np.finfo(np.float32).max, values.max()])
    return np.sort(edges)


@pytest.mark.parametrize("metric", METRICS)
@hypothesis.given(
    **drawn, bins=st.sampled_from([1, 2, 3, 20, 3000]), split=st.booleans(), cap=st.sampled_from([None, None, 1, 3])
)
def test_equals_the_oracle(metric, kind, n, m, layout, isa, threads, seed, bins, split, cap):
    rng = np.random.default_rng(seed)
    case = capped(draw(metric, kind, n, m, layout, threads, rng), cap, rng)
    edges = draw_edges(rng, case.distances, bins)
    groups = both = None
    if split:
        both = [rng.integers(-1, 2, count) for count in case.distances.shape]
        groups = both[0] if case.self_join else tuple(both)
        both = [both[0], both[0]] if case.self_join else both
    with surroundings(isa):
        found = distance_histogram(*case.rows, edges, groups=groups, **case.options)
    expected = pair_reference.distance_histogram(case.distances, edges, case.keep, case.self_join, both)
    assert isinstance(found, torch.Tensor) == (layout == "tensor")
    found = np.asarray(found)
    assert found.dtype == (np.int64 if layout == "tensor" else np.uint64)
    np.testing.assert_array_equal(found, expected)


def test_torch_computes_with_counts():
    x = torch.tensor([[0.0], [1.0], [3.0]])
    for more in ({}, {"groups": [0, 0, 1]}):
        counts = distance_histogram(x, edges=[0, 2, 5, 9], **more)
        assert counts.dtype == torch.int64
        assert counts.sum() == 3 and (2 * counts).cumsum(-1).max() == (4 if more else 6)
    where = Filter(base_groups=[0, 0, 1], max_per_group=1)
    assert distance_histogram(x, x, [0, 2, 5, 10], where=where).dtype == torch.int64


@hypothesis.given(seed=st.integers(0, 10**6), bins=st.sampled_from([1, 4, 50]))
def test_thresholds_and_numpy_agree(seed, bins):
    """A float32 distance lies between two thresholds exactly where `numpy.histogram` counts it between two edges."""
    rng = np.random.default_rng(seed)
    values = np.concatenate([rng.standard_normal(200) * 10.0 ** rng.uniform(-44, 38), [0.0, 1e-45, -1e-45]]).astype(np.float32)
    edges = draw_edges(rng, values, bins)
    limits = check_edges(edges)
    assert limits.dtype == np.float32 and not np.isnan(limits[:-1]).any()
    place = np.searchsorted(limits[:-1], values, "right") - 1
    inside = (place >= 0) & ~(values >= limits[-1])
    np.testing.assert_array_equal(
        np.bincount(place[inside], minlength=bins), np.histogram(values.astype(np.float64), edges)[0]
    )


@pytest.mark.parametrize("metric", METRICS[:-1])
@pytest.mark.parametrize("n", [5, 8, 9, 300])
@pytest.mark.parametrize("bins", [1, 30, 100_000])
def test_every_screen(isa, rng, metric, n, bins):
    """From one bin, where few pairs need a second look, to more bins than float32 arithmetic can tell apart."""
    queries, base, distances = two_sides(metric, n)
    edges = np.sort(rng.choice(distances.ravel(), bins + 1).astype(np.float64))
    groups = rng.integers(0, 5, n), rng.integers(0, 5, 2000)
    same = groups[0][:, None] == groups[1]
    expected = [np.histogram(distances[kind].astype(np.float64), edges)[0] for kind in (same, ~same)]
    for threads in (1, 4):
        found = distance_histogram(queries, base, edges, metric=metric, groups=groups, threads=threads)
        np.testing.assert_array_equal(found, expected)
        whole = distance_histogram(queries, base, edges, metric=metric, threads=threads)
        np.testing.assert_array_equal(whole, found.sum(axis=0))


@pytest.mark.parametrize("metric", METRICS[:-1])
@pytest.mark.parametrize("apart", [True, False], ids=["apart", "ties"])
def test_large_self_joins(isa, rng, metric, apart):
    x, distances = large(metric, apart)
    groups, mask = rng.integers(0, 9, len(x)), rng.random(len(x)) < 0.9
    keep = np.triu(mask[:, None] & mask, 1)
    same = groups[:, None] == groups
    edges = np.unique(np.quantile(distances, np.linspace(0, 1, 200), method="nearest").astype(np.float64))
    expected = [np.histogram(distances[keep & kind].astype(np.float64), edges)[0] for kind in (same, ~same)]
    for threads in (1, 3):
        found = distance_histogram(x, edges=edges, metric=metric, where=Filter(base_mask=mask), groups=groups, threads=threads)
        np.testing.assert_array_equal(found, expected)


def test_large_self_joins_of_codes(isa):
    codes, distances = large_codes()
    found = distance_histogram(codes, edges=np.arange(72), metric="hamming", bits=70)
    np.testing.assert_array_equal(found, np.histogram(distances[np.triu_indices(len(codes), 1)], np.arange(72))[0])


def test_as_many_edges_as_positives(rng):
    """The use of it: how many negatives lie at or before each of many thresholds, without a list of pairs."""
    x, label = rng.standard_normal((90, 8)).astype(np.float32), rng.integers(0, 4, 90)
    positives = np.sort(hardmine.radius_neighbors(x, radius=np.inf, where=Filter(label, groups="same")).distances)
    edges = np.concatenate([[-np.inf], positives, [np.inf]])
    same, other = distance_histogram(x, edges=edges, groups=label)
    assert same.sum() == len(positives) and same.sum() + other.sum() == 90 * 89 // 2
    negatives = hardmine.radius_neighbors(x, radius=np.inf, where=Filter(label)).distances
    np.testing.assert_array_equal(np.cumsum(other)[:-1], (negatives[:, None] < positives).sum(axis=0))


def test_the_last_edge(isa):
    x = np.array([[3e38], [-3e38], [3e38], [3e38 - 1e32]], np.float32)  # distances of infinity, and of 0
    largest = float(np.finfo(np.float32).max)
    assert distance_histogram(x, edges=[0, 1, np.inf]).tolist() == [1, 5]
    assert distance_histogram(x, edges=[0, 1, largest]).tolist() == [1, 0]
    assert distance_histogram(-np.abs(x), edges=[-np.inf, -1, 0], metric="inner_product").tolist() == [6, 0]
    assert distance_histogram(x, edges=[0, 0]).tolist() == [1]
