"""What the benchmark times (`python -m bench peak`) is what the screens do: every product, and the pairs that pass."""

import numpy as np
import pytest

from hardmine import _core
from isas import EVERY_ISA, using_isa

QUERIES, BASE = 672, 256  # whole groups and panels of every table


@pytest.fixture(params=EVERY_ISA)
def any_isa(request):
    with using_isa(request.param) as name:
        yield name


def drawn(rng, kind, d):
    if kind == "codes":
        rows = rng.integers(0, 256, (QUERIES + BASE, d // 8), np.uint8)
        bits = np.unpackbits(rows, axis=1).astype(np.int64)
        q, b = bits[:QUERIES], bits[QUERIES:]
        values = q @ (1 - b).T + (1 - q) @ b.T
    else:
        whole = rng.integers(-63, 64, (QUERIES + BASE, d))
        values = whole[:QUERIES] @ whole[QUERIES:].T
        rows = whole.astype(np.int8 if kind == "int8" else np.float32)
        if kind == "bf16":
            rows = (rows.view(np.uint32) >> 16).astype(np.uint16)
    return rows[:QUERIES], rows[QUERIES:], values


WIDTHS = {"float32": (7, 130), "int8": (7, 130), "bf16": (7, 130), "codes": (64, 520)}


@pytest.mark.parametrize("kind, d", [(kind, d) for kind, widths in WIDTHS.items() for d in widths])
def test_loops_do_what_numpy_does(any_isa, rng, kind, d):
    queries, base, values = drawn(rng, kind, d)
    high = np.quantile(values, 0.01, axis=1).astype(np.float32)
    seconds, mixed, i, j, found = _core.tile_loop(queries, base, high, True, 2)
    assert seconds > 0 and mixed == 0
    again = np.full(values.shape, np.nan, np.float32)
    again[i, j] = found
    np.testing.assert_array_equal(again, np.where(values <= high[:, None], values, np.nan).astype(np.float32))
    assert len(i) == (values <= high[:, None]).sum() > 0

    seconds, mixed, *pairs = _core.tile_loop(queries, base, high, False, 3)
    of = {"float32": np.float32, "int8": np.int32, "bf16": np.float32, "codes": np.uint8}[kind]
    bits = np.minimum(values, 255).astype(of) if kind == "codes" else values.astype(of)
    expected = np.bitwise_xor.reduce(bits.ravel() if kind == "codes" else bits.view(np.uint32).ravel())
    assert seconds > 0 and mixed == expected and not any(map(len, pairs))


@pytest.mark.parametrize("family", ["tile", "int8", "bf16", "codes"])
def test_peaks_count_what_they_do(any_isa, family):
    done = _core.peak(family, 10)
    assert 0 < done == _core.peak(family, 20) / 2


def test_peaks_and_loops_refuse_what_they_cannot_do(rng):
    with pytest.raises(ValueError, match="expected tile, int8, bf16 or codes, got 'few'"):
        _core.peak("few", 1)
    rows, high = np.zeros((QUERIES + 1, 8), np.float32), np.zeros(QUERIES + 1, np.float32)
    for count in (QUERIES + 1, QUERIES):
        with pytest.raises(ValueError, match="expected whole groups of queries, and whole panels"):
            _core.tile_loop(rows[:count], rows[: QUERIES + 1], high, True, 1)
