"""The coarse screen in company: beside torch's products of bfloat16, which use the same tiles, in forked children, and where
the system refuses the tiles."""

import os
import pathlib
import platform
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest

import hardmine
from hardmine import _core
from isas import using_isa, using_screen
from optional_torch import torch
from reference import assert_same

ROOT = pathlib.Path(__file__).parents[2]
RUNNABLE = _core.isas_runnable()
COARSE = [RUNNABLE[0], *(name for name in ("tiles",) if name in RUNNABLE)]  # the best table of bytes, and that of tiles


@pytest.fixture(params=COARSE)
def coarse(request):
    with using_isa(request.param), using_screen("int8"):
        yield request.param


def rows(rng, n=600, d=130):
    return rng.standard_normal((n, d), dtype=np.float32)


def test_products_of_bfloat16_between_searches_and_beside_them(coarse, rng):
    """In the thread of the search between its calls and between its blocks, and in another thread all the time."""
    q, b = rows(rng, 300), rows(rng, 6000)
    left, right = (torch.from_numpy(rows(rng, 256, 256)).bfloat16() for _ in range(2))
    expected, product, called = hardmine.topk(q, b, 5), left @ right, []

    def multiply(*progress):
        called.append(progress)
        assert torch.equal(left @ right, product)

    over, wrong = threading.Event(), []

    def beside():
        while not over.is_set():
            wrong.append(not torch.equal(left @ right, product))

    thread = threading.Thread(target=beside)
    thread.start()
    try:
        for threads in (1, 2, 1):
            assert_same(hardmine.topk(q, b, 5, threads=threads), expected)
            multiply()
            assert_same(hardmine.topk(q, b, 5, threads=threads, progress=multiply), expected)
    finally:
        over.set()
        thread.join()
    assert len(called) >= 6 and len(wrong) >= 1 and not any(wrong)


FORKS = """
import os, signal, time
import numpy as np, hardmine
from hardmine import _core
_core.use_screen("int8")
_core.use_isa({isa!r})
x = np.random.default_rng(0).standard_normal((2000, 96), dtype=np.float32)
q = x[:300] + 1
def searches():
    near = hardmine.radius_neighbors(x[:500], radius=120.0)
    index = hardmine.Index(x)
    found = [*hardmine.topk(q, x, 7), *hardmine.topk(x, k=3), *hardmine.topk(q[:3], index, 5), near.rows, near.distances]
    return b"".join(np.ascontiguousarray(one).tobytes() for one in found)
expected = searches()
def forked(*progress):
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if searches() == expected and _core.kernels()["int8"] == {table!r} else 1)
        finally:
            os._exit(2)
    until = time.monotonic() + 60
    while (ended := os.waitpid(child, os.WNOHANG))[0] == 0 and time.monotonic() < until:
        time.sleep(0.005)
    if ended[0] == 0:
        os.kill(child, signal.SIGKILL)
    print("child", "hangs" if ended[0] == 0 else os.waitstatus_to_exitcode(ended[1]), flush=True)
forked()
hardmine.topk(q, x, 7, threads=1, progress=forked)  # between blocks, or at the end
print(searches() == expected)
"""


def run(code):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HARDMINE_ISA")}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, env=environment)


@pytest.mark.parametrize("isa", COARSE)
def test_a_child_forked_after_searches_by_bytes_finds_the_same(isa):
    """And does not hang: it has neither the threads of its parent nor what was configured in them."""
    with using_isa(isa):
        table = _core.kernels()["int8"]
    done = run(FORKS.format(isa=isa, table=table))
    lines = done.stdout.splitlines()
    assert len(lines) >= 3 and set(lines[:-1]) == {"child 0"} and lines[-1] == "True", (done.stdout, done.stderr)


# How Linux refuses: a filter of system calls fails the request (here with EPERM), or a signal stack is too small for tiles.
REFUSALS = {
    "filter": """
import ctypes, struct
program = [(0x20, 0, 0, 0), (0x15, 0, 1, 158), (6, 0, 0, 0x00050001), (6, 0, 0, 0x7FFF0000)]  # arch_prctl is call 158
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]
libc = ctypes.CDLL(None)
filtered = libc.prctl(38, 1, 0, 0, 0) == 0
filtered = filtered and libc.prctl(22, 2, ctypes.byref(Program(len(program), ctypes.addressof(code))), 0, 0) == 0
if not filtered:
    raise SystemExit(77)
""",
    "signal stack": """
import ctypes
class Stack(ctypes.Structure):
    _fields_ = [("sp", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]
memory = ctypes.create_string_buffer(8192)
assert ctypes.CDLL(None).sigaltstack(ctypes.byref(Stack(ctypes.addressof(memory), 0, 8192)), None) == 0
""",
    "nothing": "",
}
SEARCH = """
import hashlib
import numpy as np, hardmine
from hardmine import _core
_core.use_screen("int8")
x = np.random.default_rng(0).standard_normal((1500, 100), dtype=np.float32)
found = [*hardmine.topk(x[:200] + 1, x, 7), *hardmine.topk(x, k=3)]
print("amx" in _core.isas_runnable(), hashlib.sha256(b"".join(one.tobytes() for one in found)).hexdigest())
"""
X86 = pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="needs x86-64")


@X86
@pytest.mark.parametrize("refusal", ["filter", "signal stack"])
def test_a_process_that_is_refused_tiles_finds_the_same(refusal):
    """Whatever the CPU has; on one without AMX it shows no more than that such a process searches."""
    refused, free = (run(REFUSALS[name] + SEARCH) for name in (refusal, "nothing"))
    if refused.returncode == 77:
        pytest.skip("this system takes no filters of system calls")
    assert refused.stdout.split() == ["False", free.stdout.split()[1]], refused.stderr


@X86
def test_tiles_are_used_only_where_cpu_and_system_say_so(tmp_path):
    """The questions themselves, answered by a program: CPUs that lack one thing each, and a system that refuses."""
    compiler = shutil.which("c++")
    if not compiler or sys.platform != "linux":
        pytest.skip("needs a compiler, and Linux")
    program = tmp_path / "permission"
    source = ROOT / "tests/core/amx_permission.cpp"
    subprocess.run([compiler, "-std=c++20", "-Wall", "-Wextra", "-I", ROOT / "cpp", source, "-o", program], check=True)
    done = subprocess.run([program], capture_output=True, text=True, timeout=60)
    if done.returncode == 77:
        pytest.skip("this system takes no filters of system calls")
    assert (done.stdout, done.returncode) == ("granted, refused\n", 0), done.stderr
