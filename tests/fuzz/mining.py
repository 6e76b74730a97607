"""mine_hard_negatives beside loops over all options; draws, whose law is not judged here, beside what they may draw from."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

import hardmine
from mining_reference import DRAWN, hardest, passes, reference_scores, scores_of, windows

from . import filters, layouts, oracle, search, surroundings
from .cases import Case, Property

Rng = np.random.Generator
LARGEST_SCORE = {"cosine": 1.0, "inner_product": np.inf, "sqeuclidean": 0.0, "euclidean": 0.0}
MODERATE = 1e15  # of a coordinate: limits on scores say nothing of infinite ones


def moderate(case: Case) -> Case:
    """The case with rows whose distances are finite."""
    for name in ("queries", "base"):
        if case[name] is not None:
            case[name] = np.clip(case[name], -MODERATE, MODERATE)
    return case


def draw(rng: Rng) -> Case:
    case = moderate(search.draw_sides(rng, 2e4))
    if rng.random() < 0.2:
        case["queries"] = np.round(np.clip(case["queries"], -2, 2))  # many ties
    case |= {"query_layout": layouts.draw(rng), "block": 0}
    n, m = len(case["queries"]), len(case["queries"] if case["base"] is None else case["base"])
    labelled, listed = rng.random(2) < 0.6
    if labelled:
        case["query_labels"], of_base = filters.labels(rng, n, m)
        case["base_labels"] = case["query_labels"] if case["base"] is None else of_base
    if listed:
        case["positive"] = rng.random((n, m)) < rng.choice([0.0, 0.05, 0.5])
    if rng.random() < 0.4:
        case["excluded"] = rng.random((n, m)) < rng.choice([0.1, 0.9])
    case["exclude_form"] = str(rng.choice(filters.FORMS))
    return case | {"options": _draw_options(rng, case, labelled or listed)}


def _draw_options(rng: Rng, case: Case, known: bool) -> dict[str, Any]:
    wanted, first = int(rng.choice([1, 2, 5, 30])), int(rng.choice([0, 0, 1, 4]))
    options: dict[str, Any] = {"num_negatives": wanted, "range_min": first, "seed": int(rng.integers(0, 99))}
    if rng.random() < 0.6:
        options["range_max"] = first + wanted + int(rng.integers(0, 30))
    options["rank_base"] = str(rng.choice(["filtered", "raw"], p=[0.7, 0.3]))
    _, _, q, b = search.lay_out(case)
    scores = scores_of(oracle.distances(q, b, case["metric"]), case["metric"])
    if scores.size:
        low, high = np.sort(rng.choice(scores.reshape(-1), 2).astype(np.float64))
        if rng.random() < 0.3:
            above = min(high + 1, LARGEST_SCORE[case["metric"]])  # beyond it a limit is refused
            options["max_score"] = high if rng.random() < 0.5 else rng.choice([high, above, np.inf], len(scores))
        if rng.random() < 0.3:
            options["min_score"] = low
    if known:
        for name in ("absolute_margin", "relative_margin"):
            if rng.random() < 0.3:
                options[name] = float(rng.choice([0.0, 0.05, 0.5, -0.3]))
        options["positive_reference"] = str(rng.choice(["max", "min", "mean"]))
    if "query_labels" in case and rng.random() < 0.3:
        options["max_per_label"] = int(rng.integers(1, 4))
    strategies = ["top", "random", "softmax"] + (["semihard", "violating", "ambiguous"] if known else [])
    options["sampling_strategy"] = str(rng.choice(strategies, p=[0.5] + [0.5 / (len(strategies) - 1)] * (len(strategies) - 1)))
    if rng.random() < 0.2:
        options["random_ratio"] = float(rng.choice([0.2, 0.5, 1.0]))
    return options


def mine(case: Case, queries: Any, base: Any, rows_of: slice = slice(None), **more: Any) -> Any:
    """mine_hard_negatives of some of the queries."""
    given = {"metric": case["metric"], "threads": case["threads"], **case["options"], **more}
    if np.ndim(given.get("max_score")):
        given["max_score"] = given["max_score"][rows_of]
    if case.get("query_labels") is not None:
        given |= {"query_labels": case["query_labels"][rows_of], "base_labels": case["base_labels"]}
    for option, name in (("positives", "positive"), ("exclude", "excluded")):
        if case.get(name) is not None:
            given[option] = filters.listed(case[name][rows_of], case["exclude_form"])
    with surroundings.surroundings(case):
        return hardmine.mine_hard_negatives(queries, base, **given)


def _relation(case: Case, shape: tuple[int, int], own: Any) -> tuple[Any, Any]:
    """(positive, may be a negative) of all pairs; a query's `own` row is neither."""
    positive = np.zeros(shape, bool)
    if case.get("query_labels") is not None:
        positive |= oracle.same_group(case["query_labels"], case["base_labels"])
    if case.get("positive") is not None:
        positive |= case["positive"]
    others = np.arange(shape[1]) != np.reshape(own, (-1, 1))
    positive &= others
    return positive, others & ~positive & ~(np.zeros(shape, bool) if case.get("excluded") is None else case["excluded"])


def _judge(case: Case, mined: Any, matrix: Any, own: Any) -> None:
    options, metric = case["options"], case["metric"]
    scores = scores_of(matrix, metric)
    positive, may = _relation(case, matrix.shape, own)
    known = case.get("query_labels") is not None or case.get("positive") is not None
    kind = options.get("positive_reference", "max")
    p, found = reference_scores(scores, positive, kind), np.asarray(mined.positive_scores)
    if kind == "mean":
        sizes = np.where(positive, np.abs(scores), 0).max(axis=1, initial=0)
        near = np.abs(found - p) <= 1e-6 * np.abs(p) + 1e-14 * sizes + 1e-37
        assert (near | (np.isnan(found) & np.isnan(p))).all(), f"positive_scores: {found} instead of {p}"
        p = found  # the last bit of a mean may decide
    else:
        assert np.array_equal(found, p, equal_nan=True), f"positive_scores: {found} instead of {p}"
    if not known:
        assert (np.asarray(mined.positive_indices) == -1).all(), "positive_indices: some without positives"
    allowed = may & passes(scores, p, options)
    labels = case["base_labels"].tolist() if options.get("max_per_label") is not None else None
    others = np.arange(matrix.shape[1]) != np.reshape(own, (-1, 1))
    wanted = options.get("num_negatives", 5)
    indices, random = np.asarray(mined.indices), round(options.get("random_ratio", 0.0) * wanted)
    taken = indices >= 0
    listed = np.where(taken, np.take_along_axis(matrix, np.maximum(indices, 0), axis=1), np.inf) if matrix.size else None
    if listed is not None:
        oracle.check_same("scores", mined.scores, scores_of(listed.astype(np.float32), metric))
    if not random and options.get("sampling_strategy", "top") not in DRAWN:
        oracle.check_same("indices", indices, hardest(matrix, allowed, others, options, labels))
        return
    for i, window in enumerate(windows(matrix, allowed, others, options, labels)):
        if options.get("sampling_strategy") == "ambiguous" and np.isnan(p[i]):
            window.clear()  # without a positive there is no weight
        row = indices[i][taken[i]].tolist()
        assert len(set(row)) == len(row), f"indices: query {i} has a row twice"
        assert allowed[i, row].all(), f"indices: query {i} has a row that is not allowed"
        assert (np.diff(scores[i, row]) <= 0).all(), f"indices: query {i} has an easier row first"
        count = min(wanted - random, len(window))
        count += min(random, int(allowed[i].sum()) - count)
        assert labels is not None or len(row) == count, f"indices: query {i} has {len(row)} rows instead of {count}"
        assert random or set(row) <= set(window), f"indices: query {i} has a row that is not in its window"


def _check(case: Case) -> None:
    queries, base, q, b = search.lay_out(case)
    own = np.arange(len(q)) if base is None else np.full(len(q), -1)
    mined = mine(case, queries, base)
    _judge(case, mined, oracle.distances(q, b, case["metric"]), own)
    plain = case | {"threads": 1, "isa": surroundings.isas[0], "forced_screen": "float32", "block_bytes": None}
    oracle.check_same("indices elsewhere", mine(plain, queries, base).indices, mined.indices)
    if base is not None:
        part = slice(len(q) // 3, len(q) // 3 + 9)
        alone = mine(case, q[part], base, part, query_ids=np.arange(len(q))[part])
        oracle.check_same("indices of a part", alone.indices, np.asarray(mined.indices)[part])


def _draw_query_rows(rng: Rng) -> Case:
    case = draw(rng)
    while case["base"] is None or len(case["base"]) == 0:
        case = draw(rng)
    own = rng.integers(-1, len(case["base"]), len(case["queries"]))
    case["queries"] = np.where(own[:, None] >= 0, case["base"][own], case["queries"])
    return case | {"query_rows": own, "query_layout": "in place", "base_layout": "in place"}


def _check_query_rows(case: Case) -> None:
    queries, base, q, b = search.lay_out(case)
    own = np.minimum(case["query_rows"], len(b) - 1)
    mined = mine(case, queries, base, query_rows=own, query_ids=np.arange(len(q)))
    _judge(case, mined, oracle.distances(q, b, case["metric"]), own)
    for part in (slice(0, 1), slice(1, 10), slice(10, None)):
        alone = mine(case, queries[part], base, part, query_ids=np.arange(len(q))[part], query_rows=own[part])
        oracle.check_same("indices of a part", alone.indices, mined.indices[part])
        oracle.check_same("scores of a part", alone.scores, mined.scores[part])


PROPERTIES = (
    Property("mine_hard_negatives", draw, _check, 3),
    Property(
        "mine_hard_negatives, query_rows",
        _draw_query_rows,
        _check_query_rows,
        available=lambda: "query_rows" in inspect.signature(hardmine.mine_hard_negatives).parameters,
    ),
)
