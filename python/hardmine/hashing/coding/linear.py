"""Linear codes as columns: bit j of word u is the parity of ``u & columns[j]``, u running through the integers below 2^k.

The weights of all words come from one Walsh-Hadamard transform of the histogram of the columns: that is how codes are
checked, searched and measured. A column whose bit 0 is set makes word u ^ 1 differ from word u there: if all do, the code
contains the all-one word and its words come in complementary pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardmine._arrays import Ints
from hardmine.hashing.coding.code import Bits, Code

MOST_DIMENSIONS = 62  # messages are int64


def walsh_hadamard(values: NDArray[Any]) -> NDArray[Any]:
    """The transform along the last axis, of length 2^k: sum_u (-1)^parity(u & v) values[u]. Exact for integers."""
    out = np.array(values)
    size = out.shape[-1]
    half = 1
    while half < size:
        pairs = out.reshape(*out.shape[:-1], -1, 2, half)
        low, high = pairs[..., 0, :], pairs[..., 1, :]
        difference = low - high
        low += high
        high[...] = difference
        half *= 2
    return out


def weights(columns: Ints, dimension: int) -> Ints:
    """The weight of each of the 2^k words."""
    histogram = np.bincount(columns, minlength=1 << dimension)
    found: Ints = (len(columns) - walsh_hadamard(histogram)) >> 1
    return found


def min_weight(columns: Ints, dimension: int) -> int:
    """The smallest weight of a word but the first: the minimum distance."""
    return int(weights(columns, dimension)[1:].min())


def from_generator(rows: NDArray[Any]) -> Ints:
    """The columns of the code spanned by the rows of a 0/1 matrix, row i the word of message 2^i."""
    columns: Ints = (rows.astype(np.int64) << np.arange(len(rows), dtype=np.int64)[:, None]).sum(axis=0)
    return columns


def shortened(columns: Ints, dimension: int, times: int) -> Ints:
    """The words that are zero in the first `times` independent columns, without those columns."""
    kept = [int(c) for c in columns]
    for _ in range(times):
        pivot = next(c for c in kept if c)
        kept.remove(pivot)
        top = pivot.bit_length() - 1
        low = (1 << top) - 1
        solved = [c ^ pivot if c >> top & 1 else c for c in kept]
        kept = [c & low | c >> (top + 1) << top for c in solved]
    return np.array(kept, dtype=np.int64)


def subcode(columns: Ints, dimension: int, wanted: int) -> Ints:
    """A subcode of fewer dimensions, with message 1 where it was and every column still at work.

    The higher bits of a message become sums of the lower ones but bit 0: to leave them zero would leave columns zero that
    depend on nothing else.
    """
    low = (1 << wanted) - 1
    sums = np.random.default_rng(dimension).integers(1, max(2, 1 << wanted - 1), dimension) << 1 & low
    kept = columns & low
    for i in range(wanted, dimension):
        kept ^= (columns >> i & 1) * sums[i]
    return kept


def with_all_one_first(columns: Ints, dimension: int) -> tuple[Ints, bool]:
    """The same code numbered so that message 1 is the all-one word, if it has that word, and whether it has.

    All columns are odd then. Adding the same even number to all of them numbers the words anew once more: it is one for which
    no column is 1, if there is any, so that no bit is the same in all words of even number.
    """
    message = _solve_all_one([int(c) for c in columns])
    if message is None:
        return columns, False
    pivot = message.bit_length() - 1
    low, high = columns & ((1 << pivot) - 1), columns >> (pivot + 1) << pivot
    odd = (low | high) << 1 | 1
    taken = set(odd.tolist())
    free = next((c for c in range(1, min(2 * len(taken) + 2, 1 << dimension), 2) if c not in taken), 1)
    return odd ^ free ^ 1, True


def _solve_all_one(columns: Sequence[int]) -> int | None:
    """A message whose parity with every column is odd."""
    reduced: list[tuple[int, int]] = []  # equations (column, parity) in echelon form
    for column in columns:
        parity = 1
        for pivot, wanted in reduced:
            if column ^ pivot < column:
                column, parity = column ^ pivot, parity ^ wanted
        if column:
            reduced.append((column, parity))
            reduced.sort(reverse=True)
        elif parity:
            return None
    message = 0
    for column, parity in reversed(reduced):  # the lowest leading bits first
        top = 1 << column.bit_length() - 1
        if bin(message & (column ^ top)).count("1") % 2 != parity:
            message |= top
    return message


def linear_code(construction: str, columns: Ints, dimension: int, distance: int) -> Code:
    """The code of given columns, its constant words last."""
    columns, paired = with_all_one_first(columns, dimension)
    first = 2 if paired else 1

    def words(numbers: Ints) -> Bits:
        return combine(columns, dimension, (numbers + first) % (1 << dimension))

    return Code(construction, len(columns), 1 << dimension, distance, paired, words, columns)


def combine(columns: Ints, dimension: int, messages: Ints) -> Bits:
    """The words of messages: a table of 256 words for every eight bits of a message."""
    words = np.zeros((len(messages), len(columns)), np.uint8)
    for first in range(0, dimension, 8):
        part = columns >> first & 255
        table = parity(np.arange(1 << min(8, dimension - first))[:, None] & part)
        words ^= table[messages >> first & 255]
    return words


def parity(values: NDArray[Any]) -> Bits:
    """Whether an odd number of the lowest sixteen bits is set."""
    values = values ^ values >> 8
    values = values ^ values >> 4
    values = values ^ values >> 2
    odd: Bits = (values ^ values >> 1).astype(np.uint8) & np.uint8(1)
    return odd
