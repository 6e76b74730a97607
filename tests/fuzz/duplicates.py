"""near_duplicates and pair_roc beside every pair and triple."""

from __future__ import annotations

from typing import Any

import numpy as np

import duplicates_reference
import hardmine
import pair_reference

from . import filters, oracle, search, surroundings
from .cases import Case, Property

Rng = np.random.Generator
MOST = 24  # rows: the oracle looks at triples


def _draw_rows(rng: Rng) -> Case:
    case = search.draw_codes(rng) if rng.random() < 0.3 else search.draw_sides(rng, 1e4)
    return case | {"queries": case["queries"][:MOST], "base": None}


def _seen(case: Case) -> tuple[Any, Any]:
    """The rows as the library gets them, and their distances."""
    queries, _, seen, _ = search.lay_out(case)
    return queries, oracle.distances(seen, seen, case["metric"])


def _options(case: Case) -> dict[str, Any]:
    return {"metric": case["metric"], "bits": search.bits_of(case), "threads": case["threads"]}


def _draw_clusters(rng: Rng) -> Case:
    case = _draw_rows(rng)
    if case["metric"] == "inner_product":
        case["metric"] = "cosine"
    _, matrix = _seen(case)
    if rng.random() < 0.4:
        case |= filters.draw(rng, matrix, True)
        case.pop("max_per_group", None)
    finite = matrix[np.isfinite(matrix)]
    threshold = float(np.quantile(finite, rng.random() ** 2, method="nearest")) if finite.size else 1.0
    linkage = str(rng.choice(["single", "complete", "star"]))
    return case | {"options": {"threshold": threshold, "linkage": linkage, "rule": str(rng.choice(["first", "center"]))}}


def _check_clusters(case: Case) -> None:
    x, matrix = _seen(case)
    chosen, n = case["options"], len(matrix)
    where, allowed = filters.build(case, matrix, True)
    near = pair_reference.counted(allowed & (matrix <= np.float64(chosen["threshold"])), True)
    near |= near.T
    with surroundings.surroundings(case):
        found = hardmine.near_duplicates(
            x,
            chosen["threshold"],
            where=where,
            linkage=chosen["linkage"],
            which_to_keep=chosen["rule"],
            **_options(case),
        )
    if chosen["linkage"] == "complete":
        clusters = duplicates_reference.complete(near, matrix)
    else:
        clusters = getattr(duplicates_reference, chosen["linkage"])(near)
    labels = duplicates_reference.labels(clusters, n)
    oracle.check_same("labels", found.labels, labels)
    names = ("sizes", "diameters", "densities", "open_triangles")
    for name, known in zip(names, duplicates_reference.measures(labels, near, matrix)):
        oracle.check_same(name, getattr(found, name), known)
    oracle.check_same("kept", found.kept, duplicates_reference.kept(labels, near, matrix, chosen["rule"]))


def _draw_roc(rng: Rng) -> Case:
    case = _draw_rows(rng)
    n = len(case["queries"])
    return case | {"query_groups": rng.integers(-2, max(1, n // int(rng.choice([1, 2, 5]))), n)}


def _check_roc(case: Case) -> None:
    x, matrix = _seen(case)
    groups = case["query_groups"]
    same = (groups[:, None] == groups) & (groups >= 0)
    distances, positive = duplicates_reference.labelled_pairs(matrix, same)
    try:
        with surroundings.surroundings(case):
            roc = hardmine.pair_roc(x, groups=groups, **_options(case))
    except ValueError as error:
        assert positive.all() or not positive.any(), f"refused: {error}"
        return
    values = distances.astype(np.float64)
    for name, kind in (("true_positives", positive), ("false_positives", ~positive)):
        known = (values[kind][:, None] <= roc.thresholds[1:]).sum(axis=0)
        oracle.check_same(name, getattr(roc, name), np.append(0, known))
    wins = (values[positive][:, None] < values[~positive]).sum() * 2 + (values[positive][:, None] == values[~positive]).sum()
    assert roc.auc == int(wins) / (2 * roc.n_pos * roc.n_neg), f"an area of {roc.auc}"


PROPERTIES = (
    Property("near_duplicates", _draw_clusters, _check_clusters, 1),
    Property("pair_roc", _draw_roc, _check_roc, 0.5),
)
