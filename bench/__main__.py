"""Benchmarks against the rivals: `python -m bench [CASE ...]`, or `python -m bench peak`. See bench/README.md."""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from bench import peak
from bench.case import Case, Share
from bench.cases import CASES
from bench.measure import fma_peak, interleave, memory
from bench.rivals import SLOW
from hardmine import _core

RIVAL_ISA = ("OPENBLAS_CORETYPE", "FAISS_SIMD_LEVEL")  # variables that say which instructions the rivals use


def main() -> int:
    """Run the cases that were named, print a row for each and write the JSON file."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    names = ", ".join(c.name for c in CASES)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"peak, or by default all of: {names}")
    parser.add_argument("--runs", type=int, default=7, help="interleaved runs of each (%(default)s)")
    parser.add_argument("--threads", type=int, default=_core.threads(), help="of every library (%(default)s)")
    parser.add_argument("--isa", choices=_core.isas_runnable(), default=_core.isa(), help="(%(default)s)")
    parser.add_argument("--scale", type=float, default=1.0, help="shrinks n and m, for a smoke test (%(default)s)")
    parser.add_argument("--rivals", nargs="*", help="only these")
    parser.add_argument("--json", type=Path, default=Path("bench-results.json"), help="(%(default)s)")
    options = parser.parse_args()
    unknown = set(options.cases) - {c.name for c in CASES} - {"peak"}
    if unknown:
        parser.error(f"unknown case {', '.join(sorted(unknown))}")
    _core.use_isa(options.isa)
    threadpool_limits(options.threads)
    machine = describe(options.threads)
    print(f"{machine['cpu']}; {options.threads} threads; ISA {machine['isa']}; {', '.join(machine['versions'])}")
    print(f"{', '.join(name + '=' + os.environ.get(name, 'unset') for name in RIVAL_ISA)}\n")
    if "peak" in options.cases:
        write(options.json, {"machine": machine, "peak": peak.show(options.runs)})
        return 0
    print(f"{'case':<17}{'':<19}{'seconds':>9}{'G/s':>9}{'of peak':>9}{'MiB':>8}   time / hardmine's")
    results = []
    for case in CASES:
        if options.cases and case.name not in options.cases:
            continue
        try:
            results.append(run(case, options))
        except FileNotFoundError as error:
            print(f"{case.name:<17}skipped: {error}")
    write(options.json, {"machine": machine, "results": results})
    return 0


def write(path: Path, figures: dict[str, Any]) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(figures, indent=1) + "\n")
    partial.replace(path)


def run(case: Case, options: argparse.Namespace) -> dict[str, Any]:
    """Check, time and print one case."""
    inputs = case.inputs(options.scale)
    calls = {"hardmine": case.call(inputs, options.threads)}
    found = calls["hardmine"]()
    case.check(inputs, found)
    note = case.note(inputs, found)
    del found  # before memory is measured
    for rival in case.rivals:
        if options.rivals is None or rival.__name__ in options.rivals:
            with contextlib.suppress(ImportError):
                calls[rival.__name__] = rival(case, inputs, options.threads)
    used = {name: memory(call) for name, call in calls.items()}
    work = case.work(inputs)
    flops = work is not None and case.metric != "hamming"
    before = fma_peak(options.threads) if flops else None
    times = interleave(calls, {name: min(options.runs, 3) if name in SLOW else options.runs for name in calls})
    most = max(before, fma_peak(options.threads)) if before else None
    rows: dict[str, Any] = {}
    for name, seconds in times.items():
        call = calls[name]
        share = call.share if isinstance(call, Share) else 1.0
        seconds = [s / share for s in seconds]
        median = statistics.median(seconds)
        ratio = statistics.median(s / ours for s, ours in zip(seconds, times["hardmine"]))
        rate = None if work is None else 1e-9 * work / median
        rows[name] = {
            "seconds": median,
            "seconds_all": seconds,
            "giga_per_second": rate,
            "of_peak": rate / most if rate and most else None,
            "memory_mib": used[name],
            "ratio": ratio,
            "share": share,
        }
        first, shown = (case.name, "") if name == "hardmine" else ("", f"{ratio:.2f}")
        scaled = "" if share == 1.0 else f"   from {share:.2g} of the queries"
        columns = (("giga_per_second", ">9.1f"), ("of_peak", ">9.1%"), ("memory_mib", ">8.0f"))
        cells = [f"{'-':>{form[1]}}" if rows[name][key] is None else f"{rows[name][key]:{form}}" for key, form in columns]
        print(f"{first:<17}{name:<19}{median:>9.4f}{''.join(cells)}{shown:>12}{scaled}", flush=True)
    if note is not None:
        print(f"{'':<17}{note}")
    shape = {"n": len(inputs.queries), "m": len(inputs.against), "d": case.d, "k": case.k, "metric": case.metric}
    return {"case": case.name, "why": case.why, **shape, "note": note, "fma_peak_gflops": most, "rows": rows}


def describe(threads: int) -> dict[str, Any]:
    """The machine, the build and the versions that a figure belongs to."""
    cpu = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        cpu = models[0].split(":")[1].strip() if models else cpu
    versions = []
    for package in ("hardmine", "numpy", "faiss-cpu", "scikit-learn", "scipy", "torch", "pytorch-metric-learning"):
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
        **{name.lower(): os.environ.get(name) for name in RIVAL_ISA},
        "versions": versions,
        "commit": commit,
    }


if __name__ == "__main__":
    sys.exit(main())
