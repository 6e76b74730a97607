"""The split of the near-duplicate protocol: queries and a base without a match between them."""

from __future__ import annotations

import numpy as np

from hardmine import _arguments, _arrays, _labels
from hardmine._arrays import ArrayLike, Ints


def sample_non_duplicate_split(groups: ArrayLike, n_queries: int, n_base: int, seed: int = 0) -> tuple[Ints, Ints]:
    """Draw random queries and a compact base with no match between them.

    The split of the near-duplicate protocol [1]_: 4,400 queries and 80,000 base rows of 1,000,000 there. Every pair of a query
    and a base row is then a non-duplicate, and ``mine_hard_negatives(x[queries], x[base])`` finds the hardest of them.

    Parameters
    ----------
    groups : array of shape (n,), integers or strings
        The cluster of near-duplicates of each row. Negative integers mean a row without duplicates: here and in `pair_roc`,
        for they are ordinary groups in every other function (see `Filter`).
    n_queries, n_base : int
        Rows to draw.
    seed : int
        The same seed gives the same split.

    Returns
    -------
    queries, base : arrays of shape (n_queries,) and (n_base,), int64
        Ascending row numbers. No row is in both, and no group.

    Raises
    ------
    TypeError, ValueError
        For bad arguments, or if fewer than `n_base` rows have no match among the queries.

    Notes
    -----
    O(n log n) time, O(n) memory. With K queries and M base rows the smallest false-positive rate that the negatives can show
    is 1 / (K M), 2.8e-9 in the protocol.

    References
    ----------
    .. [1] Morra and Lamberti, "Benchmarking unsupervised near-duplicate image detection", 2019.

    Examples
    --------
    >>> import hardmine
    >>> queries, base = hardmine.sample_non_duplicate_split([0, 0, 1, 1, -1, -1], n_queries=1, n_base=3, seed=1)
    >>> len(queries), len(base)
    (1, 3)
    """
    n_queries, n_base = _arguments.positive("n_queries", n_queries), _arguments.positive("n_base", n_base)
    values = _arrays.to_numpy("groups", groups)
    if values.ndim != 1:
        raise ValueError(f"groups: expected one group for each row, got shape {values.shape}")
    (clusters,) = _labels.numbered(_labels.labels("groups", values, len(values), "the collection"))
    n = len(clusters)
    if n_queries + n_base > n:
        raise ValueError(f"n_queries + n_base: expected at most {n} rows, got {n_queries + n_base}")
    order = np.random.default_rng(_arguments.whole("seed", seed)).permutation(n)
    queries, rest = order[:n_queries], order[n_queries:]
    taken = clusters[queries]
    free = rest[~np.isin(clusters[rest], taken[taken >= 0])]
    if len(free) < n_base:
        raise ValueError(f"n_base: expected at most {len(free)} rows, all that match none of the queries, got {n_base}")
    return np.sort(queries), np.sort(free[:n_base])
