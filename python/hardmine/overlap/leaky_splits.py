"""Pairs of rows that are too near each other for the splits they are in, among any number of splits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardmine import _arrays, _labels
from hardmine._arguments import check_threads, number
from hardmine._arithmetic import in_standard_arithmetic
from hardmine._arrays import ArrayLike, FloatRows, Ints
from hardmine.overlap.clean_split import write_csv
from hardmine.search.filter import Filter
from hardmine.search.metric import Metric
from hardmine.search.pairs import Pairs
from hardmine.search.radius_neighbors import radius_neighbors
from hardmine.search.sides import check_rows


@dataclass(frozen=True, eq=False, repr=False)
class LeakySplits:
    """The pairs of `leaky_splits`; false where there is none.

    Attributes
    ----------
    pairs : Pairs
        Rows of different splits within the threshold, hardest first: in the order of (distance, row, col), with row < col.
    splits : array of shape (n,), integers or strings
        The split of each row.
    names : array of shape (s,)
        The splits, sorted.
    counts : array of shape (s, s), int64
        ``counts[a, b]`` is how many rows of split a have a row of split b within the threshold.
    """

    pairs: Pairs
    splits: NDArray[Any]
    names: NDArray[Any]
    counts: Ints

    def __bool__(self) -> bool:
        return len(self.pairs) > 0

    def __repr__(self) -> str:
        rows = f"{len(self.leaks)} of {len(self.splits)} rows"
        return f"LeakySplits({len(self.pairs)} pairs between {len(self.names)} splits, {rows})"

    @property
    def leaks(self) -> Ints:
        """The rows that are in a pair, ascending."""
        return np.unique(np.concatenate([np.asarray(self.pairs.rows), np.asarray(self.pairs.cols)]))

    def rows(self, split: Any, *, near: Any) -> Ints:
        """The rows of one split that have a row of another within the threshold, ascending: what to drop from it.

        Parameters
        ----------
        split, near : names of splits
        """
        for name, value in (("split", split), ("near", near)):
            if value not in self.names.tolist():
                raise ValueError(f"{name}: expected one of {', '.join(map(str, self.names))}, got {value!r}")
        a, b = (np.concatenate([np.asarray(part) for part in parts]) for parts in zip(*self._both_ways()))
        return np.unique(a[(self.splits[a] == split) & (self.splits[b] == near)])

    def summary(self) -> str:
        """How many rows of each split are near one of each other split, a line each."""
        lines = [repr(self)]
        for a, b in zip(*np.nonzero(self.counts)):
            of = int((self.splits == self.names[a]).sum())
            lines.append(f"  {self.names[a]!s:<20} near {self.names[b]!s:<20}{self.counts[a, b]:>12,} of {of:,} rows")
        return "\n".join(lines)

    def to_csv(self, path: str | Path) -> None:
        """Write the pairs, with the splits of both rows; beside and renamed."""
        rows, cols, distances = (np.asarray(part) for part in self.pairs)
        columns = {"row": rows, "col": cols, "row_split": self.splits[rows], "col_split": self.splits[cols]}
        write_csv(Path(path), columns | {"distance": distances})

    def assert_no_leaks(self) -> None:
        """Raise AssertionError if there is a pair: a line for a test."""
        if self:
            row, col, distance = (np.asarray(part)[0] for part in self.pairs)
            raise AssertionError(
                f"expected no pair of rows of different splits, got {len(self.pairs)}; the hardest: row {row} "
                f"({self.splits[row]}), row {col} ({self.splits[col]}), distance {distance:g}"
            )

    def _both_ways(self) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        return (self.pairs.rows, self.pairs.cols), (self.pairs.cols, self.pairs.rows)


@in_standard_arithmetic
def leaky_splits(
    x: ArrayLike,
    splits: ArrayLike,
    threshold: float,
    *,
    metric: Metric = "cosine",
    max_pairs: int | None = None,
    bits: int | None = None,
    threads: int | None = None,
    progress: bool | Callable[[int, int], object] = False,
) -> LeakySplits:
    """Find all pairs of rows in different splits that are no farther apart than a threshold, exactly.

    Every pair between two splits is looked at. A search that first removes near-duplicates wherever they are, and then looks
    at the nearest row that is left of each, misses a training row beyond a test row (the example below).

    Parameters
    ----------
    x : array of shape (n, d), any float dtype, or packed codes
        The rows of all splits: see `topk`.
    splits : array of shape (n,), integers or strings
        The split of each row, any number of different ones.
    threshold : float
        The largest distance of a leak, in the metric's unit.
    metric : {"cosine", "sqeuclidean", "euclidean", "inner_product", "hamming"}
        See `topk`.
    max_pairs, bits, threads, progress : optional
        See `radius_neighbors`.

    Returns
    -------
    LeakySplits
        NumPy arrays; true if there is a leak.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As `radius_neighbors`.

    Notes
    -----
    Half of n^2 d multiply-adds. Memory as in `radius_neighbors`, of the leaks only, and some 100 bytes for each.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> x = np.float32([[0.0], [0.9], [1.85]])
    >>> found = hardmine.leaky_splits(x, ["test", "test", "train"], 1.0, metric="euclidean")
    >>> found
    LeakySplits(1 pairs between 2 splits, 2 of 3 rows)
    >>> found.rows("train", near="test").tolist()
    [2]
    """
    limit, _ = number("threshold", threshold), check_threads(threads)
    rows_of, _ = check_rows(x, None, metric, bits, ("x", "x"))
    named = _labels.labels("splits", splits, rows_of.count, "x").copy()
    if isinstance(rows_of, FloatRows):
        rows_of.check_finite()
    found = radius_neighbors(
        x,
        radius=limit,
        metric=metric,
        where=Filter(query_groups=named),
        max_pairs=max_pairs,
        bits=bits,
        threads=threads,
        progress=progress,
    )
    rows, cols, distances = (_arrays.to_numpy("pairs", part) for part in found)
    order = np.lexsort((cols, rows, distances))
    pairs = Pairs(rows[order], cols[order], distances[order], found.shape)
    names, of = np.unique(named, return_inverse=True)
    of = of.reshape(-1)
    counts = np.zeros((len(names), len(names)), np.int64)
    near = np.unique(
        np.stack([np.append(rows, cols), of[np.append(cols, rows)]], axis=1), axis=0
    )  # (row, split that it is near)
    np.add.at(counts, (of[near[:, 0]], near[:, 1]), 1)
    return LeakySplits(pairs, named, names, counts)
