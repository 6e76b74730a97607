"""A batch for miners: its rows, which pairs are positive or negative, and how far apart they are.

A relation is two bit matrices, so that labels of any kind, several labels a row and masks of pairs are one thing to the
miners. Distances are canonical; miners compare them exactly, and equal distances are decided by the lower index.
"""

from __future__ import annotations

from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hardmine import _arrays, _core, _labels
from hardmine._arguments import check_threads, number
from hardmine._arrays import ArrayLike, FloatRows, Floats, IntArray, Ints
from hardmine.search.metric import FLOAT_METRICS, Metric

Bools: TypeAlias = NDArray[np.bool_]


class Batch:
    """Rows, the rows they are compared with (themselves, or references), and the relation between the two.

    Attributes
    ----------
    positive, negative : array of shape (rows, references), bool
        The pairs that share a label, and those that do not; neither a row with itself nor what the mask rules out.
    alone : bool
        Whether the rows are their own references.
    torch : bool
        Whether the caller's embeddings are a tensor, as the results will be.
    """

    def __init__(
        self,
        embeddings: ArrayLike,
        labels: ArrayLike,
        ref_embeddings: ArrayLike | None,
        ref_labels: ArrayLike | None,
        pair_mask: ArrayLike | None,
    ) -> None:
        rows = FloatRows("embeddings", embeddings)
        self.alone, self.torch, self.width = ref_embeddings is None, rows.torch, rows.width
        if self.alone != (ref_labels is None):
            given, missing = ("ref_labels", "ref_embeddings") if self.alone else ("ref_embeddings", "ref_labels")
            raise ValueError(f"{missing}: expected an array beside {given}, got None")
        refs = rows if ref_embeddings is None else FloatRows("ref_embeddings", ref_embeddings)
        if refs.width != rows.width:
            shape = refs.count, refs.width
            raise ValueError(f"ref_embeddings: expected rows of {rows.width} numbers like embeddings, got shape {shape}")
        self.positive = _shared(labels, rows.count, ref_labels, refs.count)
        self.negative = ~self.positive
        if self.alone:
            np.fill_diagonal(self.positive, False)
            np.fill_diagonal(self.negative, False)
        if pair_mask is not None:
            allowed = _check_mask(pair_mask, self.positive.shape)
            self.positive &= allowed
            self.negative &= allowed
        rows.check_finite()
        if not self.alone:
            refs.check_finite()
        self._rows, self._refs = rows, refs

    def distances(self, metric: Metric, threads: int | None) -> Floats:
        """The canonical distances of all pairs."""
        fill = partial(_core.canonical_matrix, metric=FLOAT_METRICS[metric], threads=check_threads(threads), progress=None)
        matrix: Floats = np.empty(self.positive.shape, np.float32)
        for first, rows, _ in self._rows.blocks():
            for start, refs, _ in self._refs.blocks():
                if (len(rows), len(refs)) == matrix.shape:
                    matrix = fill(queries=rows, base=refs, self=self.alone)
                    continue
                step = max(1, _arrays.BLOCK_BYTES // (4 * len(refs)))
                for top in range(0, len(rows), step):
                    part = fill(queries=rows[top : top + step], base=refs, self=False)
                    matrix[first + top : first + top + len(part), start : start + len(refs)] = part
        if not np.isfinite(matrix).all():
            raise ValueError("embeddings: expected rows whose distances fit float32, got an infinite distance")
        return matrix

    def like(self, indices: Ints) -> IntArray:
        """Indices as the caller's kind of array."""
        return _arrays.like(np.ascontiguousarray(indices, dtype=np.int64), self.torch)


def _shared(labels: ArrayLike, n: int, ref_labels: ArrayLike | None, m: int) -> Bools:
    """Which pairs share a label."""
    if _arrays.to_numpy("labels", labels).ndim == 2:
        rows = _multi_hot("labels", labels, n, "embeddings")
        refs = rows if ref_labels is None else _multi_hot("ref_labels", ref_labels, m, "ref_embeddings")
        if refs.shape[1] != rows.shape[1]:
            raise ValueError(f"ref_labels: expected {rows.shape[1]} columns like labels, got shape {refs.shape}")
        return np.asarray(rows @ refs.T > 0)  # counts of shared labels, exact in float32
    row_labels = _labels.labels("labels", labels, n, "embeddings")
    if ref_labels is None:
        row_numbers = ref_numbers = _labels.numbered(row_labels)[0]
    else:
        row_numbers, ref_numbers = _labels.numbered(row_labels, _labels.labels("ref_labels", ref_labels, m, "ref_embeddings"))
    return np.equal.outer(row_numbers, ref_numbers).astype(bool, copy=False)


def _multi_hot(name: str, array: ArrayLike, count: int, of: str) -> Floats:
    values = _arrays.to_numpy(name, array)
    if values.ndim != 2 or len(values) != count:
        raise ValueError(f"{name}: expected {count} rows of labels, one for each row of {of}, got shape {values.shape}")
    if values.dtype.kind not in "biuf":
        raise TypeError(f"{name}: expected rows of zeros and ones, got {values.dtype}")
    if not np.isin(values, (0, 1)).all():
        raise ValueError(f"{name}: expected rows of zeros and ones, got other numbers")
    return values.astype(np.float32)


def _check_mask(mask: ArrayLike, shape: tuple[int, ...]) -> Bools:
    values = _arrays.to_numpy("pair_mask", mask)
    if values.dtype != np.bool_:
        raise TypeError(f"pair_mask: expected booleans, got {values.dtype}")
    if values.shape != shape:
        raise ValueError(f"pair_mask: expected shape {shape}, got {values.shape}")
    return values


def check_owner(name: str, value: Any, default: Any, argument: str, owner: str, chosen: str) -> None:
    """Raise if a parameter of `owner` differs from its default while something else is chosen: it would do nothing."""
    unchanged = value is default or (np.ndim(value) == 0 and default is not None and value == default)
    if chosen != owner and not unchanged:
        raise ValueError(f'{name}: expected {default!r} unless {argument}="{owner}", got {value!r}')


def above_zero(name: str, value: Any, most: float = np.inf) -> float:
    """Check that an argument is a number above 0."""
    result = number(name, value, 0.0, most)
    if result == 0.0:
        raise ValueError(f"{name}: expected more than 0, got 0")
    return result
