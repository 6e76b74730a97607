"""What a search returns, and how results of chunks, shards and machines become one."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hardmine import _arguments, _arrays, _core
from hardmine._arrays import ArrayLike, FloatArray, IntArray, Ints
from hardmine.search.metric import similarity

Distances: TypeAlias = NDArray[Any]  # float32, or int32 for codes
DistanceArray: TypeAlias = FloatArray | NDArray[np.int32]

MOST_PADDED = 1 << 30  # bytes of a result of which a part is padding
PAIR_BYTES = 12


def no_distance(dtype: np.dtype[Any] | type[np.generic]) -> float:
    """The distance of a missing neighbour: infinity, or 2**31 - 1 for codes."""
    return np.inf if dtype == np.float32 else np.iinfo(np.int32).max


def check_padding(name: str, k: int, n: int, m: int) -> None:
    """Raise if k is beyond the m rows there are and would fill much memory, with nothing but padding beyond them."""
    size = PAIR_BYTES * max(n, 1) * k
    if k > m and size > MOST_PADDED:
        raise ValueError(
            f"{name}: expected at most {m}, the number of rows, got {k}: "
            f"the result would take {size / 2**30:.1f} GiB, and beyond {m} hold nothing but padding"
        )


class _NeighborsFields(NamedTuple):
    distances: DistanceArray
    indices: IntArray


class Neighbors(_NeighborsFields):
    """The nearest rows of each query: unpacks as (distances, indices), both of shape (n, k).

    Rows are in ascending order of (distance, index). Missing neighbours have index -1 and distance infinity (2**31 - 1 for
    codes).

    Attributes
    ----------
    distances : array of shape (n, k), float32, or int32 for codes
        Canonical distances; smaller is nearer, for every metric.
    indices : array of shape (n, k), int64
        Base rows.
    metric : str or None
        The metric of the distances; None if they came without one.

    Notes
    -----
    The metric belongs to the type, so that it stays wherever a named tuple is made again of its type and changed fields: by
    ``_replace``, torch's ``tree_map`` and ``default_collate``, copies and pickles.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> found = hardmine.topk(np.eye(2, dtype=np.float32), k=1, metric="cosine")
    >>> found
    Neighbors(metric='cosine', distances=float32 (2, 1), indices=int64 (2, 1))
    >>> found._replace(distances=found.distances / 2).scores.ravel()
    array([0.5, 0.5], dtype=float32)
    """

    metric: ClassVar[str | None] = None

    def __new__(cls, distances: DistanceArray, indices: IntArray, metric: str | None = None) -> Neighbors:
        if metric is not None:
            _arguments.one_of("metric", metric, _OF_METRIC)
            cls = _OF_METRIC[metric]
        return super().__new__(cls, distances, indices)

    def __reduce__(self) -> tuple[type[Neighbors], tuple[DistanceArray, IntArray, str | None]]:
        return Neighbors, (*self, self.metric)

    def __repr__(self) -> str:
        distances, indices = (_arrays.outline(array) for array in self)
        return f"Neighbors(metric={self.metric!r}, distances={distances}, indices={indices})"

    @property
    def scores(self) -> DistanceArray:
        """The similarity view, larger is nearer: 1 - distance for cosine, -distance otherwise."""
        if self.metric is None:
            raise ValueError("scores: expected a metric beside the distances, got none: Neighbors(distances, indices, metric)")
        return similarity(self.distances, self.metric)


class SquaredEuclideanNeighbors(Neighbors):
    metric = "sqeuclidean"


class EuclideanNeighbors(Neighbors):
    metric = "euclidean"


class CosineNeighbors(Neighbors):
    metric = "cosine"


class InnerProductNeighbors(Neighbors):
    metric = "inner_product"


class HammingNeighbors(Neighbors):
    metric = "hamming"


_OF_METRIC = {str(kind.metric): kind for kind in Neighbors.__subclasses__()}


def merge(*neighbors: tuple[ArrayLike, ArrayLike], k: int | None = None) -> Neighbors:
    """Merge the neighbours found in chunks, shards or on several machines into one result.

    The indices must already be those of the whole base (add each shard's offset). Merging is associative, commutative
    and, because a pair has the same distance everywhere, idempotent: an entry that occurs twice is kept once.

    Parameters
    ----------
    *neighbors : Neighbors, or pairs (distances, indices)
        At least one; the same number of queries in each. Pairs have the metric of the others; where none is known, the result
        has none, and no scores.
    k : int, optional
        Rows to keep; by default the largest k given.

    Returns
    -------
    Neighbors
        Of shape (n, k); tensors if the first argument holds tensors.

    Raises
    ------
    TypeError, ValueError
        If nothing is given, shapes disagree, or metrics do.

    Notes
    -----
    O(n K log K) time and O(n K) memory for K entries a query in all. With ``max_per_group`` the caps hold for each part
    only: merge what was found without one.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> left = (np.array([[0.0, 2.0]], np.float32), np.array([[4, 9]]))
    >>> right = (np.array([[1.0, 2.0]], np.float32), np.array([[7, 3]]))
    >>> hardmine.merge(left, right).indices.tolist()
    [[4, 7]]
    """
    if not neighbors:
        raise TypeError("neighbors: expected at least one, got none")
    metrics = {part.metric for part in neighbors if isinstance(part, Neighbors) and part.metric is not None}
    if len(metrics) > 1:
        raise ValueError(f"neighbors: expected one metric, got {', '.join(sorted(metrics))}")
    parts: list[tuple[Distances, Ints]] = []
    for part in neighbors:
        if not isinstance(part, tuple) or len(part) != 2:
            raise TypeError(f"neighbors: expected Neighbors or pairs (distances, indices), got {type(part).__name__}")
        distances, indices = (_arrays.to_numpy("neighbors", array) for array in part)
        if distances.ndim != 2 or distances.shape != indices.shape:
            raise ValueError(f"neighbors: expected two arrays of one shape (n, k), got {distances.shape}, {indices.shape}")
        if distances.dtype not in (np.float32, np.int32) or indices.dtype.kind not in "iu":
            raise TypeError(f"neighbors: expected float32 or int32, and integers, got {distances.dtype} and {indices.dtype}")
        if distances.dtype != (parts[0][0] if parts else distances).dtype:
            raise TypeError(f"neighbors: expected one kind of distances, got {parts[0][0].dtype} and {distances.dtype}")
        if len(distances) != (len(parts[0][0]) if parts else len(distances)):
            raise ValueError(f"neighbors: expected {len(parts[0][0])} queries in each, got {len(distances)}")
        parts.append((distances, np.ascontiguousarray(indices, np.int64)))
    kept = max(part[0].shape[1] for part in parts) if k is None else _arguments.positive("k", k)
    check_padding("k", kept, len(parts[0][0]), sum(part[0].shape[1] for part in parts))
    best, rows = _core.merge([(np.ascontiguousarray(distances), indices) for distances, indices in parts], kept)
    device = _arrays.device_of(neighbors[0][0])
    return Neighbors(_arrays.like(best, device), _arrays.like(rows, device), *metrics)
