"""Which negatives of a window are taken: the nearest, or a draw whose law depends on their scores.

Every law is one: the n largest of log w + G, G a Gumbel number for each pair, are n draws without replacement with
probabilities proportional to w (Efraimidis and Spirakis 2006). In the log domain no weight underflows: distance weighting in
512 dimensions has weights hundreds of orders of magnitude apart. The Gumbel number of a pair is a function of the seed, the
query and the base row alone, so that a query draws the same whoever is mined beside it.

| strategy | log w of a score s, p the reference positive's |
| --- | --- |
| top | the score itself, without a draw |
| random | 0 |
| softmax | s / temperature |
| semihard | the score itself, of p - margin < s < p |
| violating | 0, of s > p - margin |
| distance_weighted | (2 - d) log x - (d - 3) / 2 log(1 - x^2 / 4), x the distance of unit rows, raised to `cutoff` |
| ambiguous | -a (s - p - b)^2 |
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from hardmine import _arguments, _random, _sphere
from hardmine._arrays import Floats, Ints
from hardmine.mining.limits import Reals, ScoreLimits

Strategy: TypeAlias = Literal["top", "random", "softmax", "semihard", "violating", "distance_weighted", "ambiguous"]
STRATEGIES: tuple[str, ...] = get_args(Strategy)
PARAMETERS: dict[str, dict[str, float]] = {
    "top": {},
    "random": {},
    "softmax": {"temperature": 0.05},
    "semihard": {"margin": 0.2},
    "violating": {"margin": 0.1},
    "distance_weighted": {"cutoff": 0.5, "beyond": 1.4},
    "ambiguous": {"a": 1.0, "b": 0.0},
}
NEEDS_POSITIVE = ("semihard", "violating", "ambiguous")
WITHOUT_DRAW = ("top", "semihard")
GUMBEL, FILL = 0, 1  # streams of random numbers


def check_strategy(strategy: Any, parameters: dict[str, float] | None, metric: str, known_positives: bool) -> dict[str, float]:
    """The parameters of a strategy, with its defaults, or raise."""
    _arguments.one_of("sampling_strategy", strategy, STRATEGIES)
    defaults = PARAMETERS[strategy]
    given = {} if parameters is None else parameters
    if not isinstance(given, dict):
        raise TypeError(f"sampling_params: expected a dict, got {type(given).__name__}")
    unknown = sorted(set(given) - set(defaults))
    if unknown:
        good = ", ".join(defaults) or "none"
        raise ValueError(f"sampling_params: expected {good} for {strategy}, got {', '.join(unknown)}")
    values = {**defaults, **{name: float(value) for name, value in given.items()}}
    if strategy in NEEDS_POSITIVE and not known_positives:
        raise ValueError(f"sampling_strategy: expected labels or positives beside {strategy}, got neither")
    if strategy == "softmax" and not values["temperature"] > 0:
        raise ValueError(f"sampling_params: expected a temperature above 0, got {values['temperature']}")
    if strategy == "distance_weighted" and metric not in ("cosine", "euclidean", "sqeuclidean"):
        raise ValueError(f"sampling_strategy: expected distances for distance_weighted, got metric {metric!r}")
    if strategy == "distance_weighted" and not 0 < values["cutoff"] < values["beyond"] <= 2:
        raise ValueError("sampling_params: expected 0 < cutoff < beyond <= 2, the distances of unit rows")
    return values


def narrow(limits: ScoreLimits, strategy: str, parameters: dict[str, float], positive_scores: Floats) -> ScoreLimits:
    """The limits of the scores that a strategy draws from."""
    p = positive_scores.astype(np.float64)
    if strategy == "semihard":
        return limits.between(p, p - parameters["margin"])
    if strategy == "violating":
        return limits.between(None, p - parameters["margin"])
    return limits


def log_weights(scores: Any, strategy: str, parameters: dict[str, float], p: Floats, metric: str, d: int) -> Reals:
    """log w of each pair (n, window)."""
    s = scores.astype(np.float64)
    if strategy == "softmax":
        return np.asarray(s / parameters["temperature"], np.float64)
    if strategy == "ambiguous":
        return np.asarray(-parameters["a"] * (s - p[:, None].astype(np.float64) - parameters["b"]) ** 2, np.float64)
    if strategy == "distance_weighted":
        square = {"cosine": 2 * (1 - s), "sqeuclidean": -s, "euclidean": s * s}[metric]
        x = np.sqrt(np.maximum(square, 0))
        with np.errstate(divide="ignore", invalid="ignore"):
            weight = _sphere.log_weights(np.maximum(x, parameters["cutoff"]), d)
        return np.where(x < parameters["beyond"], weight, -np.inf)
    return np.zeros(s.shape)


def nearest(passed: NDArray[np.bool_], wanted: int) -> Ints:
    """The first columns of the window that have passed, (n, wanted); -1 where there are fewer."""
    chosen = np.full((len(passed), wanted), -1, np.int64)
    left = passed.copy()
    rows = np.arange(len(passed))
    for slot in range(min(wanted, passed.shape[1])):  # a pass over bytes for each, a tenth of the cost of ranks
        column = left.argmax(axis=1)
        found = left[rows, column]
        if not found.any():
            break
        chosen[found, slot] = column[found]
        left[rows, column] = False
    return chosen


def choose(weights: Reals, allowed: NDArray[np.bool_], indices: Ints, query_ids: Ints, wanted: int, seed: int) -> Ints:
    """Columns of the window that are taken, (n, wanted), in the window's order; -1 where fewer are allowed."""
    n, width = weights.shape
    keys = weights + _random.gumbel(seed, GUMBEL, query_ids[:, None], np.maximum(indices, 0))
    keys = np.where(allowed & (keys > -np.inf), keys, -np.inf)
    take = min(wanted, width)
    best = np.argsort(-keys, axis=1, kind="stable")[:, :take]
    best = np.where(np.take_along_axis(keys, best, axis=1) > -np.inf, best, width)
    best = np.sort(best, axis=1)
    chosen = np.full((n, wanted), -1, np.int64)
    chosen[:, :take] = np.where(best < width, best, -1)
    return chosen
