"""Complete linkage of one component, from its pairs alone, the nearest first.

Pairs stand for their ranks, which are all different; so are then the ranks of the farthest pairs of any two clusters, and
only one hierarchy has each merge at the least of them: whatever finds it finds the same.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

import numpy as np

from hardmine._arrays import Ints

DENSE = 8  # a component with more than one in so many of all possible pairs is given to SciPy as a matrix,
LEAST_PAIRS = 4096  # if it has so many: below, the heap is as fast


def merge_complete(rows: Ints, cols: Ints, n: int) -> Ints:
    """A number for each of n rows, equal for those of one cluster, of pairs in the order of their distances."""
    possible = n * (n - 1) // 2
    if len(rows) >= LEAST_PAIRS and DENSE * len(rows) >= possible:
        return by_matrix(rows, cols, n)
    return by_heap(rows, cols, n)


def by_matrix(rows: Ints, cols: Ints, n: int) -> Ints:
    """O(n^2) time and memory: 8 bytes for each possible pair, twice."""
    from scipy.cluster.hierarchy import fcluster, linkage

    never = len(rows)  # the rank of pairs that are none
    ranks = np.full(n * (n - 1) // 2, float(never))
    ranks[rows * n - rows * (rows + 1) // 2 + cols - rows - 1] = np.arange(len(rows))
    found: Ints = fcluster(linkage(ranks, "complete"), never - 0.5, "distance").astype(np.int64)
    return found


def by_heap(rows: Ints, cols: Ints, n: int) -> Ints:
    """O(p log p) for p pairs; the memory is theirs.

    `links` has, of each cluster, the clusters all of whose rows are pairs of its own, with the rank of the farthest one: a
    merge keeps those that both had, and two clusters that once were apart stay so.
    """
    links: list[dict[int, int]] = [{} for _ in range(n)]
    heap = []
    for rank, (a, b) in enumerate(zip(rows.tolist(), cols.tolist())):
        links[a][b] = links[b][a] = rank
        heap.append((rank, a, b))
    heapify(heap)
    into = np.arange(n)
    while heap:
        rank, a, b = heappop(heap)
        if links[a].get(b) != rank:  # one of them is gone, or farther by now
            continue
        gone, left = links[b], links[a]
        links[b] = {}
        into[b] = a
        del gone[a], left[b]
        for c, rank in gone.items():
            del links[c][b]
            if c in left and rank > left[c]:
                left[c] = links[c][a] = rank
                heappush(heap, (rank, a, c))
        for c in [c for c in left if c not in gone]:
            del left[c], links[c][a]
    while not np.array_equal(into, into[into]):
        into = into[into]
    return into
