"""The rows that cases work on, made from a generator of random numbers, or read."""

from __future__ import annotations

import os
import pathlib
from typing import Any

import numpy as np

from bench.case import Rows

SEED = 20260101


def codes(rng: Any, n: int, m: int, bits: int, planted: bool) -> tuple[Rows, Rows]:
    """Random packed codes; `planted`: a tenth of the base lies within bits / 8 bits of some query."""
    queries, base = (rng.integers(0, 256, (count, bits // 8), np.uint8) for count in (n, m))
    if planted:
        near = rng.choice(m, m // 10, replace=False)
        flipped = flips(rng, len(near), bits, bits // 8)
        base[near] = queries[rng.integers(0, n, len(near))] ^ flipped
    return queries, base


def near_codes(rng: Any, m: int, bits: int, most: int) -> Rows:
    """Random packed codes, a tenth of which lie within `most` bits of one of the others."""
    rows = rng.integers(0, 256, (m, bits // 8), np.uint8)
    order = rng.permutation(m)
    near, others = order[: m // 10], order[m // 10 :]
    rows[near] = rows[rng.choice(others, len(near))] ^ flips(rng, len(near), bits, most)
    return rows


def flips(rng: Any, n: int, bits: int, most: int) -> Rows:
    """Packed codes of at most that many bits."""
    flipped = np.zeros((n, bits), bool)
    flipped[np.arange(n)[:, None], rng.integers(0, bits, (n, most))] = True
    return np.packbits(flipped, axis=1)


def paired(rng: Any, m: int, d: int) -> tuple[Rows, Rows]:
    """Unit rows in clusters of about thirty, and a query near each: questions and the passages that answer them."""
    centers = rng.standard_normal((m // 30 + 1, d), dtype=np.float32)
    base = around(rng, centers, rng.integers(0, len(centers), m), 0.8)
    return around(rng, base, slice(None), 0.02), base


def around(rng: Any, centers: Rows, chosen: Any, noise: float) -> Rows:
    """Unit rows near the centers that were chosen."""
    rows = centers[chosen]
    rows = rows + noise * rng.standard_normal(rows.shape, dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def multi_hot(rows: int, seed: int) -> Rows:
    """Labels of 80 classes, some of them frequent, as in COCO."""
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
