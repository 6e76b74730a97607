"""Calls, and what another thread does to their inputs meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import hardmine

Rng = np.random.Generator
WILD = (0, -1, 1, 7, 2**31, 2**32 + 5, 2**40, -(2**40), 2**62, -(2**62))  # numbers that no list of rows should hold


class Scenario(NamedTuple):
    call: Callable[[], object]
    change: Callable[[], None]  # over and over while `call` runs


def _rows(rng: Rng, n: int, d: int = 16) -> Any:
    return rng.standard_normal((n, d)).astype(np.float32)


def _few_or_many(rng: Rng) -> Any:
    return _rows(rng, int(rng.choice([3, 8, 200])))


def _metric(rng: Rng) -> str:
    return str(rng.choice(["sqeuclidean", "euclidean", "cosine", "inner_product"]))


def _flicker(rng: Rng, array: Any, values: Any) -> Callable[[], None]:
    """Write a value somewhere, and what was there back."""

    def change() -> None:
        at = tuple(rng.integers(0, length) for length in array.shape)
        before = array[at].copy()
        array[at] = rng.choice(values)
        array[at] = before

    return change


def _not_finite(rng: Rng, array: Any) -> Callable[[], None]:
    """Some rows are not finite for a moment or for about as long as a call, so that a call sees them change."""
    kept, longest = array.copy(), rng.choice([0, 2e-4, 1e-3])

    def change() -> None:
        some = np.s_[rng.integers(0, len(array)) :: rng.choice([1, 50, 5000])]
        for values in (rng.choice([np.nan, np.inf, 3e38]), kept[some]):
            array[some] = values
            time.sleep(rng.uniform(0, longest))

    return change


def _base_rows(rng: Rng) -> Scenario:
    queries, base, metric = _few_or_many(rng), _rows(rng, 20_000), _metric(rng)
    return Scenario(lambda: hardmine.topk(queries, base, 5, metric=metric), _not_finite(rng, base))


def _query_rows(rng: Rng) -> Scenario:
    queries, base, metric = _few_or_many(rng), _rows(rng, 4000), _metric(rng)
    return Scenario(lambda: hardmine.topk(queries, base, 5, metric=metric), _not_finite(rng, queries))


def _self_join(rng: Rng) -> Scenario:
    x, metric = _rows(rng, int(rng.choice([1000, 3000, 6000])), 24), _metric(rng)
    return Scenario(lambda: hardmine.topk(x, k=5, metric=metric, threads=8), _not_finite(rng, x))


def _dense(rng: Rng) -> Scenario:
    queries, base, metric = _few_or_many(rng), _rows(rng, 4000), _metric(rng)
    return Scenario(lambda: hardmine.pairwise(queries, base, metric=metric), _not_finite(rng, base))


def _lists(rng: Rng, n: int, m: int) -> tuple[Any, Any]:
    start = np.arange(n + 1) * 6
    return start, np.sort(rng.integers(0, m, (n, 6)), axis=1).reshape(-1)


def _exclude_start(rng: Rng) -> Scenario:
    queries, base = _few_or_many(rng), _rows(rng, 4000)
    start, indices = _lists(rng, len(queries), 4000)
    where = hardmine.Filter(exclude=(start, indices))
    return Scenario(lambda: hardmine.topk(queries, base, 5, where=where), _flicker(rng, start, WILD))


def _exclude_indices(rng: Rng) -> Scenario:
    queries, base = _few_or_many(rng), _rows(rng, 4000)
    start, indices = _lists(rng, len(queries), 4000)
    where = hardmine.Filter(exclude=(start, indices))
    return Scenario(lambda: hardmine.topk(queries, base, 5, where=where), _flicker(rng, indices, WILD))


def _groups(rng: Rng) -> Scenario:
    queries, base = _few_or_many(rng), _rows(rng, 4000)
    of_queries, of_base = rng.integers(0, 9, len(queries)), rng.integers(0, 9, 4000)
    kind, most = str(rng.choice(["same", "different"])), None if rng.random() < 0.5 else 2
    where = hardmine.Filter(of_queries, of_base, kind, max_per_group=most)
    changed = of_queries if rng.random() < 0.4 else of_base
    return Scenario(lambda: hardmine.topk(queries, base, 5, where=where), _flicker(rng, changed, WILD))


def _many_groups_at_once(rng: Rng) -> Scenario:
    """Rows move between groups whose lists are being made."""
    queries, base = _few_or_many(rng), _rows(rng, 4000)
    of_queries, of_base = rng.integers(0, 9, len(queries)), np.arange(4000) % 9
    where = hardmine.Filter(of_queries, of_base, "same")

    def change() -> None:
        of_base[:] = rng.integers(0, 9)
        of_base[:] = rng.choice(WILD)
        of_base[:] = np.arange(4000) % 9

    return Scenario(lambda: hardmine.topk(queries, base, 5, where=where), change)


def _mask(rng: Rng) -> Scenario:
    queries, base = _few_or_many(rng), _rows(rng, 4000)
    mask = rng.random(4000) < 0.5
    where = hardmine.Filter(base_mask=mask)

    def change() -> None:
        mask[:] = True
        mask.view(np.uint8)[::3] = 255
        mask[:] = False

    return Scenario(lambda: hardmine.topk(queries, base, 5, where=where), change)


def _thresholds(rng: Rng) -> Scenario:
    queries, base = _few_or_many(rng), _rows(rng, 4000)
    limits = np.full(len(queries), 20.0, np.float32)
    where = hardmine.Filter(farther_than=limits, nearer_than=limits + 5)
    return Scenario(lambda: hardmine.topk(queries, base, 5, where=where), _not_finite(rng, limits))


def _listed_pairs(rng: Rng) -> Scenario:
    queries, base = _rows(rng, 200), _rows(rng, 4000)
    pairs = rng.integers(0, 200, 30_000), rng.integers(0, 4000, 30_000)
    changed = pairs[int(rng.integers(0, 2))]
    return Scenario(lambda: hardmine.pair_distances(queries, base, *pairs), _flicker(rng, changed, WILD))


def _codes(rng: Rng) -> tuple[Any, Any, int]:
    bits = int(rng.choice([13, 60, 64]))
    codes = np.packbits(rng.random((4000, bits)) < 0.5, axis=1)
    return codes[: int(rng.choice([3, 200]))].copy(), codes, bits


def _padding(rng: Rng) -> Scenario:
    queries, base, bits = _codes(rng)
    changed = queries if rng.random() < 0.5 else base
    k = int(rng.choice([5, 300]))

    def change() -> None:
        kept = changed[:, -1].copy()
        changed[:, -1] = 255
        changed[:, -1] = kept

    return Scenario(lambda: hardmine.topk(queries, base, k, metric="hamming", bits=bits), change)


def _histograms(rng: Rng) -> Scenario:
    queries, base, bits = _codes(rng)
    labels = rng.integers(0, 5, len(queries)), rng.integers(0, 5, len(base))
    top = None if rng.random() < 0.5 else 50

    def change() -> None:
        for codes in (queries, base):
            kept = codes[:, -1].copy()
            codes[:, -1] = 255
            codes[:, -1] = kept
        labels[1][::7] = rng.choice(WILD)

    return Scenario(lambda: hardmine.mean_average_precision(queries, base, *labels, bits=bits, top=top), change)


def _mining(rng: Rng) -> Scenario:
    x, label = _rows(rng, 1000), rng.integers(0, 9, 1000)
    lists = _lists(rng, 1000, 1000)
    options = {"query_labels": label, "positives": lists, "absolute_margin": 0.01, "random_ratio": 0.4}
    changed = (x, label, *lists)[int(rng.integers(0, 4))]
    change = _not_finite(rng, x) if changed is x else _flicker(rng, changed, WILD)
    return Scenario(lambda: hardmine.mine_hard_negatives(x, **options), change)


def _batch(rng: Rng) -> Scenario:
    x, label = _rows(rng, 200), rng.integers(0, 9, 200)
    change = _not_finite(rng, x) if rng.random() < 0.5 else _flicker(rng, label, WILD)
    return Scenario(lambda: hardmine.mine_triplets(x, label, type_of_triplets="semihard"), change)


SCENARIOS = {
    "base rows": _base_rows,
    "query rows": _query_rows,
    "self-join": _self_join,
    "pairwise": _dense,
    "exclude indptr": _exclude_start,
    "exclude indices": _exclude_indices,
    "groups": _groups,
    "many groups": _many_groups_at_once,
    "mask": _mask,
    "thresholds": _thresholds,
    "rows and cols": _listed_pairs,
    "padding": _padding,
    "histograms": _histograms,
    "mining": _mining,
    "batch": _batch,
}
