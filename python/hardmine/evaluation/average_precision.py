"""Average precision of rankings with ties, from how many rows lie at each distance: closed forms, no sort, no random order.

Codes of 64 bits have 65 distances, so most of a ranking is ties, and how a sort happens to leave them can move a reported mAP
by points. A ranking is seen here as buckets, nearest first: n rows of which p are relevant, after a rows of which A are
relevant; the top R end inside a bucket or between two. Every order of the rows within a bucket is equally likely.

A row at position t adds the precision there, (relevant rows up to t) / t, if it is relevant. In a bucket of which s rows are
seen (all n, or those before the top R end), position a + 1 + j holds a relevant row with probability p / n, and then
A + 1 + j g relevant rows up to there are expected, g = (p - 1) / (n - 1). With L = H(a + s) - H(a), H harmonic numbers,

    sum over j < s of (p / n) (A + 1 + j g) / (a + 1 + j) = (p / n) [(A + 1) L + g (s - (a + 1) L)].

That is all where AP is divided by a number known beforehand. Divided by the relevant rows seen it is a ratio of two random
numbers in the bucket that R cuts, and `_cut_bucket` sums over their number.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Order: TypeAlias = Literal["expected", "optimistic", "pessimistic"]
Normalize: TypeAlias = Literal["retrieved", "min", "all"]
Counts: TypeAlias = NDArray[np.integer] | NDArray[np.bool_]
Reals: TypeAlias = NDArray[np.float64]

CELLS = 1 << 17  # numbers of a temporary array, of which some ten fit in a cache
FROM_SERIES = 32  # harmonic numbers up to here are summed, those from here on a series
STEPS = np.arange(1, FROM_SERIES + 1)
SMALL = np.zeros((FROM_SERIES + 1, FROM_SERIES + 1))  # H(b) - H(a)
SMALL[:, 1:] = np.cumsum(np.where(np.arange(FROM_SERIES + 1)[:, None] < STEPS, 1 / STEPS, 0), axis=1)
TAIL = 40.0  # exp(-TAIL) of a distribution may be left out of a sum: less than the rounding of the rest


def average_precision(
    counts: Counts,
    relevant: Counts,
    top: int,
    total: NDArray[np.int64] | None = None,
    *,
    ties: Order = "expected",
    normalize: Normalize = "retrieved",
) -> tuple[Reals, Reals]:
    """Compute AP at `top` of each ranking, and the probability that it has a denominator.

    Parameters
    ----------
    counts, relevant : arrays of shape (n, buckets), integers
        Rows in each bucket, nearest first, and those of them that are relevant. Buckets that begin after `top` are not read.
    top : int
        The R of AP@R.
    total : array of shape (n,), int64, optional
        Relevant rows in all; needed unless `normalize` is "retrieved".
    ties : {"expected", "optimistic", "pessimistic"}
        The mean over all orders within each bucket, or relevant rows first, or last.
    normalize : {"retrieved", "min", "all"}
        Divide by the relevant rows within the top R, by min(R, total), or by the total. AP is 0 where that is 0.

    Returns
    -------
    ap, defined : arrays of shape (n,), float64
        `defined` is the probability that the denominator is not 0: 0 or 1 but for expected ties divided by "retrieved".

    Notes
    -----
    O(buckets) time a ranking, and for expected ties divided by "retrieved" O(sqrt(rows seen of the cut bucket)) more at most;
    memory above inputs and outputs is some 10 MiB. Errors are some 1e-15, whatever the numbers of rows.

    Examples
    --------
    >>> import numpy as np
    >>> average_precision(np.array([[1, 2]]), np.array([[0, 1]]), 2)  # a miss, then a hit or a miss
    (array([0.25]), array([0.5]))
    """
    ap, defined = np.zeros(len(counts)), np.zeros(len(counts))
    for rows in _parts(counts):
        row, n, p, a, before = _buckets(counts[rows], relevant[rows], top)
        s = np.minimum(n, top - a)
        sums, seen = precision_sums(n, p, s, a, before, ties)
        size = len(counts[rows])
        if normalize != "retrieved":
            assert total is not None
            most = total[rows].astype(np.float64)
            divisor = np.minimum(most, top) if normalize == "min" else most
        else:
            divisor = sum_by(row, seen, size)
        defined[rows] = divisor > 0
        ap[rows] = sum_by(row, sums, size) / np.where(divisor > 0, divisor, 1)
        if ties == "expected" and normalize == "retrieved":
            cut = s < n  # at most one bucket of each ranking
            whole = sum_by(row[~cut], sums[~cut], size)
            at = row[cut] + rows.start
            ap[at], defined[at] = _cut_bucket(n[cut], p[cut], s[cut], a[cut], before[cut], whole[row[cut]])
    return ap, defined


def relevant_within(counts: Counts, relevant: Counts, top: int, *, ties: Order = "expected") -> Reals:
    """Count the relevant rows within `top` of each ranking.

    Parameters
    ----------
    counts, relevant, top, ties
        See `average_precision`.

    Returns
    -------
    array of shape (n,), float64
        Their expected, largest or smallest number over the orders within the bucket that `top` cuts.

    Examples
    --------
    >>> import numpy as np
    >>> counts, relevant = np.array([[1, 2]]), np.array([[0, 1]])
    >>> [relevant_within(counts, relevant, 2, ties=t).item() for t in ("expected", "optimistic", "pessimistic")]
    [0.5, 1.0, 0.0]
    """
    within = np.zeros(len(counts))
    for rows in _parts(counts):
        row, n, p, a, _ = _buckets(counts[rows], relevant[rows], top)
        within[rows] = sum_by(row, relevant_seen(n, p, np.minimum(n, top - a), ties), len(within[rows]))
    return within


def _parts(counts: Counts) -> list[slice]:
    """Rankings a few at a time, so that temporary arrays stay in cache."""
    step = max(1, CELLS // max(1, counts.shape[1]))
    return [slice(first, min(first + step, len(counts))) for first in range(0, len(counts), step)]


def _buckets(counts: Counts, relevant: Counts, top: int) -> tuple[NDArray[np.intp], Reals, Reals, Reals, Reals]:
    """The buckets that count: (ranking, n, p, a, A) of those that hold a relevant row and begin within the top."""
    start = np.cumsum(counts, axis=1, dtype=np.int64)
    start -= counts
    before = np.cumsum(relevant, axis=1, dtype=np.int64)
    before -= relevant
    row, bucket = np.nonzero((relevant != 0) & (start < top))
    n, p, a, known = (numbers[row, bucket].astype(np.float64) for numbers in (counts, relevant, start, before))
    return row, n, p, a, known


def sum_by(row: NDArray[np.intp], values: Reals, size: int) -> Reals:
    """The sum of the values of each ranking."""
    return np.asarray(np.bincount(row, values, size), np.float64)


def relevant_seen(n: Reals, p: Reals, s: Reals, ties: Order) -> Reals:
    """Relevant rows among the first s of a bucket."""
    if ties == "expected":
        return p * s / n
    return np.minimum(p, s) if ties == "optimistic" else np.maximum(0, s - (n - p))


def precision_sums(n: Reals, p: Reals, s: Reals, a: Reals, before: Reals, ties: Order) -> tuple[Reals, Reals]:
    """The precisions that each bucket adds, and its relevant rows seen."""
    if (n == 1).all():  # no ties: every bucket is a relevant row
        return s * (before + 1) / (a + 1), s
    seen = relevant_seen(n, p, s, ties)
    sums: Reals = s * (before + 1) / (a + 1)
    tied = np.flatnonzero(n > 1)
    sums[tied] = _of_ties(ties, *(x[tied] for x in (n, p, s, a, before, seen)))
    return sums, seen


def _of_ties(ties: Order, n: Reals, p: Reals, s: Reals, a: Reals, before: Reals, seen: Reals) -> Reals:
    if ties == "expected":
        length = _harmonic(a, a + s)
        grows = (p - 1) / (n - 1)
        mixed: Reals = p / n * ((before + 1) * length + grows * (s - (a + 1) * length))
        return mixed
    # Relevant rows one after the other behind `first` rows: the i-th has precision (A + i) / (first + i).
    first = a if ties == "optimistic" else a + np.minimum(n - p, s)
    return seen + (before - first) * _harmonic(first, first + seen)


def _harmonic(a: Reals, b: Reals) -> Reals:
    """H(b) - H(a) for a <= b, to the last digits of the difference, however small; no table as long as a ranking.

    H(n) = log n + gamma + 1 / 2n - 1 / 12n^2 + 1 / 120n^4 - 1 / 252n^6 + 1 / 240n^8 - ..., less than 1e-17 off from n = 32 on.
    """
    last = FROM_SERIES
    small = SMALL[np.minimum(a, last).astype(np.intp), np.minimum(b, last).astype(np.intp)]
    a, b = np.maximum(a, last), np.maximum(b, last)
    tail_a, tail_b = (x * (1 / 12 - x * (1 / 120 - x * (1 / 252 - x / 240))) for x in (1 / (a * a), 1 / (b * b)))
    step = (b - a) / a
    result: Reals = small + (np.log1p(step) - step / (2 * b) + (tail_a - tail_b))
    return result


def _cut_bucket(n: Reals, p: Reals, s: Reals, a: Reals, before: Reals, whole: Reals) -> tuple[Reals, Reals]:
    """AP, and the probability of a relevant row, where a bucket is cut: s < n rows seen, AP divided by relevant rows seen.

    If r of the s rows are relevant, the formula above with n = s and p = r gives AP = (S + c1 r + c2 r (r - 1)) / (A + r),
    where S is the sum of the whole buckets, c1 = (A + 1) L / s and c2 = (s - (a + 1) L) / (s (s - 1)); AP is 0 for A + r = 0.
    The number r is hypergeometric: s rows drawn of n, p of them relevant.

    Only r within t of the mean are summed. r is no more spread than a sum of s independent draws with probability p / n
    (Hoeffding 1963, theorem 4: no convex function has a larger mean). It is as far from its mean as the irrelevant rows seen
    are from theirs, and the relevant rows not seen; and s and p may change places. So Bernstein's bound,
    P(|r - mean| >= t) <= 2 exp(-t^2 / 2(v + t / 3)), holds with the least of four variances, v = x y (n - max(x, y)) / n^2,
    x = min(s, n - s), y = min(p, n - p). For t = 40 / 3 + sqrt((40 / 3)^2 + 80 v) it is 2 exp(-40) = 8.5e-18, and AP lies in
    [0, 1]. The mode, where the sum begins, is within 1 of the mean; there are min(x, y) + 1 possible r.
    """
    length = _harmonic(a, a + s)
    linear = (before + 1) * length / s
    square = (s - (a + 1) * length) / (s * np.maximum(s - 1, 1))
    x, y = np.minimum(s, n - s), np.minimum(p, n - p)
    variance = x / n * y * (1 - np.maximum(x, y) / n)
    reach = np.minimum(1 + TAIL / 3 + np.sqrt((TAIL / 3) ** 2 + 2 * TAIL * variance), np.minimum(x, y))
    ap, defined = np.empty(len(n)), np.empty(len(n))
    widest = np.argsort(-reach, kind="stable")
    first = 0
    while first < len(n):
        width = int(np.ceil(reach[widest[first]]))
        at = widest[first : first + max(1, CELLS // (width + 1))]
        ap[at], defined[at] = _mixture(width, *(x[at] for x in (n, p, s, before, whole, linear, square)))
        first += len(at)
    return ap, defined


def _mixture(
    width: int, n: Reals, p: Reals, s: Reals, before: Reals, whole: Reals, linear: Reals, square: Reals
) -> tuple[Reals, Reals]:
    """The mean of AP over r up to `width` from its mode, and the probability of A + r > 0.

    The weights come from their ratios, w(r + 1) / w(r) = (p - r) (s - r) / ((r + 1) (n - p - s + r + 1)), multiplied up from
    the mode in both directions: no factorials, whose logarithms would lose the digits that weights need. A ratio is 0 where
    the possible r end, and so are all products beyond.
    """

    def ap_if(r: Reals) -> Reals:
        value: Reals = (whole + r * (linear + square * (r - 1))) / np.maximum(before + r, 1)
        return value

    rest = n - p - s
    mode = np.clip(np.floor((s + 1) * (p + 1) / (n + 2)), np.maximum(0, -rest), np.minimum(p, s))
    steps = np.arange(width, dtype=np.float64)[:, None]  # a row for each step: products run along whole rows
    r = mode + steps
    above = np.cumprod((p - r) * (s - r) / ((r + 1) * (rest + r + 1)), axis=0)
    ap = ap_if(mode) + (above * ap_if(r + 1)).sum(axis=0)
    r = mode - steps
    below = np.cumprod(r * (rest + r) / ((p - r + 1) * (s - r + 1)), axis=0)
    ap += (below * ap_if(r - 1)).sum(axis=0)
    some = (before + mode > 0) + above.sum(axis=0) + (below * (before + r > 1)).sum(axis=0)
    weight = 1 + above.sum(axis=0) + below.sum(axis=0)
    return ap / weight, some / weight
