"""Train, rank, select, train on what was selected: a data set that is encoded and mined again every few steps."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeAlias, get_args

import torch

from hardmine import _arguments, _random
from hardmine.mining.negatives import mine_hard_negatives
from hardmine.torch.miners.encoding import encode_rows
from hardmine.torch.miners.on_cpu import on_cpu

Positive: TypeAlias = Literal["random", "nearest", "farthest"]
Triplets: TypeAlias = tuple[torch.Tensor, torch.Tensor, torch.Tensor]

POOL, ORDER, POSITIVE, MINING = range(104, 108)  # streams of random numbers
OF_THE_LOOP = {"queries", "base", "query_labels", "base_labels", "positives", "exclude", "positive_reference"}
OF_THE_LOOP |= {"query_rows", "query_ids", "rescore", "progress", "seed", "top_fraction"}
OPTIONS = frozenset(inspect.signature(mine_hard_negatives).parameters) - OF_THE_LOOP


class RefreshingMiner:
    """Yield batches of triplets whose negatives are mined anew every few steps, with the model as it is then.

    Parameters
    ----------
    encode : callable
        ``encode(inputs)`` gives embeddings of shape (n, d), on any device. A module is set to `eval` meanwhile, and back, and
        gets inputs on the device of its first parameter; a function sees to that itself.
    dataset : tensor of shape (n, ...), or a data set with a length and items by number
        The inputs. Of an item that is a tuple the first part is the input.
    labels : tensor of shape (n,), integers
        Rows of one label are positives of one another.
    every : int
        Steps from one refresh to the next.
    batch_size : int
        Triplets that a step gets.
    pool_size : int, optional
        Rows, drawn anew, that a refresh encodes and mines; by default all.
    positive : {"random", "nearest", "farthest"}
        Of each negative's query, which row of its label in the pool is the positive: one drawn for each triplet, or the
        nearest or farthest by the metric. A margin among the options is relative to the nearest, for "farthest" to that one:
        a drawn positive may be farther than the negative, whatever the margin.
    encode_batch_size : int
        Inputs for a call of `encode`.
    loader : dict, optional
        Options of `torch.utils.data.DataLoader`, ``{"num_workers": 2}`` for example. Not for a tensor, which needs no loader.
    seed : int
        Of every random choice: the pool, what mining draws, positives, the order of triplets.
    **options
        Of `hardmine.mine_hard_negatives`: `num_negatives` (here 1 unless given), `relative_margin`, `random_ratio`, ...

    Attributes
    ----------
    step, refreshes : int
        Batches given, and refreshes made, so far.
    seconds : dict
        Seconds spent so far in "encoding" and in "mining", and outside of this object between two batches, "training".
    stats : dict
        Of the last refresh (see `hardmine.MinedNegatives`), and `positives_missing`: negatives whose query was alone.

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind or value; while iterating, if a refresh finds no triplet.

    Notes
    -----
    Iterating never ends: stop it, or ``zip(range(steps), miner)``. Each batch is a tuple of three tensors (anchors,
    positives, negatives) of int64 numbers of the data set, on the device of a tensor, else on the CPU. Between refreshes
    triplets come in a random order, and in another one when all were given, whole batches only where there are enough for
    one. `state_dict` after a step, loaded into a new miner beside the state of model and optimiser, goes on as if nothing
    had happened, bit for bit; global random numbers are never drawn. A refresh takes the time of encoding, and that of
    `hardmine.mine_hard_negatives` on the CPU; memory 4 d bytes a row of the pool. Not run on a GPU yet.

    Examples
    --------
    >>> import torch
    >>> from hardmine.torch.miners import RefreshingMiner
    >>> model, x, labels = torch.nn.Linear(8, 4), torch.randn(100, 8), torch.arange(100) % 5
    >>> miner = RefreshingMiner(model, x, labels, every=2, batch_size=16)
    >>> for _, (anchors, positives, negatives) in zip(range(5), miner):
    ...     assert (labels[anchors] == labels[positives]).all() and (labels[anchors] != labels[negatives]).all()
    >>> miner.step, miner.refreshes
    (5, 3)
    """

    def __init__(
        self,
        encode: Callable[[Any], torch.Tensor],
        dataset: Any,
        labels: torch.Tensor,
        *,
        every: int,
        batch_size: int,
        pool_size: int | None = None,
        positive: Positive = "random",
        encode_batch_size: int = 256,
        loader: dict[str, Any] | None = None,
        seed: int = 0,
        **options: Any,
    ) -> None:
        unknown = sorted(set(options) - OPTIONS)
        if unknown:
            raise TypeError(f"{unknown[0]}: expected an option of mine_hard_negatives that is not the loop's own")
        self.encode, self.dataset, self.labels = encode, dataset, on_cpu(torch.as_tensor(labels))
        if tuple(self.labels.shape) != (len(dataset),):
            raise ValueError(f"labels: expected {len(dataset)} integers, got shape {tuple(self.labels.shape)}")
        if self.labels.is_floating_point() or self.labels.dtype == torch.bool:
            raise TypeError(f"labels: expected integers, got {self.labels.dtype}")
        self.device = dataset.device if isinstance(dataset, torch.Tensor) else torch.device("cpu")
        self.every, self.batch_size = _arguments.positive("every", every), _arguments.positive("batch_size", batch_size)
        self.pool_size = None if pool_size is None else _arguments.whole("pool_size", pool_size, 2, len(dataset))
        _arguments.one_of("positive", positive, get_args(Positive))
        self.positive = positive
        self.encode_batch_size = _arguments.positive("encode_batch_size", encode_batch_size)
        if loader and isinstance(dataset, torch.Tensor):
            raise ValueError("loader: expected None beside a tensor, which needs no loader")
        self.loader, self.seed = dict(loader or {}), _arguments.whole("seed", seed)
        self.options: dict[str, Any] = {"num_negatives": 1, **options}
        self.step = self.refreshes = self.place = self.passes = 0
        self.seconds = {"encoding": 0.0, "mining": 0.0, "training": 0.0}
        self.stats: dict[str, Any] = {}
        self._triplets = torch.empty(3, 0, dtype=torch.int64)
        self._order = torch.empty(0, dtype=torch.int64)
        self._given: float | None = None  # when the last batch was

    def __iter__(self) -> Iterator[Triplets]:
        self._given = None
        return self

    def __next__(self) -> Triplets:
        if self._given is not None:
            self.seconds["training"] += time.perf_counter() - self._given
        if self.step % self.every == 0:
            self.refresh()
        if self.place and self.place + self.batch_size > len(self._order):
            self.place, self.passes = 0, self.passes + 1
            self._order = self._shuffled()
        chosen = self._order[self.place : self.place + self.batch_size]
        self.place, self.step = self.place + len(chosen), self.step + 1
        anchors, positives, negatives = self._triplets[:, chosen].to(self.device)
        self._given = time.perf_counter()
        return anchors, positives, negatives

    def refresh(self) -> None:
        """Encode the pool and mine it now."""
        start = time.perf_counter()
        pool = self._pool()
        rows = encode_rows(self.encode, self.dataset, pool, self.encode_batch_size, self.loader)
        encoded = time.perf_counter()
        labels = self.labels[pool]
        mined = mine_hard_negatives(
            rows,
            query_labels=labels,
            positive_reference="min" if self.positive == "farthest" else "max",
            seed=int(_random.bits(self.seed, MINING, self.refreshes, 0).item()),
            **self.options,
        )
        queries, negatives = (torch.as_tensor(part) for part in mined.pairs())
        if self.positive == "random":
            positives = self._drawn(labels, queries)
        else:
            positives = torch.as_tensor(mined.positive_indices)[queries]
        known = positives >= 0
        if not bool(known.any()):
            raise ValueError(f"refresh: expected a triplet, got none among {len(pool)} rows; widen the limits or the pool")
        self._triplets = pool[torch.stack([queries[known], positives[known], negatives[known]])]
        self.stats = {**mined.stats, "positives_missing": int((~known).sum())}
        self.refreshes, self.place, self.passes = self.refreshes + 1, 0, 0
        self._order = self._shuffled()
        self.seconds["encoding"] += encoded - start
        self.seconds["mining"] += time.perf_counter() - encoded

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs to go on after the last batch.

        Returns
        -------
        dict
            Integers, floats and the triplets of the last refresh, a tensor of shape (3, t) on the CPU; `torch.save` takes it.
        """
        counts = {"step": self.step, "refreshes": self.refreshes, "place": self.place, "passes": self.passes}
        return {**counts, "seconds": dict(self.seconds), "triplets": self._triplets.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another miner of the same arguments was.

        Parameters
        ----------
        state : dict
            What its `state_dict` returned.
        """
        self.step, self.refreshes = state["step"], state["refreshes"]
        self.place, self.passes = state["place"], state["passes"]
        self.seconds, self._triplets = dict(state["seconds"]), on_cpu(state["triplets"]).clone()
        self._order, self._given = self._shuffled(), None

    def _pool(self) -> torch.Tensor:
        count = len(self.labels)
        if self.pool_size is None or self.pool_size == count:
            return torch.arange(count)
        chosen = self._permutation(POOL, self.refreshes, 0, count)[: self.pool_size]
        return chosen.sort().values

    def _shuffled(self) -> torch.Tensor:
        return self._permutation(ORDER, self.refreshes, self.passes, self._triplets.shape[1])

    def _permutation(self, stream: int, row: int, column: int, count: int) -> torch.Tensor:
        """A random order that depends on the seed and these numbers alone."""
        seed = int(_random.bits(self.seed, stream, row, column).item())
        keys = _random.bits(seed, stream, 0, torch.arange(count).numpy())
        return torch.from_numpy(keys.argsort(kind="stable"))

    def _drawn(self, labels: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
        """For each triplet a row of its query's label, not the query: -1 where it is alone."""
        order = labels.argsort(stable=True)
        place = torch.empty_like(order)
        place[order] = torch.arange(len(order))
        _, group, sizes = labels.unique(return_inverse=True, return_counts=True)
        start = (sizes.cumsum(0) - sizes)[group[queries]]
        others = sizes[group[queries]] - 1
        random = _random.uniform(self.seed, POSITIVE, self.refreshes, torch.arange(len(queries)).numpy())
        drawn = (torch.from_numpy(random) * others).long()
        drawn += (drawn >= place[queries] - start).long()  # step over the query itself
        return torch.where(others > 0, order[(start + drawn).clamp_max(len(order) - 1)], -1)
