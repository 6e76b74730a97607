"""What a case is: the rows it works on, the call that is timed, and a check of its answer. Subclasses say what is done."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Rows = np.ndarray[Any, Any]
Call = Callable[[], Any]  # what is timed; returns an array, or a tuple of arrays


@dataclass(frozen=True)
class Inputs:
    """What hardmine and its rivals are given."""

    queries: Rows
    base: Rows | None = None  # the queries themselves
    arguments: dict[str, Any] = field(default_factory=dict)  # of hardmine's function: labels, positives, filters

    @property
    def against(self) -> Rows:
        return self.queries if self.base is None else self.base


@dataclass(frozen=True)
class Share:
    """A call that does a share of the work, because all of it takes too long: its seconds are divided by that."""

    call: Call
    share: float

    def __call__(self) -> Any:
        return self.call()


Rival = Callable[[Any, Inputs, int], Call]  # (case, inputs, threads); raises ImportError where it is not installed


@dataclass(frozen=True)
class Case(ABC):
    name: str
    why: str
    n: int
    m: int
    d: int  # dimensions, or bits of a code
    k: int = 10  # neighbours of a query, candidates of a window, rows of a class in a batch, pairs, edges, or a radius in bits
    metric: str = "sqeuclidean"
    rivals: tuple[Rival, ...] = ()

    @abstractmethod
    def inputs(self, scale: float) -> Inputs:
        """The rows, always the same; `scale` shrinks n and m for a smoke test."""

    @abstractmethod
    def call(self, inputs: Inputs, threads: int) -> Call:
        """What a user of hardmine would call."""

    @abstractmethod
    def check(self, inputs: Inputs, found: Any) -> None:
        """Compare an answer of `call` with float64 NumPy; raises AssertionError."""

    def work(self, inputs: Inputs) -> float | None:
        """Floating-point operations of the product of the matrices; pairs for codes; None where neither is the work."""
        pairs = float(len(inputs.queries) * len(inputs.against))
        return pairs if self.metric == "hamming" else pairs * 2 * self.d

    def note(self, inputs: Inputs, found: Any) -> str | None:
        """What a reader of the figures must know, of the answer that was checked too."""
        return None

    def size(self, scale: float) -> tuple[int, int]:
        return max(1, int(self.n * scale)), max(2 * self.k, int(self.m * scale))
