"""Cyclic codes with a parity bit: extended BCH codes, extended quadratic residue codes (Golay's is the first), duals of BCH.

A cyclic code is the multiples of a polynomial g over GF(2), here an integer whose bit i is the coefficient of x^i. Its words
of low degree are the code shortened, so that any number of rows x^i g generates one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from hardmine._arrays import Ints
from hardmine.hashing.coding.fields import binary_powers
from hardmine.hashing.coding.linear import MOST_DIMENSIONS, from_generator, shortened

RESIDUE_DISTANCES = {23: 8, 47: 12, 71: 12, 79: 16, 103: 20}  # of the extended code, by prime
BCH_DEGREES = range(3, 11)
DUAL_DEGREES = range(11, 17)


@dataclass(frozen=True)
class Family:
    """A linear [bits, dimension, distance] code and those shortened from it: `columns(k)` has dimension k <= dimension."""

    name: str
    bits: int
    dimension: int
    distance: int
    columns: Callable[[int], Ints]


def extended(generator: int, length: int, dimension: int) -> Ints:
    """Columns of the cyclic code of that length, shortened to that dimension, with a parity bit for each word."""
    degree = generator.bit_length() - 1
    rows = np.zeros((dimension, degree + dimension), np.uint8)
    shape = [generator >> i & 1 for i in range(degree + 1)]
    for i in range(dimension):
        rows[i, i : i + degree + 1] = shape
    if degree + dimension == length:
        rows[-1] = 1  # the all-one word is a multiple of g, of full degree
    return from_generator(np.concatenate([rows, rows.sum(axis=1, keepdims=True) % 2], axis=1))


def bch(r: int) -> list[Family]:
    """The extended BCH codes of 2^r bits, from the largest down: distance delta + 1 if a^1 .. a^(delta - 1) are zeros."""
    n = (1 << r) - 1
    found, zeros, delta = [], set[int](), 2
    while len(zeros) < n - 1:
        zeros |= _coset(delta - 1, n)
        while delta in zeros:
            delta += 1
        columns = partial(_bch_columns, r, delta)
        found.append(Family(f"extended BCH({n + 1}, {n - len(zeros)})", n + 1, n - len(zeros), delta + 1, columns))
        delta += 1
    return found


def _coset(exponent: int, n: int) -> set[int]:
    return {(exponent << i) % n for i in range(n.bit_length())}


def _bch_columns(r: int, delta: int, dimension: int) -> Ints:
    return extended(_bch_generator(r, delta), (1 << r) - 1, dimension)


@lru_cache(maxsize=256)
def _bch_generator(r: int, delta: int) -> int:
    """The product of the minimal polynomials of a^1 .. a^(delta - 1)."""
    powers = binary_powers(r)
    n = len(powers)
    logs = np.zeros(n + 1, np.int64)
    logs[powers] = np.arange(n)
    generator, zeros = 1, set[int]()
    for exponent in range(1, delta):
        if exponent not in zeros:
            coset = _coset(exponent, n)
            zeros |= coset
            minimal = [1]  # coefficients in GF(2^r), times (x + a^j) for each j of the coset
            for j in coset:
                scaled = [int(powers[(logs[c] + j) % n]) if c else 0 for c in minimal]
                minimal = [a ^ b for a, b in zip([0, *minimal], [*scaled, 0])]
            generator = multiply(generator, sum(c << i for i, c in enumerate(minimal)))
    return generator


def multiply(a: int, b: int) -> int:
    """The product of polynomials over GF(2)."""
    product = 0
    while b:
        low = b & -b
        product ^= a * low
        b ^= low
    return product


def divisor(a: int, b: int) -> int:
    """The greatest common divisor of polynomials over GF(2)."""
    while b:
        while a.bit_length() >= b.bit_length():
            a ^= b << a.bit_length() - b.bit_length()
        a, b = b, a
    return a


def quadratic_residue(q: int) -> Family:
    """The extended code of a prime q = 7 modulo 8: q + 1 bits, half of them free."""
    name = "extended Golay(24, 12)" if q == 23 else f"extended quadratic residue({q + 1}, {(q + 1) // 2})"
    return Family(name, q + 1, (q + 1) // 2, RESIDUE_DISTANCES[q], partial(_residue_columns, q))


def _residue_columns(q: int, dimension: int) -> Ints:
    idempotent = sum(1 << square for square in {i * i % q for i in range(1, q)})
    return extended(divisor((1 << q) | 1, idempotent), q, dimension)


def dual_bch(r: int, terms: int) -> Family:
    """The words Tr(a x + b x^3) + c, or without b, over the points x of GF(2^r): lengths beyond the BCH codes above.

    For one term this is the first-order Reed-Muller code, the rows of Sylvester's matrix and their complements.
    """
    distance = (1 << r - 1) - (0 if terms == 1 else 1 << r // 2)
    name = f"Reed-Muller(1, {r})" if terms == 1 else f"dual BCH({1 << r}, {1 + 2 * r})"
    return Family(name, 1 << r, 1 + terms * r, distance, partial(_dual_columns, r, terms))


def _dual_columns(r: int, terms: int, dimension: int) -> Ints:
    powers = binary_powers(r)
    columns = 1 | powers << 1
    if terms == 2:
        columns |= powers[np.arange(len(powers)) * 3 % len(powers)] << 1 + r
    return shortened(np.append(columns, 1), 1 + terms * r, 1 + terms * r - dimension)


@lru_cache(maxsize=1)
def families() -> list[Family]:
    """All of them, those of fewer bits first."""
    found = [family for r in BCH_DEGREES for family in bch(r)]
    found += [quadratic_residue(q) for q in RESIDUE_DISTANCES]
    found += [dual_bch(r, terms) for r in DUAL_DEGREES for terms in (1, 2) if 1 + terms * r <= MOST_DIMENSIONS]
    return sorted(found, key=lambda family: family.bits)
