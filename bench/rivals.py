"""The rivals, each as a user would call it: (case, queries, base, threads) -> a function to be timed, or None if absent.

A function returns indices (n, k), or the matrix of a pairwise case.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import hardmine
from bench.cases import Case, labels

Call = Callable[[], Any]


def faiss(case: Case, queries: Any, base: Any, threads: int) -> Call | None:
    """`faiss.knn`: blocked sgemm into memory, then selection. A self-join asks for one row more and drops the first."""
    try:
        import faiss as library
    except ImportError:
        return None
    library.omp_set_num_threads(threads)
    product = case.metric in ("cosine", "inner_product")  # the rows of cosine cases have norm 1
    metric = library.METRIC_INNER_PRODUCT if product else library.METRIC_L2
    if base is None:
        return lambda: library.knn(queries, queries, case.k + 1, metric=metric)[1][:, 1:]
    return lambda: library.knn(queries, base, case.k, metric=metric)[1]


def faiss_selector(case: Case, queries: Any, base: Any, threads: int) -> Call | None:
    """FAISS with 100 rows excluded, the same for every query: exclusions for each query it does not have (faiss#3046)."""
    try:
        import faiss as library
    except ImportError:
        return None
    library.omp_set_num_threads(threads)
    index = library.IndexFlatL2(base.shape[1])
    index.add(base)
    excluded = np.random.default_rng(0).choice(len(base), min(100, len(base) // 2), replace=False)
    selector = library.IDSelectorNot(library.IDSelectorBatch(excluded))
    parameters = library.SearchParameters(sel=selector)
    return lambda: index.search(queries, case.k, params=parameters)[1]


def sklearn(case: Case, queries: Any, base: Any, threads: int) -> Call | None:
    """`NearestNeighbors(algorithm="brute")`."""
    try:
        from sklearn.neighbors import NearestNeighbors
    except ImportError:
        return None
    model = NearestNeighbors(n_neighbors=case.k, algorithm="brute", metric=case.metric).fit(base)
    return lambda: model.kneighbors(queries, return_distance=False)


def torch(case: Case, queries: Any, base: Any, threads: int) -> Call | None:
    """matmul and topk in chunks of a thousand queries, with the norms added."""
    try:
        import torch as library
    except ImportError:
        return None
    library.set_num_threads(threads)
    q, b = library.from_numpy(queries), library.from_numpy(base)

    def call() -> Any:
        norms = (b * b).sum(dim=1)
        parts = [library.topk(library.addmm(norms, rows, b.T, alpha=-2), case.k, largest=False)[1] for rows in q.split(1000)]
        return library.cat(parts).numpy()

    return call


def faiss_hc(case: Case, queries: Any, base: Any, threads: int) -> Call | None:
    """FAISS's default for packed codes: a heap for each query."""
    return _knn_hamming(case, queries, base, threads, "hc")


def faiss_mc(case: Case, queries: Any, base: Any, threads: int) -> Call | None:
    """FAISS's other way: buckets by distance."""
    return _knn_hamming(case, queries, base, threads, "mc")


def _knn_hamming(case: Case, queries: Any, base: Any, threads: int, variant: str) -> Call | None:
    try:
        import faiss as library
    except ImportError:
        return None
    library.omp_set_num_threads(threads)
    return lambda: library.knn_hamming(queries, base, case.k, variant=variant)[1]


def argsort_loop(case: Case, queries: Any, base: Any, threads: int) -> Call | None:
    """mAP as the hashing literature's code computes it: a float product and a full sort for each query."""
    query_signs, base_signs = (2.0 * np.unpackbits(rows, axis=1) - 1 for rows in (queries, base))
    query_labels, base_labels = labels(len(queries), 0), labels(len(base), 1).astype(float)

    def call() -> Any:
        precisions = []
        for signs, label in zip(query_signs, query_labels):
            relevant = (base_labels @ label > 0)[np.argsort(case.d / 2 - base_signs @ signs / 2)][: case.k]
            ranks = np.flatnonzero(relevant) + 1
            precisions.append((np.arange(1, len(ranks) + 1) / ranks).mean() if len(ranks) else 0.0)
        return np.mean(precisions)

    return call


def unfiltered(case: Case, queries: Any, base: Any, threads: int) -> Call | None:
    """hardmine without the filter."""
    return lambda: hardmine.topk(queries, base, case.k, metric=case.metric, threads=threads).indices


def torch_cdist(case: Case, queries: Any, base: Any, threads: int) -> Call | None:
    try:
        import torch as library
    except ImportError:
        return None
    library.set_num_threads(threads)
    q, b = library.from_numpy(queries), library.from_numpy(base)
    return lambda: library.cdist(q, b).numpy()


def sklearn_distances(case: Case, queries: Any, base: Any, threads: int) -> Call | None:
    try:
        from sklearn.metrics.pairwise import euclidean_distances
    except ImportError:
        return None
    return lambda: euclidean_distances(queries, base)


def scipy_cdist(case: Case, queries: Any, base: Any, threads: int) -> Call | None:
    try:
        from scipy.spatial.distance import cdist
    except ImportError:
        return None
    return lambda: cdist(queries, base)


RIVALS: dict[str, Callable[[Case, Any, Any, int], Call | None]] = {
    f.__name__: f
    for f in (faiss, faiss_selector, sklearn, torch, unfiltered, torch_cdist, sklearn_distances, scipy_cdist)
    + (faiss_hc, faiss_mc, argsort_loop)
}
SLOW = ("sklearn", "scipy_cdist", "sklearn_distances", "faiss_selector", "argsort_loop")  # timed three times only
