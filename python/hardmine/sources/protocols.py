"""What may come in as an array, besides NumPy's: the methods that each kind has."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray


class SupportsArray(Protocol):
    """What NumPy can make an array of, a tensor for example."""

    def __array__(self) -> NDArray[Any]: ...


class SupportsDLPack(Protocol):
    """An array of another library."""

    def __dlpack__(self, *, stream: None = None) -> Any: ...
    def __dlpack_device__(self) -> Any: ...


class SupportsRows(Protocol):
    """Rows that are fetched block by block: an h5py data set, a Zarr or Dask array, what `hardmine.open_rows` returns."""

    @property
    def shape(self) -> Any: ...
    @property
    def dtype(self) -> Any: ...
    def __getitem__(self, rows: Any, /) -> Any: ...
