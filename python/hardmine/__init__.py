"""Exact nearest neighbours among the rows that are allowed, and hard negatives mined with them."""

from hardmine.codes import pack, unpack
from hardmine.duplicates import sample_non_duplicate_split
from hardmine.filter import Filter
from hardmine.mining import MinedNegatives, mine_hard_negatives
from hardmine.neighbors import Neighbors, merge
from hardmine.search import pair_distances, pairwise, topk

__version__ = "0.1.0"

__all__ = [
    "Filter",
    "MinedNegatives",
    "Neighbors",
    "merge",
    "mine_hard_negatives",
    "pack",
    "pair_distances",
    "pairwise",
    "sample_non_duplicate_split",
    "topk",
    "unpack",
]
