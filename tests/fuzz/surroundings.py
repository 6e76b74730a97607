"""Where a call runs, which must not change a bit of what it returns: instruction set, screen, threads, sizes of blocks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from blocks import converted_blocks
from hardmine import _arrays, _core
from isas import using_isa, using_screen

from .cases import Case

isas = _core.isas_runnable()  # those that cases are drawn from; --isa leaves one


def draw(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "isa": str(rng.choice(isas)),
        "forced_screen": str(rng.choice(["", "int8", "int8", "bf16", "float32"])),
        "threads": int(rng.choice([1, 1, 1, 2, 3, 16])),
        "block": int(rng.choice([0, 0, 0, 1, 7, 16, 48, 100])),
        "block_bytes": int(rng.choice([64, 1000, 5000])) if rng.random() < 0.3 else None,
    }


@contextlib.contextmanager
def surroundings(case: Case) -> Iterator[None]:
    """Run in those of a case; converted blocks are of `block_bytes`, so that even few rows make many of them."""
    block_bytes = case["block_bytes"] or _arrays.BLOCK_BYTES
    with using_isa(case["isa"]), using_screen(case["forced_screen"]), converted_blocks(block_bytes):
        yield
