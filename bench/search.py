"""Cases of searching, of the whole matrix and of judging codes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import hardmine
from bench.case import Call, Case, Inputs, Rival, Rows
from bench.data import SEED, codes, load, multi_hot
from bench.exact import assert_nearest, distances, nearest, sampled
from bench.rivals import faiss, faiss_hc, faiss_mc
from hardmine.jobs import pieces


@dataclass(frozen=True)
class Search(Case):
    """`topk` of float rows."""

    rivals: tuple[Rival, ...] = (faiss,)
    data: str = "gaussian"  # or the name of a file, searched against itself
    where: Callable[[Any, int, int], hardmine.Filter] | None = None  # made from (rng, n, m)

    def inputs(self, scale: float) -> Inputs:
        queries, base = self.rows(np.random.default_rng(SEED), scale)
        m = len(queries if base is None else base)
        where = None if self.where is None else self.where(np.random.default_rng(0), len(queries), m)
        return Inputs(queries, base, {"where": where})

    def rows(self, rng: Any, scale: float) -> tuple[Rows, Rows | None]:
        if self.data != "gaussian":
            return load(self.data)[: int(self.m * scale)], None
        n, m = self.size(scale)
        base = rng.standard_normal((m, self.d), dtype=np.float32)
        return (base, None) if self.n == self.m else (rng.standard_normal((n, self.d), dtype=np.float32), base)

    def call(self, inputs: Inputs, threads: int) -> Call:
        return lambda: hardmine.topk(
            inputs.queries, inputs.base, self.k, metric=self.metric, threads=threads, **inputs.arguments
        )

    def check(self, inputs: Inputs, found: Any) -> None:
        for i, order, exact in self.expected(inputs):
            np.testing.assert_array_max_ulp(found.distances[i], exact[order], 1)
            assert_nearest(found.indices[i], order, exact)

    def expected(self, inputs: Inputs) -> Iterator[tuple[int, Rows, Rows]]:
        """(query, its neighbours, its distances from all rows) of some queries."""
        where = inputs.arguments["where"]
        for i in sampled(inputs.queries):
            allowed = np.ones(len(inputs.against), bool)
            if inputs.base is None:
                allowed[i] = False
            if where is not None and where.exclude is not None:
                start, indices = where.exclude
                allowed[indices[start[i] : start[i + 1]]] = False
            if where is not None and where.query_groups is not None:
                allowed &= where.base_groups != where.query_groups[i]
            exact = distances(inputs.queries[i], inputs.against, self.metric)
            yield i, nearest(exact, allowed, self.k), exact


@dataclass(frozen=True)
class IndexSearch(Search):
    """`topk` of an index, which was made before."""

    def call(self, inputs: Inputs, threads: int) -> Call:
        index = hardmine.Index(inputs.against, self.metric, copy=False, threads=threads)
        return lambda: hardmine.topk(inputs.queries, index, self.k, threads=threads)


@dataclass(frozen=True)
class KeptSearch(Search):
    """`topk` with a checkpoint in a new folder, its pieces shorter than they are by a factor: what keeping them costs is that
    much more."""

    shorter: int = 64

    def call(self, inputs: Inputs, threads: int) -> Call:
        def kept() -> Any:
            work = pieces.WORK
            pieces.WORK //= self.shorter
            try:
                with TemporaryDirectory(dir=".") as folder:
                    return hardmine.topk(
                        inputs.queries, inputs.base, self.k, metric=self.metric, threads=threads, checkpoint=folder
                    )
            finally:
                pieces.WORK = work

        return kept


@dataclass(frozen=True)
class CodeSearch(Search):
    """`topk` of packed codes."""

    metric: str = "hamming"
    rivals: tuple[Rival, ...] = (faiss_hc, faiss_mc)
    data: str = "random"  # or "planted"

    def rows(self, rng: Any, scale: float) -> tuple[Rows, Rows | None]:
        return codes(rng, *self.size(scale), self.d, self.data == "planted")

    def check(self, inputs: Inputs, found: Any) -> None:
        for i, order, exact in self.expected(inputs):
            np.testing.assert_array_equal(found.indices[i], order)
            np.testing.assert_array_equal(found.distances[i], exact[order])


@dataclass(frozen=True)
class AveragePrecision(CodeSearch):
    """`mean_average_precision` of packed codes."""

    def inputs(self, scale: float) -> Inputs:
        queries, base = self.rows(np.random.default_rng(SEED), scale)
        labels = {"query_labels": multi_hot(len(queries), 0), "base_labels": multi_hot(len(base), 1)}
        return Inputs(queries, base, labels)

    def call(self, inputs: Inputs, threads: int) -> Call:
        return lambda: hardmine.mean_average_precision(
            inputs.queries, inputs.base, top=self.k, threads=threads, **inputs.arguments
        )

    def check(self, inputs: Inputs, found: Any) -> None:
        """With ties in database order the mean over some queries is that of a slow loop."""
        chosen = sampled(inputs.queries)
        queries, query_labels = inputs.queries[chosen], inputs.arguments["query_labels"][chosen]
        base_labels = inputs.arguments["base_labels"]
        precisions = []
        for query, label in zip(queries, query_labels):
            order = np.argsort(distances(query, inputs.base, "hamming"), kind="stable")[: self.k]
            ranks = np.flatnonzero((base_labels[order] & label).any(axis=1)) + 1
            precisions.append((np.arange(1, len(ranks) + 1) / ranks).mean() if len(ranks) else 0.0)
        stable = hardmine.mean_average_precision(queries, inputs.base, query_labels, base_labels, top=self.k, ties="stable")
        np.testing.assert_allclose(stable, np.mean(precisions), rtol=1e-12)


@dataclass(frozen=True)
class Matrix(Search):
    """`pairwise`: the whole matrix."""

    def call(self, inputs: Inputs, threads: int) -> Call:
        return lambda: hardmine.pairwise(inputs.queries, inputs.base, metric=self.metric, threads=threads)

    def check(self, inputs: Inputs, found: Any) -> None:
        for i in sampled(inputs.queries):
            exact = distances(inputs.queries[i], inputs.against, self.metric)
            np.testing.assert_allclose(found[i], exact, rtol=2**-10, atol=1e-6)
