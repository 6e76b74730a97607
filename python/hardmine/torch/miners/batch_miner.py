"""The miners of a batch as a module: tensors in, indices out on the same device."""

from __future__ import annotations

import inspect
from typing import Any

import torch

from hardmine.mining.batch.pairs import mine_pairs
from hardmine.mining.batch.triplets import mine_triplets
from hardmine.torch.miners.on_cpu import on_cpu

PAIR_OPTIONS = frozenset(inspect.signature(mine_pairs).parameters)
TRIPLET_OPTIONS = frozenset(inspect.signature(mine_triplets).parameters)
OF_A_CALL = {"embeddings", "labels", "ref_embeddings", "ref_labels", "pair_mask"}


class BatchMiner(torch.nn.Module):
    """Mine the triplets or pairs of a batch, as a miner of pytorch-metric-learning: its tuples feed that library's losses.

    Parameters
    ----------
    normalize : bool
        Divide rows by their norms first, as pytorch-metric-learning's miners do by default. Not done for "cosine", whose
        distances do not depend on norms.
    **options
        Of `hardmine.mine_pairs` if `rule` is among them, else of `hardmine.mine_triplets`.

    Attributes
    ----------
    num_triplets, num_pos_pairs, num_neg_pairs : int
        What the last call found.

    Notes
    -----
    Called as ``miner(embeddings, labels, ref_emb=None, ref_labels=None, pair_mask=None)``, returns three tensors of indices,
    (anchors, positives, negatives), or four for pairs, int64, on the device of the embeddings. Nothing is differentiated.
    Float32 tensors on the CPU are read in place, or their normalized rows are; others, and those of a GPU, are copied to it
    as float32. Time and memory are those of the function. A batch that is its own reference (the same tensor) has no pairs of
    a row with itself. Call it outside of what `torch.compile` compiles. Not run on a GPU yet.

    Examples
    --------
    >>> import torch
    >>> from hardmine.torch.miners import BatchMiner
    >>> x = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.8, 0.5], [0.0, 1.0]])
    >>> miner = BatchMiner(strategy="batch_hard")
    >>> [part.tolist() for part in miner(x, torch.tensor([0, 0, 1, 1]))]
    [[0, 1, 2, 3], [1, 0, 3, 2], [2, 2, 1, 1]]
    >>> miner.num_triplets
    4
    """

    def __init__(self, *, normalize: bool = True, **options: Any) -> None:
        super().__init__()
        self.function: Any = mine_pairs if "rule" in options else mine_triplets
        known = (PAIR_OPTIONS if "rule" in options else TRIPLET_OPTIONS) - OF_A_CALL
        unknown = sorted(set(options) - known)
        if unknown:
            raise TypeError(f"{unknown[0]}: expected an option of {self.function.__name__}, got another name")
        self.function(torch.zeros(0, 1), torch.zeros(0, dtype=torch.int64), **options)  # refuses bad values now
        self.normalize, self.options = bool(normalize) and options.get("metric") != "cosine", dict(options)
        self.reset_stats()

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in {"normalize": self.normalize, **self.options}.items())

    def reset_stats(self) -> None:
        """Forget how many the last call found."""
        self.num_triplets = self.num_pos_pairs = self.num_neg_pairs = 0

    @torch.no_grad()
    def forward(
        self,
        embeddings: torch.Tensor,
        labels: torch.Tensor,
        ref_emb: torch.Tensor | None = None,
        ref_labels: torch.Tensor | None = None,
        pair_mask: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, ...]:
        if ref_emb is embeddings:
            ref_emb = ref_labels = None
        found = self.function(
            self._rows(embeddings),
            on_cpu(labels),
            None if ref_emb is None else self._rows(ref_emb),
            None if ref_labels is None else on_cpu(ref_labels),
            pair_mask=None if pair_mask is None else on_cpu(pair_mask),
            **self.options,
        )
        self.reset_stats()
        if len(found) == 3:
            self.num_triplets = len(found[0])
        else:
            self.num_pos_pairs, self.num_neg_pairs = len(found[0]), len(found[2])
        return tuple(part.to(embeddings.device) for part in found)

    def _rows(self, embeddings: torch.Tensor) -> torch.Tensor:
        rows = on_cpu(embeddings)
        if self.normalize and rows.is_floating_point():
            rows = rows.float() if rows.dtype in (torch.float16, torch.bfloat16) else rows
            rows = torch.nn.functional.normalize(rows)
        return rows
