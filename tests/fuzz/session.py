"""Cases until the time is over, in a process that may die: what kills it, or never ends, is a failure as any other."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import surroundings
from .apart import NEVER_ENDS, apart, died, judge_apart
from .cases import Case, Failure, Property, draw, judge
from .properties import PROPERTIES, named, of_seed
from .shrink import shrink
from .snippet import snippet

MOST_SECONDS = 120  # that a case may take
SHRINK_SECONDS = 20
METRIC_MATTERS = ("topk", "invariance", "pairwise", "pair_distances", "intervals", "driven intervals")
MOST_OF_A_KIND = 2  # failures of one kind that are shrunk and printed; the rest are counted


class Options(NamedTuple):
    seed: int
    seconds: float
    only: str | None = None
    isa: str | None = None


class Result(NamedTuple):
    """What became of a case."""

    name: str
    seed: int
    seconds: float = 0
    kind: str | None = None  # of its failure
    report: str = ""
    measures: dict[str, float] | None = None
    final: bool = True  # not so while it runs, and while its failure is made small


def command(options: Options, name: str, seed: int) -> str:
    """What runs a case again."""
    isa = "" if options.isa is None else f" --isa {options.isa}"
    return f'python -m tests.fuzz --only "{name}" --case {seed}{isa}'


def run_case(name: str, seed: int, seconds: float, seen: Counter[str], tell: Callable[[Result], None]) -> None:
    """Judge the case of a seed, and tell; a failure is made small, unless enough of its kind were `seen`."""
    property_ = PROPERTIES[name]
    tell(Result(name, seed, final=False))
    start = time.monotonic()
    case = draw(property_, seed)
    measures: dict[str, float] = {}
    failure = judge(property_._replace(check=lambda case: measures.update(property_.check(case) or {})), case)
    took = time.monotonic() - start
    if failure is None:
        tell(Result(name, seed, took, measures=measures))
        return
    result = Result(name, seed, took, kind_of(name, case, failure), _report(name, case, failure), final=False)
    seen[result.kind] += 1
    if seen[result.kind] <= MOST_OF_A_KIND:
        tell(result)
        result = result._replace(report=_report(name, *shrink(property_, case, failure, min(seconds, SHRINK_SECONDS))))
    tell(result._replace(final=True))


def _report(name: str, case: Case, failure: Failure) -> str:
    return f"{failure.message}\n\n{snippet(name, case)}"


def kind_of(name: str, case: Case, failure: Failure) -> str:
    """Failures of one kind probably have one cause."""
    parts = [name]
    if name in METRIC_MATTERS:  # and the engine has another screen for few queries
        parts += [str(case["metric"]), "up to 8 queries" if len(case["queries"]) <= 8 else "more queries"]
    labels = [case[side] for side in ("query_groups", "base_groups", "query_labels", "base_labels") if side in case]
    parts += sorted({str(one.dtype) for one in labels if one is not None and one.dtype in (np.int64, np.uint64)})
    return ", ".join([*parts, failure.kind])


def work(connection: Any, options: Options, first: int, seconds: float, seen: Counter[str]) -> None:
    """Run the cases from seed `first` on, and tell through the connection."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the session ends this process
    if options.isa is not None:
        surroundings.isas = [options.isa]
    end = time.monotonic() + seconds
    properties = named(options.only)
    seed = first
    while time.monotonic() < end:
        run_case(of_seed(seed, properties).name, seed, end - time.monotonic(), seen, connection.send)
        seed += 1
    connection.send(None)


def run(options: Options, tell: Callable[[Result], None]) -> None:
    """Run cases for the given seconds, and tell of each result."""
    end = time.monotonic() + options.seconds
    first, seen = options.seed, Counter[str]()
    while time.monotonic() < end:
        lost = _run_until_lost(options, first, end, seen, tell)
        if lost is None:
            return
        tell(lost)
        first = lost.seed + 1


def _run_until_lost(
    options: Options, first: int, end: float, seen: Counter[str], tell: Callable[[Result], None]
) -> Result | None:
    """Run cases in one process until the time is over; the result of the one that it did not survive, if any."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(sender, options, first, end - time.monotonic(), seen))
    process.start()
    sender.close()
    last: Result | None = None
    try:
        while receiver.poll(MOST_SECONDS):
            message: Result | None = receiver.recv()
            if message is None:
                return None
            last = message
            if last.final:
                tell(last)
                if last.kind is not None:
                    seen[last.kind] += 1
        failure = NEVER_ENDS
    except EOFError:
        process.join()
        code = process.exitcode or 0
        failure = died(-code) if code < 0 else Failure("exits", f"the process exits with {code}")
    finally:
        process.kill()
        process.join()
    if last is None:
        raise RuntimeError(f"{failure.message} before the first case")
    return _lost(last, failure, end - time.monotonic(), seen)


def _lost(last: Result, failure: Failure, seconds: float, seen: Counter[str]) -> Result:
    """The failure of the case that a process did not survive."""
    kind = f"{last.name}, {failure.kind}"
    seen[kind] += 1
    report = None
    if seen[kind] <= MOST_OF_A_KIND:
        report = _made_small(PROPERTIES[last.name], last.seed, failure, min(seconds, SHRINK_SECONDS))
    return Result(last.name, last.seed, kind=kind, report=report or failure.message)


def _made_small(property_: Property, seed: int, failure: Failure, seconds: float) -> str | None:
    """A report of a small case that is as fatal: each is judged in a process of its own. None if there is none."""
    fatal: list[Case] = []

    def watched(property_: Property, case: Case) -> Failure | None:
        found = judge_apart(property_, case)
        if found is not None and found.kind == failure.kind:
            fatal.append(case)
        return found

    case = apart(lambda: draw(property_, seed))
    first = None if isinstance(case, Failure) else watched(property_, case)
    if first is not None and not fatal:  # a smaller case than this killed the process
        shrink(property_, case, first, seconds, watched)
    if not fatal:
        return None
    return _report(property_.name, *shrink(property_, fatal[-1], failure, seconds, judge_apart))
