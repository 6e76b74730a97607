"""Exact nearest neighbours among the rows that are allowed: hard negatives mined with them, hash centers, codes judged."""

from hardmine.centers import HashCenters, assign_centers, assign_classes, hash_centers, semantic_centers
from hardmine.codes import pack, unpack
from hardmine.duplicates import sample_non_duplicate_split
from hardmine.evaluation import (
    PrecisionRecall,
    mean_average_precision,
    precision_at_k,
    precision_recall_curve,
    precision_within_radius,
)
from hardmine.filter import Filter
from hardmine.mined import MinedNegatives
from hardmine.mining import mine_hard_negatives
from hardmine.neighbors import Neighbors, merge
from hardmine.pairs import mine_pairs
from hardmine.search import pair_distances, pairwise, topk
from hardmine.triplets import mine_triplets

__version__ = "0.1.0"

__all__ = [
    "Filter",
    "HashCenters",
    "MinedNegatives",
    "Neighbors",
    "PrecisionRecall",
    "assign_centers",
    "assign_classes",
    "hash_centers",
    "mean_average_precision",
    "merge",
    "mine_hard_negatives",
    "mine_pairs",
    "mine_triplets",
    "pack",
    "pair_distances",
    "pairwise",
    "precision_at_k",
    "precision_recall_curve",
    "precision_within_radius",
    "sample_non_duplicate_split",
    "semantic_centers",
    "topk",
    "unpack",
]
