"""Benchmarks against the rivals: `python -m bench [CASE ...]`. See bench/README.md."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import hardmine
from bench.cases import CASES, MINING, Case, labels
from bench.measure import check, fma_peak, interleave, memory
from bench.rivals import RIVALS, SLOW
from hardmine import _core


def main() -> int:
    """Run the cases that were named, print a row for each and write the JSON file."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="by default all: " + ", ".join(c.name for c in CASES))
    parser.add_argument("--runs", type=int, default=7, help="interleaved runs of each (%(default)s)")
    parser.add_argument("--threads", type=int, default=_core.threads(), help="of every library (%(default)s)")
    parser.add_argument("--isa", choices=_core.isas_runnable(), default=_core.isa(), help="(%(default)s)")
    parser.add_argument("--scale", type=float, default=1.0, help="shrinks n and m, for a smoke test (%(default)s)")
    parser.add_argument("--rivals", nargs="*", help="only these")
    parser.add_argument("--json", type=Path, default=Path("bench-results.json"), help="(%(default)s)")
    options = parser.parse_args()
    unknown = set(options.cases) - {c.name for c in CASES}
    if unknown:
        parser.error(f"unknown case {', '.join(sorted(unknown))}")
    _core.use_isa(options.isa)
    threadpool_limits(options.threads)
    machine = describe(options.threads)
    print(f"{machine['cpu']}; {options.threads} threads; ISA {machine['isa']}; {', '.join(machine['versions'])}")
    print(f"OpenBLAS of FAISS: OPENBLAS_CORETYPE={os.environ.get('OPENBLAS_CORETYPE', 'unset')}\n")
    print(f"{'case':<17}{'':<19}{'seconds':>9}{'G/s':>9}{'of peak':>9}{'MiB':>8}   time / hardmine's")
    results = []
    for case in CASES:
        if options.cases and case.name not in options.cases:
            continue
        try:
            results.append(run(case, options))
        except FileNotFoundError as error:
            print(f"{case.name:<17}skipped: {error}")
    partial = options.json.with_suffix(".partial")
    partial.write_text(json.dumps({"machine": machine, "results": results}, indent=1) + "\n")
    partial.replace(options.json)
    return 0


def run(case: Case, options: argparse.Namespace) -> dict[str, Any]:
    """Check, time and print one case."""
    queries, base = case.rows(options.scale)
    against = queries if base is None else base
    where = None if case.where is None else case.where(case, np.random.default_rng(0), len(queries), len(against))

    query_labels, base_labels = (labels(len(queries), 0), labels(len(against), 1)) if case.task == "map" else (None, None)

    def hardmine_call() -> Any:
        if case.task == "pairwise":
            return hardmine.pairwise(queries, base, metric=case.metric, threads=options.threads)
        if case.task == "mine":
            positives = np.arange(len(queries))
            return hardmine.mine_hard_negatives(
                queries, base, positives=positives, range_max=case.k, metric=case.metric, threads=options.threads, **MINING
            )
        if case.task == "map":
            return hardmine.mean_average_precision(
                queries, base, query_labels, base_labels, top=case.k, threads=options.threads
            )
        return hardmine.topk(queries, base, case.k, metric=case.metric, where=where, threads=options.threads)

    check(case, queries, base, where, hardmine_call())
    calls = {"hardmine": hardmine_call}
    for name in case.rivals:
        rival = RIVALS[name](case, queries, base, options.threads)
        if rival is not None and (options.rivals is None or name in options.rivals):
            calls[name] = rival
    used = {name: memory(call) for name, call in calls.items()}
    codes = case.metric == "hamming"
    peak = 0.0 if codes else fma_peak(options.threads)
    times = interleave(calls, {name: min(options.runs, 3) if name in SLOW else options.runs for name in calls})
    peak = 0.0 if codes else max(peak, fma_peak(options.threads))
    work = 1e-9 * len(queries) * len(against) * (1 if codes else 2 * queries.shape[1])  # pairs, or floating-point operations
    rows: dict[str, Any] = {}
    for name, seconds in times.items():
        median = statistics.median(seconds)
        ratio = statistics.median(s / ours for s, ours in zip(seconds, times["hardmine"]))
        rows[name] = {
            "seconds": median,
            "seconds_all": seconds,
            "giga_per_second": work / median,
            "of_peak": work / median / peak if peak else None,
            "memory_mib": used[name],
            "ratio": ratio,
        }
        first = case.name if name == "hardmine" else ""
        mib = "-" if used[name] is None else f"{used[name]:.0f}"
        of_peak = f"{work / median / peak:.1%}" if peak else "-"
        shown = "" if name == "hardmine" else f"{ratio:>8.2f}"
        print(
            f"{first:<17}{name:<19}{median:>9.4f}{work / median:>9.1f}{of_peak:>9}{mib:>8}{shown:>12}",
            flush=True,
        )
    shape = {"n": len(queries), "m": len(against), "d": case.d or queries.shape[1], "k": case.k, "metric": case.metric}
    return {"case": case.name, "why": case.why, **shape, "fma_peak_gflops": peak, "rows": rows}


def describe(threads: int) -> dict[str, Any]:
    """The machine, the build and the versions that a figure belongs to."""
    cpu = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        cpu = models[0].split(":")[1].strip() if models else cpu
    versions = []
    for package in ("hardmine", "numpy", "faiss-cpu", "scikit-learn", "scipy", "torch"):
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "threads": threads,
        "isa": _core.isa(),
        "openblas_coretype": os.environ.get("OPENBLAS_CORETYPE"),
        "versions": versions,
        "commit": commit,
    }


if __name__ == "__main__":
    sys.exit(main())
