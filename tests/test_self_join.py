"""The scan that meets every pair once gives what the plain scan gives, for every metric, filter, k and number of threads."""

import numpy as np
import pytest

import hardmine
from hardmine import Filter, search
from reference import METRICS, assert_same

N = 4200


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
@pytest.mark.parametrize("k", [1, 10, 150])
def test_equals_the_plain_scan(isa, rows, metric, k):
    assert_same(hardmine.topk(rows, k=k, metric=metric), plain(rows, k, metric))


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_threads_and_blocks(rows, threads):
    whole = plain(rows, 10, "cosine")
    assert_same(hardmine.topk(rows, k=10, metric="cosine", threads=threads), whole)
    found = search.scan(rows, None, 10, metric="cosine", where=None, threads=threads, progress=False, block=100)
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
