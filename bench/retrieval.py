"""Cases of judging retrieval: metrics of exact rankings, and ranks without them. The rival is `topk` alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import hardmine
from bench.case import Call, Case, Inputs, Rival
from bench.data import SEED
from bench.exact import distances, sampled
from bench.rivals import unfiltered

CLASS = 100  # rows of one


@dataclass(frozen=True)
class Retrieval(Case):
    """`retrieval_metrics` of rows of classes, each in all others: recall@k, MAP@R and micro AP of the k nearest."""

    rivals: tuple[Rival, ...] = (unfiltered,)

    def inputs(self, scale: float) -> Inputs:
        rng, n = np.random.default_rng(SEED), self.size(scale)[0]
        labels = np.arange(n) // CLASS
        centers = rng.standard_normal((labels[-1] + 1, self.d), dtype=np.float32)
        return Inputs(centers[labels] + 2 * rng.standard_normal((n, self.d), dtype=np.float32), None, {"query_labels": labels})

    def call(self, inputs: Inputs, threads: int) -> Call:
        names = ("recall@1", f"recall@{self.k}", "map@r", f"micro_ap@{self.k}")
        return lambda: hardmine.retrieval_metrics(
            inputs.queries, metrics=names, metric=self.metric, threads=threads, **inputs.arguments
        )

    def check(self, inputs: Inputs, found: Any) -> None:
        """The MAP@R of some queries, by a sort of all rows; rows of such data have no ties."""
        labels = inputs.arguments["query_labels"]
        for i in sampled(inputs.queries):
            others = np.arange(len(labels)) != i
            order = np.argsort(distances(inputs.queries[i], inputs.queries, self.metric)[others])
            relevant = (labels == labels[i])[others][order]
            ranks = np.flatnonzero(relevant[: relevant.sum()]) + 1
            expected = (np.arange(1, len(ranks) + 1) / ranks).sum() / max(1, relevant.sum())
            np.testing.assert_allclose(found.per_query["map@r"][i], expected, rtol=1e-9)


@dataclass(frozen=True)
class Ranks(Case):
    """`rank_of` the row that each query is a noisy copy of."""

    noise: float = 3  # ranks of 1 to some hundreds of a million, in 256 dimensions
    rivals: tuple[Rival, ...] = (unfiltered,)

    def inputs(self, scale: float) -> Inputs:
        rng, (n, m) = np.random.default_rng(SEED), self.size(scale)
        base = rng.standard_normal((m, self.d), dtype=np.float32)
        cols = rng.integers(0, m, n)
        queries = base[cols] + np.float32(self.noise) * rng.standard_normal((n, self.d), dtype=np.float32)
        return Inputs(queries, base, {"rows": np.arange(n), "cols": cols})

    def call(self, inputs: Inputs, threads: int) -> Call:
        return lambda: hardmine.rank_of(inputs.queries, inputs.base, metric=self.metric, threads=threads, **inputs.arguments)

    def check(self, inputs: Inputs, found: Any) -> None:
        for i in sampled(inputs.queries):
            exact = distances(inputs.queries[i], inputs.against, self.metric)
            near = exact[inputs.arguments["cols"][i]]
            least, most = np.count_nonzero(exact < near * (1 - 1e-6)), np.count_nonzero(exact < near * (1 + 1e-6))
            assert 1 + least <= found[i] <= 1 + most, i

    def note(self, inputs: Inputs, found: Any) -> str | None:
        return f"ranks: median {np.median(found):g}, largest {found.max():g}"
