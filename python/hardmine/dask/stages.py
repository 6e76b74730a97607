"""Tasks by stage: what becomes a graph of Dask, a layer for each stage, by whose names the dashboard shows them."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import dask.array as da
from dask._task_spec import List, Task, TaskRef
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph
from dask.tokenize import tokenize
from numpy.typing import NDArray

from hardmine import _arguments
from hardmine._arguments import check_threads
from hardmine.dask.blocks import Part, Rule, cut, load, parted
from hardmine.dask.rows import DaskRows, RowsLike, check_sides
from hardmine.search.filter import CoreFilter, Filter, check_filter
from hardmine.search.metric import Metric

Ref: TypeAlias = Any  # of a task

SPLIT_EVERY = 8  # what one task merges; as many lists of 2^18 queries and ten neighbours are 240 MiB


class Stages:
    """A search as it is built: layers of tasks on top of those that make the rows."""

    def __init__(self, what: str, sides: Sequence[DaskRows], *options: Any) -> None:
        self._what = what
        self._token = tokenize(*(side.array.name for side in sides), *options)
        below = [HighLevelGraph.from_collections("", {}, [side.array]) for side in sides]
        merged = HighLevelGraph.merge(*below)
        self._layers: dict[str, Any] = {name: layer for name, layer in merged.layers.items() if name}
        self._dependencies = {name: needs for name, needs in merged.dependencies.items() if name}

    def within(self, what: str) -> Stages:
        """The same graph, to which stages with other names are added."""
        found = copy.copy(self)
        found._what = f"{self._what}-{what}"
        return found

    def name(self, stage: str) -> str:
        return f"{self._what}-{stage}-{self._token}"

    def add(self, stage: str, place: tuple[int, ...], function: Callable[..., Any], *args: Any) -> Ref:
        """A task, and what stands for its result; lists of results may be arguments."""
        name = self.name(stage)
        given = [List(*one) if isinstance(one, list) else one for one in args]
        task = Task((name, *place), function, *given)
        self._layers.setdefault(name, {})[task.key] = task
        needs = self._dependencies.setdefault(name, set())
        needs |= {key[0] if isinstance(key, tuple) else key for key in task.dependencies} - {name}
        return TaskRef(task.key)

    def ref(self, stage: str, place: tuple[int, ...]) -> Ref:
        """What stands for the result of a task."""
        return TaskRef((self.name(stage), *place))

    def reduce(
        self, stage: str, place: tuple[int, ...], function: Callable[..., Any], parts: list[Ref], split_every: int, *args: Any
    ) -> Ref:
        """A tree of tasks ``function(parts, *args)``, of which each takes `split_every` results."""
        level = 0
        while True:
            groups = [parts[i : i + split_every] for i in range(0, len(parts), split_every)]
            parts = [self.add(stage, (*place, level, i), function, group, *args) for i, group in enumerate(groups)]
            if len(parts) == 1:
                return parts[0]
            level += 1

    def array(self, stage: str, chunks: tuple[tuple[float, ...], ...], dtype: Any) -> da.Array:
        """The array whose chunks a stage makes."""
        name = self.name(stage)
        return da.Array(self._graph(), name, chunks, dtype=dtype)

    def delayed(self, stage: str, place: tuple[int, ...]) -> Delayed:
        """What one task makes."""
        name = self.name(stage)
        return Delayed((name, *place), self._graph(), layer=name)

    def _graph(self) -> HighLevelGraph:
        return HighLevelGraph(dict(self._layers), {name: set(needs) for name, needs in self._dependencies.items()})


class Search:
    """The arguments that all searches share, checked, and the tasks that load their blocks."""

    def __init__(
        self,
        what: str,
        queries: RowsLike,
        base: RowsLike | None,
        metric: Metric,
        where: Filter | None,
        query_rows: Any,
        bits: int | None,
        threads: int | None,
        split_every: int | None,
        name: str = "queries",
    ) -> None:
        self.queries, self.base = check_sides(queries, base, metric, bits, name)
        self.alone = self.base is self.queries
        self.metric = metric
        _check_in_memory(where, query_rows)
        self._query_rows = query_rows
        self.allowed = self._check(where)
        check_threads(threads)
        self.rule = self._rule(threads)
        self.split_every = SPLIT_EVERY if split_every is None else _arguments.whole("split_every", split_every, 2)
        self.sides = [self.queries] if self.alone else [self.queries, self.base]
        self._what = what

    def stages(self, *options: Any, **given: NDArray[Any] | None) -> Stages:
        """The graph to begin with; `given` are arrays of `Part` beside those of the filter, `options` what else matters."""
        arrays: dict[str, Any] = {name: getattr(self.allowed, name) for name in CoreFilter._fields} | given
        fields = [str(value) if name == "groups" else value for name, value in arrays.items()]
        stages = Stages(self._what, self.sides, self.rule, self.split_every, fields, *options)
        for stage, side, i, part in self._parts(arrays):
            chunk = TaskRef((side.array.name, i, 0))
            stages.add(stage, (i,), load, chunk, side.span(i)[0], side.name, side.bits, part)
        self._stages = stages
        return stages

    def under(
        self, where: Filter | None, stages: Stages, limits: Sequence[Ref] | None = None, counted: bool = False
    ) -> Search:
        """Another search of the same blocks: under that filter, and limits of each block of queries (see `parted`)."""
        search = copy.copy(self)
        search.allowed = self._check(where)
        search.rule = search._rule(self.rule.threads)._replace(counted=counted)
        search._stages = stages
        for stage, _, i, part in self._parts(search.allowed._asdict()):
            own = None if limits is None or stage != "queries" else limits[i]
            stages.add(stage, (i,), parted, self._stages.ref(stage, (i,)), part, own)
        return search

    def _check(self, where: Filter | None) -> CoreFilter:
        return check_filter(where, self._query_rows, self.queries.rows, self.base.rows, self_join=self.alone)

    def _rule(self, threads: int | None) -> Rule:
        return Rule(self.metric, self.allowed.groups.name, self.allowed.max_per_group, threads)

    def _parts(self, arrays: dict[str, Any]) -> Iterator[tuple[str, DaskRows, int, Part]]:
        for stage, side in zip(("queries", "base"), self.sides):
            for i in range(side.blocks):
                yield stage, side, i, cut(side, i, arrays, side is self.queries, side is self.base)

    def query_block(self, i: int) -> Ref:
        return self._stages.ref("queries", (i,))

    def base_block(self, j: int) -> Ref:
        return self._stages.ref("queries" if self.alone else "base", (j,))

    def pairs(self) -> Iterator[tuple[int, int]]:
        """The pairs of blocks: each with each, or of one array those with i <= j."""
        for i in range(self.queries.blocks):
            for j in range(i if self.alone else 0, self.base.blocks):
                yield i, j


def workers() -> int:
    """How many calls of the engine run at once: a cluster's workers, if this process is a client of one, else one."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return 1
    try:
        return max(1, len(distributed.get_client().nthreads()))
    except ValueError:  # no client
        return 1


def _check_in_memory(where: Filter | None, query_rows: Any) -> None:
    given = {"query_rows": query_rows} | (vars(where) if isinstance(where, Filter) else {})
    for name, value in given.items():
        check_in_memory(name, value)


def check_in_memory(name: str, value: Any) -> None:
    """Raise for a Dask array, which would have to be computed while the graph is built."""
    if isinstance(value, da.Array):
        raise TypeError(f"{name}: expected an array in memory, got a Dask array; pass {name}.compute()")
