"""Rows and results as files: .npy, and the formats that benchmarks of nearest neighbours are published in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from hardmine._arrays import ArrayLike, is_torch, rows_of, to_numpy
from hardmine._files import replacing
from hardmine.search.neighbors import Neighbors
from hardmine.sources.source import Source
from hardmine.sources.vectors import BIN, VECS

BLOCK = 16 << 20  # bytes that are written at a time
ENDINGS = (".npy", *VECS, *BIN)


def write_rows(path: str | os.PathLike[str], rows: ArrayLike | Neighbors) -> None:
    """Write rows, or what a search found, to a file of the format that its ending names.

    Parameters
    ----------
    path : str or Path
        ``.npy``, ``.fvecs``, ``.bvecs``, ``.ivecs``, ``.fbin``, ``.u8bin``, ``.i8bin`` or ``.ibin``. Written beside and
        renamed.
    rows : array of shape (n, d), or Neighbors
        Rows from anywhere, read block by block; floats are rounded to float32, integers must fit. Of neighbours a file of
        integers gets the indices (-1 where there are fewer than k), a file of floats the distances, and ``.ibin`` both, as
        the ground truth of big-ann-benchmarks: n and k as uint32, all indices as int32, all distances as float32.

    Raises
    ------
    ValueError, TypeError
        For another ending, and for numbers that the format does not hold.
    OSError
        If nothing can be written there. What was there before stays.

    Notes
    -----
    O(n d); memory is a block of 16 MiB.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np, hardmine
    >>> x = np.arange(12, dtype=np.float32).reshape(6, 2)
    >>> folder = tempfile.TemporaryDirectory()
    >>> hardmine.write_rows(f"{folder.name}/x.fbin", x)
    >>> hardmine.write_rows(f"{folder.name}/gt.ibin", hardmine.topk(x, k=2))
    >>> hardmine.open_rows(f"{folder.name}/gt.ibin")[0].tolist()
    [1, 2]
    >>> told = hardmine.verify(hardmine.open_rows(f"{folder.name}/gt.ibin"), hardmine.open_rows(f"{folder.name}/x.fbin"))
    >>> bool(told.equal.all())
    True
    >>> folder.cleanup()
    """
    at = Path(path)
    ending = check_ending(at)
    more: NDArray[Any] | None = None
    given: Any = rows
    if isinstance(rows, Neighbors):
        floats = np.dtype(VECS.get(ending) or BIN.get(ending, "<f4")).kind == "f" and ending != ".npy"
        given = rows.distances if floats else rows.indices
        more = to_numpy("rows", rows.distances) if ending == ".ibin" else None
    array: Any = rows_of("rows", given)
    if is_torch(array):
        array = to_numpy("rows", array)
    if len(array.shape) != 2:
        raise ValueError(f"rows: expected an array of shape (rows, dimensions), got shape {tuple(array.shape)}")
    with replacing(at) as partial, open(partial, "wb") as file:
        if ending == ".npy":
            _npy(file, array)
        elif ending in VECS:
            _vecs(file, array, np.dtype(VECS[ending]))
        else:
            np.array(array.shape, "<u4").tofile(file)
            for block in _blocks(array, np.dtype(BIN[ending])):
                block.tofile(file)
            if more is not None:
                for block in _blocks(more, np.dtype("<f4")):
                    block.tofile(file)


def check_ending(path: Path) -> str:
    """The ending of a file that rows can be written to, or raise."""
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise ValueError(f"path: expected a file that ends with one of {', '.join(ENDINGS)}, got {path.name}")
    return ending


def _npy(file: BinaryIO, array: Any) -> None:
    head = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False, "shape": tuple(array.shape)}
    np.lib.format.write_array_header_1_0(file, head)
    for block in _blocks(array, array.dtype):
        block.tofile(file)


def _vecs(file: BinaryIO, array: Any, dtype: np.dtype[Any]) -> None:
    width = array.shape[1]
    for block in _blocks(array, dtype):
        table = np.empty((len(block), 4 + width * dtype.itemsize), "u1")
        table[:, :4] = np.array([width], "<i4").view("u1")
        table[:, 4:] = block.view("u1").reshape(len(block), -1)
        table.tofile(file)


def _blocks(array: Any, dtype: np.dtype[Any]) -> Iterator[NDArray[Any]]:
    """Rows in their order, as numbers of the format, or raise where it does not hold them."""
    count, width = array.shape
    step = max(1, BLOCK // max(1, width * max(dtype.itemsize, array.dtype.itemsize)))
    if isinstance(array, Source):
        for _, rows in array.blocks("rows", 0, count, step):
            yield _converted(rows, dtype)
        return
    for first in range(0, count, step):
        yield _converted(array[first : first + step], dtype)


def _converted(rows: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind in "iu":
        if rows.dtype.kind not in "iu":
            raise TypeError(f"rows: expected integers for a file of {dtype.name}, got {rows.dtype}")
        limits = np.iinfo(dtype)
        for extreme in (rows.min(initial=0), rows.max(initial=0)):
            if not limits.min <= extreme <= limits.max:
                raise ValueError(f"rows: expected integers from {limits.min} to {limits.max} for this format, got {extreme}")
    return np.ascontiguousarray(rows, dtype)
