"""Losses are computed in float32 at least, whatever inputs and autocast say: squares overflow float16."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import torch

Forward = TypeVar("Forward", bound=Callable[..., torch.Tensor])
NARROW = (torch.float16, torch.bfloat16)


def in_full_precision(forward: Forward) -> Forward:
    """A `forward` whose tensors of half precision are float32 and whose operations no autocast narrows."""

    @wraps(forward)
    def wide(self: Any, outputs: torch.Tensor, *args: Any) -> torch.Tensor:
        given, kind = [_widen(value) for value in (outputs, *args)], outputs.device.type
        if not torch.is_autocast_enabled(kind):  # the context takes a tenth of the time of the smallest losses
            return forward(self, *given)
        with torch.autocast(kind, enabled=False):
            return forward(self, *given)

    # Compilers count recompilations by code object: with one for all, a program of several losses would reach their limit.
    own: Any = wide
    own.__code__ = own.__code__.replace()
    return own  # type: ignore[no-any-return]


def _widen(value: Any) -> Any:
    return value.float() if isinstance(value, torch.Tensor) and value.dtype in NARROW else value
