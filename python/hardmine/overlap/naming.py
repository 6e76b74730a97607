"""What the rows of both sides are called: their labels and ids."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardmine import _arrays, _labels
from hardmine._arrays import ArrayLike, Ints


class Naming(NamedTuple):
    """Labels and ids of training rows and evaluation rows; None where none were given."""

    train_labels: NDArray[Any] | None
    evaluation_labels: NDArray[Any] | None
    train_ids: NDArray[Any] | None
    evaluation_ids: NDArray[Any] | None

    def train_id(self, rows: Ints) -> NDArray[Any]:
        """What training rows are called: their ids, or their numbers."""
        return rows if self.train_ids is None else self.train_ids[rows]

    def evaluation_id(self, rows: Ints) -> NDArray[Any]:
        """The same of evaluation rows."""
        return rows if self.evaluation_ids is None else self.evaluation_ids[rows]


class Classes(NamedTuple):
    """The classes of the training set by numbers, in the order of their labels."""

    labels: NDArray[Any]
    of: Ints  # the class of each training row
    sizes: Ints

    def numbers(self, name: str, labels: ArrayLike) -> Ints:
        """The numbers of some labels, or raise for the first that is none of the training set's."""
        shape = _arrays.to_numpy(name, labels).shape
        if len(shape) != 1:
            raise ValueError(f"{name}: expected a list of labels, got shape {shape}")
        given = _labels.labels(name, labels, shape[0], name)
        if given.size and self.labels.size and (given.dtype.kind in "US") != (self.labels.dtype.kind in "US"):
            raise TypeError(f"{name}: expected labels like train_labels, {self.labels.dtype}, got {given.dtype}")
        known, wanted = _labels.numbered(self.labels, given)
        order = np.argsort(known)
        place = np.minimum(np.searchsorted(known[order], wanted), len(known) - 1)
        found = order[place] if len(known) else np.zeros(len(wanted), np.int64)
        missing = np.flatnonzero(known[found] != wanted) if len(known) else np.arange(len(wanted))
        if len(missing):
            raise ValueError(f"{name}: expected labels of training rows, got {given[missing[0]]!s}")
        return found


def classes_of(labels: NDArray[Any]) -> Classes:
    """The classes that labels name."""
    names, of, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    return Classes(names, of.reshape(-1).astype(np.int64, copy=False), sizes.astype(np.int64, copy=False))


def check_naming(
    train_labels: ArrayLike | None,
    evaluation_labels: ArrayLike | None,
    ids: tuple[ArrayLike, ArrayLike] | None,
    n: int,
    m: int,
) -> Naming:
    """Labels and ids for n training rows and m evaluation rows, as arrays of the report's own, or raise."""
    if ids is not None and (not isinstance(ids, (tuple, list)) or len(ids) != 2):
        raise TypeError(f"ids: expected (ids of training rows, ids of evaluation rows), got {type(ids).__name__}")
    of_train, of_evaluation = ids or (None, None)
    return Naming(
        _names("train_labels", train_labels, n, "train"),
        _names("evaluation_labels", evaluation_labels, m, "evaluation"),
        _names("ids", of_train, n, "train"),
        _names("ids", of_evaluation, m, "evaluation"),
    )


def _names(name: str, values: ArrayLike | None, count: int, of: str) -> NDArray[Any] | None:
    return None if values is None else _labels.labels(name, values, count, of).copy()
