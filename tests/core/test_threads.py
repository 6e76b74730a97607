"""Whatever threads share: the same answers with one thread and with many, also when several of the caller's call at once.

.ci/run repeats this file under ThreadSanitizer, which is why it keeps to NumPy.
"""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

import hardmine
from hardmine import Filter, Neighbors, _core
from isas import using_isa

SANITIZED = "HARDMINE_SANITIZED" in os.environ  # twenty times as slow: joins are of fewer rows


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
        "others": np.stack([np.arange(2300), rng.permutation(2300)])[:, :2000],
    }


# Every function of the core that starts threads, with t of them.
CALLS = {
    "many queries": lambda d, t: hardmine.topk(d["narrow"][:1200], d["narrow"], 5, threads=t),
    "few queries": lambda d, t: hardmine.topk(d["narrow"][:3], d["narrow"], 5, threads=t),
    "index": lambda d, t: hardmine.topk(d["narrow"][:1200], hardmine.Index(d["narrow"], threads=t), 5, threads=t),
    "few queries of an index": lambda d, t: hardmine.topk(
        d["narrow"][:3], hardmine.Index(d["narrow"], threads=t), 5, threads=t
    ),
    "capped parts": lambda d, t: hardmine.topk(
        d["narrow"][:9], d["narrow"], 5, where=Filter(base_groups=d["groups"], max_per_group=1), threads=t
    ),
    "self-join": lambda d, t: hardmine.topk(d["x"], k=7, threads=t),
    "self-join that gives up": lambda d, t: hardmine.topk(d["copies"], k=7, threads=t),
    "capped self-join": lambda d, t: hardmine.topk(
        d["x"], k=7, where=Filter(base_groups=d["groups"][:2300], max_per_group=3), threads=t
    ),
    "windowed self-join": lambda d, t: hardmine.topk(d["x"], k=7, where=Filter(farther_than=330, nearer_than=440), threads=t),
    "radius": lambda d, t: hardmine.radius_neighbors(d["x"], radius=400, threads=t),
    "closest": lambda d, t: hardmine.closest_pairs(d["x"], n_pairs=50, threads=t),
    "closest copies": lambda d, t: hardmine.closest_pairs(d["copies"], n_pairs=50, threads=t),
    "histogram": lambda d, t: [hardmine.distance_histogram(d["x"], edges=np.linspace(300, 420, 200), threads=t)],
    "ranks": lambda d, t: [hardmine.rank_of(d["x"], None, *d["others"], threads=t)],
    "guessed": lambda d, t: hardmine.topk(d["narrow"][:400], d["narrow"], 40, threads=t),
    "guessed self-join": lambda d, t: hardmine.topk(d["narrow"][:9000], k=20, threads=t),
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


def at_once(*works):
    """What they return, each called by a thread of its own, all of which start together."""
    start = threading.Barrier(len(works))

    def run(work):
        start.wait()
        return work()

    with ThreadPoolExecutor(len(works)) as threads:
        return list(threads.map(run, works))


@pytest.mark.parametrize("name", CALLS)
def test_several_calls_at_once(data, name):
    found = at_once(*[partial(CALLS[name], data, 2)] * 3)
    for one in found:
        assert_equal(one, CALLS[name](data, 1))


def test_different_calls_at_once(data):
    """On the same arrays; whatever the package remembers from one call to the next is first asked for here."""
    parts = [hardmine.topk(data["x"][:200], data["x"][half], 9) for half in (slice(0, 1200), slice(1200, 2300))]
    shares = [found.indices + first for found, first in zip(parts, (0, 1200))]
    others = {
        "merged": lambda: hardmine.merge(*(Neighbors(p.distances, i, "sqeuclidean") for p, i in zip(parts, shares))),
        "centers": lambda: [hardmine.hash_centers(50, 44).codes],
        "other centers": lambda: [hardmine.hash_centers(200, 36).codes],
        "packed": lambda: [hardmine.pack(data["x"])],
        "draws": lambda: [
            hardmine.mine_hard_negatives(
                data["x"], query_labels=data["groups"][:2300], sampling_strategy="random", range_max=30, seed=4, threads=1
            ).indices
        ],
    }
    works = [partial(CALLS[name], data, 1 + i % 2) for i, name in enumerate(CALLS)] + list(others.values())
    found = at_once(*works)
    for one, work in zip(found, [partial(CALLS[name], data, 1) for name in CALLS] + list(others.values())):
        assert_equal(one, work())
    assert_equal(found[len(CALLS)], hardmine.topk(data["x"][:200], data["x"], 9))


def test_calls_on_arrays_of_their_own_at_once():
    """Of each thread another answer."""

    def search(seed):
        rng = np.random.default_rng(seed)
        x, groups = rng.standard_normal((2100 + 10 * seed, 256), dtype=np.float32), rng.integers(0, 9, 2100 + 10 * seed)
        q = x[: 5 + 60 * seed]
        yield from hardmine.topk(x, k=1 + seed, threads=2)
        yield from hardmine.topk(q, x, 1 + seed, metric="cosine", where=Filter(base_groups=groups, max_per_group=1), threads=2)
        yield hardmine.pairwise(q, x, metric="euclidean", threads=2)
        yield hardmine.mine_hard_negatives(x, query_labels=groups, num_negatives=1 + seed, threads=2).indices

    works = [lambda seed=seed: list(search(seed)) for seed in range(4)]
    for found, work in zip(at_once(*works), works):
        assert_equal(found, work())


@pytest.mark.parametrize("threads", [1, 2])
def test_large_self_joins_at_once(data, threads):
    """Threads of a join share the sinks of its rows, and those of two joins share nothing."""
    joined = data["x"][:, :230].copy() if SANITIZED else data["narrow"]
    other = np.ascontiguousarray(joined[::-1, ::-1])
    expected = [hardmine.topk(x, k=6, threads=1) for x in (joined, other)]
    found = at_once(*(partial(hardmine.topk, x, k=6, threads=threads) for x in (joined, other)))
    for one, right in zip(found, expected):
        assert_equal(one, right)
    assert not np.array_equal(*(one.indices for one in found))


def test_another_thread_may_choose_the_instruction_set(data):
    """A call keeps the kernels that it started with."""
    expected, over = hardmine.topk(data["x"], k=7, threads=1), threading.Event()

    def choose():
        while not over.is_set():
            for name in _core.isas_runnable():
                _core.use_isa(name)

    def search():
        try:
            return [hardmine.topk(data["x"], k=7, threads=2) for _ in range(10)]
        finally:
            over.set()

    with using_isa(_core.isa()):
        _, found = at_once(choose, search)
    for one in found:
        assert_equal(one, expected)


def test_progress_is_that_of_its_own_call(data):
    """Several threads report at once; one of their reports fails, and ends its own call alone."""

    def report(seen, done, total):
        seen.append((threading.get_ident(), total))
        if total == 20_000 * 150:
            raise InterruptedError("enough")

    def search(count):
        seen, me = [], threading.get_ident()
        try:
            hardmine.topk(data["narrow"][:count], data["narrow"], 5, threads=2, progress=partial(report, seen))
        except InterruptedError:
            assert count == 150
        else:
            assert count != 150
        return set(seen) == {(me, 20_000 * count)}

    assert at_once(*(partial(search, count) for count in (150, 900, 1200, 1500))) == [True] * 4
