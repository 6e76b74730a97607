"""The center that each row should become: its class's, or the vote of the centers of several."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from hardmine import _arguments
from hardmine.hashing.centers import HashCenters


def center_signs(centers: HashCenters | Any) -> torch.Tensor:
    """Centers as a float32 tensor of -1 and +1, a copy."""
    if isinstance(centers, HashCenters):
        return torch.from_numpy(centers.signs())
    values = torch.as_tensor(centers).detach().float().clone()
    if values.ndim != 2 or values.numel() == 0:
        raise ValueError(f"centers: expected HashCenters or shape (classes, bits), got shape {tuple(values.shape)}")
    if not bool((values.abs() == 1).all()):
        raise ValueError("centers: expected HashCenters or numbers -1 and +1, got others")
    return values


class CenterTargets(torch.nn.Module):
    """Targets of -1 and +1 for labels; 0 in every bit for a row without any, which no loss of this package learns from.

    Several labels vote, and ties go the way of one random word, the same for all rows: the very word of
    `hardmine.semantic_centers`, so that codes and losses have the same targets.
    """

    def __init__(self, centers: HashCenters | Any, seed: int = 0) -> None:
        super().__init__()
        values = center_signs(centers)
        self.classes, bits = values.shape
        word = np.random.default_rng(_arguments.whole("seed", seed)).integers(0, 2, -(-bits // 8) * 8, dtype=np.uint8)[:bits]
        self.register_buffer("signs", values)
        self.register_buffer("tie", torch.from_numpy(word.astype(np.float32) * 2 - 1))

    def forward(self, labels: torch.Tensor) -> torch.Tensor:
        if labels.ndim == 1:
            return self.signs[labels]
        has = (labels != 0).float()
        votes = has @ self.signs.float()
        voted = torch.where(votes == 0, self.tie.float(), votes.sign())
        return voted * has.amax(dim=1, keepdim=True)
