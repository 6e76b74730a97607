"""The named cases: what is searched, and why each is here."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

import hardmine

Rows = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Case:
    name: str
    why: str
    n: int
    m: int
    d: int  # dimensions, or bits of a code
    k: int = 10
    metric: str = "sqeuclidean"
    rivals: tuple[str, ...] = ("faiss",)
    data: str = "gaussian"
    where: Callable[[Case, Any, int, int], hardmine.Filter] | None = None  # made from (case, rng, n, m)
    task: Literal["topk", "pairwise", "map", "mine"] = "topk"

    def rows(self, scale: float) -> tuple[Rows, Rows | None]:
        """Queries and base (None: a self-join), from a fixed seed; `scale` shrinks both for a smoke test."""
        rng = np.random.default_rng(20260101)
        if self.data not in ("gaussian", "planted", "paired"):
            x = load(self.data)[: int(self.m * scale)]
            return x, None
        n, m = max(1, int(self.n * scale)), max(2 * self.k, int(self.m * scale))
        if self.metric == "hamming":
            return codes(rng, n, m, self.d, self.data == "planted")
        if self.data == "paired":
            return paired(rng, m, self.d)
        base = rng.standard_normal((m, self.d), dtype=np.float32)
        if self.n == self.m:
            return base, None
        return rng.standard_normal((n, self.d), dtype=np.float32), base


def codes(rng: Any, n: int, m: int, bits: int, planted: bool) -> tuple[Rows, Rows]:
    """Random packed codes; `planted`: a tenth of the base lies within bits / 8 bits of some query."""
    queries, base = (rng.integers(0, 256, (count, bits // 8), np.uint8) for count in (n, m))
    if planted:
        near = rng.choice(m, m // 10, replace=False)
        flips = np.zeros((len(near), bits), bool)
        flips[np.arange(len(near))[:, None], rng.integers(0, bits, (len(near), bits // 8))] = True
        base[near] = queries[rng.integers(0, n, len(near))] ^ np.packbits(flips, axis=1)
    return queries, base


def paired(rng: Any, m: int, d: int) -> tuple[Rows, Rows]:
    """Unit rows in clusters of about thirty, and a query near each: questions and the passages that answer them."""
    centers = rng.standard_normal((m // 30 + 1, d), dtype=np.float32)
    base = centers[rng.integers(0, len(centers), m)] + 0.8 * rng.standard_normal((m, d), dtype=np.float32)
    base /= np.linalg.norm(base, axis=1, keepdims=True)
    queries = base + 0.02 * rng.standard_normal((m, d), dtype=np.float32)
    return queries / np.linalg.norm(queries, axis=1, keepdims=True), base


MINING = {"range_min": 10, "max_score": 0.8, "relative_margin": 0.05, "num_negatives": 5, "sampling_strategy": "random"}


def labels(rows: int, seed: int) -> Rows:
    """Multi-hot rows of 80 classes, some of them frequent, as in COCO."""
    frequency = 0.5 / np.arange(1, 81) ** 0.8
    return np.random.default_rng(seed).random((rows, 80)) < frequency


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
HAMMING = ("faiss_hc", "faiss_mc")
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
        rivals=("torch_cdist", "sklearn_distances", "scipy_cdist"), task="pairwise",
    ),
    Case("million", "memory at a million rows", 3000, 1_000_000, 128, 10),
    Case("bits64-k10", "codes of 64 bits", 2000, 1_000_000, 64, 10, "hamming", rivals=HAMMING),
    Case("bits64-k100", "the same, a wider window", 2000, 1_000_000, 64, 100, "hamming", rivals=HAMMING),
    Case("bits64-k5000", "the k of mAP@5000", 500, 1_000_000, 64, 5000, "hamming", rivals=HAMMING),
    Case("bits128-k10", "codes of 128 bits", 1000, 1_000_000, 128, 10, "hamming", rivals=HAMMING),
    Case("bits256-k10", "codes of 256 bits", 1000, 1_000_000, 256, 10, "hamming", rivals=HAMMING),
    Case("bits512-k10", "codes of 512 bits", 500, 1_000_000, 512, 10, "hamming", rivals=HAMMING),
    Case("bits1024-k10", "codes of 1,024 bits", 300, 1_000_000, 1024, 10, "hamming", rivals=HAMMING),
    Case("bits64-planted", "a tenth of the base near a query", 2000, 1_000_000, 64, 10, "hamming", HAMMING, "planted"),
    Case("bits256-planted", "the same, 256 bits", 1000, 1_000_000, 256, 10, "hamming", HAMMING, "planted"),
    Case("bits64-one", "one query: bound by memory", 1, 4_000_000, 64, 10, "hamming", rivals=HAMMING),
    Case("bits1024-one", "the same, 1,024 bits", 1, 1_000_000, 1024, 10, "hamming", rivals=HAMMING),
    Case(
        "mine-nq", "every filter on, sentence-transformers' NQ case; k is the window", 100_231, 100_231, 384, 50, "cosine",
        rivals=("unfiltered", "faiss"), data="paired", task="mine",
    ),
    Case("map-5000", "mAP@5000, COCO's size", 5000, 117_000, 64, 5000, "hamming", rivals=("argsort_loop",), task="map"),
]  # fmt: skip
