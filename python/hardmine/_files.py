"""Files are written beside their place and renamed, so that the place never holds half of one."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray


def check_writable(path: Path) -> None:
    """Raise unless a file can be written at `path`."""
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise OSError(f"{path}: expected a folder that can be written to, got {path.parent}")
    if path.is_dir():
        raise OSError(f"{path}: expected a file to write, got a folder")


@contextmanager
def replacing(path: Path, durable: bool = False) -> Iterator[Path]:
    """Give a path beside `path` to write to; it takes its place when all went well, and is removed when not.

    `durable`: it is on the disk before it takes its place, and its name before this returns. Without that a machine that
    loses power may come back with the new name and without what was written.
    """
    check_writable(path)
    partial = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield partial
        if durable:
            _sync(partial)
        partial.replace(path)
        if durable:
            _sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def save_npz(path: Path, **arrays: Any) -> None:
    """`np.savez` to exactly that name."""
    with replacing(path) as partial, open(partial, "wb") as file:
        np.savez(file, **arrays)


def write_csv(path: Path, lines: Iterable[Iterable[Any]]) -> None:
    """Lines of values, the header first."""
    with replacing(path) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)


def load_npz(path: Path, needed: Iterable[str], writer: str) -> dict[str, NDArray[Any]]:
    """The arrays that `writer` saved at `path`, or an error that says what is there instead."""
    expected = f"{path}: expected a file that {writer} wrote"
    if not path.is_file():
        raise FileNotFoundError(f"{expected}, got {'a folder' if path.is_dir() else 'no such file'}")
    try:
        with open(path, "rb") as file:
            saved = np.load(file, allow_pickle=False)
            if isinstance(saved, np.ndarray):
                raise ValueError("one array, without a name")
            arrays = {name: saved[name] for name in saved.files}
    except (ValueError, EOFError, BadZipFile):
        raise ValueError(f"{expected}, got something else") from None
    missing = sorted(set(needed) - set(arrays))
    if missing:
        raise ValueError(f"{expected}, got one without {missing[0]}")
    return arrays
