"""Random numbers without a state: each is a function of a seed, a stream, a row and a column.

What is drawn for a row therefore does not depend on the rows mined beside it, on blocks or on threads. The function is
SplitMix64's finalizer (Steele, Lea and Flood 2014), a permutation of 64-bit numbers whose every output bit depends on every
input bit, applied once for each of the four, each time to the result so far plus the next number times an odd constant.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def bits(seed: int, stream: int, rows: Any, columns: Any) -> NDArray[np.uint64]:
    """64 random bits for each of `rows` and `columns` (integers of at least 0), broadcast against each other."""
    parts = [np.asarray(seed & (2**64 - 1), np.uint64), np.asarray(stream, np.uint64)]
    parts += [np.asarray(numbers).astype(np.uint64) for numbers in (rows, columns)]
    state = np.zeros(1, np.uint64)
    with np.errstate(over="ignore"):
        for part in parts:
            state = _mix(state + (part + np.uint64(1)) * GOLDEN)
    return state.reshape(np.broadcast_shapes(np.shape(rows), np.shape(columns)))


def uniform(seed: int, stream: int, rows: Any, columns: Any) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1), multiples of 2**-53: see `bits`."""
    return (bits(seed, stream, rows, columns) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def gumbel(seed: int, stream: int, rows: Any, columns: Any) -> NDArray[np.float64]:
    """Gumbel numbers: the largest of log w + g is a draw with probabilities in proportion to w. See `bits`."""
    numbers = uniform(seed, stream, rows, columns)
    return np.asarray(-np.log(-np.log(np.maximum(numbers, 2.0**-54))))
