"""How many threads the engine takes in a task.

A task is one call of the engine. Left to itself it takes all threads of the process that Dask runs it in, and only one task of
a process is in the engine at a time: the others wait with their rows at hand. Four calls of one thread each would hold four
pairs of blocks and end no sooner. Of a `distributed` worker these are its own threads (`nthreads`); on the threaded and the
synchronous scheduler every core the process may use; in a process of the multiprocessing scheduler, which starts one for each
core, one.
"""

from __future__ import annotations

import multiprocessing
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_TURN = threading.Lock()


@contextmanager
def engine_threads(threads: int | None) -> Iterator[int]:
    """The number of threads for a call of the engine, as the core takes it; where it is all of them, in turn."""
    if threads is not None:
        yield threads
        return
    with _TURN:
        yield _own_threads()


def _own_threads() -> int:
    distributed = sys.modules.get("distributed")
    if distributed is not None:
        try:
            return int(distributed.get_worker().state.nthreads)
        except ValueError:  # no worker runs this
            pass
    return 0 if multiprocessing.parent_process() is None else 1
