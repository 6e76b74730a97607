"""Files of rows by their endings."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from hardmine.sources.arrow import ParquetColumn
from hardmine.sources.chunked import ChunkedArray
from hardmine.sources.shards import InMemory, Shards
from hardmine.sources.source import Source, Unsuitable
from hardmine.sources.vectors import BIN, VECS, open_vectors

HDF5 = (".h5", ".hdf5", ".hdf")
PARQUET = (".parquet", ".pq")
ENDINGS = (".npy", *PARQUET, *HDF5, ".zarr", *VECS, *BIN)


def open_rows(path: str | os.PathLike[str], name: str | None = None) -> NDArray[Any] | Source:
    """Open rows that lie in files, whatever the files are: what every function of this library takes as an array.

    Parameters
    ----------
    path : str or Path
        By its ending: ``.npy``; ``.parquet`` or ``.pq``, a column of lists of one length; ``.h5``, ``.hdf5`` or ``.hdf``, a
        data set; a ``.zarr`` folder, an array; ``.fvecs``, ``.bvecs``, ``.ivecs``, ``.fbin``, ``.u8bin``, ``.i8bin`` or
        ``.ibin``, the formats of benchmarks. A folder of such files, or a pattern (``"part-*.npy"``), is all of them as one
        array, in the order of their names.
    name : str, optional
        The column, data set or array within; it may stand behind a colon as well: ``"file.parquet:embedding"``,
        ``"file.h5:/group/x"``. Where there is only one it need not be named.

    Returns
    -------
    array or Source
        A memory map of ``.npy``, ``.fvecs`` and ``.fbin``. Else an object with `shape`, `dtype` and slices of rows, which a
        search reads block by block, the next one while it works with the last.

    Raises
    ------
    FileNotFoundError, ValueError, TypeError
        If nothing is there, or something else: the message names the file and what is wrong.
    ImportError
        If the package that reads it is missing; the message names the extra that brings it.

    Notes
    -----
    Only headers are read (of ``.*vecs`` files the dimension before each row as well). Integers of the formats of benchmarks
    are numbers: ``.u8bin``, ``.i8bin`` and ``.bvecs`` are converted to float32, exactly, where the metric is one of floats,
    and bytes are codes where it is "hamming". Arrays of integers from elsewhere are refused by metrics of floats.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np, hardmine
    >>> folder = tempfile.TemporaryDirectory()
    >>> for i in range(3):
    ...     np.save(f"{folder.name}/part-{i}.npy", np.full((2, 4), i, np.float32))
    >>> rows = hardmine.open_rows(f"{folder.name}/part-*.npy")
    >>> rows.shape, rows[3].tolist()
    ((6, 4), [1.0, 1.0, 1.0, 1.0])
    >>> hardmine.topk(rows[:1], rows, k=3).indices.tolist()
    [[0, 1, 2]]
    >>> folder.cleanup()
    """
    text = os.fspath(path)
    if not isinstance(text, str):
        raise TypeError(f"path: expected a string or a Path, got {type(path).__name__}")
    if name is None and not os.path.exists(text):
        head, colon, tail = text.rpartition(":")
        if colon and tail and head.lower().endswith((*PARQUET, *HDF5, ".zarr")):
            text, name = head, tail
    try:
        return _open(text, name)
    except Unsuitable as error:
        raise ValueError(f"{text}: {error}") from None


def _open(text: str, name: str | None) -> NDArray[Any] | Source:
    path = Path(text)
    if not path.exists() and glob.has_magic(text):
        found = sorted(glob.glob(text))
        if not found:
            raise FileNotFoundError(f"{text}: expected files, got none of that pattern")
        return _shards(text, found, name)
    if not path.exists():
        raise FileNotFoundError(f"{text}: expected a file or a folder, got no such file")
    ending = path.suffix.lower()
    if ending == ".zarr":
        return _zarr(text, name)
    if path.is_dir():
        found = sorted(
            str(one) for one in path.iterdir() if one.suffix.lower() in ENDINGS and not one.name.startswith((".", "_"))
        )
        kinds = {Path(one).suffix.lower() for one in found}
        if len(kinds) != 1:
            got = "none" if not kinds else f"files of several: {', '.join(sorted(kinds))}"
            raise Unsuitable(f"expected a folder of files of one ending, one of {', '.join(ENDINGS)}, got {got}")
        return _shards(text, found, name)
    if ending in PARQUET:
        return ParquetColumn(text, name)
    if ending in HDF5:
        return _hdf5(text, name)
    if name is not None:
        raise Unsuitable(f"expected no name within a {ending or 'plain'} file, got {name!r}")
    if ending == ".npy":
        return _npy(text)
    if ending in VECS or ending in BIN:
        return open_vectors(path)
    raise Unsuitable(f"expected a file that ends with one of {', '.join(ENDINGS)}, got {path.name}")


def _shards(text: str, paths: list[str], name: str | None) -> Source:
    return Shards(text, [as_part(one, _opened(one, name)) for one in paths])


def _opened(path: str, name: str | None) -> NDArray[Any] | Source:
    try:
        return _open(path, name)
    except Unsuitable as error:
        raise Unsuitable(f"{path}: {error}") from None


def as_part(name: str, rows: NDArray[Any] | Source) -> Source:
    """A shard as a source."""
    return rows if isinstance(rows, Source) else InMemory(name, rows)


def _npy(path: str) -> NDArray[Any]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, BadZipFile) as error:
        raise Unsuitable(f"expected a .npy file of numbers, got another, or a part of one ({error})") from None
    if not isinstance(array, np.ndarray):
        raise Unsuitable("expected a .npy file of numbers, got an archive")
    return array


def _hdf5(path: str, name: str | None) -> Source:
    try:
        import h5py
    except ImportError:
        raise ImportError('an HDF5 file needs h5py: pip install "hardmine[hdf5]"') from None
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise Unsuitable(f"expected an HDF5 file, got something else ({error})") from None
    inside: list[str] = []
    file.visititems(lambda at, item: inside.append(at) if isinstance(item, h5py.Dataset) else None)
    return ChunkedArray(file[_chosen("a data set", name, inside, path)])


def _zarr(path: str, name: str | None) -> Source:
    try:
        import zarr
    except ImportError:
        raise ImportError('a Zarr array needs zarr: pip install "hardmine[zarr]"') from None
    try:
        store = zarr.open(path, mode="r")
    except (FileNotFoundError, ValueError, KeyError) as error:
        raise Unsuitable(f"expected a Zarr array or group, got something else ({error})") from None
    if isinstance(store, zarr.Array):
        if name is not None:
            raise Unsuitable(f"expected no name within an array, got {name!r}")
        return ChunkedArray(store)
    return ChunkedArray(store[_chosen("an array", name, list(store.array_keys()), path)])


def _chosen(what: str, name: str | None, inside: list[str], path: str) -> str:
    """The name that was asked for, or the only one there is."""
    if name is None:
        if len(inside) != 1:
            raise Unsuitable(f"expected {what} by its name ({os.path.basename(path)}:name), got {', '.join(inside) or 'none'}")
        return inside[0]
    if name.strip("/") not in inside:
        raise Unsuitable(f"expected {what} that is one of {', '.join(inside)}, got {name!r}")
    return name.strip("/")
