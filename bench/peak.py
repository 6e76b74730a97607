"""`python -m bench peak`: what the loops of the screens reach on one core, beside the peak of the unit that each waits for.

Of each table that runs here, and each width: the products alone, and with the comparison that makes a screen of them. Every
answer is checked: all products by their exclusive or, and each pair that passes with its value.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.case import Rows
from bench.data import SEED
from hardmine import _core

SLICE = 0.02  # seconds of CPU time of a loop at a time: the best of several is little disturbed by others
NO_UNIT = ("wide", "tiles")  # tables that stand in for other CPUs' with more instructions: no peak is theirs
QUERIES, BASE = 672, 2048  # whole groups of any table, and whole panels


@dataclass(frozen=True)
class Screen:
    """A screen and its family of kernels."""

    name: str
    family: str
    unit: str
    widths: tuple[int, ...]

    def rows(self, rng: Any, d: int) -> tuple[Rows, Rows]:
        """Queries and base rows, whose products are whole numbers that float32 holds."""
        if self.family == "codes":
            m = max(BASE, (1 << 21) // d)
            return rng.integers(0, 256, (QUERIES, d // 8), np.uint8), rng.integers(0, 256, (m, d // 8), np.uint8)
        rows = rng.integers(-63, 64, (QUERIES + BASE, d)).astype(np.float32)  # of seven bits: some tables have no more
        if self.family == "int8":
            rows = rows.astype(np.int8)
        elif self.family == "bf16":
            rows = (rows.view(np.uint32) >> 16).astype(np.uint16)  # whole numbers of up to eight bits lose nothing
        return rows[:QUERIES], rows[QUERIES:]

    def values(self, queries: Rows, base: Rows) -> Rows:
        """All products, or distances in bits, as float32."""
        if self.family == "codes":
            q, b = (np.unpackbits(rows, axis=1).astype(np.float32) for rows in (queries, base))
            return q.sum(axis=1)[:, None] + b.sum(axis=1) - 2 * (q @ b.T)
        if self.family == "bf16":
            queries, base = ((rows.astype(np.uint32) << 16).view(np.float32) for rows in (queries, base))
        return queries.astype(np.float32) @ base.astype(np.float32).T

    def mixed(self, values: Rows) -> int:
        """The exclusive or of all of them as a loop without comparisons has them."""
        if self.family == "codes":
            return int(np.bitwise_xor.reduce(np.minimum(values, 255).astype(np.uint8).ravel()))
        whole = values.astype(np.int32) if self.family == "int8" else values
        return int(np.bitwise_xor.reduce(np.add(whole, 0, dtype=whole.dtype).view(np.uint32).ravel()))  # -0 becomes 0


SCREENS = (
    Screen("float32", "tile", "multiply-adds", (64, 128, 256, 512, 768)),
    Screen("int8", "int8", "products of bytes", (64, 128, 256, 512, 768)),
    Screen("bf16", "bf16", "products of bfloat16", (64, 128, 256, 512, 768)),
    Screen("codes", "codes", "counts of bits", (64, 256, 1024)),
)


def peak(family: str) -> float:
    """10^9 operations, or bits, a second: of one core, on registers or tiles alone."""
    steps = 1 << 10
    while True:
        start = time.thread_time()
        done = _core.peak(family, steps)
        seconds = time.thread_time() - start
        if seconds >= SLICE / 4:
            return done / seconds / 1e9
        steps *= 4


def tables(family: str) -> list[tuple[str, str]]:
    """The tables of a family that run here, best first, and a set that has each."""
    found: dict[str, str] = {}
    for isa in _core.isas_runnable():
        _core.use_isa(isa)
        found.setdefault(_core.kernels()[family], isa)
    return list(found.items())


class Loop:
    """The loop of one table in one width, checked; its rates are the best seen so far, in 10^9 operations or bits a second."""

    def __init__(self, screen: Screen, d: int, rows: tuple[Rows, Rows], values: Rows) -> None:
        self.work = 1e-9 * values.size * d * (1 if screen.family == "codes" else 2)
        high = values.min(axis=1)  # the nearest row of each query passes
        self.given = (*rows, high)
        _, mixed, *nothing = _core.tile_loop(*self.given, False, 1)
        seconds, _, i, j, found = _core.tile_loop(*self.given, True, 1)
        assert mixed == screen.mixed(values) and not any(map(len, nothing)), "the products of the loop"
        expected = values <= high[:, None]
        assert len(i) == expected.sum() and expected[i, j].all(), "the pairs that pass"
        assert (found == values[i, j]).all(), "their values"
        self.rounds = max(1, int(SLICE / seconds))
        self.products = self.compared = 0.0

    def turn(self) -> None:
        for compare in (False, True):
            rate = self.work * self.rounds / _core.tile_loop(*self.given, compare, self.rounds)[0]
            if compare:
                self.compared = max(self.compared, rate)
            else:
                self.products = max(self.products, rate)


def measure(screen: Screen, d: int, rng: Any, runs: int, units: dict[Any, float]) -> Iterator[dict[str, Any]]:
    """A record of each table: rates in 10^9 operations or bits a second, and that of the unit, None if it has none.

    `units` are the best seen so far.
    """
    rows = screen.rows(rng, d)
    values = screen.values(*rows)
    for table, isa in tables(screen.family):
        _core.use_isa(isa)
        loop, unit = Loop(screen, d, rows, values), units.get((screen.family, table), 0.0)
        for _ in range(runs):
            unit = max(unit, peak(screen.family))
            loop.turn()
        units[screen.family, table] = unit
        yield {
            "screen": screen.name,
            "table": table,
            "unit": screen.unit,
            "peak": None if table in NO_UNIT else unit,
            "width": d,
            "products": loop.products,
            "compared": loop.compared,
        }


def show(runs: int) -> list[dict[str, Any]]:
    """Print a line for each screen, width and table, and return what they say."""
    rng, before, records, units = np.random.default_rng(SEED), _core.isa(), [], {}
    _core.use_isa("")
    fma = max(peak("tile") for _ in range(8 * runs))
    print(f"one core; 10^9 operations a second, two of them a multiply-add, or of codes bits; peak of float32 {fma:.0f}\n")
    header = f"{'screen':<9}{'table':<14}{'width':>6}{'peak':>8}{'products':>10}{'of peak':>9}{'compared':>10}{'of peak':>9}"
    print(header + f"{'of float32':>12}")
    try:
        for screen in SCREENS:
            for d in screen.widths:
                for record in measure(screen, d, rng, runs, units):
                    records.append(record | {"float32_peak": fma})
                    print(line(record, fma), flush=True)
    finally:
        _core.use_isa(before)
    return records


def line(record: dict[str, Any], fma: float) -> str:
    unit = record["peak"]
    cells = f"{record['screen']:<9}{record['table']:<14}{record['width']:>6}"
    cells += "       -" if unit is None else f"{unit:>8.0f}"
    for rate in (record["products"], record["compared"]):
        cells += f"{rate:>10.0f}" + ("        -" if unit is None else f"{rate / unit:>9.0%}")
    return cells + ("" if record["screen"] == "codes" else f"{record['compared'] / fma:>12.2f}")
