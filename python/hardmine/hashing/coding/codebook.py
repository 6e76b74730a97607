"""The best code for a number of words and bits among all constructions, by the distances that they promise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

from hardmine.hashing.coding import catalogue, column_search, hadamard
from hardmine.hashing.coding.bounds import upper_bound
from hardmine.hashing.coding.code import Code, juxtaposed
from hardmine.hashing.coding.kerdock import DEGREES, kerdock
from hardmine.hashing.coding.levenshtein import levenshtein
from hardmine.hashing.coding.linear import linear_code

MOST_BYTES = 1 << 37  # that a comparison of all pairs may read: about a second
NEAR = 16  # ±Hadamard codes up to so many bits shorter or longer are looked at, where the order itself has no recipe


class Choice(NamedTuple):
    """A code's promised distance and the code, not yet made."""

    distance: int
    make: Callable[[], Code]


def comparable(words: int, bits: int) -> bool:
    """Whether all pairs can be compared; where not, only linear codes are chosen, whose distances are weights."""
    return words * words * -(-bits // 8) <= MOST_BYTES


def best_code(words: int, bits: int, seed: int) -> Code:
    """The code of the largest promised distance, the first of several; a search only where it may yet win."""
    known = _best_known(words, bits, whole=True)
    dimension = (words - 1).bit_length()
    if 2 < dimension <= column_search.MOST_DIMENSIONS and bits < words:
        target = min(upper_bound(words, bits), column_search.griesmer(bits, dimension))
        if known.distance < target:
            distance, columns = column_search.search(bits, dimension, target, seed)
            if distance > known.distance:
                return linear_code(f"column search({bits}, {dimension})", columns, dimension, distance)
    return known.make()


@lru_cache(maxsize=4096)
def _best_known(words: int, bits: int, whole: bool) -> Choice:
    """The best of the constructions; not `whole` beside another code, where linear codes have no more words than needed.

    There may be fewer bits there than tell the words apart.
    """
    bound = upper_bound(words, bits) if words <= 1 << bits else 0
    best = Choice(-1, lambda: catalogue.linear(bits, 1, whole))
    for choice in _choices(words, bits, whole):
        if choice.distance > best.distance:
            best = choice
        if best.distance >= bound:
            break
    return best


def _choices(words: int, bits: int, whole: bool) -> Iterator[Choice]:
    dimension = max(1, (words - 1).bit_length())
    compared = comparable(words, bits)
    linear = Choice(catalogue.distance(bits, dimension), lambda: catalogue.linear(bits, dimension, whole and compared))
    if not compared:
        yield linear
        return
    plotkin_optimal = levenshtein(max(2, words), bits)
    if plotkin_optimal is not None:
        yield _fitted(plotkin_optimal, words, bits)
    orders = [order for order in range(max(1, bits - NEAR), bits + NEAR) if 2 * order >= words and hadamard.recipe(order)]
    yield from (_fitted(hadamard.signed(order), words, bits) for order in orders if order >= bits)
    yield linear
    yield from (_fitted(kerdock(r), words, bits) for r in DEGREES if kerdock(r).size >= words)
    yield from (_fitted(hadamard.signed(order), words, bits) for order in orders if order < bits)


def _fitted(code: Code, words: int, bits: int) -> Choice:
    """A code punctured, or repeated and the best one for the remaining bits at its side."""
    if code.bits >= bits:
        return Choice(max(0, code.distance - (code.bits - bits)), lambda: code.punctured(bits))
    times, rest = divmod(bits, code.bits)
    if rest == 0:
        return Choice(times * code.distance, lambda: juxtaposed([(code, times)]))
    other = _best_known(words, rest, whole=False)
    return Choice(times * code.distance + other.distance, lambda: juxtaposed([(code, times), (other.make(), 1)]))
