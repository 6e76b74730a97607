"""All properties by their names."""

from __future__ import annotations

import numpy as np

from . import (
    batches,
    codes,
    distances,
    duplicates,
    indexes,
    intervals,
    invariance,
    judging,
    large,
    merging,
    mining,
    mutation,
    near_pairs,
    overlaps,
    rankings,
    refiltering,
    retrieval,
    sampling,
    search,
    training,
    verification,
)
from .cases import Property

MODULES = (
    search, indexes, near_pairs, duplicates, distances, invariance, merging, codes, rankings, retrieval, judging, mining,
    refiltering, batches, training, sampling, intervals, verification, overlaps, mutation, large,
)  # fmt: skip
PROPERTIES: dict[str, Property] = {one.name: one for module in MODULES for one in module.PROPERTIES}


def named(only: str | None) -> list[Property]:
    """Those of that name or, without a name, all that a session draws from."""
    if only is not None:
        return [PROPERTIES[only]]
    return [one for one in PROPERTIES.values() if one.weight and one.available()]


def of_seed(seed: int, properties: list[Property]) -> Property:
    """The property that a seed stands for."""
    weights = np.array([one.weight or 1 for one in properties])
    return properties[np.random.default_rng(seed).choice(len(properties), p=weights / weights.sum())]
