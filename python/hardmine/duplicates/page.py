"""Which pairs of the duplicates come on the page of reviewers, and what it says of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardmine._arrays import Ints
from hardmine.search.pairs import first_of_each


def nearest_of_each(rows: Ints, cols: Ints, distances: NDArray[Any], cluster: Ints, of_each: int, most: int) -> Ints:
    """The places of the nearest pairs in the order of (distance, row, col): at most so many of each cluster.

    Of pairs between clusters as many of each row. A cluster of a thousand copies has half a million pairs of distance 0, which
    would be all that a page can show.
    """
    order = np.lexsort((cols, rows, distances))
    between = cluster[order] < 0
    which = np.where(between, rows[order], cluster[order])
    return order[first_of_each(of_each, which, between.astype(np.int64))][:most]


def classes(rows: Ints, cols: Ints, cluster: Ints, chained: NDArray[np.bool_], groups: NDArray[Any] | None) -> list[str]:
    """What the page is filtered by: the groups of both rows, where there are any, or what a pair's cluster is."""
    if groups is not None:
        return [f"{a}" if a == b else f"{a} / {b}" for a, b in zip(groups[rows], groups[cols])]
    known = np.append(np.where(chained, "in chained clusters", "in clusters without chains"), "between clusters")
    found: list[str] = known[cluster].tolist()
    return found


def notes(cluster: Ints, sizes: Ints, diameters: NDArray[Any], chained: NDArray[np.bool_]) -> list[str]:
    """A few words on the cluster of each pair."""

    def words(of: int) -> str:
        if of < 0:
            return "two clusters"
        return f"cluster {of}: {sizes[of]} rows, diameter {diameters[of]:.4g}{', chained' if chained[of] else ''}"

    return [words(of) for of in cluster.tolist()]
