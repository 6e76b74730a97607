"""The positive pairs of an array, and the negative ones that a protocol takes of all others."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hardmine import _arguments, _arrays, _labels
from hardmine._arrays import ArrayLike, Ints
from hardmine.duplicates.inside import members, pairs_inside
from hardmine.duplicates.linkage import components
from hardmine.search.pairs import Pairs

Negatives: TypeAlias = Literal["all"] | tuple[Literal["hard"], int, int, int] | tuple[Literal["random"], int]

FORMS = '"all", ("hard", n_queries, n_base, k) or ("random", n)'


class Protocol(NamedTuple):
    """Which negative pairs are looked at: "all", "hard" or "random", and its numbers."""

    kind: str
    numbers: tuple[int, ...]


def check_negatives(negatives: Any, n: int) -> Protocol:
    """The protocol, for n rows, or raise."""
    kind, *numbers = negatives if isinstance(negatives, (tuple, list)) and len(negatives) else (negatives,)
    names = {"all": (), "hard": ("n_queries", "n_base", "k"), "random": ("n",)}
    if not isinstance(kind, str) or kind not in names or len(numbers) != len(names[kind]):
        raise ValueError(f"negatives: expected {FORMS}, got {negatives!r}")
    checked = tuple(_arguments.positive(f"negatives, {name}", number) for name, number in zip(names[kind], numbers))
    if kind == "hard" and checked[0] + checked[1] > n:
        raise ValueError(f"negatives: expected n_queries + n_base of at most {n} rows, got {checked[0] + checked[1]}")
    if kind == "hard" and checked[2] > checked[1]:
        raise ValueError(f"negatives, k: expected at most n_base = {checked[1]}, got {checked[2]}")
    return Protocol(kind, checked)


def check_clusters(groups: ArrayLike, n: int) -> Ints:
    """The cluster of near-duplicates of each row, as labels from 0 on; -1 for none, which negative integers mean here."""
    (numbers,) = _labels.numbered(_labels.labels("groups", groups, n, "x"))
    _, found = np.unique(numbers, return_inverse=True)
    found = found.reshape(-1).astype(np.int64)
    none = numbers < 0
    found -= found[~none].min(initial=n)  # negative numbers come first
    found[none] = -1
    return found


def pairs_of_clusters(labels: Ints) -> tuple[Ints, Ints]:
    """All pairs of rows of one cluster, as (rows, cols) with row < col."""
    ordered, start = members(labels)
    parts = [(ordered[i], ordered[j]) for i, j in pairs_inside(start)]
    none = np.empty(0, np.int64)
    rows, cols = (np.concatenate([none, *part]) for part in zip(*parts)) if parts else (none, none)
    return rows, cols


def check_pairs(positives: Any, n: int) -> tuple[Ints, Ints]:
    """Listed pairs, each unordered one once, as (rows, cols) with row < col, or raise."""
    if isinstance(positives, Pairs):
        if positives.shape != (n, n):
            raise ValueError(
                f"positives: expected pairs of {n} x {n} rows, got of {positives.shape[0]} x {positives.shape[1]}"
            )
        sides = positives.rows, positives.cols
    elif isinstance(positives, tuple) and len(positives) == 2:
        sides = positives
    else:
        array = _arrays.to_numpy("positives", positives)
        if array.shape == (0,):  # an empty list
            array = np.empty((0, 2), np.int64)
        if array.ndim != 2 or array.shape[1] != 2:
            raise ValueError(f"positives: expected (rows, cols) or an array of shape (p, 2), got shape {array.shape}")
        sides = array[:, 0], array[:, 1]
    rows, cols = (_arrays.integers("positives", side) for side in sides)
    if len(rows) != len(cols):
        raise ValueError(f"positives: expected as many cols as rows, {len(rows)}, got {len(cols)}")
    for side in (rows, cols):
        bad = _arrays.outside(side, 0, n)
        if bad is not None:
            raise ValueError(f"positives: expected row numbers from 0 to {n - 1}, got {bad}")
    own = np.flatnonzero(rows == cols)
    if len(own):
        raise ValueError(f"positives: expected pairs of two rows, got row {rows[own[0]]} with itself")
    return unranked(np.unique(ranks(np.minimum(rows, cols), np.maximum(rows, cols))))


def clusters_of_pairs(rows: Ints, cols: Ints, n: int) -> Ints:
    """A label for each row, so that no pair is of two: -1 for the rows of no pair."""
    try:
        found = components(rows, cols, n)
    except ImportError:
        raise ImportError('negatives="hard" of listed positives needs scipy: pip install "hardmine[duplicates]"') from None
    paired = np.zeros(n, bool)
    paired[rows] = paired[cols] = True
    return np.where(paired, found, -1)


def ranks(rows: Ints, cols: Ints) -> Ints:
    """The number of each pair row < col in the order of (col, row), from 0 on."""
    return _pairs_before(cols) + rows


def unranked(numbers: Ints) -> tuple[Ints, Ints]:
    """The pairs of these numbers. Square roots of float64 miss by one where numbers need more than 53 bits."""
    cols = ((1 + np.sqrt(1 + 8 * numbers.astype(np.float64))) / 2).astype(np.int64)
    cols -= _pairs_before(cols) > numbers
    cols += _pairs_before(cols + 1) <= numbers
    return numbers - _pairs_before(cols), cols


def _pairs_before(cols: Ints) -> Ints:
    """c (c - 1) / 2, whose product would exceed 63 bits for as many rows as there may be."""
    return (cols // 2) * (cols - 1 + cols % 2)


def draw_others(rows: Ints, cols: Ints, n: int, wanted: int, seed: int) -> tuple[Ints, Ints]:
    """Pairs drawn without replacement, all equally likely, from those of n rows that are not listed."""
    listed = np.sort(ranks(rows, cols))
    left = n * (n - 1) // 2 - len(listed)
    drawn = np.random.default_rng(seed).choice(left, wanted, replace=False, shuffle=False)
    # Number r of those left has r + i before it and itself, i of them listed: as many as have at most r unlisted ones before.
    return unranked(np.sort(drawn) + np.searchsorted(listed - np.arange(len(listed)), np.sort(drawn), "right"))


def in_words(protocol: Protocol, n: int, n_pos: int, n_neg: int, seed: int) -> str:
    """Which negative pairs these are: a rate says nothing without it."""
    if protocol.kind == "all":
        return f"all pairs of {n:,} rows that are not positive"
    if protocol.kind == "random":
        return f"{n_neg:,} pairs drawn from the {n * (n - 1) // 2 - n_pos:,} that are not positive, seed {seed}"
    n_queries, n_base, k = protocol.numbers
    return (
        f"the {k} nearest of {n_base:,} base rows for each of {n_queries:,} queries without a match between them: "
        f"the hardest {n_neg:,} of {n_queries * n_base:,} pairs, seed {seed}"
    )


def histogram(values: NDArray[Any], at: NDArray[Any]) -> tuple[Ints, Ints]:
    """(below, equal): how many values there are below each of `at`, which ascend, and how many equal it."""
    ordered = np.sort(values)
    below = np.searchsorted(ordered, at, "left")
    return below.astype(np.int64), np.searchsorted(ordered, at, "right") - below
