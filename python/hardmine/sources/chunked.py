"""Arrays of other libraries that are not in memory: h5py data sets, Zarr and Dask arrays, anything that can be sliced.

What has a shape, a dtype and slices, and neither memory that NumPy could view nor DLPack, is one of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hardmine.sources.source import Source


def is_chunked(array: object) -> bool:
    """Whether an object is rows to be fetched, rather than an array in memory."""
    sliced = all(hasattr(array, part) for part in ("shape", "dtype", "__getitem__"))
    return sliced and not any(hasattr(array, part) for part in ("__array_interface__", "__dlpack__", "nnz"))


class ChunkedArray(Source):
    """An array that is fetched by slices: as many chunks at a time as make a block."""

    def __init__(self, array: Any) -> None:
        self._array = array
        self.name, self.shape, self.dtype = _name(array), tuple(array.shape), np.dtype(array.dtype)
        self.ends = _ends(array)

    def fetch(self, begin: int, end: int) -> Any:
        return self._array[begin:end]


def _name(array: Any) -> str:
    """The file and the path within it, if it has any; else what kind of array it is."""
    file = getattr(getattr(array, "file", None), "filename", None)
    if file is not None:
        return f"{file}:{array.name}"
    store = getattr(array, "store_path", None)
    return f"a {type(array).__module__.split('.')[0]} {type(array).__name__}" if store is None else str(store)


def _ends(array: Any) -> Any:
    """How the rows are cut into chunks: rows of each chunk (h5py, Zarr), or the ends of chunks of different sizes (Dask)."""
    chunks = getattr(array, "chunks", None)
    if not isinstance(chunks, (tuple, list)) or len(chunks) == 0 or not array.shape:
        return None
    sizes = chunks[0]
    if not isinstance(sizes, (tuple, list)):
        return None if sizes is None or sizes < 1 else int(sizes)
    ends = np.cumsum(np.array(sizes, np.float64))
    return ends.astype(np.int64) if len(ends) and ends[-1] == array.shape[0] else None
