"""The named cases: what is searched, and why each is here."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import hardmine

Rows = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class Case:
    name: str
    why: str
    n: int
    m: int
    d: int
    k: int = 10
    metric: str = "sqeuclidean"
    rivals: tuple[str, ...] = ("faiss",)
    data: str = "gaussian"
    where: Callable[[Case, Any, int, int], hardmine.Filter] | None = None  # made from (case, rng, n, m)
    pairwise: bool = False

    def rows(self, scale: float) -> tuple[Rows, Rows | None]:
        """Queries and base (None: a self-join), from a fixed seed; `scale` shrinks both for a smoke test."""
        rng = np.random.default_rng(20260101)
        if self.data != "gaussian":
            x = load(self.data)[: int(self.m * scale)]
            return x, None
        n, m = max(1, int(self.n * scale)), max(2 * self.k, int(self.m * scale))
        base = rng.standard_normal((m, self.d), dtype=np.float32)
        if self.n == self.m:
            return base, None
        return rng.standard_normal((n, self.d), dtype=np.float32), base


def load(name: str) -> Rows:
    """The float rows `x` of HARDMINE_DATA/name.npz, or of the user's cache."""
    folders = [os.environ.get("HARDMINE_DATA"), pathlib.Path.home() / ".cache" / "hardmine-data"]
    for folder in folders:
        path = pathlib.Path(folder or ".") / f"{name}.npz"
        if folder and path.exists():
            with np.load(path) as archive:
                return np.ascontiguousarray(archive["x"], dtype=np.float32)
    raise FileNotFoundError(f"{name}.npz: not in HARDMINE_DATA nor in ~/.cache/hardmine-data")


def exclude_100(case: Case, rng: Any, n: int, m: int) -> hardmine.Filter:
    return hardmine.Filter(exclude=(np.arange(n + 1) * 100, rng.integers(0, m, n * 100)))


def own_group(case: Case, rng: Any, n: int, m: int) -> hardmine.Filter:
    return hardmine.Filter(query_groups=rng.integers(0, 1000, n), base_groups=rng.integers(0, 1000, m))


EVERYONE = ("faiss", "sklearn", "torch")
CASES = [
    Case("d512-k5", "the near-duplicate protocol: 4,400 x 80,000, hn2", 4400, 80_000, 512, 5, rivals=EVERYONE),
    Case("d512-k100", "a wide candidate window", 4400, 80_000, 512, 100, rivals=EVERYONE),
    Case("d128-k5", "SIFT-like width", 4400, 80_000, 128, 5, rivals=EVERYONE),
    Case("d64-k10", "small embeddings: selection weighs", 4400, 80_000, 64, 10, rivals=EVERYONE),
    Case("d32-k10", "smaller still", 4400, 80_000, 32, 10, rivals=EVERYONE),
    Case("d768-k10", "text embeddings, a thousand queries", 1000, 200_000, 768, 10, rivals=EVERYONE),
    Case("join-d96", "100,000 x 100,000, a self-join", 100_000, 100_000, 96, 10),
    Case("one-query", "bound by memory", 1, 1_000_000, 128, 10),
    Case("four-queries", "bound by memory", 4, 1_000_000, 128, 10),
    Case("eight-queries", "bound by memory", 8, 1_000_000, 128, 10),
    Case("wordnet", "real text embeddings against themselves", 117_659, 117_659, 256, 10, "cosine", data="wordnet"),
    Case(
        "exclude-100", "100 excluded rows for each query", 4400, 80_000, 128, 10,
        rivals=("unfiltered", "faiss_selector"), where=exclude_100,
    ),
    Case(
        "own-group", "the query's own group excluded", 4400, 80_000, 128, 10,
        rivals=("unfiltered", "faiss_selector"), where=own_group,
    ),
    Case(
        "matrix", "the whole matrix", 4400, 20_000, 512, metric="euclidean",
        rivals=("torch_cdist", "sklearn_distances", "scipy_cdist"), pairwise=True,
    ),
    Case("million", "memory at a million rows", 3000, 1_000_000, 128, 10),
]  # fmt: skip
