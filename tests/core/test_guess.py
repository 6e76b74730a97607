"""A sample of the base that says the wrong thing: a first bound that is guessed from it changes no answer (scan/guess.hpp)."""

import numpy as np
import pytest
from samples import BITS, near_the_sample, sampled

import hardmine
import reference
from hardmine import Filter, _core
from isas import using_screen
from reference import METRICS, assert_same

M, K = 8500, 20  # enough for a guess


@pytest.mark.parametrize("screen", ["float32", "int8"])
@pytest.mark.parametrize("near", [slice(None), slice(0, 12), slice(0, 6)], ids=["all", "some", "few"])
def test_queries_near_the_sample(isa, screen, near, rng):
    """They find more than enough in it: within the distance of its ninth there are too few rows."""
    b, rows = near_the_sample(rng, M, 24, near)
    q = np.concatenate([b[rows[:5]] + np.float32(1e-3), rng.standard_normal((96, 24), dtype=np.float32)])
    of = np.r_[0:8, 100]
    with using_screen(screen):
        for metric in METRICS:
            for where in (Filter(), Filter(base_mask=np.arange(M) % 50 != 3, exclude=[[int(rows[0])]] * len(q))):
                found = hardmine.topk(q, b, K, metric=metric, where=where)
                keep = np.ones((len(of), M), bool)
                if where.exclude is not None:
                    keep &= where.base_mask
                    keep[:, rows[0]] = False
                assert_same((found.distances[of], found.indices[of]), reference.topk(q[of], b, K, metric, keep))
    assert _core.failed_proofs() == 0


@pytest.mark.parametrize("screen", ["float32", "int8"])
def test_an_array_whose_sample_is_a_cluster(isa, screen, rng):
    x, rows = near_the_sample(rng, M, 64, slice(0, 12))
    of = np.r_[rows, 0:8]
    with using_screen(screen):
        before = _core.screened_pairs()[screen]
        found = hardmine.topk(x, k=K)
        assert 0.5 * M**2 < _core.screened_pairs()[screen] - before < 0.6 * M**2, "a self-join and a sample"
    keep = np.arange(M) != of[:, None]
    assert_same((found.distances[of], found.indices[of]), reference.topk(x[of], x, K, "sqeuclidean", keep))


def test_codes_near_the_sample(isa, rng):
    m, k = 9000, 130
    codes = rng.integers(0, 256, (m, 8), dtype=np.uint8)
    rows = sampled(m, BITS)
    codes[rows] = codes[rows[0]]
    codes[rows, 0] ^= rng.integers(0, 4, len(rows), dtype=np.uint8)
    q = np.concatenate([codes[rows[:6]], rng.integers(0, 256, (20, 8), dtype=np.uint8)])
    found = hardmine.topk(q, codes, k, metric="hamming")
    distances = np.unpackbits(q[:, None] ^ codes, axis=2).sum(axis=2)
    order = np.lexsort((np.broadcast_to(np.arange(m), distances.shape), distances), axis=1)[:, :k]
    np.testing.assert_array_equal(found.indices, order)
    np.testing.assert_array_equal(found.distances, np.take_along_axis(distances, order, axis=1))


def test_a_guess_saves_what_it_is_for(rng):
    """Work done, not time: rows without a bound are left to float32, here a fifth of all pairs; with a guess the coarse screen
    begins at once, and float32 does little more than a part of the sample."""
    if _core.kernels()["int8"] == "generic":
        pytest.skip("kernels without a coarse screen of their own")
    q, b = rng.standard_normal((400, 256), dtype=np.float32), rng.standard_normal((40_000, 256), dtype=np.float32)
    with hardmine.explain() as told:
        hardmine.topk(q, b, 32, threads=1)
    assert told.pairs["float32"] < 0.08 * len(q) * len(b)
