"""A report as columns, for files and data frames, and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hardmine.overlap.candidates import normalised
from hardmine.overlap.judging import Scope, check_scope, judge
from hardmine.overlap.votes import KEEP, PENDING, REMOVE
from hardmine.search.neighbors import no_distance

if TYPE_CHECKING:
    from hardmine.overlap.report import OverlapReport

Table: TypeAlias = Literal["pairs", "classes", "rows", "evaluation"]
TABLES = ("pairs", "classes", "rows", "evaluation")
Columns: TypeAlias = dict[str, NDArray[Any]]


def table(report: OverlapReport, which: Table) -> Columns:
    """The columns of one of TABLES."""
    if which == "pairs":
        return _pairs(report)
    if which == "evaluation":
        return _evaluation(report)
    return _units(report, "class" if which == "classes" else "row")


def _pairs(report: OverlapReport) -> Columns:
    rows, cols, distances = (np.asarray(part) for part in report.candidates)
    columns = _named(report, rows, cols) | {"distance": distances}
    if report.offsets is not None:
        columns["normalised"] = normalised(distances, cols, report.offsets)
    if report.verified is not None:
        columns["verified"] = report.verified
    return columns | {"evidence": report.evidence}


def _named(report: OverlapReport, rows: NDArray[Any], cols: NDArray[Any]) -> Columns:
    """Training rows and evaluation rows with what is known of them."""
    naming = report.naming
    columns = {"train_row": rows, "evaluation_row": cols}
    sides = (
        ("train", rows, naming.train_ids, naming.train_labels),
        ("evaluation", cols, naming.evaluation_ids, naming.evaluation_labels),
    )
    for side, at, ids, labels in sides:
        if ids is not None:
            columns[f"{side}_id"] = ids[at]
        if labels is not None:
            columns[f"{side}_label"] = labels[at]
    return columns


def _units(report: OverlapReport, scope: Scope) -> Columns:
    """The classes or training rows with evidence, hardest first: their hardest pair, votes and decision."""
    judged = judge(report, check_scope(report, scope))
    rows, cols, distances = (np.asarray(part)[judged.units.first] for part in report.candidates)
    columns = _named(report, rows, cols) | {"distance": distances, "pairs": judged.units.pairs}
    columns["evaluation_rows"] = judged.units.evaluation_rows
    if scope == "class" and report.classes is not None:
        columns["class_rows"] = report.classes.sizes[judged.units.numbers]
    for name, count in zip(("unsure", "different", "same"), judged.counts.T):
        columns[name] = count
    return columns | {"decision": judged.decisions}


def _evaluation(report: OverlapReport) -> Columns:
    """All evaluation rows: how many pairs are evidence, and the hardest."""
    m = report.candidates.shape[1]
    rows, cols, distances = (np.asarray(part) for part in report.pairs)
    hit, first, count = np.unique(cols, return_index=True, return_counts=True)
    columns: Columns = {"evaluation_row": np.arange(m)}
    for name, values in (("id", report.naming.evaluation_ids), ("label", report.naming.evaluation_labels)):
        if values is not None:
            columns[f"evaluation_{name}"] = values
    found: Columns = {
        "pairs": np.zeros(m, np.int64),
        "train_row": np.full(m, -1),
        "distance": np.full(m, no_distance(distances.dtype), distances.dtype),
    }
    found["pairs"][hit], found["train_row"][hit], found["distance"][hit] = count, rows[first], distances[first]
    return columns | found


def summary(report: OverlapReport) -> str:
    """What was searched, found and decided, a line each."""
    (n, m), (rows, cols, distances) = report.candidates.shape, (np.asarray(part) for part in report.pairs)
    asked = [] if report.k is None else [f"the {report.k} nearest ({report.directions})"]
    asked += [] if report.radius == np.inf else [f"within {report.radius:g}"]
    lines = [f"{n} training rows, {m} evaluation rows by {report.metric}: {', '.join(asked) or 'all pairs'}"]
    lines += [_line("candidates", len(report.candidates)), _line("of them evidence", len(rows), 4)]
    if report.verified is not None:
        lines.append(
            _line(
                f"verified, {'True' if report.verified.dtype == np.bool_ else 'scores'}", int((report.verified > 0).sum()), 4
            )
        )
    lines.append(_line("training rows with evidence", len(np.unique(rows))))
    if report.classes is not None:
        touched = np.unique(report.classes.of[rows])
        lines.append(_line(f"training classes with evidence, of {len(report.classes.labels)}", len(touched)))
        lines.append(_line("their rows", int(report.classes.sizes[touched].sum()), 4))
    lines.append(_line("evaluation rows with evidence", len(np.unique(cols))))
    if len(rows):
        lines.append(f"  the hardest pair: training row {rows[0]}, evaluation row {cols[0]}, distance {distances[0]:g}")
    if len(report.votes.votes):
        scope = check_scope(report, None)
        decided = judge(report, scope).decisions
        said = ", ".join(f"{name} {(decided == name).sum()}" for name in (REMOVE, KEEP, PENDING))
        reviewers = len(np.unique(report.votes.reviewers))
        lines.append(
            f"  {len(report.votes.votes)} votes of {reviewers} reviewers, rule {report.rule or 'any'}, by {scope}: {said}"
        )
    return "\n".join(lines)


def _line(text: str, value: int, indent: int = 2) -> str:
    return f"{' ' * indent + text:<60}{value:>12,}"
