"""The options of a call of mining, checked, with defaults filled in."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from hardmine import _arguments, _arrays
from hardmine._arrays import ArrayLike
from hardmine.mining import drawing
from hardmine.mining.positives import Reference
from hardmine.search.metric import Metric
from hardmine.search.neighbors import check_padding

RankBase: TypeAlias = Literal["filtered", "raw"]

DRAWN_FROM = 10  # candidates for each negative that a draw chooses from, unless range_max says otherwise


@dataclass(frozen=True, eq=False)
class Options:
    """The arguments of `mine_hard_negatives` that a result depends on, not its rows: what `MinedNegatives.params` shows."""

    num_negatives: int
    num_random: int  # of them
    metric: Metric
    range_min: int
    range_max: int
    rank_base: RankBase
    max_score: ArrayLike | float | None
    min_score: ArrayLike | float | None
    absolute_margin: float | None
    relative_margin: float | None
    positive_reference: Reference
    max_per_label: int | None
    sampling_strategy: drawing.Strategy
    sampling_params: dict[str, float]
    seed: int
    rescored: bool = False

    @property
    def without_draw(self) -> bool:
        """Whether the nearest of the range are taken, so that chance has no part in it."""
        return self.sampling_strategy in drawing.WITHOUT_DRAW


def check_wanted(num_negatives: Any, top_fraction: Any, n: int, m: int) -> int:
    """The number of negatives of each query, or raise."""
    if top_fraction is None:
        wanted = _arguments.positive("num_negatives", num_negatives)
        check_padding("num_negatives", wanted, n, m)
        return wanted
    fraction = float(_arrays.thresholds("top_fraction", top_fraction, 1)[0])
    if not 0 < fraction <= 1:
        raise ValueError(f"top_fraction: expected a number above 0 and at most 1, got {top_fraction}")
    return max(1, math.ceil(fraction * m))


def check_num_random(random_ratio: Any, wanted: int) -> int:
    """The number of random ones among them, or raise."""
    if not 0 <= _arrays.thresholds("random_ratio", random_ratio, 1)[0] <= 1:
        raise ValueError(f"random_ratio: expected a number from 0 to 1, got {random_ratio}")
    return round(float(random_ratio) * wanted)


def check_range(range_min: Any, range_max: Any, wanted: int, strategy: str) -> tuple[int, int]:
    """The ranks to choose from, or raise."""
    first = _arguments.whole("range_min", range_min)
    if range_max is None:
        return first, first + wanted * (1 if strategy in drawing.WITHOUT_DRAW else DRAWN_FROM)
    last = _arguments.positive("range_max", range_max)
    if last < first + wanted:
        raise ValueError(f"range_max: expected at least range_min + num_negatives = {first + wanted}, got {last}")
    return first, last
