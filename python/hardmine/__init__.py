"""Exact nearest neighbours among the rows that are allowed: hard negatives mined with them, hash centers, codes judged."""

from hardmine.duplicates.duplicates import Duplicates
from hardmine.duplicates.near_duplicates import near_duplicates
from hardmine.duplicates.pair_roc import pair_roc
from hardmine.duplicates.roc import PairROC
from hardmine.duplicates.split import sample_non_duplicate_split
from hardmine.evaluation.code_retrieval import (
    PrecisionRecall,
    mean_average_precision,
    precision_at_k,
    precision_recall_curve,
    precision_within_radius,
)
from hardmine.evaluation.pooled_predictions import MicroAveragePrecision, map_at_k, micro_average_precision
from hardmine.evaluation.ranks import rank_of
from hardmine.evaluation.retrieval_metrics import RetrievalMetrics, retrieval_metrics
from hardmine.evaluation.revisited import RevisitedMap, revisited_map
from hardmine.evaluation.score_normalization import score_normalize
from hardmine.evaluation.verification import Verification, verify
from hardmine.hashing.centers import HashCenters, assign_centers, assign_classes, hash_centers, semantic_centers
from hardmine.hashing.codes import pack, unpack
from hardmine.mining.batch.pairs import mine_pairs
from hardmine.mining.batch.triplets import mine_triplets
from hardmine.mining.deep_ranking.ranking_triplets import score_at_top_k, similarity_precision
from hardmine.mining.deep_ranking.relevance import total_relevance
from hardmine.mining.deep_ranking.relevance_triplets import RelevanceTripletSampler
from hardmine.mining.hard_examples import select_hard_examples
from hardmine.mining.mined import MinedNegatives
from hardmine.mining.negatives import mine_hard_negatives
from hardmine.overlap.agreement import Agreement, fleiss_kappa
from hardmine.overlap.clean_split import CleanSplit
from hardmine.overlap.find import find_overlap
from hardmine.overlap.leaky_splits import LeakySplits, leaky_splits
from hardmine.overlap.report import OverlapReport
from hardmine.reranking.diffusion import diffusion
from hardmine.reranking.expansion import alpha_query_expansion, database_augmentation
from hardmine.reranking.k_reciprocal import k_reciprocal
from hardmine.review.votes import Reviews, load_reviews
from hardmine.screens import Explanation, explain
from hardmine.search.closest_pairs import closest_pairs
from hardmine.search.distance_histogram import distance_histogram
from hardmine.search.distances import pair_distances, pairwise
from hardmine.search.filter import Filter
from hardmine.search.index import Index
from hardmine.search.neighbors import Neighbors, merge
from hardmine.search.pairs import Pairs
from hardmine.search.radius_neighbors import radius_neighbors
from hardmine.search.topk import topk
from hardmine.sources.opening import open_rows
from hardmine.sources.writing import write_rows

__version__ = "0.1.0"

__all__ = [
    "Agreement",
    "CleanSplit",
    "Duplicates",
    "Explanation",
    "Filter",
    "HashCenters",
    "Index",
    "LeakySplits",
    "MicroAveragePrecision",
    "MinedNegatives",
    "Neighbors",
    "OverlapReport",
    "PairROC",
    "Pairs",
    "PrecisionRecall",
    "RelevanceTripletSampler",
    "RetrievalMetrics",
    "Reviews",
    "RevisitedMap",
    "Verification",
    "alpha_query_expansion",
    "assign_centers",
    "assign_classes",
    "closest_pairs",
    "database_augmentation",
    "diffusion",
    "distance_histogram",
    "explain",
    "find_overlap",
    "fleiss_kappa",
    "hash_centers",
    "k_reciprocal",
    "leaky_splits",
    "load_reviews",
    "map_at_k",
    "mean_average_precision",
    "merge",
    "micro_average_precision",
    "mine_hard_negatives",
    "mine_pairs",
    "mine_triplets",
    "near_duplicates",
    "open_rows",
    "pack",
    "pair_distances",
    "pair_roc",
    "pairwise",
    "precision_at_k",
    "precision_recall_curve",
    "precision_within_radius",
    "radius_neighbors",
    "rank_of",
    "retrieval_metrics",
    "revisited_map",
    "sample_non_duplicate_split",
    "score_at_top_k",
    "score_normalize",
    "select_hard_examples",
    "semantic_centers",
    "similarity_precision",
    "topk",
    "total_relevance",
    "unpack",
    "verify",
    "write_rows",
]
