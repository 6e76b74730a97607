"""What the searches of all near pairs do in a task, and how what several tasks have found becomes one answer."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardmine import _core
from hardmine._arithmetic import in_standard_arithmetic
from hardmine._arrays import Ints
from hardmine.dask.blocks import RowBlock, Rule, meet
from hardmine.dask.threads import engine_threads
from hardmine.search.neighbors import Distances
from hardmine.search.pairs import first_of_each
from hardmine.search.radius_neighbors import NO_LIMIT


class Found(NamedTuple):
    """The pairs of one or more tasks."""

    rows: Ints
    cols: Ints
    distances: Distances
    groups: Ints | None = None  # of the base rows, where a cap counts them


@in_standard_arithmetic
def near(rule: Rule, most: int, queries: RowBlock, base: RowBlock, alone: bool) -> Found:
    """The task of two blocks: their pairs within the radius."""
    meeting = meet(rule._replace(max_per_group=0), queries, base, alone)  # the cap is for the whole
    with engine_threads(rule.threads) as threads:
        rows, cols, distances = _core.radius_neighbors(
            **meeting.arguments(rule, threads, meeting.allowed.nearer_than),
            radius=np.asarray(meeting.gathered("radius"), np.float32),
            max_pairs=most,
        )
    groups = meeting.allowed.base_groups
    of_cols = groups[cols] if rule.max_per_group and groups is not None else None
    return Found(meeting.rows(rows), meeting.cols(cols), distances, of_cols)


@in_standard_arithmetic
def closest(rule: Rule, kept: int, queries: RowBlock, base: RowBlock, alone: bool) -> Found:
    """The task of two blocks: their nearest pairs."""
    meeting = meet(rule, queries, base, alone)
    n, m = len(queries.rows), len(base.rows)
    with engine_threads(rule.threads) as threads:
        rows, cols, distances = _core.closest_pairs(
            **meeting.arguments(rule, threads, meeting.allowed.nearer_than),
            n_pairs=min(kept, max(1, n * m)),
        )
    groups = meeting.allowed.base_groups
    of_cols = groups[cols] if rule.max_per_group and groups is not None else None
    return Found(meeting.rows(rows), meeting.cols(cols), distances, of_cols)


@in_standard_arithmetic
def counts(rule: Rule, limits: Any, queries: RowBlock, base: RowBlock, alone: bool) -> NDArray[np.uint64]:
    """The task of two blocks: their pairs by distance."""
    meeting = meet(rule, queries, base, alone)
    with engine_threads(rule.threads) as threads:
        found: NDArray[np.uint64] = _core.distance_histogram(
            **meeting.arguments(rule, threads, meeting.allowed.nearer_than),
            thresholds=limits,
            query_groups=meeting.gathered("query_kinds"),
            base_groups=meeting.gathered("base_kinds"),
        )
    return found


def in_order(parts: list[Found], rule: Rule, most: int) -> Found:
    """The pairs of a block of queries by (row, distance, col), of each row and group as many as a cap leaves."""
    found = _together(parts)
    if len(found.rows) > most:
        raise ValueError(f"max_pairs: expected at most {most} pairs, got {len(found.rows)} or more")
    if len(parts) > 1:
        found = _taken(found, np.lexsort((found.cols, found.distances, found.rows)))
    if rule.max_per_group and found.groups is not None:
        found = _taken(found, first_of_each(rule.max_per_group, found.rows, found.groups))
    return found


def first_pairs(parts: list[Found], kept: int, rule: Rule) -> Found:
    """The first pairs of several tasks by (distance, row, col), the groups of each query capped."""
    found = _together(parts)
    order = np.lexsort((found.cols, found.rows, found.distances))
    if rule.max_per_group and found.groups is not None:
        order = order[first_of_each(rule.max_per_group, found.rows[order], found.groups[order])]
    return _taken(found, order[:kept])


def check_total(lengths: list[int], most: int) -> bool:
    """Raise if there are more pairs than that in all."""
    if sum(lengths) > most:
        raise ValueError(f"max_pairs: expected at most {most} pairs, got {sum(lengths)}")
    return True


def in_order_once_checked(found: Found, rule: Rule, _checked: bool) -> Found:
    """The pairs of a block of queries, which waits for `check_total`."""
    return in_order([found], rule, NO_LIMIT)


def _together(parts: list[Found]) -> Found:
    if len(parts) == 1:
        return parts[0]
    groups = None if parts[0].groups is None else np.concatenate([part.groups for part in parts if part.groups is not None])
    rows, cols, distances = (np.concatenate([part[field] for part in parts]) for field in range(3))
    return Found(rows, cols, distances, groups)


def _taken(found: Found, places: Ints) -> Found:
    groups = None if found.groups is None else found.groups[places]
    return Found(found.rows[places], found.cols[places], found.distances[places], groups)


def field_of(found: Found, field: int) -> Any:
    """An array of a chunk."""
    return found[field]


def length(found: Found) -> int:
    """How many pairs there are."""
    return len(found.rows)


def total(parts: list[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    """The counts of several tasks together."""
    counted: NDArray[np.uint64] = np.sum(parts, axis=0, dtype=np.uint64)
    return counted
