"""The instruction sets that tests run on, and another one for a while."""

import contextlib
import os

from hardmine import _core

ISAS = _core.isas_runnable()[: 1 if "HARDMINE_ONE_ISA" in os.environ else None]  # one is enough to find out much


@contextlib.contextmanager
def using_isa(name):
    """The one before comes back however the block ends: a failing test must not choose for those after it."""
    before = _core.isa()
    _core.use_isa(name)
    try:
        yield name
    finally:
        _core.use_isa(before)
