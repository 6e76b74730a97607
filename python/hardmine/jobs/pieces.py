"""How a search is cut into pieces, and the pieces of it that are finished.

A piece is a range of queries beside the whole base (of an array with itself: beside the rows from there on), whose result
needs no other. Where a search has one result that grows, it is kept as it is after each piece, and the one before it until
then.

The rule: a piece is 2^43 multiply-adds a thread, which float32 takes some three minutes for, coarse screens one or two; and of
neighbours at most 64 MiB. What is written anew with each piece makes the piece longer in proportion, so that writing it to
a disk of 200 MB/s stays below 2 %.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from numpy.typing import NDArray

from hardmine import _core
from hardmine.jobs.folder import Folder, Value

WORK = 1 << 43  # multiply-adds of a piece, for each thread
WORK_PER_BYTE = 1 << 14  # of what is written anew each time, for each thread
LEAST_WIDTH = 32  # a pair of shorter rows takes about as long as one of these
FILE_BYTES = 64 << 20
LEAST_ROWS = 512  # for each thread: of fewer queries packing the base is more than a fortieth of the work


def pairs_of_piece(width: int, threads: int, written_anew: int = 0) -> int:
    """The pairs of a piece, of rows of that many numbers; threads as the core takes them, 0 for all."""
    work = max(WORK, written_anew * WORK_PER_BYTE) * (threads or _core.threads())
    return max(1, work // max(width, LEAST_WIDTH))


def rows_of_piece(pairs: int, base_rows: int, threads: int, row_bytes: int = 0) -> int:
    """The queries of a piece of so many pairs, whose result takes `row_bytes` a query."""
    rows = max(pairs // max(1, base_rows), LEAST_ROWS * (threads or _core.threads()))
    return max(1, min(rows, max(LEAST_ROWS, FILE_BYTES // max(1, row_bytes))))


class Pieces:
    """The pieces of one search of a call: ranges of `count` rows; without a folder nothing is kept."""

    def __init__(
        self,
        folder: Folder | None,
        search: str,
        count: int,
        rows: int,
        about: Mapping[str, Value],
        part: str | None = None,
        grows: bool = False,
    ) -> None:
        """`part`: of a search in several, by default its name; `grows`: it is `latest` and `replace` that will be used."""
        self._folder, self._part, self._count = folder, part or search, count
        self.rows, self.last = rows, 0  # of a piece, and the number of the last one
        if folder is not None:
            pieces = -(-count // rows)
            cut = {"pieces": pieces, "rows": -(-count // max(1, pieces)), "grows": grows}
            # A cut is that of the first run: one with other threads would cut otherwise.
            cut, self._digest = folder.begin(search, about, self._part, cut)
            self.rows, self.last = cut["rows"], cut["pieces"] - 1

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        """Yield (number, first row, row after the last)."""
        for number, first in enumerate(range(0, self._count, max(1, self.rows))):
            yield number, first, min(first + self.rows, self._count)

    def load(self, number: int) -> dict[str, NDArray[Any]] | None:
        """A finished piece, if it is there."""
        return None if self._folder is None else self._folder.read(self._part, number, self._digest)

    def save(self, number: int, **arrays: NDArray[Any]) -> None:
        """Keep a finished piece."""
        if self._folder is not None:
            self._folder.write(self._part, number, self._digest, arrays)

    def latest(self) -> tuple[int, dict[str, NDArray[Any]] | None]:
        """Of a result that grows: how many pieces are in it, and the result; 0 and None where there is none yet."""
        for number in reversed([] if self._folder is None else self._folder.numbers(self._part)):
            arrays = self.load(number)
            if arrays is not None:
                return number + 1, arrays
        return 0, None

    def replace(self, number: int, **arrays: NDArray[Any]) -> None:
        """Keep a result that has grown by a piece; the one before stays, should this one be damaged."""
        self.save(number, **arrays)
        if self._folder is not None:
            for before in self._folder.numbers(self._part)[:-2]:
                self._folder.drop(self._part, before)
