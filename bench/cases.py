"""The named cases, and why each is here."""

from __future__ import annotations

from typing import Any

import numpy as np

import hardmine
from bench import losses, mining_rivals, near_rivals, pytorch, rivals
from bench.batch import AllTriplets, HardTriplets, Triplets
from bench.case import Case
from bench.duplicates import Clusters, Curve, search_alone
from bench.mining import Epoch, EveryFilter, ManyPositives, NearDuplicates, Refilter
from bench.near import Closest, CodeRadius, Histogram, NearHistogram, Radius
from bench.retrieval import Ranks, Retrieval
from bench.search import AveragePrecision, CodeSearch, IndexSearch, KeptSearch, Matrix, Search
from bench.sources import SourceSearch


def exclude_100(rng: Any, n: int, m: int) -> hardmine.Filter:
    return hardmine.Filter(exclude=(np.arange(n + 1) * 100, rng.integers(0, m, n * 100)))


def own_group(rng: Any, n: int, m: int) -> hardmine.Filter:
    return hardmine.Filter(query_groups=rng.integers(0, 1000, n), base_groups=rng.integers(0, 1000, m))


EVERYONE = (rivals.faiss, rivals.sklearn, rivals.torch)
CASES: list[Case] = [
    Search("d512-k5", "the near-duplicate protocol: 4,400 x 80,000, hn2", 4400, 80_000, 512, 5, rivals=EVERYONE),
    Search("d512-k100", "a wide candidate window", 4400, 80_000, 512, 100, rivals=EVERYONE),
    Search("d128-k5", "SIFT-like width", 4400, 80_000, 128, 5, rivals=EVERYONE),
    Search("d64-k10", "small embeddings: selection weighs", 4400, 80_000, 64, 10, rivals=EVERYONE),
    Search("d32-k10", "smaller still", 4400, 80_000, 32, 10, rivals=EVERYONE),
    Search("d768-k10", "text embeddings, a thousand queries", 1000, 200_000, 768, 10, rivals=EVERYONE),
    Search("d256-k10", "two hundred queries: packing weighs", 200, 200_000, 256, 10, rivals=EVERYONE),
    Search("join-d96", "100,000 x 100,000, a self-join", 100_000, 100_000, 96, 10),
    Search(
        "join-400k", "a self-join whose results are beyond 96 MiB", 400_000, 400_000, 96, 10,
        rivals=(near_rivals.by_base,),
    ),
    KeptSearch(
        "kept", "pieces kept in a folder, each a 64th of what they are", 40_000, 200_000, 128, 10,
        rivals=(rivals.without_checkpoint,),
    ),
    KeptSearch(
        "kept-join", "the same of a self-join by slabs", 200_000, 200_000, 128, 100, rivals=(rivals.without_checkpoint,)
    ),
    Search("one-query", "bound by memory", 1, 1_000_000, 128, 10),
    Search("four-queries", "bound by memory", 4, 1_000_000, 128, 10),
    Search("eight-queries", "bound by memory", 8, 1_000_000, 128, 10),
    IndexSearch(
        "index-one", "one query of a prepared base", 1, 1_000_000, 128, 10, rivals=(rivals.faiss, rivals.without_index)
    ),
    IndexSearch(
        "index-eight", "eight queries of a prepared base", 8, 1_000_000, 128, 10,
        rivals=(rivals.faiss, rivals.without_index),
    ),
    IndexSearch(
        "index-64", "between few and many queries of a prepared base", 64, 1_000_000, 128, 10,
        rivals=(rivals.faiss, rivals.without_index),
    ),
    Search("wordnet", "real text embeddings against themselves", 117_659, 117_659, 256, 10, "cosine", data="wordnet"),
    Search(
        "exclude-100", "100 excluded rows for each query", 4400, 80_000, 128, 10,
        rivals=(rivals.unfiltered, rivals.faiss_selector), where=exclude_100,
    ),
    Search(
        "own-group", "the query's own group excluded", 4400, 80_000, 128, 10,
        rivals=(rivals.unfiltered, rivals.faiss_selector), where=own_group,
    ),
    Matrix(
        "matrix", "the whole matrix", 4400, 20_000, 512, metric="euclidean",
        rivals=(rivals.torch_cdist, rivals.sklearn_distances, rivals.scipy_cdist),
    ),
    Search("million", "memory at a million rows", 3000, 1_000_000, 128, 10),
    *(
        SourceSearch(
            f"on-disk-{kind}", "a base of 4 GiB on local disk, beside the same rows in memory", 3000, 8 << 20, 128, 10,
            rivals=(rivals.in_memory,), kind=kind,
        )
        for kind in ("zarr", "parquet", "h5")
    ),
    CodeSearch("bits64-k10", "codes of 64 bits", 2000, 1_000_000, 64, 10),
    CodeSearch("bits64-k100", "the same, a wider window", 2000, 1_000_000, 64, 100),
    CodeSearch("bits64-k5000", "the k of mAP@5000", 500, 1_000_000, 64, 5000),
    CodeSearch("bits128-k10", "codes of 128 bits", 1000, 1_000_000, 128, 10),
    CodeSearch("bits256-k10", "codes of 256 bits", 1000, 1_000_000, 256, 10),
    CodeSearch("bits512-k10", "codes of 512 bits", 500, 1_000_000, 512, 10),
    CodeSearch("bits1024-k10", "codes of 1,024 bits", 300, 1_000_000, 1024, 10),
    CodeSearch("bits64-planted", "a tenth of the base near a query", 2000, 1_000_000, 64, 10, data="planted"),
    CodeSearch("bits256-planted", "the same, 256 bits", 1000, 1_000_000, 256, 10, data="planted"),
    CodeSearch("bits64-one", "one query: bound by memory", 1, 4_000_000, 64, 10),
    CodeSearch("bits1024-one", "the same, 1,024 bits", 1, 1_000_000, 1024, 10),
    Radius(
        "radius-1e5", "all pairs within a radius that keeps some 1e-5 of them", 100_000, 100_000, 128,
        rivals=(near_rivals.faiss_range, near_rivals.sklearn_radius),
    ),
    Closest(
        "closest-1000", "the thousand nearest of all pairs", 100_000, 100_000, 128, 1000, rivals=(near_rivals.self_join,)
    ),
    NearHistogram(
        "histogram-10k", "thresholds of near-duplicates; k is the edges", 100_000, 100_000, 128, 10_000,
        rivals=(near_rivals.self_join,),
    ),
    Histogram(
        "histogram-wide", "all pairs by distance; k is the edges", 20_000, 20_000, 128, 1001,
        rivals=(near_rivals.numpy_histogram,),
    ),
    CodeRadius(
        "codes-radius", "all pairs of codes within k bits", 1_000_000, 1_000_000, 64, 3,
        rivals=(near_rivals.faiss_code_range,),
    ),
    Curve(
        "pair-roc", "the exact ROC curve of all pairs, planted near-duplicates", 100_000, 100_000, 128,
        rivals=(near_rivals.self_join,),
    ),
    Clusters(
        "clusters", "near_duplicates beside its search, planted ones and copies", 500_000, 500_000, 256,
        rivals=(search_alone,),
    ),
    EveryFilter(
        "mine-nq", "every filter on, sentence-transformers' NQ case; k is the window", 100_231, 100_231, 384, 50,
        rivals=(rivals.unfiltered, rivals.faiss),
    ),
    ManyPositives(
        "mine-500", "500 positives of each query, all nearer than its negatives", 10_000, 100_000, 384, 5,
        rivals=(rivals.unfiltered, mining_rivals.faiss_overfetch),
    ),
    NearDuplicates(
        "near-duplicates", "the near-duplicate protocol: hn1 and hn2 of 4,400 x 80,000", 4400, 80_000, 512, 5,
        rivals=(mining_rivals.hn1_and_hn2(rivals.unfiltered), mining_rivals.hn1_and_hn2(rivals.faiss)),
    ),
    Epoch(
        "epoch", "GeM's epoch: at most one negative of each cluster", 2000, 20_000, 2048, 5,
        rivals=(rivals.unfiltered, mining_rivals.sort_and_walk, mining_rivals.torch_product),
    ),
    Refilter(
        "refilter", "other thresholds without a scan; k is the window", 100_000, 5000, 32, 60,
        rivals=(mining_rivals.mine_anew,),
    ),
    AllTriplets(
        "batch-all", "all triplets of 60 classes of 10", 600, 600, 128, 10,
        rivals=(mining_rivals.pml_all, mining_rivals.oml_all),
    ),
    Triplets(
        "batch-semihard", "semihard triplets of the same batch", 600, 600, 128, 10,
        rivals=(mining_rivals.pml_semihard,), type_of_triplets="semihard",
    ),
    HardTriplets(
        "batch-hard", "the hardest triplets of 512 classes of 8", 4096, 4096, 128, 8,
        rivals=(mining_rivals.pml_batch_hard,),
    ),
    Retrieval(
        "retrieval", "recall@k, MAP@R and micro AP of 20,000 rows of classes of 100, and topk alone", 20_000, 20_000, 256, 100,
        "cosine",
    ),
    Ranks("ranks", "the ranks of planted rows, and topk alone", 5000, 1_000_000, 256, 10),
    *(
        losses.TrainingLoss(f"loss-{name}", "forward and backward", 512, 1000, 64, rivals=(losses.plain,), loss=name)
        for name in losses.LOSSES
    ),
    pytorch.Batch("batch-miner", "BatchMiner, batch_hard; k rows a class", 600, 600, 128, 4, rivals=(pytorch.pml_miner,)),
    pytorch.Bank(
        "memory-bank", "the nearest negatives of a batch in a memory; the rival finds multi-similarity pairs",
        256, 65_536, 128, 10, rivals=(pytorch.pml_miner,),
    ),
    pytorch.Refresh(
        "refresh", "mining of a refresh; the rival is an epoch of a small CNN: over 50 is under 2 %",
        50_000, 50_000, 128, 10, rivals=(pytorch.training,),
    ),
    AveragePrecision("map-5000", "mAP@5000, COCO's size", 5000, 117_000, 64, 5000, rivals=(rivals.argsort_loop,)),
]  # fmt: skip
