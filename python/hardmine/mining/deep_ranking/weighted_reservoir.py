"""A weighted sample without replacement of a stream, of fixed size: the first to ring of exponential clocks.

An item of weight w rings after Exp(1) / w, which is -log(u^(1/w)), and the first `capacity` to ring stay [1]_. The clock is a
function of the seed and the id alone, so that neither batches nor their order matter. The ring of the first discarded item
tells how likely each of the others was to stay, which is what undoes the selection: divided by it, sums over the sample have
the mean of the same sums over the stream.

.. [1] Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardmine._arrays import FloatRows, Floats, Ints
from hardmine._random import uniform


@dataclass
class WeightedReservoir:
    """The items that stay, in the order in which they rang, and what is known of all that were seen."""

    ids: Ints
    weights: NDArray[np.float64]
    rows: Floats | None  # of the items, if they have any
    seen: int = 0
    total: float = 0.0  # of all weights seen
    first_out: float = math.inf  # when the first discarded item rang

    def add(self, ids: Ints, weights: NDArray[np.float64], *, capacity: int, seed: int, stream: int) -> Ints:
        """Show items; returns who stays: places among those that stayed before and, after them, the new ones."""
        self.seen += len(ids)
        self.total += float(weights.sum())
        ids, weights = np.concatenate([self.ids, ids]), np.concatenate([self.weights, weights])
        wait = -np.log1p(-uniform(seed, stream, ids, 0))
        with np.errstate(over="ignore"):
            rings = np.divide(wait, weights, out=np.full(len(ids), np.inf), where=weights > 0)
        order = np.lexsort((ids, wait, rings))  # items of weight 0 never ring: among them, any is as likely as another
        kept, discarded = order[:capacity], order[capacity:]
        if len(discarded):
            self.first_out = min(self.first_out, float(rings[discarded[0]]))
        self.ids, self.weights = ids[kept], weights[kept]
        return kept

    def keep(self, kept: Ints, rows: FloatRows, part: Ints) -> None:
        """Keep the rows of those who stay: new ones are those numbered by `part`."""
        before = np.empty((0, rows.width), np.float32) if self.rows is None else self.rows
        new = kept >= len(before)
        own = np.empty((len(kept), rows.width), np.float32)
        own[~new], own[new] = before[kept[~new]], rows.at(part[kept[new] - len(before)])
        self.rows = own

    def inclusion(self) -> NDArray[np.float64]:
        """The probability of each item to stay, given the others' clocks; 1 as long as none was discarded."""
        if self.first_out == math.inf:
            return np.ones(len(self.ids))
        return np.maximum(-np.expm1(-self.weights * self.first_out), np.finfo(np.float64).tiny)
