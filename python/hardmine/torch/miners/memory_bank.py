"""A memory of past rows, to mine a batch against: a ring of slots, of floats or of packed bits."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

import torch

from hardmine import _arguments
from hardmine.hashing.codes import pack
from hardmine.search.filter import Filter
from hardmine.search.metric import Metric
from hardmine.search.topk import topk
from hardmine.torch.miners.batch_miner import BatchMiner
from hardmine.torch.miners.on_cpu import on_cpu

Kept: TypeAlias = Literal["float32", "float16", "bits"]


class MemoryBank(torch.nn.Module):
    """A ring of the last rows of past batches, with their labels and ids: cross-batch memory [1]_.

    Parameters
    ----------
    capacity, dim : int
        Rows that are kept, and their numbers (for bits: how many).
    dtype : {"float32", "float16", "bits"}
        How rows are kept: 4 dim or 2 dim bytes a row, or dim / 8 for their signs as `hardmine.pack` has them.

    Attributes
    ----------
    count : int
        Rows that are kept now.

    Notes
    -----
    Rows, labels and ids are buffers: `state_dict` has them with the place of the next row, and `to` moves them. Searches are
    done on the CPU; of a bank on a GPU a copy is made there, in blocks, for each search. Not run on a GPU yet.

    References
    ----------
    .. [1] Wang et al., "Cross-batch memory for embedding learning", 2020.

    Examples
    --------
    >>> import torch
    >>> from hardmine.torch.miners import BatchMiner, MemoryBank
    >>> bank = MemoryBank(capacity=3, dim=1)
    >>> bank.enqueue(torch.tensor([[0.0], [1.0]]), torch.tensor([0, 1]))
    >>> bank.enqueue(torch.tensor([[2.0], [3.0]]), torch.tensor([0, 1]))  # the first row makes room
    >>> bank.reference()[0].ravel().tolist(), bank.ids[:3].tolist()
    ([3.0, 1.0, 2.0], [3, 1, 2])
    >>> distances, slots = bank.hard_negatives(torch.tensor([[1.9]]), torch.tensor([1]), k=1)
    >>> slots.tolist()
    [[2]]
    """

    def __init__(self, capacity: int, dim: int, dtype: Kept = "float32") -> None:
        super().__init__()
        self.capacity, self.dim = _arguments.positive("capacity", capacity), _arguments.positive("dim", dim)
        _arguments.one_of("dtype", dtype, get_args(Kept))
        self.bits = dtype == "bits"
        width = -(-self.dim // 8) if self.bits else self.dim
        kept = torch.uint8 if self.bits else getattr(torch, dtype)
        self.register_buffer("rows", torch.zeros(self.capacity, width, dtype=kept))
        self.register_buffer("labels", torch.zeros(self.capacity, dtype=torch.int64))
        self.register_buffer("ids", torch.zeros(self.capacity, dtype=torch.int64))
        self.count = self.next = self.seen = 0

    def extra_repr(self) -> str:
        return f"{self.count} of {self.capacity} rows of {self.dim} {'bits' if self.bits else self.rows.dtype}"

    def get_extra_state(self) -> dict[str, int]:
        return {"count": self.count, "next": self.next, "seen": self.seen}

    def set_extra_state(self, state: dict[str, int]) -> None:
        self.count, self.next, self.seen = state["count"], state["next"], state["seen"]

    def reference(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the rows that are kept and their labels, in the order of slots.

        Returns
        -------
        tuple of tensors of shape (count, dim) and (count,)
            Views of the bank, which later rows overwrite; of bits packed codes of shape (count, ceil(dim / 8)).
        """
        return self.rows[: self.count], self.labels[: self.count]

    @torch.no_grad()
    def enqueue(self, embeddings: torch.Tensor, labels: torch.Tensor, ids: torch.Tensor | None = None) -> None:
        """Keep rows in place of the oldest ones.

        Parameters
        ----------
        embeddings : tensor of shape (n, dim)
            More than the capacity: the last ones are kept.
        labels : tensor of shape (n,), integers
            Their labels.
        ids : tensor of shape (n,), integers, optional
            What they are in the data set, so that a row is not mined against itself. By default rows are numbered as they
            come.

        Raises
        ------
        TypeError, ValueError
            For tensors of the wrong kind or shape.
        """
        self._check(embeddings, labels, ids)
        n = len(embeddings)
        numbers = torch.arange(self.seen, self.seen + n) if ids is None else ids
        kept = slice(max(0, n - self.capacity), n)
        count = min(n, self.capacity)
        slots = (torch.arange(count, device=self.rows.device) + self.next + kept.start) % self.capacity
        self.rows[slots] = self._codes(embeddings[kept]).to(self.rows)
        self.labels[slots] = labels[kept].to(self.labels)
        self.ids[slots] = numbers[kept].to(self.ids)
        self.next, self.seen = (self.next + n) % self.capacity, self.seen + n
        self.count = min(self.capacity, self.count + n)

    @torch.no_grad()
    def hard_negatives(
        self,
        embeddings: torch.Tensor,
        labels: torch.Tensor,
        k: int = 1,
        *,
        metric: Metric = "cosine",
        threads: int | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Find the nearest rows of other labels.

        Parameters
        ----------
        embeddings : tensor of shape (n, dim)
            The batch.
        labels : tensor of shape (n,), integers
            Rows of the same label are never found.
        k : int
            Rows for each.
        metric : str
            See `hardmine.topk`; of bits it is always the number of bits that differ.
        threads : int, optional
            See `hardmine.topk`.

        Returns
        -------
        distances, slots : tensors of shape (n, k), float32 (int32 of bits) and int64
            Nearest first, on the device of the embeddings; slots index `rows`, -1 where there are fewer. Exact, as
            `hardmine.topk`.

        Raises
        ------
        TypeError, ValueError
            As `enqueue` and `hardmine.topk`.
        """
        self._check(embeddings, labels, None)
        rows, of_rows = (on_cpu(part) for part in self.reference())
        where = Filter(query_groups=on_cpu(labels), base_groups=of_rows)
        queries = self._codes(on_cpu(embeddings))
        bits = self.dim if self.bits else None
        found = topk(queries, rows, k, metric="hamming" if self.bits else metric, where=where, bits=bits, threads=threads)
        device = embeddings.device
        return torch.as_tensor(found.distances).to(device), torch.as_tensor(found.indices).to(device)

    def mine(
        self, miner: BatchMiner, embeddings: torch.Tensor, labels: torch.Tensor, ids: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, ...]:
        """Mine triplets or pairs of a batch and the bank: anchors of the batch, the others slots.

        Parameters
        ----------
        miner : BatchMiner
            Whose rule it is; any other miner that takes the same arguments, where no `ids` are given.
        embeddings, labels : tensors
            As `hard_negatives`.
        ids : tensor of shape (n,), integers, optional
            A row of the bank of the same id is neither positive nor negative.

        Returns
        -------
        tuple of tensors, int64
            What ``miner(embeddings, labels, *bank.reference())`` finds: for a loss of pytorch-metric-learning that takes
            references.

        Raises
        ------
        TypeError, ValueError
            As `enqueue`; for a bank of bits, whose rows have no such distances.
        """
        if self.bits:
            raise ValueError("mine: expected a bank of floats, got bits; hard_negatives searches them")
        self._check(embeddings, labels, ids)
        rows, of_rows = self.reference()
        rows = rows.to(torch.promote_types(rows.dtype, torch.float32))
        if ids is None:
            found: Any = miner(embeddings, labels, rows, of_rows)
        else:
            others = ids.to(self.ids.device)[:, None] != self.ids[: self.count]
            found = miner(embeddings, labels, rows, of_rows, pair_mask=others)
        result: tuple[torch.Tensor, ...] = found
        return result

    def _codes(self, rows: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(pack(on_cpu(rows))) if self.bits else rows

    def _check(self, embeddings: torch.Tensor, labels: torch.Tensor, ids: torch.Tensor | None) -> None:
        if embeddings.ndim != 2 or embeddings.shape[1] != self.dim:
            raise ValueError(f"embeddings: expected shape (n, {self.dim}), got {tuple(embeddings.shape)}")
        if not embeddings.is_floating_point():
            raise TypeError(f"embeddings: expected floating-point numbers, got {embeddings.dtype}")
        for name, numbers in (("labels", labels), ("ids", ids)):
            if numbers is None:
                continue
            if tuple(numbers.shape) != (len(embeddings),):
                raise ValueError(f"{name}: expected {len(embeddings)} integers, got shape {tuple(numbers.shape)}")
            if numbers.is_floating_point() or numbers.dtype == torch.bool:
                raise TypeError(f"{name}: expected integers, got {numbers.dtype}")
