"""Which rows belong together, from the pairs of near ones: single linkage, complete linkage, stars.

Pairs are (rows, cols, distances) with row < col, in the order of (row, distance, col), as `radius_neighbors` gives them of an
array with itself. A linkage returns a number for each row, equal for the rows of one cluster; `numbered` makes labels of it.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hardmine._arrays import Ints
from hardmine.duplicates.complete_linkage import merge_complete

Linkage: TypeAlias = Literal["single", "complete", "star"]

MOST_EDGES = 1 << 22  # given to SciPy at a time: some 100 MiB


def cluster(linkage: Linkage, rows: Ints, cols: Ints, distances: NDArray[Any], n: int) -> Ints:
    """A label for each of n rows: clusters of two rows and more from 0 on, in the order of their first rows; -1 for none."""
    paired = np.zeros(n, bool)
    paired[rows] = paired[cols] = True
    place = np.cumsum(paired) - 1  # among the rows that are in a pair: the others take no part
    rows, cols, count = place[rows], place[cols], int(paired.sum())
    found = components(rows, cols, count)
    if linkage == "star":
        found = stars(rows, cols, count)
    elif linkage == "complete":
        found = complete(rows, cols, distances, found)
    labels = np.full(n, -1, np.int64)
    labels[paired] = numbered(found)
    return labels


def numbered(found: Ints) -> Ints:
    """The clusters of two rows and more numbered by their first rows, -1 for the others."""
    _, first, which, sizes = np.unique(found, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(np.where(sizes > 1, first, len(found)), kind="stable")
    number = np.empty(len(first), np.int64)
    number[order] = np.arange(len(first))
    number[sizes < 2] = -1
    return number[which.reshape(-1)]


def components(rows: Ints, cols: Ints, n: int) -> Ints:
    """Single linkage: the connected components, O(n + p). Parts of the pairs join what the parts before them have left."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    found = np.arange(n)
    for first in range(0, len(rows), MOST_EDGES):
        ends = found[rows[first : first + MOST_EDGES]], found[cols[first : first + MOST_EDGES]]
        graph = coo_array((np.ones(len(ends[0]), np.int8), ends), shape=(n, n))
        found = connected_components(graph, directed=False)[1].astype(np.int64)[found]
    return found


def stars(rows: Ints, cols: Ints, n: int) -> Ints:
    """The row with the most pairs of all takes all rows it has pairs with; of what is left the next one does, and so on.

    Rows are asked in the order of (most pairs first, row), and rows that were taken are asked no more: O(n + p).
    """
    ends = np.concatenate([rows, cols])
    order = np.argsort(ends, kind="stable")
    near = np.concatenate([cols, rows])[order]
    pairs = np.bincount(ends, minlength=n)
    start = np.concatenate([[0], np.cumsum(pairs)]).tolist()
    found = np.full(n, -1, np.int64)
    for center in np.argsort(-pairs, kind="stable").tolist():
        if found[center] < 0:
            taken = near[start[center] : start[center + 1]]
            found[taken[found[taken] < 0]] = center
            found[center] = center
    return found


def complete(rows: Ints, cols: Ints, distances: NDArray[Any], component: Ints) -> Ints:
    """Complete linkage, cut where a cluster would have two rows that are no pair.

    Of all clusters those two are joined first whose farthest pair comes first in the order of (distance, row, col). Components
    all of whose rows are pairs, as copies of one image are, are clusters as they are; the others are done one by one.
    """
    sizes = np.bincount(component)
    of_pairs = component[rows]
    open_ones = np.bincount(of_pairs, minlength=len(sizes)) < sizes * (sizes - 1) // 2
    listed = np.flatnonzero(open_ones[of_pairs])
    listed = listed[np.lexsort((cols[listed], rows[listed], distances[listed]))]
    listed = listed[np.argsort(of_pairs[listed], kind="stable")]  # by component; within one, farther pairs later
    found = component.copy()
    following = len(sizes)
    ends = np.flatnonzero(np.diff(of_pairs[listed], append=-1)) + 1
    for first, last in zip([0, *ends[:-1].tolist()], ends.tolist()):
        pairs = listed[first:last]
        inside, (a, b) = _renumbered(rows[pairs], cols[pairs])
        found[inside] = following + merge_complete(a, b, len(inside))
        following += len(inside)
    return found


def _renumbered(rows: Ints, cols: Ints) -> tuple[Ints, NDArray[Any]]:
    """The rows that occur, ascending, and both sides as places among them."""
    inside, places = np.unique(np.concatenate([rows, cols]), return_inverse=True)
    return inside, places.reshape(2, -1)
