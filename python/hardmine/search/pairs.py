"""Pairs of rows, as the searches for all near pairs return them; what these searches share, and how they go through blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from hardmine import _arrays
from hardmine._arguments import check_threads
from hardmine._arrays import ArrayLike, Block, FloatRows, IntArray, Ints, Rows
from hardmine._progress import Progress, Report
from hardmine.jobs.fingerprint import of_search
from hardmine.jobs.folder import Folder
from hardmine.jobs.pieces import Pieces, pairs_of_piece, rows_of_piece
from hardmine.search.filter import CoreFilter, Filter, check_filter
from hardmine.search.index import Base, metric_of
from hardmine.search.metric import FLOAT_METRICS, Metric
from hardmine.search.neighbors import DistanceArray, Distances
from hardmine.search.sides import check_rows, query_blocks


@dataclass(frozen=True, eq=False, repr=False)
class Pairs:
    """Pairs of a query and a base row: unpacks as (rows, cols, distances), and its length is the number of pairs.

    Attributes
    ----------
    rows, cols : array of shape (p,), int64
        Pair i is query ``rows[i]`` and base row ``cols[i]``. Of an array with itself each unordered pair comes once, with
        ``rows[i] < cols[i]``.
    distances : array of shape (p,), float32, or int32 for codes
        Canonical distances; smaller is nearer, for every metric.
    shape : tuple of int
        (n, m): the numbers of queries and of base rows.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> points = np.array([[0.0], [1.0], [9.0], [7.0]], dtype=np.float32)
    >>> found = hardmine.radius_neighbors(points, radius=4.0)
    >>> found
    Pairs(2 of 4 x 4, rows=int64 (2,), cols=int64 (2,), distances=float32 (2,))
    >>> rows, cols, distances = found
    >>> rows.tolist(), cols.tolist(), distances.tolist()
    ([0, 2], [1, 3], [1.0, 4.0])
    >>> found.indptr.tolist()
    [0, 1, 1, 2, 2]
    """

    rows: IntArray
    cols: IntArray
    distances: DistanceArray
    shape: tuple[int, int]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Any]:
        return iter((self.rows, self.cols, self.distances))

    def __repr__(self) -> str:
        arrays = (f"{name}={_arrays.outline(array)}" for name, array in zip(("rows", "cols", "distances"), self))
        return f"Pairs({len(self)} of {self.shape[0]} x {self.shape[1]}, {', '.join(arrays)})"

    @property
    def indptr(self) -> IntArray:
        """Where the pairs of each row begin, (n + 1,) int64: those of row i are ``indptr[i]`` to ``indptr[i + 1]``.

        The pairs must be in the order of rows, as `radius_neighbors` gives them; `to_csr` puts others into it.
        """
        rows = _arrays.to_numpy("rows", self.rows)
        if np.any(rows[1:] < rows[:-1]):
            raise ValueError("indptr: expected pairs in the order of rows, got others; to_csr() gives them in that order")
        return _arrays.like(np.searchsorted(rows, np.arange(self.shape[0] + 1)).astype(np.int64), _arrays.device_of(self.rows))

    def to_csr(self) -> tuple[IntArray, IntArray, DistanceArray]:
        """Return (indptr, cols, distances): the pairs by row, and of one row as they are.

        It is what ``scipy.sparse.csr_array((distances, cols, indptr), shape=pairs.shape)`` and
        ``torch.sparse_csr_tensor(indptr, cols, distances, pairs.shape)`` take, and its first two are lists that
        `Filter.exclude` takes. Arrays that are in this order already are not copied.
        """
        arrays = [_arrays.to_numpy("pairs", array) for array in self]
        if np.any(arrays[0][1:] < arrays[0][:-1]):
            order = np.argsort(arrays[0], kind="stable")
            arrays = [array[order] for array in arrays]
        rows, cols, distances = (_arrays.like(array, _arrays.device_of(self.rows)) for array in arrays)
        return Pairs(rows, cols, distances, self.shape).indptr, cols, distances


class PairSearch(NamedTuple):
    """What every search of all pairs is given, checked."""

    queries: Rows
    base: Rows
    metric: str
    allowed: CoreFilter
    threads: int

    @property
    def alone(self) -> bool:
        """Whether an array is searched against itself, so that each unordered pair counts once."""
        return self.base is self.queries

    def of(self, queries: Ints) -> PairSearch:
        """The search of some of the queries, in the whole base."""
        return self._replace(queries=self.queries.only(queries), allowed=self.allowed.of(queries))

    def progress(self, wanted: bool | Report) -> Progress:
        """What shows how much of `parts` is done."""
        return Progress(wanted, self.queries.count * self.base.count)

    def parts(self, bar: Progress, first: int, last: int) -> Iterator[dict[str, Any]]:
        """The arguments of the core for each two blocks of rows, but for the filter and those of the function.

        The queries are those from `first` to `last`; of an array with itself they meet the rows from their own on.
        """
        for q_block, b_block in blocks_of_pairs(self.queries, self.base, first, last):
            # Of an array with itself a block and a later one stand for both directions, as a block with itself does.
            both = 2 if self.alone and b_block is not q_block else 1
            yield {
                "queries": q_block,
                "base": b_block,
                "metric": FLOAT_METRICS.get(self.metric),
                "threads": self.threads,
                "progress": bar.part(both * len(q_block.rows) * len(b_block.rows)),
            }

    def looked_at(self, first: int, last: int) -> int:
        """The pairs that `parts` counts for the queries from `first` to `last`."""
        if not self.alone:
            return (last - first) * self.base.count
        return (last - first) * (2 * self.base.count - first - last)

    def pieces(
        self,
        folder: Folder | None,
        search: str,
        written_anew: int | None = None,
        **options: Any,
    ) -> Pieces:
        """What is kept of the search, by a name.

        `options` are those of its function, `written_anew` the bytes of a result that grows.
        """
        if folder is None:
            return Pieces(None, search, self.queries.count, self.queries.count, {})
        if isinstance(self.queries, FloatRows):
            self.queries.check_finite()  # before the first piece, and not at that of the row
        pairs = pairs_of_piece(self.queries.width, self.threads, written_anew or 0)
        rows = rows_of_piece(pairs, self.base.count, self.threads)
        about = of_search(self.queries, self.base, self.metric, self.allowed, **options)
        return Pieces(folder, search, self.queries.count, rows, about, grows=written_anew is not None)

    def pairs(self, found: tuple[Ints, Ints, Distances]) -> Pairs:
        """What was found as the caller's kind of arrays."""
        rows, cols, distances = (_arrays.like(array, self.queries.torch) for array in found)
        return Pairs(rows, cols, distances, (self.queries.count, self.base.count))


def check_search(
    queries: ArrayLike,
    base: Base | None,
    metric: Metric | None,
    where: Filter | None,
    query_rows: ArrayLike | None,
    bits: int | None,
    threads: int | None,
    names: tuple[str, str] = ("queries", "base"),
) -> PairSearch:
    """The arguments that the searches of all pairs share, or raise."""
    metric = metric_of(metric, base)
    q, b = check_rows(queries, base, metric, bits, names)
    n_threads = check_threads(threads)
    allowed = check_filter(where, query_rows, q.count, b.count, self_join=q is b)
    if allowed.max_per_group and q is b:
        raise ValueError(
            "max_per_group: expected None beside base=None, where a pair belongs to both of its rows, "
            f"got {allowed.max_per_group}"
        )
    return PairSearch(q, b, metric, allowed, n_threads)


def blocks_of_pairs(queries: Rows, base: Rows, begin: int = 0, end: int | None = None) -> Iterator[tuple[Block, Block]]:
    """The blocks of both sides, each with each; of an array with itself those in which pairs with row < col may lie.

    A block with itself is one array on both sides, which the core looks at once. The queries are those from `begin` to `end`.
    """
    for q_block in query_blocks(queries, base, begin, end):
        first = 0
        if base is queries:
            yield q_block, q_block
            first = q_block.first + len(q_block.rows)
            if first == queries.count:
                continue
        for b_block in base.blocks(first):
            yield q_block, b_block


def joined(parts: list[tuple[Ints, Ints, Distances]], dtype: type) -> tuple[Ints, Ints, Distances]:
    """What was found in several blocks, one part after another; one part is not copied, and none is no pairs."""
    if len(parts) == 1:
        return parts[0]
    none: tuple[Ints, Ints, Distances] = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, dtype)
    rows, cols, distances = (np.concatenate(arrays) for arrays in zip(none, *parts))
    return rows, cols, distances


def just_above(distance: float) -> float:
    """The float32 number after a float32 distance: what is less than it is no farther than the distance."""
    with np.errstate(over="ignore", under="ignore"):
        return float(np.nextafter(np.float32(distance), np.float32(np.inf)))


def first_of_each(cap: int, rows: Ints, groups: Ints) -> Ints:
    """The places of the first `cap` pairs of each (row, group), in ascending order; the pairs of a row come nearest first."""
    order = np.lexsort((groups, rows))
    first = np.ones(len(order), bool)  # of a (row, group)
    first[1:] = (rows[order][1:] != rows[order][:-1]) | (groups[order][1:] != groups[order][:-1])
    start = np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))
    return np.sort(order[np.arange(len(order)) - start < cap])
