"""Queries and the base they are mined from: what every step of mining asks the search for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hardmine._arguments import check_threads
from hardmine._arrays import ArrayLike, Floats, Ints
from hardmine.jobs.folder import Folder
from hardmine.search.distances import listed_distances
from hardmine.search.filter import Filter, check_filter, check_query_rows
from hardmine.search.index import Base
from hardmine.search.metric import Metric, check_float_metric, similarity
from hardmine.search.sides import check_rows
from hardmine.search.topk import scan_kept


class Sides:
    """Both sides of the search, as NumPy sees them.

    Attributes
    ----------
    queries, base : Rows
        One object where the queries are searched against themselves.
    own_rows : array of shape (n,), int64, or None
        The base row that each query is, -1 for none: neither a negative of it nor a positive. None where no query is any.
    metric : str
        Of the distances; scores are their similarity view (`Neighbors.scores`).
    folder : Folder or None
        Where finished pieces of searches are kept.
    """

    def __init__(
        self, queries: ArrayLike, base: Base | None, query_rows: ArrayLike | None, metric: Metric, threads: int | None
    ) -> None:
        check_float_metric(metric)
        self.queries, self.base = check_rows(queries, base, metric, None)
        self._query_rows = check_query_rows(query_rows, self.queries.count, self.base.count, base is None)
        self.own_rows = np.arange(self.queries.count) if base is None else self._query_rows
        self.metric: Metric = metric
        self._threads = check_threads(threads)
        self.folder: Folder | None = None

    def nearest(
        self,
        search: str,
        k: int,
        where: Filter | None,
        progress: bool | Callable[[int, int], object] = False,
        too_near: Ints | None = None,
    ) -> tuple[Floats, Ints]:
        """(distances, indices) of the k nearest allowed rows of each query; see `scan`. `search` names it in the folder."""
        n, m = self.queries.count, self.base.count
        allowed = check_filter(where, self._query_rows, n, m, self_join=self.queries is self.base)
        return scan_kept(
            self.folder,
            search,
            self.queries,
            self.base,
            k,
            metric=self.metric,
            allowed=allowed,
            threads=self._threads,
            progress=progress,
            too_near=too_near,
        )

    def distances(self, rows: Ints, cols: Ints) -> Floats:
        """The distances of listed pairs."""
        found: Floats = listed_distances(self.queries, self.base, rows, cols, metric=self.metric, threads=self._threads)
        return found

    def scores(self, rows: Ints, cols: Ints) -> Floats:
        """The scores of listed pairs."""
        return self.scores_of(self.distances(rows, cols))

    def scores_of(self, distances: Floats) -> Floats:
        scores: Floats = similarity(distances, self.metric)
        return scores
