"""Cases of losses: each beside the plain expression of its formula, as one writes it in torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy, cross_entropy, normalize, one_hot, softplus

import hardmine
from bench.case import Call, Case, Inputs
from bench.data import SEED
from hardmine.torch import losses

Loss: Any = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # of outputs and labels
Plain: Any = Callable[[torch.Tensor], Loss]  # of centers


def central(centers: torch.Tensor) -> Loss:
    return lambda u, y: binary_cross_entropy((u.tanh() + 1) / 2, (centers[y] + 1) / 2)


def csq(centers: torch.Tensor) -> Loss:
    first = central(centers)
    return lambda u, y: first(u, y) + 1e-4 * (u.tanh().abs() - 1).square().mean()


def polarized(centers: torch.Tensor) -> Loss:
    return lambda u, y: torch.relu(1 - u * centers[y]).mean()


def cosines(centers: torch.Tensor) -> Loss:
    unit = normalize(centers)

    def loss(u: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return cross_entropy(8 * (normalize(u) @ unit.T - 0.2 * one_hot(y, len(centers))), y)

    return loss


class Greedy(torch.autograd.Function):
    """Signs, whose gradient goes straight through."""

    @staticmethod
    def forward(ctx: Any, u: torch.Tensor) -> torch.Tensor:
        return u.sign()

    @staticmethod
    def backward(ctx: Any, *above: torch.Tensor) -> torch.Tensor:
        return above[0]


def weights_of(classes: int, bits: int) -> torch.Tensor:
    return torch.randn(classes, bits, generator=torch.Generator().manual_seed(SEED)) / bits


def greedy(centers: torch.Tensor) -> Loss:
    weights = weights_of(*centers.shape).to(centers.dtype).requires_grad_()
    return lambda u, y: cross_entropy(Greedy.apply(u) @ weights.T, y) + 0.1 * (u.abs() - 1).abs().pow(3).mean()


def greedy_of_ours(centers: torch.Tensor) -> Loss:
    loss = losses.GreedyHashLoss(centers.shape[1], len(centers))
    loss.classifier.weight.data = weights_of(*centers.shape)
    return loss


def others(u: torch.Tensor) -> torch.Tensor:
    return ~torch.eye(len(u), dtype=torch.bool)


def pairs(centers: torch.Tensor, log_cosh: bool = False) -> Loss:
    def loss(u: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        alike, t = (y[:, None] == y).to(u.dtype), u @ u.T / 2
        away = (u.abs() - 1).cosh().log() if log_cosh else (u - u.sign()).square()
        return (softplus(t) - alike * t)[others(u)].mean() + 0.1 * away.mean()

    return loss


def balanced(alike: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    similar = alike[kept].sum()
    return torch.where(alike > 0, kept.sum() / similar, kept.sum() / (kept.sum() - similar))


def hashnet(centers: torch.Tensor) -> Loss:
    def loss(u: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        alike, g, kept = (y[:, None] == y).to(u.dtype), u.tanh(), others(u)
        t = 10 / u.shape[1] * g @ g.T
        return (balanced(alike, kept) * (softplus(t) - alike * t))[kept].mean()

    return loss


def cauchy(centers: torch.Tensor) -> Loss:
    def loss(u: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        alike, kept, bits, unit = (y[:, None] == y).to(u.dtype), others(u), u.shape[1], normalize(u)
        d = (bits / 2 * (1 - unit @ unit.T))[kept]
        of_pairs = alike[kept] * (d / 20).log() + (1 + 20 / d).log()
        from_ones = bits / 2 * (1 - normalize(u.abs()).sum(dim=1) / bits**0.5)
        return (balanced(alike, kept)[kept] * of_pairs).mean() + 0.1 * (1 + from_ones / 20).log().mean()

    return loss


def triplets_of_a_batch(centers: torch.Tensor) -> Loss:
    """Row by row, as reimplementations have it."""

    def loss(u: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        t, alike, total, count = u @ u.T / 2, y[:, None] == y, u.new_zeros(()), 0
        alike_others = alike & others(u)
        for i in range(len(u)):
            apart = (t[i, alike_others[i]][:, None] - t[i, ~alike[i]] - 5).ravel()
            total, count = total + softplus(-apart).sum(), count + len(apart)
        return total / count + 0.1 * (u - u.sign()).square().mean()

    return loss


def hinge(centers: torch.Tensor) -> Loss:
    """Of the first third of the rows with the second and the third."""

    def loss(u: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        q, p, n = u[: len(u) // 3 * 3].chunk(3)
        return torch.relu(1 + (q - p).square().sum(dim=1) - (q - n).square().sum(dim=1)).mean()

    return loss


def hinge_of_ours(centers: torch.Tensor) -> Loss:
    loss = losses.TripletHingeLoss()
    return lambda u, y: loss(*u[: len(u) // 3 * 3].chunk(3))


LOSSES: dict[str, tuple[Plain, Plain]] = {
    "central": (lambda c: losses.CentralSimilarityLoss(c, from_logits=True), central),
    "csq": (lambda c: losses.CSQLoss(c, quantization="squared", from_logits=True), csq),
    "dpn": (losses.DPNLoss, polarized),
    "orthohash": (losses.OrthoHashLoss, cosines),
    "greedyhash": (greedy_of_ours, greedy),
    "dpsh": (lambda c: losses.DPSHLoss(), pairs),
    "dhn": (lambda c: losses.DHNLoss(), lambda c: pairs(c, log_cosh=True)),
    "hashnet": (lambda c: losses.HashNetLoss(), hashnet),
    "dch": (lambda c: losses.DCHLoss(), cauchy),
    "dtsh": (lambda c: losses.DTSHLoss(), triplets_of_a_batch),
    "triplet": (hinge_of_ours, hinge),
}


def forward_and_backward(loss: Loss, outputs: torch.Tensor, labels: torch.Tensor) -> Call:
    """The value and the gradient, anew at each call."""

    def run() -> tuple[Any, Any]:
        leaf = outputs.clone().requires_grad_()
        value = loss(leaf, labels)
        value.backward()
        return np.asarray(value.item()), leaf.grad.numpy()

    return run


def plain(case: Any, inputs: Inputs, threads: int) -> Call:
    """The formula as one writes it."""
    return forward_and_backward(LOSSES[case.loss][1](inputs.arguments["centers"]), *case.tensors(inputs))


@dataclass(frozen=True)
class TrainingLoss(Case):
    """A loss forward and backward; `n` rows, `m` classes, `d` bits."""

    loss: str = "csq"

    def inputs(self, scale: float) -> Inputs:
        rng = np.random.default_rng(SEED)
        rows = rng.standard_normal((self.n, self.d), dtype=np.float32)
        centers = torch.from_numpy(hardmine.hash_centers(self.m, self.d).signs())
        return Inputs(rows, None, {"labels": rng.integers(0, self.m, self.n), "centers": centers})

    def tensors(self, inputs: Inputs) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.from_numpy(inputs.queries), torch.from_numpy(inputs.arguments["labels"])

    def call(self, inputs: Inputs, threads: int) -> Call:
        return forward_and_backward(LOSSES[self.loss][0](inputs.arguments["centers"]), *self.tensors(inputs))

    def check(self, inputs: Inputs, found: Any) -> None:
        rows, labels = self.tensors(inputs)
        expected = forward_and_backward(LOSSES[self.loss][1](inputs.arguments["centers"].double()), rows.double(), labels)()
        for one, other in zip(found, expected):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-7)

    def work(self, inputs: Inputs) -> float | None:
        return None
