"""Tensors of another device as the core reads them: on the CPU, block by block where they are large."""

from __future__ import annotations

import torch

BLOCK_BYTES = 32 << 20


def on_cpu(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor itself, without its history, if it lies on the CPU; else a copy there, made in blocks of rows."""
    tensor = tensor.detach()
    if tensor.device.type == "cpu":
        return tensor
    copy = torch.empty(tensor.shape, dtype=tensor.dtype)
    step = max(1, BLOCK_BYTES // max(1, tensor.element_size() * tensor[:1].numel()))
    for first in range(0, len(tensor), step):
        copy[first : first + step] = tensor[first : first + step]
    return copy
