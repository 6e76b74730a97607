"""Cases of all near pairs: within a radius, the nearest of all, and how many there are at each distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import hardmine
from bench.case import Call, Case, Inputs, Rows
from bench.data import SEED, near_codes
from bench.exact import around, distances, sampled

SAMPLE = 10_000  # rows in which the radius is looked for


@dataclass(frozen=True)
class NearPairs(Case):
    """Gaussian rows with themselves: every unordered pair once. Rates count both of its directions, as in self-joins."""

    def inputs(self, scale: float) -> Inputs:
        x = np.random.default_rng(SEED).standard_normal((self.size(scale)[0], self.d), dtype=np.float32)
        return Inputs(x, None, self.arguments(x))

    def size(self, scale: float) -> tuple[int, int]:
        rows = max(2, int(self.n * scale))
        return rows, rows

    def arguments(self, x: Rows) -> dict[str, Any]:
        """What the call takes beside the rows."""
        return {}

    def check_pairs(self, inputs: Inputs, pairs: Any, limit: Any) -> None:
        """Each pair comes once, as many as queries and a base have; of some rows, half of which have any, all are right."""
        rows, cols, found = pairs
        x, n = inputs.queries, len(inputs.queries)
        assert (rows < cols).all() and len(np.unique(rows * n + cols)) == len(rows)
        both = hardmine.radius_neighbors(x, x.copy(), limit, metric=self.metric, query_rows=np.arange(n))
        assert len(both) == 2 * len(rows)
        chosen = np.unique(np.concatenate([sampled(x), rows[sampled(rows)]]))
        least, most = around(limit)
        for i in chosen:
            exact, others = distances(x[i], x, self.metric), np.arange(n) != i
            mine = (rows == i) | (cols == i)
            partners, listed = np.where(rows == i, cols, rows)[mine], np.zeros(n, bool)
            listed[partners] = True
            low, high = around(exact[partners])
            assert ((low <= found[mine]) & (found[mine] <= high)).all(), i
            assert (listed >= (exact <= least) & others).all() and (listed <= (exact <= most)).all(), i


@dataclass(frozen=True)
class Radius(NearPairs):
    """`radius_neighbors`: the radius is that of the nearest pairs, as many as `share` says, of the first 10,000 rows."""

    k: int = 0  # what the radius keeps is not a number
    share: float = 1e-5  # of all pairs that are to be kept, about

    def arguments(self, x: Rows) -> dict[str, Any]:
        sample = x[:SAMPLE]
        wanted = max(1, round(self.share * len(sample) * (len(sample) - 1) / 2))
        nearest = hardmine.closest_pairs(sample, n_pairs=wanted, metric=self.metric)
        return {"radius": float(nearest.distances[-1])}

    def call(self, inputs: Inputs, threads: int) -> Call:
        return lambda: tuple(
            hardmine.radius_neighbors(inputs.queries, metric=self.metric, threads=threads, **inputs.arguments)
        )

    def check(self, inputs: Inputs, found: Any) -> None:
        rows, cols, distance = found
        self.check_pairs(inputs, found, np.float32(inputs.arguments["radius"]))
        order = np.lexsort((cols, distance, rows))
        np.testing.assert_array_equal(order, np.arange(len(rows)))

    def note(self, inputs: Inputs, found: Any) -> str | None:
        n, pairs = len(inputs.queries), len(found[0])
        return f"{pairs:,} pairs within {inputs.arguments['radius']:g}: {2 * pairs / (n * (n - 1)):.1e} of all"


@dataclass(frozen=True)
class CodeRadius(Radius):
    """`radius_neighbors` of packed codes, a tenth of which lie within `k` bits of another; that is the radius, too."""

    k: int = 3
    metric: str = "hamming"

    def inputs(self, scale: float) -> Inputs:
        codes = near_codes(np.random.default_rng(SEED), self.size(scale)[0], self.d, self.k)
        return Inputs(codes, None, {"radius": float(self.k)})


@dataclass(frozen=True)
class Closest(NearPairs):
    """`closest_pairs`: the `k` nearest of all."""

    def call(self, inputs: Inputs, threads: int) -> Call:
        return lambda: tuple(
            hardmine.closest_pairs(inputs.queries, n_pairs=self.k, metric=self.metric, threads=threads, **inputs.arguments)
        )

    def check(self, inputs: Inputs, found: Any) -> None:
        rows, cols, distance = found
        n = len(inputs.queries)
        assert len(rows) == min(self.k, n * (n - 1) // 2)
        self.check_pairs(inputs, found, distance[-1])
        np.testing.assert_array_equal(np.lexsort((cols, rows, distance)), np.arange(len(rows)))


@dataclass(frozen=True)
class Histogram(NearPairs):
    """`distance_histogram` between `k` edges over the whole range: from 0 to the square of twice the largest norm."""

    def arguments(self, x: Rows) -> dict[str, Any]:
        return {"edges": np.linspace(0, 4 * float((x.astype(np.float64) ** 2).sum(axis=1).max()), self.k)}

    def call(self, inputs: Inputs, threads: int) -> Call:
        return lambda: hardmine.distance_histogram(inputs.queries, metric=self.metric, threads=threads, **inputs.arguments)

    def check(self, inputs: Inputs, found: Any) -> None:
        """Every pair is counted; twice the counts are those of queries and a base; those of some rows are NumPy's."""
        x, edges = inputs.queries, inputs.arguments["edges"]
        n = len(x)
        assert found.sum() == n * (n - 1) // 2
        both = hardmine.distance_histogram(x, x.copy(), edges, metric=self.metric, query_rows=np.arange(n))
        np.testing.assert_array_equal(both, 2 * found)
        for i in sampled(x):
            exact = np.delete(distances(x[i], x, self.metric), i)
            counted = hardmine.distance_histogram(x[i : i + 1], x, edges, metric=self.metric, query_rows=[i]).cumsum()
            fewest, most = (np.histogram(shifted, edges)[0].cumsum() for shifted in reversed(around(exact)))
            assert ((fewest <= counted) & (counted <= most)).all(), i


@dataclass(frozen=True)
class NearHistogram(Histogram):
    """`distance_histogram` between `k` edges from 0 to the median distance of nearest neighbours, of a thousand rows."""

    def arguments(self, x: Rows) -> dict[str, Any]:
        rows = np.arange(min(1000, len(x)))
        nearest = hardmine.topk(x[rows], x, 1, metric=self.metric, query_rows=rows).distances
        return {"edges": np.linspace(0, float(np.median(nearest)), self.k)}

    def check(self, inputs: Inputs, found: Any) -> None:
        """The counts are NumPy's of the pairs within the last edge, which are checked."""
        edges = inputs.arguments["edges"]
        pairs = hardmine.radius_neighbors(inputs.queries, radius=edges[-1], metric=self.metric)
        self.check_pairs(inputs, pairs, np.float32(edges[-1]))
        np.testing.assert_array_equal(found, np.histogram(pairs.distances.astype(np.float64), edges)[0])
