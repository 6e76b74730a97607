"""Ranks and retrieval metrics beside loops: every metric, rule of ties and filter, given rankings too."""

from __future__ import annotations

from typing import Any

import numpy as np

import hardmine
import retrieval_reference

from . import filters, oracle, rows, search, surroundings
from .cases import Case, Property

Rng = np.random.Generator
TIES = ("expected", "stable", "optimistic", "pessimistic")
CUT = ("recall@1", "recall@4", "precision@3", "map@5", "map@r", "r_precision")
WHOLE = (*CUT, "map", "median_rank")


def _draw_sides(rng: Rng) -> Case:
    case = search.draw_codes(rng) if rng.random() < 0.3 else search.draw_sides(rng, 3e3)
    for name in ("queries", "base"):
        if case[name] is not None:
            case[name] = case[name][:40]  # loops take long
    return case | {"ties": str(rng.choice(TIES))}


def _draw_ranks(rng: Rng) -> Case:
    case = _draw_sides(rng)
    _, _, q, b = search.lay_out(case)
    matrix = oracle.distances(q, b, case["metric"])
    if rng.random() < 0.6:
        case |= filters.draw(rng, matrix, case["base"] is None)
        case.pop("max_per_group", None)
        if case.get("grouped", "") is None:
            case.pop("grouped")
            case.pop("query_groups")
            case.pop("base_groups")
    pairs = rows.size(rng, 30) if matrix.size else 0
    return case | {"rows": rng.integers(0, max(1, len(q)), pairs), "cols": rng.integers(0, max(1, len(b)), pairs)}


def _check_ranks(case: Case) -> None:
    queries, base, q, b = search.lay_out(case)
    matrix = oracle.distances(q, b, case["metric"])
    where, allowed = filters.build(case, matrix, case["base"] is None)
    within = (case["rows"] < len(q)) & (case["cols"] < len(b))  # shrinking may have cut them off
    listed = case["rows"][within], case["cols"][within]
    options = {"metric": case["metric"], "where": where, "bits": search.bits_of(case), "threads": case["threads"]}
    with surroundings.surroundings(case):
        found = hardmine.rank_of(queries, base, *listed, ties=case["ties"], **options)
    expected = []
    for i, j in zip(*listed):
        refused = set(np.flatnonzero(~allowed[i]).tolist())
        expected.append(float(retrieval_reference.rank(matrix[i].tolist(), j, case["ties"], refused)))
    assert np.asarray(found).tolist() == expected


def _draw_metrics(rng: Rng) -> Case:
    case = _draw_sides(rng)
    n, m = len(case["queries"]), len(case["queries"] if case["base"] is None else case["base"])
    of_queries, of_base = filters.labels(rng, n, m)
    labels = {"query_labels": of_queries, "base_labels": of_queries if case["base"] is None else of_base}
    if rng.random() < 0.3:
        labels["excluded"] = rng.random((n, m)) < rng.choice([0.02, 0.5])
    return case | labels | {"options": {"whole": bool(rng.random() < 0.5), "given": bool(rng.random() < 0.2)}}


def _check_metrics(case: Case) -> None:
    queries, base, q, b = search.lay_out(case)
    alone, names = case["base"] is None, WHOLE if case["options"]["whole"] else CUT
    matrix = oracle.distances(q, b, case["metric"])
    junk = case.get("excluded")
    left_out = np.zeros(matrix.shape, bool) if junk is None else junk.copy()
    if alone:
        np.fill_diagonal(left_out, True)
    relevant = oracle.same_group(case["query_labels"], case["query_labels"] if alone else case["base_labels"])
    given: dict[str, Any] = {"query_labels": case["query_labels"], "metrics": names, "ties": case["ties"]}
    given |= {"base_labels": None if alone else case["base_labels"]}
    given |= {"junk": None if junk is None else [np.flatnonzero(row) for row in junk]}
    options = {"metric": case["metric"], "bits": search.bits_of(case), "threads": case["threads"]}
    with surroundings.surroundings(case):
        if case["options"]["given"] and len(b):
            found = hardmine.retrieval_metrics(hardmine.topk(queries, base, len(b), **options), **given)
        else:
            found = hardmine.retrieval_metrics(queries, base, **given, **options)
    rankings = [
        [(near[j], bool(good[j])) for j in range(len(near)) if not out[j]]
        for near, good, out in zip(matrix.tolist(), relevant, left_out)
    ]
    totals = [sum(good for _, good in one) for one in rankings]
    for name, (value, values) in retrieval_reference.of_rankings(rankings, totals, names, case["ties"]).items():
        np.testing.assert_allclose(found.per_query[name], values, rtol=1e-10, atol=1e-13, err_msg=name)
        np.testing.assert_allclose(found[name], value, rtol=1e-10, atol=1e-13, err_msg=name)


PROPERTIES = (Property("rank_of", _draw_ranks, _check_ranks), Property("retrieval_metrics", _draw_metrics, _check_metrics))
