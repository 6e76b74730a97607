"""Cases of near-duplicates: clusters with everything that belongs to them, and the ROC curve of all pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import hardmine
from bench.case import Call, Case, Inputs
from bench.data import SEED

COPIES = 0.003  # of all rows: one image, as 1,500 blank ones of 500,000 are
SHARE = 0.05  # of all rows: in clusters of two to five
NOISE = 0.1


@dataclass(frozen=True)
class Planted(Case):
    """Gaussian rows, some of which are others with a little noise."""

    metric: str = "cosine"

    def inputs(self, scale: float) -> Inputs:
        rng, n = np.random.default_rng(SEED), max(400, int(self.n * scale))
        x = rng.standard_normal((n, self.d), dtype=np.float32)
        cluster = np.full(n, -1)
        order, copies = rng.permutation(n), max(2, int(n * COPIES))
        cluster[order[:copies]] = 0
        sizes = rng.integers(2, 6, max(1, int(n * SHARE / 3.5)))
        chosen = order[copies : copies + sizes.sum()]
        cluster[chosen] = np.repeat(np.arange(1, len(sizes) + 1), sizes)
        first = np.repeat(np.cumsum(sizes) - sizes, sizes)
        x[chosen] = x[chosen[first]] + np.float32(NOISE) * rng.standard_normal((len(chosen), self.d), dtype=np.float32)
        x[order[:copies]] = x[order[0]]
        return Inputs(x, None, {"cluster": cluster})


@dataclass(frozen=True)
class Clusters(Planted):
    """`near_duplicates`; `k` is nothing."""

    k: int = 0
    threshold: float = 0.05

    def call(self, inputs: Inputs, threads: int) -> Call:
        def call() -> Any:
            found = hardmine.near_duplicates(inputs.queries, self.threshold, metric=self.metric, threads=threads)
            return found.labels, found.diameters, found.densities, found.open_triangles, found.drop

        return call

    def check(self, inputs: Inputs, found: Any) -> None:
        """Clusters are those that were planted, and cliques."""
        labels, diameters, densities, triangles, drop = found
        cluster = inputs.arguments["cluster"]
        rows = np.flatnonzero(cluster >= 0)
        assert (labels[cluster < 0] == -1).all() and (labels[rows] >= 0).all()
        joint = np.unique(np.stack([cluster[rows], labels[rows]]), axis=1)
        assert joint.shape[1] == len(diameters) == len(np.unique(cluster[rows])) == len(rows) - len(drop)
        assert (diameters <= self.threshold).all() and (densities == 1).all() and not triangles.any()

    def note(self, inputs: Inputs, found: Any) -> str | None:
        sizes = np.bincount(found[0][found[0] >= 0])
        return f"{len(sizes):,} clusters, the largest of {sizes.max():,} rows; {len(found[4]):,} rows to drop"


def search_alone(case: Clusters, inputs: Inputs, threads: int) -> Call:
    """The `radius_neighbors` that `near_duplicates` stands on."""
    return lambda: tuple(hardmine.radius_neighbors(inputs.queries, radius=case.threshold, metric=case.metric, threads=threads))


@dataclass(frozen=True)
class Curve(Planted):
    """`pair_roc` over all pairs; `k` is nothing."""

    k: int = 1

    def call(self, inputs: Inputs, threads: int) -> Call:
        def call() -> Any:
            roc = hardmine.pair_roc(inputs.queries, groups=inputs.arguments["cluster"], metric=self.metric, threads=threads)
            return roc.thresholds, roc.true_positives, roc.false_positives

        return call

    def check(self, inputs: Inputs, found: Any) -> None:
        """Both counts are those of the pairs within each threshold; at the last one every positive is within."""
        thresholds, right, wrong = found
        pairs = hardmine.radius_neighbors(inputs.queries, radius=thresholds[-2], metric=self.metric)
        cluster = inputs.arguments["cluster"]
        same = (cluster[pairs.rows] == cluster[pairs.cols]) & (cluster[pairs.rows] >= 0)
        for counts, kind in ((right, same), (wrong, ~same)):
            within = np.searchsorted(np.sort(pairs.distances[kind]).astype(np.float64), thresholds[:-1], "right")
            np.testing.assert_array_equal(counts[:-1], within)
        n = len(cluster)
        assert right[-2] == right[-1] and right[-1] + wrong[-1] == n * (n - 1) // 2

    def note(self, inputs: Inputs, found: Any) -> str | None:
        return f"{found[1][-1]:,} positive and {found[2][-1]:,} negative pairs"
