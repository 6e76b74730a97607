"""Whatever threads share: the same answers with one thread and with many, also when several of the caller's call at once.

.ci/run repeats this file under ThreadSanitizer, which is why it keeps to NumPy.
"""

import threading

import numpy as np
import pytest

import hardmine
from hardmine import Filter


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    return {
        "x": rng.standard_normal((2300, 256), dtype=np.float32),
        "narrow": rng.standard_normal((20_000, 32), dtype=np.float32),
        "copies": np.repeat(rng.standard_normal((3, 256), dtype=np.float32), 800, axis=0),
        "codes": rng.integers(0, 256, (3000, 8), dtype=np.uint8),
        "groups": rng.integers(0, 5, 20_000),
        "pairs": rng.integers(0, 2300, (2, 30_000)),
    }


# Every function of the core that starts threads, with t of them.
CALLS = {
    "many queries": lambda d, t: hardmine.topk(d["narrow"][:1200], d["narrow"], 5, threads=t),
    "few queries": lambda d, t: hardmine.topk(d["narrow"][:3], d["narrow"], 5, threads=t),
    "capped parts": lambda d, t: hardmine.topk(
        d["narrow"][:9], d["narrow"], 5, where=Filter(base_groups=d["groups"], max_per_group=1), threads=t
    ),
    "self-join": lambda d, t: hardmine.topk(d["x"], k=7, threads=t),
    "self-join that gives up": lambda d, t: hardmine.topk(d["copies"], k=7, threads=t),
    "groups": lambda d, t: hardmine.topk(d["x"], k=3, where=Filter(query_groups=d["groups"][:2300], groups="same"), threads=t),
    "matrix": lambda d, t: [hardmine.pairwise(d["x"][:600], d["x"], threads=t)],
    "pairs": lambda d, t: [hardmine.pair_distances(d["x"], None, *d["pairs"], threads=t)],
    "codes": lambda d, t: hardmine.topk(d["codes"][:500], d["codes"], 150, metric="hamming", threads=t),
    "matrix of codes": lambda d, t: [hardmine.pairwise(d["codes"][:500], d["codes"], metric="hamming", threads=t)],
    "judged codes": lambda d, t: [
        np.array(hardmine.mean_average_precision(d["codes"], d["codes"], *[d["groups"][:3000]] * 2, threads=t))
    ],
    "mining": lambda d, t: [
        hardmine.mine_hard_negatives(d["x"], query_labels=d["groups"][:2300], relative_margin=0.05, threads=t).indices
    ],
    "a batch": lambda d, t: hardmine.mine_triplets(d["x"][:512], d["groups"][:512], strategy="batch_hard", threads=t),
}


def assert_equal(found, expected):
    for got, wanted in zip(found, expected, strict=True):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("name", CALLS)
def test_threads_change_no_bit(data, name):
    expected = CALLS[name](data, 1)
    for threads in (2, 5):
        assert_equal(CALLS[name](data, threads), expected)


@pytest.mark.parametrize("name", CALLS)
def test_several_calls_at_once(data, name):
    found = [None] * 3

    def work(i):
        found[i] = CALLS[name](data, 2)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(found))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in found:
        assert_equal(one, CALLS[name](data, 1))
