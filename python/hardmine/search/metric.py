"""The metrics, by name."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np

from hardmine import _arguments, _core

Metric: TypeAlias = Literal["sqeuclidean", "euclidean", "cosine", "inner_product", "hamming"]
FLOAT_METRICS: dict[str, _core.Metric] = dict(_core.Metric.__members__)
Distances = TypeVar("Distances")
METRICS = (*FLOAT_METRICS, "hamming")


def distance_type(metric: str) -> type[np.float32] | type[np.int32]:
    """Distances of floats are float32, those of codes whole numbers."""
    return np.int32 if metric == "hamming" else np.float32


def check_float_metric(metric: str) -> None:
    """Raise unless `metric` is one of float rows."""
    _arguments.one_of("metric", metric, FLOAT_METRICS)


def similarity(distances: Distances, metric: str) -> Distances:
    """The scores of distances, larger is nearer; 0 - x and not -x, which would give zeros a sign."""
    numbers: Any = distances
    scores: Distances = (1 if metric == "cosine" else 0) - numbers
    return scores
