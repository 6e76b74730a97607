"""Hadamard matrices: n x n matrices of signs whose rows differ pairwise in n/2 places.

Orders 2^r by Sylvester, q + 1 and 2(q + 1) by Paley from the squares of a field of q elements, and products. Rows are made
on demand: a matrix of order 65,536 has 4 GiB.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hardmine._arrays import Ints
from hardmine.hashing.coding.code import Bits, Code
from hardmine.hashing.coding.fields import character_rows, prime_power
from hardmine.hashing.coding.linear import parity

Signs = NDArray[np.int8]


@lru_cache(maxsize=4096)
def recipe(order: int) -> tuple[str, int, int] | None:
    """How the matrix of an order is made: ("paley1", q, 0), ("paley2", q, 0), ("product", a, b); None if it is not."""
    if order in (1, 2):
        return "sylvester", order, 0
    if order < 1 or order % 4:
        return None
    if order & (order - 1) == 0:
        half = 1 << (order.bit_length() - 1) // 2
        return "product", order // half, half
    if prime_power(order - 1):
        return "paley1", order - 1, 0
    q = order // 2 - 1
    if q % 4 == 1 and prime_power(q):
        return "paley2", q, 0
    for a in [2, *range(4, int(order**0.5) + 1, 4)]:
        if order % a == 0 and recipe(a) and recipe(order // a):
            return "product", a, order // a
    return None


def rows(order: int, numbers: Ints) -> Signs:
    """The numbered rows of a Hadamard matrix of an order that has a recipe."""
    found = recipe(order)
    assert found is not None
    kind, a, b = found
    if kind == "product":
        left, right = rows(a, numbers // b), rows(b, numbers % b)
        return (left[:, :, None] * right[:, None, :]).reshape(len(numbers), order)
    if kind == "paley1":
        return _paley_one(a, numbers)
    if kind == "paley2":
        return _paley_two(a, numbers)
    return np.array([[1, 1], [1, -1]], np.int8)[:order, :order][numbers]


def _paley_one(q: int, numbers: Ints) -> Signs:
    """[[0, 1], [-1, Q]] + I, with Q the quadratic character of differences, skew for q = 3 mod 4."""
    signs = np.ones((len(numbers), q + 1), np.int8)
    below = numbers > 0
    signs[below, 0] = -1
    signs[below, 1:] = character_rows(q, numbers[below] - 1)
    signs[np.arange(len(numbers)), numbers] = np.where(below, 1, signs[:, 0])
    return signs


def _paley_two(q: int, numbers: Ints) -> Signs:
    """C x [[1, 1], [1, -1]] + I x [[1, -1], [-1, -1]], with C = [[0, 1], [1, Q]] symmetric for q = 1 mod 4."""
    outer, lower = numbers // 2, numbers % 2 == 1
    conference = np.ones((len(numbers), q + 1), np.int8)
    below = outer > 0
    conference[below, 1:] = character_rows(q, outer[below] - 1)
    each = np.arange(len(numbers))
    conference[each, outer] = 0
    signs = np.repeat(conference, 2, axis=1)
    signs[lower, 1::2] *= -1
    signs[each, 2 * outer] = np.where(lower, -1, 1)
    signs[each, 2 * outer + 1] = -1
    return signs


@lru_cache(maxsize=8)
def _first_row(order: int) -> Signs:
    return rows(order, np.zeros(1, np.int64))


def normalized(order: int, numbers: Ints) -> Bits:
    """Rows as bits, of the matrix whose row 0 and column 0 are all zeros."""
    signs = rows(order, numbers) * _first_row(order)
    bits: Bits = (signs != signs[:, :1]).view(np.uint8)
    return bits


def signed(order: int) -> Code:
    """The rows and their complements: 2n words of n bits, n/2 or n apart; complements side by side, the constant row last.

    In complementary pairs every bit is half ones. Rows of one sign have column sums (of +-1) whose squares sum up to
    n times the number of rows, whatever the signs: no choice of them balances the bits. The signs of words of even number
    change with the parity of the row's number: in Sylvester's matrix that is a column, and changes nothing but their order;
    in others it rids them of the column that is constant.
    """

    def words(numbers: Ints) -> Bits:
        row = (numbers // 2 + 1) % order
        return normalized(order, row) ^ parity(2 * row + numbers % 2)[:, None]

    return Code(f"±Hadamard({order})", order, 2 * order, order // 2, True, words)
