"""The one rule of memory: above inputs and outputs 34 MiB and 3 MiB a thread, and what the README adds for some inputs.

Each case runs in a process of its own. Freed memory is given back before the call, and the peak is counted from there, so that
nothing left over from making the inputs hides what the call takes.
"""

import os

import pytest

from fresh_process import run

pytestmark = [pytest.mark.slow, pytest.mark.skipif("HARDMINE_SANITIZED" in os.environ, reason="sanitizers keep freed memory")]

CASE = """
import ctypes
import numpy as np
from hardmine import Filter, Index, _core, closest_pairs, distance_histogram, find_overlap, mean_average_precision, rank_of
from hardmine import pair_distances, pairwise, radius_neighbors, topk, verify

def status(key):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(key)) << 10

rng = np.random.default_rng(0)
floats = lambda *shape: rng.standard_normal(shape, dtype=np.float32)
codes = lambda *shape: rng.integers(0, 256, shape, dtype=np.uint8)
topk(floats(20, 8), floats(100, 8), 3, threads=1)
{inputs}
ctypes.CDLL(None).malloc_trim(0)
open("/proc/self/clear_refs", "w").write("5")  # the peak starts anew
before = status("VmRSS")
found = {call}
outputs = sum(a.nbytes for a in ((found,) if isinstance(found, np.ndarray) else found))
print((status("VmHWM") - before - outputs) / 2**20)
"""

# name: (inputs, call with `threads=THREADS`, MiB beyond the rule, or how they follow from the number of threads)
CASES = {
    "many rows": ("q, b = floats(3000, 128), floats(1_000_000, 128)", "topk(q, b, 10, threads=THREADS)", 0),
    "the coarse screen": (
        "q, b = floats(3000, 128), floats(1_000_000, 128)\n_core.use_screen('int8')",
        "topk(q, b, 10, threads=THREADS)",
        0,
    ),
    "few queries of an index": (
        "q, b = floats(8, 128), Index(floats(1_000_000, 128))",
        "topk(q, b, 10, threads=THREADS)",
        0,
    ),
    "few queries of an index in 20,000 dimensions": (
        "q, b = floats(8, 20_000), Index(floats(2000, 20_000))",
        "topk(q, b, 10, threads=THREADS)",
        0,
    ),
    "large k": ("q, b = floats(1000, 64), floats(50_000, 64)", "topk(q, b, 5000, threads=THREADS)", 0),
    "large k, few queries": ("q, b = floats(40, 64), floats(300_000, 64)", "topk(q, b, 5000, threads=THREADS)", 0),
    "100,000 dimensions": ("q, b = floats(100, 100_000), floats(300, 100_000)", "topk(q, b, 10, threads=THREADS)", 0),
    "20,000 dimensions": ("q, b = floats(500, 20_000), floats(2000, 20_000)", "topk(q, b, 10, threads=THREADS)", 0),
    "20,000 dimensions, matrix": ("q, b = floats(500, 20_000), floats(2000, 20_000)", "pairwise(q, b, threads=THREADS)", 0),
    "one dimension": ("q, b = floats(97_000, 1), floats(100_000, 1)", "topk(q, b, 10, threads=THREADS)", 0),
    "caps": (
        "q, b, g = floats(3000, 64), floats(100_000, 64), rng.integers(0, 10_000, 100_000)",
        "topk(q, b, 500, where=Filter(base_groups=g, max_per_group=3), threads=THREADS)",
        0,
    ),
    "long codes": ("q, b = codes(1000, 8192), codes(5000, 8192)", "topk(q, b, 10, metric='hamming', threads=THREADS)", 0),
    "codes, large k": ("q, b = codes(300, 8), codes(500_000, 8)", "topk(q, b, 5000, metric='hamming', threads=THREADS)", 0),
    "judged codes": (
        "q, b, g, h = codes(100_000, 1), codes(2000, 1), rng.integers(0, 9, 100_000), rng.integers(0, 9, 2000)",
        "np.array(mean_average_precision(q, b, g, h, threads=THREADS))",
        9 * 2 * 4 * 100_000 / 2**20 + 34,  # the counts at each distance, and what NumPy makes of them
    ),
    "verified, of anything": (
        "q, b = floats(5000, 32), floats(6000, 32)\ni = rng.integers(0, 6000, (5000, 10))",
        "list(verify(i, q, b, sample=None, threads=THREADS).exact)",
        150,
    ),
    "verified, long lists": (
        "q, b = floats(1500, 32), floats(4000, 32)\ni = topk(q, b[:3600], 1000).indices",
        "list(verify(i, q, b, sample=None, threads=THREADS).exact)",
        150,
    ),
    "listed pairs": (
        "q, b = floats(1000, 128), floats(900_000, 128)\ni, j = rng.integers(0, 1000, 10**6), rng.integers(0, 900_000, 10**6)",
        "pair_distances(q, b, i, j, threads=THREADS)",
        0,
    ),
    "a mask": (
        "q, b, mask = floats(100, 16), floats(4_000_000, 16), rng.random(4_000_000) < 0.75",
        "topk(q, b, 10, where=Filter(base_mask=mask), threads=THREADS)",
        4 * 0.75 * 4_000_000 / 2**20,
    ),
    "the same group": (
        "q, b, g = floats(1_000_000, 4), floats(1_000_000, 4), np.repeat(np.arange(100_000), 10)",
        "topk(q, b, 1, where=Filter(query_groups=g, base_groups=g, groups='same'), threads=THREADS)",
        (2 * 4 * 1_000_000 + 40 * 100_000 + 2 * 8 * 1_000_000) / 2**20,  # rows in groups, groups, copies of the groups
    ),
    "float16": (
        "q, b = floats(300, 128), floats(1_000_000, 128).astype(np.float16)",
        "topk(q, b, 10, threads=THREADS)",
        64,
    ),
    "pairs within a radius": (
        "q = floats(30_000, 8)\nq[-3000:] = 0",
        "radius_neighbors(q, radius=0.0, threads=THREADS)",
        (16 * 30_000 + 12 * 4_498_500) / 2**20,
    ),
    "pairs within a radius, float64": (
        "q = floats(20_000, 512).astype(np.float64)\nq[:3000] = q[-3000:] = 0",
        "radius_neighbors(q, radius=0.0, threads=THREADS)",
        64 + (16 * 20_000 + 20 * 17_997_000) / 2**20,
    ),
    "the nearest of all pairs": (
        "q, b = floats(1000, 32), floats(100_000, 32)",
        "closest_pairs(q, b, 3_000_000, threads=THREADS)",
        24 * 3_000_000 / 2**20,
    ),
    "the nearest of all pairs, float64": (
        "q = floats(20_000, 512).astype(np.float64)",
        "closest_pairs(q, n_pairs=2_000_000, threads=THREADS)",
        64 + 100 * 2_000_000 / 2**20,
    ),
    "the nearest of all pairs, when there are fewer": (
        "q = floats(2000, 32)",
        "closest_pairs(q, n_pairs=10**9, threads=THREADS)",
        24 * 2000 * 1999 / 2 / 2**20,
    ),
    "an overlap in both directions": (
        "q, b = floats(300_000, 4), floats(50, 4)",
        "find_overlap(q, b, k=1, metric='euclidean', threads=THREADS).candidates",
        24 + 100 * 300_050 / 2**20,
    ),
    "an overlap of few among many": (
        "q, b = floats(300_000, 4), floats(50, 4)",
        "find_overlap(q, b, k=40, radius=1e-4, metric='euclidean', threads=THREADS).candidates",
        24,
    ),
    "ranks": (
        "q, b, rows = floats(2000, 64), floats(100_000, 64), np.arange(2000).repeat(100)",
        "rank_of(q, b, rows, np.arange(200_000) % 100_000, threads=THREADS)",
        32 + 32 * 200_000 / 2**20,
    ),
    "many neighbours, from a guess": (
        "q, b = floats(3000, 32), floats(200_000, 32)",
        "topk(q, b, 1000, threads=THREADS)",
        0,
    ),
    "a histogram": (
        "q, b, e = floats(300, 32), floats(20_000, 32), np.linspace(0, 200, 300_001)",
        "distance_histogram(q, b, e, threads=THREADS)",
        lambda threads: (24 + 8 * threads) * 300_000 / 2**20,
    ),
    "a self-join": ("q = floats(60_000, 16)", "topk(q, k=10, threads=THREADS)", 96),
    "a self-join, large k": ("q = floats(20_000, 256)", "topk(q, k=50, threads=THREADS)", 96),
}


@pytest.mark.parametrize("threads", [1, 16])
@pytest.mark.parametrize("name", CASES)
def test_memory_above_inputs_and_outputs(name, threads):
    inputs, call, beyond = CASES[name]
    done = run(CASE.format(inputs=inputs, call=call.replace("THREADS", str(threads))))
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) <= 34 + 3 * threads + (beyond(threads) if callable(beyond) else beyond)


WIDE = {
    "a matrix": ("q, b = floats(40, 100_000), floats(400, 100_000)", "pairwise(q, b, threads=16)"),
    "a self-join": ("q = floats(2100, 8000)", "topk(q, k=10, threads=16)"),
}


@pytest.mark.parametrize("name", WIDE)
def test_memory_of_wide_rows(name):
    """Fewer threads share what one of them needs, and a self-join whose threads need more is a plain scan."""
    inputs, call = WIDE[name]
    done = run(CASE.format(inputs=inputs, call=call))
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) <= 34 + 3 * 16


def test_memory_of_closest_pairs_follows_what_is_found():
    """However many are wanted: not even addresses are taken for the others."""
    done = run(
        """
import resource
import numpy as np
from hardmine import Filter, closest_pairs

x = np.random.default_rng(0).standard_normal((30_000, 8), dtype=np.float32)
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2**30,) * 2)  # the pairs that there are take 5 GiB
assert len(closest_pairs(x, n_pairs=10**10, where=Filter(nearer_than=0.0), threads=2)) == 0
"""
    )
    assert done.returncode == 0, done.stderr
