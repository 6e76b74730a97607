"""The library as a guest in somebody's process: forks, threads, Ctrl-C, imports, memory, forced instruction sets."""

import os
import signal
import subprocess
import sys
import sysconfig
import threading
import time

import numpy as np
import pytest

import hardmine
from fresh_process import run
from hardmine import _core
from reference import assert_same

pytestmark = pytest.mark.slow


def test_a_forked_child_can_search_after_the_parent_did():
    done = run(
        """
import multiprocessing, numpy as np, hardmine
x = np.random.default_rng(0).standard_normal((2000, 32)).astype(np.float32)
before = hardmine.topk(x, k=3, threads=2)
def child(queue):
    queue.put(hardmine.topk(x, k=3).indices)
context = multiprocessing.get_context("fork")
queue = context.Queue()
process = context.Process(target=child, args=(queue,))
process.start()
assert (queue.get(timeout=60) == before.indices).all()
process.join(60)
assert process.exitcode == 0
assert (hardmine.topk(x, k=3, threads=2).indices == before.indices).all()
print("same")
"""
    )
    assert done.stdout == "same\n", done.stderr


def test_a_child_forked_during_a_search_of_another_thread_can_search():
    """Forked in the midst of a self-join, whose threads the child lacks: it computes with the one that it has."""
    done = run(
        """
import os, signal, sys, threading, time
import numpy as np, hardmine
x = np.random.default_rng(0).standard_normal((20_000, 64), dtype=np.float32)
expected = hardmine.topk(x, k=3, threads=1).indices
inside, over, seen = threading.Event(), threading.Event(), []
def search():
    while not over.is_set():
        seen.append((hardmine.topk(x, k=3, threads=2, progress=lambda done, total: inside.set()).indices == expected).all())
thread = threading.Thread(target=search)
thread.start()
for _ in range(3):
    inside.clear()
    inside.wait(60)  # the progress of a call is reported from within it
    child = os.fork()
    if child == 0:
        os._exit(0 if (hardmine.topk(x, k=3).indices == expected).all() else 1)
    until = time.monotonic() + 150
    while (ended := os.waitpid(child, os.WNOHANG))[0] == 0 and time.monotonic() < until:
        time.sleep(0.01)
    if ended[0] == 0:
        os.kill(child, signal.SIGKILL)
    print("child", "hangs" if ended[0] == 0 else os.waitstatus_to_exitcode(ended[1]), flush=True)
over.set()
thread.join()
print(all(seen))
"""
    )
    assert done.stdout == "child 0\nchild 0\nchild 0\nTrue\n", done.stderr


def test_a_python_without_a_gil_stays_without():
    if sysconfig.get_config_var("Py_GIL_DISABLED") != 1:
        pytest.skip("this Python has a GIL")
    done = run("import sys, hardmine; print(sys._is_gil_enabled())", PYTHONWARNINGS="error")
    assert done.stdout == "False\n", done.stderr


def test_two_python_threads_at_once(rng):
    x = rng.standard_normal((3000, 40)).astype(np.float32)
    expected = hardmine.topk(x, k=5)
    found = [None] * 4

    def search(i):
        found[i] = hardmine.topk(x, k=5, threads=1 + i % 2)

    threads = [threading.Thread(target=search, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in found:
        assert_same(one, expected)


def test_other_python_threads_run_meanwhile(rng):
    x = rng.standard_normal((20000, 64)).astype(np.float32)
    ticks = []
    stop = threading.Event()

    def tick():
        while not stop.wait(0.002):
            ticks.append(time.perf_counter())

    thread = threading.Thread(target=tick)
    thread.start()
    start = time.perf_counter()
    hardmine.topk(x, k=5)
    end = time.perf_counter()
    stop.set()
    thread.join()
    assert sum(start < t < end for t in ticks) >= 3


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_ends_a_long_scan_within_a_second(threads):
    code = f"""
import numpy as np, hardmine, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
x = np.random.default_rng(0).standard_normal((300_000, 64), dtype=np.float32)
print("go", flush=True)
try:
    hardmine.topk(x, k=5, threads={threads})
except KeyboardInterrupt:
    print("interrupted", flush=True)
    assert hardmine.topk(x[:100], k=1).indices.shape == (100, 1)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "go\n"
        time.sleep(1)
        start = time.perf_counter()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        assert time.perf_counter() - start < 1
        assert process.wait(60) == 0


@pytest.mark.parametrize(
    "rewritten, where",
    [
        ("start", "hardmine.Filter(exclude=(start, indices))"),
        ("group", "hardmine.Filter(base_groups=group, max_per_group=2)"),
    ],
)
def test_arrays_of_a_filter_that_change_during_a_scan_change_nothing(rewritten, where):
    """The scan finds its way by them: an indptr rewritten meanwhile would lead it anywhere."""
    done = run(
        f"""
import numpy as np, hardmine
rng = np.random.default_rng(0)
x, y = rng.standard_normal((8_000, 512)).astype(np.float32), rng.standard_normal((8_000, 512)).astype(np.float32)
start, indices, group = np.arange(8_001) * 5, np.tile(np.arange(5) * 1_000, 8_000), np.arange(8_000) % 10
expected = hardmine.topk(x, y, 5, where={where}, threads=1)
called = []
def rewrite(done, total):
    called.append(done)
    {rewritten}[:] = rng.integers(-(2**50), 2**50, len({rewritten}))
found = hardmine.topk(x, y, 5, where={where}, threads=1, progress=rewrite)
assert len(called) >= 2  # the last call comes after the scan
assert (found.indices == expected.indices).all()
"""
    )
    assert done.returncode == 0, done.stderr


def loaded(code):
    """The modules that it loads beside NumPy's."""
    done = run(f"import sys, numpy\nbefore = set(sys.modules)\n{code}\nprint(*(set(sys.modules) - before))")
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_import_is_quick_because_it_loads_little():
    assert {name for name in loaded("import hardmine") if name.startswith("hardmine")} == {"hardmine", "hardmine._core"}


def test_a_search_loads_little():
    """Beyond NumPy only this package, without what few calls need, and small parts of the standard library."""
    modules = loaded("import hardmine; hardmine.topk(numpy.eye(3), k=1)")
    packages = {name.split(".")[0] for name in modules}
    assert packages - sys.stdlib_module_names <= {"hardmine", "numpy"}
    assert packages.isdisjoint({"argparse", "asyncio", "ctypes", "email", "http", "logging", "multiprocessing"})
    assert packages.isdisjoint({"pickle", "socket", "sqlite3", "ssl", "subprocess", "unittest", "xml"})
    for name in ("cli", "duplicates", "evaluation", "hashing", "mining", "overlap", "review"):
        assert not any(module.startswith(f"hardmine.{name}") for module in modules), name


@pytest.mark.parametrize("name", _core.isas_runnable())
def test_forced_instruction_set_is_the_one_in_use(name):
    done = run("from hardmine import _core; print(_core.isa())", HARDMINE_ISA=name)
    assert done.stdout == name + "\n", done.stderr


def test_every_family_is_told_of():
    families = {"tile", "few", "int8", "bf16", "codes", "canonical"}
    assert set(_core.kernels_built()) == set(_core.kernels()) == families


@pytest.mark.parametrize("name", ["int8", "bf16", "float32", ""])
def test_forced_screen_is_the_one_in_use(name):
    done = run("from hardmine import _core; print(_core.screen())", HARDMINE_SCREEN=name)
    assert done.stdout == name + "\n", done.stderr


def test_an_unknown_screen_is_an_import_error_that_names_the_good_ones():
    done = run("import hardmine", HARDMINE_SCREEN="int4")
    assert done.returncode == 1
    assert "ImportError: HARDMINE_SCREEN: expected float32, int8, bf16 or nothing, got 'int4'" in done.stderr


def test_each_family_chooses_its_best_table_unasked():
    code = """
from hardmine import _core
chosen = _core.isa(), _core.kernels()
_core.use_isa(_core.isas_runnable()[0])
assert chosen == (_core.isa(), _core.kernels())
print("best")
"""
    done = run(code, HARDMINE_ISA="")
    assert done.stdout == "best\n", done.stderr


def test_every_table_is_in_a_set_that_can_be_forced():
    """So that the tests that ask for `isa` run all of them."""
    built, before = _core.kernels_built(), _core.isa()
    forced = {family: set() for family in built}
    for isa in _core.isas_runnable():
        _core.use_isa(isa)
        for family, name in _core.kernels().items():
            assert name == isa or isa not in built[family]
            forced[family].add(name)
    _core.use_isa(before)
    lacking = set(_core.isas_built()) - set(_core.isas_runnable())
    if lacking <= {"amx"}:
        assert forced == {family: set(names) - lacking for family, names in built.items()}


def test_an_impossible_instruction_set_is_an_import_error_that_names_the_good_ones():
    done = run("import hardmine", HARDMINE_ISA="avx1024")
    assert done.returncode == 1
    assert "ImportError: HARDMINE_ISA: expected one of " + ", ".join(_core.isas_runnable()) in done.stderr
    assert "got 'avx1024'" in done.stderr


def test_threads_follow_the_environment():
    if not _core.openmp:
        pytest.skip("built without OpenMP")
    assert run("from hardmine import _core; print(_core.threads())", OMP_NUM_THREADS="1").stdout == "1\n"
    pin = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
    assert run(pin + "from hardmine import _core; print(_core.threads())").stdout == "1\n"


PEAK = """
import numpy as np, hardmine, sys, resource
def peak():  # of this process alone: ru_maxrss would begin with the parent's
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) << 10
def mapped():  # what of the peak is file pages, which the system can take back
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssFile")) << 10
"""


@pytest.mark.skipif("HARDMINE_SANITIZED" in os.environ, reason="sanitizers keep freed memory")
def test_memory_is_bounded_whatever_the_base(tmp_path):
    code = (
        PEAK
        + """
rng = np.random.default_rng(0)
b = rng.standard_normal((1_000_000, 128), dtype=np.float32)
q = rng.standard_normal((3000, 128), dtype=np.float32)
hardmine.topk(q[:100], b[:1000], 10)
before = peak()
found = hardmine.topk(q, b, 10)
print((peak() - before - found.distances.nbytes - found.indices.nbytes) / 2**20)
"""
    )
    done = run(code)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) <= 128


@pytest.mark.skipif("HARDMINE_SANITIZED" in os.environ, reason="sanitizers keep freed memory")
def test_memory_is_bounded_for_many_queries_and_a_large_k():
    """All sinks together would take 130 MiB: a thread holds those of some hundred queries at a time."""
    code = (
        PEAK
        + """
b = np.random.default_rng(0).standard_normal((3000, 16), dtype=np.float32)
q = np.concatenate([b, b[:1000]])
hardmine.topk(q[:100], b, 1000, threads=2)
before = peak()
found = hardmine.topk(q, b, 1000, threads=2)
print((peak() - before - found.distances.nbytes - found.indices.nbytes) / 2**20)
"""
    )
    done = run(code)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) <= 50


@pytest.mark.skipif("HARDMINE_SANITIZED" in os.environ, reason="sanitizers keep freed memory")
def test_a_memory_map_larger_than_the_budget_is_never_copied_whole(tmp_path):
    np.lib.format.open_memmap(tmp_path / "b.npy", mode="w+", dtype=np.float16, shape=(2_000_000, 128)).flush()
    code = (
        PEAK
        + f"""
b = np.load({str(tmp_path / "b.npy")!r}, mmap_mode="r")
q = np.ones((20, 128), np.float32)
hardmine.topk(q, b[:1000], 10)
before = peak() - mapped()
found = hardmine.topk(q, b, 10)
assert (found.indices == np.arange(10)).all() and (found.distances == 128).all()
print((peak() - mapped() - before) / 2**20)
"""
    )
    done = run(code)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) <= 160  # the map is 488 MiB, 976 MiB as float32
