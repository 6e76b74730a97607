"""A code as a numbered list of words: what every construction gives, and what they have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hardmine._arrays import Ints

Bits = NDArray[np.uint8]  # zeros and ones, a word a row


@dataclass(frozen=True, eq=False)
class Code:
    """Binary words of one length, made on demand.

    The order of the words is part of the construction: of a `paired` code word 2i + 1 is the complement of word 2i, and the
    words that are constant, all zeros or all ones, come last, where they are the first not to be chosen.
    """

    construction: str
    bits: int
    size: int
    distance: int  # promised for every pair of words; what is reached is measured
    paired: bool
    words: Callable[[Ints], Bits]
    columns: Ints | None = None  # of a linear code, see `linear`

    def punctured(self, bits: int) -> Code:
        """Words without their first bits, of which one may be constant."""
        dropped = self.bits - bits
        if dropped == 0:
            return self
        name = f"{self.construction} punctured by {dropped}"
        return replace(
            self,
            construction=name,
            bits=bits,
            distance=max(0, self.distance - dropped),
            words=lambda numbers: self.words(numbers)[:, dropped:],
            columns=None if self.columns is None else self.columns[dropped:],
        )


def juxtaposed(parts: list[tuple[Code, int]], construction: str = "") -> Code:
    """Words with the same number side by side, each part repeated so many times: lengths and distances add up."""
    parts = [(part, times) for part, times in parts if times]

    def words(numbers: Ints) -> Bits:
        return np.concatenate([np.tile(part.words(numbers), (1, times)) for part, times in parts], axis=1)

    names = [f"{times} x {part.construction}" if times > 1 else part.construction for part, times in parts if part.distance]
    return Code(
        construction=construction or " + ".join(names),
        bits=sum(part.bits * times for part, times in parts),
        size=min(part.size for part, _ in parts),
        distance=sum(part.distance * times for part, times in parts),
        paired=all(part.paired for part, _ in parts),
        words=words,
    )
