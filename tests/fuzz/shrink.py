"""A failing case made small: fewer rows and dimensions, no filters, plainer numbers, while it fails for the same cause."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .cases import FIELDS, Case, Failure, Property, axes, judge

MOST_PLAIN = 64  # numbers of an array that are made plainer one by one


Judge = Callable[[Property, Case], Failure | None]


def shrink(property_: Property, case: Case, failure: Failure, seconds: float, judge: Judge = judge) -> tuple[Case, Failure]:
    """The smallest case found in that time that fails in the same way, and its failure."""
    end = time.monotonic() + seconds
    changed = True
    while changed:
        changed = False
        for steps in (_shorter, _simpler, _plainer):
            # A step that succeeds is followed by the next one of the smaller case, not by all of them again.
            done = 0
            while time.monotonic() < end:
                smaller = next(_from(steps(case), done), None)
                if smaller is None:
                    break
                done += 1
                found = judge(property_, smaller())
                if found is not None and found.kind == failure.kind:
                    case, failure, changed = smaller(), found, True
                    done -= 1
        if time.monotonic() >= end:
            break
    return case, failure


def _from(steps: Iterator[Callable[[], Case]], number: int) -> Iterator[Callable[[], Case]]:
    for i, step in enumerate(steps):
        if i >= number:
            yield step


def _lengths(case: Case) -> dict[str, int]:
    lengths = {}
    for name, value in case.items():
        lengths |= dict(zip(axes(case, name), np.shape(value)))
    return lengths


def _without(case: Case, axis: str, first: int, last: int) -> Case:
    """The case without some rows, columns or whatever an axis counts."""
    smaller = dict(case)
    for name in case:
        for position, counted in enumerate(axes(case, name)):
            if counted == axis:
                smaller[name] = np.delete(smaller[name], np.s_[first:last], axis=position)
    return smaller


def _shorter(case: Case) -> Iterator[Callable[[], Case]]:
    for axis, length in sorted(_lengths(case).items(), key=lambda item: -item[1]):
        width = length // 2 or length
        while width:
            for first in range(0, length, width):
                last = min(length, first + width)
                if last - first < length or axis in ("query", "base", "pair"):
                    yield lambda axis=axis, first=first, last=last: _without(case, axis, first, last)
            width //= 2


def _simpler(case: Case) -> Iterator[Callable[[], Case]]:
    for name, value in case.items():
        simpler = FIELDS[name].simpler if name in FIELDS else ()
        known = [i for i, other in enumerate(simpler) if np.ndim(value) == 0 and value == other]
        for other in simpler[: known[0] if known else None]:
            yield lambda name=name, other=other: case | {name: other}
        if isinstance(value, dict):
            for option in value:
                rest = {key: kept for key, kept in value.items() if key != option}
                yield lambda name=name, rest=rest: case | {name: rest}


def _plainer(case: Case) -> Iterator[Callable[[], Case]]:
    for name in ("queries", "base"):
        value = case.get(name)
        if isinstance(value, np.ndarray) and value.dtype.kind in "fb" and value.size <= MOST_PLAIN:
            for at in np.ndindex(value.shape):
                for number in _plain_numbers(value[at]):
                    yield lambda name=name, at=at, number=number: case | {name: _with(case[name], at, number)}


def _with(array: Any, at: tuple[int, ...], number: Any) -> Any:
    changed = array.copy()
    changed[at] = number
    return changed


def _plain_numbers(x: Any) -> list[Any]:
    """Numbers plainer than x, the plainest first: each has fewer bits that are not zero."""
    if x == 0:
        return [0.0] if np.signbit(x) else []
    if x.dtype.kind == "b":
        return [False]
    mantissa, exponent = np.frexp(np.float64(x))
    rounded = [np.ldexp(np.round(np.ldexp(mantissa, bits)), exponent - bits) for bits in (1, 3, 8, 16)]
    with np.errstate(over="ignore"):
        plain = [np.float32(value) for value in (0.0, 1.0, *rounded)]
    stop = plain.index(x) if x in plain else len(plain)
    return [value for value in plain[:stop] if np.isfinite(value)]
