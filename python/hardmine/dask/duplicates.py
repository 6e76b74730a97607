"""Near-duplicates of more rows than one machine holds: pairs by block, clusters on one of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from dask.delayed import Delayed
from numpy.typing import NDArray

from hardmine._arithmetic import in_standard_arithmetic
from hardmine._arrays import Ints, Rows
from hardmine.dask.blocks import RowBlock
from hardmine.dask.found import Found
from hardmine.dask.pairs import pair_search, within_blocks
from hardmine.dask.rows import RowsLike, rows_of
from hardmine.dask.stages import check_in_memory
from hardmine.dask.threads import engine_threads
from hardmine.duplicates.keeping import Rule
from hardmine.duplicates.linkage import Linkage, cluster
from hardmine.duplicates.measures import Inside
from hardmine.duplicates.near_duplicates import Choices, check_choices, duplicates_of
from hardmine.search.filter import Filter
from hardmine.search.metric import Metric
from hardmine.search.pairs import Pairs


def near_duplicates(
    x: RowsLike,
    threshold: float,
    *,
    metric: Metric = "cosine",
    groups: Any = None,
    where: Filter | None = None,
    linkage: Linkage = "single",
    which_to_keep: Rule | Any = "first",
    seed: int = 0,
    max_pairs: int | None = None,
    bits: int | None = None,
    threads: int | None = None,
) -> Delayed:
    """Find all near-duplicates, cluster them, and say which rows to keep: `hardmine.near_duplicates` over blocks of rows.

    Parameters
    ----------
    x : dask.array.Array of shape (n, d), any float dtype, or packed codes
        Or what else `hardmine.dask.topk` takes.
    threshold, metric, groups, where, linkage, which_to_keep, seed, max_pairs, bits : optional
        See `hardmine.near_duplicates`.
    threads : int, optional
        See `hardmine.dask.topk`.

    Returns
    -------
    dask.delayed.Delayed
        Its ``compute()`` is a `hardmine.Duplicates`, that of one process.

    Raises
    ------
    TypeError, ValueError, ImportError
        As `hardmine.near_duplicates`, before anything is read; for too many pairs and rows that are not finite later.

    Notes
    -----
    The pairs, 20 bytes each, and the labels, 8 bytes a row, come together in one task; beside them come the rows of clusters
    that are no cliques, of which the diameter must be found, 4 d bytes each, and no others.

    Examples
    --------
    >>> import dask.array as da, numpy as np, hardmine.dask
    >>> x = da.from_array(np.float32([[0], [5], [0.1], [9], [9], [0.2]]), chunks=(2, 1))
    >>> hardmine.dask.near_duplicates(x, 0.15, metric="euclidean").compute()
    Duplicates(3 pairs of 6 rows, 2 clusters, 1 chained, 3 rows to keep, 3 to drop)
    """
    for name, value in (("groups", groups), ("which_to_keep", which_to_keep)):
        check_in_memory(name, value)
    search = pair_search("near_duplicates", x, None, metric, where, None, bits, threads, None, "x")
    n = search.queries.rows
    choices, reach, most = check_choices(threshold, metric, groups, linkage, which_to_keep, seed, max_pairs, n)
    stages = search.stages(radius=reach)
    pairs = within_blocks(search, stages, most)
    inside = stages.add("clusters", (0,), clustered, pairs, linkage, n)
    rows = [stages.add("members", (i,), members, search.query_block(i), inside) for i in range(search.queries.blocks)]
    place = choices, search.queries.width, search.queries.bits, threads
    stages.add("duplicates", (0,), judged, pairs, inside, rows, *place)
    return stages.delayed("duplicates", (0,))


class SomeRows(Rows):
    """Of many rows those that are at hand, by the numbers of all."""

    name, torch = "x", None

    def __init__(self, count: int, numbers: Ints, rows: NDArray[Any], bits: int | None) -> None:
        self._at_hand = rows_of("x", rows, bits)
        self._numbers = numbers
        self.count, self.width, self.item = count, self._at_hand.width, self._at_hand.item

    def only(self, numbers: Ints) -> Rows:
        return self._at_hand.only(np.searchsorted(self._numbers, numbers))


def clustered(pairs: list[Found], linkage: Linkage, n: int) -> Inside:
    """The clusters of all pairs."""
    rows, cols, distances = (np.concatenate([part[field] for part in pairs]) for field in range(3))
    return Inside.of(cluster(linkage, rows, cols, distances, n), rows, cols, distances)


def members(block: RowBlock, inside: Inside) -> tuple[Ints, NDArray[Any]]:
    """Numbers and rows of a block that are in clusters of which some pairs are none."""
    labels = inside.labels[block.begin : block.end]
    wanted = np.flatnonzero(np.append(inside.partial, False)[labels])  # -1 is the last
    return wanted + block.begin, block.rows[wanted]


@in_standard_arithmetic
def judged(
    pairs: list[Found],
    inside: Inside,
    rows: list[tuple[Ints, NDArray[Any]]],
    choices: Choices,
    width: int,
    bits: int | None,
    threads: int | None,
) -> Any:
    """What `near_duplicates` returns."""
    n = len(inside.labels)
    of_pairs, cols, distances = (np.concatenate([part[field] for part in pairs]) for field in range(3))
    found = Pairs(of_pairs, cols, distances, (n, n))
    numbers, at_hand = (np.concatenate([part[field] for part in rows]) for field in range(2))
    with engine_threads(threads) as n_threads:
        return duplicates_of(found, inside, SomeRows(n, numbers, at_hand.reshape(-1, width), bits), choices, n_threads)
