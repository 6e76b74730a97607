"""Cases until the time is over, in a process that may die: what kills it, or never ends, is a failure as any other."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from . import surroundings
from .cases import Case, Failure, draw, judge
from .properties import PROPERTIES, named, of_seed
from .shrink import shrink
from .snippet import snippet

MOST_SECONDS = 120  # that a case may take
SHRINK_SECONDS = 20
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
    seconds: float
    kind: str | None = None  # of its failure
    report: str = ""
    measures: dict[str, float] = {}  # noqa: RUF012


def command(options: Options, name: str, seed: int) -> str:
    """What runs a case again."""
    isa = "" if options.isa is None else f" --isa {options.isa}"
    return f'PYTHONPATH=python python -m tests.fuzz --only "{name}" --case {seed}{isa}'


def run_case(name: str, seed: int, seconds: float, seen: dict[str, int] | None = None) -> Result:
    """Judge the case of a seed; a failure is shrunk and told, unless enough of its kind were `seen`."""
    seen = {} if seen is None else seen
    property_ = PROPERTIES[name]
    start = time.monotonic()
    case = draw(property_, seed)
    measures: dict[str, float] = {}
    measured = property_._replace(check=lambda case: measures.update(property_.check(case) or {}))
    failure = judge(measured, case)
    took = time.monotonic() - start
    if failure is None:
        return Result(name, seed, took, measures=measures)
    kind = kind_of(name, case, failure)
    seen[kind] = seen.get(kind, 0) + 1
    report = ""
    if seen[kind] <= MOST_OF_A_KIND:
        case, failure = shrink(property_, case, failure, min(seconds, SHRINK_SECONDS))
        report = f"{failure.message}\n\n{snippet(name, case)}"
    return Result(name, seed, took, kind, report)


def kind_of(name: str, case: Case, failure: Failure) -> str:
    """Failures of one kind probably have one cause."""
    parts = [name, str(case.get("metric", ""))]
    if name == "topk" or "intervals" in name:  # the engine has another screen for few queries
        parts.append("up to 8 queries" if len(case["queries"]) <= 8 else "more queries")
    for one, other in (("query_groups", "base_groups"), ("query_labels", "base_labels")):
        if case.get(one) is not None and case.get(other) is not None and case[one].dtype != case[other].dtype:
            parts.append(f"{case[one].dtype} beside {case[other].dtype}")
    parts.append(failure.kind if failure.kind != "AssertionError" else failure.message.split(":")[0])
    return ", ".join(part for part in parts if part)


def work(connection: Any, options: Options, first: int, seconds: float, seen: dict[str, int]) -> None:
    """Run the cases from seed `first` on, telling which one is begun and what became of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the session ends this process
    if options.isa is not None:
        surroundings.isas = [options.isa]
    end = time.monotonic() + seconds
    properties = named(options.only)
    seed = first
    while time.monotonic() < end:
        name = of_seed(seed, properties).name
        connection.send((name, seed))
        connection.send(run_case(name, seed, end - time.monotonic(), seen))
        seed += 1
    connection.send(None)


def run(options: Options, tell: Callable[[Result], None]) -> None:
    """Run cases for the given seconds, and tell of each result."""
    context = multiprocessing.get_context("spawn")
    end = time.monotonic() + options.seconds
    first, seen = options.seed, dict[str, int]()
    while time.monotonic() < end:
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=work, args=(sender, options, first, end - time.monotonic(), seen))
        process.start()
        sender.close()
        begun: tuple[str, int] | None = None
        try:
            while True:
                if not receiver.poll(MOST_SECONDS + SHRINK_SECONDS):
                    tell(_lost(begun, "never ends"))
                    break
                message = receiver.recv()
                if message is None:
                    return
                if isinstance(message, Result):
                    tell(message)
                    if message.kind is not None:
                        seen[message.kind] = seen.get(message.kind, 0) + 1
                else:
                    begun = message
        except EOFError:
            process.join()
            tell(_lost(begun, _death(process.exitcode)))
        finally:
            process.kill()
            process.join()
        first = 1 + (options.seed if begun is None else begun[1])


def _lost(begun: tuple[str, int] | None, how: str) -> Result:
    if begun is None:
        raise RuntimeError(f"the process that runs cases {how} before the first of them")
    return Result(*begun, 0, f"{begun[0]}, {how}", f"the process {how}")


def _death(code: int | None) -> str:
    return f"dies of {signal.Signals(-code).name}" if code is not None and code < 0 else f"exits with {code}"
