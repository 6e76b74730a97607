"""How relevant images of a category are to one another: dot products of embeddings, a matrix, or any function of two ids.

Deep Ranking's sampler asks for two things, the relevance of a few images to all of a category, and each image's total over the
others. `Products` and `Given` answer them, from embeddings and from the caller's numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hardmine import _arrays, _labels
from hardmine._arrays import ArrayLike, FloatRows, Floats, Ints, RealArray
from hardmine.search.distances import pair_distances

Reals: TypeAlias = NDArray[np.float64]

CELLS = 1 << 22  # of a matrix of relevances held at a time
ROW_CELLS = 1 << 20  # of a block of rows: their sums take four times as much


def total_relevance(embeddings: ArrayLike, categories: ArrayLike) -> RealArray:
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
    pairs. Totals depend on the order of rows within the rounding of a float64 sum. Embeddings are read in blocks: memory above
    inputs and output is some 100 MiB.

    Examples
    --------
    >>> import numpy as np
    >>> from hardmine import total_relevance
    >>> x = np.array([[1.0, 0.0], [2.0, 1.0], [0.0, 3.0], [5.0, 5.0]])
    >>> total_relevance(x, ["cat", "cat", "cat", "dog"]).tolist()
    [2.0, 5.0, 3.0, 0.0]
    >>> total_relevance(np.array([[1.0, 0.0], [2.0, 1.0], [-1.0, 3.0]]), [0, 0, 0]).tolist()  # 1 * -1 counts as 0
    [2.0, 3.0, 1.0]
    """
    rows = FloatRows("embeddings", embeddings)
    _, labels = np.unique(_labels.labels("categories", categories, rows.count, "embeddings"), return_inverse=True)
    rows.check_finite()
    totals = np.zeros(rows.count)
    for part in split(labels.reshape(-1)):
        totals[part] = total_products(rows, part)
    return _arrays.like(totals, rows.torch)


class Products:
    """Dot products of embeddings, or 0 where they are negative."""

    def between(self, ids: Ints, rows: Floats | None, queries: Ints) -> Reals:
        """The relevance of the images at the places `queries` to all of them."""
        if rows is None:
            raise AssertionError("products come from rows")
        # Canonical: BLAS may round a product differently when other queries are asked beside it.
        pairs = np.repeat(queries, len(ids)), np.tile(np.arange(len(ids)), len(queries))
        products = 0 - _arrays.to_numpy("products", pair_distances(rows, None, *pairs, metric="inner_product"))
        return np.maximum(products.astype(np.float64), 0).reshape(len(queries), len(ids))

    def totals(self, ids: Ints, rows: FloatRows | None, part: Ints) -> Reals:
        """The relevance of each image to the others, in all; `part` are the images' numbers among the rows."""
        if rows is None:
            raise AssertionError("products come from rows")
        return total_products(rows, part)


@dataclass
class Given:
    """What a caller's function says of two arrays of ids, or a caller's matrix at their rows and columns."""

    source: Callable[[Ints, Ints], ArrayLike] | Reals

    def between(self, ids: Ints, rows: Floats | None, queries: Ints) -> Reals:
        if isinstance(self.source, np.ndarray):
            return self.source[ids[queries][:, None], ids]
        return check_relevance("pairwise_relevance", self.source(ids[queries], ids), (len(queries), len(ids)))

    def totals(self, ids: Ints, rows: FloatRows | None, part: Ints) -> Reals:
        totals = np.empty(len(ids))
        for block in _blocks(len(ids), CELLS // len(ids)):
            relevance = self.between(ids, None, block)
            totals[block] = _sum_of_others(relevance, block)
        return totals


def check_pairwise(pairwise_relevance: Callable[[Ints, Ints], ArrayLike] | ArrayLike | None) -> Products | Given:
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


def split(labels: Ints) -> list[Ints]:
    """The positions of each label: labels ascending, positions too."""
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(labels[order])) + 1) if len(labels) else []


def total_products(rows: FloatRows, part: Ints) -> Reals:
    """The products of some rows with the others of them, negative ones as 0, summed for each; of blocks of rows."""
    blocks = _blocks(len(part), ROW_CELLS // rows.width)
    after = [np.zeros(rows.width)]  # the sum of all blocks after each, from the last on
    for block in reversed(blocks):
        x = rows.at(part[block]).astype(np.float64)
        if not (x >= 0).all():
            return _total_clipped(rows, part)
        after.append(np.cumsum(np.vstack([after[-1], x[::-1]]), axis=0)[-1].copy())
    totals, before = np.empty(len(part)), np.zeros(rows.width)
    for block, later in zip(blocks, after[-2::-1]):
        x = rows.at(part[block]).astype(np.float64)
        others = np.cumsum(np.vstack([before, x]), axis=0)
        before = others[-1].copy()
        others = others[:-1]
        others += np.cumsum(np.vstack([later, x[:0:-1]]), axis=0)[::-1]
        totals[block] = np.einsum("ij,ij->i", x, others)
    return totals


def _total_clipped(rows: FloatRows, part: Ints) -> Reals:
    """The same where some products may be negative: all pairs."""
    totals = np.zeros(len(part))
    for block in _blocks(len(part), CELLS // rows.width):
        x = rows.at(part[block]).astype(np.float64)
        for others in _blocks(len(part), ROW_CELLS // rows.width):
            y = rows.at(part[others]).astype(np.float64)
            for step in _blocks(len(block), CELLS // len(others)):
                products = x[step] @ y.T
                np.maximum(products, 0, out=products)
                own = block[step] - others[0]
                inside = (own >= 0) & (own < len(others))
                products[inside, own[inside]] = 0
                totals[block[step]] += products.sum(axis=1)
    return totals


def _sum_of_others(relevance: Reals, own: Ints) -> Reals:
    """The sum of each row without its own column."""
    relevance[np.arange(len(own)), own] = 0
    sums: Reals = relevance.sum(axis=1)
    return sums


def _blocks(count: int, step: int) -> list[Ints]:
    """The numbers below `count`, so many at a time."""
    step = max(1, step)
    return np.split(np.arange(count), list(range(step, count, step)))
