"""Exact rankings, as `retrieval_metrics` measures them: as much of them as the measures need, and no more.

Where all measures are cut, the nearest rows are found, and at a tie that the cut goes through its rows are counted. Where one
is not, the rows before each relevant row are counted, and no row but these is ever known.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from hardmine import _core
from hardmine._arrays import Ints
from hardmine._progress import Progress, Report
from hardmine.evaluation.given_rankings import pooled_entries
from hardmine.evaluation.measures import Measure
from hardmine.evaluation.rankings import Ties
from hardmine.evaluation.ranks import AT_FIRST, AT_LAST, MOST_PLACES, Places, count_before, one_way, parts_of
from hardmine.evaluation.relevance import Relevance
from hardmine.evaluation.tie_groups import TieGroups, groups_of_lists, tie_groups
from hardmine.search.distances import listed_distances
from hardmine.search.metric import FLOAT_METRICS
from hardmine.search.neighbors import Distances
from hardmine.search.pairs import PairSearch
from hardmine.search.sides import blocks_beside, query_blocks
from hardmine.search.topk import scan

Bools = NDArray[np.bool_]

MOST_RANKED = 4096  # rows of a list; beyond it counting takes less memory, and no more time
MOST_ENTRIES = 1 << 22  # of the lists of a block of queries: 48 MiB,
AT_ONCE = 1 << 18  # of which so many are looked at in one go


class SearchedRankings:
    """A checked search, and what is relevant in it."""

    def __init__(self, search: PairSearch, relevance: Relevance, wanted: list[Measure], ties: Ties) -> None:
        if relevance.junk is not None:
            start, indices = relevance.junk
            search = search._replace(allowed=search.allowed._replace(exclude_start=start, exclude_indices=indices))
        self._search, self.relevance, self._ties = search, relevance, ties
        self._candidates: list[tuple[Distances, Bools, Bools]] = []  # distances, hits, real ones, of blocks of queries
        longest = int(relevance.totals.max(initial=0))  # R
        whole = [measure for measure in wanted if not measure.pooled]
        cuts = [longest if measure.kind in ("map@r", "r_precision") else measure.k or 1 for measure in whole]
        self._counting = any(measure.counted for measure in whole) or max(cuts, default=1) > MOST_RANKED
        self._first_alone = all(measure.first_alone for measure in whole)
        self._pooled = max((measure.k or 0 for measure in wanted if measure.pooled), default=0)
        listed = self._pooled if self._counting else max([*cuts, self._pooled], default=0) if whole else self._pooled
        self._listed = min(listed, max(search.base.count, 1))
        scans = self._counting + (self._listed > 0) + any(measure.pooled and not measure.k for measure in wanted)
        self._pairs = scans * search.queries.count * search.base.count

    def progress(self, wanted: bool | Report) -> Progress:
        """What shows how much of all scans is done."""
        self._bar = Progress(wanted, self._pairs)
        return self._bar

    def blocks(self) -> Iterator[tuple[slice, TieGroups]]:
        """The tie groups of some queries at a time, as far as the measures need them."""
        if self._listed:
            for part in self._lists(self._listed):
                if not self._counting:
                    yield part
        if self._counting:
            yield from self._counted()

    def pooled(self, measure: Measure) -> TieGroups:
        """The tie groups of all pairs, or of the first k rows of all queries, as one ranking."""
        if measure.k is None:
            return self._all_pairs()
        empty = np.empty((0, 1)), np.empty((0, 1), bool), np.empty((0, 1), bool)
        joined = (np.concatenate(parts) for parts in zip(*(self._candidates or [empty])))
        distances, hits, real = (part[:, : measure.k] for part in joined)
        return pooled_entries(distances[real], hits[real], self._ties)

    def _lists(self, k: int) -> Iterator[tuple[slice, TieGroups]]:
        """From the k nearest rows of each query, and one more, which says whether a tie goes on."""
        search, n, m = self._search, self._search.queries.count, self._search.base.count
        step = max(1, MOST_ENTRIES // (k + 1))
        for first in range(0, n, step):
            last = min(first + step, n)
            part = search if last - first == n else one_way(search).of(np.arange(first, last))
            distances, indices = scan(
                part.queries,
                part.base,
                k + 1,
                metric=search.metric,
                allowed=part.allowed,
                threads=search.threads,
                progress=self._bar.part((last - first) * m) or False,
            )
            for begin in range(first, last, max(1, AT_ONCE // (k + 1))):
                rows = slice(begin, min(begin + max(1, AT_ONCE // (k + 1)), last))
                near, found = distances[begin - first : rows.stop - first], indices[begin - first : rows.stop - first]
                hits, real = self.relevance.hits(begin, found), found >= 0
                if self._pooled:
                    within = slice(min(self._pooled, k))
                    self._candidates.append((near[:, within].copy(), hits[:, within].copy(), real[:, within].copy()))
                if self._ties == "stable":
                    yield rows, groups_of_lists(None, hits[:, :k], real[:, :k])
                else:
                    yield rows, self._completed(begin, near, groups_of_lists(near, hits, real), real)

    def _completed(self, first: int, near: Distances, groups: TieGroups, real: Bools) -> TieGroups:
        """The groups, with those that the end of a list cuts, and which begin before it, counted to their ends."""
        if near.shape[1] < 2:
            return groups
        cut = np.flatnonzero(real[:, -1] & (near[:, -1] == near[:, -2]))
        if len(cut) == 0:
            return groups
        search = one_way(self._search).of(first + cut)
        ends: Distances = near[cut, -1]
        places = Places(0, np.arange(len(cut) + 1), ends, np.full(len(cut), AT_LAST))
        within = count_before(search, places, None)
        lists = self.relevance.lists(first, first + len(near)).of(cut)
        rows, cols = lists.pairs()
        at_end = listed_distances(search.queries, search.base, rows, cols, metric=search.metric, threads=search.threads)
        p = np.bincount(rows[at_end == ends[rows]], minlength=len(cut))
        begin = (near[cut] < ends[:, None]).sum(axis=1)
        # The last group of such a list anew: it may have had no relevant row so far.
        is_cut = np.zeros(len(near), bool)
        is_cut[cut] = True
        start_of = np.zeros(len(near))
        start_of[cut] = begin
        kept = ~(is_cut[groups.row] & (groups.a >= start_of[groups.row]))
        some = p > 0
        row = np.concatenate([groups.row[kept], cut[some]])
        order = np.argsort(row, kind="stable")
        n, q, a = (
            np.concatenate([old[kept], new[some]])[order]
            for old, new in ((groups.n, within - begin), (groups.p, p), (groups.a, begin))
        )
        return tie_groups(groups.rankings, row[order], n, q, a)

    def _counted(self) -> Iterator[tuple[slice, TieGroups]]:
        """From how many rows come before each relevant one, or before the first of them alone."""
        search = one_way(self._search)
        ends = np.concatenate([[0], np.cumsum(self.relevance.totals)])
        for first, last in parts_of(ends, MOST_PLACES // 2):
            lists = self.relevance.lists(first, last)
            rows, cols = lists.pairs()
            distances = listed_distances(
                search.queries, search.base, rows + first, cols, metric=search.metric, threads=search.threads
            )
            report = self._bar.part((last - first) * search.base.count)
            order = np.lexsort((cols, distances, rows))
            near = Places(first, lists.start, distances[order], cols[order])
            yield slice(first, last), self._ranked(search, rows, near, report)

    def _ranked(self, search: PairSearch, rows: Ints, near: Places, report: Report | None) -> TieGroups:
        """The groups of queries from their relevant rows, nearest first, and the rows before each."""
        count, distances = len(near.start) - 1, near.distances
        new = np.ones(len(rows), bool)  # of a place, or of a group
        if self._ties == "stable":
            first_of = np.diff(rows, prepend=-1) > 0
        else:
            new[1:] = (np.diff(rows) > 0) | (distances[1:] != distances[:-1])
            first_of = np.diff(rows[new], prepend=-1) > 0
        begin = np.flatnonzero(new)
        p = np.diff(np.append(begin, len(rows)))
        if self._first_alone:
            begin, p = begin[first_of], p[first_of]
        row, start = rows[begin], np.searchsorted(rows[begin], np.arange(count + 1))
        if self._ties == "stable":
            a = count_before(search, Places(near.first, start, distances[begin], near.indices[begin]), report)
            return tie_groups(count, row, p, p, a)
        indices = np.tile([AT_FIRST, AT_LAST], len(begin))
        counts = count_before(search, Places(near.first, 2 * start, np.repeat(distances[begin], 2), indices), report)
        return tie_groups(count, row, counts[1::2] - counts[::2], p, counts[::2])

    def _all_pairs(self) -> TieGroups:
        """One ranking of all pairs, counted between the distances of the relevant ones."""
        search = one_way(self._search)
        every = search.allowed.core(search.allowed.nearer_than)
        parts = [np.empty(0, np.float32)]
        for first, last in parts_of(np.concatenate([[0], np.cumsum(self.relevance.totals)]), MOST_PLACES):
            rows, cols = self.relevance.lists(first, last).pairs()
            near = listed_distances(
                search.queries, search.base, rows + first, cols, metric=search.metric, threads=search.threads
            )
            parts.append(near.astype(np.float32))
        values, p = np.unique(np.concatenate(parts), return_counts=True)
        if len(values) == 0:
            return tie_groups(1, np.empty(0, np.intp), *(np.empty(0, np.int64),) * 3)
        with np.errstate(over="ignore", under="ignore"):
            above = np.nextafter(values, np.float32(np.inf))
        edges = np.concatenate([np.array([-np.inf], np.float32), np.stack([values, above], axis=1).ravel()])
        counts = np.zeros(len(edges) - 1, np.uint64)
        for q_block in query_blocks(search.queries, search.base):
            for b_block in blocks_beside(q_block, search.queries, search.base):
                counts += _core.distance_histogram(
                    queries=q_block,
                    base=b_block,
                    thresholds=edges,
                    query_groups=None,
                    base_groups=None,
                    metric=FLOAT_METRICS.get(search.metric),
                    filter=every,
                    threads=search.threads,
                    progress=self._bar.part(len(q_block.rows) * len(b_block.rows)),
                )
        within = np.cumsum(counts.astype(np.int64))
        return tie_groups(1, np.zeros(len(values), np.intp), within[1::2] - within[::2], p, within[::2])
