"""verify with results in every form they come in, and what it says of them."""

import numpy as np
import pytest

import hardmine
from hardmine import verify
from optional_torch import torch


def grid(rng, n, d=3):
    """Rows with many ties."""
    return rng.integers(-2, 3, (n, d)).astype(np.float32)


def test_codes(rng):
    bits = rng.random((120, 13)) < 0.5
    codes = hardmine.pack(bits)
    found = verify(hardmine.topk(codes, k=6, metric="hamming", bits=13), codes, bits=13)
    assert found.identical.all() and found.exact.metric == "hamming" and found.absolute_error == 0
    codes[:, -1] |= 7  # padding, which counts only where nobody says how wide codes are
    assert verify(found.exact, codes[found.queries], codes, bits=13, query_rows=found.queries)
    assert not verify(np.roll(found.exact.indices, 1, axis=1), codes[found.queries], codes, metric="hamming")


def test_tensors(rng):
    x = torch.from_numpy(rng.standard_normal((90, 6)).astype(np.float32))
    distances, indices = torch.topk(torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist"), 4, largest=False)
    found = verify((distances[:, 1:], indices[:, 1:].to(torch.int32)), x, metric="euclidean")
    assert found and isinstance(found.equal, np.ndarray) and isinstance(found.exact.distances, np.ndarray)
    assert 0 < found.relative_error < 6 * 2.0**-23  # a sum of six squares, and a root
    assert verify((distances.bfloat16()[:, 1:], indices[:, 1:]), x, metric="euclidean").relative_error > 1e-3


def test_given_distances(rng):
    q, b = grid(rng, 4), grid(rng, 30) + np.float32(0.5)
    true = hardmine.topk(q, b, 3, metric="inner_product")
    assert verify(true.indices, q, b, metric="inner_product").relative_error is None
    scores = verify((-true.distances, true.indices), q, b, metric="inner_product")  # larger is nearer: no distances
    assert scores and scores.relative_error == 2 and "in proportion to the distance" in scores.summary()
    wrong = true.distances.astype(np.float64)
    wrong[2, 1] *= 1 + 1e-9
    found = verify((wrong, true.indices), q, b, metric="inner_product")
    assert found and found.relative_error == pytest.approx(1e-9, rel=1e-6)
    assert found.absolute_error == pytest.approx(1e-9 * -wrong[2, 1], rel=1e-6)
    wrong[0, 0] = np.nan
    found = verify((wrong, true.indices), q, b, metric="inner_product")
    assert found.relative_error == found.absolute_error == np.inf
    padded = hardmine.topk(q, b[:2], 3)
    padded.distances[:, 2] = np.nan  # of no row
    assert verify(padded, q, b[:2]).relative_error == 0
    zero = np.zeros((1, 2), np.float32)
    assert verify((np.array([[0.0]]), np.array([[0]])), zero, zero).relative_error == 0
    assert verify((np.array([[1e-9]]), np.array([[0]])), zero, zero).relative_error == np.inf
    far = np.full((1, 2), 3e38, np.float32)
    assert verify(hardmine.topk(zero, far, 1), zero, far).relative_error == 0  # both infinite
    assert verify((far[:, :1], np.array([[0]])), zero, far).relative_error == np.inf


@pytest.mark.parametrize("dtype", ["i1", "u1", "i4", "u4", ">i8", "u8"])
def test_integers_of_any_kind(rng, dtype):
    x = rng.standard_normal((60, 4)).astype(np.float32)
    true = hardmine.topk(x, k=3).indices
    assert verify(true.astype(dtype), x).identical.all()
    assert verify(np.asfortranarray(true.astype(dtype)), x).identical.all()
    if np.dtype(dtype).kind == "u":  # the largest number, which other indices pad with, is no row, and no -1 of ours
        padded = true.astype(dtype)
        padded[0, 2] = np.iinfo(dtype).max
        assert verify(padded, x).invalid["outside"].sum() == 1
        assert verify(padded, x).invalid["missing"].sum() == 0


def test_words(rng):
    x = rng.standard_normal((40, 4)).astype(np.float32)
    indices = hardmine.topk(x, k=2, metric="cosine").indices
    indices[5:18] = np.arange(5, 18)[:, None]
    indices[0] = [77, -1]
    found = verify(indices, x, metric="cosine")
    lines = found.summary().splitlines()
    assert lines[0] == "40 of 40 queries, k=2 of 40 rows by cosine"
    assert lines[1].split()[0] == "equal:" and lines[1].split()[-1] == "65.00%"
    assert [line.split()[-1] for line in lines if "own row" in line] == ["26"]
    assert [line.split()[-1] for line in lines if "no base row" in line or "padding" in line] == ["1", "1"]
    assert lines[-1] == "  not equal: queries 0, 5, 6, 7, 8, 9, 10, 11, 12, 13, ..."
    assert repr(found).startswith("Verification(40 of 40 queries, k=2: 26 equal, 26 identical, recall 0.6500")
