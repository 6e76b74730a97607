"""Ctrl-C within a second, wherever a block could be long.

What is measured is the processor time of the calling thread from the signal to the exception: other work on the machine
does not count, and a busy core cannot make the test fail.
"""

import pytest
from test_process import run

pytestmark = pytest.mark.slow

CODE = """
import os, signal, threading, time
import numpy as np, hardmine
from hardmine import Filter, _core

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
rng = np.random.default_rng(0)
floats = lambda *shape: rng.standard_normal(shape, dtype=np.float32)
codes = lambda *shape: rng.integers(0, 256, shape, dtype=np.uint8)
_core.use_isa({isa!r} or _core.isa())
{inputs}
caller, sent = threading.get_ident(), []
started = threading.Event()

def interrupt():
    started.wait()
    time.sleep(0.5)
    sent.append(time.clock_gettime(time.pthread_getcpuclockid(caller)))
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt, daemon=True).start()
try:
    started.set()
    {call}
except KeyboardInterrupt:
    print(time.thread_time() - sent[0])
"""

CASES = {
    "many pairs in one dimension": ("q, b = floats(97_000, 1), floats(2_000_000, 1)", "hardmine.topk(q, b)"),
    "cosine of tiny rows": (
        "q, b = floats(20_000, 64) * np.float32(1e-38), floats(200_000, 64) * np.float32(1e-38)",
        "hardmine.topk(q, b, metric='cosine')",
    ),
    "equal rows": ("q, b = np.ones((20_000, 64), np.float32), np.ones((400_000, 64), np.float32)", "hardmine.topk(q, b)"),
    "codes of one byte": ("q, b = codes(400_000, 1), codes(4_000_000, 1)", "hardmine.topk(q, b, metric='hamming')"),
    "a large matrix": ("q = floats(34_641, 64)", "hardmine.pairwise(q)"),
    "a matrix of equal rows": ("q = np.ones((34_641, 64), np.float32)", "hardmine.pairwise(q)"),
    "many dimensions": ("q, b = floats(600, 100_000), floats(2000, 100_000)", "hardmine.topk(q, b)"),
    "one array": ("q = floats(160_000, 16)", "hardmine.topk(q)"),
    "one array of equal rows": ("q = np.ones((100_000, 16), np.float32)", "hardmine.topk(q)"),
    "the coarse screen": (
        "q, b = floats(20_000, 128), floats(400_000, 128)\n_core.use_screen('int8')",
        "hardmine.topk(q, b)",
    ),
    "one group": (
        "q, g = floats(100_000, 16), np.zeros(100_000, int)",
        "hardmine.topk(q, q.copy(), where=Filter(query_groups=g, base_groups=g, groups='same'))",
    ),
    "all pairs of equal rows, beyond a limit": (
        "q = np.ones((100_000, 16), np.float32)",
        "hardmine.radius_neighbors(q, radius=1.0, max_pairs=1000)",
    ),
    "all pairs of rows within nothing": ("q = floats(200_000, 64)", "hardmine.radius_neighbors(q, radius=0.0)"),
    "the nearest million of all pairs": ("q = floats(100_000, 64)", "hardmine.closest_pairs(q, n_pairs=10**6)"),
    "the nearest million of equal rows": (
        "q = np.ones((100_000, 16), np.float32)",
        "hardmine.closest_pairs(q, n_pairs=10**6)",
    ),
    "a histogram of all distances": (
        "q = floats(100_000, 64)",
        "hardmine.distance_histogram(q, edges=np.linspace(0, 400, 100_001))",
    ),
    "a histogram of equal rows": ("q = np.ones((100_000, 16), np.float32)", "hardmine.distance_histogram(q, edges=[0, 1])"),
    "a histogram of codes": (
        "q = codes(500_000, 8)",
        "hardmine.distance_histogram(q, edges=np.arange(65), metric='hamming')",
    ),
    "ranks": (
        "q, b, rows = floats(20_000, 64), floats(400_000, 64), np.arange(20_000)",
        "hardmine.rank_of(q, b, rows, rows)",
    ),
    "judged codes": (
        "q, b, g, h = codes(50_000, 8), codes(2_000_000, 8), rng.integers(0, 9, 50_000), rng.integers(0, 9, 2_000_000)",
        "hardmine.mean_average_precision(q, b, g, h)",
    ),
}


@pytest.mark.parametrize("isa", ["", "generic"], ids=["best", "generic"])
@pytest.mark.parametrize("name", CASES)
def test_ctrl_c_ends_a_call_within_a_second(name, isa):
    inputs, call = CASES[name]
    done = run(CODE.format(isa=isa, inputs=inputs, call=call))
    assert done.returncode == 0, done.stderr
    assert done.stdout, "the call ended before it was interrupted"
    assert float(done.stdout) < 1


PAIRS = {
    "pairs of one row": (
        "q, b = floats(1, 1), floats(60_000_000, 1)",
        "[hardmine.radius_neighbors(q, b, np.inf, max_pairs=10**9) for _ in range(9)]",
    ),
    "pairs of many rows": (
        "q = floats(12_000, 1)",
        "[hardmine.radius_neighbors(q, radius=np.inf, max_pairs=10**9) for _ in range(9)]",
    ),
    "the nearest of all pairs": (
        "q = floats(12_000, 1)",
        "[hardmine.closest_pairs(q, n_pairs=40_000_000) for _ in range(9)]",
    ),
}


@pytest.mark.parametrize("wait", [1, 3])
@pytest.mark.parametrize("name", PAIRS)
def test_ctrl_c_ends_what_follows_a_scan_of_pairs(name, wait):
    """Pairs by the ten million are counted, placed, sorted and copied: seconds, in which a signal may come at any time."""
    inputs, call = PAIRS[name]
    code = CODE.replace("time.sleep(0.5)", f"time.sleep({wait})")
    done = run(code.format(isa="", inputs=inputs, call=call))
    assert done.returncode == 0, done.stderr
    assert done.stdout, "the calls ended before they were interrupted"
    assert float(done.stdout) < 1
