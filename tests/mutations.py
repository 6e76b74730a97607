"""Whether the tests notice: each line of mutations.txt is spoilt in a copy of the sources, and the tests named must then fail.

    python -m tests.mutations [--only WORD ...] [--keep FOLDER] [--list]

Run before a release, and after a change of the proofs, the sinks or the plan; half an hour on two free cores. It needs what a
build needs: cmake, ninja, pybind11. There is one build folder, so that only what a mutation touches is compiled; the tests run
in the copy. Exit code 1 if one survives.

What is not listed cannot be noticed, because the code is right without it. `shift_` could be rounded to the nearest, since
`column_high_` is a step above its bound, which is as much, and `column_high_` be its bound, since both sides of the comparison
are rounded to float32. Queries need no constant of their own for underflow: that of the base rows is a thousand times what
both need. A scale beyond 2^119 would only leave more rows to the canonical distance. The coarse screen rounds L down, which
pays for the 1 of rows of zeros, too; what underflows in its rests is less than its slacks; and to a bound the slack of a query
adds less, beside the rests and the slack of a base row, than half a step of the bound has in it.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

ROOT = pathlib.Path(__file__).parents[1]


class Edit(NamedTuple):
    file: str
    old: str  # occurs in it once
    new: str


class Mutation(NamedTuple):
    name: str
    tests: tuple[
        str, ...
    ]  # one of which must fail; "caught": results stay right, and failed_proofs() says that something was not
    edits: list[Edit]


def read_mutations(path: pathlib.Path) -> list[Mutation]:
    """Blocks of `= name: tests`, and for each edit `@ file`, the lines `- old`, the lines `+ new`."""
    found: list[Mutation] = []
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    for mark, text in ((line[0], line[2:]) for line in lines):
        if mark == "=":
            name, tests = text.rsplit(": ", 1)
            found.append(Mutation(name, tuple(tests.split()), []))
            continue
        edits = found[-1].edits
        if mark == "@":
            edits.append(Edit(text, "", ""))
            continue
        file, old, new = edits[-1]
        edits[-1] = Edit(file, old + text + "\n", new) if mark == "-" else Edit(file, old, new + text + "\n")
    return [Mutation(m.name, m.tests, [Edit(e.file, e.old[:-1], e.new[:-1]) for e in m.edits]) for m in found]


def spoilt(mutation: Mutation, edit: Edit, text: str) -> str:
    if (count := text.count(edit.old)) != 1:
        sys.exit(f"{mutation.name}: {edit.file} has {count} times: {edit.old}")
    return text.replace(edit.old, edit.new)


NET = """
import sys
import numpy as np
import hardmine, reference
from hardmine import _core

rng = np.random.default_rng(0)
x = rng.standard_normal((2100, 256)).astype(np.float32)
for metric in reference.METRICS:
    for k in (1, 7, 60):
        reference.assert_same(hardmine.topk(x[:70], x[:900], k, metric=metric), reference.topk(x[:70], x[:900], k, metric))
plain = hardmine.topk(x, x.copy(), 9)
found = hardmine.topk(x, k=8)
reference.assert_same(found, (plain.distances[:, 1:], plain.indices[:, 1:]))
sys.exit(_core.failed_proofs() == 0)
"""


class Copy:
    """The sources in a folder of their own, built without the link-time optimisation that a release has."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        for name in ("cpp", "python", "tests"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
        for name in ("CMakeLists.txt", "pyproject.toml"):
            shutil.copy(ROOT / name, folder / name)
        found = self.run([sys.executable, "-m", "pybind11", "--cmakedir"], check=True)
        self.run(
            ["cmake", "-S", ".", "-B", "build", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=RelWithDebInfo"]
            + ["-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O2", f"-Dpybind11_DIR={found.stdout.strip()}"]
            + [f"-DPython_EXECUTABLE={sys.executable}"],
            check=True,
        )

    def run(self, command: list[str], check: bool = False) -> subprocess.CompletedProcess[str]:
        paths = f"{self.folder / 'python'}:{self.folder / 'tests'}"
        environment = {**os.environ, "HARDMINE_ONE_ISA": "1", "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, env=environment)
        if check and done.returncode:
            sys.exit(done.stdout + done.stderr)
        return done

    def build(self) -> str:
        """Returns what was wrong."""
        done = self.run(["cmake", "--build", "build"])
        if done.returncode:
            return done.stdout
        for path in (self.folder / "build").glob("_core*.so"):
            shutil.copy(path, self.folder / "python" / "hardmine")
        return ""

    def pytest(self, tests: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        files = {path.stem.removeprefix("test_"): path for path in (self.folder / "tests").rglob("test_*.py")}
        paths = [f"{files[file]}{colons}{test}" for file, colons, test in (name.partition("::") for name in tests)]
        return self.run([sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *paths])

    def try_out(self, mutation: Mutation) -> str:
        """ "killed" and by what, or "survived"."""
        paths = {edit.file: self.folder / "cpp" / edit.file for edit in mutation.edits}
        before = {file: path.read_text() for file, path in paths.items()}
        for edit in mutation.edits:
            paths[edit.file].write_text(spoilt(mutation, edit, paths[edit.file].read_text()))
        try:
            if errors := self.build():
                return "survived: " + next(line for line in errors.splitlines() if "error:" in line)
            if mutation.tests == ("caught",):
                done = self.run([sys.executable, "-c", NET])
                return f"survived: {done.stderr[-300:]}" if done.returncode else "killed: failed_proofs(), all results right"
            done = self.pytest(mutation.tests)
            if done.returncode == 0:
                return "survived"
            failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
            return "killed: " + (failed[0].split(" - ")[0] if failed else f"exit code {done.returncode}")
        finally:
            for file, text in before.items():
                paths[file].write_text(text)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutations")
    parser.add_argument("--only", nargs="*", default=[""], help="mutations with one of these words in their name")
    parser.add_argument("--keep", type=pathlib.Path, help="a new folder for the copy, which stays")
    parser.add_argument("--list", action="store_true")
    chosen = parser.parse_args()
    mutations = [
        m for m in read_mutations(pathlib.Path(__file__).with_suffix(".txt")) if any(word in m.name for word in chosen.only)
    ]
    for m in mutations:
        text = {edit.file: (ROOT / "cpp" / edit.file).read_text() for edit in m.edits}
        for edit in m.edits:
            text[edit.file] = spoilt(m, edit, text[edit.file])
    if chosen.list:
        print(*(m.name for m in mutations), sep="\n")
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        copy = Copy(chosen.keep or pathlib.Path(temporary) / "copy")
        if errors := copy.build():
            sys.exit(errors)
        tests = tuple(dict.fromkeys(t for m in mutations for t in m.tests if t != "caught"))
        if tests and (sound := copy.pytest(tests)).returncode:
            sys.exit("the tests fail before anything is spoilt:\n" + sound.stdout)
        survived = 0
        for m in mutations:
            start = time.perf_counter()
            verdict = copy.try_out(m)
            survived += verdict.startswith("survived")
            print(f"{m.name:40} {verdict}  ({time.perf_counter() - start:.0f} s)", flush=True)
    print(f"{len(mutations) - survived} killed, {survived} survived")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
