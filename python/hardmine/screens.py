"""Which screens did the work of some calls, for whoever wants to know why they took the time they took."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from hardmine import _core

TABLES = {
    "int8": "int8",
    "bf16": "bf16",
    "float32": "tile",
    "few": "few",
    "codes": "codes",
}  # of a screen: its family of kernels
ROWS = {
    "int8": "bytes, before float32",
    "bf16": "bfloat16, before float32",
    "float32": "floats",
    "few": "floats, for a few queries",
    "codes": "packed codes",
}
COARSE = ("int8", "bf16")


@dataclass(eq=False)
class Explanation:
    """What the screens did while `explain` was open; filled in when it ends.

    Attributes
    ----------
    pairs : dict of int
        The pairs of a query and a base row that each screen did: "int8" (bytes, before float32, where that pays), "bf16"
        (bfloat16, where bytes do not pay and the CPU multiplies it quicker than float32), "float32", "few" (floats, read in
        place for up to eight queries) and "codes".
    looked_at : int
        Those of "int8" and "bf16" that they could not rule out, and looked at again in float32.
    screen : str
        What was asked for at the end, by HARDMINE_SCREEN: "int8", "bf16", "float32", or "": int8 and bf16 where they pay.
    kernels : dict of str
        The table of kernels that each of these screens used at the end.
    """

    pairs: dict[str, int] = field(default_factory=dict)
    looked_at: int = 0
    screen: str = ""
    kernels: dict[str, str] = field(default_factory=dict)

    def summary(self) -> str:
        """The numbers as a few lines to print."""
        every = sum(self.pairs.values())
        lines = [f"screen {self.screen or 'int8 or bf16 before float32, where they pay'}: {every} pairs"]
        for name, done in self.pairs.items():
            if done:
                lines += [f"  {name:<8}{done:>16}{done / every:>9.2%}  {ROWS[name]}; kernels {self.kernels[name]}"]
            if name == COARSE[-1] and (coarse := sum(self.pairs.get(of, 0) for of in COARSE)):
                lines += [f"    again {self.looked_at:>14}{self.looked_at / coarse:>9.2%}  of these, looked at in float32"]
        return "\n".join(lines)


@contextmanager
def explain() -> Iterator[Explanation]:
    """Count what each screen does in the searches made inside, whichever function makes them.

    Returns
    -------
    Explanation
        As a context: filled in at its end, also if an error ends it.

    Notes
    -----
    Counts are those of the process: searches that other threads make meanwhile are among them. A search may do a pair more
    than once, where it starts again with another plan, and less than once each way, in an array with itself. `pairwise`,
    `pair_distances` and what works within a batch have no screen, and nothing to count. It costs nothing: the counts are kept
    anyway.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> x = np.random.default_rng(0).standard_normal((500, 12)).astype(np.float32)
    >>> with hardmine.explain() as told:
    ...     found = hardmine.topk(x[:4], x, k=3)
    >>> told.pairs
    {'int8': 0, 'bf16': 0, 'float32': 0, 'few': 2000, 'codes': 0}
    """
    before, told = _core.screened_pairs(), Explanation()
    try:
        yield told
    finally:
        counts = {name: count - before[name] for name, count in _core.screened_pairs().items()}
        tables = _core.kernels()
        told.pairs = {name: counts[name] for name in TABLES}
        told.looked_at, told.screen = counts["looked_at"], _core.screen()
        told.kernels = {name: tables[family] for name, family in TABLES.items()}
