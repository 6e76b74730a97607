"""Packing, hash centers and the codes that are assigned to them."""

from __future__ import annotations

import numpy as np

import hardmine

from . import layouts, oracle, rows, surroundings
from .cases import Case, Property

Rng = np.random.Generator


def _draw_packing(rng: Rng) -> Case:
    n, _, bits = rows.shape(rng)
    return {"queries": rows.draw(rng, n, bits), "query_layout": layouts.draw(rng)}


def _check_packing(case: Case) -> None:
    values, seen = layouts.lay_out(case["queries"], case["query_layout"])
    bits = case["queries"].shape[1]
    packed = hardmine.pack(values)
    expected = np.zeros((len(seen), -(-bits // 8)), np.uint8)
    for at in np.argwhere(seen > 0).tolist():
        expected[at[0], at[1] // 8] |= 1 << 7 - at[1] % 8
    oracle.check_same("pack", packed, expected)
    oracle.check_same("unpack", hardmine.unpack(packed, bits), seen > 0)


def _draw_assigned(rng: Rng) -> Case:
    n, m, bits = rows.size(rng, 40), rows.size(rng, 40), rows.size(rng, 80)
    return {
        "queries": rng.random((n, bits)) < 0.5,
        "base": rng.random((m, bits)) < rng.choice([0.1, 0.5]),
        "query_layout": layouts.draw(rng, layouts.CODES),
        "base_layout": layouts.draw(rng, layouts.CODES),
        **surroundings.draw(rng),
    }


def _check_assigned(case: Case) -> None:
    (codes, q), (centers, b) = (
        layouts.lay_out(np.packbits(case[name], axis=1), case[layout])
        for name, layout in (("queries", "query_layout"), ("base", "base_layout"))
    )
    with surroundings.surroundings(case):
        indices, distances = hardmine.assign_centers(codes, centers, threads=case["threads"])
    matrix = oracle.distances(np.unpackbits(q, axis=1), np.unpackbits(b, axis=1), "hamming")
    oracle.check_same("assign_centers, indices", indices, matrix.argmin(axis=1))
    oracle.check_same("assign_centers, distances", distances, matrix.min(axis=1))


def _draw_votes(rng: Rng) -> Case:
    m, bits = rows.size(rng, 40), rows.size(rng, 80)
    labels = rng.random((rows.size(rng, 20), m)) < rng.choice([0.05, 0.5])
    labels[~labels.any(axis=1), 0] = True
    return {"base": rng.random((m, bits)) < 0.5, "votes": labels, "seed": int(rng.integers(0, 9))}


def _check_votes(case: Case) -> None:
    """Every bit as most of a row's centers have it; where as many have it as not, as the same row of ties."""
    words, labels = np.packbits(case["base"], axis=1), case["votes"]
    found = np.unpackbits(hardmine.semantic_centers(words, labels, seed=case["seed"]), axis=1)
    bits = np.unpackbits(words, axis=1).astype(int)
    ties: dict[int, int] = {}
    for row, label in zip(found.tolist(), labels):
        for at, (bit, ones) in enumerate(zip(row, bits[label].sum(axis=0).tolist())):
            most = int(2 * ones > label.sum()) if 2 * ones != label.sum() else ties.setdefault(at, bit)
            assert bit == most, f"semantic_centers: bit {at} is {bit} with {ones} of {label.sum()} votes"


def _draw_centers(rng: Rng) -> Case:
    bits = rows.size(rng, 70)
    return {
        "classes": min(int(rng.choice([1, 2, 3, 10, 33, 60])), 1 << bits),
        "bits": bits,
        "method": str(rng.choice(["best", "best", "csq", "bernoulli"])),
        "multi_label": bool(rng.random() < 0.3),
        "seed": int(rng.integers(0, 9)),
    }


def _check_centers(case: Case) -> None:
    options = {"method": case["method"], "seed": case["seed"], "multi_label": case["multi_label"]}
    centers = hardmine.hash_centers(case["classes"], case["bits"], **options)
    words = hardmine.unpack(centers.codes, case["bits"])
    apart = oracle.distances(words, words, "hamming")[~np.eye(len(words), dtype=bool)]
    assert len(words) == case["classes"], f"hash_centers: {len(words)} centers"
    if len(apart):
        assert centers.min_distance == apart.min(), f"min_distance: {centers.min_distance} instead of {apart.min()}"
        assert centers.min_distance <= centers.upper_bound, f"upper_bound: {centers.upper_bound} < {centers.min_distance}"
        assert np.isclose(centers.mean_distance, apart.mean()), f"mean_distance: {centers.mean_distance}, not {apart.mean()}"
    again = hardmine.hash_centers(case["classes"], case["bits"], **options)
    oracle.check_same("the same centers again", again.codes, centers.codes)


PROPERTIES = (
    Property("pack and unpack", _draw_packing, _check_packing, 0.5),
    Property("assign_centers", _draw_assigned, _check_assigned, 0.5),
    Property("semantic_centers", _draw_votes, _check_votes, 0.2),
    Property("hash_centers", _draw_centers, _check_centers, 0.1),
)
