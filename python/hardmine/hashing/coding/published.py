"""Center sets as papers make them, to reproduce their results; they may hold equal words."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hardmine.hashing.coding import hadamard
from hardmine.hashing.coding.code import Bits, Code

BLOCK = 1024  # random words looked at together


def csq(words: int, bits: int, rng: np.random.Generator) -> Bits:
    """Algorithm 1 of CSQ: rows of Sylvester's H, or of [H; -H], +1 as bit 1; random words where those do not suffice."""
    if bits & (bits - 1) or words > 2 * bits:
        return bernoulli(words, bits, rng)
    numbers = np.arange(words)
    return (hadamard.rows(bits, numbers % bits) > 0).view(np.uint8) ^ (numbers >= bits).view(np.uint8)[:, None]


def bernoulli(words: int, bits: int, rng: np.random.Generator) -> Bits:
    """Every bit by the toss of a coin."""
    return rng.integers(0, 2, (words, bits), dtype=np.uint8)


def rejection(words: int, bits: int, rng: np.random.Generator, failures: int = 10_000) -> Bits:
    """OrthoHash's rule: a random word is accepted if it is at least t K from all before it; after so many failures t falls.

    t begins at 0.61 and falls by 0.01; failures are counted from its last fall. Words are drawn and compared in blocks, and
    accepted one after the other as if each had been drawn alone.
    """
    accepted = np.empty((words, bits), np.float32)
    count, failed, hundredths = 0, 0, 61
    while count < words:
        drawn = 1 - 2 * bernoulli(BLOCK, bits, rng).astype(np.float32)
        agreement = drawn @ accepted[:count].T  # K - 2 distance
        nearest = ((bits - agreement.max(axis=1)) / 2 if count else np.full(BLOCK, bits)).astype(np.int64)
        place = 0
        while place < BLOCK and count < words:
            good = np.flatnonzero(100 * nearest[place:] >= hundredths * bits)
            misses = int(good[0]) if len(good) else BLOCK - place
            if failed + misses >= failures:
                place, failed, hundredths = place + failures - failed, 0, hundredths - 1
            elif len(good) == 0:
                place, failed = BLOCK, failed + misses
            else:
                place, failed = place + misses, failed + misses
                accepted[count] = drawn[place]
                nearest = np.minimum(nearest, ((bits - drawn @ drawn[place]) / 2).astype(np.int64))
                count, place = count + 1, place + 1
    return (accepted < 0).view(np.uint8)


METHODS: dict[str, Callable[[int, int, np.random.Generator], Bits]] = {
    "csq": csq,
    "bernoulli": bernoulli,
    "rejection": rejection,
}


def code(method: str, words: int, bits: int, rng: np.random.Generator) -> Code:
    """The words of a method, which promise no distance."""
    made = METHODS[method](words, bits, rng)
    return Code(method, bits, words, 0, False, lambda numbers: made[numbers])
