"""Rows of many kinds, filters of all fields, and every search: what must come to the same, whatever does it."""

import numpy as np

import hardmine
from blocks import topk_in_blocks
from hardmine import Filter


def clusters(rng, n, d):
    return rng.standard_normal((9, d))[rng.integers(0, 9, n)] + 0.01 * rng.standard_normal((n, d))


def by_distance(rng, n, d):
    return rng.standard_normal((n, d)) * np.linspace(0.1, 3, n)[:, None]


def outliers(rng, n, d):
    x = rng.standard_normal((n, d))
    x[rng.random(n) < 0.02] *= 1e15
    return x


KINDS = {
    "ordinary": lambda rng, n, d: rng.standard_normal((n, d)),
    "moved": lambda rng, n, d: rng.standard_normal((n, d)) + 100,
    "scales": lambda rng, n, d: rng.standard_normal((n, d)) * 10.0 ** rng.integers(-18, 16, (n, 1)),
    "ties": lambda rng, n, d: rng.integers(-1, 2, (n, d)),
    "zeros": lambda rng, n, d: rng.standard_normal((n, d)) * rng.integers(0, 2, (n, 1)),
    "equal": lambda rng, n, d: np.ones((n, d)),
    "clusters": clusters,
    "outliers": outliers,
    "by distance": by_distance,
    "backwards": lambda rng, n, d: by_distance(rng, n, d)[::-1],
}


def draw_filter(rng, n, m, limits):
    """Groups, a cap, exclusions, a mask and a window, each at random."""
    given = {}
    if rng.random() < 0.3:
        given |= {"query_groups": rng.integers(0, 9, n), "base_groups": rng.integers(0, 9, m)}
        given["groups"] = str(rng.choice(["different", "same"], p=[0.8, 0.2]))
    elif rng.random() < 0.3:
        given |= {"base_groups": rng.integers(0, max(2, m // 4), m)}
    if set(given) == {"base_groups"} or ("base_groups" in given and rng.random() < 0.5):
        given["max_per_group"] = int(rng.integers(1, 4))
    if rng.random() < 0.3:
        given["exclude"] = [rng.choice(m, min(m, 5), replace=False).tolist() for _ in range(n)]
    if rng.random() < 0.3:
        given["base_mask"] = rng.random(m) < 0.8
    if rng.random() < 0.3:
        given["nearer_than"] = rng.choice(limits, n).astype(np.float64)
    if rng.random() < 0.3:
        given["farther_than"] = rng.choice(limits, n).astype(np.float64)
    return given


def answers(q, b, metric, where, rows, limits, threads, block):
    """What each function finds, as one list of arrays."""
    common = {"metric": metric, "query_rows": rows, "threads": threads}
    capped = ("max_per_group",) if "query_groups" in where else ("max_per_group", "base_groups")
    capless = Filter(**{name: value for name, value in where.items() if name not in capped})
    neighbors = topk_in_blocks(q, b, 7, where=Filter(**where), block=block, **common)
    yield from neighbors
    near = hardmine.radius_neighbors(q, b, float(limits[1]), where=capless, **common)
    yield from (near.rows, near.cols, near.distances)
    closest = hardmine.closest_pairs(q, b, 50, where=Filter(**where), **common)
    yield from (closest.rows, closest.cols, closest.distances)
    yield hardmine.distance_histogram(q, b, np.unique(np.append(limits, [0, np.inf])), where=capless, **common)
    mined = hardmine.mine_hard_negatives(
        q, b, query_labels=np.arange(len(q)) % 5, base_labels=np.arange(len(b)) % 7, absolute_margin=0.1, **common
    )
    yield from (mined.indices, mined.scores, mined.counts)
