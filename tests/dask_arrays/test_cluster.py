"""Workers of a cluster: processes of their own, of which one is killed while it works."""

import os
import signal
import time

import numpy as np
import pytest

import hardmine

dask = pytest.importorskip("dask", reason="needs the extra hardmine[dask]")
distributed = pytest.importorskip("distributed", reason="needs the extra hardmine[dask]")
da = pytest.importorskip("dask.array")
import hardmine.dask as lazy  # noqa: E402


def threads_of_a_task():
    from hardmine.dask.threads import engine_threads

    with engine_threads(None) as threads:
        return threads


@pytest.mark.slow
def test_a_worker_is_killed_midway(rng):
    x = rng.standard_normal((24_000, 64)).astype(np.float32)
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        assert client.submit(threads_of_a_task).result() == 1
        found = lazy.topk(da.from_array(x, chunks=(2000, 64)), k=10)  # 12 blocks: 78 tasks of the engine
        running = client.compute(found.indices)
        killed = None
        deadline = time.monotonic() + 60
        while not killed and time.monotonic() < deadline:
            done = sum(state == "memory" for state in client.run_on_scheduler(_states).values())
            if done >= 20:
                address, pid = next(iter(client.run(os.getpid).items()))
                os.kill(pid, signal.SIGKILL)
                killed = address
            time.sleep(0.02)
        assert killed, "the search ended before a worker could be killed"
        np.testing.assert_array_equal(running.result(timeout=120), hardmine.topk(x, k=10).indices)


def _states(dask_scheduler):
    return {str(key): task.state for key, task in dask_scheduler.tasks.items()}
