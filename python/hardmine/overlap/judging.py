"""What is decided on each class or training row that has evidence: votes counted, and the rule applied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hardmine import _arguments
from hardmine._arrays import Ints
from hardmine.overlap.agreement import Agreement, fleiss_kappa
from hardmine.overlap.evidence import Units, units
from hardmine.overlap.votes import KEEP, PENDING, decisions

if TYPE_CHECKING:
    from hardmine.overlap.report import OverlapReport

Scope: TypeAlias = Literal["class", "row"]
SCOPES = ("class", "row")


class Judged(NamedTuple):
    """Classes or training rows with evidence, in the order of their hardest pair, and what is said of each."""

    units: Units
    names: NDArray[Any]  # labels of classes, or ids of rows
    counts: Ints  # reviewers, (u, 3), as votes.VOTES has them
    decisions: NDArray[np.str_]


def check_scope(report: OverlapReport, scope: Scope | None) -> Scope:
    """The scope by name, "class" where there are labels and none is named, or raise."""
    if scope is None:
        return "row" if report.classes is None else "class"
    _arguments.one_of("scope", scope, SCOPES)
    if scope == "class" and report.classes is None:
        raise ValueError('scope: expected train_labels in the report beside "class", got None')
    return scope


def units_of_rows(report: OverlapReport, scope: Scope) -> Ints:
    """The unit of each training row: its class, or itself."""
    return report.classes.of if scope == "class" and report.classes is not None else np.arange(report.candidates.shape[0])


def judge(report: OverlapReport, scope: Scope) -> Judged:
    """Every unit with evidence, and what becomes of it; where there are votes and no rule was chosen, it is "any"."""
    rows, cols = np.asarray(report.candidates.rows), np.asarray(report.candidates.cols)
    classes, votes = report.classes, report.votes
    of_pairs = rows if scope == "row" or classes is None else classes.of[rows]
    found = units(of_pairs, cols, report.evidence)
    if scope == "class" and classes is not None:
        names = classes.labels[found.numbers]
        said = votes.on_classes(found.numbers, of_pairs)
    else:
        names = report.naming.train_id(found.numbers)
        said = votes.on_rows(found.numbers, rows, None if classes is None else classes.of)
    counts = votes.counts(*said, len(found.numbers))
    rule = "any" if report.rule is None and len(votes.votes) else report.rule
    return Judged(found, names, counts, decisions(counts, rule))


def check_reviewed(judged: Judged, scope: Scope) -> None:
    """Raise if nobody has decided on something."""
    pending = np.flatnonzero(judged.decisions == PENDING)
    if len(pending):
        raise ValueError(
            f"votes: expected some on each {scope} with evidence, got none for {len(pending)} of {len(judged.decisions)}, "
            f'such as {judged.names[pending[0]]}; vote, or decide(..., unreviewed="remove")'
        )


def check_no_overlap(report: OverlapReport, most: int, scope: Scope) -> None:
    """Raise AssertionError if more training rows have evidence than that, without those that stay by decision."""
    judged = judge(report, scope)
    rows, cols, distances = report.pairs
    stays = judged.units.numbers[judged.decisions == KEEP]
    of_rows = units_of_rows(report, scope)
    at = np.flatnonzero(~np.isin(of_rows[rows], stays))
    count = len(np.unique(rows[at]))
    if count > most:
        raise AssertionError(
            f"expected at most {most} training rows that overlap the evaluation set, got {count} of {len(of_rows)}; "
            f"the hardest pair: training row {rows[at[0]]}, evaluation row {cols[at[0]]}, distance {distances[at[0]]:g}"
        )


def agreement(report: OverlapReport, scope: str) -> Agreement:
    """How well the reviewers agree; see `OverlapReport.agreement`."""
    _arguments.one_of("scope", scope, ("pair", *SCOPES))
    votes = report.votes
    reviewers = len(np.unique(votes.reviewers))
    if reviewers < 2:
        raise ValueError(f"agreement: expected votes of at least 2 reviewers, got {reviewers}")
    if scope == "pair":
        voted = np.flatnonzero(votes.pairs >= 0)
        numbers, places = np.unique(votes.pairs[voted], return_inverse=True)
        counts = votes.counts(voted, places.reshape(-1), len(numbers))
    else:
        counts = judge(report, check_scope(report, "class" if scope == "class" else "row")).counts
        counts = counts[counts.any(axis=1)]
    full = counts[counts.sum(axis=1) == reviewers]
    agreeing = (np.square(full).sum(axis=1) - reviewers) / (reviewers * (reviewers - 1))
    observed = float(agreeing.mean()) if len(full) else float("nan")
    return Agreement(len(full), len(counts) - len(full), reviewers, observed, fleiss_kappa(full))
