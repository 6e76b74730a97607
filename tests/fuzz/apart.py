"""A function in a process of its own, which it may kill."""

from __future__ import annotations

import os
import pickle
import select
import signal
from collections.abc import Callable
from typing import Any

from .cases import Case, Failure, Property, judge

PATIENCE = 10.0  # seconds
NEVER_ENDS = Failure("never ends", "the process never ends")


def apart(function: Callable[[], Any]) -> Any:
    """What a function returns or, if it kills its process or never ends, a Failure."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with os.fdopen(writer, "wb") as file:
                pickle.dump(function(), file)
        finally:
            os._exit(0)  # nothing of the parent's is run or flushed
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        ends = bool(select.select([file], [], [], PATIENCE)[0])
        if not ends:
            os.kill(child, signal.SIGKILL)
        data = file.read()
    _, status = os.waitpid(child, 0)
    if not ends:
        return NEVER_ENDS
    if os.WIFSIGNALED(status):
        return died(os.WTERMSIG(status))
    return pickle.loads(data)


def died(number: int) -> Failure:
    return Failure("dies", f"the process dies of {signal.Signals(number).name}")


def judge_apart(property_: Property, case: Case) -> Failure | None:
    """`judge`, for cases that may crash."""
    failure: Failure | None = apart(lambda: judge(property_, case))
    return failure
