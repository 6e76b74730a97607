"""Words that were chosen as centers: packed, and measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardmine._arrays import Ints
from hardmine.hashing.coding.code import Code
from hardmine.hashing.coding.codebook import comparable
from hardmine.hashing.coding.linear import min_weight
from hardmine.search.topk import topk

BLOCK = 1 << 24  # bits made in one go
SAMPLE = 64  # rows compared with all others where not all pairs are


@dataclass(frozen=True, eq=False)
class Chosen:
    """Packed words, the number of ones of each bit, and the code they are numbered in."""

    codes: NDArray[np.uint8]
    ones: Ints
    code: Code

    @property
    def bits(self) -> int:
        return self.code.bits


def write(code: Code, numbers: Ints) -> Chosen:
    """Make the numbered words of a code."""
    codes = np.empty((len(numbers), -(-code.bits // 8)), np.uint8)
    ones = np.zeros(code.bits, np.int64)
    step = max(1, BLOCK // code.bits)
    for first in range(0, len(numbers), step):
        words = code.words(numbers[first : first + step])
        ones += words.sum(axis=0, dtype=np.int64)
        codes[first : first + step] = np.packbits(words, axis=1)
    return Chosen(codes, ones, code)


def min_distance(chosen: Chosen) -> int:
    """The smallest distance of two rows: all pairs are compared, or of a linear code all weights are computed.

    The difference of two words of a linear code is a word; among more than half of its words every word is the difference of
    two. Where there are too many pairs to compare, that many are chosen of a linear code, and the weights are exact.
    """
    codes, code = chosen.codes, chosen.code
    count = len(codes)
    if count == 1:
        return code.bits
    if code.columns is None or comparable(count, code.bits):
        return int(np.min(topk(codes, k=1, metric="hamming", bits=code.bits).distances))
    assert code.size // 2 < count <= code.size
    weight = min_weight(code.columns, code.size.bit_length() - 1)
    nearest = topk(codes[:SAMPLE], codes, 2, metric="hamming", bits=code.bits).distances[:, 1].min()
    assert nearest >= weight, (code.construction, nearest, weight)
    return weight


def mean_distance(chosen: Chosen) -> float:
    """The mean distance of all pairs, from the number of ones of each bit: a bit tells ones from zeros and no others apart."""
    count = len(chosen.codes)
    if count == 1:
        return float(chosen.bits)
    apart = sum(int(ones) * (count - int(ones)) for ones in chosen.ones)
    return apart / (count * (count - 1) // 2)
