"""Labels as losses take them, one a row or several, and what they say of pairs; signs and the cost of not being one."""

from __future__ import annotations

import math

import torch


def check_labels(outputs: torch.Tensor, labels: torch.Tensor, classes: int | None = None) -> None:
    """Raise unless there is a label, or a row of zeros and ones, for each row of outputs. Looks at shapes and dtypes alone."""
    if outputs.ndim != 2 or not outputs.is_floating_point():
        raise ValueError(
            f"outputs: expected floats of shape (rows, bits), got {outputs.dtype} of shape {tuple(outputs.shape)}"
        )
    if labels.ndim not in (1, 2) or len(labels) != len(outputs):
        raise ValueError(f"labels: expected {len(outputs)} labels or rows of labels, got shape {tuple(labels.shape)}")
    if labels.ndim == 1 and (labels.is_floating_point() or labels.dtype == torch.bool):
        raise TypeError(f"labels: expected integers, got {labels.dtype}")
    if labels.ndim == 2 and classes is not None and labels.shape[1] != classes:
        raise ValueError(f"labels: expected {classes} columns, one for each class, got shape {tuple(labels.shape)}")


def similar(labels: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Which pairs share a label: bool of shape (rows, others)."""
    if labels.ndim == 1:
        return labels[:, None] == others[None, :]
    return shared(labels, others) > 0


def shared(labels: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """How many labels each pair shares, exactly: labels are zeros and ones."""
    return labels.float() @ others.float().T


def off_diagonal(matrix: torch.Tensor) -> torch.Tensor:
    """True but for pairs of a row with itself."""
    return ~torch.eye(len(matrix), dtype=torch.bool, device=matrix.device)


def mean(values: torch.Tensor) -> torch.Tensor:
    """The mean, 0 of nothing: a batch without rows, or of which a miner kept no triplet, teaches nothing."""
    return values.mean() if values.numel() else values.sum()


def mean_of(values: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """The mean of the chosen values, 0 where none are."""
    return torch.where(chosen, values, 0).sum() / chosen.sum().clamp_min(1)


def signs(outputs: torch.Tensor) -> torch.Tensor:
    """+1 where an output is above 0, as `hardmine.pack` sets bits, and -1 elsewhere."""
    return torch.where(outputs > 0, 1.0, -1.0).to(outputs.dtype)


def log_cosh(x: torch.Tensor) -> torch.Tensor:
    """log cosh x without overflow, and without cancellation near 0, where it is x^2 / 2."""
    size = x.abs()
    near = torch.log1p(2 * torch.sinh(size.clamp_max(1.0) / 2) ** 2)
    far = size + torch.log1p(torch.exp(-2 * size.clamp_min(1.0))) - math.log(2)
    return torch.where(size <= 1, near, far)
