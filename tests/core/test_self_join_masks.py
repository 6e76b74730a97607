"""A self-join of the rows that a mask leaves: the others, however few, are only queries, and searched for on their own."""

import numpy as np
import pytest

import hardmine
from hardmine import Filter
from reference import assert_same

N, D, K = 9000, 64, 10  # long enough for a few queries to be cut by base row


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(21).standard_normal((N, D)).astype(np.float32)


def without(count):
    """A mask that forbids so many rows."""
    mask = np.ones(N, bool)
    mask[np.random.default_rng(count).choice(N, count, replace=False)] = False
    return mask


def plain(x, **fields):
    """The same search over a copy, which the library does not recognise as the same array."""
    return hardmine.topk(x, x.copy(), K, where=Filter(**fields), query_rows=np.arange(N))


@pytest.mark.parametrize("count", [1, 3, 40, 200])
def test_rows_that_are_only_queries(rows, count):
    mask = without(count)
    expected = plain(rows, base_mask=mask)
    for threads in (1, 2, 3, 4):
        assert_same(hardmine.topk(rows, k=K, where=Filter(base_mask=mask), threads=threads), expected)


def test_caps_of_rows_that_are_only_queries(rows):
    group = np.random.default_rng(22).integers(0, 40, N)
    fields = {"base_mask": without(5), "base_groups": group, "max_per_group": 1}
    expected = plain(rows, **fields)
    for threads in (1, 2, 3, 4):
        assert_same(hardmine.topk(rows, k=K, where=Filter(**fields), threads=threads), expected)


@pytest.mark.parametrize("true", [2, 255])
def test_every_byte_but_zero_is_true(rows, true):
    """Bytes other than 0 and 1 may stand in a mask that is a view of other numbers."""
    mask = without(30).astype(np.uint8)
    mask[100:120] *= true
    mask[4000:] *= true if true == 2 else 1
    expected, where = plain(rows, base_mask=mask != 0), Filter(base_mask=mask.view(bool))
    for threads in (1, 4):
        assert_same(hardmine.topk(rows, k=K, where=where, threads=threads), expected)
    some = hardmine.topk(rows[:9], rows, K, where=where, query_rows=np.arange(9))
    assert_same(some, (expected.distances[:9], expected.indices[:9]))
