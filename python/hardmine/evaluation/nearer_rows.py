"""How many rows are nearer to a query than a distance: among listed ones, and among all that a search may keep."""

from __future__ import annotations

from typing import Any

import numpy as np

from hardmine import _core
from hardmine._arrays import Block, Ints
from hardmine.search.metric import FLOAT_METRICS
from hardmine.search.neighbors import Distances
from hardmine.search.pairs import PairSearch
from hardmine.search.radius_neighbors import pairs_within

MOST_PAIRS = 1 << 20  # that are listed in one go: 20 MiB, and as much again to count them


def count_listed(of: Ints, listed: Distances, rows: Ints, distances: Distances) -> Ints:
    """For each distance of a row, how many of the distances listed `of` the same row are strictly less."""
    known = np.sort(_keys(of, listed))
    first = np.searchsorted(known, (rows << 32) - 2**31)  # the least key of a row
    return np.asarray(np.searchsorted(known, _keys(rows, distances)) - first)


def count_allowed(search: PairSearch, rows: Ints, distances: Distances) -> Ints:
    """For each distance of a query, how many of the base rows that the search may keep are strictly nearer.

    With a cap per group these are the rows that it leaves. Only pairs that are nearer than the largest distance of their query
    cost more than a screen.
    """
    asked, place = np.unique(rows, return_inverse=True)
    reach = np.full(len(asked), -np.inf, np.float32)
    np.maximum.at(reach, place, distances.astype(np.float32))
    reach = np.nextafter(reach, np.float32(-np.inf))  # what is within it is strictly nearer than the largest distance
    counts = np.zeros(len(rows), np.int64)
    if search.allowed.max_per_group:  # of a query all pairs must be known
        for i, query in enumerate(asked):
            _, _, near = pairs_within(search.of(np.array([query])), reach[i : i + 1], False)
            counts[place == i] = np.searchsorted(near, distances[place == i])
        return counts
    part = search.of(asked)
    every, queries = part.allowed.core(part.allowed.nearer_than), Block(0, part.queries.take_all())
    least = max(1, MOST_PAIRS // max(1, len(asked)))  # base rows that cannot have more pairs
    begin, step = 0, least
    while begin < part.base.count:
        found = 0
        try:
            for block in part.base.blocks(begin, min(begin + step, part.base.count)):
                of, _, near = _core.radius_neighbors(
                    queries=queries,
                    base=block,
                    radius=reach,
                    metric=FLOAT_METRICS.get(part.metric),
                    filter=every,
                    max_pairs=MOST_PAIRS,
                    threads=part.threads,
                    progress=None,
                )
                counts += count_listed(of, near, place, distances)
                begin, found = block.first + len(block.rows), found + len(of)
        except ValueError:  # there were more
            if step == least:
                raise
            step = least
        else:
            step = 2 * step if 4 * found < MOST_PAIRS else step
    return counts


def _keys(rows: Ints, distances: Distances) -> Ints:
    """(row, distance) as one integer in the same order; there is no distance of -0.0, which would come before 0.0."""
    bits: Any = distances.view(np.int32)
    if distances.dtype == np.float32:  # of negative floats the larger bits are the lesser number
        bits = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    return np.asarray((rows << 32) + bits)
