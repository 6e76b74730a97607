"""Checks of arguments that are not arrays."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from math import inf
from numbers import Real
from typing import Any

MOST_THREADS = 4096  # more than any machine runs at once, and fewer than a system refuses to start


def whole(name: str, value: Any, least: int = 0, most: int | None = None) -> int:
    """Check that an argument is an integer of at least `least`, and at most `most`."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: expected an integer, got {type(value).__name__}") from None
    if isinstance(value, bool):
        raise TypeError(f"{name}: expected an integer, got bool")
    if number < least:
        raise ValueError(f"{name}: expected at least {least}, got {number}")
    if most is not None and number > most:
        raise ValueError(f"{name}: expected at most {most}, got {number}")
    return number


def one_of(name: str, value: Any, choices: Iterable[Any]) -> None:
    """Raise unless `value` is one of `choices`: strings, and perhaps None."""
    good = tuple(choices)
    if not any(value is choice or (isinstance(value, str) and value == choice) for choice in good):
        raise ValueError(f"{name}: expected one of {', '.join(map(str, good))}, got {value!r}")


def positive(name: str, value: Any, most: int | None = None) -> int:
    """Check that an argument is an integer of at least 1, and at most `most`."""
    return whole(name, value, 1, most)


def number(name: str, value: Any, least: float = -inf, most: float = inf) -> float:
    """Check that an argument is a number of that range."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name}: expected a number, got {type(value).__name__}")
    if not least <= float(value) <= most:
        limits = "a number" if least == -inf else f"at least {least:g}" if most == inf else f"{least:g} to {most:g}"
        raise ValueError(f"{name}: expected {limits}, got {value}")
    return float(value)


def check_threads(threads: int | None) -> int:
    """The number of threads as the core takes it, or raise; 0: every core the process may use."""
    return 0 if threads is None else positive("threads", threads, MOST_THREADS)
