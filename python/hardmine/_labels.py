"""Labels and groups: one for each row, as int64 numbers that are equal exactly where the labels are.

Any integer is an ordinary label, negative ones too, as in classes of -1 and +1. Only `sample_non_duplicate_split`
and `pair_roc`, whose clusters most rows have none of, take negative integers as no cluster at all, and say so.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardmine import _arrays
from hardmine._arrays import ArrayLike, Ints


def labels(name: str, array: ArrayLike, count: int, of: str) -> NDArray[Any]:
    """One label a row: integers, booleans or strings."""
    values = _arrays.to_numpy(name, array)
    if values.ndim != 1 or len(values) != count:
        raise ValueError(f"{name}: expected {count} labels, one for each row of {of}, got shape {values.shape}")
    if values.size == 0 and not isinstance(array, np.ndarray):
        values = values.astype(np.int64)  # an empty list has nothing to be told by
    if values.dtype.kind == "O":
        values = values.astype(str)
    if values.dtype.kind not in "iubUS":
        raise TypeError(f"{name}: expected integers or strings, got {values.dtype}")
    return values


def numbered(*arrays: NDArray[Any]) -> list[Ints]:
    """The labels as int64 numbers that are equal exactly where the labels are, across the arrays.

    Integers that fit int64 are their own numbers.
    """
    kinds = {a.dtype.kind in "US" for a in arrays if len(a)}
    if len(kinds) > 1:
        raise TypeError(f"labels: expected both of one kind, got {' and '.join(str(a.dtype) for a in arrays)}")
    if True in kinds:
        _, inverse = np.unique(np.concatenate(arrays), return_inverse=True)
        ends = np.cumsum([len(a) for a in arrays])[:-1]
        return [np.ascontiguousarray(part, dtype=np.int64) for part in np.split(inverse.reshape(-1), ends)]
    largest = np.uint64(np.iinfo(np.int64).max)  # NumPy before 1.25 compares a uint64 and a Python integer as float64
    too_large = [a.dtype == np.uint64 and len(a) > 0 and bool(a.max() > largest) for a in arrays]
    if not any(too_large):
        return [np.ascontiguousarray(a, dtype=np.int64) for a in arrays]
    # uint64 beside int64 would be compared as float64, which has 53 digits: each half of the numbers is numbered by itself.
    large = [a > largest if wide else np.zeros(len(a), bool) for a, wide in zip(arrays, too_large)]
    found = [np.empty(len(a), np.int64) for a in arrays]
    for half, dtype in ((False, np.int64), (True, np.uint64)):
        places = [np.flatnonzero(is_large == half) for is_large in large]
        values = np.concatenate([a[at].astype(dtype) for a, at in zip(arrays, places)])
        _, inverse = np.unique(values, return_inverse=True)
        numbers = 2 * inverse.reshape(-1) + half
        for numbers_of, at, part in zip(found, places, np.split(numbers, np.cumsum([len(at) for at in places])[:-1])):
            numbers_of[at] = part
    return found
