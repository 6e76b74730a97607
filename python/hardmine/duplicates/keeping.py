"""Which row of a cluster is kept."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hardmine import _arguments, _arrays, _random
from hardmine._arrays import ArrayLike, Ints, Rows
from hardmine.duplicates.inside import members
from hardmine.duplicates.measures import Inside, mean_distances
from hardmine.search.metric import Metric

Rule: TypeAlias = Literal["first", "hard", "easy", "center", "random"]
RULES = ("first", "hard", "easy", "center", "random")
STREAM = 0x6B656570  # of random numbers, as no other draw has it


def check_rule(which_to_keep: Rule | ArrayLike, n: int) -> str | NDArray[Any]:
    """A rule by its name, or a score of each of n rows, or raise."""
    if isinstance(which_to_keep, str):
        _arguments.one_of("which_to_keep", which_to_keep, RULES)
        return which_to_keep
    scores = _arrays.to_numpy("which_to_keep", which_to_keep)
    if scores.dtype.kind not in "fiub":
        raise TypeError(f"which_to_keep: expected one of {', '.join(RULES)}, or a number for each row, got {scores.dtype}")
    if scores.shape != (n,):
        raise ValueError(f"which_to_keep: expected {n} numbers, one for each row, got shape {scores.shape}")
    if scores.dtype.kind == "f" and np.isnan(scores).any():
        raise ValueError("which_to_keep: expected numbers, got NaN")
    return scores


def kept_rows(rule: str | NDArray[Any], x: Rows, inside: Inside, metric: Metric, seed: int, threads: int) -> Ints:
    """The row of each cluster that is kept, (c,): the one of the highest score, of several the first."""
    rows, start = members(inside.labels)
    if not len(rows) or (isinstance(rule, str) and rule == "first"):
        return rows[start[:-1]]
    if not isinstance(rule, str):
        scores = rule[rows]
    elif rule == "random":
        scores = _random.bits(seed, STREAM, rows, 0)
    elif rule == "center":
        scores = np.bincount(np.concatenate([inside.rows, inside.cols]), minlength=len(inside.labels))[rows]
    else:
        scores = mean_distances(x, inside, metric, threads)[rows]
        if rule == "easy":
            scores = -scores
    best = np.maximum.reduceat(scores, start[:-1])
    is_best = np.flatnonzero(scores == np.repeat(best, np.diff(start)))
    return rows[is_best[np.searchsorted(is_best, start[:-1])]]
