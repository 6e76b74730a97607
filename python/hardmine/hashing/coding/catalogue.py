"""The best known way to a linear code of any length and dimension: families shortened, punctured and set side by side.

Only parameters are compared here; columns are made for the one that is chosen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hardmine._arrays import Ints
from hardmine.hashing.coding import cyclic, quasi_cyclic
from hardmine.hashing.coding.code import Code
from hardmine.hashing.coding.cyclic import Family
from hardmine.hashing.coding.linear import MOST_DIMENSIONS, linear_code, subcode, with_all_one_first


@dataclass(frozen=True)
class Part:
    """A family shortened to a dimension, then punctured to a length, and repeated."""

    family: Family
    dimension: int
    bits: int
    times: int

    @property
    def distance(self) -> int:
        dropped = self.family.bits - (self.family.dimension - self.dimension) - self.bits
        return max(0, self.family.distance - dropped)

    @property
    def construction(self) -> str:
        cut, name = self.family.dimension - self.dimension, self.family.name
        name += f" shortened by {cut}" if cut else ""
        dropped = self.family.bits - cut - self.bits
        name += f" punctured by {dropped}" if dropped else ""
        return f"{self.times} x {name}" if self.times > 1 else name

    def columns(self) -> Ints:
        columns = self.family.columns(self.dimension)
        columns = columns[np.argsort(columns != 0, kind="stable")]  # shortening may leave zeros, which go first
        return columns[len(columns) - self.bits :]


def linear(bits: int, dimension: int, whole: bool) -> Code:
    """The linear code of the largest promised distance, of that dimension; `whole`, of more if it has more."""
    parts = _plan(bits, dimension)
    if whole and len(parts) == 1 and parts[0].times == 1:
        columns, least = parts[0].columns(), parts[0].dimension
    else:
        # Messages with the same number side by side; number 1 is the all-one word of each part that has it.
        each = [
            np.tile(subcode(with_all_one_first(p.columns(), p.dimension)[0], p.dimension, dimension), p.times) for p in parts
        ]
        columns, least = np.concatenate(each), dimension
    name = " + ".join(part.construction for part in parts if part.distance)
    return linear_code(name, columns, least, _sum(parts))


def distance(bits: int, dimension: int) -> int:
    """What `linear` promises."""
    return _sum(_plan(bits, dimension))


def _sum(parts: tuple[Part, ...]) -> int:
    return sum(part.distance * part.times for part in parts)


@lru_cache(maxsize=65536)
def _plan(bits: int, dimension: int) -> tuple[Part, ...]:
    """The parts of `linear`, the largest first."""
    best: tuple[Part, ...] = (Part(_filler(dimension), dimension, bits, 1),)
    for family in _families(bits, dimension):
        if family.bits < bits:
            times, rest = divmod(bits, family.bits)
            parts = (Part(family, family.dimension, family.bits, times), *(_plan(rest, dimension) if rest else ()))
        else:
            cut = min(family.bits - bits, family.dimension - dimension)
            parts = (Part(family, family.dimension - cut, bits, 1),)
        if parts[0].dimension <= MOST_DIMENSIONS and _rank(parts) > _rank(best):
            best = parts
    return best


def _rank(parts: tuple[Part, ...]) -> tuple[int, int]:
    """By distance, then by what was cut: a code that is whole has the all-one word, and so complementary pairs."""
    return _sum(parts), -sum(part.family.bits - part.bits for part in parts if part.distance)


def _families(bits: int, dimension: int) -> Iterator[Family]:
    """Those worth comparing: to be repeated, the best of each length; to be cut, what may have a distance left."""
    repeated: dict[int, Family] = {}
    for family in [*cyclic.families(), *quasi_cyclic.families()]:
        if family.dimension < dimension:
            continue
        if family.bits > bits:
            if family.bits - (family.dimension - dimension) - bits < family.distance:
                yield family
        elif family.bits not in repeated or family.distance > repeated[family.bits].distance:
            repeated[family.bits] = family
    yield from repeated.values()
    if dimension < bits <= MOST_DIMENSIONS:
        yield Family("even weights", bits, bits - 1, 2, lambda k: np.append(1 << np.arange(k), (1 << k) - 1))
    if dimension <= bits <= MOST_DIMENSIONS:
        yield Family("all words", bits, bits, 1, lambda k: 1 << np.arange(k))


def _filler(dimension: int) -> Family:
    """Any number of columns for the bits that are left over: of no distance, but balanced."""

    def columns(k: int) -> Ints:
        return 1 | 2 << np.arange(1 << 16) % max(1, k - 1)

    return Family("filler", 1 << 16, dimension, 0, columns)
