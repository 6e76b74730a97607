"""The compiled core. Kinds and shapes are checked by the callers; arrays must have exactly these dtypes."""

import enum
from collections.abc import Callable

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
def kernels() -> dict[str, str]: ...
def kernels_built() -> dict[str, list[str]]: ...
def threads() -> int: ...
def failed_proofs() -> int: ...

class StandardArithmetic:
    def __init__(self) -> None: ...
    def __enter__(self) -> None: ...
    def __exit__(self, *error: object) -> None: ...

def fma_peak(steps: int) -> float: ...
def topk(
    queries: NDArray[np.float32],
    first_query: int,
    base: NDArray[np.float32],
    first_base: int,
    k: int,
    metric: Metric,
    self: bool,
    query_rows: NDArray[np.int64] | None,
    groups: Groups,
    query_groups: NDArray[np.int64] | None,
    base_groups: NDArray[np.int64] | None,
    exclude_start: NDArray[np.int64] | None,
    exclude_indices: NDArray[np.int64] | None,
    base_mask: NDArray[np.bool_] | None,
    nearer_than: NDArray[np.float32] | None,
    farther_than: NDArray[np.float32] | None,
    max_per_group: int,
    threads: int,
    block: int,
    progress: Callable[[int, int], object] | None,
    too_near: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]: ...
def topk_codes(
    queries: NDArray[np.uint8],
    first_query: int,
    base: NDArray[np.uint8],
    first_base: int,
    k: int,
    self: bool,
    query_rows: NDArray[np.int64] | None,
    groups: Groups,
    query_groups: NDArray[np.int64] | None,
    base_groups: NDArray[np.int64] | None,
    exclude_start: NDArray[np.int64] | None,
    exclude_indices: NDArray[np.int64] | None,
    base_mask: NDArray[np.bool_] | None,
    nearer_than: NDArray[np.float32] | None,
    farther_than: NDArray[np.float32] | None,
    max_per_group: int,
    threads: int,
    block: int,
    progress: Callable[[int, int], object] | None,
) -> tuple[NDArray[np.int32], NDArray[np.int64]]: ...
def pairwise(
    queries: NDArray[np.float32],
    first_query: int,
    base: NDArray[np.float32],
    first_base: int,
    metric: Metric,
    out: NDArray[np.float32],
    threads: int,
    progress: Callable[[int, int], object] | None,
) -> None: ...
def pairwise_codes(
    queries: NDArray[np.uint8],
    first_query: int,
    base: NDArray[np.uint8],
    first_base: int,
    out: NDArray[np.int32],
    threads: int,
    progress: Callable[[int, int], object] | None,
) -> None: ...
def pair_distances(
    queries: NDArray[np.float32],
    first_query: int,
    base: NDArray[np.float32],
    first_base: int,
    rows: NDArray[np.int64],
    cols: NDArray[np.int64],
    metric: Metric,
    threads: int,
    progress: Callable[[int, int], object] | None,
) -> NDArray[np.float32]: ...
def pair_distances_codes(
    queries: NDArray[np.uint8],
    first_query: int,
    base: NDArray[np.uint8],
    first_base: int,
    rows: NDArray[np.int64],
    cols: NDArray[np.int64],
    threads: int,
    progress: Callable[[int, int], object] | None,
) -> NDArray[np.int32]: ...
def canonical_matrix(
    queries: NDArray[np.float32],
    base: NDArray[np.float32],
    metric: Metric,
    self: bool,
    threads: int,
    progress: Callable[[int, int], object] | None,
) -> NDArray[np.float32]: ...
def code_histograms(
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
    queries: NDArray[np.float32], base: NDArray[np.float32], metric: Metric, few: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32]]: ...
