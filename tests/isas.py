"""Another instruction set for a while."""

import contextlib

from hardmine import _core


@contextlib.contextmanager
def using_isa(name):
    """The one before comes back however the block ends: a failing test must not choose for those after it."""
    before = _core.isa()
    _core.use_isa(name)
    try:
        yield name
    finally:
        _core.use_isa(before)
