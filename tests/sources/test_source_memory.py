"""Peak memory of each kind, in a fresh process: that of `topk`, two blocks, and what decoding takes beside them."""

import os

import pytest

from fresh_process import run

pytestmark = [pytest.mark.slow, pytest.mark.skipif("HARDMINE_SANITIZED" in os.environ, reason="sanitizers keep freed memory")]

MIB = 256  # of the base, of which no kind may take much
MAKE = """
import numpy as np
blocks = (np.random.default_rng(i).standard_normal((8192, 128), dtype=np.float32) for i in range({count}))
folder = {folder!r}
"""
CASE = """
import ctypes, os
import numpy as np
import hardmine
def status(key):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(key)) << 10
folder = {folder!r}
q = np.ones((5, 128), np.float32)
def opened():
    return {opened}
hardmine.topk(q, opened()[:100], 3, threads=1)
rows = opened()
ctypes.CDLL(None).malloc_trim(0)
open("/proc/self/clear_refs", "w").write("5")  # the peak starts anew
before = status("VmRSS") - status("RssFile")
hardmine.topk(q, rows, 3, threads=1)
print((status("VmHWM") - before - status("RssFile")) / 2**20)
"""
# name: (package, what writes 64 blocks of 4 MiB, what opens them)
KINDS = {
    "h5": (
        "h5py",
        "import h5py\nfile = h5py.File(folder + '/x.h5', 'w')\n"
        "d = file.create_dataset('x', (8192 * {count}, 128), 'f4', chunks=(8192, 128))\n"
        "for i, block in enumerate(blocks): d[8192 * i : 8192 * (i + 1)] = block",
        "hardmine.open_rows(folder + '/x.h5')",
    ),
    "zarr": (
        "zarr",
        "import zarr\nd = zarr.create_array(folder + '/x.zarr', shape=(8192 * {count}, 128), dtype='f4', chunks=(8192, 128))\n"
        "for i, block in enumerate(blocks): d[8192 * i : 8192 * (i + 1)] = block",
        "hardmine.open_rows(folder + '/x.zarr')",
    ),
    "parquet": (
        "pyarrow",
        "import pyarrow as pa, pyarrow.parquet as pq\n"
        "every = np.concatenate(list(blocks))\n"
        "pq.write_table(pa.table({{'x': pa.FixedSizeListArray.from_arrays(every.ravel(), 128)}}), folder + '/x.parquet')",
        "hardmine.open_rows(folder + '/x.parquet')",
    ),
    "dask": (
        "dask.array",
        "np.save(folder + '/x.npy', np.concatenate(list(blocks)))",
        "__import__('dask.array').array.from_array(np.load(folder + '/x.npy', mmap_mode='r'), chunks=(8192, 128)) * 1",
    ),
    "shards": (
        "numpy",
        "for i, block in enumerate(blocks): np.save(folder + f'/{{i:03}}.npy', block)",
        "hardmine.open_rows(folder + '/*.npy')",
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_memory_of_a_base_that_is_fetched(tmp_path, name):
    package, make, opened = KINDS[name]
    pytest.importorskip(package, reason=f"needs {package}")
    count, folder = MIB // 4, str(tmp_path)
    made = run((MAKE + make).format(count=count, folder=folder))
    assert made.returncode == 0, made.stderr
    done = run(CASE.format(folder=folder, opened=opened))
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) <= 34 + 3 + 2 * 32 + 32  # the last: what is decoded before it is a block
