"""Near-duplicate detection judged as the classification of pairs: an exact ROC over all of them, in one pass."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardmine import _arguments, _arrays
from hardmine._arithmetic import in_standard_arithmetic
from hardmine._arrays import ArrayLike, FloatRows
from hardmine.duplicates.labelled_pairs import (
    Negatives,
    check_clusters,
    check_negatives,
    check_pairs,
    clusters_of_pairs,
    draw_others,
    histogram,
    in_words,
    pairs_of_clusters,
)
from hardmine.duplicates.roc import PairROC, within
from hardmine.duplicates.split import sample_non_duplicate_split
from hardmine.jobs.folder import opened
from hardmine.search.distance_histogram import check_edges, counted
from hardmine.search.distances import listed_distances
from hardmine.search.filter import CoreFilter
from hardmine.search.metric import Metric
from hardmine.search.pairs import Pairs, check_search
from hardmine.search.topk import scan_kept


@in_standard_arithmetic
def pair_roc(
    x: ArrayLike,
    positives: ArrayLike | tuple[ArrayLike, ArrayLike] | Pairs | None = None,
    *,
    groups: ArrayLike | None = None,
    negatives: Negatives = "all",
    metric: Metric = "cosine",
    thresholds: ArrayLike | None = None,
    seed: int = 0,
    bits: int | None = None,
    threads: int | None = None,
    progress: bool | Callable[[int, int], object] = False,
    checkpoint: str | Path | None = None,
) -> PairROC:
    """How well a distance tells positive pairs from negative ones: the exact ROC curve over the pairs of an array.

    Every unordered pair of rows is positive (a near-duplicate) or negative, as in [1]_; a threshold calls those positive whose
    canonical distance is at most that.

    Parameters
    ----------
    x : array of shape (n, d), any float dtype, or packed codes
        See `topk`.
    positives : array of shape (p, 2), (rows, cols) or Pairs, optional
        The positive pairs, in any order; one that comes twice counts once. They need not be transitive.
    groups : array of shape (n,), integers or strings, optional
        Instead of `positives`: the cluster of each row, all of whose pairs are positive. Negative integers mean a row without
        near-duplicates, here as in `sample_non_duplicate_split` and the labels of `near_duplicates`.
    negatives : "all", ("hard", n_queries, n_base, k) or ("random", n)
        The negative pairs. "all": every pair that is not positive, counted while it is looked at and never stored. "hard": of
        n_queries random rows and n_base others without a match between them (`sample_non_duplicate_split`) the k nearest base
        rows of each query, hn1 for k = 1 and hn2 for k = 5 [1]_: rates are then of these n_queries * k pairs, the hardest of
        n_queries * n_base. "random": so many, drawn without replacement from all that are not positive; no rate below 1 / n
        can be told.
    metric : {"cosine", "inner_product", "sqeuclidean", "euclidean", "hamming"}
        See `topk`.
    thresholds : array of numbers, optional
        More distances at which pairs are counted, for `PairROC.false_alarms_at`.
    seed : int
        Of the draw of "hard" and "random".
    bits, threads, progress, checkpoint : optional
        See `topk`. "random" has no search, and keeps nothing.

    Returns
    -------
    PairROC

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As `radius_neighbors`; also unless one of `positives` and `groups` is given, if no pair is positive, or none negative.

    Notes
    -----
    The distances of all positives, sorted, are edges between which `distance_histogram` counts all pairs, and those at an edge
    apart: rates and area follow from integers, without bins of a width. Time is that of the positive distances, O(p d), and of
    `distance_histogram` with 2 p edges; the farthest positive decides how many pairs must be told apart. Memory above that of
    the search is some 200 bytes for each positive pair, whatever n is. "hard" is a `topk` of the two sets, which are copied as
    float32; "random" takes the distances of n pairs.

    References
    ----------
    .. [1] Morra and Lamberti, "Benchmarking unsupervised near-duplicate image detection", 2019.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> x = np.array([[0.0], [0.1], [5.0], [5.2], [5.3], [9.0]], dtype=np.float32)
    >>> roc = hardmine.pair_roc(x, groups=[0, 0, 1, 1, -1, -1], metric="euclidean")
    >>> roc
    PairROC(2 positive and 13 negative pairs, AUC 0.961538)
    >>> roc.tpr_at_fpr(0.0), roc.fpr_at_tpr(1.0), roc.false_alarms_at(roc.thresholds[-2])
    (0.5, 0.07692307692307693, 1)
    """
    search = check_search(x, None, metric, None, None, bits, threads, ("x", "x"))
    n = search.queries.count
    if (positives is None) == (groups is None):
        raise TypeError("positives: expected positives or groups, got " + ("neither" if groups is None else "both"))
    protocol, seed = check_negatives(negatives, n), _arguments.whole("seed", seed)
    more = _check_thresholds(thresholds, metric)
    labels = None if groups is None else check_clusters(groups, n)
    rows, cols = check_pairs(positives, n) if labels is None else pairs_of_clusters(labels)
    n_pairs, n_pos = n * (n - 1) // 2, len(rows)
    if n_pos == 0:
        raise ValueError(f"{'positives' if labels is None else 'groups'}: expected at least one positive pair, got none")
    if n_pos == n_pairs:
        raise ValueError(f"negatives: expected at least one negative pair, got {n_pos} positive ones of {n_pairs}")
    if protocol.kind == "random" and protocol.numbers[0] > n_pairs - n_pos:
        raise ValueError(f"negatives, n: expected at most {n_pairs - n_pos} negative pairs, got {protocol.numbers[0]}")

    if isinstance(search.queries, FloatRows) and not search.queries.decoded:
        search.queries.check_finite()
    split = None
    if protocol.kind == "hard":
        labels = clusters_of_pairs(rows, cols, n) if labels is None else labels
        n_queries, n_base, _ = protocol.numbers
        split = sample_non_duplicate_split(labels, n_queries, n_base, seed)

    distances = listed_distances(
        search.queries, search.base, rows, cols, metric=metric, threads=search.threads, all_finite=True
    )
    at = np.unique(np.concatenate([distances, more.astype(distances.dtype)]))
    of_positives = histogram(distances, at)
    if protocol.kind == "all":
        edges = _edges(at)
        with opened(checkpoint, "pair_roc") as folder:
            counts = counted(search, check_edges(edges), None, None, progress, folder).astype(np.int64)
        n_neg = n_pairs - n_pos
        of_negatives = np.cumsum(counts)[::2] - of_positives[0], counts[1::2] - of_positives[1]
    else:
        if split is None:
            drawn = draw_others(rows, cols, n, protocol.numbers[0], seed)
            found = listed_distances(search.queries, search.base, *drawn, metric=metric, threads=search.threads)
        else:
            q, b = (search.queries.only(part) for part in split)
            k = protocol.numbers[2]
            given: dict[str, Any] = {"metric": metric, "threads": search.threads, "progress": progress}
            with opened(checkpoint, "pair_roc") as folder:
                found, _ = scan_kept(folder, "neighbors", q, b, k, allowed=CoreFilter(), **given)
        n_neg, of_negatives = found.size, histogram(found.ravel(), at)
    words = in_words(protocol, n, n_pos, n_neg, seed)
    return PairROC.of_counts(at, of_positives, of_negatives, n_pos, n_neg, metric, words)


def _check_thresholds(thresholds: ArrayLike | None, metric: str) -> NDArray[Any]:
    """Such that the same distances are within them, of the distances' kind."""
    if thresholds is None:
        return np.empty(0, np.float32)
    values = np.atleast_1d(_arrays.to_numpy("thresholds", thresholds))
    if values.ndim != 1 or values.dtype.kind not in "fiu":
        raise TypeError(f"thresholds: expected numbers, got {_arrays.outline(values)}")
    if np.isnan(values).any():
        raise ValueError("thresholds: expected numbers, got NaN")
    return within(values.astype(np.float64), metric)


def _edges(at: NDArray[Any]) -> NDArray[np.float64]:
    """Edges with a bin for what is before each distance, and one for what equals it."""
    edges: NDArray[np.float64] = np.repeat(at, 2).astype(np.float64)
    edges[1::2] = np.nextafter(edges[1::2], np.inf)
    edges[-1] = at[-1]  # the last bin has its upper edge, too
    return np.concatenate([[-np.inf], edges])
