"""explain: what each screen did, whichever function asked for it."""

import numpy as np
import pytest

import hardmine
from hardmine import Filter, _core, explain
from isas import using_screen

NOTHING = {"int8": 0, "bf16": 0, "float32": 0, "few": 0, "codes": 0}


def normal(rng, n, d=40):
    return rng.standard_normal((n, d), dtype=np.float32)


@pytest.mark.parametrize("threads", [1, 2])
def test_every_pair_is_one_of_a_screen(isa, rng, threads):
    q, b = normal(rng, 200), normal(rng, 3000)
    codes, others = hardmine.pack(q), hardmine.pack(b)
    whole = 200 * 3000
    searches = {
        "topk": lambda q, b, **more: hardmine.topk(q, b, 3, **more),
        "radius": lambda q, b, **more: hardmine.radius_neighbors(q, b, 3.0, **more),
        "closest": lambda q, b, **more: hardmine.closest_pairs(q, b, 9, **more),
        "histogram": lambda q, b, **more: hardmine.distance_histogram(q, b, [0.0, 9.0, 50.0], **more),
    }
    for name, search in searches.items():
        with using_screen("float32"):
            with explain() as told:
                search(q, b, threads=threads)
            assert told.pairs == NOTHING | {"float32": whole}, name
            assert told.looked_at == 0 and told.screen == "float32"
        for coarse in ("int8", "bf16"):
            with using_screen(coarse), explain() as told:
                search(q, b, threads=threads)
            assert told.pairs[coarse] + told.pairs["float32"] == whole and told.pairs[coarse] > 0, name
            assert 0 <= told.looked_at <= told.pairs[coarse] and told.screen == coarse
            assert (told.looked_at > 0) or name == "radius"
        for rows in (q[:1], q[:8]):
            with explain() as told:
                search(rows, b, threads=threads)
            assert told.pairs == NOTHING | {"few": len(rows) * 3000}, name
        for rows in (codes[:1], codes):
            with explain() as told:
                search(rows, others, threads=threads, metric="hamming")
            assert told.pairs == NOTHING | {"codes": len(rows) * 3000}, name


def test_rows_that_a_mask_forbids_are_no_pairs_and_an_array_with_itself_has_half(rng):
    x = normal(rng, 2500)
    with explain() as told:
        hardmine.topk(x[:100], x, 3, where=Filter(base_mask=np.arange(2500) < 600))
    assert sum(told.pairs.values()) == 100 * 600
    n = 12_000  # fewer may not pay for two sides
    with explain() as told:
        hardmine.topk(normal(rng, n, 64), k=3, threads=1)
    assert n * (n - 1) / 2 <= sum(told.pairs.values()) < 0.6 * n**2


def test_what_has_no_screen_counts_nothing(rng):
    x = normal(rng, 60)
    with explain() as told:
        hardmine.pairwise(x)
        hardmine.pair_distances(x, None, [1], [2])
    assert told.pairs == NOTHING and told.looked_at == 0
    assert told.summary() == "screen int8 or bf16 before float32, where they pay: 0 pairs"


def test_it_ends_with_its_block_and_with_an_error(rng):
    x = normal(rng, 50)
    with pytest.raises(ValueError, match="k: expected"), explain() as told:
        hardmine.topk(x[:2], x)
        hardmine.topk(x, k=0)
    hardmine.topk(x[:3], x)
    with explain() as inner:
        assert inner.pairs == {}, "filled in at the end"
    assert told.pairs == NOTHING | {"few": 100} and inner.pairs == NOTHING


def test_kernels_and_words(isa, rng):
    q, b = normal(rng, 100), normal(rng, 2000)
    with using_screen("int8"), explain() as told:
        hardmine.topk(q, b, 5)
        hardmine.topk(hardmine.pack(q), hardmine.pack(b), 5, metric="hamming")
    used = _core.kernels()
    families = {"int8": "int8", "bf16": "bf16", "float32": "tile", "few": "few", "codes": "codes"}
    assert told.kernels == {screen: used[family] for screen, family in families.items()}
    lines = told.summary().splitlines()
    assert lines[0] == "screen int8: 400000 pairs"
    (coarse,) = (line.split() for line in lines if line.startswith("  int8"))
    assert int(coarse[1]) == told.pairs["int8"] and coarse[2] == f"{told.pairs['int8'] / 400000:.2%}"
    assert coarse[-1] == used["int8"]
    (again,) = (line.split() for line in lines if "again" in line)
    assert again[1:3] == [str(told.looked_at), f"{told.looked_at / told.pairs['int8']:.2%}"]
    assert lines[-1].split() == ["codes", "200000", "50.00%", "packed", "codes;", "kernels", used["codes"]]
