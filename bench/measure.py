"""How a figure is taken: the peak of this machine, memory above inputs, runs interleaved."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np

from bench.case import Call
from hardmine import _core

REST = 0.05  # seconds between runs: the threads of the library that ran last stop spinning


def fma_peak(threads: int, seconds: float = 0.2) -> float:
    """GFLOP/s of multiply-adds on registers alone, on that many threads at once, with the vectors of the ISA in use."""
    rates: list[float] = []

    def work() -> None:
        steps, done, start = 1 << 16, 0.0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            done += _core.peak("tile", steps)
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
        arrays = result if isinstance(result, tuple) else (result,)
        outputs = sum(np.asarray(array).nbytes for array in arrays)
        return max(0.0, (_status("VmHWM") - before - outputs) / 2**20)
    except OSError:
        return None


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
