"""Where the relevant rows of rankings stand: groups of rows at one distance, those that hold a relevant row.

That is all that the measures of a ranking depend on; the rows between the groups are known by where the groups begin.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardmine._arrays import Ints
from hardmine.evaluation.average_precision import Reals
from hardmine.search.neighbors import Distances


class TieGroups(NamedTuple):
    """Groups with a relevant row, of each ranking nearest first; where ties are stable a group is one row."""

    rankings: int  # how many there are
    row: NDArray[np.intp]  # the ranking of each group, ascending
    n: Reals  # rows of the group,
    p: Reals  # and relevant ones among them
    a: Reals  # rows before it,
    before: Reals  # and relevant ones among them

    @property
    def first(self) -> NDArray[np.bool_]:
        """Which groups are the first of their rankings."""
        return np.diff(self.row, prepend=-1) > 0


def tie_groups(rankings: int, row: NDArray[np.intp], n: Ints, p: Ints, a: Ints) -> TieGroups:
    """Groups from where they begin and what they hold, in the order of rankings."""
    seen = np.cumsum(p) - p
    first = np.searchsorted(row, np.arange(rankings))  # group of each ranking, or that of the next
    before = seen - np.append(seen, 0)[first][row]
    return TieGroups(rankings, row, *(x.astype(np.float64) for x in (n, p, a, before)))


def groups_of_lists(distances: Distances | None, hits: NDArray[np.bool_], real: NDArray[np.bool_]) -> TieGroups:
    """The groups of rankings that are lists, (n, k): rows tied by distance, or, without distances, none.

    Of each list the first entries are `real`.
    """
    rankings, k = hits.shape
    tied = None if distances is None else distances[:, 1:] == distances[:, :-1]
    if tied is None or not (tied & real[:, 1:]).any():
        row, at = np.nonzero(hits)
        one = np.ones(len(row), np.int64)
        return tie_groups(rankings, row, one, one, at)
    new = np.ones(hits.shape, bool)
    new[:, 1:] = ~tied
    begin, end = _ends(new)  # across all lists: the first entry of each is new
    n = end - begin if real.all() else _among(real, begin, end)
    p = _among(hits, begin, end)
    kept = np.flatnonzero(p)
    return tie_groups(rankings, begin[kept] // k, n[kept], p[kept], begin[kept] % k)


def pooled(distances: Distances, hits: NDArray[np.bool_]) -> TieGroups:
    """The groups of one ranking of all entries of all lists."""
    ascending, hits = _ascending(distances, hits)
    new = np.ones(len(hits), bool)
    np.not_equal(ascending[1:], ascending[:-1], out=new[1:])
    begin, end = _ends(new)
    p = _among(hits, begin, end)
    kept = np.flatnonzero(p)
    begin = begin[kept]
    return tie_groups(1, np.zeros(len(kept), np.intp), end[kept] - begin, p[kept], begin)


def _ends(new: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where groups begin, and where they end."""
    begin = np.flatnonzero(new)
    return begin, np.append(begin[1:], new.size)[: len(begin)]


def _among(mask: NDArray[np.bool_], begin: NDArray[np.intp], end: NDArray[np.intp]) -> Ints:
    """How many entries of each group the mask has."""
    before = np.zeros(mask.size + 1, np.int64)
    np.cumsum(mask, out=before[1:])
    return before[end] - before[begin]


def _ascending(distances: Distances, hits: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The distances, or whole numbers in their order, ascending, and which are hits; in any order where they are equal.

    NumPy sorts numbers several times as fast as places of numbers, so 4 bytes of a distance have their hit below them.
    """
    if distances.dtype.itemsize == 4:
        whole = (distances + distances.dtype.type(0)).view(np.int32)  # -0.0 is 0.0
        if distances.dtype.kind == "f" and whole.min(initial=0) < 0:
            whole ^= (whole >> 31) & np.int32(2**31 - 1)  # of negative ones the larger bits are farther below 0
        keys = np.left_shift(whole, 1, dtype=np.int64)
        keys |= hits
        keys.sort()
        return keys >> 1, (keys & 1).astype(bool)
    order = np.argsort(distances)
    return distances[order], hits[order]
