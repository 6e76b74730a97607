"""What judges embeddings and losses: triplets ranked correctly, and hard examples, beside loops."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

import hardmine

from . import oracle, rows, search, surroundings
from .cases import Case, Property

Rng = np.random.Generator


def _draw_triplets(rng: Rng) -> Case:
    case = search.draw_codes(rng) if rng.random() < 0.2 else search.draw_sides(rng, 5e4)
    triplets = rng.random((int(rng.choice([1, 5, 60])), 3))
    groups = rng.integers(0, 3, len(case["queries"])) if rng.random() < 0.5 else None
    return case | {"base": None, "triplets": triplets, "query_groups": groups, "k": int(rng.choice([1, 2, 9, 400]))}


def _check_triplets(case: Case) -> None:
    x, _, seen, _ = search.lay_out(case)
    n = len(seen)
    if n < 3:
        return
    query = (case["triplets"][:, 0] * n).astype(int)
    first = (query + 1 + (case["triplets"][:, 1] * (n - 1)).astype(int)) % n
    others = [[j for j in range(n) if j not in pair] for pair in zip(query, first)]
    second = np.array([rest[int(share * len(rest))] for rest, share in zip(others, case["triplets"][:, 2])])
    triplets = np.stack([query, first, second], axis=1)
    given = {"metric": case["metric"], "bits": search.bits_of(case), "threads": case["threads"]}
    with surroundings.surroundings(case):
        share = hardmine.similarity_precision(x, triplets, **given)
        score = hardmine.score_at_top_k(x, triplets, case["k"], groups=case["query_groups"], **given)
    matrix = oracle.distances(seen, seen, case["metric"])
    groups = np.zeros(n) if case["query_groups"] is None else case["query_groups"]
    allowed = (groups[:, None] == groups) & ~np.eye(n, dtype=bool)
    _, nearest = oracle.nearest(matrix, allowed, case["k"])
    correct = matrix[query, first] < matrix[query, second]
    counts = np.array([bool({p, q} & set(nearest[i].tolist())) for i, p, q in triplets.tolist()])
    assert share == correct.mean(), f"similarity_precision: {share} instead of {correct.mean()}"
    expected = int((correct & counts).sum()) - int((~correct & counts).sum())
    assert score == expected, f"score_at_top_k: {score} instead of {expected}"


def _draw_losses(rng: Rng) -> Case:
    n = rows.size(rng, 200)
    losses = rng.choice([0.0, -0.0, 1.0, 2.5, np.inf, -3.0, 1e-40], n) if rng.random() < 0.5 else rng.standard_normal(n)
    case = {"losses": losses.astype(rng.choice(["f2", "f4", "f8"])), "groups": rng.integers(0, int(rng.choice([1, 4])), n)}
    rule = str(rng.choice(["k", "top_fraction", "neg_pos_ratio"]))
    value = {"k": int(rng.integers(1, 9)), "top_fraction": 0.29, "neg_pos_ratio": float(rng.choice([0.0, 0.7, 3.0]))}[rule]
    mask = rng.random(n) < 0.2 if rule == "neg_pos_ratio" else None
    return case | {"positive_mask": mask, "options": {rule: value, "min_kept": int(rng.choice([0, 2]))}}


def _check_losses(case: Case) -> None:
    losses, groups, mask, options = case["losses"], case["groups"], case["positive_mask"], case["options"]
    found = hardmine.select_hard_examples(losses, positive_mask=mask, segments=groups, **options)
    expected = np.zeros(len(losses), bool) if mask is None else mask.copy()
    for group in set(groups.tolist()):
        inside = np.flatnonzero((groups == group) & ~expected if mask is None else (groups == group) & ~mask)
        positives = 0 if mask is None else int(mask[groups == group].sum())
        share = Fraction(str(options.get("top_fraction", 0))) * len(inside)
        ratio = Fraction(str(options.get("neg_pos_ratio", 0))) * positives
        count = max(options.get("min_kept", 0), options.get("k", 0), math.floor(share), math.floor(ratio))
        hardest = sorted(inside.tolist(), key=lambda i: (-losses[i].item(), i))
        expected[hardest[:count]] = True
    oracle.check_same("select_hard_examples", found, expected)


PROPERTIES = (
    Property("ranking triplets", _draw_triplets, _check_triplets, 0.5),
    Property("select_hard_examples", _draw_losses, _check_losses, 0.3),
)
