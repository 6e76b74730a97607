"""What a result of a search holds, entry by entry: which entries may stand there, how far they are, how many are nearer."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardmine import _arrays
from hardmine._arrays import Ints
from hardmine.evaluation.nearer_rows import count_allowed, count_listed
from hardmine.search.distances import listed_distances
from hardmine.search.metric import distance_type
from hardmine.search.neighbors import Distances, no_distance
from hardmine.search.pairs import PairSearch, first_of_each

Bools = NDArray[np.bool_]

EXPECTED = "expected (distances, indices), or indices alone"
INVALID = ("missing", "outside", "own", "refused", "repeated")


class Returned(NamedTuple):
    """A result as it was given: numbers of base rows, (n, k), and perhaps distances."""

    indices: NDArray[Any]
    distances: NDArray[Any] | None

    def of(self, queries: Ints) -> tuple[Ints, NDArray[np.float64] | None]:
        """Those of some queries, as int64 and float64."""
        indices = self.indices[queries]
        if indices.dtype == np.uint64:
            indices = np.minimum(indices, np.uint64(2**63 - 1))  # no row has such a number; wrapped it would be -1
        given = None if self.distances is None else self.distances[queries].astype(np.float64)
        return indices.astype(np.int64), given


def check_returned(neighbors: Any, n: int, name: str = "neighbors") -> Returned:
    """A result for n queries in any of its forms, or raise."""
    pair = isinstance(neighbors, tuple)
    if pair and len(neighbors) != 2:
        raise TypeError(f"{name}: {EXPECTED}, got a tuple of {len(neighbors)}")
    indices = _arrays.to_numpy(name, neighbors[1] if pair else neighbors)
    distances = _arrays.to_numpy(name, neighbors[0]) if pair else None
    if indices.ndim != 2 or indices.shape[1] == 0:
        raise ValueError(f"{name}: expected indices of shape (n, k), got shape {indices.shape}")
    if indices.dtype.kind not in "iu":
        raise TypeError(f"{name}: {EXPECTED}, got {indices.dtype} where integers should be")
    if len(indices) != n:
        raise ValueError(f"{name}: expected {n} rows of indices, one for each query, got {len(indices)}")
    if distances is not None:
        if distances.shape != indices.shape:
            raise ValueError(f"{name}: expected distances and indices of one shape, got {distances.shape}, {indices.shape}")
        if distances.dtype.kind not in "fiu":
            raise TypeError(f"{name}: expected numbers as distances, got {distances.dtype}")
    return Returned(indices, distances)


class Entries(NamedTuple):
    """The entries of a result, each array (n, k)."""

    indices: Ints
    distances: Distances  # canonical; that of no row where the index is none of a row
    invalid: dict[str, Bools]  # by kind, but for "missing"; an entry is of one kind at most
    valid: Bools
    left: Bools  # valid, and among the nearest of its group that a cap leaves
    nearer: Ints  # of valid ones: the rows that the search may keep and that are strictly nearer


def look_at(search: PairSearch, indices: Ints, exact: tuple[Distances, Ints]) -> Entries:
    """Look at each entry beside the exact result of as many columns; the search is none of an array with itself."""
    m, allowed = search.base.count, search.allowed
    of_rows = (indices >= 0) & (indices < m)
    rows = np.nonzero(of_rows)[0]
    cols = indices[of_rows]
    near = listed_distances(search.queries, search.base, rows, cols, metric=search.metric, threads=search.threads)
    own = np.zeros(len(rows), bool) if allowed.query_rows is None else allowed.query_rows[rows] == cols
    keep = allowed.allows(rows, cols, near)
    first = first_of_row(rows, cols)
    valid, left = keep & first, keep & first
    if allowed.max_per_group and allowed.base_groups is not None:
        within, left = _capped(allowed.max_per_group, allowed.base_groups, (rows, cols, near), valid, exact)
        keep, valid = keep & (within | ~valid), within

    found, real = exact[1] >= 0, np.nonzero(exact[1] >= 0)[0]
    counts = count_listed(real, exact[0][found], rows, near)
    # The exact result has every row that is nearer than its last one, or, where it is not full, every row.
    beyond = valid & found[rows, -1] & (near > exact[0][rows, -1])
    counts[beyond] = count_allowed(search, rows[beyond], near[beyond])

    def spread(values: NDArray[Any], none: Any = 0) -> NDArray[Any]:
        whole = np.full(indices.shape, none, values.dtype)
        whole[of_rows] = values
        return whole

    invalid = {
        "outside": ~of_rows & (indices != -1),
        "own": spread(own),
        "refused": spread(~keep & ~own),
        "repeated": spread(keep & ~first),
    }
    dtype = distance_type(search.metric)
    return Entries(indices, spread(near, no_distance(dtype)), invalid, spread(valid), spread(left), spread(counts))


def first_of_row(rows: Ints, cols: Ints) -> Bools:
    """Which of a list of pairs, in the order of rows, occur for the first time."""
    order = np.lexsort((np.arange(len(rows)), cols, rows))
    first = np.ones(len(rows), bool)
    first[order[1:]] = (rows[order][1:] != rows[order][:-1]) | (cols[order][1:] != cols[order][:-1])
    return first


def _capped(
    cap: int, base_groups: Ints, pairs: tuple[Ints, Ints, Distances], valid: Bools, exact: tuple[Distances, Ints]
) -> tuple[Bools, Bools]:
    """(which pairs keep to a cap per group, which of these are among the nearest of their group).

    The nearest of a query and group keep to it. One that is not beyond the last exact row belongs there if fewer than `cap`
    rows of its group are nearer, and these the exact result has.
    """
    rows, cols, near = pairs
    order = np.flatnonzero(valid)
    order = order[np.lexsort((order, near[order], rows[order]))]
    within = np.zeros(len(rows), bool)
    within[order[first_of_each(cap, rows[order], base_groups[cols[order]])]] = True
    found = exact[1] >= 0
    of_exact = np.nonzero(found)[0]
    _, group = np.unique(base_groups[np.concatenate([exact[1][found], cols])], return_inverse=True)
    _, both = np.unique(np.concatenate([of_exact, rows]) * (len(group) + 1) + group, return_inverse=True)
    nearer = count_listed(both[: len(of_exact)], exact[0][found], both[len(of_exact) :], near)
    return within, within & (nearer < cap)
