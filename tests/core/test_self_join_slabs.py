"""A self-join whose sinks exceed its memory goes through the array by slabs, and finds what a plain scan finds.

Slabs begin where n x k is about 3 million, and serve from 16,384 numbers of a slab for each neighbour: the sizes here are the
least that do, and their join is 80 thousand million multiply-adds.
"""

import os

import numpy as np
import pytest
from samples import near_the_sample

import hardmine
from hardmine import Filter, Neighbors
from hardmine.search.filter import check_filter
from hardmine.search.metric import FLOAT_METRICS
from hardmine.search.sides import check_rows
from reference import METRICS, assert_same

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("HARDMINE_SANITIZED" in os.environ, reason="minutes; test_self_join.py has the same code in one slab"),
]

N, K, D = 22_000, 143, 360
MOST_BYTES, NUMBERS_PER_NEIGHBOR = 96 << 20, 1 << 14  # as in self_join.hpp
NEAR = 12  # rows before a window from below


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(11).standard_normal((N, D)).astype(np.float32)


@pytest.fixture(scope="module")
def some():
    """Rows of every slab, and their ends."""
    return np.unique(np.concatenate([np.random.default_rng(12).choice(N, 120, replace=False), np.arange(0, N, 200), [N - 1]]))


def joined(rows, metric="sqeuclidean", **fields):
    """`topk`, which must not have left the work to a plain scan: that looks at all pairs, and says so."""
    (q, _), allowed = check_rows(rows, None, metric, None), check_filter(Filter(**fields), None, N, N, self_join=True)
    (block,), totals = q.blocks(), set()
    distances, indices = hardmine._core.topk(
        queries=block,
        base=block,
        k=K,
        filter=allowed.core(nearer_than=allowed.nearer_than),
        metric=FLOAT_METRICS[metric],
        threads=0,
        block=0,
        progress=lambda done, total: totals.add(total),
    )
    assert totals and max(totals) < 0.6 * N**2, "gave up"
    return Neighbors(distances, indices, metric)


@pytest.fixture(scope="module")
def nearest(rows):
    return joined(rows)


@pytest.fixture(scope="module")
def lists(nearest):
    """For each row the five nearest rows but two, and others."""
    other = np.random.default_rng(13).integers(0, N, (N, 4))
    return np.sort(np.concatenate([nearest.indices[:, 2:7], other], axis=1), axis=1)


def plain(rows, some, metric="sqeuclidean", **fields):
    """The same search of some rows in a copy, which the library does not recognise as the same array."""
    each = {name: fields.pop(name)[some] for name in ("query_groups", "nearer_than", "farther_than") if name in fields}
    if "exclude" in fields:
        each["exclude"] = fields.pop("exclude")[some].tolist()
    where = Filter(**each, **fields)
    return hardmine.topk(rows[some], rows.copy(), K, metric=metric, where=where, query_rows=some)


def of(found, some):
    return found.distances[some], found.indices[some]


def test_these_sizes_are_searched_by_slabs():
    most = MOST_BYTES // (16 * (2 * K + 16))
    for n in (N, int(0.95 * N)):
        assert n > most and n / 3 * D > 1.01 * K * NUMBERS_PER_NEIGHBOR


@pytest.mark.parametrize("metric", METRICS)
def test_equals_the_plain_scan(rows, some, nearest, metric):
    found = nearest if metric == "sqeuclidean" else joined(rows, metric)
    assert_same(of(found, some), plain(rows, some, metric))


def test_guesses_that_fall_short(rng):
    """Rows of all slabs, whose sample says that there are K where there are 25: what a slab left out is found in the end."""
    x, near = near_the_sample(rng, N, D, slice(None, None, 28))
    assert len(near) == 25
    assert_same(of(joined(x), near), plain(x, near))


def test_masks_and_lists(rows, some, lists):
    """Rows that the mask leaves out are queries all the same. A few rows find nothing, and never learn a bound."""
    mask, start = np.random.default_rng(14).random(N) < 0.97, np.full(N, -np.inf)
    start[some[::20]] = 1e9
    where = {"base_mask": mask, "farther_than": start}
    found = joined(rows, **where, exclude=lists.tolist())
    assert_same(of(found, some), plain(rows, some, **where, exclude=lists))
    assert (found.indices[some[::20]] == -1).all()


def test_caps_and_groups(rows, some, nearest):
    """The nearest rows of every row are of few groups."""
    group = np.random.default_rng(15).integers(0, 900, N)
    group[nearest.indices[some[::3], :6].ravel()] = 7
    where = {"query_groups": group, "base_groups": group, "max_per_group": 2}
    found = joined(rows, **where)
    assert_same(of(found, some), plain(rows, some, **where))


def test_windows_that_leave_fewer_than_k(rows, some, nearest, lists):
    """Each row has its own; some end at a neighbour, before the first or never."""
    rng = np.random.default_rng(16)
    start, end = nearest.distances[:, NEAR - 1].copy(), nearest.distances[np.arange(N), rng.integers(NEAR, K, N)].copy()
    start[::5], end[::4], end[::9] = -np.inf, np.inf, 1
    where = {"farther_than": start, "nearer_than": end}
    found = joined(rows, **where, exclude=lists.tolist())
    assert_same(of(found, some), plain(rows, some, **where, exclude=lists))
    assert (found.indices[some, -1] < 0).any() and (found.indices[some, -1] >= 0).any()


def test_rows_too_near_are_counted_once(rows, nearest, lists):
    """Whichever slab they are in; those on a list do not count."""
    limit = nearest.distances[:, NEAR - 1]
    near = nearest.distances <= limit[:, None]
    listed = (nearest.indices[:, :, None] == lists[:, None, :]).any(axis=2)
    mined = hardmine.mine_hard_negatives(
        rows, metric="sqeuclidean", max_score=-np.nextafter(limit, np.inf), exclude=lists.tolist(), range_max=K
    )
    assert mined.stats["dropped"]["max_score"] == (near & ~listed).sum()
