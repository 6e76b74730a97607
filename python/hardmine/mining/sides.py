"""Queries and the base they are mined from: what every step of mining asks the search for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hardmine._arrays import ArrayLike, FloatRows, Floats, Ints, to_numpy
from hardmine.search.distances import pair_distances
from hardmine.search.filter import Filter, check_query_rows
from hardmine.search.metric import Metric, check_float_metric
from hardmine.search.neighbors import scores_of
from hardmine.search.topk import scan


class Sides:
    """Both sides of the search, as NumPy sees them.

    Attributes
    ----------
    queries, base : FloatRows
        One object where the queries are searched against themselves.
    own_rows : array of shape (n,), int64, or None
        The base row that each query is, -1 for none: neither a negative of it nor a positive. None where no query is any.
    metric : str
        Of the distances; scores are their similarity view (`Neighbors.scores`).
    """

    def __init__(
        self, queries: ArrayLike, base: ArrayLike, query_rows: ArrayLike, metric: Metric, threads: int | None
    ) -> None:
        self.queries = FloatRows("queries", queries)
        self.base = self.queries if base is None else FloatRows("base", base)
        self._query_rows = check_query_rows(query_rows, self.queries.count, self.base.count, base is None)
        self.own_rows = np.arange(self.queries.count) if base is None else self._query_rows
        check_float_metric(metric)
        self.metric: Metric = metric
        self._arrays, self._threads = (queries, base), threads

    def nearest(
        self,
        k: int,
        where: Filter | None,
        progress: bool | Callable[[int, int], object] = False,
        too_near: Ints | None = None,
    ) -> tuple[Floats, Ints]:
        """(distances, indices) of the k nearest allowed rows of each query; see `scan`."""
        found = scan(
            *self._arrays,
            k,
            metric=self.metric,
            where=where,
            query_rows=self._query_rows,
            threads=self._threads,
            progress=progress,
            too_near=too_near,
        )
        return to_numpy("distances", found.distances), to_numpy("indices", found.indices)

    def distances(self, rows: Ints, cols: Ints) -> Floats:
        """The distances of listed pairs."""
        found = pair_distances(*self._arrays, rows, cols, metric=self.metric, threads=self._threads)
        distances: Floats = to_numpy("distances", found)
        return distances

    def scores(self, rows: Ints, cols: Ints) -> Floats:
        """The scores of listed pairs."""
        return self.scores_of(self.distances(rows, cols))

    def scores_of(self, distances: Floats) -> Floats:
        scores: Floats = scores_of(distances, self.metric)
        return scores
