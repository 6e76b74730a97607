"""The compiled core. Kinds and shapes are checked by the callers; arrays must have exactly these dtypes.

Rows come as blocks: the number of the first one in the caller's array, the rows, and what they are as a prepared base, which
only a base is. A function that takes either kind of them has two overloads; that for codes needs no metric.
"""

import enum
from collections.abc import Callable
from typing import TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

openmp: bool
most_counted: int

class Metric(enum.Enum):
    sqeuclidean = 0
    euclidean = 1
    cosine = 2
    inner_product = 3

class Groups(enum.Enum):
    any = 0
    different = 1
    same = 2

def isa() -> str: ...
def isas_built() -> list[str]: ...
def isas_runnable() -> list[str]: ...
def use_isa(name: str) -> None: ...
def same_products(family: str, isa: str, other: str) -> bool: ...
def kernels() -> dict[str, str]: ...
def kernels_built() -> dict[str, list[str]]: ...
def screen() -> str: ...
def use_screen(name: str) -> None: ...
def screened_pairs() -> dict[str, int]: ...
def threads() -> int: ...
def failed_proofs() -> int: ...

class StandardArithmetic:
    def __init__(self) -> None: ...
    def __enter__(self) -> None: ...
    def __exit__(self, *error: object) -> None: ...

def peak(family: str, steps: int) -> float: ...
@overload
def tile_loop(
    queries: NDArray[np.float32], base: NDArray[np.float32], high: NDArray[np.float32], compare: bool, rounds: int
) -> _Loop: ...
@overload
def tile_loop(
    queries: NDArray[np.int8], base: NDArray[np.int8], high: NDArray[np.float32], compare: bool, rounds: int
) -> _Loop: ...
@overload
def tile_loop(
    queries: NDArray[np.uint16], base: NDArray[np.uint16], high: NDArray[np.float32], compare: bool, rounds: int
) -> _Loop: ...
@overload
def tile_loop(
    queries: NDArray[np.uint8], base: NDArray[np.uint8], high: NDArray[np.float32], compare: bool, rounds: int
) -> _Loop: ...

# Seconds, the mixed products, and the pairs with their values.
_Loop: TypeAlias = tuple[float, int, NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]

class Filter:
    """The conditions of one call, and the arrays that they are read from."""

    def __init__(
        self,
        *,
        self_join: bool = False,
        query_rows: NDArray[np.int64] | None = None,
        groups: Groups = Groups.any,
        query_groups: NDArray[np.int64] | None = None,
        base_groups: NDArray[np.int64] | None = None,
        exclude_start: NDArray[np.int64] | None = None,
        exclude_indices: NDArray[np.int64] | None = None,
        base_mask: NDArray[np.bool_] | None = None,
        nearer_than: NDArray[np.float32] | None = None,
        farther_than: NDArray[np.float32] | None = None,
        max_per_group: int = 0,
    ) -> None: ...

class PreparedRows:
    """A base packed for the kernels in use; the rows are not kept."""

    def __init__(self, rows: NDArray[np.float32], metric: Metric, threads: int) -> None: ...
    @property
    def nbytes(self) -> int: ...

_Floats: TypeAlias = tuple[int, NDArray[np.float32], PreparedRows | None]
_Codes: TypeAlias = tuple[int, NDArray[np.uint8], PreparedRows | None]

@overload
def topk(
    queries: _Floats,
    base: _Floats,
    k: int,
    filter: Filter,
    metric: Metric,
    threads: int,
    block: int,
    progress: Callable[[int, int], object] | None,
    too_near: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]: ...
@overload
def topk(
    queries: _Codes,
    base: _Codes,
    k: int,
    filter: Filter,
    metric: None,
    threads: int,
    block: int,
    progress: Callable[[int, int], object] | None,
    too_near: None = None,
) -> tuple[NDArray[np.int32], NDArray[np.int64]]: ...
def self_join(
    rows: _Floats,
    distances: NDArray[np.float32],
    indices: NDArray[np.int64],
    place: tuple[int, int],
    most_pairs: int,
    slab: int,
    filter: Filter,
    metric: Metric,
    threads: int,
    progress: Callable[[int, int], object] | None,
    too_near: NDArray[np.int64] | None = None,
) -> tuple[int, int, int] | None: ...
@overload
def pairwise(
    queries: _Floats,
    base: _Floats,
    metric: Metric,
    out: NDArray[np.float32],
    threads: int,
    progress: Callable[[int, int], object] | None,
) -> None: ...
@overload
def pairwise(
    queries: _Codes,
    base: _Codes,
    metric: None,
    out: NDArray[np.int32],
    threads: int,
    progress: Callable[[int, int], object] | None,
) -> None: ...
@overload
def pair_distances(
    queries: _Floats,
    base: _Floats,
    rows: NDArray[np.int64],
    cols: NDArray[np.int64],
    metric: Metric,
    threads: int,
    progress: Callable[[int, int], object] | None,
) -> NDArray[np.float32]: ...
@overload
def pair_distances(
    queries: _Codes,
    base: _Codes,
    rows: NDArray[np.int64],
    cols: NDArray[np.int64],
    metric: None,
    threads: int,
    progress: Callable[[int, int], object] | None,
) -> NDArray[np.int32]: ...
@overload
def merge(
    lists: list[tuple[NDArray[np.float32], NDArray[np.int64]]],
    k: int,
    base_groups: NDArray[np.int64] | None = None,
    max_per_group: int = 0,
    threads: int = 0,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]: ...
@overload
def merge(
    lists: list[tuple[NDArray[np.int32], NDArray[np.int64]]],
    k: int,
    base_groups: NDArray[np.int64] | None = None,
    max_per_group: int = 0,
    threads: int = 0,
) -> tuple[NDArray[np.int32], NDArray[np.int64]]: ...
@overload
def radius_neighbors(
    queries: _Floats,
    base: _Floats,
    radius: NDArray[np.float32],
    metric: Metric,
    filter: Filter,
    max_pairs: int,
    threads: int,
    progress: Callable[[int, int], object] | None,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]: ...
@overload
def radius_neighbors(
    queries: _Codes,
    base: _Codes,
    radius: NDArray[np.float32],
    metric: None,
    filter: Filter,
    max_pairs: int,
    threads: int,
    progress: Callable[[int, int], object] | None,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]: ...
@overload
def closest_pairs(
    queries: _Floats,
    base: _Floats,
    n_pairs: int,
    metric: Metric,
    filter: Filter,
    threads: int,
    progress: Callable[[int, int], object] | None,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]: ...
@overload
def closest_pairs(
    queries: _Codes,
    base: _Codes,
    n_pairs: int,
    metric: None,
    filter: Filter,
    threads: int,
    progress: Callable[[int, int], object] | None,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]: ...
@overload
def distance_histogram(
    queries: _Floats,
    base: _Floats,
    thresholds: NDArray[np.float32],
    query_groups: NDArray[np.int64] | None,
    base_groups: NDArray[np.int64] | None,
    metric: Metric,
    filter: Filter,
    threads: int,
    progress: Callable[[int, int], object] | None,
) -> NDArray[np.uint64]: ...
@overload
def distance_histogram(
    queries: _Codes,
    base: _Codes,
    thresholds: NDArray[np.float32],
    query_groups: NDArray[np.int64] | None,
    base_groups: NDArray[np.int64] | None,
    metric: None,
    filter: Filter,
    threads: int,
    progress: Callable[[int, int], object] | None,
) -> NDArray[np.uint64]: ...
@overload
def ranks(
    queries: _Floats,
    base: _Floats,
    start: NDArray[np.int64],
    distances: NDArray[np.float32],
    indices: NDArray[np.int64],
    metric: Metric,
    filter: Filter,
    threads: int,
    progress: Callable[[int, int], object] | None,
) -> NDArray[np.int64]: ...
@overload
def ranks(
    queries: _Codes,
    base: _Codes,
    start: NDArray[np.int64],
    distances: NDArray[np.float32],
    indices: NDArray[np.int64],
    metric: None,
    filter: Filter,
    threads: int,
    progress: Callable[[int, int], object] | None,
) -> NDArray[np.int64]: ...
def canonical_matrix(
    queries: NDArray[np.float32],
    base: NDArray[np.float32],
    metric: Metric,
    self: bool,
    threads: int,
    progress: Callable[[int, int], object] | None,
) -> NDArray[np.float32]: ...
def ranking_counts(
    queries: NDArray[np.uint8],
    base: NDArray[np.uint8],
    bits: int,
    top: int,
    query_groups: NDArray[np.int64] | None,
    base_groups: NDArray[np.int64] | None,
    query_marks: NDArray[np.uint64] | None,
    base_marks: NDArray[np.uint64] | None,
    threads: int,
    progress: Callable[[int, int], object] | None,
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]: ...
def intervals(
    queries: NDArray[np.float32], base: NDArray[np.float32], metric: Metric, screen: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]: ...
def quantised_products(
    family: str, queries: NDArray[np.int8], base: NDArray[np.int8], high: NDArray[np.float32]
) -> NDArray[np.float32]: ...
