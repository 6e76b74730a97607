"""How well reviewers agree beyond chance: Fleiss' kappa."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hardmine import _arrays
from hardmine._arrays import ArrayLike


class Agreement(NamedTuple):
    """What reviewers agree on, over the items that all of them voted on.

    Attributes
    ----------
    items, left_out : int
        Items with a vote of every reviewer, and those with votes of some only, which are not counted.
    reviewers : int
    observed : float
        The share of pairs of reviewers who agree, the mean over items; NaN without items.
    kappa : float
        `fleiss_kappa` of their votes ("same", "different" and "unsure" are the categories).
    """

    items: int
    left_out: int
    reviewers: int
    observed: float
    kappa: float


def fleiss_kappa(counts: ArrayLike) -> float:
    """Measure the agreement of several raters beyond chance.

    Parameters
    ----------
    counts : array of shape (items, categories), integers
        How many raters put each item into each category; the same number of raters, at least 2, for every item.

    Returns
    -------
    float
        (P - P_e) / (1 - P_e), with P the mean over items of the share of pairs of raters who agree, and P_e the sum of the
        squares of the categories' shares of all votes. 1: they always agree; 0: as often as by chance. NaN where every vote
        is of one category, or there is no item: chance alone would agree always.

    Raises
    ------
    TypeError, ValueError
        For counts of another kind or shape, below 0, or of different sums.

    Notes
    -----
    O(items x categories) time.

    References
    ----------
    .. [1] Fleiss, "Measuring nominal scale agreement among many raters", Psychological Bulletin 76(5), 1971.

    Examples
    --------
    >>> import hardmine
    >>> round(hardmine.fleiss_kappa([[3, 0], [0, 3], [2, 1], [3, 0]]), 4)
    0.625
    """
    given = _arrays.to_numpy("counts", counts)
    if given.ndim != 2:
        raise ValueError(f"counts: expected an array of shape (items, categories), got shape {given.shape}")
    if given.dtype.kind not in "iu":
        raise TypeError(f"counts: expected integers, got {given.dtype}")
    if (given < 0).any():
        raise ValueError(f"counts: expected numbers of at least 0, got {given.min()}")
    if len(given) == 0:
        return float("nan")
    table = given.astype(np.float64)
    raters = table.sum(axis=1)
    different = np.flatnonzero(raters != raters[0])
    if len(different):
        row = different[0]
        raise ValueError(
            f"counts: expected {raters[0]:.0f} votes for each item, as for the first, got {raters[row]:.0f} in row {row}"
        )
    n = raters[0]
    if n < 2:
        raise ValueError(f"counts: expected at least 2 votes for each item, got {n:.0f}")
    agreeing = (np.square(table).sum(axis=1) - n) / (n * (n - 1))
    shares = table.sum(axis=0) / (len(table) * n)
    by_chance = np.square(shares).sum()
    if by_chance == 1.0:
        return float("nan")
    return float((agreeing.mean() - by_chance) / (1.0 - by_chance))
