"""The command: `python -m tests.fuzz --help`."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from hardmine import _core

from . import surroundings
from .properties import PROPERTIES
from .session import MOST_OF_A_KIND, SHRINK_SECONDS, Options, Result, command, run, run_case


class Summary:
    """Counts, as results come in; failures are printed at once."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._start = time.monotonic()
        self._cases: Counter[str] = Counter()
        self._seconds: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._measures: dict[str, float] = {}

    def add(self, result: Result) -> None:
        if not result.final:
            return
        self._cases[result.name] += 1
        self._seconds[result.name] += result.seconds
        for name, value in (result.measures or {}).items():
            self._measures[name] = max(value, self._measures.get(name, value))
        if result.kind is None:
            return
        self._failures[result.name] += 1
        self._kinds[result.kind] += 1
        if self._kinds[result.kind] <= MOST_OF_A_KIND:
            print(f"\nFAILED after {time.monotonic() - self._start:.1f} s: {result.kind}")
            print(f"{command(self._options, result.name, result.seed)}\n{result.report}", flush=True)

    def tell(self) -> bool:
        """Print the counts; whether all cases held."""
        print(f"\n{'property':32}{'cases':>8}{'failures':>10}{'ms a case':>11}")
        for name, count in sorted(self._cases.items()):
            print(f"{name:32}{count:8}{self._failures[name]:10}{1000 * self._seconds[name] / count:11.1f}")
        for name, value in sorted(self._measures.items()):
            print(f"{name}: {value:.6g}")
        for kind, count in self._kinds.most_common():
            print(f"failed {count} times: {kind}")
        total, failed, took = self._cases.total(), self._failures.total(), time.monotonic() - self._start
        print(f"{total} cases in {took:.0f} s from seed {self._options.seed}, {total / took:.1f} a second")
        print(f"{total} cases, {failed} failures")
        return failed == 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz hardmine against slow oracles.")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the first case; by default the time")
    parser.add_argument("--only", choices=[*PROPERTIES], metavar="NAME", help=f"one of: {', '.join(PROPERTIES)}")
    parser.add_argument("--isa", choices=_core.isas_runnable(), help="an instruction set; by default all of them")
    parser.add_argument("--case", type=int, metavar="SEED", help="run one case of --only, and nothing else")
    given = parser.parse_args(arguments)
    options = Options(given.seed, given.seconds, given.only, given.isa)
    if given.case is not None and given.only is None:
        parser.error("--case needs --only")
    summary = Summary(options)
    if given.case is not None:
        if given.isa is not None:
            surroundings.isas = [given.isa]
        run_case(given.only, given.case, SHRINK_SECONDS, Counter(), summary.add)
    else:
        print(f"from seed {options.seed}", flush=True)
        try:
            run(options, summary.add)
        except KeyboardInterrupt:
            print("interrupted")
    return 0 if summary.tell() else 1


if __name__ == "__main__":
    sys.exit(main())
