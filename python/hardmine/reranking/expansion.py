"""Rows moved towards their neighbours before they are searched for, or in, once more."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hardmine import _arguments, _arrays
from hardmine._arithmetic import in_standard_arithmetic
from hardmine._arrays import ArrayLike, FloatArray, Floats, Rows
from hardmine.reranking.weights import Weights, check_neighbors, weights_of
from hardmine.search.neighbors import Neighbors
from hardmine.search.sides import check_rows

CELLS = 1 << 22  # numbers of neighbours read in one go


@in_standard_arithmetic
def alpha_query_expansion(
    queries: ArrayLike, base: ArrayLike | None, neighbors: Neighbors, *, n: int = 10, alpha: float = 3.0
) -> FloatArray:
    """Move each query towards its nearest base rows, the nearer the more: queries for a second search.

    Parameters
    ----------
    queries, base : arrays of shape (q, d) and (m, d), any float dtype
        What was searched; ``base=None`` for the queries themselves.
    neighbors : Neighbors of metric "cosine" or "inner_product"
        What `topk` found. Of cosine, rows count with unit length, else as they are.
    n : int
        The nearest rows that count, at most those that there are; the query itself is not one of them.
    alpha : float
        Weights are scores to this power, negative ones 0; 0 is plain query expansion, where every row has weight 1.

    Returns
    -------
    array of shape (q, d), float32
        q + sum of s_i^alpha x_i over the n nearest, of unit length [1]_ [2]_ (zeros where it has none). A tensor if `queries`
        is one.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As `topk`; also for neighbours without scores, or that are not of these rows.

    Notes
    -----
    O(q n d) time in float64; memory above that of the answer some 80 MiB, or n rows.

    References
    ----------
    .. [1] Chum, Philbin, Sivic, Isard and Zisserman, "Total recall: automatic query expansion with a generative feature model
       for object retrieval", 2007.
    .. [2] Radenović, Tolias and Chum, "Fine-tuning CNN image retrieval with no human annotation", 2018, section 3.4.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> base = np.array([[0.8, 0.6], [0.0, 1.0], [-1.0, 0.0]], dtype=np.float32)
    >>> query = np.array([[1.0, 0.0]], dtype=np.float32)
    >>> found = hardmine.topk(query, base, k=2, metric="cosine")
    >>> moved = hardmine.alpha_query_expansion(query, base, found, n=2, alpha=1)   # 0.8 of (0.8, 0.6) on top
    >>> np.round(moved.astype(float), 3).tolist()
    [[0.96, 0.281]]
    """
    q, b = check_rows(queries, base, "cosine", None)
    weights = _weights(neighbors, q, b, n, alpha)
    return _arrays.like(_expanded(q, b, weights), q.torch)


@in_standard_arithmetic
def database_augmentation(base: ArrayLike, neighbors: Neighbors, *, n: int = 10, alpha: float = 3.0) -> FloatArray:
    """Move each base row towards its nearest others: a base for a second search.

    Parameters
    ----------
    base : array of shape (m, d), any float dtype
        The rows.
    neighbors : Neighbors of metric "cosine" or "inner_product"
        Of the base in itself, ``topk(base, k=n)``: a row is no neighbour of its own, and counts once beside them.
    n, alpha
        See `alpha_query_expansion`.

    Returns
    -------
    array of shape (m, d), float32
        x + sum of s_i^alpha x_i over the n nearest others, of unit length [1]_. A tensor if `base` is one.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As `alpha_query_expansion`.

    Notes
    -----
    Time and memory as `alpha_query_expansion`.

    References
    ----------
    .. [1] Arandjelović and Zisserman, "Three things everyone should know to improve object retrieval", 2012.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> base = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]], dtype=np.float32)
    >>> moved = hardmine.database_augmentation(base, hardmine.topk(base, k=1, metric="cosine"), n=1, alpha=0)
    >>> np.round(moved.astype(float), 3).tolist()
    [[0.949, 0.316], [0.949, 0.316], [0.447, 0.894]]
    """
    rows, _ = check_rows(base, None, "cosine", None)
    weights = _weights(neighbors, rows, rows, n, alpha)
    if (weights.indices == np.arange(rows.count)[:, None]).any():
        raise ValueError("neighbors: expected those of topk(base), whose rows are no neighbours of their own, got an own row")
    return _arrays.like(_expanded(rows, rows, weights), rows.torch)


def _weights(neighbors: Neighbors, q: Rows, b: Rows, n: int, alpha: float) -> Weights:
    n = _arguments.positive("n", n)
    if not isinstance(alpha, (int, float)) or not 0 <= alpha < np.inf:
        raise ValueError(f"alpha: expected a finite number, at least 0, got {alpha!r}")
    return weights_of(check_neighbors("neighbors", neighbors, q.count, b.count), n, alpha)


def _expanded(q: Rows, b: Rows, weights: Weights) -> Floats:
    unit = weights.metric == "cosine"
    moved = np.empty((q.count, q.width), np.float32)
    step = max(1, CELLS // (q.width * (1 + weights.indices.shape[1])))
    for first, block, _ in q.blocks():
        for at in range(0, len(block), step):
            own = block[at : at + step].astype(np.float64)
            rows = slice(first + at, first + at + len(own))
            indices, weight = weights.indices[rows], weights.values[rows]
            listed = np.maximum(indices.ravel(), 0)
            near = b.at(listed) if b.count else np.zeros((len(listed), q.width), np.float32)
            others = near.reshape(*indices.shape, q.width).astype(np.float64)
            if not (np.isfinite(own).all() and np.isfinite(others).all()):
                raise ValueError(f"{q.name}: expected finite numbers, got NaN or infinity among rows {rows.start} on")
            if unit:
                own, others = _unit(own), _unit(others)
            moved[rows] = _unit(own + np.einsum("ij,ijd->id", weight, others))
    return moved


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    norm = np.sqrt((rows * rows).sum(axis=-1, keepdims=True))
    unit: NDArray[np.float64] = rows / np.where(norm > 0, norm, 1)
    return unit
