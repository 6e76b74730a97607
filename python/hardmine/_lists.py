"""A list of base rows for each query, in any of the forms people have them in, as two arrays."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Number
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray

from hardmine import _arrays
from hardmine._arrays import ArrayLike, Ints


class SparseMatrix(Protocol):
    """Of SciPy, in any format."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    def tocsr(self) -> Any: ...


Lists: TypeAlias = ArrayLike | SparseMatrix  # a list for each query, (indptr, indices), an array (n, p), a sparse matrix


class RowLists(NamedTuple):
    """A list of base rows for each query, ascending: that of query i is ``indices[start[i] : start[i + 1]]``."""

    start: Ints
    indices: Ints

    def pairs(self, first: int = 0, last: int | None = None) -> tuple[Ints, Ints]:
        """(query, row) of the queries from `first` to `last`, one after another."""
        last = len(self.start) - 1 if last is None else last
        rows = np.repeat(np.arange(first, last), np.diff(self.start[first : last + 1]))
        return rows, self.indices[self.start[first] : self.start[last]]

    def of(self, queries: Ints) -> RowLists:
        """The lists of some queries, in their order."""
        count = np.diff(self.start)[queries]
        start = np.concatenate([[0], np.cumsum(count)])
        return RowLists(start, self.indices[np.repeat(self.start[queries] - start[:-1], count) + np.arange(start[-1])])

    def contains(self, rows: Ints, cols: Ints) -> NDArray[np.bool_]:
        """Whether ``cols[i]`` stands in the list of query ``rows[i]``; -1 stands in none."""
        if len(self.indices) == 0:
            return np.zeros(np.broadcast_shapes(rows.shape, cols.shape), bool)
        width = int(self.indices.max()) + 2  # (row, column) as one number, in ascending order as the lists are
        row, col = self.pairs()
        keys = row * width + col
        wanted = rows * width + np.clip(cols, -1, width - 1)
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.asarray((keys[at] == wanted) & (cols >= 0))

    def joined(self, other: RowLists | None) -> RowLists:
        """The rows of both."""
        if other is None:
            return self
        rows, cols = (np.concatenate(parts) for parts in zip(self.pairs(), other.pairs()))
        return RowLists(self.start + other.start, cols[np.lexsort((cols, rows))])

    def ascend(self) -> bool:
        """Whether every list ascends, with no number twice."""
        falls = self.indices[1:] <= self.indices[:-1]
        if np.count_nonzero(falls) >= len(self.start):  # more than there are lists: no need to look where
            return False
        return bool(np.isin(np.flatnonzero(falls) + 1, self.start).all())

    def without(self, own_rows: Ints | None) -> RowLists:
        """Each row once, and none that is the query itself."""
        if own_rows is None and self.ascend():
            return self
        rows, cols = self.pairs()
        kept = np.ones(len(rows), bool)
        kept[1:] = (np.diff(rows) > 0) | (np.diff(cols) > 0)
        if own_rows is not None:
            kept &= own_rows[rows] != cols
        count = np.bincount(rows[kept], minlength=len(self.start) - 1)
        return RowLists(np.concatenate([[0], np.cumsum(count)]), cols[kept])


FORMS = "(indptr, indices) or a list of arrays"


def ragged(name: str, lists: Lists, rows: int, limit: int) -> RowLists:
    """Lists in any form, ascending; `start` is never the caller's own array.

    The forms are a list of arrays, lists or sets; (indptr, indices); a SciPy sparse matrix or array of any format, of which
    what is not zero is listed; a 2-D array of integers, in which -1 is none, as `topk` pads; an array of objects or an Arrow
    array of lists.
    """
    if hasattr(lists, "tocsr"):
        start, indices = _of_sparse(name, lists, rows, limit)
    elif isinstance(lists, tuple):
        if len(lists) != 2:
            raise ValueError(f"{name}: expected {FORMS}, got a tuple of {len(lists)}")
        # Copied, because the scan finds its way by it, whatever becomes of the caller's meanwhile.
        start, indices = _arrays.integers(f"{name} indptr", lists[0]).copy(), _arrays.integers(f"{name} indices", lists[1])
        if len(start) != rows + 1 or start[0] != 0 or start[-1] != len(indices) or np.any(np.diff(start) < 0):
            raise ValueError(f"{name}: expected an ascending indptr of {rows + 1} numbers from 0 to {len(indices)}")
    else:
        start, indices = _of_each(name, lists, rows)
    bad = _arrays.outside(indices, 0, limit)
    if bad is not None:
        raise ValueError(f"{name}: expected row numbers from 0 to {limit - 1}, got {bad}")
    if not RowLists(start, indices).ascend():
        row = np.repeat(np.arange(rows) * limit, np.diff(start))  # one sort of (row, index) as a single number
        indices = indices + row
        indices.sort()
        indices -= row
    return RowLists(start, np.ascontiguousarray(indices))


def are_ids(lists: Lists) -> TypeGuard[ArrayLike]:
    """Whether these are not lists, but one row number for each query."""
    if hasattr(lists, "tocsr") or isinstance(lists, (tuple, str)):
        return False
    if isinstance(lists, Sequence):
        return all(isinstance(one, Number) or getattr(one, "ndim", None) == 0 for one in lists)
    array = _arrays.to_numpy("ids", lists)
    return array.ndim == 1 and array.dtype.kind != "O"


def _of_sparse(name: str, matrix: Any, rows: int, limit: int) -> RowLists:
    """The places of what is not zero; a format by columns or blocks is turned into one by rows first."""
    if tuple(matrix.shape) != (rows, limit):
        raise ValueError(f"{name}: expected a sparse matrix of shape ({rows}, {limit}), got {tuple(matrix.shape)}")
    by_rows = matrix.tocsr()
    kept = np.flatnonzero(by_rows.data)
    start = np.searchsorted(kept, _arrays.integers(name, by_rows.indptr))
    return RowLists(start, _arrays.integers(name, by_rows.indices)[kept])


def _of_each(name: str, lists: Any, rows: int) -> RowLists:
    """The parts of a sequence, or the rows of an array, one after another."""
    if not isinstance(lists, Sequence) or isinstance(lists, str):
        array = _arrays.to_numpy(name, lists)
        if array.ndim == 0 or (array.ndim == 1 and array.dtype.kind != "O") or array.ndim > 2:
            shape = f" of shape {array.shape}" if array.ndim else ""
            raise TypeError(f"{name}: expected {FORMS}, got {type(lists).__name__}{shape}")
        lists = list(array) if array.ndim == 1 else [row[row != -1] for row in array]
    if len(lists) != rows:
        raise ValueError(f"{name}: expected {rows} lists, one for each query, got {len(lists)}")
    parts = [_arrays.integers(name, list(one) if isinstance(one, (set, frozenset)) else one) for one in lists]
    start = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
    return RowLists(start, np.concatenate([*parts, np.empty(0, np.int64)]))
