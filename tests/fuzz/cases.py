"""What is fuzzed: a property draws a case, named data that can be shrunk and printed, and judges it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Case = dict[str, Any]  # names of FIELDS to arrays and plain values: all that a property looks at


class Field(NamedTuple):
    """What shrinking knows of a name in a case."""

    axes: tuple[str, ...] = ()  # of an array: what each of its axes counts
    simpler: tuple[Any, ...] = ()  # values to try instead, the simplest first


FIELDS = {
    "queries": Field(("query", "dimension")),
    "base": Field(("base", "dimension")),
    "query_layout": Field(simpler=("in place",)),
    "base_layout": Field(simpler=("in place",)),
    "query_groups": Field(("query",)),
    "base_groups": Field(("base",)),
    "grouped": Field(simpler=(None,)),
    "max_per_group": Field(simpler=(None,)),
    "excluded": Field(("query", "base"), (None,)),
    "exclude_form": Field(simpler=("lists",)),
    "base_mask": Field(("base",), (None,)),
    "nearer_than": Field(("query",), (None,)),
    "farther_than": Field(("query",), (None,)),
    "query_rows": Field(("query",)),
    "radius": Field(("query",)),
    "edges": Field(("edge",)),
    "offsets": Field(("query",), (None,)),
    "returned": Field(("query",)),
    "rows": Field(("pair",)),
    "cols": Field(("pair",)),
    "positive": Field(("query", "base"), (None,)),
    "query_labels": Field(("query", "class")),
    "base_labels": Field(("base", "class")),
    "pair_mask": Field(("query", "base"), (None,)),
    "options": Field(),
    "parts": Field(),
    "k": Field(simpler=(1, 2, 3)),
    "isa": Field(),
    "forced_screen": Field(simpler=("float32",)),
    "threads": Field(simpler=(1,)),
    "block": Field(simpler=(0,)),
    "block_bytes": Field(simpler=(None,)),
}


class Property(NamedTuple):
    """Something that holds for every case."""

    name: str
    draw: Callable[[np.random.Generator], Case]
    check: Callable[[Case], dict[str, float] | None]  # raises where it does not hold; may return measures, of which the
    # session reports the largest
    weight: float = 1.0  # how often it is drawn beside the others; 0: only if asked for by its name
    available: Callable[[], bool] = lambda: True


def axes(case: Case, name: str) -> tuple[str, ...]:
    """What the axes of an array of a case count; the base of a self-join is the queries."""
    value = case[name]
    if not isinstance(value, np.ndarray) or name not in FIELDS:
        return ()
    named = FIELDS[name].axes[: value.ndim]
    alone = "base" in case and case["base"] is None
    return tuple("query" if axis == "base" and alone else axis for axis in named)


def draw(property_: Property, seed: int) -> Case:
    """The case of a seed."""
    name = [ord(letter) for letter in property_.name]
    return property_.draw(np.random.default_rng([seed, *name]))


def general(message: str) -> str:
    """What messages of one kind share: their first words, without numbers."""
    return re.sub(r"[0-9]+", "N", (message.strip() or "nothing").splitlines()[0].split(":")[0])


class Failure(NamedTuple):
    """What a case came to that does not hold."""

    kind: str  # the same for failures that have one cause, as far as that can be told
    message: str


def judge(property_: Property, case: Case) -> Failure | None:
    """Run one case; a warning is a failure, as in the suite."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            property_.check(case)
    except AssertionError as error:
        message = str(error).strip() or repr(error)
        return Failure(general(message), message)
    except Exception as error:  # whatever the library raises where it should answer is a finding
        kind = f"{type(error).__name__}: {general(str(error))}"
        return Failure(kind, f"{type(error).__name__}: {error}")
    return None
