"""Kerdock codes: 4^(r + 1) words of 2^(r + 1) bits, 2^r - 2^((r - 1) / 2) apart, r odd. The first is Nordstrom-Robinson's.

They hold more words than any linear code of their distance. As Hammons et al. (1994) found, they are the Gray image of a
linear code over the integers modulo 4: sums of shifts of a sequence whose recurrence lifts a primitive polynomial, plus a
constant.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hardmine._arrays import Ints
from hardmine.hashing.coding.code import Bits, Code
from hardmine.hashing.coding.fields import PRIMITIVE

DEGREES = (3, 5, 7, 9, 11)  # r


def kerdock(r: int) -> Code:
    """The code of 2^(r + 1) bits."""
    size = 4 ** (r + 1)

    def words(numbers: Ints) -> Bits:
        # Adding 2 everywhere complements a word: so the lowest bit of a number says whether 2 is added, the next whether 1
        # is; numbers are moved on by a pair, so that the constant words come last. Which word of a pair is the even one
        # depends on the next bit, or else the first bit of all even ones would be the same.
        message = (numbers + 2) % size
        message ^= message >> 2 & 1
        quaternary = np.zeros((len(numbers), 1 << r), np.uint8)
        for i, shift in enumerate(_shifts(r)):
            quaternary[:, 1:] += (message >> (2 + 2 * i) & 3).astype(np.uint8)[:, None] * shift
        quaternary += (2 * (message & 1) + (message >> 1 & 1)).astype(np.uint8)[:, None]
        quaternary &= 3
        gray = np.stack([quaternary >= 2, (quaternary == 1) | (quaternary == 2)], axis=2)
        return gray.view(np.uint8).reshape(len(numbers), -1)

    name = "Nordstrom-Robinson" if r == 3 else f"Kerdock({2 << r})"
    return Code(name, 2 << r, size, 2**r - 2 ** ((r - 1) // 2), True, words)


@lru_cache(maxsize=8)
def _shifts(r: int) -> NDArray[np.uint8]:
    """r sequences modulo 4 of period 2^r - 1 that span all others of the lifted recurrence."""
    bits = np.array([PRIMITIVE[r] >> i & 1 for i in range(r + 1)])
    even, odd = bits * (np.arange(r + 1) % 2 == 0), bits * (np.arange(r + 1) % 2)
    # Graeffe: with f(x) = e(x) + o(x) modulo 2, the lift F modulo 4 has F(x^2) = +-(e(x)^2 - o(x)^2).
    lift = (np.convolve(even, even) - np.convolve(odd, odd))[::2] % 4
    lift = lift * lift[r] % 4  # monic: the leading coefficient is 1 or 3, its own inverse
    sequences = np.zeros((r, (1 << r) - 1), np.int64)
    sequences[:, :r] = np.eye(r, dtype=np.int64)
    for t in range(r, sequences.shape[1]):
        sequences[:, t] = -(sequences[:, t - r : t] @ lift[:r]) % 4
    return sequences.astype(np.uint8)
