"""Scores of a query made comparable with those of others: less by how alike it is to rows that nothing should match."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hardmine import _arguments, _arrays
from hardmine._arithmetic import in_standard_arithmetic
from hardmine._arrays import ArrayLike, FloatArray, FloatRows, Floats, Rows
from hardmine.search.index import Base, Index
from hardmine.search.topk import topk


@in_standard_arithmetic
def score_normalize(
    queries: ArrayLike,
    base: ArrayLike,
    train: Base,
    *,
    beta: float = 1.0,
    first: int = 0,
    last: int = 2,
    threads: int | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Add a column to queries and base, so that their inner products are normalised scores.

    The normalised score of query q and row r is <q, r> less beta times the mean of <q, t> over q's nearest rows t of a
    training set, from the `first` to the `last` one: a query that is like everything no longer is the first of one list of
    all pairs [1]_.

    Parameters
    ----------
    queries, base : arrays of shape (n, d) and (m, d), any float dtype
        Usually of unit rows.
    train : array of shape (t, d) or Index of inner products
        Rows of other images, none of which a query should match; more than `last`.
    beta : float
        How much is taken off.
    first, last : int
        Ranks from 0 on, both included: by default the nearest three. The same number twice is that neighbour alone.
    threads : int, optional
        See `topk`.

    Returns
    -------
    queries, base : arrays of shape (n, d + 1) and (m, d + 1), float32
        Copies, whose inner products are the normalised scores: search them by ``metric="inner_product"``. The base has a
        column of ones, so that it may be made an `Index` once and queried by other queries. Tensors if `queries` is one.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As `topk`; also if `train` has too few rows.

    Notes
    -----
    One `topk` of the queries among the training rows. Ranks within a query stay as they are, but for rounding: what changes
    is how queries compare, and so "micro_ap", thresholds and `closest_pairs`, not "map".

    References
    ----------
    .. [1] Pizzi, Roy, Ravindra, Goyal and Douze, "A self-supervised descriptor for image copy detection", 2022, section 5.2.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> x = np.eye(3, dtype=np.float32)
    >>> q, b = hardmine.score_normalize(x[:1], x, [[0.6, 0.8, 0.0], [0.5, 0.5, 0.0]], beta=2, last=1)
    >>> np.round((q @ b.T).astype(float), 3).tolist()
    [[-0.1, -1.1, -1.1]]
    """
    first, last = _arguments.whole("first", first), _arguments.whole("last", last)
    if last < first:
        raise ValueError(f"last: expected at least {first}, which is first, got {last}")
    if not isinstance(beta, (int, float)) or not np.isfinite(beta):
        raise ValueError(f"beta: expected a finite number, got {beta!r}")
    q, b = FloatRows("queries", queries), FloatRows("base", base)
    if b.width != q.width:
        raise ValueError(f"base: expected rows of {q.width} numbers like queries, got shape ({b.count}, {b.width})")
    b.check_finite()
    count = len(train) if isinstance(train, Index) else FloatRows("train", train).count
    if count <= last:
        raise ValueError(f"train: expected more than {last} rows, got {count}")
    near = topk(queries, train, k=last + 1, metric="inner_product", threads=threads).scores
    scores = np.asarray(near, np.float64)[:, first : last + 1]
    taken = -beta * scores.mean(axis=1)
    return tuple(  # type: ignore[return-value]
        _arrays.like(_with_column(rows, column), q.torch) for rows, column in ((q, taken), (b, np.ones(b.count)))
    )


def _with_column(rows: Rows, column: NDArray[np.float64]) -> Floats:
    whole = np.empty((rows.count, rows.width + 1), np.float32)
    for at, block, _ in rows.blocks():
        whole[at : at + len(block), :-1] = block
    whole[:, -1] = column
    return whole
