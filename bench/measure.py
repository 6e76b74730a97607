"""How a figure is taken: the peak of this machine, memory above inputs, an answer checked, runs interleaved."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import hardmine
from bench.cases import MINING, Case, labels
from hardmine import _core

Call = Callable[[], Any]
REST = 0.05  # seconds between runs: the threads of the library that ran last stop spinning


def fma_peak(threads: int, seconds: float = 0.2) -> float:
    """GFLOP/s of multiply-adds on registers alone, on that many threads at once, with the vectors of the ISA in use."""
    rates: list[float] = []

    def work() -> None:
        steps, done, start = 1 << 16, 0.0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            done += _core.fma_peak(steps)
        rates.append(done / (time.perf_counter() - start) / 1e9)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(rates)


def memory(call: Call) -> float | None:
    """MiB that a call needs at most above what was there before and what it returns; None where Linux does not tell."""
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        before = _status("VmRSS")
        result = call()
        outputs = sum(np.asarray(array).nbytes for array in _outputs(result))
        return max(0.0, (_status("VmHWM") - before - outputs) / 2**20)
    except OSError:
        return None


def _outputs(result: Any) -> Any:
    if isinstance(result, hardmine.MinedNegatives):
        return result.indices, result.scores, result.window.indices, result.window.scores
    return result if isinstance(result, tuple) else (result,)


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(name + ":"))


def interleave(calls: dict[str, Call], runs: dict[str, int]) -> dict[str, list[float]]:
    """Seconds of each call, taken in turn: A B C A B C ..., after one run of each that is not counted."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(max(runs.values()) + 1):
        for name, call in calls.items():
            if turn > runs[name]:
                continue
            time.sleep(REST)
            start = time.perf_counter()
            call()
            if turn > 0:
                times[name].append(time.perf_counter() - start)
    return times


def check(case: Case, queries: Any, base: Any, where: hardmine.Filter | None, found: Any) -> None:
    """Compare up to 20 rows of an answer with float64 NumPy; raises AssertionError."""
    rows = np.linspace(0, len(queries) - 1, min(20, len(queries))).astype(int)
    if case.task == "mine":
        check_mined(case, queries, base, rows, found)
        return
    if case.task == "map":
        check_map(case, queries[rows], base, labels(len(queries), 0)[rows])
        return
    against = queries if base is None else base
    for i in rows:
        if case.metric == "hamming":
            exact = np.unpackbits(queries[i] ^ against, axis=1).sum(axis=1)
        else:
            exact = _distances(queries[i].astype(np.float64), against, case.metric)
        if case.task == "pairwise":
            np.testing.assert_allclose(found[i], exact, rtol=2**-10, atol=1e-6)
            continue
        exact = exact.astype(found.distances.dtype)
        allowed = np.ones(len(exact), bool)
        if base is None:
            allowed[i] = False
        if where is not None and where.exclude is not None:
            start, indices = where.exclude
            allowed[indices[start[i] : start[i + 1]]] = False
        if where is not None and where.query_groups is not None:
            allowed &= where.base_groups != where.query_groups[i]
        candidates = np.flatnonzero(allowed)
        order = candidates[np.lexsort((candidates, exact[candidates]))][: case.k]
        if case.metric == "hamming":
            np.testing.assert_array_equal(found.indices[i], order)
            np.testing.assert_array_equal(found.distances[i], exact[order])
            continue
        # NumPy sums in another order than the canonical distance; where that moves a rounding, either neighbour is right.
        np.testing.assert_array_max_ulp(found.distances[i], exact[order], 1)
        swapped = found.indices[i] != order
        np.testing.assert_array_max_ulp(exact[found.indices[i][swapped]], exact[order[swapped]], 1)


def check_mined(case: Case, queries: Any, base: Any, rows: Any, found: Any) -> None:
    """The negatives lie in the range of ranks among what every filter lets through, and are as many as can be."""
    for i in rows:
        distance = _distances(queries[i].astype(np.float64), base, case.metric).astype(np.float32)
        score = 1 - distance
        limit = min(MINING["max_score"], float(score[i]) * (1 - MINING["relative_margin"]))
        order = np.lexsort((np.arange(len(base)), distance))
        kept = order[(score[order] <= limit) & (order != i)][: case.k + 1]
        allowed = set(kept[MINING["range_min"] : case.k + 1].tolist())  # one more: a score may differ in its last bit
        negatives = found.indices[i][found.indices[i] >= 0].tolist()
        assert len(negatives) == min(MINING["num_negatives"], max(0, len(kept) - MINING["range_min"])), i
        assert set(negatives) <= allowed | {int(kept[MINING["range_min"] - 1])}, i


def check_map(case: Case, queries: Any, base: Any, query_labels: Any) -> None:
    """With ties in database order the mean over these queries is that of a slow loop."""
    base_labels = labels(len(base), 1)
    precisions = []
    for query, label in zip(queries, query_labels):
        order = np.argsort(np.unpackbits(query ^ base, axis=1).sum(axis=1), kind="stable")[: case.k]
        ranks = np.flatnonzero((base_labels[order] & label).any(axis=1)) + 1
        precisions.append((np.arange(1, len(ranks) + 1) / ranks).mean() if len(ranks) else 0.0)
    found = hardmine.mean_average_precision(queries, base, query_labels, base_labels, top=case.k, ties="stable")
    np.testing.assert_allclose(found, np.mean(precisions), rtol=1e-12)


def _distances(query: Any, base: Any, metric: str) -> Any:
    parts = []
    for first in range(0, len(base), 50_000):
        rows = base[first : first + 50_000].astype(np.float64)
        if metric == "cosine":
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            parts.append(((rows - query / np.linalg.norm(query)) ** 2).sum(axis=1) / 2)
        else:
            parts.append(((rows - query) ** 2).sum(axis=1))
    exact = np.concatenate(parts)
    return np.sqrt(exact) if metric == "euclidean" else exact
