"""Arrays too large for the oracle: one answer whatever the surroundings, the shards, and k."""

from __future__ import annotations

import numpy as np

import hardmine

from . import oracle, rows, search, surroundings
from .cases import Case, Property


def _draw(rng: np.random.Generator) -> Case:
    n, d = int(rng.choice([300, 2047, 2048, 2049, 3000, 4200])), rows.size(rng, 40)
    m = int(rng.choice([1, 500, 5000]))
    queries, base = rows.draw_pair(rng, n, m, d)
    if rng.random() < 0.1:
        queries[:] = queries[0]
    return {
        "queries": queries,
        "base": None if rng.random() < 0.6 else base,
        "metric": str(rng.choice(search.METRICS)),
        "k": int(rng.choice([1, 2, 10, 60])),
        "query_layout": "in place",
        "base_layout": "in place",
        **surroundings.draw(rng),
    }


def _check(case: Case) -> None:
    queries, base, k = case["queries"], case["base"], case["k"]
    plain = case | {"threads": 1, "block": 0, "block_bytes": None, "isa": surroundings.isas[0], "forced_screen": "float32"}
    found = search.find(plain, queries, base, k)
    oracle.check_neighbors(search.find(case, queries, base, k), found, "topk elsewhere")
    longer = search.find(case, queries, base, k + 5)
    oracle.check_neighbors([part[:, :k] for part in longer], found, "the first of more")
    rows_of_base = queries if base is None else base
    cut = len(rows_of_base) // 3
    own = [[i] if base is None else [] for i in range(len(queries))]
    shards = []
    for first, last in ((0, cut), (cut, len(rows_of_base))):
        inside = [[i - first for i in one if first <= i < last] for one in own]
        where = hardmine.Filter(exclude=inside)
        shard = search.find(case, queries, rows_of_base[first:last], k, where)
        shards.append((shard.distances, np.where(shard.indices < 0, -1, shard.indices + first)))
    oracle.check_neighbors(hardmine.merge(*shards, k=k), found, "merged shards")
    few = np.unique(np.linspace(0, len(queries) - 1, 7).astype(int)) if len(queries) else []
    where = hardmine.Filter(exclude=[own[i] for i in few])
    alone = search.find(case, queries[few], rows_of_base, k, where)
    oracle.check_neighbors(alone, [part[few] for part in found], "a few queries")


PROPERTIES = (Property("invariance", _draw, _check, 0.08),)
