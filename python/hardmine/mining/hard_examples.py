"""Hard examples by their loss: rank, select, train on what was selected.

Object detectors compute the loss of thousands of boxes of an image and learn from the few that matter: online hard example
mining keeps those of the largest loss, SSD keeps every positive and a few times as many negatives. Both are a rank within a
segment (an image, or everything) and a number of places, and both are here one sort of all segments at once.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardmine import _arguments, _arrays, _labels
from hardmine._arrays import ArrayLike, BoolArray, Ints


def select_hard_examples(
    losses: ArrayLike,
    *,
    positive_mask: ArrayLike | None = None,
    neg_pos_ratio: float = 3.0,
    k: int | None = None,
    top_fraction: float | None = None,
    min_kept: int = 0,
    segments: ArrayLike | None = None,
) -> BoolArray:
    """Select the examples of the largest loss in each segment, or all positives and the negatives of the largest loss.

    Exactly one of three rules: `k` or `top_fraction` (OHEM [1]_), or `positive_mask` with `neg_pos_ratio` (SSD [2]_).

    Parameters
    ----------
    losses : array of shape (n,) or (images, n), any float dtype
        One loss an example. Each row of a 2-D array is a segment of its own; a 1-D array is one, unless `segments` says else.
        Infinity is the hardest.
    positive_mask : array of the shape of `losses`, bool, optional
        Which examples are positive: all of them are selected, whatever their loss. Excludes `k` and `top_fraction`.
    neg_pos_ratio : float
        With `positive_mask`, and read only then: negatives for each positive of the segment, rounded down in all.
    k : int, optional
        Examples of each segment.
    top_fraction : float, optional
        Their share of each segment, from 0 to 1, rounded down.
    min_kept : int
        Examples (with `positive_mask`: negatives) of each segment at the least, where it has as many. SSD selects nothing of
        an image without positives; this is how to learn from one.
    segments : array of shape (n,), integers or strings, optional
        The segment of each example of 1-D `losses`, in any order. Any integer is an ordinary segment (see `Filter`).

    Returns
    -------
    array of the shape of `losses`, bool
        True where selected; a tensor if `losses` is one.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        For an argument of the wrong kind or value: NaN among the losses, several rules or none.

    Notes
    -----
    At equal loss the lower index is selected, and every count is exact: a segment of n examples yields
    ``min(n, max(k, min_kept))`` of them, never more because of ties. Numbers count as they are written: 0.29 of 100 examples
    are 29, although the nearest float is below 0.29. O(n log n) time for the ranked examples, of which SSD's positives are
    none; some 60 bytes for each.

    The code published with SSD ranks all boxes, the losses of positives set to 0, and keeps
    ``min(3 * positives, boxes - 1)`` of them beside the positives: the same set, unless negatives of loss 0 compete with those
    zeros. The suppression of overlapping boxes that precedes selection in OHEM needs boxes and is not done here.

    References
    ----------
    .. [1] Shrivastava, Gupta and Girshick, "Training region-based object detectors with online hard example mining", 2016.
    .. [2] Liu et al., "SSD: single shot multibox detector", 2016, section 2.2.

    Examples
    --------
    >>> import numpy as np
    >>> from hardmine import select_hard_examples
    >>> losses = np.array([[0.1, 0.9, 0.5, 0.9], [0.4, 0.3, 0.2, 0.1]])
    >>> select_hard_examples(losses, k=2).astype(int).tolist()
    [[0, 1, 0, 1], [1, 1, 0, 0]]
    >>> positive = np.array([[True, False, False, False], [False, False, False, False]])
    >>> select_hard_examples(losses, positive_mask=positive, neg_pos_ratio=2).astype(int).tolist()
    [[1, 1, 0, 1], [0, 0, 0, 0]]
    """
    values = _check_losses(losses)
    positive = None if positive_mask is None else _check_mask(positive_mask, values.shape)
    _check_rule(positive is not None, k, top_fraction)
    places = None if k is None else min(_arguments.positive("k", k), 2**63 - 1)
    share = None if top_fraction is None else _exact("top_fraction", top_fraction, most=1)
    ratio = _exact("neg_pos_ratio", neg_pos_ratio)
    least = min(_arguments.whole("min_kept", min_kept), 2**63 - 1)
    segment, count = _check_segments(segments, values)

    losses_1d = values.reshape(-1)
    ranked = np.arange(losses_1d.size) if positive is None else np.flatnonzero(~positive.reshape(-1))
    if places is not None:
        wanted = np.full(count, places)
    elif share is not None:
        wanted = _times(share, np.bincount(segment, minlength=count))
    else:
        chosen = np.ones(losses_1d.size, bool)
        chosen[ranked] = False
        wanted = _times(ratio, np.bincount(segment[chosen], minlength=count))
    selected = np.ones(losses_1d.size, bool)
    selected[ranked] = _hardest(losses_1d[ranked], segment[ranked], np.maximum(wanted, least))
    return _arrays.like(selected.reshape(values.shape), _arrays.device_of(losses))


def _hardest(losses: NDArray[Any], segment: Ints, wanted: Ints) -> NDArray[np.bool_]:
    """Which losses are among the `wanted` largest of their segment, the lower index first among equal ones."""
    if losses.dtype.itemsize > 4:
        chosen: NDArray[np.bool_] = _places(segment, np.lexsort((-losses, segment))) < wanted[segment]
        return chosen
    # A segment and a float32 are one integer, and integers sort several times as fast alone as with their places beside them:
    # so the last one selected of each segment is found first, and the places only of those that are equal to it.
    bits = (0 - losses.astype(np.float32)).view(np.int32)  # 0 - x and not -x, which would tell zeros apart
    keys = segment << 32 | np.where(bits < 0, bits ^ np.int32(2**31 - 1), bits).astype(np.int64) + 2**31
    sizes = np.bincount(segment, minlength=len(wanted))
    wanted = np.minimum(wanted, sizes)
    last = np.append(np.sort(keys), -1)[np.where(wanted > 0, np.cumsum(sizes) - sizes + wanted - 1, len(keys))]
    chosen = keys < last[segment]
    equal = np.flatnonzero(keys == last[segment])
    left = wanted - np.bincount(segment[chosen], minlength=len(wanted))
    chosen[equal] = _places(segment[equal], np.argsort(segment[equal], kind="stable")) < left[segment[equal]]
    return chosen


def _places(segment: Ints, order: Ints) -> Ints:
    """The place of each item in its segment, of an order by segment."""
    sizes = np.bincount(segment)
    places = np.empty(len(segment), np.int64)
    places[order] = np.arange(len(segment)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return places


def _times(factor: Fraction, numbers: Ints) -> Ints:
    """Multiply and round down without an error; what exceeds every count is as good as the largest int64."""
    different, where = np.unique(numbers, return_inverse=True)
    products = [min(math.floor(factor * n), 2**63 - 1) for n in different.tolist()]
    return np.array(products, np.int64)[where.reshape(-1)]


def _check_losses(losses: ArrayLike) -> NDArray[Any]:
    values = _arrays.to_numpy("losses", losses)
    if values.dtype.kind != "f":
        raise TypeError(f"losses: expected floating-point numbers, got {values.dtype}")
    if values.ndim not in (1, 2):
        raise ValueError(f"losses: expected an array of shape (n,) or (images, n), got shape {values.shape}")
    bad = np.argwhere(np.isnan(values))
    if len(bad):
        raise ValueError(f"losses: expected numbers, got NaN at {tuple(bad[0].tolist())}")
    return values


def _check_mask(positive_mask: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    mask = _arrays.to_numpy("positive_mask", positive_mask)
    if mask.dtype != np.bool_:
        raise TypeError(f"positive_mask: expected bool, got {mask.dtype}")
    if mask.shape != shape:
        raise ValueError(f"positive_mask: expected the shape of losses, {shape}, got {mask.shape}")
    return mask


def _check_rule(masked: bool, k: int | None, top_fraction: float | None) -> None:
    if k is not None and top_fraction is not None:
        raise ValueError("top_fraction: expected None beside k, got both")
    for name, given in (("k", k), ("top_fraction", top_fraction)):
        if masked and given is not None:
            raise ValueError(f"{name}: expected None beside positive_mask, whose rule is neg_pos_ratio, got {given}")
    if not masked and k is None and top_fraction is None:
        raise ValueError("k: expected k, top_fraction or positive_mask, got none of them")


def _exact(name: str, value: Any, most: int | None = None) -> Fraction:
    """The number as it is written in decimal: the shortest one that names the float."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name}: expected a number, got {type(value).__name__}")
    if not (math.isfinite(value) and value >= 0 and (most is None or value <= most)):
        raise ValueError(f"{name}: expected {'at least 0' if most is None else f'0 to {most}'} and finite, got {value}")
    return Fraction(str(value))


def _check_segments(segments: ArrayLike | None, values: NDArray[Any]) -> tuple[Ints, int]:
    """The segment of each example as a number below their count."""
    if segments is None:
        count = len(values) if values.ndim == 2 else 1
        return np.repeat(np.arange(count), values.size // max(count, 1)), count
    if values.ndim != 1:
        raise ValueError(f"segments: expected None beside losses of shape {values.shape}, whose rows are segments")
    names, segment = np.unique(_labels.labels("segments", segments, len(values), "losses"), return_inverse=True)
    return segment.reshape(-1).astype(np.int64), len(names)
