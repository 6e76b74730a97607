"""What a task is given: a block of rows with its part of the filter, and how parts of two blocks become a filter of the core.

Rows are numbered anew in each task, from 0, so that the core never meets a number beyond 32 bits. Of an array with itself both
blocks are rows of one array, the first block's before the second's, and the filter is that of such an array with itself:
what it means for a pair both ways is decided where it always is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardmine import _core
from hardmine._arrays import Block, FloatRows, Floats, Ints
from hardmine.dask.rows import DaskRows, rows_of
from hardmine.search.filter import CoreFilter
from hardmine.search.metric import FLOAT_METRICS, Metric


class Part(NamedTuple):
    """What a search knows of the rows of one block, but for the rows: as queries, and as base rows."""

    query_rows: Ints | None = None
    query_groups: Ints | None = None
    exclude_start: Ints | None = None
    exclude_indices: Ints | None = None
    nearer_than: Floats | None = None
    farther_than: Floats | None = None
    radius: Floats | None = None
    query_kinds: Ints | None = None  # groups that a histogram counts apart
    base_groups: Ints | None = None
    base_mask: NDArray[np.bool_] | None = None
    base_kinds: Ints | None = None


OF_QUERIES = ("query_rows", "query_groups", "nearer_than", "farther_than", "radius", "query_kinds")
OF_BASE = ("base_groups", "base_mask", "base_kinds")


class RowBlock(NamedTuple):
    """Rows from `begin` on, as the core reads them."""

    begin: int
    rows: NDArray[Any]
    part: Part

    @property
    def end(self) -> int:
        return self.begin + len(self.rows)


class Rule(NamedTuple):
    """What of a search is the same for all blocks."""

    metric: Metric
    groups: str  # of the core's, by name
    max_per_group: int
    threads: int | None
    counted: bool = False  # whether `Lists` say how many rows were too near


def cut(side: DaskRows, block: int, given: dict[str, NDArray[Any] | None], as_queries: bool, as_base: bool) -> Part:
    """The part of one block: `given` has the arrays of the whole by the names of `Part`."""
    begin, end = side.span(block)
    names = (OF_QUERIES if as_queries else ()) + (OF_BASE if as_base else ())
    found = {name: given[name][begin:end] for name in names if given.get(name) is not None}  # type: ignore[index]
    start, indices = given.get("exclude_start"), given.get("exclude_indices")
    if as_queries and start is not None and indices is not None:
        found["exclude_start"] = start[begin : end + 1] - start[begin]
        found["exclude_indices"] = indices[start[begin] : start[end]]
    return Part(**found)


def load(rows: Any, begin: int, name: str, bits: int | None, part: Part) -> RowBlock:
    """A chunk, converted once for all tasks that read it; what is not finite is reported with its number in the whole."""
    checked = rows_of(name, np.asarray(rows), bits)
    if isinstance(checked, FloatRows):
        checked.check_finite(np.arange(begin, begin + checked.count))
    return RowBlock(begin, checked.take_all(), part)


def parted(block: RowBlock, part: Part, limits: tuple[Floats | None, Floats | None] | None) -> RowBlock:
    """The same rows with what another search knows of them; `limits` are farther_than and nearer_than, known later."""
    if limits is not None:
        part = part._replace(farther_than=limits[0], nearer_than=limits[1])
    return block._replace(part=part)


class Meeting(NamedTuple):
    """Two blocks as the core takes them, and the filter of their pairs."""

    queries: Block
    base: Block
    allowed: CoreFilter
    blocks: tuple[RowBlock, RowBlock]
    alone: bool  # whether both are of one array

    def arguments(self, rule: Rule, threads: int, limits: Floats | None) -> dict[str, Any]:
        """What every function of the core takes."""
        return {
            "queries": self.queries,
            "base": self.base,
            "metric": FLOAT_METRICS.get(rule.metric),
            "filter": self.allowed.core(limits),
            "threads": threads,
            "progress": None,
        }

    def gathered(self, name: str) -> NDArray[Any] | None:
        """An array of `Part` as the core takes it, numbered as the filter is."""
        return _joined(_sides(*self.blocks, self.alone)[name.startswith("base")], name)

    def rows(self, numbers: Ints) -> Ints:
        """Numbers in the whole, of queries."""
        return numbers + self.blocks[0].begin

    def cols(self, numbers: Ints) -> Ints:
        """The same of base rows; -1 stays."""
        begin = self.blocks[1].begin - self.base.first
        return np.where(numbers < 0, numbers, numbers + begin) if begin else numbers


def meet(rule: Rule, queries: RowBlock, base: RowBlock, alone: bool) -> Meeting:
    """A block of queries beside one of base rows; of one array (`alone`) a block with itself, or beside a later one."""
    of_queries, of_base = _sides(queries, base, alone)
    found: dict[str, Any] = {name: _joined(of_queries, name) for name in OF_QUERIES if name in CoreFilter._fields}
    found |= {name: _joined(of_base, name) for name in OF_BASE if name in CoreFilter._fields}
    spans = [(block.begin, block.end) for block in of_base]
    if found["query_rows"] is not None:
        found["query_rows"] = _local(found["query_rows"], spans)
    found["exclude_start"], found["exclude_indices"] = _lists(of_queries, spans)
    found |= {"self_join": alone, "groups": _core.Groups.__members__[rule.groups], "max_per_group": rule.max_per_group}
    own = queries is base
    first = Block(0, queries.rows)
    second = first if own and alone else Block(len(queries.rows) if alone else 0, base.rows)
    return Meeting(first, second, CoreFilter(**found), (queries, base), alone)


def _sides(queries: RowBlock, base: RowBlock, alone: bool) -> tuple[Sequence[RowBlock], Sequence[RowBlock]]:
    """The blocks whose parts, one after another, are the filter of the queries, and that of the base."""
    if not alone:
        return (queries,), (base,)
    both = (queries,) if queries is base else (queries, base)
    return both, both


def _joined(blocks: Sequence[RowBlock], name: str) -> NDArray[Any] | None:
    arrays = [getattr(block.part, name) for block in blocks]
    if arrays[0] is None:
        return None
    return np.ascontiguousarray(arrays[0]) if len(arrays) == 1 else np.concatenate(arrays)


def _local(numbers: Ints, spans: Sequence[tuple[int, int]]) -> Ints:
    """Numbers of base rows as a task has them, -1 for those of other blocks; ascending ones stay so."""
    found, before = np.full(len(numbers), -1, np.int64), 0
    for begin, end in spans:
        here = (numbers >= begin) & (numbers < end)
        found[here] = numbers[here] - begin + before
        before += end - begin
    return found


def _lists(blocks: Sequence[RowBlock], spans: Sequence[tuple[int, int]]) -> tuple[Ints | None, Ints | None]:
    """The lists of excluded rows of some blocks, of those rows that lie in the spans."""
    if blocks[0].part.exclude_start is None:
        return None, None
    counts, indices = [], []
    for block in blocks:
        local = _local(block.part.exclude_indices, spans)  # type: ignore[arg-type]
        kept = np.concatenate([[0], np.cumsum(local >= 0)])
        counts.append(np.diff(kept[block.part.exclude_start]))
        indices.append(local[local >= 0])
    return np.concatenate([[0], np.cumsum(np.concatenate(counts))]).astype(np.int64), np.concatenate(indices)
