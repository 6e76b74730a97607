"""Products of bytes in tiles: emulated ones everywhere, the CPU's own where it has them, by the same lines of code."""

import pathlib
import shutil
import subprocess

import numpy as np
import pytest

import hardmine
import reference
from hardmine import Filter, _core
from isas import using_isa, using_screen
from reference import METRICS, assert_same

ROOT = pathlib.Path(__file__).parents[2]
RUNNABLE = _core.isas_runnable()
EIGHT_BITS = ("amx", "avx512_bf16", "avx512_bitalg", "avx_vnni", "tiles")  # in others base rows have seven
pytestmark = pytest.mark.skipif("tiles" not in RUNNABLE, reason="needs AVX2")


@pytest.fixture(params=[name for name in ("amx", "tiles") if name in RUNNABLE])
def tiles(request):
    with using_isa(request.param) as name:
        yield name


def drawn(rng, rows, d, kind):
    if kind == "random":
        return rng.integers(-127, 128, (rows, d), np.int8)
    if kind == "extreme":
        return rng.choice(np.int8([-127, 127]), (rows, d))
    return np.full((rows, d), 127 if kind == "largest" else -127, np.int8)


def products(family, q, b, high=np.inf):
    return _core.quantised_products(family, q, b, np.full(len(q), high, np.float32))


FAMILIES = pytest.mark.parametrize("family", ["int8", "bf16"])


@FAMILIES
@pytest.mark.parametrize("kinds", [("random", "random"), ("extreme", "extreme"), ("largest", "largest"), ("largest", "least")])
def test_products_are_those_of_integers(tiles, rng, family, kinds):
    """Of all widths that a tile can be filled to, and of one and many tiles. Sums of 1,040 products are exact as float32."""
    for d in [*range(1, 202), 255, 256, 257, 320, 513, 1023, 1024, 1040]:
        n, m = int(rng.integers(1, 300)), int(rng.integers(1, 70))
        q, b = drawn(rng, n, d, kinds[0]), drawn(rng, m, d, kinds[1])
        expected = q.astype(np.int64) @ b.T.astype(np.int64)
        np.testing.assert_array_equal(products(family, q, b), expected.astype(np.float32), err_msg=str(d))


def test_products_of_the_widest_rows(tiles):
    """In 2^17 dimensions the sum just fits into int32."""
    d = 1 << 17
    q, b = np.full((33, d), 127, np.int8), np.stack([np.full(d, x, np.int8) for x in (127, -127, 0)])
    expected = np.float32([[127 * 127 * d, -127 * 127 * d, 0]])
    np.testing.assert_array_equal(products("int8", q, b), np.repeat(expected, 33, axis=0))


@FAMILIES
@pytest.mark.parametrize("d", [20, 130, 1000])
def test_a_pair_that_passes_alone_is_reported(tiles, rng, family, d):
    """Whichever row of the tiles it is in: rows are compared in portions."""
    q, b = drawn(rng, 125, d, "random"), drawn(rng, 32, d, "random")
    true = (q.astype(np.int64) @ b.T.astype(np.int64)).astype(np.float32)
    for i in range(len(q)):
        high = np.full(len(q), -np.inf, np.float32)
        high[i] = true[i].min()
        expected = np.where(true <= high[:, None], true, np.float32(np.nan))
        np.testing.assert_array_equal(_core.quantised_products(family, q, b, high), expected)


@pytest.mark.parametrize("isa", RUNNABLE)
def test_a_table_is_believed_if_it_does_what_emulated_tiles_do(isa):
    """What is asked of the CPU's tiles before they are used. Tables of seven bits fail it: their sums overflow or wrap."""
    assert _core.same_products("int8", isa, "tiles") == _core.same_products("int8", "tiles", isa) == (isa in EIGHT_BITS)
    fused = isa != "generic"  # without fused multiply-adds what becomes of the same sums has other roundings
    assert _core.same_products("bf16", isa, "tiles") == _core.same_products("bf16", "tiles", isa) == fused


def test_tables_are_compared_by_the_names_of_runnable_sets():
    with pytest.raises(ValueError, match=r"expected one of .*, got 'amx512'"):
        _core.same_products("int8", "amx512", "tiles")
    with pytest.raises(ValueError, match=r"expected int8 or bf16, got 'int4'"):
        _core.same_products("int4", "tiles", "tiles")


@pytest.mark.parametrize("d", [16, 65, 96, 330])
@pytest.mark.parametrize("metric", METRICS)
def test_searches(tiles, rng, metric, d):
    """By the coarse screen alone and as it pays; windows, caps, groups, and queries that leave rows of the last tile empty."""
    q, b = rng.standard_normal((100, d), dtype=np.float32), rng.standard_normal((600, d), dtype=np.float32)
    b[:40] = q[:40]
    true = reference.rounded(q, b, metric)
    limit = np.quantile(true, 0.2, axis=1).astype(np.float32)
    group = np.arange(600) % 150
    for n in (9, 97, 100):
        for screen in ("int8", "bf16", ""):
            with using_screen(screen):
                found = hardmine.topk(q[:n], b, 7, metric=metric)
                capped = Filter(base_groups=group, max_per_group=1, farther_than=limit[:n])
                few = hardmine.topk(q[:n], b, 7, metric=metric, where=capped)
            assert_same(found, reference.topk(q[:n], b, 7, metric))
            keep = true[:n] > limit[:n, None]
            assert_same(few, reference.topk(q[:n], b, 7, metric, keep, base_groups=group, max_per_group=1))


@pytest.mark.parametrize("threads", [1, 3])
def test_self_joins_and_pairs(tiles, rng, threads):
    x = rng.standard_normal((2200, 250), dtype=np.float32)
    x[::7] = x[1]
    found = {}
    for screen in ("int8", "bf16", "float32", ""):
        with using_screen(screen):
            near = hardmine.radius_neighbors(x, radius=400.0, threads=threads)
            found[screen] = [*hardmine.topk(x, k=5, threads=threads), near.rows, near.cols, near.distances]
    for screen in ("bf16", "float32", ""):
        for one, other in zip(found["int8"], found[screen], strict=True):
            np.testing.assert_array_equal(one, other)


def test_tiles_do_a_search_unasked(tiles, rng):
    q, b = rng.standard_normal((700, 128), dtype=np.float32), rng.standard_normal((20_000, 128), dtype=np.float32)
    before = _core.screened_pairs()
    with using_screen(""):
        hardmine.topk(q, b, 10, threads=1)
    assert _core.screened_pairs()["int8"] - before["int8"] > len(q) * len(b) / 2


@pytest.mark.slow
def test_between_blocks_tiles_are_free_for_others(tiles, rng):
    """The callback of a search runs in its thread, and may itself use tiles, of another size."""
    q, b = rng.standard_normal((1000, 64), dtype=np.float32), rng.standard_normal((100_000, 64), dtype=np.float32)
    other = rng.standard_normal((120, 200), dtype=np.float32)
    inner, called = hardmine.topk(other, other, 3), []

    def meanwhile(done, total):
        called.append(done)
        assert_same(hardmine.topk(other, other, 3), inner)

    with using_screen("int8"):
        expected = hardmine.topk(q, b, 5, threads=1)
        assert_same(hardmine.topk(q, b, 5, threads=1, progress=meanwhile), expected)
    assert len(called) >= 2  # the last one comes after the scan


# The CPU's own.


@pytest.mark.slow
def test_the_instructions_of_amx_do_what_emulated_tiles_do(tmp_path):
    """As compiled: on a CPU without them by a handler of illegal instructions, which decodes and does them."""
    objects = [
        sorted(ROOT.glob(f"build/*/CMakeFiles/kernels_{family}_{name}.dir/cpp/kernels/*.o"))
        for family in ("int8", "bf16")
        for name in ("amx", "tiles")
    ]
    compiler = shutil.which("c++")
    if not all(objects) or not compiler or "avx512" not in RUNNABLE:
        pytest.skip("needs the build folder that `pip install .` leaves here, a compiler and AVX-512")
    for number, kernels in enumerate(zip(*objects, strict=True)):
        program = tmp_path / f"traps{number}"
        line = [compiler, "-std=c++20", "-O1", "-I", ROOT / "cpp", ROOT / "tests/core/amx_traps.cpp", *kernels]
        subprocess.run([*line, "-o", program], check=True)
        done = subprocess.run([program], capture_output=True, text=True, timeout=600)
        assert done.stdout == f"same, {'by the CPU' if {'amx_int8', 'amx_bf16'} <= cpu_flags() else 'trapped'}\n", done.stderr


def cpu_flags():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return set(next((line for line in lines if line.startswith("flags")), "").split())


def test_tiles_that_the_cpu_lacks_are_not_run():
    if "amx" in RUNNABLE:
        assert {"amx_tile", "amx_int8", "amx_bf16"} <= cpu_flags() and _core.isas_runnable()[0] == "amx"
    assert _core.kernels()["int8"] != "tiles", "emulated ones are never chosen unasked"
