"""The answers, slow and obvious, and what it means to equal them: the bits."""

from __future__ import annotations

from typing import Any

import numpy as np

import reference


def distances(queries: Any, base: Any, metric: str) -> Any:
    """The canonical distances as the library returns them, (n, m) float32 or, of codes' bits, int32; no negative zero."""
    if metric == "hamming":
        return (queries[:, None, :] != base[None, :, :]).sum(axis=2, dtype=np.int32)
    if len(queries) == 0 or len(base) == 0:
        return np.zeros((len(queries), len(base)), np.float32)
    step = max(1, (1 << 22) // base.size)
    parts = [reference.rounded(queries[i : i + step], base, metric) for i in range(0, len(queries), step)]
    return np.concatenate(parts) + np.float32(0)


def nearest(matrix: Any, allowed: Any, k: int, groups: Any = None, most: int | None = None) -> tuple[Any, Any]:
    """(distances, indices): of each row the first k that are allowed by (distance, index), at most so many of a group."""
    integers = matrix.dtype == np.int32
    best = np.full((len(matrix), k), 2**31 - 1 if integers else np.inf, matrix.dtype)
    indices = np.full((len(matrix), k), -1, np.int64)
    for i, row in enumerate(matrix):
        candidates = np.flatnonzero(allowed[i])
        order = candidates[np.argsort(row[candidates], kind="stable")]
        if most is not None:
            taken: dict[Any, int] = {}
            kept = []
            for j in order.tolist():
                taken[groups[j]] = taken.get(groups[j], 0) + 1
                if taken[groups[j]] <= most:
                    kept.append(j)
            order = np.array(kept, np.int64)
        order = order[:k]
        best[i, : len(order)], indices[i, : len(order)] = row[order], order
    return best, indices


def same_group(query_groups: Any, base_groups: Any) -> Any:
    """Whether groups are equal, (n, m), as Python compares them: 2**53 and 2**53 + 1 differ, whatever their dtypes."""
    base = base_groups.tolist()
    equal = [[a == b for b in base] for a in query_groups.tolist()]
    return np.array(equal, bool).reshape(len(query_groups), len(base))


def bits_of(values: Any) -> Any:
    values = np.ascontiguousarray(values)
    return values.view(np.int32) if values.dtype == np.float32 else values


def check_same(what: str, found: Any, expected: Any) -> None:
    """Arrays of one dtype, shape and content, bit for bit."""
    found, expected = np.asarray(found), np.asarray(expected)
    kinds = f"{found.dtype} {found.shape}", f"{expected.dtype} {expected.shape}"
    assert kinds[0] == kinds[1], f"{what}: {kinds[0]} instead of {kinds[1]}"
    wrong = np.argwhere(bits_of(found) != bits_of(expected))
    if len(wrong):
        at = tuple(wrong[0].tolist())
        raise AssertionError(
            f"{what}: {len(wrong)} differ, first at {at}: {_exactly(found[at])}, not {_exactly(expected[at])}"
        )


def _exactly(value: Any) -> str:
    return f"{value!r} ({float(value).hex()})" if value.dtype.kind == "f" else repr(value)


def check_neighbors(found: Any, expected: Any, what: str = "topk") -> None:
    """(distances, indices) are those expected."""
    check_same(f"{what}, indices", found[1], expected[1])
    check_same(f"{what}, distances", found[0], expected[0])
