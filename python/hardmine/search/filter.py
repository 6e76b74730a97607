"""Which pairs may be kept, as data: checked here, applied inside the scan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardmine import _arguments, _arrays, _core, _labels, _lists
from hardmine._arrays import ArrayLike, Floats, Ints
from hardmine._lists import Lists, RowLists


@dataclass(frozen=True, eq=False)
class Filter:
    """Which pairs of a query and a base row may be kept. Every condition given must hold.

    Filters are applied inside the scan: if a query has n allowed rows, its n nearest are returned, however many nearer
    ones are not allowed. Groups and exclusions cost time only for pairs that are near enough to be kept; `base_mask` and
    `groups="same"` leave the other rows out of the multiplication.

    Parameters
    ----------
    query_groups, base_groups : array of shape (n,) and (m,), integers or strings, optional
        A group of each query and base row. With ``base=None`` the queries' groups serve for both. Any integer is an ordinary
        group: see the notes.
    groups : {"different", "same"}
        Whether a pair must be of different groups or of the same.
    exclude : list of n index arrays, (indptr, indices), array of shape (n, p) or SciPy sparse matrix (n, m), optional
        Base rows that each query must not be given. The parts of a list may be sets, -1 in an array is none (as `topk` pads),
        and of a sparse matrix of any format, what is not zero is listed. Arrays of objects and Arrow arrays of lists are
        lists, too.
    base_mask : array of shape (m,), bool, optional
        The base rows that may be given at all.
    nearer_than, farther_than : float or array of shape (n,), optional
        Strict limits on the canonical distance, in the metric's unit.
    max_per_group : int, optional
        At most this many rows of each base group for a query: the nearest ones. Needs `base_groups`.

    Notes
    -----
    Groups and labels mean the same in every function: two rows are of one group exactly where their integers, of any dtype, or
    their strings are equal, and -1 is a group like any other, as in classes of -1 and +1. Where -1 stands for no group at all
    (the noise of a clustering), give such rows groups of their own:
    ``np.where(g < 0, g.max() + 1 + np.arange(len(g)), g)``. The exceptions are `sample_non_duplicate_split` and `pair_roc`,
    whose clusters most rows have none of.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> rows = np.array([[0.0], [1.0], [2.0], [5.0]], dtype=np.float32)
    >>> label = np.array([7, 7, 8, 8])
    >>> hardmine.topk(rows, k=1, where=hardmine.Filter(query_groups=label)).indices.ravel()
    array([2, 2, 1, 1])
    """

    query_groups: ArrayLike | None = None
    base_groups: ArrayLike | None = None
    groups: Literal["different", "same"] = "different"
    exclude: Lists | None = None
    base_mask: ArrayLike | None = None
    nearer_than: ArrayLike | float | None = None
    farther_than: ArrayLike | float | None = None
    max_per_group: int | None = None


class CoreFilter(NamedTuple):
    """A filter as the core takes it; the names are those of `_core.Filter`."""

    self_join: bool = False
    query_rows: Ints | None = None
    groups: _core.Groups = _core.Groups.any
    query_groups: Ints | None = None
    base_groups: Ints | None = None
    exclude_start: Ints | None = None
    exclude_indices: Ints | None = None
    base_mask: NDArray[np.bool_] | None = None
    nearer_than: Floats | None = None
    farther_than: Floats | None = None
    max_per_group: int = 0

    def core(self, nearer_than: Floats | None) -> _core.Filter:
        """The filter with perhaps narrower limits."""
        return _core.Filter(**self._replace(nearer_than=nearer_than)._asdict())

    def of(self, queries: Ints) -> CoreFilter:
        """The filter of some of the queries beside the whole base; of an array with itself they are rows of it."""
        part: dict[str, Any] = {"self_join": False, "query_rows": queries if self.self_join else None}
        for name in ("query_groups", "nearer_than", "farther_than") + (() if self.self_join else ("query_rows",)):
            values = getattr(self, name)
            part[name] = None if values is None else values[queries]
        if self.exclude_start is not None and self.exclude_indices is not None:
            excluded = RowLists(self.exclude_start, self.exclude_indices).of(queries)
            part["exclude_start"], part["exclude_indices"] = excluded.start, excluded.indices
        return self._replace(**part)

    def allows(self, rows: Ints, cols: Ints, distances: NDArray[Any]) -> NDArray[np.bool_]:
        """Which listed pairs may be kept, by their canonical distances; it knows nothing of `max_per_group`."""
        keep = rows != cols if self.self_join else np.ones(len(rows), bool)
        if self.query_rows is not None:
            keep &= self.query_rows[rows] != cols
        if self.query_groups is not None and self.base_groups is not None:
            keep &= (self.query_groups[rows] == self.base_groups[cols]) == (self.groups == _core.Groups.same)
        if self.exclude_start is not None and self.exclude_indices is not None:
            keep &= ~RowLists(self.exclude_start, self.exclude_indices).contains(rows, cols)
        if self.base_mask is not None:
            keep &= self.base_mask[cols]
        if self.nearer_than is not None:
            keep &= distances < self.nearer_than[rows]
        if self.farther_than is not None:
            keep &= distances > self.farther_than[rows]
        return keep


def check_query_rows(query_rows: ArrayLike | None, n: int, m: int, self_join: bool) -> Ints | None:
    """The base row that each of n queries is, -1 for none, or raise."""
    if query_rows is None:
        return None
    if self_join:
        raise ValueError("query_rows: expected None beside base=None, where every query is its own row, got an array")
    rows = _arrays.integers("query_rows", query_rows)
    if len(rows) != n:
        raise ValueError(f"query_rows: expected {n} row numbers, one for each query, got {len(rows)}")
    bad = _arrays.outside(rows, -1, m)
    if bad is not None:
        raise ValueError(f"query_rows: expected row numbers from 0 to {m - 1}, or -1 for none, got {bad}")
    return rows


def check_filter(where: Filter | None, query_rows: ArrayLike | None, n: int, m: int, self_join: bool) -> CoreFilter:
    """Turn a user's filter for n queries and m base rows into the core's, or raise."""
    found: dict[str, Any] = {"self_join": self_join, "query_rows": check_query_rows(query_rows, n, m, self_join)}
    if where is None:
        return CoreFilter(**found)
    if not isinstance(where, Filter):
        raise TypeError(f"where: expected a hardmine.Filter, got {type(where).__name__}")
    if where.groups not in ("different", "same"):
        raise ValueError(f'groups: expected "different" or "same", got {where.groups!r}')
    base_groups = where.query_groups if where.base_groups is None and self_join else where.base_groups
    if where.query_groups is not None and base_groups is None:
        raise ValueError("base_groups: expected a group for each base row beside query_groups, got None")
    if base_groups is not None and where.query_groups is None and where.max_per_group is None:
        raise ValueError("query_groups: expected a group for each query beside base_groups, got None")
    if where.max_per_group is not None:
        if base_groups is None:
            raise ValueError("max_per_group: expected base_groups beside it, got None")
        most = max(m, 1)  # a cap beyond all rows is none
        found["max_per_group"] = min(_arguments.positive("max_per_group", where.max_per_group), most)
    if base_groups is not None:
        name, of = ("query_groups", "queries") if base_groups is where.query_groups else ("base_groups", "base")
        given = [_labels.labels(name, base_groups, m, of)]
        if where.query_groups is not None:
            given.append(_labels.labels("query_groups", where.query_groups, n, "queries"))
            found["groups"] = _core.Groups.__members__[where.groups]
        numbered = _labels.numbered(*given)
        if where.groups == "same" or where.max_per_group is not None:  # the scan sorts by them: they must stay as they are
            numbered = [part.copy() for part in numbered]
        found.update(zip(("base_groups", "query_groups"), numbered))
    if where.exclude is not None:
        excluded = _lists.ragged("exclude", where.exclude, n, m)
        found["exclude_start"], found["exclude_indices"] = excluded.start, excluded.indices
    if where.base_mask is not None:
        mask = _arrays.to_numpy("base_mask", where.base_mask)
        if mask.dtype != np.bool_:
            raise TypeError(f"base_mask: expected booleans, got {mask.dtype}")
        if mask.shape != (m,):
            raise ValueError(f"base_mask: expected {m} booleans, one for each base row, got shape {mask.shape}")
        found["base_mask"] = np.ascontiguousarray(mask)
    if where.nearer_than is not None:
        found["nearer_than"] = _arrays.round_up(_arrays.thresholds("nearer_than", where.nearer_than, n))
    if where.farther_than is not None:
        found["farther_than"] = _arrays.round_down(_arrays.thresholds("farther_than", where.farther_than, n))
    return CoreFilter(**found)
