"""Cases of the miners of `hardmine.torch`, beside pytorch-metric-learning's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from bench.case import Call, Case, Inputs
from bench.data import SEED
from hardmine.torch import miners


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
