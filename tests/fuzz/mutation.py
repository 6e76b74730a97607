"""Inputs that another thread changes during a call. What comes out is worthless then; but nothing may crash or hang.

Each case is a process of its own, `python -m tests.fuzz.mutation SCENARIO SEED SECONDS`.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import numpy as np

from . import TESTS
from .cases import Case, Property
from .changes import SCENARIOS, Scenario

Rng = np.random.Generator
SECONDS = 0.7  # of calls in a process
PATIENCE = 60


def run(scenario: Scenario, seconds: float) -> None:
    """Call while another thread changes; errors of the library's own kinds are fine."""
    over = threading.Event()

    def change() -> None:
        while not over.is_set():
            scenario.change()

    thread = threading.Thread(target=change)
    thread.start()
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            try:
                scenario.call()
            except (ValueError, TypeError, RuntimeError):
                continue
    finally:
        over.set()
        thread.join()


def _draw(rng: Rng) -> Case:
    return {"scenario": str(rng.choice(list(SCENARIOS))), "seed": int(rng.integers(0, 1 << 30))}


def _check(case: Case) -> None:
    what = f"inputs changed meanwhile, {case['scenario']}"
    arguments = [case["scenario"], str(case["seed"]), str(SECONDS)]
    command = [sys.executable, "-m", "tests.fuzz.mutation", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, cwd=TESTS.parent)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"{what}: hangs") from None
    if done.returncode < 0:
        raise AssertionError(f"{what}: dies of {signal.Signals(-done.returncode).name}")
    assert done.returncode == 0, f"{what}: {done.stderr.strip().splitlines()[-1]}"


PROPERTIES = (Property("mutation", _draw, _check, 0.03),)

if __name__ == "__main__":
    name, seed, seconds = sys.argv[1:]
    run(SCENARIOS[name](np.random.default_rng(int(seed))), float(seconds))
