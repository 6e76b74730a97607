"""The files of vectors that benchmarks of nearest neighbours are published in, read where they lie and written.

``.fvecs``, ``.ivecs`` and ``.bvecs`` (float32, int32, uint8) have the dimension, int32, before each row. ``.fbin``,
``.ibin``, ``.u8bin`` and ``.i8bin`` have rows and dimensions once, two uint32, and then all rows; ground truth as
big-ann-benchmarks has it goes on with as many distances, float32. All are little-endian.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardmine.sources.shards import InMemory
from hardmine.sources.source import Source, Unsuitable

VECS = {".fvecs": "<f4", ".ivecs": "<i4", ".bvecs": "u1"}
BIN = {".fbin": "<f4", ".ibin": "<i4", ".u8bin": "u1", ".i8bin": "i1"}


def open_vectors(path: Path) -> NDArray[Any] | Source:
    """The rows of such a file, mapped; integers as a source whose integers are numbers."""
    rows = _vecs(path, np.dtype(VECS[path.suffix])) if path.suffix in VECS else _bin(path, np.dtype(BIN[path.suffix]))
    return rows if rows.dtype.kind == "f" else InMemory(str(path), rows, numbers=True)


def _vecs(path: Path, dtype: np.dtype[Any]) -> NDArray[Any]:
    size = path.stat().st_size
    if size == 0:
        return np.empty((0, 0), dtype)
    head = np.fromfile(path, "<i4", 1)
    width = int(head[0]) if len(head) else 0
    row = 4 + width * dtype.itemsize
    if width < 1 or size % row:
        raise Unsuitable(
            f"expected rows of 4 bytes, their dimension, and as many {dtype.name}, got dimension {width} and {size} bytes"
        )
    table = np.memmap(path, "u1", "r", shape=(size // row, row))
    for first in range(0, len(table), 1 << 16):
        widths = np.ascontiguousarray(table[first : first + (1 << 16), :4]).view("<i4")[:, 0]
        if (widths != width).any():
            bad = int((widths != width).argmax())
            raise Unsuitable(f"expected rows of {width} numbers as the first one, got {widths[bad]} in row {first + bad}")
    return np.ndarray((len(table), width), dtype, table, 4, (row, dtype.itemsize))


def _bin(path: Path, dtype: np.dtype[Any]) -> NDArray[Any]:
    size = path.stat().st_size
    head = np.fromfile(path, "<u4", 2)
    if len(head) < 2:
        raise Unsuitable(f"expected 8 bytes, the numbers of rows and of dimensions, got {size}")
    count, width = map(int, head)
    whole = 8 + count * width * dtype.itemsize
    truth = path.suffix == ".ibin" and size == 8 + 2 * count * width * dtype.itemsize  # ids, and then distances
    if size != whole and not truth:
        raise Unsuitable(f"expected {whole} bytes for {count} rows of {width} {dtype.name}, got {size}")
    if count * width == 0:
        return np.empty((count, width), dtype)
    return np.memmap(path, dtype, "r", 8, (count, width))
