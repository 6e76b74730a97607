"""Cases of mining negatives for queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import hardmine
from bench.case import Call, Case, Inputs
from bench.data import SEED, around, paired
from bench.exact import assert_nearest, distances, nearest, sampled

DRAW = {"range_min": 10, "max_score": 0.8, "relative_margin": 0.05, "num_negatives": 5, "sampling_strategy": "random"}
THRESHOLDS: dict[str, Any] = {"max_score": 0.6, "relative_margin": 0.3}


def arrays(mined: hardmine.MinedNegatives) -> tuple[Any, ...]:
    """What a scan returned: the negatives, and the window that they were taken from."""
    return mined.indices, mined.scores, mined.window.indices, mined.window.scores


def walk(order: Sequence[int], clusters: Sequence[int], own: int, wanted: int) -> list[int]:
    """The first rows in this order whose cluster is neither the query's own nor taken yet, at most `wanted`."""
    taken, negatives = {own}, []
    for row in order:
        if clusters[row] not in taken:
            taken.add(clusters[row])
            negatives.append(row)
            if len(negatives) == wanted:
                break
    return negatives


@dataclass(frozen=True)
class Mine(Case):
    """`mine_hard_negatives`, with the arguments of its inputs."""

    metric: str = "cosine"

    def call(self, inputs: Inputs, threads: int) -> Call:
        return lambda: arrays(
            hardmine.mine_hard_negatives(inputs.queries, inputs.base, metric=self.metric, threads=threads, **inputs.arguments)
        )


@dataclass(frozen=True)
class EveryFilter(Mine):
    """Questions and passages: a random draw from a range of ranks, below a score and a margin to the positive."""

    def inputs(self, scale: float) -> Inputs:
        queries, base = paired(np.random.default_rng(SEED), self.size(scale)[1], self.d)
        return Inputs(queries, base, {"positives": np.arange(len(queries)), "range_max": self.k, **DRAW})

    def check(self, inputs: Inputs, found: Any) -> None:
        """The negatives lie in the range of ranks among what every filter lets through, and are as many as can be."""
        first = DRAW["range_min"]
        for i in sampled(inputs.queries):
            distance = distances(inputs.queries[i], inputs.against, self.metric)
            score = 1 - distance
            limit = min(DRAW["max_score"], float(score[i]) * (1 - DRAW["relative_margin"]))
            order = np.lexsort((np.arange(len(distance)), distance))
            kept = order[(score[order] <= limit) & (order != i)][: self.k + 1]
            allowed = set(kept[first : self.k + 1].tolist())  # one more: a score may differ in its last bit
            negatives = found[0][i][found[0][i] >= 0].tolist()
            assert len(negatives) == min(DRAW["num_negatives"], max(0, len(kept) - first)), i
            assert set(negatives) <= allowed | {int(kept[first - 1])}, i


@dataclass(frozen=True)
class ManyPositives(Mine):
    """Queries near the center of a tight cluster: all its rows are positives, and nearer than any negative."""

    positives: int = 500  # of each query: the rows of a cluster

    def inputs(self, scale: float) -> Inputs:
        rng = np.random.default_rng(SEED)
        n, clusters = max(1, int(self.n * scale)), max(2, int(self.m * scale) // self.positives)
        centers = rng.standard_normal((clusters, self.d), dtype=np.float32)
        cluster = rng.permutation(np.repeat(np.arange(clusters), self.positives))
        own = rng.integers(0, clusters, n)
        rows = np.argsort(cluster, kind="stable").reshape(clusters, self.positives)
        lists = np.arange(n + 1) * self.positives, rows[own].ravel()
        base, queries = around(rng, centers, cluster, 0.2), around(rng, centers, own, 0.2)
        return Inputs(queries, base, {"positives": lists, "num_negatives": self.k})

    def check(self, inputs: Inputs, found: Any) -> None:
        negatives = found[0]
        assert negatives.shape == (len(inputs.queries), self.k) and (negatives >= 0).all()
        positives = inputs.arguments["positives"][1].reshape(-1, self.positives)
        for i in sampled(inputs.queries):
            distance, allowed = distances(inputs.queries[i], inputs.against, self.metric), np.ones(len(inputs.against), bool)
            allowed[positives[i]] = False
            assert distance[positives[i]].max() < distance[allowed].min()
            assert_nearest(negatives[i], nearest(distance, allowed, self.k), distance)


@dataclass(frozen=True)
class Refilter(Mine):
    """`MinedNegatives.refilter`: other thresholds for what was mined without any."""

    def inputs(self, scale: float) -> Inputs:
        rng, (n, m) = np.random.default_rng(SEED), self.size(scale)
        base = around(rng, np.zeros((m, self.d), np.float32), slice(None), 1.0)
        positives = rng.integers(0, m, n)
        return Inputs(around(rng, base, positives, 0.1), base, {"positives": positives, "num_negatives": 5})

    def mined(self, inputs: Inputs, threads: int | None, **arguments: Any) -> hardmine.MinedNegatives:
        return hardmine.mine_hard_negatives(
            inputs.queries, inputs.base, metric=self.metric, threads=threads, **inputs.arguments, **arguments
        )

    def call(self, inputs: Inputs, threads: int) -> Call:
        mined = self.mined(inputs, threads, range_max=self.k)

        def refilter() -> Any:
            refiltered = mined.refilter(**THRESHOLDS)
            return refiltered.indices, refiltered.scores

        return refilter

    def check(self, inputs: Inputs, found: Any) -> None:
        anew = self.mined(inputs, None, **THRESHOLDS)
        np.testing.assert_array_equal(found[0], anew.indices)
        np.testing.assert_array_equal(found[1], anew.scores)

    def work(self, inputs: Inputs) -> float | None:
        return None


@dataclass(frozen=True)
class Epoch(Mine):
    """The negatives of an epoch of GeM: the nearest of a pool, one of each cluster, none of the query's own."""

    clusters: int = 700

    def inputs(self, scale: float) -> Inputs:
        rng, (n, m) = np.random.default_rng(SEED), self.size(scale)
        clusters = max(2 * self.k, int(self.clusters * scale))
        size = 1 / np.arange(10, 10 + clusters)
        centers = rng.standard_normal((clusters, self.d), dtype=np.float32)
        query_labels, base_labels = (rng.choice(clusters, rows, p=size / size.sum()) for rows in (n, m))
        queries, base = around(rng, centers, query_labels, 1.0), around(rng, centers, base_labels, 1.0)
        arguments = {"query_labels": query_labels, "base_labels": base_labels, "max_per_label": 1, "num_negatives": self.k}
        return Inputs(queries, base, arguments)

    def check(self, inputs: Inputs, found: Any) -> None:
        """A walk from the nearest row on finds the same; rows whose scores differ in their last bits may change places."""
        own, clusters = inputs.arguments["query_labels"], inputs.arguments["base_labels"]
        for i in sampled(inputs.queries):
            distance = distances(inputs.queries[i], inputs.against, self.metric)
            walked = walk(np.argsort(distance, kind="stable").tolist(), clusters, own[i], self.k)
            negatives = found[0][i][found[0][i] >= 0]
            np.testing.assert_allclose(distance[negatives], distance[walked], rtol=0, atol=1e-6)
            assert len({own[i], *clusters[negatives].tolist()}) == 1 + len(negatives), i

    def work(self, inputs: Inputs) -> float | None:
        return None


@dataclass(frozen=True)
class NearDuplicates(Mine):
    """The near-duplicate protocol: a split without matches, hn1 and hn2."""

    collection: int = 100_000
    duplicates: int = 4071
    clusters: int = 1958  # of them

    def inputs(self, scale: float) -> Inputs:
        rng, (n, m) = np.random.default_rng(SEED), self.size(scale)
        rows, duplicates, clusters = (max(2, int(c * scale)) for c in (self.collection, self.duplicates, self.clusters))
        duplicates = max(duplicates, 2 * clusters)
        chosen = rng.choice(rows, duplicates, replace=False)
        cluster = np.full(rows, -1)
        cluster[chosen] = np.concatenate(
            [np.repeat(np.arange(clusters), 2), rng.integers(0, clusters, duplicates - 2 * clusters)]
        )
        x = around(rng, np.zeros((rows, self.d), np.float32), slice(None), 1.0)
        x[chosen] = around(rng, x[chosen], cluster[chosen], 0.01)
        queries, base = hardmine.sample_non_duplicate_split(cluster, n_queries=n, n_base=m, seed=0)
        assert not set(cluster[queries]) & set(cluster[base]) - {-1}
        return Inputs(x[queries], x[base])

    def call(self, inputs: Inputs, threads: int) -> Call:
        def hn1_and_hn2() -> Any:
            mined = [
                hardmine.mine_hard_negatives(inputs.queries, inputs.base, num_negatives=k, metric=self.metric, threads=threads)
                for k in (1, self.k)
            ]
            return arrays(mined[0]) + arrays(mined[1])

        return hn1_and_hn2

    def check(self, inputs: Inputs, found: Any) -> None:
        half = len(found) // 2
        hn1, hn2 = found[0], found[half]
        np.testing.assert_array_equal(hn1, hn2[:, :1])
        everything = np.ones(len(inputs.against), bool)
        for i in sampled(inputs.queries):
            distance = distances(inputs.queries[i], inputs.against, self.metric)
            assert_nearest(hn2[i], nearest(distance, everything, self.k), distance)

    def work(self, inputs: Inputs) -> float | None:
        return 2 * (super().work(inputs) or 0.0)

    def note(self, inputs: Inputs, found: Any) -> str | None:
        n, m = len(inputs.queries), len(inputs.against)
        return (
            f"every pair of {n:,} queries x {m:,} rows without a match is a negative: "
            f"one false positive is a rate of {1 / (n * m):.1e}"
        )
