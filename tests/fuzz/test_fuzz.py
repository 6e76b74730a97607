"""The fuzzer: some of its cases, and that it finds faults, makes them small and survives them."""

import faulthandler
import os
import re
import subprocess
import sys

import numpy as np
import pytest

import hardmine
from fuzz import TESTS, cases
from fuzz.__main__ import main
from fuzz.apart import apart, judge_apart
from fuzz.cases import Failure, Property, judge
from fuzz.properties import PROPERTIES
from fuzz.shrink import shrink
from fuzz.snippet import snippet

pytestmark = pytest.mark.slow

SLOW = {"mutation": 1, "large": 0, "invariance": 1, "driven intervals": 2, "hash_centers": 3}  # cases of these, by name


def run(*arguments):
    """Python in the root of the project."""
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True, text=True, timeout=600, cwd=TESTS.parent,
    )  # fmt: skip


@pytest.mark.parametrize("name", PROPERTIES)
def test_cases_of_fixed_seeds(name):
    property_ = PROPERTIES[name]
    if not property_.available():
        pytest.skip("this version lacks it, or PyTorch is not there")
    for seed in range(SLOW.get(name, 20)):
        case = cases.draw(property_, seed)
        failure = judge(property_, case)
        if failure is not None:
            small, failure = shrink(property_, case, failure, seconds=5)
            raise AssertionError(f"seed {seed}: {failure.message}\n{snippet(name, small)}")


def test_a_case_is_a_function_of_its_seed():
    for name in ("topk", "mine_hard_negatives", "intervals"):
        one, same, other = (snippet(name, cases.draw(PROPERTIES[name], seed)) for seed in (5, 5, 6))
        assert one == same != other


def test_swapped_ties_are_found_and_made_small(monkeypatch):
    """A fault planted in topk; the snippet of its smallest case holds where the fault is not."""
    true = hardmine.topk

    def faulty(queries, base=None, k=10, **options):
        distances, indices = (np.array(part) for part in true(queries, base, k, **options))
        if k > 1:
            tied = (distances[:, 0] == distances[:, 1]) & (indices[:, 1] >= 0)
            indices[tied, :2] = indices[tied, 1::-1]
        return hardmine.Neighbors(distances, indices)

    property_ = PROPERTIES["topk"]
    monkeypatch.setattr(hardmine, "topk", faulty)
    found = ((cases.draw(property_, seed), seed) for seed in range(1000, 1300))
    case, failure = next((case, failure) for case, _ in found if (failure := judge(property_, case)))
    small, same = shrink(property_, case, failure, seconds=10)
    assert same.kind == failure.kind == "topk, indices"
    rows = small["queries"] if small["base"] is None else small["base"]
    assert small["queries"].size <= 3 and rows.size <= 3 and small["k"] == 2, small
    assert small["metric"] == case["metric"] and small["threads"] == 1
    assert judge(property_, small) is not None
    done = run("-c", snippet("topk", small))
    assert done.stdout == "holds\n", done.stderr


def test_shrinking_keeps_the_cause():
    """Of two faults the one that was found is made small, although the other has smaller cases."""

    def check(case):
        assert len(case["queries"]) != 2, "two rows: another fault"
        assert len(case["queries"]) < 3 or not (case["queries"] == 0.1).any(), "a tenth: the fault that was found"

    property_ = Property("a fault", lambda rng: {}, check)
    case = {"queries": np.full((40, 7), 0.1), "base": np.ones((9, 7)), "options": {"k": 3}, "threads": 16}
    small, failure = shrink(property_, case, judge(property_, case), seconds=10)
    assert failure.kind == "a tenth" and small["queries"].shape == (3, 1) and np.count_nonzero(small["queries"]) == 1
    assert small["base"].shape == (0, 1) and small["options"] == {} and small["threads"] == 1


def test_a_fatal_case_is_judged_and_made_small_in_processes_of_their_own():
    def check(case):
        if (case["queries"] < 0).any():
            faulthandler.disable()  # this death is no news
            os.abort()

    property_ = Property("a crash", lambda rng: {}, check)
    case = {"queries": np.linspace(-1, 9, 40).astype(np.float32).reshape(8, 5)}
    failure = judge_apart(property_, case)
    assert failure == Failure("dies", "the process dies of SIGABRT")
    small, _ = shrink(property_, case, failure, 10, judge_apart)
    assert small["queries"].shape == (1, 1) and small["queries"][0, 0] < 0
    assert apart(lambda: "well") == "well"


def test_the_command_counts_and_tells(capsys):
    assert main(["--seconds", "1", "--seed", "1", "--only", "merge"]) == 0
    *_, table, _, last = capsys.readouterr().out.splitlines()
    assert table.startswith("merge") and re.fullmatch(r"[1-9][0-9]* cases, 0 failures", last)


def test_a_failing_case_is_told_with_what_repeats_it(capsys, monkeypatch):
    monkeypatch.setattr(hardmine, "merge", lambda *parts, k=None: parts[0])
    assert main(["--only", "merge", "--case", "3"]) == 1
    told = capsys.readouterr().out
    assert 'python -m tests.fuzz --only "merge" --case 3' in told and "replay('merge'" in told
    assert told.endswith("1 cases, 1 failures\n")
