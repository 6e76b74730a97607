"""An array with itself whose rows must be converted: each block meets itself as one array, and results are those in place."""

import numpy as np
import pytest

import hardmine
from blocks import converted_blocks
from hardmine import Filter, _core
from optional_torch import torch

SEARCHES = {
    "topk": lambda x, **more: hardmine.topk(x, k=6, **more),
    "radius_neighbors": lambda x, **more: hardmine.radius_neighbors(x, radius=LIMIT * x.shape[1], **more),
    "closest_pairs": lambda x, **more: hardmine.closest_pairs(x, n_pairs=700, **more),
    "distance_histogram": lambda x, **more: [
        hardmine.distance_histogram(x, edges=np.arange(0, LIMIT, 9) * x.shape[1], **more)
    ],
}
LIMIT = 2100  # of a dimension's share of a squared distance: some of the pairs are nearer
LAYOUTS = {
    "float64": lambda x: x.astype(np.float64),
    "float16": lambda x: x.astype(np.float16),
    "by columns": np.asfortranarray,
    "bfloat16": lambda x: torch.from_numpy(x).to(torch.bfloat16),
}


def whole_numbers(rng, n, d):
    """Rows that every kind of floats has exactly."""
    return rng.integers(-56, 57, (n, d)).astype(np.float32)


def assert_same(found, expected):
    for array, known in zip(found, expected, strict=True):
        np.testing.assert_array_equal(np.asarray(array), np.asarray(known))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("n, size", [(300, 1 << 20), (300, 4 * 8 * 70), (301, 4 * 8 * 43), (7, 4)])
def test_a_block_with_itself_is_one_array(rng, monkeypatch, layout, name, n, size):
    x = whole_numbers(rng, n, 8)
    where = Filter(rng.integers(0, 4, n), exclude=rng.integers(0, n, (n, 3)))
    expected = SEARCHES[name](x, where=where)
    seen, core = [], getattr(_core, name)

    def spy(**given):
        seen.append((given["queries"], given["base"]))
        return core(**given)

    monkeypatch.setattr(_core, name, spy)
    with converted_blocks(size):
        found = SEARCHES[name](LAYOUTS[layout](x), where=where)
    assert_same(found, expected)
    step = max(1, size // 32)
    firsts = range(0, n, step)
    pairs = [(a, b) for a in firsts for b in firsts if name == "topk" or a <= b]
    assert [(queries.first, base.first) for queries, base in seen] == pairs
    assert all((queries.rows is base.rows) == (queries.first == base.first) for queries, base in seen)


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["sqeuclidean", "cosine"])
@pytest.mark.parametrize("where", ["anywhere", "filtered"])
def test_blocks_large_enough_for_a_self_join(rng, metric, where):
    """The second and third block start from what the first has found."""
    n, d = 6500, 256
    x = whole_numbers(rng, n, d)
    x[::50] = x[1]
    group = rng.integers(0, 40, n)
    filtered = Filter(group, base_mask=rng.random(n) < 0.97, farther_than=1e-6)
    given = {"k": 9, "metric": metric, "where": filtered if where == "filtered" else None}
    expected = hardmine.topk(x, **given)
    with converted_blocks(4 * d * 2200):
        assert_same(hardmine.topk(x.astype(np.float64), **given), expected)
        if where == "filtered":
            capped = {**given, "where": Filter(group, max_per_group=2)}
            assert_same(hardmine.topk(x.astype(np.float16), **capped), hardmine.topk(x, **capped))
