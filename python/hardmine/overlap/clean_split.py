"""A training set without what overlaps: which rows stay, which go and why, and a table before and after that must add up."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardmine._arrays import Ints
from hardmine._files import replacing
from hardmine.search.neighbors import Distances

VISUAL, LISTED = "visual", "listed"


class Line(NamedTuple):
    """One line of the table: an evaluation label, what was listed, or the total.

    Attributes
    ----------
    name : str
    evaluation_rows, overlapping : int
        Evaluation rows, and those with evidence for something that is removed.
    classes, rows : int
        Training classes and rows removed for it; what two lines share is in both, and once in the total.
    """

    name: str
    evaluation_rows: int
    overlapping: int
    classes: int
    rows: int


@dataclass(frozen=True, eq=False, repr=False)
class CleanSplit:
    """What `OverlapReport.clean_split` leaves and removes.

    Attributes
    ----------
    kept, removed : array of shape (kept,) and (removed,), int64
        Training rows, ascending; together all of them.
    reasons : array of shape (removed,), str
        "visual" where there is evidence, "listed" for classes that were named.
    train_rows, evaluation_rows : array of shape (removed,), int64
        The hardest pair that speaks for each removed row: its own with ``scope="row"``, that of its class with "class"; -1
        where the reason is "listed".
    distances : array of shape (removed,), float32, or int32 for codes
        Of that pair; infinity (2**31 - 1 for codes) where there is none.
    removed_labels : array of shape (c,), or None
        Training classes of which nothing is left; None without labels.
    ids : array of shape (removed,)
        What the removed rows are called: their ids, or their numbers.
    labels : array of shape (removed,), or None
        Of the removed rows; None without labels.
    lines : tuple of Line
        One for each evaluation label, one for what was listed, and the total.
    before, after : dict
        "rows" and, with labels, "classes" of the training set.
    """

    kept: Ints
    removed: Ints
    reasons: NDArray[np.str_]
    train_rows: Ints
    evaluation_rows: Ints
    distances: Distances
    removed_labels: NDArray[Any] | None
    ids: NDArray[Any]
    labels: NDArray[Any] | None
    lines: tuple[Line, ...]
    before: dict[str, int]
    after: dict[str, int]

    def __repr__(self) -> str:
        gone = "" if self.removed_labels is None else f", {len(self.removed_labels)} classes"
        return f"CleanSplit({len(self.kept)} of {self.before['rows']} rows kept, {len(self.removed)} removed{gone})"

    def summary(self) -> str:
        """The table in words: what was removed for which evaluation rows, and the training set before and after."""
        columns = ("evaluation rows", "overlapping", "classes removed", "rows removed")
        text = [f"{'':<20}" + "".join(f"{name:>17}" for name in columns)]
        text += [f"{line.name[:19]:<20}" + "".join(f"{number:>17,}" for number in line[1:]) for line in self.lines]
        text += ["", f"{'':<20}" + "".join(f"{name:>17}" for name in self.before)]
        for name, counts in (("training set", self.before), ("removed", self._gone()), ("left", self.after)):
            text.append(f"{name:<20}" + "".join(f"{counts[kind]:>17,}" for kind in self.before))
        return "\n".join(text)

    def to_csv(self, path: str | Path) -> None:
        """Write the removed rows, each with its reason and the pair that speaks for it.

        Parameters
        ----------
        path : str or Path
            Written beside and renamed.
        """
        columns: dict[str, NDArray[Any]] = {"train_row": self.removed, "train_id": self.ids}
        if self.labels is not None:
            columns["train_label"] = self.labels
        columns |= {"reason": self.reasons, "evidence_row": self.train_rows, "evaluation_row": self.evaluation_rows}
        write_csv(Path(path), columns | {"distance": self.distances})

    def _gone(self) -> dict[str, int]:
        return {kind: self.before[kind] - self.after[kind] for kind in self.before}


def write_csv(path: Path, columns: dict[str, NDArray[Any]]) -> None:
    """Columns of one length as a file with a line of names; it is written beside and renamed."""
    with replacing(path) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        size = len(next(iter(columns.values())))
        for first in range(0, size, 1 << 16):  # as lists of Python's numbers, some at a time
            writer.writerows(zip(*(column[first : first + (1 << 16)].tolist() for column in columns.values())))


def check_totals(split: CleanSplit, labels: NDArray[Any] | None, n: int) -> None:
    """Raise AssertionError unless everything adds up: rows and classes, each counted another way than they were removed."""
    both = np.concatenate([split.kept, split.removed])
    _hold(len(both) == n and bool((np.bincount(both, minlength=n) == 1).all()), "each training row is kept or removed")
    _hold(
        split.before["rows"] - len(split.removed) == split.after["rows"] == len(split.kept), "rows before, removed and after"
    )
    _hold(bool(np.isin(split.reasons, (VISUAL, LISTED)).all()), "each removed row has a reason")
    shown = split.evaluation_rows >= 0
    _hold(
        bool((shown == (split.reasons == VISUAL)).all() and (shown == (split.train_rows >= 0)).all()),
        "evidence for each reason",
    )
    total, others = split.lines[-1], split.lines[:-1]
    _hold(total.rows == len(split.removed), "the total of removed rows")
    for name in Line._fields[1:]:
        parts, whole = [getattr(line, name) for line in others], getattr(total, name)
        _hold(max(parts, default=0) <= whole <= sum(parts), f"the lines of {name} and their total")
    if labels is None or split.removed_labels is None:
        return
    left = np.unique(labels[split.kept])
    _hold(
        split.before["classes"] - len(split.removed_labels) == split.after["classes"] == len(left), "classes before and after"
    )
    _hold(not np.isin(split.removed_labels, left).any(), "nothing is left of a removed class")
    _hold(bool(np.isin(split.removed_labels, labels[split.removed]).all()), "each removed class had rows")
    _hold(total.classes == len(split.removed_labels), "the total of removed classes")


def _hold(holds: bool, what: str) -> None:
    if not holds:
        raise AssertionError(f"clean_split: {what} do not add up; please report it")
