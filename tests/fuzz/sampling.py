"""Samplers: what they give is allowed, and a function of the seed."""

from __future__ import annotations

from typing import Any

import numpy as np

import hardmine

from . import oracle, rows
from .cases import Case, Property

Rng = np.random.Generator


def _draw_split(rng: Rng) -> Case:
    n = rows.size(rng, 200, 2)
    groups = rng.integers(-2, max(1, n // int(rng.choice([1, 2, 5]))), n)
    n_queries = int(rng.integers(1, n))
    return {"groups": groups, "n_queries": n_queries, "n_base": int(rng.integers(1, n - n_queries + 1)), "seed": 3}


def _check_split(case: Case) -> None:
    given = case["groups"], case["n_queries"], case["n_base"], case["seed"]
    try:
        queries, base = hardmine.sample_non_duplicate_split(*given)
    except ValueError as error:
        assert "all that match none of the queries" in str(error), f"refused: {error}"
        return
    chosen = np.concatenate([queries, base])
    assert len(set(chosen.tolist())) == len(chosen) == case["n_queries"] + case["n_base"], "a row twice, or too few"
    shared = set(case["groups"][queries].tolist()) & set(case["groups"][base].tolist())
    assert all(group < 0 for group in shared), f"groups {shared} are on both sides"
    again = hardmine.sample_non_duplicate_split(*given)
    oracle.check_same("the same split again", np.concatenate(again), chosen)


def _draw_triplets(rng: Rng) -> Case:
    n = rows.size(rng, 60, 2)
    return {
        "queries": rng.random((n, rows.size(rng, 8))).astype(np.float32),
        "query_labels": rng.integers(0, int(rng.choice([1, 2, 6])), n),
        "capacity": int(rng.choice([2, 5, 100])),
        "ratio": float(rng.choice([0.0, 0.4, 1.0])),
        "margin": float(rng.choice([0.0, 0.1])),
        "seed": int(rng.integers(0, 2**40)),
    }


def _sampled(case: Case, parts: tuple[int, ...]) -> Any:
    sampler = hardmine.RelevanceTripletSampler(
        case["capacity"], out_of_class_ratio=case["ratio"], negative_margin=case["margin"], seed=case["seed"]
    )
    half = len(case["queries"]) // 2
    for part in (slice(0, half), slice(half, None)):
        sampler.update(np.arange(len(case["queries"]))[part], case["query_labels"][part], embeddings=case["queries"][part])
    return np.concatenate([np.stack(sampler.sample(count)) for count in parts], axis=1)


def _check_triplets(case: Case) -> None:
    x, label = case["queries"].astype(np.float64), case["query_labels"]
    try:
        found = _sampled(case, (30,))
    except ValueError:
        return  # no category has the images that a triplet takes
    query, positive, negative = found
    assert (label[query] == label[positive]).all() and (query != positive).all(), "a positive of another category"
    assert (negative != query).all() and (negative != positive).all(), "a negative that is the query or the positive"
    inside = label[negative] == label[query]
    gap = ((x[query] * (x[positive] - x[negative])).sum(axis=1))[inside]
    assert (gap >= case["margin"] - 1e-6).all(), f"a negative that is {gap.min()} less relevant than the positive"
    oracle.check_same("triplets in two parts", _sampled(case, (11, 19)), found)


PROPERTIES = (
    Property("sample_non_duplicate_split", _draw_split, _check_split, 0.2),
    Property("RelevanceTripletSampler", _draw_triplets, _check_triplets, 0.2),
)
