"""All allowed pairs within a radius: memory grows with the answer, and not with the number of pairs looked at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from hardmine import _arguments, _arrays, _core
from hardmine._arithmetic import in_standard_arithmetic
from hardmine._arrays import ArrayLike, Floats, Ints
from hardmine.jobs.folder import Folder, opened
from hardmine.search.filter import Filter
from hardmine.search.index import Base
from hardmine.search.metric import Metric, distance_type
from hardmine.search.neighbors import Distances
from hardmine.search.pairs import Pairs, PairSearch, check_search, first_of_each, joined

NO_LIMIT = np.iinfo(np.int64).max


@in_standard_arithmetic
def radius_neighbors(
    queries: ArrayLike,
    base: Base | None = None,
    radius: ArrayLike | float | None = None,
    *,
    metric: Metric | None = None,
    where: Filter | None = None,
    query_rows: ArrayLike | None = None,
    max_pairs: int | None = None,
    bits: int | None = None,
    threads: int | None = None,
    progress: bool | Callable[[int, int], object] = False,
    checkpoint: str | Path | None = None,
) -> Pairs:
    """Find all allowed pairs of a query and a base row that are no farther apart than a radius, exactly.

    Parameters
    ----------
    queries : array of shape (n, d), any float dtype, or packed codes
        See `topk`.
    base : array of shape (m, d) or Index, optional
        By default the queries themselves, of which each unordered pair is looked at once, and no row with itself.
    radius : float or array of shape (n,)
        Pairs are kept whose canonical distance is at most that, in the metric's unit: the square of a length for
        "sqeuclidean", bits for "hamming". One of all queries, or one each; infinity keeps every allowed pair.
    metric : {"sqeuclidean", "euclidean", "cosine", "inner_product", "hamming"}, optional
        See `topk`.
    where : Filter, optional
        Which pairs may be kept. With ``base=None`` a pair must be allowed both ways, and within the radius of both rows: each
        as the query and the other one as the base row. `Filter.max_per_group` keeps the nearest of each query's pairs; it
        needs a base, because with ``base=None`` a pair has no one query.
    query_rows : array of shape (n,), integers, optional
        See `topk`: where queries are rows of `base`, the number of each, whose own pair is left out.
    max_pairs : int, optional
        Raise if there are more pairs, before `Filter.max_per_group` is applied.
    bits, threads, progress, checkpoint : optional
        See `topk`.

    Returns
    -------
    Pairs
        rows and cols (p,) int64 and distances (p,) float32 (int32 for codes), in the order of (row, distance, col); tensors if
        `queries` is one. With ``base=None`` every row is less than its col.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As `topk`; also for a radius that is missing, for `Filter.max_per_group` beside ``base=None``, and if there are more
        than `max_pairs`: the message has their number (where inputs are converted block by block, the number found until
        then).

    Notes
    -----
    O(n m d) multiply-adds, half of them for ``base=None``, and O(p log p) for p pairs. Distances are canonical, also at the
    radius itself: a pair at exactly the radius is in, whatever float32 arithmetic would say. Results are the same bits for any
    threads, blocks and CPU.

    Memory above inputs and the answer, which takes 20 bytes a pair, is that of `topk`, 8 bytes for each query, and 12 for
    each pair: 20 where inputs are converted in several blocks, some 50 with a cap per group. `max_pairs` bounds it.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> points = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 4.0]], dtype=np.float32)
    >>> rows, cols, distances = hardmine.radius_neighbors(points, radius=4.0, metric="euclidean")
    >>> rows.tolist(), cols.tolist(), distances.tolist()
    ([0, 1], [2, 2], [4.0, 3.0])
    """
    search = check_search(queries, base, metric, where, query_rows, bits, threads)
    reach = check_radius(radius, search.queries.count)
    most = NO_LIMIT if max_pairs is None else min(_arguments.whole("max_pairs", max_pairs), NO_LIMIT)
    with opened(checkpoint, "radius_neighbors") as folder:
        return search.pairs(pairs_within(search, reach, progress, most, folder))


def pairs_within(
    search: PairSearch,
    reach: Floats,
    progress: bool | Callable[[int, int], object],
    most: int = NO_LIMIT,
    folder: Folder | None = None,
) -> tuple[Ints, Ints, Distances]:
    """(rows, cols, distances) of `radius_neighbors`, from arguments that are checked; pieces are kept in a folder."""
    cap, groups = search.allowed.max_per_group, search.allowed.base_groups
    every = search.allowed._replace(max_per_group=0).core(search.allowed.nearer_than)  # the cap is for the whole
    found: list[tuple[Ints, Ints, Distances]] = []
    count = 0
    pieces = search.pieces(folder, "pairs", radius=reach)
    with search.progress(progress) as bar:
        for number, first, last in pieces:
            stored = pieces.load(number)
            if stored is not None:
                bar.skip(search.looked_at(first, last))
                found.append((stored["rows"], stored["cols"], stored["distances"]))
                count += len(stored["rows"])
                continue
            parts: list[tuple[Ints, Ints, Distances]] = []
            for part in search.parts(bar, first, last):
                parts.append(_core.radius_neighbors(**part, radius=reach, filter=every, max_pairs=most))
                count += len(parts[-1][0])
                if count > most:
                    raise ValueError(f"max_pairs: expected at most {most} pairs, got {count} or more")
            found.append(in_order(parts, distance_type(search.metric)))
            pieces.save(number, **dict(zip(("rows", "cols", "distances"), found[-1])))
    rows, cols, distances = joined(found, distance_type(search.metric))
    found.clear()  # of a large answer each copy counts
    if cap and groups is not None:
        kept = first_of_each(cap, rows, groups[cols])
        rows, cols, distances = rows[kept], cols[kept], distances[kept]
    return rows, cols, distances


def in_order(parts: list[tuple[Ints, Ints, Distances]], dtype: type) -> tuple[Ints, Ints, Distances]:
    """The pairs of several blocks, among which those of a query may lie, by (row, distance, col); `parts` is spent."""
    rows, cols, distances = joined(parts, dtype)
    several = len(parts) > 1
    parts.clear()  # of a large answer each copy counts
    if several:
        order = np.lexsort((cols, distances, rows))
        rows = rows[order]
        cols = cols[order]
        distances = distances[order]
    return rows, cols, distances


def check_radius(radius: ArrayLike | float | None, n: int) -> Floats:
    """The radius of each of n queries as float32, (n,), such that the same float32 distances are within it, or raise."""
    if radius is None:
        raise TypeError("radius: expected a number or one for each query, got None")
    return _arrays.round_down(_arrays.thresholds("radius", radius, n))
