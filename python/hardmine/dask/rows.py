"""Rows as Dask has them: one side of a search, cut into blocks that are worth a task."""

from __future__ import annotations

import mmap
from typing import Any, NamedTuple, TypeAlias

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from hardmine import _arguments
from hardmine._arrays import CodeRows, FloatRows, Ints, Rows
from hardmine.search.metric import METRICS

RowsLike: TypeAlias = Any  # a Dask array, a NumPy array, or what has shape, dtype and slicing

# A pair of blocks of MOST_ROWS rows of 128 floats is some 30 s of a core, so that a killed worker loses little, and a
# graph of a billion rows has 7 million tasks; BLOCK_BYTES is Dask's own default of a chunk.
MOST_ROWS = 1 << 18
BLOCK_BYTES = 128 << 20  # as float32, or as codes
# A Dask array's own chunks are kept if they have so many rows on average, and none takes more than MOST_BYTES. Below it a
# task costs less than Dask takes to run it.
LEAST_ROWS = 1024
MOST_BYTES = 1 << 30


class DaskRows(NamedTuple):
    """One side, checked: the array, whose chunks have whole rows, and the first row of each chunk (and their end)."""

    name: str
    array: da.Array
    starts: Ints
    bits: int | None

    @property
    def rows(self) -> int:
        return int(self.starts[-1])

    @property
    def width(self) -> int:
        return int(self.array.shape[1])

    @property
    def blocks(self) -> int:
        return len(self.starts) - 1

    def span(self, block: int) -> tuple[int, int]:
        """The rows of a block: from, to."""
        return int(self.starts[block]), int(self.starts[block + 1])


class MappedFile:
    """A memory map that is sent as its path: a worker opens the file, on a disk that it shares, and reads its own rows."""

    def __init__(self, array: Any) -> None:
        self.path, self.offset = str(array.filename), int(array.offset)
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim
        self._order: Any = "C" if array.flags.c_contiguous else "F"

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        whole: NDArray[Any] = np.memmap(self.path, self.dtype, "r", self.offset, self.shape, self._order)
        return np.asarray(whole[rows])


def check_sides(
    queries: RowsLike, base: RowsLike | None, metric: str, bits: int | None, name: str = "queries"
) -> tuple[DaskRows, DaskRows]:
    """Both sides, one object where the queries are searched against themselves, or raise; nothing is read."""
    _arguments.one_of("metric", metric, METRICS)
    if metric != "hamming" and bits is not None:
        raise ValueError(f'bits: expected None beside metric="{metric}", got {bits}')
    q = _side(name, queries, metric, bits)
    b = q if base is None else _side("base", base, metric, q.bits)
    if b.width != q.width:
        unit = "bytes" if metric == "hamming" else "numbers"
        raise ValueError(f"base: expected rows of {q.width} {unit} like queries, got shape ({b.rows}, {b.width})")
    return q, b


def rows_of(name: str, rows: NDArray[Any], bits: int | None) -> Rows:
    """Rows of a block as the core's kind: codes where bits are known."""
    return FloatRows(name, rows) if bits is None else CodeRows(name, rows, bits)


def _side(name: str, rows: RowsLike, metric: str, bits: int | None) -> DaskRows:
    if not all(hasattr(rows, attribute) for attribute in ("shape", "dtype", "__getitem__")):
        raise TypeError(f"{name}: expected a Dask array, or what has shape, dtype and slicing, got {type(rows).__name__}")
    shape, dtype = tuple(rows.shape), np.dtype(rows.dtype)
    if not all(size == size for size in shape):  # NaN
        raise ValueError(f"{name}: expected chunks of known sizes, got unknown ones; compute_chunk_sizes() finds them")
    empty: NDArray[Any] = np.empty((0, *shape[1:]), dtype)
    kind = CodeRows(name, empty, bits) if metric == "hamming" else FloatRows(name, empty)
    known_bits = kind.bits if isinstance(kind, CodeRows) else None
    array = _as_dask(rows, kind.item * kind.width)
    starts = np.concatenate([[0], np.cumsum(array.chunks[0])]).astype(np.int64)
    return DaskRows(name, array, starts, known_bits)


def _as_dask(rows: RowsLike, row_bytes: int) -> da.Array:
    """The rows in chunks that are worth a task; what is no Dask array is sliced by tasks, without a lock."""
    most = max(1, min(MOST_ROWS, BLOCK_BYTES // row_bytes))
    count, width = rows.shape
    even = _even(count, most)
    if isinstance(rows, da.Array):
        sizes = rows.chunks[0]
        worth_it = count == 0 or count >= LEAST_ROWS * sum(size > 0 for size in sizes) or len(sizes) == 1
        keep = worth_it and max(sizes) * row_bytes <= MOST_BYTES
        return rows.rechunk((sizes if keep else even, (width,)))
    if isinstance(rows, np.memmap) and _is_whole(rows):
        rows = MappedFile(rows)
    # A name of its own: to make one of its content would read all of it.
    # And without `meta` Dask would read some rows to see what they are.
    meta: NDArray[Any] = np.empty((0, 0), rows.dtype)
    return da.from_array(rows, chunks=(even, (width,)), name=False, lock=False, inline_array=False, meta=meta)


def _is_whole(rows: Any) -> bool:
    """Whether a memory map is a file's, and no view of one, whose offset it would not know."""
    return isinstance(rows.base, mmap.mmap) and rows.filename is not None


def _even(count: int, most: int) -> tuple[int, ...]:
    """Sizes of as few blocks of at most that many rows as there can be, which differ by one at most."""
    blocks = max(1, -(-count // most))
    return tuple((count + i) // blocks for i in range(blocks))
