"""Losses that learn codes by telling classes apart: GreedyHash, DPN and OrthoHash."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, log_softmax, normalize

from hardmine import _arguments
from hardmine.hashing.centers import HashCenters
from hardmine.torch.losses.labels import check_labels, mean, signs
from hardmine.torch.losses.precision import in_full_precision
from hardmine.torch.losses.targets import CenterTargets, center_signs

Bits: TypeAlias = Literal["sum", "mean"]


class GreedyHashLoss(torch.nn.Module):
    """A classifier of the signs, whose gradient goes straight through to the outputs: GreedyHash [1]_.

    Parameters
    ----------
    bits, classes : int
        Of the linear classifier, a layer without bias whose weights are parameters of this loss: give them to the optimiser.
    weight : float
        Of the mean of abs(abs(u) - 1)^3.

    Notes
    -----
    Called with `outputs` u, (rows, bits), and `labels` as `CentralSimilarityLoss` has them. Returns the cross-entropy of the
    classifier of sign u, for several labels the binary one of each class, plus the weighted quantization; 0 counts as -1, as
    `hardmine.pack` has it. O(rows bits classes) time. Not run on a GPU yet.

    References
    ----------
    .. [1] Su, Zhang, Han and Tian, "Greedy hash: towards fast optimization for accurate hash coding in CNN", 2018.

    Examples
    --------
    >>> import torch
    >>> from hardmine.torch.losses import GreedyHashLoss
    >>> loss = GreedyHashLoss(bits=8, classes=3)
    >>> outputs = torch.randn(5, 8, requires_grad=True)
    >>> loss(outputs, torch.tensor([0, 1, 2, 0, 1])).backward()
    >>> outputs.grad.shape, [tuple(part.shape) for part in loss.parameters()]
    (torch.Size([5, 8]), [(3, 8)])
    """

    def __init__(self, bits: int, classes: int, weight: float = 0.1) -> None:
        super().__init__()
        bits, classes = _arguments.positive("bits", bits), _arguments.positive("classes", classes)
        self.classifier = torch.nn.Linear(bits, classes, bias=False)
        self.weight = float(weight)

    @in_full_precision
    def forward(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        check_labels(outputs, labels, self.classifier.out_features)
        codes = signs(outputs) + (outputs - outputs.detach())  # exactly the signs, with the gradient of the outputs
        scores = codes @ self.classifier.weight.to(codes.dtype).T
        if labels.ndim == 1:
            loss = mean(cross_entropy(scores, labels, reduction="none"))
        else:
            loss = mean(binary_cross_entropy_with_logits(scores, (labels != 0).to(scores.dtype), reduction="none"))
        return loss + self.weight * mean((outputs.abs() - 1).abs().pow(3))


class DPNLoss(torch.nn.Module):
    """max(0, m - u c) of each bit, c the center of the class: deep polarized network [1]_.

    Parameters
    ----------
    centers, seed
        See `CentralSimilarityLoss`.
    margin : float
        m.
    over_bits : {"mean", "sum"}
        The mean over bits, as reimplementations have it, or the paper's sum.

    Notes
    -----
    Called with `outputs` u, (rows, bits), and `labels` as `CentralSimilarityLoss` has them; several labels vote as there.
    Returns the mean over rows. A row without a label adds m and no gradient. Not run on a GPU yet.

    References
    ----------
    .. [1] Fan et al., "Deep polarized network for supervised learning of accurate binary hashing codes", 2020.

    Examples
    --------
    >>> import torch
    >>> from hardmine.torch.losses import DPNLoss
    >>> loss = DPNLoss(torch.tensor([[1.0, 1.0], [1.0, -1.0]]))
    >>> loss(torch.tensor([[1.0, 0.0]]), torch.tensor([0])).item()
    0.5
    """

    def __init__(self, centers: HashCenters | Any, margin: float = 1.0, *, over_bits: Bits = "mean", seed: int = 0) -> None:
        super().__init__()
        _arguments.one_of("over_bits", over_bits, get_args(Bits))
        self.targets, self.margin, self.over_bits = CenterTargets(centers, seed), float(margin), over_bits

    @in_full_precision
    def forward(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        check_labels(outputs, labels, self.targets.classes)
        losses = torch.relu(self.margin - outputs * self.targets(labels).to(outputs.dtype))
        return mean(losses if self.over_bits == "mean" else losses.sum(dim=1))


class OrthoHashLoss(torch.nn.Module):
    """The cross-entropy of scaled cosines to the centers, with a margin: OrthoHash [1]_.

    Parameters
    ----------
    centers : HashCenters or array of shape (classes, bits), -1 and +1
        One for each class.
    scale, margin : float
        s and m of s (cos(u, c_j) - m [j = y]).

    Notes
    -----
    Called with `outputs` u, (rows, bits), and `labels` as `CentralSimilarityLoss` has them. Several labels share the target
    evenly, and each has the margin; a row without a label adds nothing. The published network has a batch normalisation
    before the codes (`HashHead(batch_norm=True)`). O(rows bits classes) time. Not run on a GPU yet.

    References
    ----------
    .. [1] Hoe et al., "One loss for all: deep hashing with a single cosine similarity based learning objective", 2021.

    Examples
    --------
    >>> import torch, hardmine
    >>> from hardmine.torch.losses import OrthoHashLoss
    >>> centers = hardmine.hash_centers(4, 16)
    >>> loss, right = OrthoHashLoss(centers), torch.from_numpy(centers.signs())
    >>> loss(right, torch.arange(4)).item() < loss(-right, torch.arange(4)).item()
    True
    """

    def __init__(self, centers: HashCenters | Any, scale: float = 8.0, margin: float = 0.2) -> None:
        super().__init__()
        self.register_buffer("centers", center_signs(centers))
        self.scale, self.margin = float(scale), float(margin)

    @in_full_precision
    def forward(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        check_labels(outputs, labels, len(self.centers))
        unit = normalize(outputs) * (self.scale / self.centers.shape[1] ** 0.5)  # the matrix of classes is read seldom
        scores = unit @ self.centers.to(outputs.dtype).T
        margin = self.scale * self.margin
        if labels.ndim == 1:
            own = labels[:, None]
            scores = scores.scatter_add(1, own, torch.full_like(own, -margin, dtype=scores.dtype))
            return mean(cross_entropy(scores, labels, reduction="none"))
        has = (labels != 0).to(outputs.dtype)
        share = has / has.sum(dim=1, keepdim=True).clamp_min(1)
        return mean(-(share * log_softmax(scores - margin * has, dim=1)).sum(dim=1))
