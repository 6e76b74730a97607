"""Removal: from decisions on classes or rows to the rows that go, their reasons, and the lines of the table."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardmine._arrays import Ints
from hardmine.overlap.clean_split import LISTED, VISUAL, CleanSplit, Line, check_totals
from hardmine.overlap.naming import Classes, Naming
from hardmine.search.neighbors import no_distance
from hardmine.search.pairs import Pairs


def split_without(
    of_rows: Ints,
    gone: Ints,
    first: Ints,
    listed: Ints,
    evidence: Ints,
    candidates: Pairs,
    classes: Classes | None,
    naming: Naming,
) -> CleanSplit:
    """The split without the units `gone`, whose hardest pairs are `first`, and without the classes `listed`.

    `of_rows` is the unit of each training row, `evidence` the places of the pairs that are evidence.
    """
    rows, cols, distances = (np.asarray(part) for part in candidates)
    n = candidates.shape[0]
    pair_of_unit = np.full(int(of_rows.max(initial=-1)) + 1, -1)
    pair_of_unit[gone] = first
    pair = pair_of_unit[of_rows] if n else np.zeros(0, np.int64)
    by_list = np.zeros(n, bool) if classes is None else np.isin(classes.of, listed)
    going = (pair >= 0) | by_list
    removed, kept = np.flatnonzero(going), np.flatnonzero(~going)
    of_removed = pair[removed]
    shown = of_removed >= 0
    at = of_removed[shown]
    reasons = np.where(shown, VISUAL, LISTED)
    missing = no_distance(distances.dtype)
    its_train, its_evaluation = np.full(len(removed), -1), np.full(len(removed), -1)
    its_distance = np.full(len(removed), missing, distances.dtype)
    its_train[shown], its_evaluation[shown], its_distance[shown] = rows[at], cols[at], distances[at]

    before, after, removed_labels = {"rows": n}, {"rows": len(kept)}, None
    emptied = np.zeros(0, np.int64)
    if classes is not None:
        left = np.bincount(classes.of[kept], minlength=len(classes.labels))
        emptied = np.flatnonzero(left == 0)
        removed_labels = classes.labels[emptied]
        before["classes"], after["classes"] = len(classes.labels), len(classes.labels) - len(emptied)
    split = CleanSplit(
        kept=kept,
        removed=removed,
        reasons=reasons,
        train_rows=its_train,
        evaluation_rows=its_evaluation,
        distances=its_distance,
        removed_labels=removed_labels,
        ids=naming.train_id(removed),
        labels=None if naming.train_labels is None else naming.train_labels[removed],
        lines=tuple(_lines(of_rows, pair, evidence, going, emptied, candidates, classes, naming)),
        before=before,
        after=after,
    )
    check_totals(split, naming.train_labels, n)
    return split


def _lines(
    of_rows: Ints,
    pair: Ints,
    evidence: Ints,
    going: NDArray[np.bool_],
    emptied: Ints,
    candidates: Pairs,
    classes: Classes | None,
    naming: Naming,
) -> list[Line]:
    """One line for each evaluation label, one for what goes without evidence, and the total of all."""
    rows, cols, _ = (np.asarray(part) for part in candidates)
    m = candidates.shape[1]
    at = evidence[pair[rows[evidence]] >= 0]  # evidence for what is removed
    names, of_evaluation = (np.array(["evaluation"]), np.zeros(m, np.int64))
    if naming.evaluation_labels is not None:
        names, inverse = np.unique(naming.evaluation_labels, return_inverse=True)
        of_evaluation = inverse.reshape(-1)
    is_emptied = np.zeros(0 if classes is None else len(classes.labels), bool)
    is_emptied[emptied] = True
    size_of_unit = np.bincount(of_rows)

    def line(name: Any, evaluation_rows: int, pairs: Ints, others: Ints) -> Line:
        """Of pairs that are evidence, and of other rows that go."""
        spoken = np.unique(of_rows[rows[pairs]])  # units
        count = int(size_of_unit[spoken].sum()) + len(others)
        emptied_here = 0
        if classes is not None:
            touched = np.unique(np.concatenate([classes.of[rows[pairs]], classes.of[others]]))
            emptied_here = int(is_emptied[touched].sum())
        return Line(str(name), evaluation_rows, len(np.unique(cols[pairs])), emptied_here, count)

    none, listed = np.zeros(0, np.int64), np.flatnonzero(going & (pair < 0))
    found = []
    by_label = np.argsort(of_evaluation[cols[at]], kind="stable")
    ends = np.searchsorted(of_evaluation[cols[at]][by_label], np.arange(len(names) + 1))
    for place, name in enumerate(names):
        here = at[by_label[ends[place] : ends[place + 1]]]
        found.append(line(name, int((of_evaluation == place).sum()), here, none))
    if len(listed):
        found.append(line(LISTED, 0, none, listed))
    found.append(line("total", m, at, listed))
    return found
