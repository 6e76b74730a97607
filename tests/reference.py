"""The oracle: slow, obvious NumPy in float64. Everything the library returns is compared with it.

Canonical distances are defined down to the order of summation (eight lanes, then pairwise), and so they are here: results
must be equal, not close.
"""

import numpy as np

METRICS = ("sqeuclidean", "euclidean", "cosine", "inner_product")


def lane_sum(terms):
    """Sum the last axis over eight lanes, one after the other, then ((0+1)+(2+3))+((4+5)+(6+7))."""
    d = terms.shape[-1]
    padded = np.zeros(terms.shape[:-1] + (-(-d // 8) * 8,))
    padded[..., :d] = terms
    lanes = np.zeros(terms.shape[:-1] + (8,))
    for k in range(0, padded.shape[-1], 8):
        lanes = lanes + padded[..., k : k + 8]
    s = np.moveaxis(lanes, -1, 0)
    return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]))


def distances(queries, base, metric):
    """The canonical distances in float64, (n, m)."""
    q = np.asarray(queries, np.float32).astype(np.float64)[:, None, :]
    b = np.asarray(base, np.float32).astype(np.float64)[None, :, :]
    if metric == "inner_product":
        return 0 - lane_sum(q * b)
    if metric == "sqeuclidean":
        return lane_sum((q - b) ** 2)
    if metric == "euclidean":
        return np.sqrt(lane_sum((q - b) ** 2))
    q_norm, b_norm = np.sqrt(lane_sum(q * q)), np.sqrt(lane_sum(b * b))
    with np.errstate(divide="ignore", invalid="ignore"):
        result = 0.5 * lane_sum((q * (1 / q_norm)[..., None] - b * (1 / b_norm)[..., None]) ** 2)
    return np.where((q_norm == 0) | (b_norm == 0), 1.0, result)


def rounded(queries, base, metric):
    """The canonical distances as the library returns them, float32."""
    with np.errstate(over="ignore"):
        return distances(queries, base, metric).astype(np.float32)


def topk(queries, base, k, metric="sqeuclidean", allowed=None, base_groups=None, max_per_group=None):
    """(distances, indices) by sorting every row by (distance, index); `allowed` is an (n, m) bool matrix."""
    matrix = rounded(queries, queries if base is None else base, metric)
    return _select(matrix, base is None, k, np.inf, allowed, base_groups, max_per_group)


def bit_distances(queries, base):
    """The number of bits that differ, (n, m) int32, from rows of booleans."""
    return np.stack([(row != base).sum(axis=1, dtype=np.int32) for row in queries])


def topk_bits(queries, base, k, allowed=None, base_groups=None, max_per_group=None):
    """The same for rows of booleans and the Hamming distance."""
    matrix = bit_distances(queries, queries if base is None else base)
    return _select(matrix, base is None, k, 2**31 - 1, allowed, base_groups, max_per_group)


def _select(matrix, self_join, k, no_distance, allowed, base_groups, max_per_group):
    n, m = matrix.shape
    allowed = np.ones((n, m), bool) if allowed is None else allowed.copy()
    if self_join:
        np.fill_diagonal(allowed, False)
    best = np.full((n, k), no_distance, matrix.dtype)
    indices = np.full((n, k), -1, np.int64)
    for i in range(n):
        taken = {}
        found = 0
        for j in np.lexsort((np.arange(m), matrix[i])):
            if not allowed[i, j] or found == k:
                continue
            if max_per_group is not None:
                if taken.get(base_groups[j], 0) == max_per_group:
                    continue
                taken[base_groups[j]] = taken.get(base_groups[j], 0) + 1
            best[i, found], indices[i, found] = matrix[i, j], j
            found += 1
    return best, indices


def assert_same(found, expected):
    """Indices and the bits of the distances are equal."""
    found_distances, found_indices = (np.asarray(array) for array in found)
    assert found_distances.dtype == expected[0].dtype and found_indices.dtype == np.int64
    assert found_distances.shape == found_indices.shape == expected[1].shape
    np.testing.assert_array_equal(found_indices, expected[1])
    np.testing.assert_array_equal(found_distances, expected[0])
