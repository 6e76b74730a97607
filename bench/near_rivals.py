"""The rivals in finding all near pairs; see rivals.py. They return rows and cols, counts, or what their docstring says."""

from __future__ import annotations

from typing import Any

import numpy as np

import hardmine
from bench.case import Call, Case, Inputs, Share

BLOCK = 10_000  # queries at a time
SHARE = 0.1  # of the queries that scikit-learn is asked
CODE_SHARE = 0.01  # of the queries that FAISS is asked for codes


def faiss_range(case: Case, inputs: Inputs, threads: int) -> Call:
    """`IndexFlatL2.range_search`, whose radius is of squared distances, too, and itself not within.

    It has no self-join: every pair is found from both sides, and one of them dropped. Ten thousand queries at a time bound
    its memory.
    """
    import faiss as library

    library.omp_set_num_threads(threads)
    index = library.IndexFlatL2(case.d)
    index.add(inputs.queries)
    above = float(np.nextafter(np.float32(inputs.arguments["radius"]), np.float32(np.inf)))
    return lambda: _both_sides(index, inputs.queries, above)


def faiss_code_range(case: Case, inputs: Inputs, threads: int) -> Call:
    """`IndexBinaryFlat.range_search`, which is slow: a hundredth of the queries, evenly spread, for a hundredth of the time.

    Pairs are found from both sides, as above.
    """
    import faiss as library

    library.omp_set_num_threads(threads)
    index = library.IndexBinaryFlat(case.d)
    index.add(inputs.queries)
    asked = _spread(len(inputs.queries), CODE_SHARE)
    above = int(inputs.arguments["radius"]) + 1
    return Share(lambda: _both_sides(index, inputs.queries[asked], above, asked), len(asked) / len(inputs.queries))


def _both_sides(index: Any, queries: Any, above: Any, numbers: Any = None) -> Any:
    rows, cols = [], []
    for first in range(0, len(queries), BLOCK):
        start, _, found = index.range_search(queries[first : first + BLOCK], above)
        of = np.repeat(np.arange(first, first + len(start) - 1), np.diff(start.astype(np.int64)))
        of = of if numbers is None else numbers[of]
        rows.append(of[of < found])
        cols.append(found[of < found])
    return np.concatenate(rows), np.concatenate(cols)


def sklearn_radius(case: Case, inputs: Inputs, threads: int) -> Call:
    """`NearestNeighbors(algorithm="brute")`, which is slow: a tenth of the queries, evenly spread, for a tenth of the time.

    The fit, which copies nothing, is not in the time; pairs are found from both sides.
    """
    from sklearn.neighbors import NearestNeighbors

    model = NearestNeighbors(radius=inputs.arguments["radius"], algorithm="brute", metric=case.metric).fit(inputs.queries)
    asked = _spread(len(inputs.queries), SHARE)
    queries = inputs.queries[asked]

    def call() -> Any:
        found = model.radius_neighbors(queries, return_distance=False)
        rows, cols = np.repeat(asked, [len(cols) for cols in found]), np.concatenate(found)
        return rows[rows < cols], cols[rows < cols]

    return Share(call, len(asked) / len(inputs.queries))


def _spread(n: int, share: float) -> Any:
    return np.linspace(0, n - 1, max(1, round(n * share))).astype(np.int64)


def self_join(case: Case, inputs: Inputs, threads: int) -> Call:
    """hardmine's nearest neighbour of each row: what else looks at every pair once. It returns indices."""
    return lambda: hardmine.topk(inputs.queries, k=1, metric=case.metric, threads=threads).indices


def by_base(case: Case, inputs: Inputs, threads: int) -> Call:
    """hardmine's search of a copy, which multiplies every pair twice. It returns indices."""
    copy, own = inputs.queries.copy(), np.arange(len(inputs.queries))
    return lambda: hardmine.topk(inputs.queries, copy, case.k, metric=case.metric, query_rows=own, threads=threads).indices


def numpy_histogram(case: Case, inputs: Inputs, threads: int) -> Call:
    """`numpy.histogram` of blocks of `pairwise`, a thousand rows with themselves and all later ones."""
    x, edges = inputs.queries, inputs.arguments["edges"]
    bins, span = len(edges) - 1, (edges[0], edges[-1])  # equal bins: NumPy finds them by a division

    def call() -> Any:
        counts = np.zeros(bins, np.int64)
        for first in range(0, len(x), 1000):
            block = hardmine.pairwise(x[first : first + 1000], x[first:], metric=case.metric, threads=threads)
            rows = len(block)
            counts += np.histogram(block[np.triu_indices(rows, 1, rows)], bins, span)[0]
            counts += np.histogram(block[:, rows:], bins, span)[0]
        return counts

    return call
