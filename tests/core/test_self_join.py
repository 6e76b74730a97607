"""The scan that meets every pair once gives what the plain scan gives, for every metric, filter, k and number of threads."""

import os

import numpy as np
import pytest

import hardmine
from blocks import topk_in_blocks
from hardmine import Filter
from reference import METRICS, assert_same

pytestmark = pytest.mark.slow

N = 4200
SANITIZED = "HARDMINE_SANITIZED" in os.environ  # ten times as slow: the memory that is touched depends little on k


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(5)
    x = rng.standard_normal((N, 130)).astype(np.float32)
    x[::7] = x[3]  # 600 equal rows
    x[5::50] = 0
    x[9::60] *= 1e6
    x[11::70] *= 1e-20
    return x


def plain(x, k, metric, **filters):
    """The same search over a copy, which the library does not recognise as the same array."""
    return hardmine.topk(x, x.copy(), k, metric=metric, where=Filter(exclude=np.arange(N)[:, None].tolist(), **filters))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k", [10] if SANITIZED else [1, 10, 150])
def test_equals_the_plain_scan(isa, rows, metric, k):
    assert_same(hardmine.topk(rows, k=k, metric=metric), plain(rows, k, metric))


@pytest.fixture(scope="module")
def apart():
    """Rows that the screen can tell apart: with those above the join gives up, and leaves them to the plain scan."""
    return np.random.default_rng(6).standard_normal((2500, 220)).astype(np.float32)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k", [30] if SANITIZED else [1, 30])
def test_rows_apart(isa, apart, metric, k):
    own = Filter(exclude=np.arange(len(apart))[:, None].tolist())
    expected = hardmine.topk(apart, apart.copy(), k, metric=metric, where=own)
    for threads, block in ((1, 0), (3, 0), (2, 70)):
        found = topk_in_blocks(apart, None, k, metric=metric, where=None, threads=threads, block=block)
        assert_same(found, expected)


def test_filters_of_rows_apart(isa, apart, rng):
    """Those that the join serves, and those that it must leave to the plain scan."""
    n = len(apart)
    group, mask = rng.integers(0, 20, n), rng.random(n) < 0.97  # enough rows for the join
    lists = [sorted({*rng.choice(n, 20, replace=False).tolist(), i}) for i in range(n)]
    limit = rng.uniform(330, 420, n)
    groups = {"query_groups": group, "base_groups": group}
    for options in (
        {"nearer_than": limit},
        groups,
        groups | {"nearer_than": limit},
        groups | {"groups": "same"},
        groups | {"max_per_group": 2},
        {"base_mask": mask},
        {"farther_than": limit},
        {"farther_than": limit - 40, "nearer_than": limit},
    ):
        expected = hardmine.topk(apart, apart.copy(), 5, where=Filter(exclude=lists, **options))
        assert_same(hardmine.topk(apart, k=5, where=Filter(exclude=lists, **options)), expected)


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_threads_and_blocks(rows, threads):
    whole = plain(rows, 10, "cosine")
    assert_same(hardmine.topk(rows, k=10, metric="cosine", threads=threads), whole)
    found = topk_in_blocks(rows, None, 10, metric="cosine", where=None, threads=threads, block=100)
    assert_same(found, whole)


def test_filters_hold_in_both_directions(isa, rows, rng):
    group = rng.integers(0, 30, N)
    lists = [sorted(rng.choice(N, 20, replace=False).tolist()) for _ in range(N)]
    limit = rng.uniform(100, 300, N)
    where = Filter(query_groups=group, exclude=lists, nearer_than=limit)
    expected = hardmine.topk(
        rows,
        rows.copy(),
        10,
        where=Filter(
            query_groups=group,
            base_groups=group,
            exclude=[sorted({*row, i}) for i, row in enumerate(lists)],
            nearer_than=limit,
        ),
    )
    assert_same(hardmine.topk(rows, k=10, where=where), expected)


def test_strided_rows_and_bad_rows(rows):
    wide = np.concatenate([rows, rows], axis=1)
    assert_same(hardmine.topk(wide[:, :130], k=5), plain(rows, 5, "sqeuclidean"))
    bad = rows.copy()
    bad[[4000, 3111], 7] = np.nan, np.inf
    with pytest.raises(ValueError, match="queries: expected finite numbers, got NaN or infinity in row 3111"):
        hardmine.topk(bad, k=5)
