"""Levenshtein's codes, as large as Plotkin's bound allows: distance above half of the bits, up to two words for each bit.

Two Hadamard codes whose sizes lie on either side of the wanted one are repeated side by side, so often that the lengths and
distances add up to those wanted.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from hardmine._arrays import Ints
from hardmine.hashing.coding.bounds import plotkin
from hardmine.hashing.coding.code import Bits, Code, juxtaposed
from hardmine.hashing.coding.hadamard import normalized, recipe

MOST_WORDS = 2000  # beyond, what is won over ±Hadamard codes does not pay for the matrices


def full(order: int, words: int) -> Code:
    """Rows without the constant column: n words of n - 1 bits, n/2 apart."""

    def rows(numbers: Ints) -> Bits:
        return normalized(order, (numbers + 1) % words)[:, 1:]

    return Code(f"Hadamard({order})", order - 1, words, order // 2, False, rows)


def half(order: int, words: int) -> Code:
    """Rows that begin alike, without those two columns: n/2 words of n - 2 bits, n/2 apart."""

    def rows(numbers: Ints) -> Bits:
        return normalized(order, _alike(order)[(numbers + 1) % words])[:, 2:]

    return Code(f"Hadamard({order})", order - 2, words, order // 2, False, rows)


@lru_cache(maxsize=32)
def _alike(order: int) -> Ints:
    return np.flatnonzero(normalized(order, np.arange(order))[:, 1] == 0)


def levenshtein(words: int, bits: int) -> Code | None:
    """The code of the largest distance above half of the bits for which the matrices exist; None if there is none."""
    if not 2 <= words <= min(MOST_WORDS, 2 * bits):
        return None
    for d in range(plotkin(words, bits), bits // 2, -1):
        n, e = (bits, d) if d % 2 == 0 else (bits + 1, d + 1)
        k = e // (2 * e - n)
        a, b = e * (2 * k + 1) - n * (k + 1), k * n - e * (2 * k - 1)
        if n % 2 == 0:
            pieces = [(half, 4 * k, a // 2), (half, 4 * k + 4, b // 2)]
        elif k % 2 == 0:
            pieces = [(full, 2 * k, a), (half, 4 * k + 4, b // 2)]
        else:
            pieces = [(half, 4 * k, a // 2), (full, 2 * k + 2, b)]
        if 2 * k >= words and all(recipe(order) for _, order, times in pieces if times):
            parts = [(make(order, 2 * k), times) for make, order, times in pieces if times]
            return _without_constant_word(juxtaposed(parts, "Levenshtein").punctured(bits))
    return None


def _without_constant_word(code: Code) -> Code:
    """The same distances with every other bit flipped, so that no center is all zeros (of two words, both are constant)."""
    return replace(code, words=lambda numbers: code.words(numbers) ^ (np.arange(code.bits) & 1).astype(np.uint8))
