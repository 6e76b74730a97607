"""Which candidates are evidence of an overlap, and for which class: thresholds, a verifier, a rule for each evaluation row."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hardmine import _arrays
from hardmine._arrays import ArrayLike, Ints
from hardmine.overlap.candidates import normalised, within
from hardmine.search.metric import similarity

if TYPE_CHECKING:
    from hardmine.overlap.report import OverlapReport

Verifier: TypeAlias = Callable[[Ints, Ints], ArrayLike]  # (training rows, evaluation rows) -> bools, or scores
Aggregate: TypeAlias = Literal["any", "max", "argmax_count", "sum"]
AGGREGATES = ("any", "max", "argmax_count", "sum")
Bools: TypeAlias = NDArray[np.bool_]


def ask(
    verifier: Verifier, train_rows: Ints, evaluation_rows: Ints, batch_size: int, least: float | None
) -> Bools | NDArray[np.float64]:
    """What a verifier says of each pair: bools if all that it returned are, else numbers as float64."""
    parts: list[NDArray[Any]] = []
    for first in range(0, len(train_rows), batch_size):
        part = slice(first, first + batch_size)
        asked = train_rows[part].copy(), evaluation_rows[part].copy()  # which a verifier may do with as it likes
        said = _arrays.to_numpy("verifier", verifier(*asked))
        if said.shape != (len(asked[0]),):
            raise ValueError(f"verifier: expected {len(asked[0])} answers, one for each pair, got shape {said.shape}")
        if said.dtype.kind not in "biuf":
            raise TypeError(f"verifier: expected booleans or numbers, got {said.dtype}")
        if said.dtype == np.bool_ and least is not None:
            raise ValueError(f"min_verified: expected None beside a verifier that returns booleans, got {least:g}")
        if said.dtype.kind == "f" and np.isnan(said).any():
            raise ValueError("verifier: expected booleans or numbers, got NaN")
        parts.append(said if said.dtype == np.bool_ else said.astype(np.float64))
    if parts and all(part.dtype == np.bool_ for part in parts):
        return np.concatenate(parts)
    return np.concatenate([np.zeros(0), *parts])


def verified(said: Bools | NDArray[np.float64] | None, least: float | None, count: int) -> Bools:
    """Which pairs a verifier lets through: what is true, scores of at least `least`, or above 0."""
    if said is None:
        return np.ones(count, bool)
    if said.dtype == np.bool_:
        return said.astype(np.bool_)
    return np.asarray(said > 0 if least is None else said >= least)


def evidence_of(report: OverlapReport) -> Bools:
    """Which candidates of a report are evidence."""
    rows, cols, distances = (np.asarray(part) for part in report.candidates)
    accepted = within(distances, cols, report.radius, report.offsets) & verified(
        report.verified, report.min_verified, len(rows)
    )
    if report.aggregate == "any" or report.classes is None:
        return accepted
    surer = None
    scores = similarity(normalised(distances, cols, report.offsets), report.metric)
    if report.verified is not None and report.verified.dtype != np.bool_:
        scores = surer = report.verified.astype(np.float64)
    return of_chosen_classes(report.aggregate, accepted, cols, report.classes.of[rows], scores, surer)


def of_chosen_classes(
    rule: str,
    accepted: Bools,
    evaluation_rows: Ints,
    classes: Ints,
    scores: NDArray[np.float64],
    surer: NDArray[np.float64] | None,
) -> Bools:
    """Which accepted pairs are of the class that their evaluation row chooses; pairs come hardest first.

    `scores` are what "sum" adds up, `surer` what "max" compares: None for the order of the pairs itself. Where classes are
    equal, that of the harder pair is chosen.
    """
    if rule == "any":
        return accepted
    at = np.flatnonzero(accepted)
    order = np.lexsort((at, classes[at], evaluation_rows[at]))
    at = at[order]
    rows, of = evaluation_rows[at], classes[at]
    starts = np.flatnonzero(np.concatenate([[True], (rows[1:] != rows[:-1]) | (of[1:] != of[:-1])])[: len(at)])
    if rule == "argmax_count":
        value = np.diff(np.append(starts, len(at))).astype(np.float64)
    elif rule == "sum":
        value = np.add.reduceat(scores[at], starts) if len(at) else np.zeros(0)
    else:
        best = -at.astype(np.float64) if surer is None else surer[at]
        value = np.maximum.reduceat(best, starts) if len(at) else np.zeros(0)
    ranked = np.lexsort((at[starts], -value, rows[starts]))  # of a row the class of the largest value, then the harder pair
    first = np.concatenate([[True], rows[starts][ranked][1:] != rows[starts][ranked][:-1]])[: len(ranked)]
    chosen = np.zeros(len(starts), bool)
    chosen[ranked[first]] = True
    kept = np.zeros(len(accepted), bool)
    kept[at[np.repeat(chosen, np.diff(np.append(starts, len(at))))]] = True
    return kept


class Units(NamedTuple):
    """What is decided on, classes or training rows: those with evidence, in the order of their hardest pair."""

    numbers: Ints  # of the class, or the training row
    first: Ints  # the hardest pair of each, as a place among the candidates
    pairs: Ints  # how many are evidence
    evaluation_rows: Ints  # how many distinct ones


def units(of_pairs: Ints, evaluation_rows: Ints, evidence: Bools) -> Units:
    """The units that the evidence speaks of; `of_pairs` is that of each candidate."""
    at = np.flatnonzero(evidence)
    numbers, first, inverse, count = np.unique(of_pairs[at], return_index=True, return_inverse=True, return_counts=True)
    seen = (
        np.unique(np.stack([inverse.reshape(-1), evaluation_rows[at]], axis=1), axis=0)[:, 0]
        if len(at)
        else inverse.reshape(-1)
    )
    distinct = np.bincount(seen, minlength=len(numbers))
    order = np.argsort(first)
    return Units(numbers[order], at[first[order]], count[order].astype(np.int64), distinct[order].astype(np.int64))
