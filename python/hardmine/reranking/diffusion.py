"""Rankings by diffusion: what is reached from the neighbours of a query along the neighbours of base rows."""

from __future__ import annotations

from inspect import signature
from typing import Any

import numpy as np

from hardmine import _arguments, _arrays
from hardmine._arithmetic import in_standard_arithmetic
from hardmine.reranking.weights import Weights, check_neighbors, weights_of
from hardmine.search.neighbors import Neighbors

MOST_STEPS = 10_000  # of conjugate gradients; their number is some 10 sqrt(1 / (1 - alpha))


@in_standard_arithmetic
def diffusion(
    neighbors: Neighbors,
    base_neighbors: Neighbors,
    *,
    k: int | None = None,
    kq: int = 10,
    kd: int = 50,
    gamma: float = 3.0,
    alpha: float = 0.99,
    tolerance: float = 1e-6,
) -> Neighbors:
    """Re-rank by diffusion on the graph of mutual neighbours: rows along a manifold before rows as near across it.

    Parameters
    ----------
    neighbors : Neighbors of metric "cosine" or "inner_product", of shape (n, at least one)
        Of the queries in the base; the first `kq` are where diffusion starts.
    base_neighbors : Neighbors of the same metric, (m, at least one)
        Of the base in itself, ``topk(base, k=kd)``; the first `kd` are the edges.
    k : int, optional
        Rows of a result, by default as many as `neighbors` have.
    kq, kd : int
        See above.
    gamma : float
        Edges weigh the score to this power, negative scores nothing.
    alpha : float
        How far diffusion goes: at least 0, less than 1.
    tolerance : float
        Of the residual, in proportion to the right-hand side.

    Returns
    -------
    Neighbors
        Of shape (n, k), without a metric: distances are the negated f, float32, ties by index. Rows that are not reached are
        not there (index -1). Tensors if `neighbors` holds tensors.

    Raises
    ------
    TypeError, ValueError, ImportError
        For an argument of the wrong kind or value; if SciPy is missing; RuntimeError if the solver does not converge.

    Notes
    -----
    Solves (I - alpha S) f = y by SciPy's conjugate gradients, S = D^-1/2 A D^-1/2 with the weights A of edges that are mutual,
    and y the weights of a query's neighbours [1]_. O(m kd) time a step, some ten to a hundred steps a query; memory O(m kd).
    An order of rows whose f agree to within the tolerance is the solver's.

    References
    ----------
    .. [1] Iscen, Tolias, Avrithis, Furon and Chum, "Efficient diffusion on region manifolds: recovering small objects with
       compact CNN representations", 2017, section 3.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> turn = np.deg2rad([0, 25, 50, 75, -60])   # a chain from the query on, and a row by itself
    >>> base = np.stack([np.cos(turn), np.sin(turn)], axis=1).astype(np.float32)
    >>> found = hardmine.topk(base[:1], base, k=5, metric="cosine")
    >>> hardmine.diffusion(found, hardmine.topk(base, k=2, metric="cosine"), kq=1, kd=2).indices.tolist()
    [[1, 2, 0, 3, -1]]
    """
    try:
        from scipy.sparse import csr_array, diags_array, eye_array
        from scipy.sparse.linalg import cg
    except ImportError:
        raise ImportError('diffusion needs SciPy 1.12: pip install "hardmine[scipy]"') from None
    kq, kd = _arguments.positive("kq", kq), _arguments.positive("kd", kd)
    for name, value, most in (("gamma", gamma, np.inf), ("alpha", alpha, 1), ("tolerance", tolerance, 1)):
        if not isinstance(value, (int, float)) or not 0 <= value < most:
            raise ValueError(f"{name}: expected a number from 0 to less than {most}, got {value!r}")
    m = len(base_neighbors.indices) if isinstance(base_neighbors, Neighbors) else 0
    edges = check_neighbors("base_neighbors", base_neighbors, m, m)
    n = len(neighbors.indices) if isinstance(neighbors, Neighbors) else 0
    starts = check_neighbors("neighbors", neighbors, n, m)
    if starts.metric != edges.metric:
        raise ValueError(f"base_neighbors: expected metric {starts.metric} like neighbors, got {edges.metric}")
    kept = starts.indices.shape[1] if k is None else _arguments.positive("k", k)

    def sparse(weights: Weights) -> Any:
        real = weights.values > 0
        rows = np.nonzero(real)[0]
        return csr_array((weights.values[real], (rows, weights.indices[real])), shape=(len(weights.indices), m))

    graph = sparse(weights_of(edges, kd, gamma))
    graph.setdiag(0)
    mutual = graph.minimum(graph.T)  # an edge that one row alone has weighs nothing
    degree = np.asarray(mutual.sum(axis=1)).ravel()
    scale = diags_array(np.where(degree > 0, 1 / np.sqrt(np.where(degree > 0, degree, 1)), 0))
    system = (eye_array(m) - alpha * (scale @ mutual @ scale)).tocsr()
    y = sparse(weights_of(starts, kq, gamma))
    distances, indices = np.full((n, kept), np.inf, np.float32), np.full((n, kept), -1, np.int64)
    # SciPy 1.12 has a new name for it.
    options = {"rtol" if "rtol" in signature(cg).parameters else "tol": tolerance, "atol": 0.0, "maxiter": MOST_STEPS}
    for i in range(n):
        right = y[[i]].toarray().ravel()
        f, failed = cg(system, right, **options)
        if failed:
            raise RuntimeError(f"diffusion: expected conjugate gradients to converge, got {failed} for query {i}")
        reached = np.flatnonzero(f > 0)
        order = reached[np.lexsort((reached, -f[reached]))][:kept]
        distances[i, : len(order)], indices[i, : len(order)] = -f[order], order
    device = _arrays.device_of(neighbors.indices)
    return Neighbors(_arrays.like(distances, device), _arrays.like(indices, device))
