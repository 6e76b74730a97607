"""A call of mining without its rows: the arguments, checked, and what follows from them before and after the scan.

`mine_hard_negatives` asks the searches of one process between the two, `hardmine.dask.mine_hard_negatives` tasks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, get_args

import numpy as np

from hardmine import _arguments, _arrays, _core
from hardmine._arrays import ArrayLike, Floats, Ints
from hardmine._lists import Lists, RowLists
from hardmine.mining import drawing
from hardmine.mining.limits import ScoreLimits, Thresholds, as_given, check_thresholds
from hardmine.mining.mined import MinedNegatives, collect
from hardmine.mining.options import Options, RankBase, check_num_random, check_range, check_wanted
from hardmine.mining.positives import REFERENCES, Positives, Reference, check_lists, check_positives
from hardmine.mining.random_negatives import by_score, draw_random
from hardmine.mining.rescoring import Score, rescore_positives, rescore_window
from hardmine.mining.sides import Sides
from hardmine.mining.stats import count_scan, count_thresholds, count_window
from hardmine.mining.window import Window
from hardmine.search.filter import Filter
from hardmine.search.metric import similarity

Rescore: TypeAlias = Callable[[Ints, Ints], ArrayLike]


@dataclass(frozen=True, eq=False)
class Request:
    """The arguments of a call, checked."""

    base_rows: int
    dimensions: int
    known: Positives
    excluded: RowLists | None
    refused: RowLists | None  # what is excluded, and the listed positives
    thresholds: Thresholds
    options: Options
    query_ids: Ints

    @property
    def in_scan(self) -> bool:
        """Whether limits and caps are applied inside the scan."""
        return self.options.rank_base == "filtered" and not self.options.rescored

    @property
    def limited(self) -> bool:
        """Whether there is any limit on scores."""
        return self.limits(np.full(len(self.query_ids), np.nan, np.float32)).limited

    @property
    def candidates(self) -> int:
        """The rows that the scan returns for each query."""
        return max(1, min(self.options.range_max, self.base_rows))

    def limits(self, positive_scores: Floats) -> ScoreLimits:
        """The limits on scores, for these reference positives."""
        limits = self.thresholds.limits(positive_scores)
        return drawing.narrow(limits, self.options.sampling_strategy, self.options.sampling_params, positive_scores)

    def where(self, farther_than: Floats | None = None, nearer_than: Floats | None = None) -> Filter | None:
        """The filter of the scan; none for raw ranks. `ScoreLimits.distances` gives the limits where they are `in_scan`."""
        if self.options.rank_base == "raw":
            return None
        return Filter(
            query_groups=self.known.query_labels,
            base_groups=self.known.base_labels,
            exclude=self.refused,
            max_per_group=self.options.max_per_label if self.in_scan else None,
            farther_than=farther_than,
            nearer_than=nearer_than,
        )

    def rescored(self, score: Score, indices: Ints, scores: Floats) -> tuple[Ints, Floats]:
        """The reference positives that were found, by the second opinion where there is one."""
        if not self.options.rescored:
            return indices, scores
        return rescore_positives(score, self.known, indices, self.options.positive_reference)

    def negatives(
        self,
        score: Score,
        reference: tuple[Ints, Floats],
        distances: Floats,
        indices: Ints,
        too_near: Ints,
        device: Any = None,
    ) -> MinedNegatives:
        """The result of a scan: its lists, and for each query how many rows had too high a score (see `scan`)."""
        options, known = self.options, self.known
        limits = self.limits(reference[1])
        window = self._window(distances, indices, limits)
        if options.rescored:
            window = rescore_window(score, window)
        passed = limits.passes(window.scores)
        if options.rank_base == "raw":
            dropped = count_window(window, known, self.excluded)
        else:
            dropped = count_scan(known, self.excluded, len(indices))
        if self.in_scan:
            dropped |= limits.by_limit(np.minimum(too_near, _core.most_counted))
        else:
            dropped |= count_thresholds(window, limits, passed)
        taken = window.take(window.draw(passed, reference[1], options))
        if options.num_random:
            drawn = draw_random(score, self.base_rows, taken[0], known, self.refused, limits, options, self.query_ids)
            taken = by_score(taken, drawn)
        return collect(
            window=window,
            taken=taken,
            positive_indices=reference[0],
            positive_scores=reference[1],
            options=options,
            base_rows=self.base_rows,
            positives=None if known.listed is None else RowLists(*(part.copy() for part in known.listed)),
            dropped=dropped,
            device=device,
        )

    def _window(self, distances: Floats, indices: Ints, limits: ScoreLimits) -> Window:
        """The candidates of every query: raw ranks, or what the filters let through."""
        allowed = indices >= 0
        if self.options.rank_base == "raw":
            rows = np.arange(len(indices))[:, None]
            allowed &= ~self.known.same_label(rows, indices)
            if self.refused is not None:
                allowed &= ~self.refused.contains(rows, indices)
        cap, labels = self.options.max_per_label, None
        if cap is not None and self.known.base_labels is not None:
            labels = self.known.base_labels.copy()  # an input may change while the result lives
        return Window(
            indices,
            similarity(distances, self.options.metric),
            allowed,
            dimensions=self.dimensions,
            labels=labels,
            unfiltered=not self.in_scan or (cap is None and not limits.limited),
            final=not self.in_scan or self.options.range_max >= self.base_rows,
            query_ids=self.query_ids.copy(),
        )


def check_request(
    sides: Sides,
    *,
    query_labels: ArrayLike | None,
    base_labels: ArrayLike | None,
    positives: Lists | None,
    num_negatives: int,
    range_min: int,
    range_max: int | None,
    rank_base: RankBase,
    max_score: ArrayLike | float | None,
    min_score: ArrayLike | float | None,
    absolute_margin: float | None,
    relative_margin: float | None,
    positive_reference: Reference,
    exclude: Lists | None,
    max_per_label: int | None,
    sampling_strategy: drawing.Strategy,
    sampling_params: dict[str, float] | None,
    random_ratio: float,
    top_fraction: float | None,
    rescore: Rescore | None,
    seed: int,
    query_ids: ArrayLike | None,
) -> Request:
    """The arguments of `mine_hard_negatives`, of which those of the rows are in `sides`, or raise."""
    metric, n, m = sides.metric, sides.queries.count, sides.base.count
    known = check_positives(positives, query_labels, base_labels, sides)
    excluded = None if exclude is None else check_lists("exclude", exclude, sides)
    values = drawing.check_strategy(sampling_strategy, sampling_params, metric, known.known)
    thresholds = check_thresholds(
        max_score, min_score, absolute_margin, relative_margin, n, known.known, metric if rescore is None else None
    )
    if max_per_label is not None:
        if known.base_labels is None:
            raise ValueError("max_per_label: expected base_labels beside it, got None")
        max_per_label = _arguments.positive("max_per_label", max_per_label)
    _arguments.one_of("rank_base", rank_base, get_args(RankBase))
    _arguments.one_of("positive_reference", positive_reference, REFERENCES)
    wanted = check_wanted(num_negatives, top_fraction, n, m)
    first, last = check_range(range_min, range_max, wanted, sampling_strategy)
    num_random = check_num_random(random_ratio, wanted)
    ids = _numbers_of_queries(sides) if query_ids is None else _check_query_ids(query_ids, n)
    options = Options(
        num_negatives=wanted,
        num_random=num_random,
        metric=metric,
        range_min=first,
        range_max=last,
        rank_base=rank_base,
        **as_given(max_score, min_score, absolute_margin, relative_margin),
        positive_reference=positive_reference,
        max_per_label=max_per_label,
        sampling_strategy=sampling_strategy,
        sampling_params=values,
        seed=_arguments.whole("seed", seed),
        rescored=rescore is not None,
    )
    refused = known.listed if excluded is None else excluded.joined(known.listed)
    return Request(m, sides.queries.width, known, excluded, refused, thresholds, options, ids)


def _numbers_of_queries(sides: Sides) -> Ints:
    """The numbers that draws depend on by default: the queries' rows of the base, beyond it for those that are none."""
    places = np.arange(sides.queries.count)
    return places if sides.own_rows is None else np.where(sides.own_rows < 0, sides.base.count + places, sides.own_rows)


def _check_query_ids(query_ids: ArrayLike, n: int) -> Ints:
    ids = _arrays.integers("query_ids", query_ids)
    if len(ids) != n:
        raise ValueError(f"query_ids: expected {n} numbers, one for each query, got {len(ids)}")
    if np.any(ids < 0):
        raise ValueError(f"query_ids: expected numbers of at least 0, got {ids.min()}")
    return ids
