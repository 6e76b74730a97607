"""Bounds below every distance of codes let nothing through: none is written as an unsigned number."""

import numpy as np
import pytest

import hardmine
from hardmine import Filter


@pytest.mark.parametrize("radius", [-1, -2, -3, -1e30, -np.inf])
@pytest.mark.parametrize("n", [3, 300], ids=["few", "many"])
def test_no_code_is_nearer_than_none(isa, rng, n, radius):
    x, y = rng.integers(0, 256, (n, 2), dtype=np.uint8), rng.integers(0, 256, (500, 2), dtype=np.uint8)
    assert len(hardmine.radius_neighbors(x, y, radius, metric="hamming")) == 0
    assert (hardmine.topk(x, y, 3, metric="hamming", where=Filter(nearer_than=radius)).indices == -1).all()
