"""A folder in which a long call keeps what it has finished, for the same call to go on with after it was ended.

There are a manifest (JSON), which says what was called with what, a lock, and finished pieces (`pieces.py`), each an .npz file
that NumPy reads. A file is written beside its place, brought to the disk and renamed: whenever the process ends, each of them
is whole or absent. The CRC-32 that zip files carry of every array tells one that was damaged later, which counts as absent.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import hardmine
from hardmine._files import replacing

FORMAT = 1  # of manifest and pieces
MANIFEST, LOCK = "manifest.json", "lock"
PIECE = re.compile(r"([a-z]+(?:-[a-z0-9]+)*)-(\d{6,})\.npz")
PARTIAL = re.compile(rf"\.(manifest|{PIECE.pattern[:-5]})\.\d+\.(json|npz)")  # what a killed process was writing

Value = str | int | float | bool | None | list[int]


class Folder:
    """An open folder: no other process has it."""

    def __init__(self, path: Path, function: str) -> None:
        self.path = path
        about = {"format": FORMAT, "hardmine": hardmine.__version__, "function": function}
        saved = read_manifest(path)
        for name, now in about.items():
            before = now if saved is None else saved[name]
            if before != now:
                raise ValueError(f"checkpoint: expected a folder of {name} {now}, got {path}, which is one of {before}")
        self._manifest: dict[str, Any] = {**about, "searches": {}} if saved is None else saved
        if saved is None:
            self._write_manifest()
        for name in os.listdir(path):
            if PARTIAL.fullmatch(name):
                (path / name).unlink(missing_ok=True)

    def begin(
        self, search: str, about: Mapping[str, Value], part: str, cut: Mapping[str, int]
    ) -> tuple[dict[str, int], bytes]:
        """How a part of a search was cut when it was begun, and a digest of all that its pieces depend on; or raise.

        `about` is what the result of the search depends on: where it is not what it was, that is an error. `cut` is how a new
        part is cut.
        """
        searches: dict[str, Any] = self._manifest["searches"]
        saved = searches.setdefault(search, {"about": dict(about), "parts": {}})
        for name in {**saved["about"], **about}:
            before, now = saved["about"].get(name), about.get(name)
            if before != now:
                raise ValueError(
                    f"checkpoint: expected the {name} that {self.path} was begun with ({search}: {before}), got {now}"
                )
        if part not in saved["parts"]:
            saved["parts"][part] = dict(cut)
            self._write_manifest()
        of = [self._manifest["function"], part, saved["about"], saved["parts"][part]]
        return saved["parts"][part], blake2b(json.dumps(of, sort_keys=True).encode(), digest_size=16).digest()

    def numbers(self, part: str) -> list[int]:
        """The numbers of the pieces of a part that are there, ascending."""
        return sorted(number for name, number in pieces_in(self.path) if name == part)

    def read(self, part: str, number: int, digest: bytes) -> dict[str, NDArray[Any]] | None:
        """A finished piece; None where there is none, or a damaged one."""
        path = self._piece(part, number)
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as saved:
                arrays = dict(saved)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise OSError(f"checkpoint: {path} could not be read ({error})") from error
        except Exception:  # what NumPy and zipfile raise for torn bytes depends on where they are torn
            return None
        of = arrays.pop("of", None)
        if of is None or of.tobytes() != digest:
            raise ValueError(f"checkpoint: expected pieces of one job, got {path}, which is one of another")
        return arrays

    def write(self, part: str, number: int, digest: bytes, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep a finished piece."""
        with self._kept(self._piece(part, number)) as partial, open(partial, "wb") as file:
            named: dict[str, Any] = {**arrays, "of": np.frombuffer(digest, np.uint8)}
            np.savez(file, **named)

    def drop(self, part: str, number: int) -> None:
        """Remove a piece that a later one stands for."""
        self._piece(part, number).unlink(missing_ok=True)

    def _piece(self, part: str, number: int) -> Path:
        return self.path / f"{part}-{number:06d}.npz"

    def _write_manifest(self) -> None:
        with self._kept(self.path / MANIFEST) as partial:
            partial.write_text(json.dumps(self._manifest, indent=1) + "\n")

    @contextmanager
    def _kept(self, path: Path) -> Iterator[Path]:
        try:
            with replacing(path, durable=True) as partial:
                yield partial
        except OSError as error:
            raise OSError(
                f"checkpoint: {path} could not be written ({error}); what was finished before it is kept, "
                "and the same call goes on from there"
            ) from error


@contextmanager
def opened(checkpoint: str | Path | None, function: str) -> Iterator[Folder | None]:
    """The folder of a call, made if there is none, and held by this process until the end; None for None. Or raise."""
    if checkpoint is None:
        yield None
        return
    if not isinstance(checkpoint, (str, Path)):
        raise TypeError(f"checkpoint: expected the path of a folder, got {type(checkpoint).__name__}")
    path = Path(checkpoint)
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(f"checkpoint: expected a folder, got the file {path}")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"checkpoint: expected a folder that can be made, got {path} ({error.strerror})") from None
    _check_contents(path)
    if not os.access(path, os.W_OK | os.X_OK):
        raise PermissionError(f"checkpoint: expected a folder that can be written to, got {path}")
    with _locked(path):
        yield Folder(path, function)


def _check_contents(path: Path) -> None:
    """Raise if anything else lies in the folder. Hidden files are nobody's business: systems leave theirs everywhere."""
    names = sorted(name for name in os.listdir(path) if not name.startswith("."))
    foreign = [name for name in names if name not in (MANIFEST, LOCK) and not PIECE.fullmatch(name)]
    if MANIFEST not in names:
        foreign = [name for name in names if name != LOCK]
    if foreign:
        raise ValueError(
            f"checkpoint: expected a folder of its own, empty or one of an earlier call, got {path} with {foreign[0]}"
        )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the folder. A lock of the system's ends with the process, however that ends, so that none is ever left behind."""
    with open(path / LOCK, "a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise RuntimeError(
                f"checkpoint: expected a folder that nobody else works in, got {path}, which process {file.read()} has"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def read_manifest(path: Path) -> dict[str, Any] | None:
    """What the manifest of a folder says, None without one; or raise."""
    try:
        text = (path / MANIFEST).read_bytes()
    except FileNotFoundError:
        return None
    try:
        manifest = json.loads(text)
        if not {"format", "hardmine", "function", "searches"} <= set(manifest):
            raise ValueError
    except (ValueError, TypeError):
        raise ValueError(f"checkpoint: expected {path / MANIFEST} as hardmine wrote it, got something else") from None
    return dict(manifest)


def told(path: Path) -> str | None:
    """How much of a call is done that was begun with this folder: a line, or None where it was not."""
    manifest = read_manifest(path) if path.is_dir() else None
    if manifest is None:
        return None
    lines = []
    for part, cut in ((part, cut) for search in manifest["searches"].values() for part, cut in search["parts"].items()):
        numbers = [number for name, number in pieces_in(path) if name == part]
        done = max(numbers, default=-1) + 1 if cut["grows"] else len(numbers)
        if cut["pieces"]:
            lines.append(f"{done} of {cut['pieces']} pieces of {part} are done, {cut['pieces'] - done} are left")
    return f"{path}: {manifest['function']} goes on: {'; '.join(lines) or 'nothing is done yet'}"


def pieces_in(path: Path) -> list[tuple[str, int]]:
    """(part, number) of the pieces that lie in a folder."""
    found = (PIECE.fullmatch(name) for name in os.listdir(path))
    return [(match[1], int(match[2])) for match in found if match]
