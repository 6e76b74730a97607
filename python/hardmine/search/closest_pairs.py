"""The nearest of all allowed pairs, whatever rows they are of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from hardmine import _arguments, _core
from hardmine._arithmetic import in_standard_arithmetic
from hardmine._arrays import ArrayLike, Floats, Ints
from hardmine.jobs.folder import opened
from hardmine.search.filter import CoreFilter, Filter
from hardmine.search.index import Base
from hardmine.search.metric import Metric, distance_type
from hardmine.search.neighbors import Distances
from hardmine.search.pairs import Pairs, check_search, first_of_each, joined, just_above


@in_standard_arithmetic
def closest_pairs(
    queries: ArrayLike,
    base: Base | None = None,
    n_pairs: int = 10,
    *,
    metric: Metric | None = None,
    where: Filter | None = None,
    query_rows: ArrayLike | None = None,
    bits: int | None = None,
    threads: int | None = None,
    progress: bool | Callable[[int, int], object] = False,
    checkpoint: str | Path | None = None,
) -> Pairs:
    """Find the n nearest of all allowed pairs of a query and a base row, exactly.

    Parameters
    ----------
    queries, base : array of shape (n, d) and (m, d)
        See `radius_neighbors`; with ``base=None`` each unordered pair of the queries is looked at once.
    n_pairs : int
        Pairs to keep; where fewer are allowed, the result is as long as there are.
    where : Filter, optional
        Which pairs may be kept: with ``base=None`` those that are allowed both ways, without a cap per group, as in
        `radius_neighbors`.
    metric, query_rows, bits, threads, progress, checkpoint : optional
        See `radius_neighbors`.

    Returns
    -------
    Pairs
        rows and cols (p,) int64 and distances (p,) float32 (int32 for codes) of p <= n_pairs pairs, in the order of (distance,
        row, col); tensors if `queries` is one. With ``base=None`` every row is less than its col.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As `topk`; also for `Filter.max_per_group` beside ``base=None``.

    Notes
    -----
    O(n m d) multiply-adds, half of them for ``base=None``. Distances are canonical, and ties go to the smaller (row, col): the
    first 10 of 100 pairs are the 10 nearest, and results are the same bits for any threads, blocks and CPU.

    Memory above inputs and the answer, which takes 20 bytes a pair, is that of `topk`, and 24 bytes for each of `n_pairs` (of
    all pairs, where they are fewer), which threads share; some 100 where inputs are converted in several blocks.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> points = np.array([[0.0], [5.0], [6.0], [1.0]], dtype=np.float32)
    >>> rows, cols, distances = hardmine.closest_pairs(points, n_pairs=3)
    >>> rows.tolist(), cols.tolist(), distances.tolist()
    ([0, 1, 1], [3, 2, 3], [1.0, 1.0, 16.0])
    """
    search = check_search(queries, base, metric, where, query_rows, bits, threads)
    n, m = search.queries.count, search.base.count
    kept = min(_arguments.positive("n_pairs", n_pairs), max(1, n * (n - 1) // 2 if search.alone else n * m))
    allowed, best = search.allowed, joined([], distance_type(search.metric))
    with opened(checkpoint, "closest_pairs") as folder, search.progress(progress) as bar:
        pieces = search.pieces(folder, "pairs", sum(array.itemsize for array in best) * kept, n_pairs=n_pairs)
        done, before = pieces.latest()
        if before is not None:
            best = before["rows"], before["cols"], before["distances"]
        for number, first, last in pieces:
            if number < done:
                bar.skip(search.looked_at(first, last))
                continue
            for part in search.parts(bar, first, last):
                limits = narrowed(allowed.nearer_than, best, kept, n)
                found = _core.closest_pairs(**part, n_pairs=kept, filter=allowed.core(limits))
                best = nearest([best, found], kept, allowed) if len(best[0]) else found
            pieces.replace(number, **dict(zip(("rows", "cols", "distances"), best)))
    return search.pairs(best)


def nearest(parts: list[tuple[Ints, Ints, Distances]], kept: int, allowed: CoreFilter) -> tuple[Ints, Ints, Distances]:
    """The first pairs of several parts by (distance, row, col), the groups of each query capped."""
    rows, cols, distances = joined(parts, parts[0][2].dtype.type)
    order = np.lexsort((cols, rows, distances))
    if allowed.max_per_group and allowed.base_groups is not None:
        order = order[first_of_each(allowed.max_per_group, rows[order], allowed.base_groups[cols[order]])]
    order = order[:kept]
    return rows[order], cols[order], distances[order]


def narrowed(nearer_than: Floats | None, best: tuple[Ints, Ints, Distances], kept: int, n: int) -> Floats | None:
    """The strict limits of n queries, no farther than what a pair of a later block must be to replace one found before.

    At the distance of the last pair it may: its row may be the smaller one.
    """
    if len(best[0]) < kept or np.isinf(best[2][-1]):
        return nearer_than
    limit = np.full(n, just_above(best[2][-1]), np.float32)
    return limit if nearer_than is None else np.fmin(limit, nearer_than)
