"""Rules by which pairs of a batch are chosen: by rank within a row, by thresholds, by rank among all, and by histogram.

Everything here takes distances, smaller is nearer, and bit matrices of candidates; ties go to the lower index. Thresholds
are float64 and compared exactly with float32 distances: they are rounded to the float32 that decides alike.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from hardmine import _arrays, _random
from hardmine._arrays import Floats, Ints
from hardmine.mining.batch.batch import Bools

CELLS = 1 << 21  # of a block of rows that is sorted
BINS = 2 << 40  # stream of random numbers


def by_rank(distances: Floats, candidates: Bools, ranks: tuple[int, int], farthest: bool) -> Bools:
    """The candidates of each row with these ranks, the first of the two included, counted from the farthest or nearest."""
    chosen = np.zeros_like(candidates)
    n, m = candidates.shape
    first, last = min(ranks[0], m), min(ranks[1], m)
    if first == last:
        return chosen
    step = max(1, CELLS // m)
    for top in range(0, n, step):
        rows = slice(top, top + step)
        keys = np.where(candidates[rows], -distances[rows] if farthest else distances[rows], np.float32(np.inf))
        one = last == 1  # the first of several, by argmin as by a stable sort
        cols = np.argmin(keys, axis=1)[:, None] if one else np.argsort(keys, axis=1, kind="stable")[:, first:last]
        np.put_along_axis(chosen[rows], cols, np.take_along_axis(candidates[rows], cols, axis=1), axis=1)
    return chosen


def easy_hard(
    distances: Floats, positive: Bools, negative: Bools, pos_strategy: str, neg_strategy: str
) -> tuple[Bools, Bools]:
    """One positive and one negative of each row (or all of a kind), in the terms of pytorch-metric-learning."""

    def one(candidates: Bools, strategy: str, farthest: bool) -> Bools:
        return candidates if strategy == "all" else by_rank(distances, candidates, (0, 1), farthest)

    if pos_strategy == "semihard":  # the farthest of the positives nearer than the negative
        negative = one(negative, neg_strategy, farthest=neg_strategy == "easy")
        nearer = positive & (distances < _of_chosen(distances, negative))
        return one(nearer, pos_strategy, farthest=True), negative
    positive = one(positive, pos_strategy, farthest=pos_strategy == "hard")
    if neg_strategy == "semihard":  # the nearest of the negatives farther than the positive
        negative = negative & (distances > _of_chosen(distances, positive))
    return positive, one(negative, neg_strategy, farthest=neg_strategy == "easy")


def _of_chosen(distances: Floats, chosen: Bools) -> Floats:
    """The distance of each row's one chosen column, as a column; NaN, which nothing is near or far to, for none."""
    at = np.argmax(chosen, axis=1)[:, None] if chosen.shape[1] else np.zeros((len(chosen), 0), np.int64)
    found = np.where(np.take_along_axis(chosen, at, axis=1), np.take_along_axis(distances, at, axis=1), np.float32(np.nan))
    return np.asarray(found, np.float32)


def within(distances: Floats, candidates: Bools, low: float, high: float) -> Bools:
    """The candidates with low <= distance <= high."""
    return candidates & (distances >= _up(low)) & (distances <= _down(high))


def by_margin(
    distances: Floats, positive: Bools, negative: Bools, pos_margin: float, neg_margin: float
) -> tuple[Bools, Bools]:
    """Positives farther than a margin, negatives nearer than another."""
    return positive & (distances > _down(pos_margin)), negative & (distances < _up(neg_margin))


def by_similarity(distances: Floats, positive: Bools, negative: Bools, epsilon: float) -> tuple[Bools, Bools]:
    """Positives farther than the row's nearest negative less epsilon, negatives nearer than its farthest positive plus it."""
    nearest = np.where(negative, distances, np.float32(np.inf)).min(axis=1, initial=np.inf).astype(np.float64)
    farthest = np.where(positive, distances, np.float32(-np.inf)).max(axis=1, initial=-np.inf).astype(np.float64)
    with np.errstate(invalid="ignore"):  # an infinite epsilon beside no negative or positive: NaN, which nothing passes
        low, high = _arrays.round_down(nearest - epsilon), _arrays.round_up(farthest + epsilon)
    return positive & (distances > low[:, None]), negative & (distances < high[:, None])


def hardest_share(distances: Floats, candidates: Bools, share: float, farthest: bool) -> Ints:
    """The flat indices of the farthest (or nearest) candidates of the whole matrix, a share of them rounded up."""
    flat: Ints = np.flatnonzero(candidates)
    count = math.ceil(share * len(flat))
    if count == 0:
        return flat[:0]
    values = distances.reshape(-1)[flat]
    keys = -values if farthest else values
    last = np.partition(keys, count - 1)[count - 1]
    kept = keys < last
    kept[np.flatnonzero(keys == last)[: count - int(kept.sum())]] = True
    chosen: Ints = flat[kept]
    return chosen


def uniform_by_distance(distances: Floats, candidates: Bools, bins: int, per_bin: int, seed: int, stream: int) -> Ints:
    """The flat indices of `per_bin` candidates drawn, with replacement, from each bin of distance that has any, bin by bin."""
    flat: Ints = np.flatnonzero(candidates)
    if len(flat) == 0:
        return flat
    values = distances.reshape(-1)[flat]
    edges = np.linspace(float(values.min()), float(values.max()), bins + 1)
    places = np.minimum(np.searchsorted(edges, values, side="right") - 1, bins - 1)  # the last bin holds its upper edge
    order = np.argsort(places, kind="stable")
    sizes = np.bincount(places, minlength=bins)
    filled = np.flatnonzero(sizes)
    uniform = _random.uniform(seed, BINS + stream, filled[:, None], np.arange(per_bin))
    drawn = (np.cumsum(sizes) - sizes)[filled][:, None] + (uniform * sizes[filled][:, None]).astype(np.int64)
    chosen: Ints = flat[order[drawn.reshape(-1)]]
    return chosen


def _up(value: float) -> NDArray[np.float32]:
    return _arrays.round_up(np.array([value], np.float64))


def _down(value: float) -> NDArray[np.float32]:
    return _arrays.round_down(np.array([value], np.float64))
