"""Finite fields, as little of them as the constructions need: squares in GF(q) for Paley, powers in GF(2^r) for BCH.

An element of GF(p^e) is the integer whose digits in base p are its coefficients.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hardmine._arrays import Ints

# Primitive polynomials over GF(2) by degree, bit i the coefficient of x^i.
PRIMITIVE = {
    3: 0b1011,
    4: 0b10011,
    5: 0b100101,
    6: 0b1000011,
    7: 0b10001001,
    8: 0b100011101,
    9: 0b1000010001,
    10: 0b10000001001,
    11: 0b100000000101,
    12: 0b1000001010011,
    13: 0b10000000011011,
    14: 0b100010001000011,
    15: 0b1000000000000011,
    16: 0b10001000000001011,
}


def prime_power(q: int) -> tuple[int, int] | None:
    """(p, e) with q = p^e and p prime, or None."""
    p = next((p for p in range(2, int(q**0.5) + 1) if q % p == 0), q)
    e = 0
    while p > 1 and q % p == 0:
        q, e = q // p, e + 1
    return (p, e) if e and q == 1 else None


@lru_cache(maxsize=32)
def binary_powers(r: int) -> Ints:
    """The powers 1, a, a^2, ... of a generator of GF(2^r): all 2^r - 1 elements but zero."""
    powers = np.empty((1 << r) - 1, np.int64)
    x = 1
    for i in range(len(powers)):
        powers[i] = x
        x <<= 1
        if x >> r:
            x ^= PRIMITIVE[r]
    return powers


@lru_cache(maxsize=32)
def residues(p: int, e: int) -> NDArray[np.int8]:
    """The quadratic character of GF(p^e), p odd: 0 for zero, 1 for squares, -1 for the rest."""
    character = np.full(p**e, -1, np.int8)
    character[0] = 0
    if e == 1:
        character[np.arange(1, p, dtype=np.int64) ** 2 % p] = 1
    else:
        character[_odd_powers(p, e)[::2]] = 1
    return character


def _odd_powers(p: int, e: int) -> list[int]:
    """The powers of a generator of GF(p^e): the first x^e = c_0 + c_1 x + ... whose root x passes through every element."""
    top = p ** (e - 1)
    for code in range(1, p**e):
        coefficients = [code // p**i % p for i in range(e)]
        powers, x = [1], p
        while x > 1 and len(powers) < p**e:
            powers.append(x)
            lead, shifted = x // top, x % top * p
            x = sum((shifted // p**i + lead * c) % p * p**i for i, c in enumerate(coefficients))
        if x == 1 and len(powers) == p**e - 1:
            return powers
    raise AssertionError(f"GF({p}^{e}) has a generator")


def character_rows(q: int, rows: Ints) -> NDArray[np.int8]:
    """Rows of the q x q matrix of the quadratic character of a_i - a_j, q an odd prime power."""
    found = prime_power(q)
    assert found is not None
    p, e = found
    character = residues(p, e)
    if e == 1:  # each row is the one before, moved on by a place
        backwards = character[::-1]
        windows = np.lib.stride_tricks.sliding_window_view(np.concatenate([backwards, backwards]), q)
        return windows[q - 1 - rows]
    matrix = np.empty((len(rows), q), np.int8)
    digits = np.arange(q)[:, None] // p ** np.arange(e) % p
    for i, row in enumerate(rows):
        matrix[i] = character[(digits[row] - digits) % p @ p ** np.arange(e)]
    return matrix
