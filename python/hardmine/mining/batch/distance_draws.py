"""Triplets drawn by distance: negatives at all distances alike, instead of where the unit sphere has most of them.

Wu et al. draw a negative with a probability inverse to the density of distances on the sphere. In 512 dimensions these
weights span hundreds of powers of ten, more than a float holds. Here they stay logarithms: the largest of ``log w + g``, g
independent Gumbel numbers, is a draw with probabilities in proportion to w. Its numbers belong to a seed, a row, a column
and a draw, so that a row gets the same triplets whatever is mined beside it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hardmine import _random
from hardmine._arrays import Floats
from hardmine._sphere import log_weights
from hardmine.mining.batch.batch import Bools
from hardmine.mining.batch.triplet_spans import Triplets

CELLS = 1 << 19  # of a block of rows
POSITIVES, NEGATIVES = 3 << 40, 4 << 40  # streams of random numbers, one for each draw of negatives
SPREAD = 41.0  # the largest Gumbel number less the smallest, from uniform numbers between 2**-54 and 1 - 2**-53


def draw(
    cosine: Floats,
    positive: Bools,
    negative: Bools,
    width: int,
    cutoff: float,
    nonzero_loss_cutoff: float,
    draws: int | None,
    alone: bool,
    seed: int,
) -> Triplets:
    """Triplets of every row that has a positive and a negative nearer than the far cutoff, sorted; they may repeat."""
    n, m = positive.shape
    found: list[Triplets] = []
    step = max(1, CELLS // max(1, m))
    for first in range(0, n, step):
        rows = np.arange(first, min(first + step, n))
        distances = np.maximum(np.sqrt(2.0 * cosine[rows].astype(np.float64)), cutoff)
        drawable = negative[rows] & (distances < nonzero_loss_cutoff)
        logs = np.full(distances.shape, -np.inf)
        logs[drawable] = log_weights(distances[drawable], width)
        known = positive[rows].sum(axis=1)
        wanted = known + alone if draws is None else np.full(len(rows), draws)
        wanted[(known == 0) | ~drawable.any(axis=1)] = 0
        starts, columns = np.cumsum(known) - known, np.nonzero(positive[rows])[1]
        for t in range(int(wanted.max(initial=0))):
            live = np.flatnonzero(wanted > t)
            uniform = _random.uniform(seed, POSITIVES, rows[live], t)
            positives = columns[starts[live] + (uniform * known[live]).astype(np.int64)]
            found.append((rows[live], positives, _largest(logs[live], rows[live], seed, t)))
    if not found:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64)
    anchors, positives, negatives = (np.concatenate(parts) for parts in zip(*found))
    order = np.lexsort((negatives, positives, anchors))
    return anchors[order], positives[order], negatives[order]


def _largest(logs: NDArray[np.float64], rows: NDArray[np.int64], seed: int, t: int) -> NDArray[np.int64]:
    """The column of the largest key in each row; columns that cannot win get no key."""
    local, columns = np.nonzero(logs >= logs.max(axis=1, keepdims=True) - SPREAD)
    if 4 * len(local) < logs.size:
        keys = np.full(logs.shape, -np.inf)
        keys[local, columns] = logs[local, columns] + _random.gumbel(seed, NEGATIVES + t, rows[local], columns)
    else:
        keys = logs + _random.gumbel(seed, NEGATIVES + t, rows[:, None], np.arange(logs.shape[1]))
    return np.asarray(np.argmax(keys, axis=1), np.int64)
