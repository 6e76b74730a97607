"""Linear codes of few dimensions by descent over their columns: for the lengths that no family fits.

Take a column away; the best one to put back is known exactly: with w_u the weights of the words without it, the sum over u
of 2^-(weight) falls the most for the b that makes the Walsh-Hadamard transform of 2^-w_u smallest. Powers of two keep every
sum an exact integer, so that the path does not depend on the machine. Several searches run side by side as rows of one array.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hardmine._arrays import Ints
from hardmine.hashing.coding.linear import walsh_hadamard

MOST_DIMENSIONS = 9
SIDE_BY_SIDE = 8
STEPS = 3000  # of each search: a third of a second; what is found is nearly always found by then


def griesmer(bits: int, dimension: int) -> int:
    """The largest distance that Griesmer's bound leaves to a linear code."""
    d = bits
    while sum(-(-d >> i) for i in range(dimension)) > bits:
        d -= 1
    return d


def search(bits: int, dimension: int, target: int, seed: int, steps: int = STEPS) -> tuple[int, Ints]:
    """The largest minimum distance found, and its columns; stops at the target.

    Parameters
    ----------
    bits, dimension : int
        Of the code.
    target : int
        The distance at which to stop.
    seed : int
        Of the columns to start from and of the order in which they are looked at.
    steps : int
        Columns that each of the searches may exchange: a budget that does not depend on the machine's speed.
    """
    rng = np.random.default_rng(seed)
    size = 1 << dimension
    each = np.arange(SIDE_BY_SIDE)
    parities = ((1 - walsh_hadamard(np.eye(size, dtype=np.int64))) // 2).astype(np.int16)  # [u, b]: the bit of word u there
    columns = rng.integers(1, size, (SIDE_BY_SIDE, bits))
    weights = parities[columns].sum(axis=1, dtype=np.int16)
    penalty = _penalties(bits, target)
    best, found = -1, columns[0].copy()
    for step in range(steps):
        if step % 256 == 0:
            places, others = rng.integers(0, bits, (256, SIDE_BY_SIDE)), rng.integers(1, size, (256, SIDE_BY_SIDE))
            kicked = rng.integers(0, 64, (256, SIDE_BY_SIDE)) == 0
        at = places[step % 256]
        old = columns[each, at]
        weights -= parities[old]
        scores = penalty[weights]
        scores[:, 0] = 0  # the zero word has no say
        scores = walsh_hadamard(scores)
        scores[:, 0] = np.inf  # nor may a column be zero
        scores[each, old] += np.abs(scores[each, old]) // 32  # rather not the one just taken away
        new = np.where(kicked[step % 256], others[step % 256], scores.argmin(axis=1))
        columns[each, at] = new
        weights += parities[new]
        distances = weights[:, 1:].min(axis=1)
        if distances.max() > best:
            best, found = int(distances.max()), columns[distances.argmax()].copy()
            if best >= target:
                break
    return best, found


def _penalties(bits: int, target: int) -> NDArray[np.float64]:
    """2^-weight by weight, as integers: flat well above the target, where nothing is to be gained."""
    exponent = np.clip(target + 10 - np.arange(bits + 1), 0, 40)
    return np.ldexp(1.0, exponent)
