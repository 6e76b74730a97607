"""All pairs of rows of one cluster, for many clusters, a bounded number of pairs at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hardmine._arrays import Ints

MOST_PAIRS = 1 << 20  # at a time: 16 MiB of row numbers


def members(labels: Ints) -> tuple[Ints, Ints]:
    """(rows, start): the rows of cluster c, ascending, are ``rows[start[c] : start[c + 1]]``; labels below 0 are of none."""
    order = np.argsort(labels, kind="stable")
    sizes = np.bincount(labels[labels >= 0])
    return order[len(order) - int(sizes.sum()) :], np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def pairs_inside(start: Ints, most: int = MOST_PAIRS) -> Iterator[tuple[Ints, Ints]]:
    """Yield the pairs i < j of places within each of the ranges that `start` cuts, in order.

    At most `most` pairs come at a time, or those of one place i, if these are more.
    """
    partners = np.repeat(start[1:], np.diff(start)) - np.arange(start[0], start[-1]) - 1
    before = np.concatenate([[0], np.cumsum(partners)])
    first = 0
    while first < len(partners):
        last = max(first + 1, int(np.searchsorted(before, before[first] + most, "right")) - 1)
        count = partners[first:last]
        rows = np.repeat(np.arange(first, last), count)
        if len(rows):
            within = np.arange(len(rows)) - np.repeat(before[first:last] - before[first], count)
            yield rows + start[0], rows + start[0] + 1 + within
        first = last
