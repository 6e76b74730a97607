"""The protocol of rows that must be fetched: a shape, a dtype, and blocks of rows in order.

What a caller gives needs `shape`, `dtype` and ``array[begin:end]``, which NumPy can view, and may say by `chunks` how its
rows are stored (as h5py, Zarr and Dask do). A `Source` is that for this library: its blocks end where chunks end, so that a
pass over them decodes each chunk once.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

PICKED_BYTES = 1 << 20  # of rows that lie between wanted ones, where nothing says how they are stored


class Unsuitable(ValueError):
    """What is wrong with rows themselves (a null, a list of another length), said without the name of the argument."""


class Source:
    """Rows that are fetched by ranges. Subclasses say their name, shape, dtype and chunks, and fetch.

    Attributes
    ----------
    name : str
        What messages call it: a path, where there is one.
    shape : tuple of int
    dtype : dtype
        Of what is fetched.
    """

    name: str
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    numbers = False  # whether integers stand for numbers, as in files of vectors, and are compared as floats
    streams = False  # whether `blocks` holds less than a chunk at a time
    ends: int | NDArray[np.int64] | None = None  # the rows of each chunk; or where each ends; None: rows are stored one by one

    def fetch(self, begin: int, end: int) -> Any:
        """The rows from `begin` to `end`, as NumPy can view them."""
        raise AssertionError("every kind of source fetches")

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {self.dtype} {self.shape})"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype)

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        """Rows in memory: of a slice, of a number, or of an array of numbers."""
        if isinstance(rows, slice):
            begin, end, step = rows.indices(len(self))
            if step == 1:
                return self.read("rows", begin, max(begin, end))
            rows = np.arange(begin, end, step)
        if np.ndim(rows) == 0:
            number = range(len(self))[operator.index(rows)]
            found: NDArray[Any] = self.read("rows", number, number + 1)[0]
            return found
        numbers = np.asarray(rows)
        numbers = np.flatnonzero(numbers) if numbers.dtype == bool else np.arange(len(self))[numbers]
        return self.at("rows", numbers)

    def part(self, begin: int, end: int) -> Source:
        """Rows that follow one another, as a source of their own."""
        return Part(self, begin, end)

    def may_share_memory(self, other: NDArray[Any]) -> bool:
        """Whether writing to `other` might change these rows."""
        return False

    def read(self, name: str, begin: int, end: int) -> NDArray[Any]:
        """The rows from `begin` to `end`, or an error that names the argument, the range and the source."""
        with self.naming(name, begin, end):
            rows = np.asarray(self.fetch(begin, end))
            if rows.shape != (end - begin, self.shape[1]):
                raise Unsuitable(f"expected {end - begin} rows of {self.shape[1]} numbers, got shape {rows.shape}")
            return rows

    def blocks(self, name: str, begin: int, end: int, most: int) -> Iterator[tuple[int, NDArray[Any]]]:
        """(number of the first one, rows) from `begin` to `end`: whole chunks of up to `most` rows together, at least one."""
        while begin < end:
            last = min(self.cut(begin, begin + most), end)
            yield begin, self.read(name, begin, last)
            begin = last

    def at(self, name: str, numbers: NDArray[np.int64]) -> NDArray[Any]:
        """Rows by their numbers, in any order: each chunk that has some of them is read once."""
        asked, place = np.unique(numbers, return_inverse=True)
        rows = np.empty((len(asked), self.shape[1]), self.dtype)
        most = max(1, PICKED_BYTES // max(1, self.dtype.itemsize * self.shape[1]))
        done = 0
        while done < len(asked):
            first = int(asked[done])
            until = int(np.searchsorted(asked, self.end_of_chunk(first, most)))
            for begin, block in self.blocks(name, first, int(asked[until - 1]) + 1, most):
                low, high = np.searchsorted(asked, [begin, begin + len(block)])
                rows[low:high] = block[asked[low:high] - begin]
            done = until
        return rows[place.reshape(-1)]

    def end_of_chunk(self, row: int, most: int) -> int:
        """Where the chunk of a row ends, or where rows are stored one by one, `most` rows on."""
        return row + most if self.ends is None else self.cut(row, row + 1)

    def cut(self, first: int, last: int) -> int:
        """The last end of a chunk up to `last`, or if there is none after `first`, the next one."""
        if self.ends is None:
            return last
        if isinstance(self.ends, int):
            return max(last // self.ends, first // self.ends + 1) * self.ends
        at = int(np.searchsorted(self.ends, last, "right")) - 1
        if at >= 0 and self.ends[at] > first:
            return int(self.ends[at])
        return int(self.ends[np.searchsorted(self.ends, first, "right")])

    @contextmanager
    def naming(self, name: str, begin: int, end: int) -> Iterator[None]:
        """Turn what reading raises into an error that says which rows of what."""
        try:
            yield
        except Unsuitable as error:
            raise ValueError(f"{name}: {error} ({self.name})") from None
        except (MemoryError, ImportError):
            raise
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
            rows = f"rows {begin} to {end - 1}" if end > begin else "rows"
            raise OSError(f"{name}: expected {rows} of {self.name}, got {told}") from error


class Part(Source):
    """Some rows of a source that follow one another."""

    def __init__(self, whole: Source, begin: int, end: int) -> None:
        self._whole, self._begin = whole, begin
        self.name, self.dtype = whole.name, whole.dtype
        self.shape, self.numbers = (end - begin, whole.shape[1]), whole.numbers

    def fetch(self, begin: int, end: int) -> Any:
        return self._whole.fetch(begin + self._begin, end + self._begin)

    def blocks(self, name: str, begin: int, end: int, most: int) -> Iterator[tuple[int, NDArray[Any]]]:
        blocks = self._whole.blocks(name, begin + self._begin, end + self._begin, most)
        return map(self._numbered, blocks)  # which holds no block, as a loop would until its next turn

    def end_of_chunk(self, row: int, most: int) -> int:
        return self._whole.end_of_chunk(row + self._begin, most) - self._begin

    def cut(self, first: int, last: int) -> int:
        return self._whole.cut(first + self._begin, last + self._begin) - self._begin

    def _numbered(self, block: tuple[int, NDArray[Any]]) -> tuple[int, NDArray[Any]]:
        return block[0] - self._begin, block[1]

    def may_share_memory(self, other: NDArray[Any]) -> bool:
        return self._whole.may_share_memory(other)
