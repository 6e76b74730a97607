"""Lists of neighbours become one, with a cap per group too: the greedy choice of (distance, index) among their entries."""

import numpy as np
import pytest

import hardmine
from hardmine import _core
from reference import assert_same


def greedy(parts, k, groups=None, cap=0):
    """By loops; an entry that occurs twice counts once."""
    n, dtype = len(parts[0][0]), parts[0][0].dtype
    distances = np.full((n, k), np.iinfo(dtype).max if dtype == np.int32 else np.inf, dtype)
    indices = np.full((n, k), -1, np.int64)
    for row in range(n):
        entries = {entry for d, i in parts for entry in zip(d[row].tolist(), i[row].tolist()) if entry[1] >= 0}
        taken, found = {}, 0
        for distance, index in sorted(entries):
            of = None if groups is None else int(groups[index])
            if found == k or (cap and taken.get(of, 0) == cap):
                continue
            taken[of] = taken.get(of, 0) + 1
            distances[row, found], indices[row, found] = distance, index
            found += 1
    return distances, indices


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
@pytest.mark.parametrize("cap", [0, 1, 2])
@pytest.mark.parametrize("threads", [1, 3])
def test_equals_the_greedy_choice(rng, dtype, cap, threads):
    """Of few distances and few rows, row 0 among them, so that entries tie, occur twice and are missing."""
    groups = rng.integers(-2, 3, 30)
    parts = []
    for width in (1, 4, 9):
        distances, indices = rng.integers(0, 4, (700, width)).astype(dtype), rng.integers(-3, 30, (700, width))
        parts.append((distances, np.maximum(indices, -1)))
    for k in (1, 5, 20):
        found = _core.merge(parts, k, groups, cap, threads) if cap else _core.merge(parts, k, None, 0, threads)
        assert_same(found, greedy(parts, k, groups, cap))


def test_distances_of_either_sign_are_in_order_and_nan_comes_last():
    distances = np.array([[np.nan, 2, -1, -np.inf, np.inf, -3]], np.float32)
    found = hardmine.merge((distances, np.arange(6)[None]), (distances[:, ::-1], np.arange(6)[None, ::-1]))
    assert found.indices.tolist() == [[3, 5, 2, 1, 4, 0]] and np.isnan(found.distances[0, 5])
