"""Shards: a list of arrays, or of files, seen as one array in the order of the list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardmine.sources.source import Source, Unsuitable


class InMemory(Source):
    """An array in memory, or mapped, as a source: a shard of others."""

    def __init__(self, name: str, array: NDArray[Any], numbers: bool = False) -> None:
        self.array, self.name, self.numbers = array, name, numbers
        self.shape, self.dtype = array.shape, array.dtype

    def fetch(self, begin: int, end: int) -> Any:
        return self.array[begin:end]

    def may_share_memory(self, other: NDArray[Any]) -> bool:
        return bool(np.may_share_memory(self.array, other))


class Shards(Source):
    """Sources one after another; those without rows may have any width."""

    def __init__(self, name: str, parts: Sequence[Source]) -> None:
        self._parts, self.name = parts, name
        for part in parts:
            if len(part.shape) != 2:
                raise Unsuitable(f"expected shards of shape (rows, dimensions), got shape {part.shape} in {part.name}")
        filled = [part for part in parts if len(part)] or list(parts[:1])
        first = filled[0]
        for part in filled:
            if part.shape[1] != first.shape[1]:
                raise Unsuitable(
                    f"expected shards of rows of {first.shape[1]} numbers as in {first.name}, "
                    f"got shape {part.shape} in {part.name}"
                )
            if part.dtype.kind != first.dtype.kind or part.numbers != first.numbers:
                raise Unsuitable(f"expected shards of {first.dtype} as in {first.name}, got {part.dtype} in {part.name}")
        self.dtype, self.numbers = np.result_type(*(part.dtype for part in filled)), first.numbers
        self._starts = np.cumsum([0, *map(len, parts)])
        self.shape = int(self._starts[-1]), first.shape[1]

    def fetch(self, begin: int, end: int) -> Any:
        if begin == end:
            return np.empty((0, self.shape[1]), self.dtype)
        rows = [part.fetch(low, high) for part, low, high in self._within(begin, end)]
        return np.asarray(rows[0]) if len(rows) == 1 else np.concatenate([np.asarray(part) for part in rows])

    def blocks(self, name: str, begin: int, end: int, most: int) -> Iterator[tuple[int, NDArray[Any]]]:
        if not any(part.streams for part in self._parts):
            yield from super().blocks(name, begin, end, most)
            return
        for part, low, high in self._within(begin, end):
            yield from map(partial(_numbered, begin - low), part.blocks(name, low, high, most))
            begin += high - low

    def end_of_chunk(self, row: int, most: int) -> int:
        at = int(np.searchsorted(self._starts, row, "right")) - 1
        start = int(self._starts[at])
        return min(self._parts[at].end_of_chunk(row - start, most) + start, int(self._starts[at + 1]))

    def cut(self, first: int, last: int) -> int:
        """Whole chunks of the last shard; a shard that ends within is read with the next."""
        at = int(np.searchsorted(self._starts, last, "right")) - 1
        if at >= len(self._parts):
            return last
        start = int(self._starts[at])
        if last == start:
            return last
        if first >= start or self._parts[at].ends is not None:
            inside = self._parts[at].cut(max(first, start) - start, last - start) + start
            if inside <= last or first >= start:
                return min(inside, int(self._starts[at + 1]))
            return start
        return last

    def may_share_memory(self, other: NDArray[Any]) -> bool:
        return any(part.may_share_memory(other) for part in self._parts)

    def _within(self, begin: int, end: int) -> list[tuple[Source, int, int]]:
        """The shards that have some of the rows, and from where to where in each."""
        found = []
        for at in range(int(np.searchsorted(self._starts, begin, "right")) - 1, len(self._parts)):
            low, high = max(begin - int(self._starts[at]), 0), min(end - int(self._starts[at]), len(self._parts[at]))
            if low < high:
                found.append((self._parts[at], low, high))
            if end <= self._starts[at + 1]:
                break
        return found


def _numbered(before: int, block: tuple[int, NDArray[Any]]) -> tuple[int, NDArray[Any]]:
    """A block of a shard, with the number that its first row has among all."""
    return block[0] + before, block[1]
