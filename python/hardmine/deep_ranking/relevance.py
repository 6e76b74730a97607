"""How relevant images of a category are to one another: dot products of embeddings, a matrix, or any function of two ids.

Deep Ranking's sampler asks for two things, the relevance of a few images to all of a category, and each image's total over the
others. `Products` and `Given` answer them, from embeddings and from the caller's numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hardmine import _arrays, _labels
from hardmine._arrays import ArrayLike, FloatRows, Floats, Ints
from hardmine.distances import pair_distances

Reals: TypeAlias = NDArray[np.float64]

CELLS = 1 << 22  # of a matrix of relevances held at a time


def total_relevance(embeddings: ArrayLike, categories: ArrayLike) -> Any:
    """Compute how relevant the other images of its category are to each image, in all.

    Parameters
    ----------
    embeddings : array of shape (n, d), any float dtype
        The relevance of two images is their dot product, or 0 where that is negative.
    categories : array of shape (n,), integers or strings
        The category of each image. Any integer is an ordinary one (see `Filter`).

    Returns
    -------
    array of shape (n,), float64
        Zeros for categories of one image. A tensor if `embeddings` is one.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        For an argument of the wrong kind or value.

    Notes
    -----
    Where no number of a category is negative, no product is, and an image's total is its product with the sum of the others:
    O(n d), in float64. That sum is one of those before plus one of those after, not the sum of all less the image itself,
    which would leave a remainder where images share nothing. A category with negative numbers takes the products of all its
    pairs, in blocks of 32 MiB. Totals depend on the order of rows within the rounding of a float64 sum.

    Examples
    --------
    >>> import numpy as np
    >>> from hardmine.deep_ranking.relevance import total_relevance
    >>> x = np.array([[1.0, 0.0], [2.0, 1.0], [0.0, 3.0], [5.0, 5.0]])
    >>> total_relevance(x, ["cat", "cat", "cat", "dog"]).tolist()
    [2.0, 5.0, 3.0, 0.0]
    >>> total_relevance(np.array([[1.0, 0.0], [2.0, 1.0], [-1.0, 3.0]]), [0, 0, 0]).tolist()  # 1 * -1 counts as 0
    [2.0, 3.0, 1.0]
    """
    rows = FloatRows("embeddings", embeddings).take_finite()
    _, codes = np.unique(_labels.labels("categories", categories, len(rows), "embeddings"), return_inverse=True)
    totals = np.zeros(len(rows))
    for part in split(codes.reshape(-1)):
        totals[part] = _total_products(rows[part].astype(np.float64))
    return _arrays.like(totals, _arrays.is_torch(embeddings))


class Products:
    """Dot products of embeddings, or 0 where they are negative."""

    def between(self, ids: Ints, rows: Floats | None, queries: Ints) -> Reals:
        """The relevance of the images at the places `queries` to all of them."""
        # Canonical: BLAS may round a product differently when other queries are asked beside it.
        pairs = np.repeat(queries, len(ids)), np.tile(np.arange(len(ids)), len(queries))
        products = 0 - _arrays.to_numpy("products", pair_distances(rows, None, *pairs, metric="inner_product"))
        return np.maximum(products.astype(np.float64), 0).reshape(len(queries), len(ids))

    def totals(self, ids: Ints, rows: Floats | None) -> Reals:
        """The relevance of each image to the others, in all."""
        if rows is None:
            raise AssertionError("products come from rows")
        return _total_products(rows.astype(np.float64))


@dataclass
class Given:
    """What a caller's function says of two arrays of ids, or a caller's matrix at their rows and columns."""

    source: Callable[[Ints, Ints], ArrayLike] | Reals

    def between(self, ids: Ints, rows: Floats | None, queries: Ints) -> Reals:
        if isinstance(self.source, np.ndarray):
            return self.source[ids[queries][:, None], ids]
        return check_relevance("pairwise_relevance", self.source(ids[queries], ids), (len(queries), len(ids)))

    def totals(self, ids: Ints, rows: Floats | None) -> Reals:
        totals = np.empty(len(ids))
        for block in _blocks(len(ids)):
            relevance = self.between(ids, None, block)
            totals[block] = _sum_of_others(relevance, block)
        return totals


def check_pairwise(pairwise_relevance: Any) -> Products | Given:
    """Who answers: by default the embeddings."""
    if pairwise_relevance is None:
        return Products()
    if callable(pairwise_relevance):
        return Given(pairwise_relevance)
    matrix = _arrays.to_numpy("pairwise_relevance", pairwise_relevance)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"pairwise_relevance: expected a callable or an array of shape (m, m), got shape {matrix.shape}")
    return Given(check_relevance("pairwise_relevance", matrix, matrix.shape))


def check_relevance(name: str, values: ArrayLike, shape: tuple[int, ...]) -> Reals:
    """Finite numbers of at least 0, as float64."""
    array = _arrays.to_numpy(name, values)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name}: expected numbers, got {array.dtype}")
    if array.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")
    bad = array[~((array >= 0) & (array < np.inf))]
    if len(bad):
        raise ValueError(f"{name}: expected finite numbers of at least 0, got {bad[0]}")
    return array.astype(np.float64)


def split(codes: Ints) -> list[Ints]:
    """The positions of each code: codes ascending, positions too."""
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(codes[order])) + 1) if len(codes) else []


def _total_products(x: Reals) -> Reals:
    if (x >= 0).all():
        others = np.zeros_like(x)
        others[1:] = np.cumsum(x[:-1], axis=0)
        others[:-1] += np.cumsum(x[:0:-1], axis=0)[::-1]
        products: Reals = np.einsum("ij,ij->i", x, others)
        return products
    totals = np.empty(len(x))
    for block in _blocks(len(x)):
        totals[block] = _sum_of_others(np.maximum(x[block] @ x.T, 0), block)
    return totals


def _sum_of_others(relevance: Reals, own: Ints) -> Reals:
    """The sum of each row without its own column."""
    relevance[np.arange(len(own)), own] = 0
    sums: Reals = relevance.sum(axis=1)
    return sums


def _blocks(count: int) -> list[Ints]:
    """The numbers below `count`, so many at a time that their matrix with all of them has about CELLS cells."""
    step = max(1, CELLS // count)
    return np.split(np.arange(count), list(range(step, count, step)))
