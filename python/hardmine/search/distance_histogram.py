"""How many allowed pairs lie at which distance: counted while they are looked at, and never stored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardmine import _arrays, _core, _labels
from hardmine._arithmetic import in_standard_arithmetic
from hardmine._arrays import ArrayLike, Floats, Ints
from hardmine.jobs.folder import Folder, opened
from hardmine.search.filter import Filter
from hardmine.search.index import Base
from hardmine.search.metric import Metric
from hardmine.search.pairs import PairSearch, check_search, just_above
from hardmine.search.radius_neighbors import pairs_within
from hardmine.sources.tensors import Tensor


@in_standard_arithmetic
def distance_histogram(
    queries: ArrayLike,
    base: Base | None = None,
    edges: ArrayLike | None = None,
    *,
    metric: Metric | None = None,
    where: Filter | None = None,
    groups: ArrayLike | tuple[ArrayLike, ArrayLike] | None = None,
    query_rows: ArrayLike | None = None,
    bits: int | None = None,
    threads: int | None = None,
    progress: bool | Callable[[int, int], object] = False,
    checkpoint: str | Path | None = None,
) -> NDArray[np.uint64] | Tensor:
    """Count all allowed pairs of a query and a base row by distance, exactly.

    Parameters
    ----------
    queries, base : array of shape (n, d) and (m, d)
        See `radius_neighbors`; with ``base=None`` each unordered pair of the queries is counted once.
    edges : array of shape (bins + 1,), numbers
        Ascending distances between which pairs are counted, in the metric's unit, as `numpy.histogram` takes them: a bin has
        its lower edge, and the last one its upper edge too. As many as there are distances worth telling apart: the sorted
        distances of a million positive pairs are a million edges.
    where : Filter, optional
        Which pairs are counted: with ``base=None`` those that are allowed both ways, without a cap per group, as in
        `radius_neighbors`. Beside a base a cap leaves the nearest pairs of each query, whether or not they lie between edges:
        those nearer than the first one use it up.
    groups : array of shape (n,), or (array of shape (n,), array of shape (m,)) beside a base; integers or strings, optional
        A group of each row, by which pairs are counted apart: those within a group, and all others.
    metric, query_rows, bits, threads, progress, checkpoint : optional
        See `radius_neighbors`.

    Returns
    -------
    array of shape (bins,), uint64
        With `groups` of shape (2, bins): pairs of one group, and others. If `queries` is a tensor, one of int64, because torch
        does not compute with uint64.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As `topk`; also for edges that are missing or do not ascend, and for `Filter.max_per_group` beside ``base=None``.

    Notes
    -----
    O(n m d) multiply-adds, half of them for ``base=None``, and O(log bins) for each pair whose bin float32 arithmetic cannot
    tell. Canonical distances are counted: a pair at exactly an edge is in the bin above it, and edges, which are compared as
    float64, may lie between two float32 numbers. Counts are the same for any threads, blocks and CPU.

    Memory above inputs is that of `topk`, and 24 bytes a bin and 8 for each thread, twice that with `groups`; with
    `max_per_group` also that of `radius_neighbors` at the last edge, and its answer.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> points = np.array([[0.0], [1.0], [3.0], [7.0]], dtype=np.float32)
    >>> hardmine.distance_histogram(points, edges=[0, 2, 4, 6], metric="euclidean").tolist()
    [1, 2, 2]
    >>> hardmine.distance_histogram(points, edges=[0, 2, 4, 6], metric="euclidean", groups=["a", "a", "b", "b"]).tolist()
    [[1, 0, 1], [0, 2, 1]]
    """
    search = check_search(queries, base, metric, where, query_rows, bits, threads)
    n, m, device = search.queries.count, search.base.count, search.queries.torch
    limits = check_edges(edges)
    of_queries, of_base = check_groups(groups, n, m, search.alone)
    with opened(checkpoint, "distance_histogram") as folder:
        counts = counted(search, limits, of_queries, of_base, progress, folder)
    return counts_like(counts, device)


def counted(
    search: PairSearch,
    limits: Floats,
    of_queries: Ints | None,
    of_base: Ints | None,
    progress: bool | Callable[[int, int], object],
    folder: Folder | None = None,
) -> NDArray[np.uint64]:
    """The counts of `distance_histogram`, from arguments that are checked; pieces are kept in a folder."""
    n, bins = search.queries.count, len(limits) - 1
    counts = np.zeros(bins if of_queries is None else (2, bins), np.uint64)
    if search.allowed.max_per_group:  # which pairs count is known at the end only
        with np.errstate(over="ignore", under="ignore"):
            before = np.inf if np.isnan(limits[-1]) else np.nextafter(limits[-1], np.float32(-np.inf))
        rows, cols, distances = pairs_within(search, np.full(n, before, np.float32), progress, folder=folder)
        place = np.searchsorted(limits[:-1], distances, "right") - 1
        if of_queries is not None and of_base is not None:
            place[place >= 0] += (bins * (of_queries[rows] != of_base[cols]))[place >= 0]
        return np.bincount(place[place >= 0], minlength=counts.size).astype(np.uint64).reshape(counts.shape)
    every = search.allowed.core(search.allowed.nearer_than)
    pieces = search.pieces(
        folder, "counts", counts.nbytes, thresholds=limits, groups_of_queries=of_queries, groups_of_base=of_base
    )
    done, before = pieces.latest()
    if before is not None:
        counts = before["counts"]
    with search.progress(progress) as bar:
        for number, first, last in pieces:
            if number < done:
                bar.skip(search.looked_at(first, last))
                continue
            for part in search.parts(bar, first, last):
                counts += _core.distance_histogram(
                    **part, thresholds=limits, query_groups=of_queries, base_groups=of_base, filter=every
                )
            pieces.replace(number, counts=counts)
    return counts


def counts_like(counts: NDArray[np.uint64], device: Any) -> NDArray[np.uint64] | Tensor:
    """Counts as the caller's kind of array; 2**63 pairs are more than anyone counts."""
    return counts if device is None else _arrays.like(counts.view(np.int64), device)


def check_edges(edges: ArrayLike | None) -> Floats:
    """Edges as float32 thresholds t, such that bin i has exactly the float32 distances with t[i] <= d < t[i + 1], or raise.

    The last one is the number after the last edge; where that is infinity, and there is none, it is NaN: no limit.
    """
    if edges is None:
        raise TypeError("edges: expected an array of ascending numbers, got None")
    given = _arrays.to_numpy("edges", edges)
    if given.dtype.kind not in "fiu":
        raise TypeError(f"edges: expected numbers, got {given.dtype}")
    if given.ndim != 1 or len(given) < 2:
        raise ValueError(f"edges: expected a 1-D array of at least 2 numbers, got shape {given.shape}")
    values: NDArray[np.float64] = given.astype(np.float64)
    if np.isnan(values).any():
        raise ValueError("edges: expected numbers, got NaN")
    falls = np.flatnonzero(values[1:] < values[:-1])
    if len(falls):
        raise ValueError(f"edges: expected ascending numbers, got {values[falls[0]]} before {values[falls[0] + 1]}")
    limits = _arrays.round_up(values)
    last = _arrays.round_down(values[-1:])[0]
    limits[-1] = np.nan if last == np.inf else just_above(last)
    return limits


def check_groups(
    groups: ArrayLike | tuple[ArrayLike, ArrayLike] | None, n: int, m: int, self_join: bool
) -> tuple[Ints | None, Ints | None]:
    """A group of each query and base row as int64 numbers, or raise."""
    if groups is None:
        return None, None
    if self_join:
        (of_both,) = _labels.numbered(_labels.labels("groups", groups, n, "queries"))
        return of_both, of_both
    if not isinstance(groups, (tuple, list)) or len(groups) != 2:
        raise TypeError(f"groups: expected (groups of queries, groups of base rows) beside a base, got {_outline(groups)}")
    of_queries, of_base = _labels.numbered(
        _labels.labels("groups", groups[0], n, "queries"), _labels.labels("groups", groups[1], m, "base")
    )
    return of_queries, of_base


def _outline(groups: object) -> str:
    return f"{len(groups)} of them" if isinstance(groups, (tuple, list)) else type(groups).__name__
