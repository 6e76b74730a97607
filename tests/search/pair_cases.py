"""Cases of searches for all near pairs: rows with ties, every filter, and the surroundings that must not change an answer."""

import contextlib
import functools
from typing import Any, NamedTuple

import hypothesis.strategies as st
import numpy as np

import pair_reference
import reference
from blocks import converted_blocks
from hardmine import Filter, _core
from isas import ISAS, using_isa
from optional_torch import torch

METRICS = (*reference.METRICS, "hamming")
KINDS = ("grid", "grid", "ordinary", "equal", "zeros", "huge", "tiny")
SIZES = (0, 1, 2, 3, 8, 9, 17, 60, 130)  # about the screen for few queries, and tiles of the other one

drawn = {
    "kind": st.sampled_from(KINDS),
    "n": st.sampled_from(SIZES),
    "m": st.sampled_from((None, *SIZES)),  # None: the queries themselves
    "layout": st.sampled_from(["in place", "in place", "converted", "tensor"]),
    "isa": st.sampled_from(ISAS),
    "threads": st.sampled_from([1, 3]),
    "seed": st.integers(0, 10**6),
}


class Case(NamedTuple):
    """The arguments of a call, and what is to come out of it."""

    rows: tuple[Any, Any]  # queries, base
    options: dict[str, Any]
    distances: Any  # the canonical ones, (n, m)
    keep: Any  # which of them the filter allows, (n, m)
    self_join: bool


def rows_of(kind, rng, n, d):
    """Float rows that tie, coincide, vanish, overflow or underflow."""
    if kind == "ordinary":
        return rng.standard_normal((n, d)).astype(np.float32)
    x = rng.integers(-2, 3, (n, d)).astype(np.float32)
    if kind == "equal":
        x[:] = rng.integers(-2, 3, d)
    if kind == "zeros":
        x[rng.random(n) < 0.5] = 0
    return x * np.float32({"huge": 1e30, "tiny": 2.0**-140}.get(kind, 1))


def draw_filter(rng, distances, self_join):
    """Any of the fields of a filter but the cap per group, at random; limits are distances that occur."""
    n, m = distances.shape
    given = {}
    if rng.random() < 0.3:
        given["query_groups"] = rng.integers(-1, 3, n)
        if not self_join or rng.random() < 0.3:  # an array searched against itself may have other groups as a base
            given["base_groups"] = rng.integers(-1, 3, m)
        given["groups"] = str(rng.choice(["different", "same"]))
    if rng.random() < 0.3:
        given["exclude"] = [np.flatnonzero(rng.random(m) < 0.1).tolist() for _ in range(n)]
    if rng.random() < 0.3:
        given["base_mask"] = rng.random(m) < 0.7
    for name in ("nearer_than", "farther_than"):
        if rng.random() < 0.25 and distances.size:
            occurring = rng.choice(distances.ravel(), n).astype(np.float64)
            given[name] = float(occurring[0]) if rng.random() < 0.4 else occurring
    return Filter(**given) if given else None


def draw(metric, kind, n, m, layout, threads, rng):
    """A case of these sizes; codes of 13 bits tie often, and one byte of them is not full."""
    self_join = m is None
    if metric == "hamming":
        bits = [rng.random((count, 13)) < 0.3 for count in ((n,) if self_join else (n, m))]
        arrays = [np.packbits(one, axis=1) for one in bits]
        distances = pair_reference.matrix(bits[0], None if self_join else bits[1], metric)
    else:
        arrays = [rows_of(kind, rng, count, 6) for count in ((n,) if self_join else (n, m))]
        if not self_join and n and m:
            arrays[0][::3] = arrays[1][rng.integers(0, m, len(arrays[0][::3]))]
        distances = pair_reference.matrix(arrays[0], None if self_join else arrays[1], metric)
    where = draw_filter(rng, distances, self_join)
    query_rows = rng.integers(-1, m, n) if m and rng.random() < 0.2 else None
    keep = pair_reference.allowed(where, distances, self_join, query_rows)
    rows = [laid_out(array, layout) for array in arrays]
    options = {"metric": metric, "where": where, "query_rows": query_rows, "threads": threads}
    if metric == "hamming":
        options["bits"] = 13
    return Case((rows[0], None if self_join else rows[1]), options, distances, keep, self_join)


def capped(case, cap, rng):
    """The same case with a cap per group, which an array with itself cannot have."""
    if cap is None or case.self_join:
        return case
    where = case.options["where"]
    fields = {} if where is None else dict(vars(where))
    if fields.get("base_groups") is None:
        fields["base_groups"] = rng.integers(0, 3, case.distances.shape[1])
    keep = pair_reference.capped(case.distances, case.keep, fields["base_groups"], cap)
    options = case.options | {"where": Filter(**fields | {"max_per_group": cap})}
    return Case(case.rows, options, case.distances, keep, case.self_join)


@functools.lru_cache(maxsize=8)
def large(metric, apart):
    """Enough rows for the scan that meets every pair of an array once, random ones or ones that tie, and their distances."""
    rng = np.random.default_rng(7)
    x = rng.standard_normal((2100, 12)) if apart else rng.integers(-1, 2, (2100, 12))
    x = x.astype(np.float32)
    x[::40] = x[7]
    return x, pair_reference.matrix(x, None, metric)


@functools.lru_cache(maxsize=8)
def large_codes():
    """The same as codes, their bits, and distances."""
    bits = np.random.default_rng(8).random((2100, 70)) < 0.3
    return np.packbits(bits, axis=1), pair_reference.matrix(bits, None, "hamming")


@functools.lru_cache(maxsize=8)
def two_sides(metric, n):
    """Queries, some of which are base rows, for the screen for few queries or the one for many, and their distances."""
    rng = np.random.default_rng(9)
    base = rng.standard_normal((2000, 40)).astype(np.float32)
    queries = np.concatenate([base[: n // 2], rng.standard_normal((n - n // 2, 40))]).astype(np.float32)
    return queries, base, pair_reference.matrix(queries, base, metric)


def laid_out(array, layout):
    """The same rows as something that must be converted block by block, or as a tensor."""
    if layout == "tensor":
        return torch.from_numpy(array)
    return np.asfortranarray(array) if layout == "converted" else array


@contextlib.contextmanager
def surroundings(isa="", block_bytes=200):
    """An instruction set, and converted blocks of a few rows."""
    with using_isa(isa or _core.isa()), converted_blocks(block_bytes):
        yield


def beside(values, rng):
    """Values, and their neighbours among float32 and among float64 numbers: what stands exactly at a limit."""
    values = np.asarray(values, np.float64)
    aside = rng.choice([-np.inf, np.inf], values.shape)
    with np.errstate(over="ignore"):
        single = np.nextafter(values.astype(np.float32), aside.astype(np.float32)).astype(np.float64)
    choice = rng.integers(0, 4, values.shape)
    return np.choose(choice, [values, values, np.nextafter(values, aside), single])
