"""Arrays of more than 2**31 numbers: sparse files and rows that share memory, so that only their addresses are large.

Not drawn unless asked for by name: each case takes seconds, some of them gigabytes of address space.
"""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np

import hardmine

from . import oracle
from .cases import Case, Property

Rng = np.random.Generator


def _far_apart(dtype: Any, shape: tuple[int, int], width: int) -> Any:
    """Rows of `width` numbers, each the begin of a row of a file in which nothing else is written."""
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, dtype, "w+", shape=shape)[:, :width]


def _far_rows(case: Case) -> None:
    rng = np.random.default_rng(case["seed"])
    base = _far_apart(np.float16 if case["converted"] else np.float32, (2100, 1 << 20), 8)
    base[:] = rng.integers(-3, 4, base.shape)
    seen = np.array(base, np.float32)
    queries = seen[rng.integers(0, len(seen), case["n"])]
    matrix = oracle.distances(queries, seen, "sqeuclidean")
    expected = oracle.nearest(matrix, np.ones(matrix.shape, bool), 5)
    oracle.check_neighbors(hardmine.topk(queries, base, 5), expected, "rows far apart")
    rows, cols = rng.integers(0, case["n"], 300), rng.integers(0, len(base), 300)
    oracle.check_same("pairs far apart", hardmine.pair_distances(queries, base, rows, cols), matrix[rows, cols])
    swapped = oracle.nearest(matrix.T, np.ones(matrix.T.shape, bool), 5)
    oracle.check_neighbors(hardmine.topk(base, queries, 5), swapped, "queries far apart")
    out = _far_apart(np.float32, (2100, 1 << 20), case["n"])
    hardmine.pairwise(base, queries, out=out)
    assert np.allclose(out, matrix.T, rtol=2.0**-10, atol=0), "an output far apart"


def _far_codes(case: Case) -> None:
    rng = np.random.default_rng(case["seed"])
    base = _far_apart(np.uint8, (2100, 1 << 21), 4)
    base[:] = rng.integers(0, 256, base.shape)
    seen = np.array(base)
    queries = seen[rng.integers(0, len(seen), case["n"])]
    matrix = oracle.distances(*(np.unpackbits(side, axis=1) for side in (queries, seen)), "hamming")
    expected = oracle.nearest(matrix, np.ones(matrix.shape, bool), 5)
    oracle.check_neighbors(hardmine.topk(queries, base, 5, metric="hamming"), expected, "codes far apart")
    oracle.check_same("pairwise of codes far apart", hardmine.pairwise(queries, base, metric="hamming"), matrix)


def _sliding(values: Any, count: int, width: int) -> Any:
    """Rows that each begin one number after the one before."""
    return np.lib.stride_tricks.as_strided(values, (count, width), (values.itemsize, values.itemsize), writeable=False)


def _many_codes(case: Case) -> None:
    """More than 2**31 rows of one byte, of which a few are near."""
    count = 2**31 + 1000
    with tempfile.TemporaryFile() as file:
        codes = np.memmap(file, np.uint8, "w+", shape=(count, 1))
    places = np.array([5, 2**31 - 1, 2**31, 2**31 + 999])
    codes[places, 0] = 255
    found = hardmine.topk(np.array([[255]], np.uint8), codes, 5, metric="hamming")
    oracle.check_same("more than 2**31 rows", found.indices, np.array([[*places, 0]]))
    oracle.check_same("more than 2**31 rows", found.distances, np.array([[0, 0, 0, 0, 8]], np.int32))


def _many_numbers(case: Case) -> None:
    """More than 2**31 numbers in rows that overlap in memory."""
    width = 1024
    count = 2**31 // width + 50
    values = np.random.default_rng(case["seed"]).standard_normal(count + width).astype(np.float32)
    base = _sliding(values, count, width)
    own = np.array([0, 77, count // 2, count - 1])
    queries = np.ascontiguousarray(base[own])
    if case["n"] > 8:
        queries = np.repeat(queries, 3, axis=0)
        own = np.repeat(own, 3)
    found = hardmine.topk(queries, base, 1)
    oracle.check_same("more than 2**31 numbers", found.indices, own[:, None])
    oracle.check_same("more than 2**31 numbers", found.distances, np.zeros((len(own), 1), np.float32))


SCENARIOS = {"far rows": _far_rows, "far codes": _far_codes, "many codes": _many_codes, "many numbers": _many_numbers}


def _draw(rng: Rng) -> Case:
    return {
        "scenario": str(rng.choice(list(SCENARIOS))),
        "seed": int(rng.integers(0, 99)),
        "n": int(rng.choice([3, 40])),
        "converted": bool(rng.random() < 0.3),
    }


def _check(case: Case) -> None:
    SCENARIOS[case["scenario"]](case)


PROPERTIES = (Property("large", _draw, _check, 0),)
