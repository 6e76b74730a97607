"""Oracles of what looks at all pairs at once: within a radius, the nearest of all, counted by distance.

Each takes the matrix of canonical distances (`reference.rounded`, `reference.bit_distances`) and which pairs may be kept. Of
an array with itself an unordered pair counts once, as (row, col) with row < col, where it is allowed both ways.
"""

import itertools

import numpy as np

import reference


def matrix(queries, base, metric):
    """The canonical distances, float32, or int32 of rows of booleans for "hamming"; a part of the queries at a time."""
    base = queries if base is None else base
    if len(queries) == 0 or len(base) == 0:
        return np.zeros((len(queries), len(base)), np.int32 if metric == "hamming" else np.float32)
    if metric == "hamming":
        return reference.bit_distances(queries, base)
    step = max(1, (1 << 21) // base.size)
    return np.concatenate([reference.rounded(queries[i : i + step], base, metric) for i in range(0, len(queries), step)])


def allowed(where, distances, self_join=False, query_rows=None):
    """The (query, base row) pairs that a `hardmine.Filter` allows, but for its `max_per_group`; its lists are lists."""
    n, m = distances.shape
    keep = np.ones((n, m), bool)
    if query_rows is not None:
        keep &= np.asarray(query_rows)[:, None] != np.arange(m)
    if where is None:
        return keep
    if where.query_groups is not None:
        base_groups = where.query_groups if where.base_groups is None and self_join else where.base_groups
        same = np.asarray(where.query_groups)[:, None] == np.asarray(base_groups)[None, :]
        keep &= same if where.groups == "same" else ~same
    if where.exclude is not None:
        for i, listed in enumerate(where.exclude):
            keep[i, np.asarray(listed, np.int64)] = False
    if where.base_mask is not None:
        keep &= np.asarray(where.base_mask)[None, :]
    if where.nearer_than is not None:
        keep &= distances < np.broadcast_to(np.asarray(where.nearer_than, np.float64), n)[:, None]
    if where.farther_than is not None:
        keep &= distances > np.broadcast_to(np.asarray(where.farther_than, np.float64), n)[:, None]
    return keep


def counted(keep, self_join):
    """The pairs that count: of an array with itself those above the diagonal that are allowed both ways."""
    return np.triu(keep & keep.T, 1) if self_join else keep.copy()


def radius_neighbors(distances, radius, keep, self_join=False, base_groups=None, max_per_group=None):
    """(rows, cols, distances) of the pairs at a radius or nearer, by (row, distance, col)."""
    within = distances <= np.broadcast_to(np.asarray(radius, np.float64), len(distances))[:, None]
    rows, cols = np.nonzero(counted(keep & within, self_join))
    order = np.lexsort((cols, distances[rows, cols], rows))
    rows, cols = rows[order], cols[order]
    if max_per_group is not None:
        kept = first_of_each(rows, np.asarray(base_groups)[cols], max_per_group)
        rows, cols = rows[kept], cols[kept]
    return rows, cols, distances[rows, cols]


def first_of_each(rows, groups, cap):
    """Which of a list of pairs are among the first `cap` of their row and group."""
    taken, kept = {}, np.zeros(len(rows), bool)
    for place, of in enumerate(zip(rows.tolist(), groups.tolist())):
        taken[of] = taken.get(of, 0) + 1
        kept[place] = taken[of] <= cap
    return kept


def capped(distances, keep, base_groups, max_per_group):
    """The pairs of `keep` that a cap per group leaves: of each query the nearest of each group."""
    if max_per_group is None:
        return keep
    rows, cols, _ = radius_neighbors(distances, np.inf, keep, False, base_groups, max_per_group)
    left = np.zeros(keep.shape, bool)
    left[rows, cols] = True
    return left


def closest_pairs(distances, n_pairs, keep, self_join=False):
    """(rows, cols, distances) of the n nearest pairs, by (distance, row, col)."""
    pairs = counted(keep, self_join)
    values = distances[pairs]
    if n_pairs < len(values):  # only so many need sorting
        pairs &= distances <= np.partition(values, n_pairs)[n_pairs]
    rows, cols = np.nonzero(pairs)
    order = np.lexsort((cols, rows, distances[rows, cols]))[:n_pairs]
    rows, cols = rows[order], cols[order]
    return rows, cols, distances[rows, cols]


def distance_histogram(distances, edges, keep, self_join=False, groups=None):
    """Counts of pairs in [e0, e1), ..., [e_last-1, e_last]; with a group of each row of both sides also split into two."""
    pairs = counted(keep, self_join)
    edges = np.asarray(edges, np.float64)
    if groups is not None:
        same = np.asarray(groups[0])[:, None] == np.asarray(groups[1])[None, :]
        return np.stack([distance_histogram(distances, edges, np.where(pairs, kind, False)) for kind in (same, ~same)])
    values = distances[pairs].astype(np.float64)
    counts = [np.count_nonzero((values >= low) & (values < high)) for low, high in itertools.pairwise(edges)]
    counts[-1] += np.count_nonzero(values == edges[-1])
    return np.array(counts, np.uint64)


def assert_pairs(found, expected):
    """Numbers of rows and the bits of the distances are equal."""
    for name, array, known in zip(("rows", "cols", "distances"), found, expected):
        array = np.asarray(array)
        assert array.dtype == (expected[2].dtype if name == "distances" else np.int64), name
        np.testing.assert_array_equal(array, known, err_msg=name)
    assert len(found) == len(expected[0])
