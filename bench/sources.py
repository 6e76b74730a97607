"""Cases of a base that lies on disk in the formats of other libraries, beside the same rows in memory."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hardmine
from bench.case import Call, Inputs
from bench.search import Search

CHUNK = 8192  # rows
FOLDERS: list[tempfile.TemporaryDirectory[str]] = []  # which last as long as the process


@dataclass(frozen=True)
class SourceSearch(Search):
    """`topk` of a base that `open_rows` opens; the first call has it in the system's cache as the rival has its rows."""

    kind: str = "zarr"  # or "parquet" or "h5"

    def call(self, inputs: Inputs, threads: int) -> Call:
        rows = stored(inputs.against, self.kind)
        return lambda: hardmine.topk(inputs.queries, rows, self.k, metric=self.metric, threads=threads)

    def note(self, inputs: Inputs, found: Any) -> str | None:
        rows = stored(inputs.against, self.kind)
        before = time.perf_counter()
        for _ in hardmine._arrays.FloatRows("base", rows).blocks():
            pass
        seconds = time.perf_counter() - before
        return f"reading alone: {inputs.against.nbytes / 2**20 / seconds:.0f} MiB/s"


def stored(rows: Any, kind: str) -> Any:
    """The rows as a file of that kind, compressed as the library does unasked."""
    FOLDERS.append(tempfile.TemporaryDirectory())
    path = Path(FOLDERS[-1].name) / f"base.{kind}"
    if kind == "zarr":
        import zarr

        zarr.create_array(str(path), data=rows, chunks=(CHUNK, rows.shape[1]))
    elif kind == "h5":
        import h5py

        with h5py.File(path, "w") as file:
            file.create_dataset("x", data=rows, chunks=(min(CHUNK, len(rows)), rows.shape[1]))
    else:
        import pyarrow as pa
        import pyarrow.parquet as parquet

        lists = pa.FixedSizeListArray.from_arrays(rows.ravel(), rows.shape[1])
        parquet.write_table(pa.table({"x": lists}), path, use_dictionary=False)
    return hardmine.open_rows(path)
