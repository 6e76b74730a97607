"""Filters of every kind, and which pairs they allow, as a matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse

import hardmine

from . import oracle
from .cases import Case

Rng = np.random.Generator


def _around(middle: int, dtype: type) -> Any:
    """Integers that float64 cannot tell apart."""
    return lambda codes: (codes + middle).astype(dtype)


LABELS = {  # codes from 0 on as labels of some dtype: (of queries, of the base)
    "int64": (lambda codes: codes,) * 2,
    "int8 and uint16": (lambda codes: codes.astype(np.int8), lambda codes: codes.astype(np.uint16)),
    "bool": (lambda codes: codes % 2 == 1,) * 2,
    "strings": (lambda codes: np.array(["", "ox", "cat", "a longer name"])[codes % 4],) * 2,
    "objects and strings": (lambda c: np.array(["a", "b", "c"], object)[c % 3], lambda c: np.array(["a", "bb", "c"])[c % 3]),
    "large int64": (_around(2**53, np.int64),) * 2,
    "uint64": (_around(2**53, np.uint64),) * 2,
    "uint64 and int64": (_around(2**53, np.uint64), _around(2**53, np.int64)),
    "int64 and uint64": (_around(2**53, np.int64), _around(2**53, np.uint64)),
    "least and largest": (lambda c: np.where(c % 2, -(2**63), 2**63 - 1), lambda c: np.where(c % 2, -(2**63), 2**63 - 1)),
}


def labels(rng: Rng, n: int, m: int) -> tuple[Any, Any]:
    """Labels of both sides, of which some are on one side only."""
    of_queries, of_base = LABELS[str(rng.choice(list(LABELS)))]
    kinds = int(rng.choice([1, 2, 5, 40]))
    return of_queries(rng.integers(0, kinds, n)), of_base(rng.integers(0, kinds + 1, m))


def draw(rng: Rng, matrix: Any, alone: bool) -> Case:
    """What `build` takes, for pairs of these distances; `alone` for an array searched against itself."""
    n, m = matrix.shape
    case: Case = {}
    if rng.random() < 0.4:
        of_queries, of_base = labels(rng, n, m)
        case |= {"query_groups": of_queries, "base_groups": of_queries if alone else of_base}
        case["grouped"] = rng.choice(["different", "same", None], p=[0.5, 0.3, 0.2])
        if case["grouped"] is None or rng.random() < 0.4:
            case["max_per_group"] = int(rng.choice([1, 2, 3, m + 5]))
    if rng.random() < 0.3:
        case["excluded"] = rng.random((n, m)) < rng.choice([0.02, 0.5, 0.98])
        case["exclude_form"] = str(rng.choice(FORMS))
    if rng.random() < 0.2:
        case["base_mask"] = rng.random(m) < rng.choice([0, 0.1, 0.5, 0.95])
    for name in ("nearer_than", "farther_than"):
        if rng.random() < 0.25:
            case[name] = threshold(rng, matrix)
    return case


def threshold(rng: Rng, matrix: Any) -> Any:
    """A limit of all queries, or one each: distances that occur, their float64 neighbours, and special values."""
    n, m = matrix.shape
    special = [0.0, -0.0, np.inf, -np.inf, -1.0, 1e-300, 1e300, 2.0**-149, 0.5]
    occurring = matrix[np.arange(n), rng.integers(0, m, n)].astype(np.float64) if m else np.zeros(n)
    beside = np.nextafter(occurring, rng.choice([-np.inf, np.inf], n))
    one_each = np.stack([occurring, beside, rng.choice(special, n)])[rng.choice(3, n, p=[0.6, 0.3, 0.1]), np.arange(n)]
    if n and rng.random() < 0.4:
        return np.array(rng.choice(one_each))
    return one_each


FORMS = ("lists", "csr", "int32 csr", "unsorted", "scipy")


def listed(excluded: Any, form: str) -> Any:
    """The columns set in each row, in a form that the library takes."""
    lists = [np.flatnonzero(row) for row in excluded]
    start = np.concatenate([[0], np.cumsum([len(columns) for columns in lists])]).astype(np.int64)
    indices = np.concatenate([*lists, np.empty(0, np.int64)])
    if form == "csr":
        return start, indices
    if form == "int32 csr":
        return start.astype(np.int32), indices.astype(np.uint32)
    if form == "unsorted":  # and each twice
        return [np.concatenate([columns[::-1], columns]) for columns in lists]
    return scipy.sparse.csr_matrix(excluded) if form == "scipy" else lists


def build(case: Case, matrix: Any, alone: bool) -> tuple[hardmine.Filter | None, Any]:
    """(the filter, the pairs that it and `alone` allow)."""
    allowed = np.ones(matrix.shape, bool)
    if alone:
        np.fill_diagonal(allowed, False)
    given: dict[str, Any] = {}
    if case.get("grouped") is not None or case.get("max_per_group") is not None:
        given["base_groups"] = case["base_groups"]
    if case.get("max_per_group") is not None:
        given["max_per_group"] = case["max_per_group"]
    if case.get("grouped") is not None:
        given |= {"query_groups": case["query_groups"], "groups": str(case["grouped"])}
        same = oracle.same_group(case["query_groups"], case["base_groups"])
        allowed &= same if case["grouped"] == "same" else ~same
    if case.get("excluded") is not None:
        given["exclude"] = listed(case["excluded"], case["exclude_form"])
        allowed &= ~case["excluded"]
    if case.get("base_mask") is not None:
        given["base_mask"] = case["base_mask"]
        allowed &= case["base_mask"]
    for name, keeps in (("nearer_than", np.less), ("farther_than", np.greater)):
        if case.get(name) is not None:
            given[name] = case[name]
            allowed &= keeps(matrix.astype(np.float64), np.reshape(case[name], (-1, 1)))
    return (hardmine.Filter(**given) if given else None), allowed


def capped_groups(case: Case) -> Any:
    return None if case.get("max_per_group") is None else case["base_groups"].tolist()
