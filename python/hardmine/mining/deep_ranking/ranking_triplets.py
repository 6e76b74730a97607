"""How well a metric orders triplets: the two numbers of Deep Ranking, from canonical distances.

A triplet (query, positive, negative) says which of two images is more like the query. Whether a metric agrees is one
comparison of canonical distances, so neither number depends on threads, chunks or the machine; and whether an image is among
the k nearest of its query is one comparison with the k-th, so that no list of neighbours is searched.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardmine import _arguments, _arrays, _labels
from hardmine._arguments import check_threads
from hardmine._arrays import ArrayLike, CodeRows, FloatRows, Ints, Rows
from hardmine.search.distances import listed_distances
from hardmine.search.filter import Filter, check_filter
from hardmine.search.metric import METRICS, Metric
from hardmine.search.topk import scan


def similarity_precision(
    embeddings: ArrayLike | Callable[[Ints, Ints], ArrayLike],
    triplets: ArrayLike,
    *,
    metric: Metric = "sqeuclidean",
    bits: int | None = None,
    threads: int | None = None,
) -> float:
    """Compute the share of triplets whose query is nearer to the positive than to the negative.

    Parameters
    ----------
    embeddings : array of shape (n, d), any float dtype, or packed codes; or a callable
        One row an image (see `topk`). A callable receives two int64 arrays, queries and images, and returns the distance of
        each pair, smaller is nearer: for distances that are no metric of this library.
    triplets : array of shape (t, 3), integers, or tuple of three arrays of shape (t,)
        Queries, positives and negatives, as row numbers.
    metric : {"sqeuclidean", "euclidean", "cosine", "inner_product", "hamming"}
        See `topk`; of no use to a callable.
    bits, threads : int, optional
        See `topk`.

    Returns
    -------
    float
        NaN without triplets.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As `pair_distances`; also if the rows of a triplet are not three different ones.

    Notes
    -----
    At equal distance a triplet is not correct: a metric that tells nothing apart scores 0, not a half. Distances are compared
    as the float32 numbers that `pair_distances` returns. O(t d) time. Wang et al. [1]_ define both numbers of this module.

    References
    ----------
    .. [1] Wang et al., "Learning fine-grained image similarity with deep ranking", 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from hardmine import similarity_precision
    >>> x = np.array([[0.0], [1.0], [3.0], [-1.0]], np.float32)
    >>> similarity_precision(x, [(0, 1, 2), (2, 1, 0), (2, 0, 1), (0, 1, 3)])  # the last one is a tie
    0.5
    """
    if callable(embeddings):
        columns = _check_triplets(triplets, None)
        near, far = (_ask(embeddings, columns[0], images) for images in columns[1:])
    else:
        rows = _rows(embeddings, metric, bits)
        columns = _check_triplets(triplets, rows.count)
        near, far = _two_distances(rows, columns, metric, check_threads(threads))
    return float((near < far).mean()) if len(near) else float("nan")


def score_at_top_k(
    embeddings: ArrayLike,
    triplets: ArrayLike,
    k: int = 30,
    *,
    groups: ArrayLike | None = None,
    metric: Metric = "sqeuclidean",
    bits: int | None = None,
    threads: int | None = None,
) -> int:
    """Count the triplets near the top that are ranked correctly, minus those that are not.

    Parameters
    ----------
    embeddings : array of shape (n, d), any float dtype, or packed codes
        One row an image (see `topk`).
    triplets : array of shape (t, 3), integers, or tuple of three arrays of shape (t,)
        See `similarity_precision`.
    k : int
        A triplet counts if its positive or its negative is among the k nearest images of its query.
    groups : array of shape (n,), integers or strings, optional
        Only images of the query's group are ranked, and others are never among the k nearest: the published protocol ranks the
        images of the same text query. Any integer is an ordinary group (see `Filter`). By default all images are ranked; the
        query itself never is.
    metric : {"sqeuclidean", "euclidean", "cosine", "inner_product", "hamming"}
        See `topk`.
    bits, threads : int, optional
        See `topk`.

    Returns
    -------
    int
        From minus to plus the number of triplets that count.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As `topk` and `similarity_precision`.

    Notes
    -----
    At equal distance a triplet is not correct, and counts -1; at the k-th place the lower index is nearer, as in `topk`. One
    `topk` of the different queries, and O(t d) for the triplets.

    Examples
    --------
    >>> import numpy as np
    >>> from hardmine import score_at_top_k
    >>> x = np.array([[0.0], [1.0], [3.0], [7.0]], np.float32)
    >>> [score_at_top_k(x, [(0, 1, 2), (0, 3, 1), (0, 2, 3)], k=k) for k in (1, 2)]  # at k=1 the last one does not count
    [0, 1]
    """
    places = _arguments.positive("k", k)
    rows = _rows(embeddings, metric, bits)
    n = rows.count
    columns = _check_triplets(triplets, n)
    group = None if groups is None else _labels.numbered(_labels.labels("groups", groups, n, "embeddings"))[0]
    n_threads = check_threads(threads)
    near, far = _two_distances(rows, columns, metric, n_threads)
    if len(near) == 0:
        return 0
    different, query = np.unique(columns[0], return_inverse=True)
    limit_of, last_of = np.empty(len(different), near.dtype), np.empty(len(different), np.int64)
    step = max(1, _arrays.BLOCK_BYTES // (rows.item * rows.width))
    for first in range(0, len(different), step):
        own = different[first : first + step]
        where = None if group is None else Filter(query_groups=group[own], base_groups=group, groups="same")
        allowed = check_filter(where, own, len(own), n, self_join=False)
        distances, indices = scan(rows.only(own), rows, min(places, n), metric=metric, allowed=allowed, threads=n_threads)
        limit_of[first : first + step], last_of[first : first + step] = distances[:, -1], indices[:, -1]
    limit, last = limit_of[query.reshape(-1)], last_of[query.reshape(-1)]
    counts = np.zeros(len(near), bool)
    for distances, images in ((near, columns[1]), (far, columns[2])):
        within = (last < 0) | (distances < limit) | ((distances == limit) & (images <= last))
        counts |= within if group is None else within & (group[columns[0]] == group[images])
    correct = near < far
    return int((correct & counts).sum()) - int((~correct & counts).sum())


def _rows(embeddings: ArrayLike, metric: str, bits: int | None) -> Rows:
    """The rows, once they are known to be of the metric's kind."""
    _arguments.one_of("metric", metric, METRICS)
    if metric == "hamming":
        return CodeRows("embeddings", embeddings, bits)
    return FloatRows("embeddings", embeddings)


def _check_triplets(triplets: ArrayLike, limit: int | None) -> tuple[Ints, Ints, Ints]:
    if isinstance(triplets, tuple) and len(triplets) == 3 and all(np.ndim(column) == 1 for column in triplets):
        q, p, n = (_arrays.integers("triplets", column) for column in triplets)
        if not len(q) == len(p) == len(n):
            raise ValueError(f"triplets: expected three arrays of one length, got {len(q)}, {len(p)} and {len(n)}")
    else:
        array = _arrays.to_numpy("triplets", triplets)
        if array.size == 0:
            array = np.empty((0, 3), np.int64)  # an empty list has neither integers nor a shape to be told by
        if array.ndim != 2 or array.shape[1] != 3:
            raise ValueError(f"triplets: expected an array of shape (t, 3) or a tuple of three, got shape {array.shape}")
        q, p, n = (_arrays.integers("triplets", column) for column in array.T)
    for rows in (q, p, n):
        wrong = rows[(rows < 0) | (limit is not None and rows >= limit)]
        if len(wrong):
            most = "" if limit is None else f" to {limit - 1}"
            raise ValueError(f"triplets: expected row numbers from 0{most}, got {wrong[0]}")
    same = np.flatnonzero((q == p) | (q == n) | (p == n))
    if len(same):
        i = same[0]
        raise ValueError(f"triplets: expected three different rows, got ({q[i]}, {p[i]}, {n[i]})")
    return q, p, n


def _two_distances(
    rows: Rows, columns: tuple[Ints, Ints, Ints], metric: Metric, threads: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """The canonical distances of queries to positives and to negatives, in one call."""
    queries, positives, negatives = columns
    both = np.concatenate([queries, queries]), np.concatenate([positives, negatives])
    near, far = np.split(listed_distances(rows, rows, *both, metric=metric, threads=threads, all_finite=True), 2)
    return near, far


def _ask(distance: Callable[[Ints, Ints], ArrayLike], queries: Ints, images: Ints) -> NDArray[Any]:
    found = _arrays.to_numpy("embeddings", distance(queries, images))
    if found.dtype.kind not in "fiu":
        raise TypeError(f"embeddings: expected a callable that returns numbers, got {found.dtype}")
    if found.shape != queries.shape:
        raise ValueError(f"embeddings: expected a callable that returns {len(queries)} distances, got shape {found.shape}")
    if np.isnan(found).any():
        raise ValueError("embeddings: expected a callable that returns numbers, got NaN")
    return found
