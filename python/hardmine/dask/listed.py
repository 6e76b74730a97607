"""Listed pairs of rows on many machines: of a block of the base only the rows that are listed travel to the queries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardmine import _core
from hardmine._arithmetic import in_standard_arithmetic
from hardmine._arrays import Block, Floats, Ints
from hardmine._lists import RowLists
from hardmine.dask.blocks import RowBlock, Rule
from hardmine.dask.rows import DaskRows
from hardmine.dask.stages import Ref, Search, Stages
from hardmine.dask.threads import engine_threads
from hardmine.mining.positives import Positives
from hardmine.search.metric import FLOAT_METRICS


class ListedPairs(NamedTuple):
    """Pairs of a block of queries, numbered from 0, with base rows, numbered in the whole."""

    rows: Ints
    cols: Ints


class Held(NamedTuple):
    """Those of such pairs whose base rows are in one block, and these rows: pair i is with ``base[place[i]]``."""

    pairs: ListedPairs
    place: Ints
    base: NDArray[Any]


class Measured(NamedTuple):
    """Pairs, numbered in the whole, and their distances."""

    rows: Ints
    cols: Ints
    distances: Floats


def measure(search: Search, stages: Stages, i: int, j: int, pairs: ListedPairs | Ref) -> Ref:
    """The tasks that find the distances of those of the pairs of a block of queries whose base rows are in block j."""
    rows = stages.add("rows", (i, j), held, search.base_block(j), pairs)
    return stages.add("listed", (i, j), measured, search.rule, search.query_block(i), rows)


def held(base: RowBlock, pairs: ListedPairs) -> Held:
    """The task of a block of the base."""
    here = (pairs.cols >= base.begin) & (pairs.cols < base.end)
    rows, cols = pairs.rows[here], pairs.cols[here]
    asked, place = np.unique(cols, return_inverse=True)
    return Held(ListedPairs(rows, cols), place.reshape(-1), base.rows[asked - base.begin])


@in_standard_arithmetic
def measured(rule: Rule, queries: RowBlock, listed: Held) -> Measured:
    """The task of a block of queries."""
    (rows, cols), place, base = listed
    with engine_threads(rule.threads) as threads:
        distances = _core.pair_distances(
            queries=Block(0, queries.rows),
            base=Block(0, base),
            rows=np.ascontiguousarray(rows),
            cols=np.ascontiguousarray(place),
            metric=FLOAT_METRICS[rule.metric],
            threads=threads,
            progress=None,
        )
    return Measured(rows + queries.begin, cols, distances)


def together(parts: list[Measured]) -> Measured:
    """The pairs of several tasks, by (row, col)."""
    empty: Ints = np.empty(0, np.int64)
    parts = [Measured(empty, empty, np.empty(0, np.float32)), *parts]
    rows, cols, distances = (np.concatenate([part[field] for part in parts]) for field in range(3))
    order = np.lexsort((cols, rows))
    return Measured(rows[order], cols[order], distances[order])


def cut_lists(lists: RowLists, queries: DaskRows, i: int, base: DaskRows) -> Iterator[RowLists]:
    """The lists of a block of queries, of the rows of each block of the base, which are numbered from 0 there."""
    begin, end = queries.span(i)
    start = lists.start[begin : end + 1] - lists.start[begin]
    indices = lists.indices[lists.start[begin] : lists.start[end]]
    block = np.searchsorted(base.starts, indices, "right") - 1  # the last of those that begin there: others are empty
    for j in range(base.blocks):
        here = block == j
        yield RowLists(np.concatenate([[0], np.cumsum(here)])[start], indices[here] - base.starts[j])


def positive_pairs(labels: Ints, own_rows: Ints | None, base_labels: Ints, listed: RowLists | None, begin: int) -> ListedPairs:
    """The positives of a block of queries in the block of the base that begins there, whose rows `listed` numbers from 0."""
    known = Positives(labels, base_labels, listed, None if own_rows is None else own_rows - begin)
    rows, cols = known.pairs(0, len(labels))
    return ListedPairs(rows, cols + begin)
