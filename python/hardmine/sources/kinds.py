"""Which arrays are sources, and of which kind."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from hardmine.sources.arrow import column, is_column
from hardmine.sources.chunked import ChunkedArray, is_chunked
from hardmine.sources.opening import as_part, open_rows
from hardmine.sources.shards import InMemory, Shards
from hardmine.sources.source import Source, Unsuitable
from hardmine.sources.tensors import DeviceTensor


def source_of(name: str, array: Any) -> Source | None:
    """What fetches the rows of an array that is not in memory as rows, None of one that is; `name` is the argument's."""
    try:
        if isinstance(array, Source):
            return array
        if is_column(array):
            return column(array)
        if is_chunked(array):
            return ChunkedArray(array)
        if isinstance(array, (list, tuple)) and len(array) and all(map(_is_shard, array)):
            return Shards(f"a list of {len(array)} shards", [_shard(i, part) for i, part in enumerate(array)])
    except Unsuitable as error:
        raise ValueError(f"{name}: {error}") from None
    return None


def _is_shard(part: Any) -> bool:
    """Whether an item of a list is rows, and not a row: a path, or an array of two dimensions."""
    return isinstance(part, (str, os.PathLike)) or is_column(part) or len(getattr(part, "shape", ())) == 2


def _shard(number: int, part: Any) -> Source:
    called = f"shard {number}"
    if isinstance(part, (str, os.PathLike)):
        return as_part(os.fspath(part), open_rows(part))
    if isinstance(part, Source):
        return part
    if is_column(part):
        return column(part)
    if hasattr(part, "layout") and hasattr(part, "detach"):  # a tensor, wherever it is
        return DeviceTensor(part)
    if is_chunked(part):
        return ChunkedArray(part)
    return InMemory(called, np.asarray(part))
