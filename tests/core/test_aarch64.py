"""What is compiled for aarch64 alone: built by a cross compiler, run under qemu; there both are the machine's own."""

import pathlib
import platform
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]
CPP = ROOT / "cpp"
NATIVE = platform.machine() == "aarch64"
COMPILER = shutil.which("c++" if NATIVE else "aarch64-linux-gnu-g++")
QEMU = shutil.which("qemu-aarch64")
STRICT = ["-std=c++20", "-O1", "-ffp-contract=off", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not COMPILER or not (NATIVE or QEMU), reason="needs aarch64-linux-gnu-g++ and qemu-aarch64, or aarch64"
    ),
]
TILES = ("int8", "tiles", "64", ["-DHM_ROWS=32", "-DHM_TILES", "-DHM_EMULATED"])  # a second opinion, no table of aarch64


def tables():
    """The lines of CMakeLists.txt for what is not x86-64: family, set, bytes, flags."""
    text = (ROOT / "CMakeLists.txt").read_text()
    lines = re.findall(r"hardmine_kernels\((\w+) +(\w+) +(\d+) *([^)]*)\)", text[text.index("\nelse()\n") :])
    return [(family, isa, width, flags.split()) for family, isa, width, flags in lines]


def build(*line):
    done = subprocess.run([COMPILER, *STRICT, "-I", CPP, *line], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr


def compiled(folder, family, isa, width, flags):
    path = folder / f"{family}_{isa}.o"
    flags = [*flags, "-fno-exceptions", "-fno-rtti", "-Wno-psabi", f"-DHM_ISA={isa}", f"-DHM_BYTES={width}"]
    build(*flags, "-c", CPP / "kernels" / f"{family}.cpp", "-o", path)
    return path


def test_tables_of_bytes_find_what_the_generic_one_finds(tmp_path):
    """And what emulated tiles and plain sums do, to the bit; where a CPU lacks an instruction, its table is not run."""
    objects = [compiled(tmp_path, *table) for table in [*tables(), TILES] if table[0] == "int8"]
    assert len(objects) == 4
    program = tmp_path / "program"
    build(ROOT / "tests/core/aarch64_int8.cpp", *objects, "-static", "-o", program)
    if NATIVE:
        run(program)
        return
    cpus = {"max": ["dotprod", "i8mm"], "cortex-a76": ["dotprod"], "cortex-a72": []}
    for cpu, expected in cpus.items():
        assert run(QEMU, "-cpu", cpu, program) == expected


def run(*line):
    """The tables that were tried."""
    done = subprocess.run(line, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    ran = [line.split() for line in done.stdout.splitlines()]
    assert all(int(trials) > 700 for _, trials in ran)
    return [name for name, _ in ran]


@pytest.mark.skipif(NATIVE, reason="the build of the package shows it")
def test_everything_but_bindings_compiles_without_warnings(tmp_path):
    for table in tables():
        if table[0] != "int8":
            compiled(tmp_path, *table)
    for source in sorted(CPP.glob("*.cpp")):
        if not source.name.startswith("bindings"):
            build("-fsyntax-only", source)
