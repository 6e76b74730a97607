"""Columns of lists: Arrow arrays, pandas and polars columns, the row groups of a Parquet file.

Rows are lists of one length, fixed-size or not, and read through their flat values without a copy. A null, of a list or in
one, and a list of another length are errors that name the row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardmine.sources.source import Source, Unsuitable

EXTRA = 'pip install "hardmine[arrow]"'
PARQUET_BUFFER = 1 << 20  # bytes of a row group read at a time


def pyarrow(what: str) -> Any:
    """The package, or an error that names the extra."""
    try:
        import pyarrow
    except ImportError:
        raise ImportError(f"{what} needs PyArrow: {EXTRA}") from None
    return pyarrow


def is_column(array: object) -> bool:
    """Whether an object is one column: of Arrow, pandas or polars."""
    package = type(array).__module__.split(".")[0]
    if package not in ("pyarrow", "pandas", "polars"):
        return False
    offered = hasattr(array, "__arrow_c_stream__") or hasattr(array, "__arrow_c_array__")
    return (offered or package == "pandas") and len(getattr(array, "shape", (0,))) == 1


def column(array: Any) -> Source:
    """A column as a source."""
    if type(array).__module__.split(".")[0] == "pandas":
        if array.dtype == object:
            return Objects(array.to_numpy())
        array = getattr(array, "array", array)  # a pandas extension array knows its Arrow array
        if not hasattr(array, "__arrow_array__"):
            raise Unsuitable(f"expected a column of lists of numbers, got one of {array.dtype}")
        array = array.__arrow_array__()
    lib = pyarrow("a column of Arrow, pandas or polars")
    if isinstance(array, lib.Array):
        array = lib.chunked_array([array])
    if not isinstance(array, lib.ChunkedArray):
        array = lib.chunked_array(array)
    return ArrowColumn("an Arrow column", array)


class Objects(Source):
    """A pandas column of objects, each a list or an array of numbers."""

    def __init__(self, values: NDArray[Any]) -> None:
        self._values, self.name = values, "a pandas column"
        first = self.fetch(0, 1) if len(values) else np.empty((0, 0))
        self.dtype, self.shape = first.dtype, (len(values), first.shape[1])

    def fetch(self, begin: int, end: int) -> Any:
        rows = [None if value is None else np.asarray(value) for value in self._values[begin:end]]
        for i, row in enumerate(rows):
            if row is None or row.ndim == 0:
                raise Unsuitable(f"expected lists of numbers, got {self._values[begin + i]} in row {begin + i}")
            if row.ndim != 1 or (begin + i and len(row) != self.shape[1]):
                raise Unsuitable(f"expected lists of one length, got shape {row.shape} in row {begin + i}")
        return np.stack(rows) if rows else np.empty((0, self.shape[1]), self.dtype)  # type: ignore[arg-type]


class ArrowColumn(Source):
    """An Arrow array of lists in memory."""

    def __init__(self, name: str, array: Any) -> None:
        self.name, self._array = name, array
        of_lists, width = list_type(array.type)
        self.dtype = of_lists
        if width is None:
            first = next((chunk.slice(0, 1) for chunk in array.chunks if len(chunk)), None)
            width = 0 if first is None else flat(first, None, 0).shape[1]
        self.shape = len(array), width

    def fetch(self, begin: int, end: int) -> Any:
        parts, at = [], begin
        for chunk in self._array.slice(begin, end - begin).chunks:
            parts.append(flat(chunk, self.shape[1], at))
            at += len(chunk)
        return parts[0] if len(parts) == 1 else np.concatenate([np.empty((0, self.shape[1]), self.dtype), *parts])


class ParquetColumn(Source):
    """A column of a Parquet file, whose row groups are decoded a block at a time.

    Each pass opens the file for itself: several may go on at once, on threads of their own.
    """

    streams = True

    def __init__(self, path: str, name: str | None) -> None:
        pyarrow("a Parquet file")
        import pyarrow.parquet as parquet

        self._path, self.name = path, path
        try:
            file = parquet.ParquetFile(path)
        except pyarrow("a Parquet file").ArrowInvalid as error:
            raise Unsuitable(f"expected a Parquet file, got something else ({error})") from None
        schema = file.schema_arrow
        lists = [field.name for field in schema if is_list(field.type)]
        if name is None:
            if len(lists) != 1:
                raise Unsuitable(f"expected one column of lists, or its name (file.parquet:name), got {schema.names}")
            name = lists[0]
        if name not in schema.names:
            raise Unsuitable(f"expected a column that is one of {', '.join(schema.names)}, got {name!r}")
        self._column, self.name = name, f"{path}:{name}"
        self._metadata = file.metadata
        self.dtype, width = list_type(schema.field(name).type)
        sizes = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
        self.ends = np.cumsum([0, *sizes])[1:].astype(np.int64)
        count = int(sum(sizes))
        if width is None:
            first = next(iter(file.iter_batches(batch_size=1, columns=[name])), None) if count else None
            width = 0 if first is None else flat(first.column(0), None, 0).shape[1]
        self.shape = count, width

    def fetch(self, begin: int, end: int) -> Any:
        rows = np.empty((end - begin, self.shape[1]), self.dtype)
        for first, part in self._parts(begin, end, 1 << 16):
            rows[first - begin : first - begin + len(part)] = part
        return rows

    def blocks(self, name: str, begin: int, end: int, most: int) -> Iterator[tuple[int, NDArray[Any]]]:
        parts = self._parts(begin, end, most)
        while begin < end:
            with self.naming(name, begin, end):
                found = next(parts, None)
                if found is None:
                    raise Unsuitable(f"expected rows up to {end - 1}, got the last before row {begin}")
                begin = found[0] + len(found[1])
            yield found
            del found  # before the next one is decoded

    def _parts(self, begin: int, end: int, most: int) -> Iterator[tuple[int, NDArray[Any]]]:
        """Rows of up to `most` at a time, of row groups that are streamed and never decoded whole."""
        import pyarrow.parquet as parquet

        assert isinstance(self.ends, np.ndarray)
        low, high = int(np.searchsorted(self.ends, begin, "right")), int(np.searchsorted(self.ends, end, "left"))
        first = int(self.ends[low - 1]) if low else 0
        groups = list(range(low, min(high, len(self.ends) - 1) + 1))
        file = parquet.ParquetFile(self._path, metadata=self._metadata, buffer_size=PARQUET_BUFFER)
        for batch in file.iter_batches(batch_size=most, row_groups=groups, columns=[self._column]):
            last = first + len(batch)
            if first >= end:
                return
            if last > begin and len(batch):
                start, stop = max(begin, first), min(end, last)
                lists = batch.column(0).slice(start - first, stop - start)
                del batch
                yield start, flat(lists, self.shape[1], start)
            first = last


def is_list(kind: Any) -> bool:
    """Whether an Arrow type is one of lists, of any kind."""
    lib = pyarrow("a column of Arrow")
    if isinstance(kind, lib.BaseExtensionType):
        kind = kind.storage_type
    types = lib.types
    return bool(types.is_fixed_size_list(kind) or types.is_list(kind) or types.is_large_list(kind))


def list_type(kind: Any) -> tuple[np.dtype[Any], int | None]:
    """(dtype of the numbers, how many a list has if that is fixed), or raise."""
    lib = pyarrow("a column of Arrow")
    if not is_list(kind):
        raise Unsuitable(f"expected a column of lists of numbers, got one of {kind}")
    if isinstance(kind, lib.BaseExtensionType):
        kind = kind.storage_type
    try:
        dtype = np.dtype(kind.value_type.to_pandas_dtype())
    except (NotImplementedError, TypeError):
        dtype = np.dtype(object)
    if dtype.kind not in "fiub":
        raise Unsuitable(f"expected a column of lists of numbers, got one of {kind}")
    return dtype, kind.list_size if lib.types.is_fixed_size_list(kind) else None


def flat(lists: Any, width: int | None, first: int) -> NDArray[Any]:
    """An Arrow array of lists, of which the first is row `first`, as rows of its values; `width` None: that of its first."""
    lists = getattr(lists, "storage", lists)
    if lists.null_count:
        raise Unsuitable(f"expected lists without nulls, got null in row {first + _first(lists.is_null())}")
    if hasattr(lists, "offsets"):
        lengths = np.diff(lists.offsets.to_numpy(zero_copy_only=False))
        width = int(lengths[0]) if width is None and len(lengths) else width or 0
        if (lengths != width).any():
            bad = int((lengths != width).argmax())
            raise Unsuitable(f"expected lists of {width} numbers, got one of {lengths[bad]} in row {first + bad}")
    else:
        width = lists.type.list_size
    values = lists.flatten()
    if values.null_count:
        raise Unsuitable(f"expected lists without nulls, got one with null in row {first + _first(values.is_null()) // width}")
    numbers: NDArray[Any] = values.to_numpy(zero_copy_only=False)
    return numbers.reshape(len(lists), width)


def _first(mask: Any) -> int:
    """The place of the first that is true."""
    return int(np.asarray(mask).argmax())
