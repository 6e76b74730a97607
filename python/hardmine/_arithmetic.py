"""The floating-point mode that results are computed in, whatever the caller's is: rounding to nearest, subnormal numbers kept.

The core sets it for its own threads. What NumPy computes before and after (conversions to float32, limits, scores) needs it as
well: with ``torch.set_flush_denormal(True)`` a float64 of 1e-40 would become 0.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from hardmine import _core

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def in_standard_arithmetic(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Call a function in that mode; the caller's comes back at the end."""

    @wraps(function)
    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        with _core.StandardArithmetic():
            return function(*args, **kwargs)

    return call
