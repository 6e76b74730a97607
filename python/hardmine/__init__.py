"""Exact nearest neighbours among the rows that are allowed: hard negatives mined with them, hash centers, codes judged.

Each name comes from its module when it is first asked for, so that a script waits for no more than it uses. Type checkers read
`__init__.pyi`, which says the same.
"""

from importlib import import_module
from typing import Any

from hardmine import _core as _core  # says at once if it cannot run here

__version__ = "0.1.0"

_MODULES = {
    "duplicates.duplicates": "Duplicates",
    "duplicates.near_duplicates": "near_duplicates",
    "duplicates.pair_roc": "pair_roc",
    "duplicates.roc": "PairROC",
    "duplicates.split": "sample_non_duplicate_split",
    "evaluation.code_retrieval": "PrecisionRecall mean_average_precision precision_at_k precision_recall_curve "
    "precision_within_radius",
    "evaluation.pooled_predictions": "MicroAveragePrecision map_at_k micro_average_precision",
    "evaluation.ranks": "rank_of",
    "evaluation.retrieval_metrics": "RetrievalMetrics retrieval_metrics",
    "evaluation.revisited": "RevisitedMap revisited_map",
    "evaluation.score_normalization": "score_normalize",
    "evaluation.verification": "Verification verify",
    "hashing.centers": "HashCenters assign_centers assign_classes hash_centers semantic_centers",
    "hashing.codes": "pack unpack",
    "mining.batch.pairs": "mine_pairs",
    "mining.batch.triplets": "mine_triplets",
    "mining.deep_ranking.ranking_triplets": "score_at_top_k similarity_precision",
    "mining.deep_ranking.relevance": "total_relevance",
    "mining.deep_ranking.relevance_triplets": "RelevanceTripletSampler",
    "mining.hard_examples": "select_hard_examples",
    "mining.mined": "MinedNegatives",
    "mining.negatives": "mine_hard_negatives",
    "overlap.agreement": "Agreement fleiss_kappa",
    "overlap.clean_split": "CleanSplit",
    "overlap.find": "find_overlap",
    "overlap.leaky_splits": "LeakySplits leaky_splits",
    "overlap.report": "OverlapReport",
    "reranking.diffusion": "diffusion",
    "reranking.expansion": "alpha_query_expansion database_augmentation",
    "reranking.k_reciprocal": "k_reciprocal",
    "review.votes": "Reviews load_reviews",
    "screens": "Explanation explain",
    "search.closest_pairs": "closest_pairs",
    "search.distance_histogram": "distance_histogram",
    "search.distances": "pair_distances pairwise",
    "search.filter": "Filter",
    "search.index": "Index",
    "search.neighbors": "Neighbors merge",
    "search.pairs": "Pairs",
    "search.radius_neighbors": "radius_neighbors",
    "search.topk": "topk",
    "sources.opening": "open_rows",
    "sources.writing": "write_rows",
}
_HOME = {name: module for module, names in _MODULES.items() for name in names.split()}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'hardmine' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"hardmine.{_HOME[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
