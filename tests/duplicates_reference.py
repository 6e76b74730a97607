"""Oracles of near-duplicates: clusters and their numbers from a matrix of distances, by looking at every pair and triple.

`near` is a symmetric matrix of booleans, without the diagonal: which pairs are near-duplicates. Clusters are lists of rows.
"""

import itertools

import numpy as np


def single(near):
    """Rows that a chain joins."""
    left, found = set(range(len(near))), []
    while left:
        cluster = [left.pop()]
        for row in cluster:
            joined = [other for other in left if near[row, other]]
            cluster += joined
            left -= set(joined)
        found.append(sorted(cluster))
    return found


def complete(near, distances):
    """The two clusters are joined whose farthest pair comes first by (distance, row, col), where all their pairs are near."""
    clusters = [[row] for row in range(len(near))]
    while True:
        best = None
        for a, b in itertools.combinations(range(len(clusters)), 2):
            pairs = [(min(i, j), max(i, j)) for i in clusters[a] for j in clusters[b]]
            if all(near[pair] for pair in pairs):
                farthest = max((distances[pair], *pair) for pair in pairs)
                best = min(best, (farthest, a, b)) if best else (farthest, a, b)
        if best is None:
            return [sorted(cluster) for cluster in clusters]
        _, a, b = best
        clusters[a] += clusters.pop(b)


def star(near):
    """The row with the most near ones of all takes those that are left."""
    left, found = set(range(len(near))), []
    for row in sorted(range(len(near)), key=lambda row: (-near[row].sum(), row)):
        if row in left:
            taken = [row] + [other for other in sorted(left) if near[row, other]]
            left -= set(taken)
            found.append(sorted(taken))
    return found


def labels(clusters, n):
    """Clusters of two rows and more, numbered by their first rows."""
    found = np.full(n, -1, np.int64)
    for number, cluster in enumerate(sorted(cluster for cluster in clusters if len(cluster) > 1)):
        found[cluster] = number
    return found


def measures(labels, near, distances):
    """(sizes, diameters, densities, open triangles) of each cluster."""
    found = []
    for cluster in range(labels.max(initial=-1) + 1):
        rows = np.flatnonzero(labels == cluster).tolist()
        pairs = list(itertools.combinations(rows, 2))
        triangles = sum(
            int(near[a, b]) + int(near[b, c]) + int(near[a, c]) == 2 for a, b, c in itertools.combinations(rows, 3)
        )
        linked = sum(near[pair] for pair in pairs)
        found.append((len(rows), max(distances[pair] for pair in pairs), linked / len(pairs), triangles))
    sizes, diameters, densities, triangles = zip(*found) if found else ((), (), (), ())
    return (
        np.array(sizes, np.int64),
        np.array(diameters, distances.dtype),
        np.array(densities, np.float64),
        np.array(triangles, np.int64),
    )


def kept(labels, near, distances, rule):
    """The row of each cluster by "first", "hard", "easy", "center" or an array of scores; ties to the first."""
    found = []
    for cluster in range(labels.max(initial=-1) + 1):
        rows = np.flatnonzero(labels == cluster)
        inside = distances[np.ix_(rows, rows)].astype(np.float64)
        np.fill_diagonal(inside, 0)
        if not isinstance(rule, str):
            score = np.asarray(rule)[rows]
        else:
            score = {
                "first": -rows,
                "hard": inside.sum(axis=1),
                "easy": -inside.sum(axis=1),
                "center": near[np.ix_(rows, rows)].sum(axis=1),
            }[rule]
        found.append(rows[np.argmax(score)])
    return np.array(found, np.int64)


def labelled_pairs(distances, positive):
    """(distances, whether positive) of all pairs i < j; `positive` is a symmetric matrix of booleans."""
    rows, cols = np.triu_indices(len(distances), 1)
    return distances[rows, cols], positive[rows, cols]
