"""The rivals in mining; see rivals.py. They return indices: of negatives, or of triplets."""

from __future__ import annotations

from dataclasses import replace
from functools import wraps
from typing import Any

import numpy as np

from bench.batch import Triplets
from bench.case import Call, Case, Inputs, Rival
from bench.mining import THRESHOLDS, Refilter, arrays, walk
from bench.rivals import faiss


def faiss_overfetch(case: Case, inputs: Inputs, threads: int) -> Call:
    """FAISS asked for as many more as a query has positives, which are then dropped, a thousand queries at a time."""
    start, positives = inputs.arguments["positives"]
    counts, m = np.diff(start), len(inputs.against)
    search = faiss(replace(case, k=case.k + int(counts.max())), inputs, threads)

    def call() -> Any:
        fetched, parts = search(), []
        for first in range(0, len(fetched), 1000):
            rows = fetched[first : first + 1000]
            allowed = np.ones((len(rows), m), bool)
            listed = np.repeat(np.arange(len(rows)), counts[first : first + 1000])
            allowed[listed, positives[start[first] : start[first + len(rows)]]] = False
            kept = np.take_along_axis(allowed, rows, axis=1)
            kept &= np.cumsum(kept, axis=1) <= case.k
            parts.append(rows[kept].reshape(len(rows), case.k))
        return np.concatenate(parts)

    return call


def hn1_and_hn2(rival: Rival) -> Rival:
    """One neighbour and `k`, in two searches."""

    @wraps(rival)
    def twice(case: Case, inputs: Inputs, threads: int) -> Call:
        hn1, hn2 = rival(replace(case, k=1), inputs, threads), rival(case, inputs, threads)
        return lambda: (hn1(), hn2())

    return twice


def mine_anew(case: Refilter, inputs: Inputs, threads: int) -> Call:
    """hardmine's scan with the thresholds."""
    return lambda: arrays(case.mined(inputs, threads, **THRESHOLDS))


def sort_and_walk(case: Case, inputs: Inputs, threads: int) -> Call:
    """As cirtorch mines an epoch: all scores, each query's fully sorted, and a loop over them in Python."""
    import torch

    own, clusters = inputs.arguments["query_labels"].tolist(), inputs.arguments["base_labels"].tolist()
    product = torch_product(case, inputs, threads)

    def call() -> Any:
        ranks = torch.sort(product(), dim=0, descending=True)[1].numpy()
        return np.array([walk(ranks[:, i], clusters, own[i], case.k) for i in range(len(own))])

    return call


def torch_product(case: Case, inputs: Inputs, threads: int) -> Call:
    """The scores alone: what takes longer is selection."""
    import torch

    torch.set_num_threads(threads)
    queries, base = torch.from_numpy(inputs.queries), torch.from_numpy(inputs.base)
    return lambda: base @ queries.T


def pml_all(case: Triplets, inputs: Inputs, threads: int) -> Call:
    """pytorch-metric-learning's list of all triplets, of the labels alone."""
    from pytorch_metric_learning.utils.loss_and_miner_utils import get_all_triplets_indices

    _, labels = _tensors(inputs, threads)
    return lambda: get_all_triplets_indices(labels)


def oml_all(case: Triplets, inputs: Inputs, threads: int) -> Call:
    """open-metric-learning's list of all triplets, of the labels alone."""
    import torch
    from oml.miners.inbatch_all_tri import get_available_triplets

    torch.set_num_threads(threads)
    labels = inputs.arguments["labels"].tolist()
    return lambda: get_available_triplets(labels)


def pml_semihard(case: Triplets, inputs: Inputs, threads: int) -> Call:
    """pytorch-metric-learning's TripletMarginMiner."""
    from pytorch_metric_learning.miners import TripletMarginMiner

    miner, batch = TripletMarginMiner(margin=case.margin, type_of_triplets="semihard"), _tensors(inputs, threads)
    return lambda: miner(*batch)


def pml_batch_hard(case: Triplets, inputs: Inputs, threads: int) -> Call:
    """pytorch-metric-learning's BatchHardMiner."""
    from pytorch_metric_learning.miners import BatchHardMiner

    miner, batch = BatchHardMiner(), _tensors(inputs, threads)
    return lambda: miner(*batch)


def _tensors(inputs: Inputs, threads: int) -> tuple[Any, Any]:
    import torch

    torch.set_num_threads(threads)
    return torch.from_numpy(inputs.queries), torch.from_numpy(inputs.arguments["labels"])
