"""Some rows of a data set through a model: embeddings on the CPU, block by block, and no trace left in the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils.data import DataLoader, Subset


def encode_rows(
    encode: Callable[[Any], torch.Tensor], dataset: Any, numbers: torch.Tensor, batch_size: int, loader: dict[str, Any]
) -> torch.Tensor:
    """The embeddings of those rows, float32 on the CPU; what `encode` returns is copied batch by batch."""
    rows = torch.empty(0, 0)
    first, device = 0, device_of(encode)
    with torch.no_grad(), evaluating(encode):
        for inputs in batches(dataset, numbers, batch_size, loader):
            part = encode(inputs.to(device) if isinstance(inputs, torch.Tensor) and device is not None else inputs)
            if part.ndim != 2:
                raise ValueError(f"encode: expected embeddings of shape (n, d), got shape {tuple(part.shape)}")
            if first == 0:
                rows = torch.empty(len(numbers), part.shape[1])
            rows[first : first + len(part)] = part
            first += len(part)
    if first != len(numbers):
        raise ValueError(f"encode: expected an embedding of each of {len(numbers)} inputs, got {first}")
    return rows


def device_of(encode: Any) -> torch.device | None:
    """Where a module computes; None of a function, which sees to its inputs itself."""
    parameters = encode.parameters() if isinstance(encode, torch.nn.Module) else iter(())
    return next((parameter.device for parameter in parameters), None)


def batches(dataset: Any, numbers: torch.Tensor, batch_size: int, loader: dict[str, Any]) -> Iterator[Any]:
    """The inputs in their order. A loader draws its workers' seed from a generator of its own, not from the global one."""
    if isinstance(dataset, torch.Tensor):
        for part in numbers.split(batch_size):
            yield dataset[part.to(dataset.device)]
        return
    subset: Any = Subset(dataset, numbers.tolist())
    for batch in DataLoader(subset, batch_size=batch_size, generator=torch.Generator(), **loader):
        yield batch[0] if isinstance(batch, (tuple, list)) else batch


@contextmanager
def evaluating(encode: Any) -> Iterator[None]:
    """A module in `eval`, each of its parts back as it was afterwards."""
    modules = list(encode.modules()) if isinstance(encode, torch.nn.Module) else []
    before = [module.training for module in modules]
    try:
        if isinstance(encode, torch.nn.Module):
            encode.eval()
        yield
    finally:
        for module, training in zip(modules, before):
            module.training = training
