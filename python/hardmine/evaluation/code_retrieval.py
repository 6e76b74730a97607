"""How well codes rank: mean average precision, precision at k, precision and recall by Hamming radius.

Two histograms over distance for each query, of all base rows and of the relevant ones, hold all that these numbers depend on:
no matrix of n x m distances, no sort. They say nothing about the order of rows at equal distance, and neither do the codes: by
default a number is the mean over all such orders (`average_precision.py`). Protocols of published code are options.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from hardmine import _arguments, _arrays
from hardmine._arrays import ArrayLike, IntArray, RealArray
from hardmine.evaluation.average_precision import Normalize, Reals, average_precision, relevant_within
from hardmine.evaluation.rankings import Rankings, Ties, order_within

Empty: TypeAlias = Literal["zero", "skip"]


class PrecisionRecall(NamedTuple):
    """Precision and recall of everything within a radius, for radius 0, 1, ... bits."""

    radius: IntArray
    precision: RealArray
    recall: RealArray

    def __repr__(self) -> str:
        return f"PrecisionRecall({', '.join(f'{name}={_arrays.outline(array)}' for name, array in zip(self._fields, self))})"


def mean_average_precision(
    query_codes: ArrayLike,
    base_codes: ArrayLike,
    query_labels: ArrayLike,
    base_labels: ArrayLike,
    *,
    bits: int | None = None,
    top: int | None = None,
    ties: Ties = "expected",
    normalize: Normalize = "retrieved",
    empty: Empty = "zero",
    threads: int | None = None,
) -> float:
    """Compute mAP@R of ranking the base by Hamming distance, whatever the order of ties.

    The AP of a query is the sum of the precision at the rank of each relevant row among the first R, divided as `normalize`
    says. A base row is relevant if it has the query's label, or shares one with it.

    Parameters
    ----------
    query_codes, base_codes : arrays of shape (n, width) and (m, width), uint8
        Packed codes (see `pack`); NumPy, torch (CPU) or anything with DLPack or ``__array__``.
    query_labels, base_labels : arrays of shape (n,) and (m,), or (n, classes) and (m, classes)
        One label a row, integers or strings, any integer an ordinary one (see `Filter`); or a row of bool or 0/1 for several.
        A row without any label has no relevant row.
    bits : int, optional
        Bits that count, by default all: ``8 * width``.
    top : int, optional
        R; by default, and at most, all base rows.
    ties : {"expected", "stable", "optimistic", "pessimistic"}
        Rows at equal distance: the mean over all their orders; the lower index first; relevant rows first; relevant rows last.
    normalize : {"retrieved", "min", "all"}
        AP is divided by the relevant rows among the first R (as the code of HashNet, CSQ and most others does), by min(R, all
        relevant rows), or by all relevant rows.
    empty : {"zero", "skip"}
        A query where that number is 0 counts as 0, or not at all.
    threads : int, optional
        See `topk`.

    Returns
    -------
    float
        NaN if no query counts.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        For an argument of the wrong kind or value.

    Notes
    -----
    O(n m bits) bit operations and O(n bits) for the closed forms; memory above inputs is some 50 MiB and, for labels as 64-bit
    words, up to 32 bytes a row or a bit a class. Stable ties need the R nearest rows themselves: as `topk` with ``k=top``.
    Several labels a row need a histogram of the whole base for "min" and "all", which costs more than the nearest R rows.

    Divided by "retrieved", AP can fall when more is found: AP@3 of [+ - +] is (1 + 2/3) / 2, of [+ - -] it is 1. So relevant
    rows first or last do not bound the other orders then; for "min" and "all" they do. That divisor is random if R cuts off
    rows of equal distance, and the expected value is the mean of the ratio, not a ratio of means. With ``empty="skip"`` a
    query that finds a relevant row in some of the orders counts with their share: the mean is the sum of the APs divided by
    the sum of the shares. The closed forms extend those of McSherry and Najork [1]_; He et al. [2]_ rank codes with them.

    References
    ----------
    .. [1] McSherry and Najork, "Computing information retrieval performance measures efficiently in the presence of tied
       scores", 2008.
    .. [2] He, Cakir, Bargal and Sclaroff, "Hashing as tie-aware learning to rank", 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from hardmine import mean_average_precision
    >>> query = np.zeros((1, 1), np.uint8)
    >>> base = np.array([[0b0000], [0b0001], [0b1000], [0b0111]], np.uint8)  # at distance 0, 1, 1, 3
    >>> for ties in ("expected", "stable", "optimistic", "pessimistic"):
    ...     print(round(mean_average_precision(query, base, ["cat"], ["cat", "dog", "cat", "cat"], ties=ties), 4))
    0.8611
    0.8056
    0.9167
    0.8056
    """
    _arguments.one_of("ties", ties, get_args(Ties))
    _arguments.one_of("normalize", normalize, get_args(Normalize))
    _arguments.one_of("empty", empty, get_args(Empty))
    most = None if top is None else _arguments.positive("top", top)
    rankings = Rankings(query_codes, base_codes, query_labels, base_labels, bits, threads)
    most = rankings.base.count if most is None else min(most, rankings.base.count)
    ap, defined = np.zeros(rankings.queries.count), np.zeros(rankings.queries.count)
    for rows, counts, relevant, total in rankings.blocks(most, ties, totals=normalize != "retrieved"):
        ap[rows], defined[rows] = average_precision(
            counts, relevant, most, total, ties=order_within(ties), normalize=normalize
        )
    return _mean(ap, defined if empty == "skip" else np.ones_like(ap))


def precision_at_k(
    query_codes: ArrayLike,
    base_codes: ArrayLike,
    query_labels: ArrayLike,
    base_labels: ArrayLike,
    k: int,
    *,
    bits: int | None = None,
    ties: Ties = "expected",
    threads: int | None = None,
) -> float:
    """Compute the mean share of relevant rows among the k nearest.

    Parameters
    ----------
    query_codes, base_codes, query_labels, base_labels, bits, ties, threads
        See `mean_average_precision`.
    k : int
        Rows to look at; all base rows if there are fewer.

    Returns
    -------
    float
        NaN without queries.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As `mean_average_precision`.

    Notes
    -----
    Time and memory as `mean_average_precision`.

    Examples
    --------
    >>> import numpy as np
    >>> from hardmine import precision_at_k
    >>> query, base = np.zeros((1, 1), np.uint8), np.array([[0b0000], [0b0001], [0b1000], [0b0111]], np.uint8)
    >>> [precision_at_k(query, base, [7], [7, 5, 7, 7], k=2, ties=ties) for ties in ("expected", "stable")]
    [0.75, 0.5]
    """
    _arguments.one_of("ties", ties, get_args(Ties))
    most = _arguments.positive("k", k)
    rankings = Rankings(query_codes, base_codes, query_labels, base_labels, bits, threads)
    most = min(most, rankings.base.count)
    precision = np.zeros(rankings.queries.count)
    for rows, counts, relevant, _ in rankings.blocks(most, ties):
        precision[rows] = relevant_within(counts, relevant, most, ties=order_within(ties)) / max(most, 1)
    return _mean(precision, np.ones_like(precision))


def precision_recall_curve(
    query_codes: ArrayLike,
    base_codes: ArrayLike,
    query_labels: ArrayLike,
    base_labels: ArrayLike,
    *,
    bits: int | None = None,
    empty: Empty = "zero",
    threads: int | None = None,
) -> PrecisionRecall:
    """Compute mean precision and recall of the rows within each Hamming radius.

    Parameters
    ----------
    query_codes, base_codes, query_labels, base_labels, bits, threads
        See `mean_average_precision`.
    empty : {"zero", "skip"}
        A query without a row within the radius (for precision), or without any relevant row (for recall), counts as 0, or not
        at all.

    Returns
    -------
    PrecisionRecall
        radius int64, precision and recall float64, each of shape (bits + 1,); NaN where no query counts. Tensors if
        `query_codes` is one.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As `mean_average_precision`.

    Notes
    -----
    Rows at equal distance are within a radius or not together: ties do not matter. Time and memory as
    `mean_average_precision`.

    Examples
    --------
    >>> import numpy as np
    >>> from hardmine import precision_recall_curve
    >>> query, base = np.zeros((1, 1), np.uint8), np.array([[0b0000], [0b0001], [0b1000], [0b0111]], np.uint8)
    >>> curve = precision_recall_curve(query, base, [7], [7, 5, 7, 7])
    >>> curve.precision[:4].round(3).tolist(), curve.recall[:4].round(3).tolist()
    ([1.0, 0.667, 0.667, 0.75], [0.333, 0.667, 0.667, 1.0])
    """
    _arguments.one_of("empty", empty, get_args(Empty))
    rankings = Rankings(query_codes, base_codes, query_labels, base_labels, bits, threads)
    sums, counted = np.zeros((2, rankings.bits + 1)), np.zeros((2, rankings.bits + 1))
    for _, counts, relevant, _ in rankings.blocks(rankings.base.count, "expected"):
        found = np.cumsum(relevant, axis=1, dtype=np.int64)
        for i, of in enumerate((np.cumsum(counts, axis=1, dtype=np.int64), found[:, -1:])):
            sums[i] += (found / np.maximum(of, 1)).sum(axis=0)
            counted[i] += (of > 0).sum(axis=0)
    if empty == "zero":
        counted[:] = rankings.queries.count
    means = np.divide(sums, counted, out=np.full_like(sums, np.nan), where=counted > 0)
    radius = np.arange(rankings.bits + 1, dtype=np.int64)
    return PrecisionRecall(*(_arrays.like(column, rankings.queries.torch) for column in (radius, *means)))


def precision_within_radius(
    query_codes: ArrayLike,
    base_codes: ArrayLike,
    query_labels: ArrayLike,
    base_labels: ArrayLike,
    radius: int = 2,
    *,
    bits: int | None = None,
    empty: Empty = "zero",
    threads: int | None = None,
) -> float:
    """Compute the mean share of relevant rows among those within a Hamming radius: P@H<=2 of the hashing literature.

    Parameters
    ----------
    query_codes, base_codes, query_labels, base_labels, bits, threads
        See `mean_average_precision`.
    radius : int
        Largest distance, 0 or more.
    empty : {"zero", "skip"}
        A query without a row within the radius counts as 0 (as published code does), or not at all.

    Returns
    -------
    float
        NaN if no query counts.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As `mean_average_precision`.

    Notes
    -----
    One number of `precision_recall_curve`. Time and memory as `mean_average_precision`.

    Examples
    --------
    >>> import numpy as np
    >>> from hardmine import precision_within_radius
    >>> queries, base = np.array([[0b0000], [0b1111]], np.uint8), np.array([[0b0000], [0b0001], [0b0111]], np.uint8)
    >>> [precision_within_radius(queries, base, [7, 7], [7, 5, 7], radius=0, empty=empty) for empty in ("zero", "skip")]
    [0.5, 1.0]
    """
    largest = _arguments.whole("radius", radius)
    curve = precision_recall_curve(query_codes, base_codes, query_labels, base_labels, bits=bits, empty=empty, threads=threads)
    return float(curve.precision[min(largest, len(curve.precision) - 1)])


def _mean(values: Reals, weights: Reals) -> float:
    """The sum of the values by that of the weights: without any, NaN."""
    return float(values.sum() / weights.sum()) if weights.sum() > 0 else float("nan")
