"""The instruction sets that tests run on, and another one, or another screen, for a while."""

import contextlib
import os

from hardmine import _core

EVERY_ISA = _core.isas_runnable()[: 1 if "HARDMINE_ONE_ISA" in os.environ else None]  # one is enough to find out much
OTHER_BYTES = {
    "amx": "avx512_bitalg",
    "avx512_bf16": "avx512_bitalg",
    "avx_vnni": "avx2",
    "tiles": "wide",
}  # the same but for their bytes: for tests of these
ISAS = [name for name in EVERY_ISA if OTHER_BYTES.get(name) not in EVERY_ISA]


@contextlib.contextmanager
def _instead(current, use, name):
    """The one before comes back however the block ends: a failing test must not choose for those after it."""
    before = current()
    use(name)
    try:
        yield name
    finally:
        use(before)


def using_isa(name):
    return _instead(_core.isa, _core.use_isa, name)


def using_screen(name):
    """Of many queries: "int8", "bf16", "float32", or "" for the one that pays."""
    return _instead(_core.screen, _core.use_screen, name)
