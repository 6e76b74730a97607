"""A case as Python that fails again: numbers are written so that every bit is kept."""

from __future__ import annotations

from typing import Any

import numpy as np

from .cases import Case, judge


def snippet(name: str, case: Case) -> str:
    """A program, for `python` in the root of the project."""
    lines = "".join(f"    {key!r}: {written(value)},\n" for key, value in case.items())
    return (
        "import numpy as np\nfrom tests.fuzz.snippet import replay\n\nx = float.fromhex\n"
        f"replay({name!r}, {{\n{lines}}})\n"
    )  # fmt: skip


def written(value: Any) -> str:
    """An expression for a value."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f":
            numbers = _nested(value.tolist())
        else:
            numbers = repr(value.astype(int).tolist() if value.dtype == bool else value.tolist())
        dtype = repr(value.dtype.str) if value.dtype != object else "object"
        whole = f"np.array({numbers}, {dtype})"
        return whole if value.size else f"np.zeros({value.shape}, {dtype})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {written(one)}" for key, one in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        inside = ", ".join(written(one) for one in value)
        return f"[{inside}]" if isinstance(value, list) else f"({inside},)"
    if isinstance(value, np.generic):
        return written(value.item())
    return _number(value) if isinstance(value, float) else repr(value)


def _nested(numbers: Any) -> str:
    if isinstance(numbers, list):
        return "[" + ", ".join(_nested(number) for number in numbers) + "]"
    return _number(numbers)


def _number(number: float) -> str:
    short = repr(number)
    return short if len(short) <= 6 and short[-1].isdigit() else f'x("{number.hex()}")'


def replay(name: str, case: Case) -> None:
    """Run a case of a property: raise with what it found."""
    from .properties import PROPERTIES

    failure = judge(PROPERTIES[name], case)
    if failure is not None:
        raise AssertionError(failure.message)
    print("holds")
