"""The rivals in searching, each as a user would call it: (case, inputs, threads) -> a function to be timed.

A function returns indices (n, k), or the matrix of a pairwise case. A rival that is not installed raises ImportError.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import hardmine
from bench.case import Call, Case, Inputs

# timed three times only
SLOW = (
    "sklearn", "scipy_cdist", "sklearn_distances", "faiss_selector", "argsort_loop", "faiss_overfetch", "sort_and_walk",
    "faiss_range", "faiss_code_range", "sklearn_radius", "by_base", "numpy_histogram",
)  # fmt: skip


def faiss(case: Case, inputs: Inputs, threads: int) -> Call:
    """`faiss.knn`: blocked sgemm into memory, then selection. A self-join asks for one row more and drops the first."""
    import faiss as library

    library.omp_set_num_threads(threads)
    product = case.metric in ("cosine", "inner_product")  # the rows of cosine cases have norm 1
    metric = library.METRIC_INNER_PRODUCT if product else library.METRIC_L2
    if inputs.base is None:
        return lambda: library.knn(inputs.queries, inputs.queries, case.k + 1, metric=metric)[1][:, 1:]
    return lambda: library.knn(inputs.queries, inputs.base, case.k, metric=metric)[1]


def faiss_selector(case: Case, inputs: Inputs, threads: int) -> Call:
    """FAISS with 100 rows excluded, the same for every query: exclusions for each query it does not have (faiss#3046)."""
    import faiss as library

    library.omp_set_num_threads(threads)
    index = library.IndexFlatL2(case.d)
    index.add(inputs.base)
    m = len(inputs.against)
    excluded = np.random.default_rng(0).choice(m, min(100, m // 2), replace=False)
    selector = library.IDSelectorNot(library.IDSelectorBatch(excluded))
    parameters = library.SearchParameters(sel=selector)
    return lambda: index.search(inputs.queries, case.k, params=parameters)[1]


def without_checkpoint(case: Case, inputs: Inputs, threads: int) -> Call:
    """The same search, of which nothing is kept."""
    return lambda: hardmine.topk(inputs.queries, inputs.base, case.k, metric=case.metric, threads=threads)


def without_index(case: Case, inputs: Inputs, threads: int) -> Call:
    """hardmine's `topk` of the rows themselves."""
    return unfiltered(case, inputs, threads)


def in_memory(case: Case, inputs: Inputs, threads: int) -> Call:
    """hardmine's `topk` of the rows in memory."""
    return unfiltered(case, inputs, threads)


def sklearn(case: Case, inputs: Inputs, threads: int) -> Call:
    """`NearestNeighbors(algorithm="brute")`."""
    from sklearn.neighbors import NearestNeighbors

    model = NearestNeighbors(n_neighbors=case.k, algorithm="brute", metric=case.metric).fit(inputs.base)
    return lambda: model.kneighbors(inputs.queries, return_distance=False)


def torch(case: Case, inputs: Inputs, threads: int) -> Call:
    """matmul and topk in chunks of a thousand queries, with the norms added."""
    import torch as library

    library.set_num_threads(threads)
    q, b = library.from_numpy(inputs.queries), library.from_numpy(inputs.base)

    def call() -> Any:
        norms = (b * b).sum(dim=1)
        parts = [library.topk(library.addmm(norms, rows, b.T, alpha=-2), case.k, largest=False)[1] for rows in q.split(1000)]
        return library.cat(parts).numpy()

    return call


def faiss_hc(case: Case, inputs: Inputs, threads: int) -> Call:
    """FAISS's default for packed codes: a heap for each query."""
    return _knn_hamming(case, inputs, threads, "hc")


def faiss_mc(case: Case, inputs: Inputs, threads: int) -> Call:
    """FAISS's other way: buckets by distance."""
    return _knn_hamming(case, inputs, threads, "mc")


def _knn_hamming(case: Case, inputs: Inputs, threads: int, variant: str) -> Call:
    import faiss as library

    library.omp_set_num_threads(threads)
    return lambda: library.knn_hamming(inputs.queries, inputs.base, case.k, variant=variant)[1]


def argsort_loop(case: Case, inputs: Inputs, threads: int) -> Call:
    """mAP as the hashing literature's code computes it: a float product and a full sort for each query."""
    query_signs, base_signs = (2.0 * np.unpackbits(rows, axis=1) - 1 for rows in (inputs.queries, inputs.against))
    query_labels, base_labels = inputs.arguments["query_labels"], inputs.arguments["base_labels"].astype(float)

    def call() -> Any:
        precisions = []
        for signs, label in zip(query_signs, query_labels):
            relevant = (base_labels @ label > 0)[np.argsort(case.d / 2 - base_signs @ signs / 2)][: case.k]
            ranks = np.flatnonzero(relevant) + 1
            precisions.append((np.arange(1, len(ranks) + 1) / ranks).mean() if len(ranks) else 0.0)
        return np.mean(precisions)

    return call


def unfiltered(case: Case, inputs: Inputs, threads: int) -> Call:
    """hardmine without the filter."""
    return lambda: hardmine.topk(inputs.queries, inputs.base, case.k, metric=case.metric, threads=threads).indices


def torch_cdist(case: Case, inputs: Inputs, threads: int) -> Call:
    import torch as library

    library.set_num_threads(threads)
    q, b = library.from_numpy(inputs.queries), library.from_numpy(inputs.base)
    return lambda: library.cdist(q, b).numpy()


def sklearn_distances(case: Case, inputs: Inputs, threads: int) -> Call:
    from sklearn.metrics.pairwise import euclidean_distances

    return lambda: euclidean_distances(inputs.queries, inputs.base)


def scipy_cdist(case: Case, inputs: Inputs, threads: int) -> Call:
    from scipy.spatial.distance import cdist

    return lambda: cdist(inputs.queries, inputs.base)
