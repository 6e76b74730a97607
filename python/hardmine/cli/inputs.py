"""What the commands read: files of arrays, and the options that several commands share."""

from __future__ import annotations

import argparse
import os
import pkgutil
import sys
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from hardmine.jobs.folder import told
from hardmine.sources.opening import ENDINGS, open_rows
from hardmine.sources.vectors import BIN, VECS


def add_rows(command: argparse.ArgumentParser, kinds: str) -> None:
    """Add what every command that compares rows takes: its files of rows, and threads."""
    command.add_argument(
        "queries",
        metavar="Q",
        help=f"rows of {kinds}, a block at a time: a file by its ending ({', '.join(ENDINGS)}; FILE:NAME of several arrays), "
        "a folder, or a pattern in quotes",
    )
    command.add_argument("base", metavar="B", nargs="?", help="the same; by default the queries themselves")
    command.add_argument(
        "--query-rows", type=Path, metavar="R.npy", help="the base row that each query is, -1 for none: it is left out"
    )
    command.add_argument("--threads", type=int, help="by default every core the process may use")


def add_output(command: argparse.ArgumentParser) -> None:
    """Add where the result goes."""
    command.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.npz", help="where the result goes")


def add_checkpoint(command: argparse.ArgumentParser) -> None:
    """Add where finished pieces are kept."""
    command.add_argument(
        "--checkpoint", type=Path, metavar="FOLDER", help="where finished pieces are kept: the same command goes on from there"
    )


def going_on(folder: Path | None) -> Path | None:
    """The folder of --checkpoint; a line says what is left to do, if it was begun with before."""
    line = None if folder is None else told(folder)
    if line is not None:
        print(line, file=sys.stderr)
    return folder


def load(path: Path | None) -> Any:
    """The array of a .npy file, memory-mapped; integers of a file of vectors (.ivecs, .ibin); None of no path."""
    if path is None:
        return None
    if path.suffix in (*VECS, *BIN):
        return np.asarray(open_rows(path))
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, BadZipFile):
        raise ValueError(f"{path}: expected a .npy file of numbers") from None
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{path}: expected a .npy file of numbers, got an archive of {', '.join(array.files)}")
    return array


def load_rows(path: str | None) -> Any:
    """The rows of whatever the path names; None of no path."""
    return None if path is None else open_rows(path)


def number_or_file(text: str) -> float | Path:
    """An option that is one number, or the .npy file of one for each query."""
    try:
        return float(text)
    except ValueError:
        return Path(text)


def load_number(value: float | Path | None) -> Any:
    """The number, or what its file holds."""
    return load(value) if isinstance(value, Path) else value


def listed(name: str, rows: Any, n: int) -> Any:
    """One id a query as it is; rows of (query, base row) as lists."""
    if rows is None or rows.ndim == 1:
        return rows
    if rows.ndim != 2 or rows.shape[1] != 2:
        raise ValueError(f"{name}: expected ids or rows of (query, base row), got shape {rows.shape}")
    if rows.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected integers, got {rows.dtype}")
    if len(rows) and (rows[:, 0].min() < 0 or rows[:, 0].max() >= n):
        raise ValueError(f"{name}: expected queries from 0 to {n - 1}, got {rows[:, 0].min()} to {rows[:, 0].max()}")
    queries = rows[:, 0].astype(np.int64)
    order = np.argsort(queries, kind="stable")
    return np.concatenate([[0], np.cumsum(np.bincount(queries, minlength=n))]), rows[order, 1]


def function(option: str, name: str | None) -> Any:
    """What `module:function` names, modules of the working directory included; None of no name."""
    if name is None:
        return None
    sys.path.insert(0, os.getcwd())
    try:
        return pkgutil.resolve_name(name)
    except (AttributeError, ValueError, ImportError) as error:
        raise ValueError(f"{option}: expected module:function that can be imported, got {name!r} ({error})") from None


def progress() -> bool:
    """A bar where there is a terminal to draw it on and tqdm to draw it with."""
    if not sys.stderr.isatty():
        return False
    try:
        import tqdm  # noqa: F401
    except ImportError:
        return False
    return True
