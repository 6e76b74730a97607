"""Cases of the miners of `hardmine.torch`, beside pytorch-metric-learning's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from bench.case import Call, Case, Inputs, Share
from bench.data import SEED, around
from hardmine.torch import miners
from hardmine.torch.losses import TripletHingeLoss


def pml_miner(case: Any, inputs: Inputs, threads: int) -> Call:
    from pytorch_metric_learning.miners import BatchHardMiner, MultiSimilarityMiner

    x, labels = torch.from_numpy(inputs.queries), torch.from_numpy(inputs.arguments["labels"])
    if inputs.base is None:
        miner, beside = BatchHardMiner(), ()
    else:
        miner = MultiSimilarityMiner()
        beside = torch.from_numpy(inputs.base), torch.from_numpy(inputs.arguments["base_labels"])
    return lambda: tuple(part.numpy() for part in miner(x, labels, *beside))


@dataclass(frozen=True)
class Batch(Case):
    """BatchMiner by batch_hard; `k` rows of each class."""

    def inputs(self, scale: float) -> Inputs:
        rng = np.random.default_rng(SEED)
        labels = rng.permutation(np.arange(self.n) // self.k)
        rows = rng.standard_normal((self.n, self.d), dtype=np.float32)
        return Inputs(rows, None, {"labels": labels})

    def call(self, inputs: Inputs, threads: int) -> Call:
        x, labels = torch.from_numpy(inputs.queries), torch.from_numpy(inputs.arguments["labels"])
        miner = miners.BatchMiner(strategy="batch_hard", threads=threads)
        return lambda: tuple(part.numpy() for part in miner(x, labels))

    def check(self, inputs: Inputs, found: Any) -> None:
        labels, (a, p, n) = inputs.arguments["labels"], found
        x = inputs.queries.astype(np.float64)
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        distances = np.sqrt(np.maximum(2 - 2 * x @ x.T, 0))
        alike = labels[:, None] == labels
        assert a.tolist() == list(range(len(labels)))
        np.testing.assert_allclose(distances[a, p], np.where(alike, distances, -1).max(axis=1), atol=1e-5)
        np.testing.assert_allclose(distances[a, n], np.where(alike, 9, distances).min(axis=1), atol=1e-5)

    def work(self, inputs: Inputs) -> float | None:
        return None


@dataclass(frozen=True)
class Bank(Case):
    """MemoryBank: the `k` nearest negatives of a batch of `n` among `m` past rows."""

    metric: str = "cosine"

    def inputs(self, scale: float) -> Inputs:
        rng = np.random.default_rng(SEED)
        n, m = self.size(scale)
        rows, base = (rng.standard_normal((count, self.d), dtype=np.float32) for count in (n, m))
        return Inputs(rows, base, {"labels": rng.integers(0, 1000, n), "base_labels": rng.integers(0, 1000, m)})

    def call(self, inputs: Inputs, threads: int) -> Call:
        bank = miners.MemoryBank(len(inputs.against), self.d)
        bank.enqueue(torch.from_numpy(inputs.against), torch.from_numpy(inputs.arguments["base_labels"]))
        x, labels = torch.from_numpy(inputs.queries), torch.from_numpy(inputs.arguments["labels"])
        return lambda: tuple(part.numpy() for part in bank.hard_negatives(x, labels, self.k, threads=threads))

    def check(self, inputs: Inputs, found: Any) -> None:
        x, base = (rows.astype(np.float64) for rows in (inputs.queries[:20], inputs.against))
        cosines = x @ base.T / np.linalg.norm(x, axis=1)[:, None] / np.linalg.norm(base, axis=1)
        cosines[inputs.arguments["labels"][:20, None] == inputs.arguments["base_labels"]] = -2
        np.testing.assert_allclose(1 - found[0][:20], -np.sort(-cosines, axis=1)[:, : self.k], atol=1e-5)

    def work(self, inputs: Inputs) -> float | None:
        return None


def small_cnn(dim: int) -> torch.nn.Module:
    """Three convolutions of 32, 64 and 128 channels over 32 x 32 pixels."""
    layers: list[torch.nn.Module] = []
    for before, after in ((3, 32), (32, 64), (64, 128)):
        layers += [torch.nn.Conv2d(before, after, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2)]
    return torch.nn.Sequential(*layers, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(128, dim))


def training(case: Any, inputs: Inputs, threads: int) -> Call:
    """An epoch of a small CNN on as many images of 3 x 32 x 32, from a few of its steps."""
    steps, size = 4, 128
    model, loss = small_cnn(case.d), TripletHingeLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    images = torch.rand(3 * size, 3, 32, 32, generator=torch.Generator().manual_seed(SEED))

    def run() -> tuple[()]:
        for _ in range(steps):
            optimizer.zero_grad()
            loss(*model(images).chunk(3)).backward()
            optimizer.step()
        return ()

    return Share(run, min(1.0, steps * size / len(inputs.queries)))


@dataclass(frozen=True)
class Refresh(Case):
    """RefreshingMiner: the mining of a refresh, whose encoder only looks rows up; `k` rows of a class."""

    def inputs(self, scale: float) -> Inputs:
        rng = np.random.default_rng(SEED)
        n = self.size(scale)[0]
        labels = np.arange(n) // self.k
        centers = rng.standard_normal((labels[-1] + 1, self.d), dtype=np.float32)
        return Inputs(around(rng, centers, labels, 1.5), None, {"labels": labels})

    def call(self, inputs: Inputs, threads: int) -> Call:
        rows, labels = torch.from_numpy(inputs.queries), torch.from_numpy(inputs.arguments["labels"])
        miner = miners.RefreshingMiner(lambda x: x, rows, labels, every=1, batch_size=len(rows), threads=threads)
        return lambda: tuple(part.numpy() for part in next(miner))

    def check(self, inputs: Inputs, found: Any) -> None:
        labels, (anchors, positives, negatives) = inputs.arguments["labels"], found
        assert np.array_equal(np.sort(anchors), np.arange(len(labels)))
        assert (labels[anchors] == labels[positives]).all() and (anchors != positives).all()
        unit = inputs.queries / np.linalg.norm(inputs.queries.astype(np.float64), axis=1, keepdims=True)
        for a, n in list(zip(anchors, negatives))[:20]:
            cosines = np.where(labels == labels[a], -2, unit @ unit[a])
            assert abs(cosines[n] - cosines.max()) < 1e-5

    def work(self, inputs: Inputs) -> float | None:
        return None
