"""Cases of mining triplets in a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import hardmine
from bench.case import Call, Case, Inputs
from bench.data import SEED, around
from bench.exact import distances, sampled

ROUNDING = 1e-5  # of distances of unit rows: more than `pairwise` and a float32 sum may err


@dataclass(frozen=True)
class Triplets(Case):
    """`mine_triplets`: all triplets of a type; `k` rows of each class."""

    metric: str = "euclidean"
    strategy: str = "batch_all"
    type_of_triplets: str | None = None
    margin: float = 0.2

    def inputs(self, scale: float) -> Inputs:
        rng, classes = np.random.default_rng(SEED), max(2, int(self.n * scale) // self.k)
        centers = rng.standard_normal((classes, self.d), dtype=np.float32)
        labels = rng.permutation(np.repeat(np.arange(classes), self.k))
        return Inputs(around(rng, centers, labels, 1.5), None, {"labels": labels})

    def call(self, inputs: Inputs, threads: int) -> Call:
        return lambda: hardmine.mine_triplets(
            inputs.queries,
            inputs.arguments["labels"],
            strategy=self.strategy,
            type_of_triplets=self.type_of_triplets,
            margin=self.margin,
            metric=self.metric,
            threads=threads,
        )

    def check(self, inputs: Inputs, found: Any) -> None:
        """Every triplet is valid and listed once; those of some anchors are the ones that their distances demand."""
        labels = inputs.arguments["labels"]
        b = len(labels)
        anchors, positives, negatives = found
        assert (labels[anchors] == labels[positives]).all() and (anchors != positives).all()
        assert (labels[anchors] != labels[negatives]).all()
        assert len(np.unique((anchors * b + positives) * b + negatives)) == len(anchors)
        for i in sampled(labels):
            distance = distances(inputs.queries[i], inputs.queries, self.metric).astype(np.float64)
            positive, negative = labels == labels[i], labels != labels[i]
            positive[i] = False
            listed = np.zeros((b, b), bool)
            listed[positives[anchors == i], negatives[anchors == i]] = True
            self.check_anchor(distance, positive, negative, listed)

    def check_anchor(self, distance: Any, positive: Any, negative: Any, listed: Any) -> None:
        margins = distance[None, :] - distance[:, None]
        valid = positive[:, None] & negative[None, :]
        low = 0.0 if self.type_of_triplets == "semihard" else -np.inf
        certain = (margins > low + ROUNDING) & (margins <= self.margin - ROUNDING)
        possible = (margins > low - ROUNDING) & (margins <= self.margin + ROUNDING)
        assert (listed >= certain & valid).all() and (listed <= possible & valid).all()

    def work(self, inputs: Inputs) -> float | None:
        return None


@dataclass(frozen=True)
class AllTriplets(Triplets):
    """Every triplet there is."""

    margin: float = np.inf

    def check(self, inputs: Inputs, found: Any) -> None:
        super().check(inputs, found)
        labels = inputs.arguments["labels"]
        size = np.bincount(labels)[labels]
        assert len(found[0]) == ((size - 1) * (len(labels) - size)).sum()


@dataclass(frozen=True)
class HardTriplets(Triplets):
    """The farthest positive of each anchor with the nearest negative."""

    strategy: str = "batch_hard"

    def check_anchor(self, distance: Any, positive: Any, negative: Any, listed: Any) -> None:
        farthest, nearest = np.nonzero(listed)
        assert len(farthest) == 1
        assert distance[farthest[0]] >= distance[positive].max() - ROUNDING
        assert distance[nearest[0]] <= distance[negative].min() + ROUNDING
