"""mine_triplets and mine_pairs beside the loops of their tests, on rows that those do not have."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import hardmine
from batch_reference import STRATEGY_PAIRS, brute_force, easy_hard, everything, known, listed, ranked

from . import layouts, oracle, rows, search, surroundings
from .cases import Case, Property
from .mining import moderate

Rng = np.random.Generator


def _draw_batch(rng: Rng) -> Case:
    n, m, d = rows.size(rng, 20), rows.size(rng, 20), rows.size(rng, 40)
    queries, base = rows.draw_pair(rng, n, m, d)
    classes = int(rng.integers(1, 5))
    if rng.random() < 0.6:
        of_queries, of_base = rng.integers(0, classes, n), rng.integers(0, classes, m)
    else:
        of_queries, of_base = (rng.integers(0, 2, (count, classes)) for count in (n, m))
    alone = rng.random() < 0.5
    case = {
        "queries": queries,
        "base": None if alone else base,
        "query_layout": layouts.draw(rng),
        "base_layout": layouts.draw(rng),
        "query_labels": of_queries,
        "base_labels": None if alone else of_base,
        "pair_mask": rng.random((n, n if alone else m)) < 0.7 if rng.random() < 0.3 else None,
        "metric": str(rng.choice(search.METRICS)),
        **surroundings.draw(rng),
    }
    return moderate(case)


def _between(rng: Rng, case: Case) -> float:
    """A margin: a difference of two distances that occur, or a usual one."""
    _, _, q, b = search.lay_out(case)
    distances = oracle.distances(q, b, case["metric"]).reshape(-1).astype(np.float64)
    one, other = rng.choice(distances, 2) if len(distances) else (0.0, 0.0)
    return float(rng.choice([other - one, one, 0.0, 0.2, -1.0, math.inf], p=[0.4, 0.2, 0.1, 0.1, 0.1, 0.1]))


def _draw_triplets(rng: Rng) -> Case:
    case = _draw_batch(rng)
    options: dict[str, Any] = {"strategy": str(rng.choice(["batch_all", "batch_hard", "batch_easy_hard"]))}
    kinds = ["all", "hard", "semihard", "easy"]
    if options["strategy"] == "batch_all" or rng.random() < 0.5:
        options |= {"type_of_triplets": str(rng.choice(kinds)), "margin": _between(rng, case)}
    if options["strategy"] == "batch_hard":
        options |= {"n_positive": int(rng.integers(1, 4)), "n_negative": (2, int(rng.integers(2, 5)))}
    elif options["strategy"] == "batch_easy_hard":
        pair = STRATEGY_PAIRS[rng.integers(0, len(STRATEGY_PAIRS))]
        options |= {"pos_strategy": pair[0], "neg_strategy": pair[1]}
        low, high = sorted([_between(rng, case), _between(rng, case)])
        if rng.random() < 0.4:
            options |= {"allowed_pos_range": (low, high), "allowed_neg_range": (low, high)}
    return case | {"options": options}


def _propose(options: dict[str, Any]) -> Any:
    """What the strategy proposes for an anchor, as `brute_force` asks for it."""
    strategy = options.get("strategy", "batch_all")
    if strategy == "batch_all":
        return everything
    low, high = options.get("allowed_pos_range", (-math.inf, math.inf))
    first, last = options.get("n_negative", (1, 1))

    def propose(row: Any, positives: list[int], negatives: list[int]) -> Any:
        if strategy == "batch_hard":
            return ranked(row, positives, True)[: options.get("n_positive", 1)], ranked(row, negatives, False)[
                first - 1 : last
            ]
        inside = [[j for j in side if low <= row[j] <= high] for side in (positives, negatives)]
        return easy_hard(row, *inside, options.get("pos_strategy", "easy"), options.get("neg_strategy", "semihard"))

    return propose


def _sides(case: Case) -> tuple[Any, Any]:
    """(arguments, the same as the oracle sees them)."""
    queries, base, q, b = search.lay_out(case)
    labels = case["query_labels"], case["base_labels"]
    return (queries, labels[0], base, labels[1]), (q, labels[0], None if base is None else b, labels[1])


def _check_triplets(case: Case) -> None:
    given, seen = _sides(case)
    options = case["options"]
    with surroundings.surroundings(case):
        found = hardmine.mine_triplets(
            *given, metric=case["metric"], pair_mask=case["pair_mask"], threads=case["threads"], **options
        )
    kind = options.get("type_of_triplets", "all" if options.get("strategy", "batch_all") == "batch_all" else None)
    distances = known(seen, case["pair_mask"], case["metric"])
    expected = brute_force(*distances, _propose(options), kind, options.get("margin", 0.2))
    _check_list("triplets", listed([np.asarray(part) for part in found]), expected)


def _check_list(what: str, found: list[Any], expected: list[Any]) -> None:
    wrong = sorted(set(found) ^ set(expected))
    assert found == expected, f"{what}: {len(found)} instead of {len(expected)}, first wrong {wrong[:1] or 'order'}"


def _draw_pairs(rng: Rng) -> Case:
    case = _draw_batch(rng)
    rule = str(rng.choice(["margin", "multi_similarity", "hdc"]))
    options: dict[str, Any] = {"rule": rule}
    if rule == "margin":
        options |= {"pos_margin": _between(rng, case), "neg_margin": _between(rng, case)}
    elif rule == "multi_similarity":
        options["epsilon"] = _between(rng, case)
    else:
        options["filter_percentage"] = float(rng.choice([0.01, 0.3, 0.5, 1.0]))
    return case | {"options": options}


def _expected_pairs(distances: Any, allowed: Any, positive: Any, negative: Any, options: dict[str, Any], sign: int) -> Any:
    """The positive pairs (sign -1: the farthest are hardest) or the negative ones (sign 1)."""
    pairs = [(int(i), int(j)) for i, j in np.argwhere(allowed)]
    rule, d = options.get("rule", "margin"), distances.astype(np.float64)
    if rule == "hdc":
        count = math.ceil(options.get("filter_percentage", 0.5) * len(pairs))
        return sorted(sorted(pairs, key=lambda pair: (sign * d[pair], pair))[:count])
    if rule == "margin":
        low, high = options.get("pos_margin", 0.2), options.get("neg_margin", 0.8)
        return [pair for pair in pairs if (d[pair] > low if sign < 0 else d[pair] < high)]
    epsilon = options.get("epsilon", 0.1)
    near = [min(d[i, row].tolist(), default=math.inf) - epsilon for i, row in enumerate(negative)]
    far = [max(d[i, row].tolist(), default=-math.inf) + epsilon for i, row in enumerate(positive)]
    return [pair for pair in pairs if (d[pair] > near[pair[0]] if sign < 0 else d[pair] < far[pair[0]])]


def _check_pairs(case: Case) -> None:
    given, seen = _sides(case)
    options = case["options"]
    with surroundings.surroundings(case):
        found = hardmine.mine_pairs(
            *given, metric=case["metric"], pair_mask=case["pair_mask"], threads=case["threads"], **options
        )
    distances, positive, negative = known(seen, case["pair_mask"], case["metric"])
    parts = [np.asarray(part).tolist() for part in found]
    for what, allowed, pairs, sign in (("positives", positive, parts[:2], -1), ("negatives", negative, parts[2:], 1)):
        expected = _expected_pairs(distances, allowed, positive, negative, options, sign)
        _check_list(what, list(zip(*pairs)), expected)


PROPERTIES = (
    Property("mine_triplets", _draw_triplets, _check_triplets),
    Property("mine_pairs", _draw_pairs, _check_pairs),
)
