"""A prepared base: its rows, and beside them what every search would otherwise make of them anew.

An index is parts, each of rows that follow one another and their packed form, which nothing changes: `add` and `remove`
put other parts in their place, all at once, so that a search that runs meanwhile keeps those it started with.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hardmine import _arrays, _core
from hardmine._arguments import check_threads, one_of
from hardmine._arithmetic import in_standard_arithmetic
from hardmine._arrays import MOST_ROWS, ArrayLike, Block, FloatRows, Floats, Rows
from hardmine._files import load_npz, save_npz
from hardmine.search.metric import FLOAT_METRICS, Metric, check_float_metric


class Part(NamedTuple):
    """Rows of an index that follow one another, and their packed form."""

    rows: Floats
    prepared: _core.PreparedRows


class Index:
    """A base that is searched many times: packed once, and accepted wherever a base is.

    What is found is what the rows themselves as `base` give, bit for bit. Searches have nothing to pack, and those of few
    queries read about a quarter of the bytes. `pairwise` and `pair_distances`, and searches with `Filter.base_mask` or
    ``groups="same"``, read the rows alone; values of `pairwise`, which are not canonical, may differ after `add`.

    Parameters
    ----------
    base : array of shape (m, d), any float dtype
        As `topk` takes it. Other floats than float32 are rounded to float32 once, here.
    metric : {"cosine", "inner_product", "sqeuclidean", "euclidean"}
        Of every search of it.
    copy : bool
        By default the index has rows of its own, which nobody else changes. False keeps those that can be read in place (see
        `topk`), a memory map for example, where they are: what is written to them later makes results wrong, and nothing says
        so.
    threads : int, optional
        See `topk`.

    Attributes
    ----------
    metric : str
    shape : tuple of int
        (m, d); the length of an index is m.
    nbytes : int
        Of the rows and their packed form.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As `topk`; NaN and infinity are reported with their row.

    Notes
    -----
    O(m d) time, a few times that of a copy. Memory is 4 d bytes a row, unless ``copy=False``, and for the packed form 24 bytes
    and d rounded up to a multiple of 4, for m rounded up to a multiple of 8, 16 or 32. In more than 131,072 dimensions, where
    nothing is packed, it is none.

    The packed form is that of the instruction set in use. Searches with another one (`HARDMINE_ISA`) pack for themselves. In
    fewer than 16 dimensions, and on a CPU without instructions for bytes (`hardmine info` names the kernels: generic), float32
    is faster, and the rows alone are read.

    Several threads may search, and others add and remove meanwhile.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> base = np.array([[0.0, 1.0], [3.0, 4.0], [1.0, 0.0]], dtype=np.float32)
    >>> index = hardmine.Index(base)
    >>> index
    Index(3 x 2, metric='cosine')
    >>> hardmine.topk(np.float32([[1.0, 1.0]]), index, k=2).indices.tolist()
    [[1, 0]]
    >>> index.remove([1])
    >>> index.add(np.float32([[2.0, 2.0]]))
    >>> hardmine.topk(np.float32([[1.0, 1.0]]), index, k=2).indices.tolist()
    [[2, 0]]
    """

    @in_standard_arithmetic
    def __init__(self, base: ArrayLike, metric: Metric = "cosine", *, copy: bool = True, threads: int | None = None) -> None:
        check_float_metric(metric)
        n_threads = check_threads(threads)
        given = FloatRows("base", base)
        rows = given.take_all()
        if copy and given.overlaps(rows):
            rows = rows.copy()
        self._metric: Metric = metric
        self._width = given.width
        self._parts: tuple[Part, ...] = (self._part(rows, n_threads),)
        self._changing = threading.Lock()

    @property
    def metric(self) -> Metric:
        return self._metric

    @property
    def shape(self) -> tuple[int, int]:
        return sum(len(part.rows) for part in self._parts), self._width

    @property
    def nbytes(self) -> int:
        return sum(part.rows.nbytes + part.prepared.nbytes for part in self._parts)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"Index({self.shape[0]} x {self.shape[1]}, metric={self.metric!r})"

    def __reduce__(self) -> tuple[Callable[..., Index], tuple[Any, ...]]:
        return _again, (IndexRows("base", self).take_all(), self.metric)

    @in_standard_arithmetic
    def add(self, rows: ArrayLike, *, threads: int | None = None) -> None:
        """Append rows: the first of them gets the number ``len(index)``.

        Parameters
        ----------
        rows : array of shape (n, d), any float dtype
            Copied.
        threads : int, optional
            See `topk`.

        Raises
        ------
        TypeError, ValueError, RuntimeError
            As for the base, and for rows of another width. The index is then what it was.

        Notes
        -----
        Rows that were added are copied and packed again as more come: each O(log m) times in all. The index is parts that are
        searched one after the other, of which there are at most log2(m) + 1.
        """
        n_threads = check_threads(threads)
        given = FloatRows("rows", rows)
        if given.width != self._width:
            raise ValueError(f"rows: expected rows of {self._width} numbers, got shape ({given.count}, {given.width})")
        added = given.take_all()
        if given.overlaps(added):
            added = added.copy()
        FloatRows("rows", added).check_finite()
        if given.count == 0:
            return
        with self._changing:
            if len(self) + given.count > MOST_ROWS:
                raise ValueError(f"rows: expected fewer than 2**32 - 1 in all, got {given.count} beside {len(self)}")
            self._parts = self._arranged([*self._parts, added], n_threads)

    @in_standard_arithmetic
    def remove(self, ids: ArrayLike, *, threads: int | None = None) -> None:
        """Remove rows by their numbers. Those after them move up, so that results are again what the rows that are left give.

        Parameters
        ----------
        ids : array of shape (n,), integers
            In any order; a number that comes twice is removed once.
        threads : int, optional
            See `topk`.

        Raises
        ------
        TypeError, ValueError
            If numbers are none of rows. The index is then what it was.

        Notes
        -----
        O(m d): the rows that are left are copied, and packed again.
        """
        n_threads = check_threads(threads)
        numbers = _arrays.integers("ids", ids)
        with self._changing:
            bad = _arrays.outside(numbers, 0, len(self))
            if bad is not None:
                raise ValueError(f"ids: expected row numbers from 0 to {len(self) - 1}, got {bad}")
            keep = np.ones(len(self), bool)
            keep[numbers] = False
            left: list[Floats | Part] = []
            for first, part in _numbered(self._parts):
                kept = keep[first : first + len(part.rows)]
                if kept.all():
                    left.append(part)
                elif kept.any():
                    left.append(part.rows[kept])
            self._parts = self._arranged(left or [self._parts[0].rows[:0].copy()], n_threads)

    @in_standard_arithmetic
    def save(self, path: str | Path) -> None:
        """Write the rows and the metric to an .npz file, without pickle.

        Parameters
        ----------
        path : str or Path
            Written beside and renamed.

        Raises
        ------
        OSError
            If nothing can be written there.

        Notes
        -----
        What is packed is not written: it belongs to a CPU, and is made again about as fast as it would be read.
        """
        save_npz(Path(path), rows=IndexRows("base", self).take_all(), metric=np.array(self.metric))

    @classmethod
    def load(cls, path: str | Path, *, threads: int | None = None) -> Index:
        """Read what `save` wrote, and pack it.

        Parameters
        ----------
        path : str or Path
            An .npz file.
        threads : int, optional
            See `topk`.

        Returns
        -------
        Index

        Raises
        ------
        FileNotFoundError, ValueError
            If nothing is there, or something else.
        """
        check_threads(threads)
        saved = load_npz(Path(path), ("rows", "metric"), "Index.save")
        rows, metric = saved["rows"], saved["metric"]
        try:
            if rows.dtype != np.float32:
                raise TypeError(f"rows: expected float32, got {rows.dtype}")
            one_of("metric", metric.item() if metric.shape == () else metric, FLOAT_METRICS)
            return cls(rows, metric.item(), copy=False, threads=threads)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}: expected a file that Index.save wrote, got another ({error})") from None

    def _part(self, rows: Floats, threads: int) -> Part:
        return Part(rows, _core.PreparedRows(rows, FLOAT_METRICS[self._metric], threads))

    def _arranged(self, pieces: Sequence[Floats | Part], threads: int) -> tuple[Part, ...]:
        """As parts of which each is at least twice as long as the next; what is no part yet is packed."""
        runs: list[list[Floats | Part]] = []
        for piece in pieces:
            runs.append([piece])
            while len(runs) > 1 and _count(runs[-2]) < 2 * _count(runs[-1]):
                runs[-2:] = [runs[-2] + runs[-1]]
        parts = []
        for run in runs:
            if len(run) == 1 and isinstance(run[0], Part):
                parts.append(run[0])
            else:
                rows = [piece.rows if isinstance(piece, Part) else piece for piece in run]
                parts.append(self._part(rows[0] if len(rows) == 1 else np.concatenate(rows), threads))
        return tuple(parts)


Base: TypeAlias = ArrayLike | Index


class IndexRows(Rows):
    """The rows of an index, with what is packed of them: those it has now, whatever becomes of it."""

    item = 4

    def __init__(self, name: str, index: Index) -> None:
        self.name, self.torch, self._parts = name, None, index._parts
        self._check_count((sum(len(part.rows) for part in self._parts), self._parts[0].rows.shape[1]))

    @property
    def dtype(self) -> str:
        """Of the rows as the index has them."""
        return "float32"

    def blocks(self, begin: int = 0, end: int | None = None, size: int | None = None) -> Iterator[Block]:
        """Yield the rows from `begin` to `end`, a block for each part."""
        end = self.count if end is None else end
        for first, part in _numbered(self._parts):
            low, high = max(begin, first), min(end, first + len(part.rows))
            whole = high - low == len(part.rows)
            if low < high or self.count == 0:
                yield Block(low, part.rows[low - first : high - first], part.prepared if whole else None)

    def take_all(self) -> NDArray[Any]:
        """All rows as one block."""
        rows = [part.rows for part in self._parts]
        return rows[0] if len(rows) == 1 else np.concatenate(rows)

    def overlaps(self, other: NDArray[Any]) -> bool:
        """Whether writing to `other` might change these rows."""
        return any(np.may_share_memory(part.rows, other) for part in self._parts)


def metric_of(metric: Metric | None, base: object, otherwise: Metric = "sqeuclidean") -> Metric:
    """The metric of a search: that of the index if it is one of an index, which is the only one then, or raise."""
    if not isinstance(base, Index):
        return otherwise if metric is None else metric
    if metric not in (None, base.metric):
        raise ValueError(f"metric: expected {base.metric}, the metric of the index, got {metric!r}")
    return base.metric


def _again(rows: Floats, metric: Metric) -> Index:
    return Index(rows, metric, copy=False)


def _count(pieces: Sequence[Floats | Part]) -> int:
    return sum(len(piece.rows if isinstance(piece, Part) else piece) for piece in pieces)


def _numbered(parts: Sequence[Part]) -> Iterator[tuple[int, Part]]:
    """Each part, and the number of its first row."""
    first = 0
    for part in parts:
        yield first, part
        first += len(part.rows)
