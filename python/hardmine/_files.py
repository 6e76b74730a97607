"""Files are written beside their place and renamed, so that the place never holds half of one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to write to; it takes its place when all went well, and is removed when not."""
    partial = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def save_npz(path: Path, **arrays: Any) -> None:
    """`np.savez` to exactly that name."""
    with replacing(path) as partial, open(partial, "wb") as file:
        np.savez(file, **arrays)
