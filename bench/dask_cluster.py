"""A local cluster of two workers of one thread each beside one process of two threads: `python -m bench.dask_cluster`.

The same rows as memory maps on both sides, in turn; the bits are compared first. Prints the least seconds of each, their
ratio, that of one worker, and the peak memory of each worker.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

import hardmine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=20_000)
    parser.add_argument("--base", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    import dask
    import distributed

    import hardmine.dask as lazy

    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        for name, rows in (("queries", given.queries), ("base", given.base)):
            np.save(Path(folder) / f"{name}.npy", rng.standard_normal((rows, 128), dtype=np.float32))
        queries, base = (np.load(Path(folder) / f"{name}.npy", mmap_mode="r") for name in ("queries", "base"))
        options = {"threads_per_worker": 1, "processes": True, "dashboard_address": None}
        times: dict[str, list[float]] = {"one process, two threads": [], "two workers": [], "one worker": []}
        for workers in (2, 1):
            with distributed.LocalCluster(n_workers=workers, **options) as cluster, distributed.Client(cluster) as client:
                name = "two workers" if workers == 2 else "one worker"
                for _ in range(given.runs):
                    start = time.perf_counter()
                    (found,) = dask.compute(lazy.topk(queries, base, k=10))
                    times[name].append(time.perf_counter() - start)
                    if workers == 2:
                        start = time.perf_counter()
                        want = hardmine.topk(queries, base, k=10, threads=2)
                        times["one process, two threads"].append(time.perf_counter() - start)
                        assert (found.indices == want.indices).all() and (found.distances == want.distances).all()
                peaks = [peak / 1024 for peak in client.run(_peak).values()]
                print(f"{name}: {min(times[name]):.2f} s, peak of a worker {', '.join(f'{p:.0f} MiB' for p in peaks)}")
    two = min(times["two workers"])
    print(f"two workers / one process of two threads: {two / min(times['one process, two threads']):.2f}")
    print(f"one worker / two workers: {min(times['one worker']) / two:.2f}")
    print({name: [round(t, 2) for t in seconds] for name, seconds in times.items()})


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
