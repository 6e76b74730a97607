"""The measures of retrieval by name, and what each is of the tie groups of rankings."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardmine._arrays import Ints
from hardmine.evaluation.average_precision import Order, Reals, precision_sums, relevant_seen, sum_by
from hardmine.evaluation.tie_groups import TieGroups

WHOLE = ("map", "map@r", "r_precision", "micro_ap", "median_rank")
CUT = ("recall", "precision", "map", "micro_ap")
EXPECTED = f"one of {', '.join(WHOLE)}, or {', '.join(f'{name}@k' for name in CUT)} with a whole number k"


class Measure(NamedTuple):
    """A measure by name: its kind, and where it cuts a ranking, if it does."""

    name: str
    kind: str
    k: int | None = None

    @property
    def pooled(self) -> bool:
        """Whether all queries make one ranking."""
        return self.kind == "micro_ap"

    @property
    def counted(self) -> bool:
        """Whether it needs each query's ranking to its end."""
        return self.k is None and self.kind in ("map", "median_rank")

    @property
    def first_alone(self) -> bool:
        """Whether the first relevant row of a ranking is all it needs."""
        return self.kind in ("recall", "median_rank")

    def of(self, groups: TieGroups, total: Ints, ties: Order) -> Reals:
        """Its value of each ranking, of which `total` rows are relevant; NaN where none is."""
        if self.first_alone:
            return self._of_first(groups, total, ties)
        divisor = np.where(total > 0, total, np.nan)
        top = np.full(groups.rankings, np.inf) if self.k is None else np.full(groups.rankings, float(self.k))
        if self.kind in ("map@r", "r_precision"):
            top = total.astype(np.float64)
        s = np.clip(top[groups.row] - groups.a, 0, groups.n)
        within = s > 0
        row: NDArray[np.intp] = groups.row
        n, p, a, before = groups.n, groups.p, groups.a, groups.before
        if not within.all():
            row, s = row[within], s[within]
            n, p, a, before = (x[within] for x in (n, p, a, before))
        if self.kind in ("precision", "r_precision"):
            values = sum_by(row, relevant_seen(n, p, s, ties), groups.rankings)
            shares: Reals = values / (divisor if self.k is None else np.where(total > 0, self.k, np.nan))
            return shares
        sums, _ = precision_sums(n, p, s, a, before, ties)
        result: Reals = sum_by(row, sums, groups.rankings) / np.minimum(divisor, top)
        return result

    def _of_first(self, groups: TieGroups, total: Ints, ties: Order) -> Reals:
        first = np.flatnonzero(groups.first)
        row, n, p, a = groups.row[first], groups.n[first], groups.p[first], groups.a[first]
        rest = n - p
        if self.kind == "median_rank":
            ranks = np.where(total > 0, np.inf, np.nan)
            ranks[row] = a + ((n + 1) / (p + 1) if ties == "expected" else 1 + rest * (ties == "pessimistic"))
            return ranks
        assert self.k is not None
        found = np.where(total > 0, 0.0, np.nan)
        s: Reals = np.clip(self.k - a, 0, n)
        if ties == "expected":
            found[row] = 1 - _none_drawn(n, p, s)
        else:
            found[row] = s > (0 if ties == "optimistic" else rest)
        return found


def _none_drawn(n: Reals, p: Reals, s: Reals) -> Reals:
    """The probability that s rows drawn of n hold none of p: C(n - p, s) / C(n, s), as a product of the fewer factors."""
    fewer, other = np.minimum(p, s), np.maximum(p, s)
    none = np.ones(len(n))
    for j in range(int(fewer.max(initial=0))):
        none *= np.where(j < fewer, np.maximum(n - other - j, 0) / np.maximum(n - j, 1), 1)
        if not none[fewer > j].any():
            break
    return none


def check_metrics(metrics: Iterable[str]) -> list[Measure]:
    """Measures by their names, or raise."""
    if isinstance(metrics, str):
        raise TypeError(f"metrics: expected a sequence of names, got the string {metrics!r}")
    found = [_measure(name) for name in metrics]
    if not found:
        raise ValueError("metrics: expected at least one, got none")
    return found


def _measure(name: str) -> Measure:
    if not isinstance(name, str):
        raise TypeError(f"metrics: expected names, got {type(name).__name__}")
    if name in WHOLE:
        return Measure(name, name)
    cut = re.fullmatch(rf"({'|'.join(CUT)})@([1-9][0-9]{{0,9}})", name)
    if cut is None:
        raise ValueError(f"metrics: expected {EXPECTED}, got {name!r}")
    return Measure(name, cut[1], int(cut[2]))
