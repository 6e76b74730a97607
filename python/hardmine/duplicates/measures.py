"""How a cluster holds together: its size, its farthest pair, the share of its pairs that are near ones, open triangles."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardmine._arrays import Ints, Rows
from hardmine.duplicates.inside import members, pairs_inside
from hardmine.duplicates.triangles import open_triangles
from hardmine.search.distances import listed_distances, pairwise
from hardmine.search.metric import Metric, distance_type

LARGE = 512  # rows of a cluster from which float32 says which pairs may be the farthest
MOST_BYTES = 32 << 20  # of rows copied at a time, unless one cluster has more
MOST_ENTRIES = 1 << 22  # of a matrix of distances


class Measures(NamedTuple):
    """Numbers of each cluster, (c,)."""

    sizes: Ints
    diameters: NDArray[Any]
    densities: NDArray[np.float64]
    open_triangles: Ints


class Inside(NamedTuple):
    """The near pairs that lie in a cluster, and what of the clusters follows from these alone."""

    labels: Ints  # of all rows
    rows: Ints
    cols: Ints
    distances: NDArray[Any]
    cluster: Ints  # of each pair
    sizes: Ints
    partial: NDArray[np.bool_]  # clusters that have two rows which are no pair

    @classmethod
    def of(cls, labels: Ints, rows: Ints, cols: Ints, distances: NDArray[Any]) -> Inside:
        kept = (labels[rows] == labels[cols]) & (labels[rows] >= 0)
        if not kept.all():
            rows, cols, distances = rows[kept], cols[kept], distances[kept]
        cluster = labels[rows]
        sizes = np.bincount(labels[labels >= 0])
        partial = np.bincount(cluster, minlength=len(sizes)) < sizes * (sizes - 1) // 2
        return cls(labels, rows, cols, distances, cluster, sizes, partial)

    def only_partial(self) -> tuple[Ints, Ints]:
        """(rows, start) of the partial clusters, as `members` gives them."""
        renumbered = np.append(np.where(self.partial, np.cumsum(self.partial) - 1, -1), -1)
        return members(renumbered[self.labels])


def measure(x: Rows, inside: Inside, metric: Metric, threads: int) -> Measures:
    """The numbers of all clusters. Those all of whose rows are pairs cost nothing beyond their pairs."""
    sizes, partial = inside.sizes, inside.partial
    pairs = np.bincount(inside.cluster, minlength=len(sizes))
    lowest = np.iinfo(np.int32).min if metric == "hamming" else -np.inf
    diameters: NDArray[Any] = np.full(len(sizes), lowest, distance_type(metric))
    np.maximum.at(diameters, inside.cluster, inside.distances)
    triangles = np.zeros(len(sizes), np.int64)
    if partial.any():
        diameters[partial] = _diameters(x, inside, metric, threads)
        triangles[partial] = _open_triangles(inside, threads)
    return Measures(sizes, diameters, pairs / (sizes * (sizes - 1) // 2), triangles)


def mean_distances(x: Rows, inside: Inside, metric: Metric, threads: int) -> NDArray[np.float64]:
    """Of each row to the others of its cluster, NaN for rows of none. O(m^2 d) for a partial cluster of m rows."""
    n = len(inside.labels)
    listed = ~inside.partial[inside.cluster]
    total = np.zeros(n)
    for ends in (inside.rows, inside.cols):
        total += np.bincount(ends[listed], inside.distances[listed].astype(np.float64), n)
    rows, start = inside.only_partial()
    for first, last in _batches(start, x.width):
        mine, part = rows[start[first] : start[last]], x.only(rows[start[first] : start[last]])
        for i, j in pairs_inside(start[first : last + 1] - start[first]):
            found = listed_distances(part, part, i, j, metric=metric, threads=threads).astype(np.float64)
            for ends in (i, j):
                total[mine] += np.bincount(ends, found, len(mine))
    clustered = inside.labels >= 0
    total[~clustered] = np.nan
    total[clustered] /= inside.sizes[inside.labels[clustered]] - 1
    return total


def _diameters(x: Rows, inside: Inside, metric: Metric, threads: int) -> NDArray[Any]:
    """The largest canonical distance of two rows, of each partial cluster."""
    rows, start = inside.only_partial()
    found = []
    for first, last in _batches(start, x.width):
        part = x.only(rows[start[first] : start[last]])
        own = start[first : last + 1] - start[first]
        if last == first + 1 and own[-1] >= LARGE:
            found.append([_farthest(part, metric, threads)])
            continue
        largest: NDArray[Any] = np.full(last - first, -1, distance_type(metric))
        cluster = np.repeat(np.arange(last - first), np.diff(own))
        for i, j in pairs_inside(own):
            np.maximum.at(largest, cluster[i], listed_distances(part, part, i, j, metric=metric, threads=threads))
        found.append(largest.tolist())
    return np.concatenate(found).astype(distance_type(metric))


def _farthest(x: Rows, metric: Metric, threads: int) -> Any:
    """The canonical distance of the two rows that are farthest apart.

    `pairwise` of floats is off by a share e of a distance at most, so the farthest pair is not below (1 - e) / (1 + e) times
    the largest value: the pairs from there on, a few, are scored.
    """
    rows, n = x.take_all(), x.count
    error = max(2.0**-10, 4 * (x.width + 16) * 2.0**-24)
    share, best = 1 - 2.5 * error, None
    step, largest = max(1, math.isqrt(MOST_ENTRIES)), -1.0
    for first, other in ((i, j) for i in range(0, n, step) for j in range(i, n, step)):
        near, far = rows[first : first + step], rows[other : other + step]
        values = np.asarray(pairwise(near, far, metric=metric, threads=threads or None))
        of_row = values.max(axis=1)
        largest = max(largest, float(of_row.max()))
        if metric == "hamming":
            best = largest
            continue
        # An overflow here may be a canonical distance that is just not infinite.
        least = np.float32(share * min(largest, float(np.finfo(np.float32).max)))
        reaching = np.flatnonzero(of_row >= least)  # few of the rows
        i, j = np.nonzero(values[reaching] >= least)
        if len(i):
            listed = reaching[i] + first, j + other
            scored = float(listed_distances(x, x, *listed, metric=metric, threads=threads).max())
            best = scored if best is None else max(best, scored)
    return best


def _batches(start: Ints, width: int) -> Iterator[tuple[int, int]]:
    """Clusters that follow one another, (first, last), of rows that fit in `MOST_BYTES`; a large one comes alone."""
    most, first = max(2, MOST_BYTES // (4 * width)), 0
    large = np.append(np.diff(start) >= LARGE, True)
    while first < len(start) - 1:
        last = int(np.searchsorted(start, start[first] + most, "right")) - 1
        last = min(last, first + int(np.argmax(large[first:]))) if not large[first] else first + 1
        yield first, max(first + 1, last)
        first = max(first + 1, last)


def _open_triangles(inside: Inside, threads: int) -> Ints:
    """Of each partial cluster."""
    rows, start = inside.only_partial()
    place = np.full(len(inside.labels), -1, np.int64)
    place[rows] = np.arange(len(rows))
    kept = inside.partial[inside.cluster]
    number = np.cumsum(inside.partial) - 1
    ends = place[inside.rows[kept]], place[inside.cols[kept]]
    return open_triangles(*ends, number[inside.cluster[kept]], np.diff(start), threads)
