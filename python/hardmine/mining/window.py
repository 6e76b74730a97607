"""The candidates that negatives are drawn from: the nearest rows of each query, kept so that drawing again needs no scan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardmine._arrays import Floats, Ints
from hardmine.mining import drawing
from hardmine.mining.options import Options


@dataclass(frozen=True)
class Window:
    """The candidates a result was drawn from, hardest first, and all that drawing again needs."""

    indices: Ints  # (n, width); -1 where there are fewer
    scores: Floats
    allowed: NDArray[np.bool_]  # by all but thresholds; False where there is no row
    dimensions: int
    labels: Ints | None  # of the base, where a cap counts them
    unfiltered: bool  # whether no threshold kept anything out of it
    final: bool  # whether mining anew would look at nothing beyond it, whatever the thresholds
    query_ids: Ints  # the numbers that draws are functions of

    def draw(self, passed: NDArray[np.bool_], positive_scores: Floats, options: Options) -> Ints:
        """Columns of the negatives taken, (n, wanted), of the candidates that are allowed and have passed."""
        passed = passed & self.allowed
        if options.max_per_label is not None and self.labels is not None and len(self.labels):
            passed = _cap(passed, self.labels[self.indices], options.max_per_label)
        first, last = options.range_min, options.range_max
        if options.rank_base == "raw":
            passed[:, :first] = False
        elif first > 0 or last < passed.shape[1]:
            rank = np.cumsum(passed, axis=1, dtype=np.int32)
            passed &= (rank > first) & (rank <= last)
        strategy, values = options.sampling_strategy, options.sampling_params
        wanted = options.num_negatives - options.num_random
        if strategy in drawing.WITHOUT_DRAW:
            return drawing.nearest(passed, wanted)
        weights = drawing.log_weights(self.scores, strategy, values, positive_scores, options.metric, self.dimensions)
        return drawing.choose(weights, passed, self.indices, self.query_ids, wanted, options.seed)

    def take(self, columns: Ints) -> tuple[Ints, Floats]:
        """The rows and scores of some columns (n, wanted) of each row; -1 and -inf where the column is -1."""
        n, width = self.indices.shape
        flat, missing = np.maximum(columns, 0) + np.arange(n)[:, None] * width, columns < 0
        indices, scores = self.indices.ravel().take(flat), self.scores.ravel().take(flat)
        indices[missing], scores[missing] = -1, -np.inf
        return indices, scores

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """All of it as named arrays, for a file."""
        arrays: dict[str, NDArray[Any]] = {
            "indices": self.indices,
            "scores": self.scores,
            "allowed": self.allowed,
            "query_ids": self.query_ids,
            "about": np.array([self.dimensions, self.unfiltered, self.final]),
        }
        return arrays if self.labels is None else {**arrays, "labels": self.labels}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Window:
        """What `to_arrays` was made of."""
        dimensions, unfiltered, final = arrays["about"].tolist()
        parts = {name: arrays[name] for name in ("indices", "scores", "allowed", "query_ids")}
        return cls(**parts, labels=arrays.get("labels"), dimensions=dimensions, unfiltered=bool(unfiltered), final=bool(final))


def _cap(passed: NDArray[np.bool_], labels: Ints, cap: int) -> NDArray[np.bool_]:
    """Of what has passed, the first `cap` of each label in each row."""
    order = np.lexsort((labels, ~passed), axis=1)  # what has passed first, by label; among equal ones as they come
    ordered = np.take_along_axis(labels, order, axis=1)
    beyond = np.zeros(passed.shape, bool)
    if cap < passed.shape[1]:
        beyond[:, cap:] = ordered[:, cap:] == ordered[:, :-cap]
    dropped = np.zeros(passed.shape, bool)
    np.put_along_axis(dropped, order, beyond, axis=1)
    return passed & ~dropped
