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
        with torch.autocast(outputs.device.type, enabled=False):
            return forward(self, *(_widen(value) for value in (outputs, *args)))

    return wide  # type: ignore[return-value]


def _widen(value: Any) -> Any:
    return value.float() if isinstance(value, torch.Tensor) and value.dtype in NARROW else value
