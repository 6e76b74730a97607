"""Average precision of predictions: of a list for each query, as landmark retrieval counts it, and of all pairs as one."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple, get_args

import numpy as np

from hardmine import _arguments, _arrays
from hardmine._arrays import ArrayLike
from hardmine.evaluation.average_precision import Order
from hardmine.evaluation.measures import Measure
from hardmine.evaluation.tie_groups import pooled

Predictions = Mapping[Hashable, Sequence[Hashable]] | Sequence[Sequence[Hashable]]


def map_at_k(predictions: Any, solution: Any, k: int = 100) -> float:
    """Compute mAP@k as the retrieval challenge of Google Landmarks v2 does.

    Parameters
    ----------
    predictions : mapping of queries to sequences of ids, or one sequence of ids for each query
        Ranked, best first; ids of any kind, such as rows of `Neighbors.indices`. Where there are mappings, a query without
        predictions may be left out.
    solution : as `predictions`
        The relevant ids of each query, at least one.
    k : int
        Predictions that count.

    Returns
    -------
    float
        The mean over the queries of the solution, those without predictions included; NaN if there is none.

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind or value; for predictions of a query that the solution lacks, and for a query without
        a relevant id.

    Notes
    -----
    AP@k is the sum of the precisions at the ranks up to k of relevant ids, divided by min(R, k), R being how many are relevant
    [1]_: relevant ids at ranks 5 and 103 give 1/5 / 2 = 0.10. An id that comes twice counts once, but keeps its places. O(1)
    time a prediction.

    References
    ----------
    .. [1] Weyand, Araujo, Cao and Sim, "Google Landmarks Dataset v2: a large-scale benchmark for instance-level recognition
       and retrieval", 2020, section 3.3.

    Examples
    --------
    >>> import hardmine
    >>> hardmine.map_at_k({"q": ["a", "b", "c", "d", "e"]}, {"q": ["e", "x"], "without": ["a"]})
    0.05
    """
    k = _arguments.positive("k", k)
    truth = _by_query("solution", solution)
    given = _by_query("predictions", predictions)
    if not isinstance(predictions, Mapping) and len(given) != len(truth):
        raise ValueError(f"predictions: expected {len(truth)} sequences like solution, got {len(given)}")
    for query in given:
        if query not in truth:
            raise ValueError(f"predictions: expected queries of the solution, got {query!r}")
    total = 0.0
    for query, ids in truth.items():
        relevant = set(ids)
        if not relevant:
            raise ValueError(f"solution: expected at least one id of each query, got none of {query!r}")
        found, precisions = 0, 0.0
        left = set(relevant)
        for rank, one in enumerate(given.get(query, ())[:k], start=1):
            if one in left:
                left.remove(one)
                found += 1
                precisions += found / rank
        total += precisions / min(len(relevant), k)
    return total / len(truth) if truth else float("nan")


def _by_query(name: str, lists: Any) -> dict[Hashable, list[Hashable]]:
    if isinstance(lists, Mapping):
        parts = lists.items()
    elif isinstance(lists, str) or not hasattr(lists, "__len__"):
        raise TypeError(f"{name}: expected a mapping or a sequence of sequences, got {type(lists).__name__}")
    else:
        parts = enumerate(_arrays.to_numpy(name, lists) if hasattr(lists, "dtype") else lists)  # type: ignore[assignment]
    found = {}
    for query, ids in parts:
        if isinstance(ids, str) or not hasattr(ids, "__len__"):
            raise TypeError(f"{name}: expected a sequence of ids of each query, got {type(ids).__name__}")
        found[query] = list(ids.tolist() if hasattr(ids, "tolist") else ids)
    return found


class MicroAveragePrecision(NamedTuple):
    """The average precision of all pairs as one list, and its operating point of a wanted precision."""

    value: float
    recall: float  # the largest at that precision, 0 where no threshold reaches it
    threshold: float  # pairs of at least this score have that recall; NaN where there is none


def micro_average_precision(
    scores: ArrayLike,
    is_true: ArrayLike,
    n_positives: int,
    *,
    precision: float = 0.9,
    ties: Order = "pessimistic",
) -> MicroAveragePrecision:
    """Compute the average precision of predicted pairs, those of all queries in one list, as copy detection counts it.

    Parameters
    ----------
    scores : array of shape (p,), numbers
        Of pairs of a query and a base row, each pair once: larger is more alike, as `Neighbors.scores` are.
    is_true : array of shape (p,), bool
        Which of them are right.
    n_positives : int
        How many right pairs there are, predicted or not.
    precision : float
        Of the operating point, above 0 and up to 1.
    ties : {"pessimistic", "expected", "optimistic"}
        Pairs of one score: wrong ones first, as the image similarity challenge has it [1]_; the mean over all orders; right
        ones first.

    Returns
    -------
    MicroAveragePrecision
        value, recall and threshold. The operating point is the same for all rules of ties, since pairs of one score are taken
        or left together.

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind or value.

    Notes
    -----
    Which candidates are given matters: ten for each query and the 500,000 nearest pairs of all (`closest_pairs`) differ by
    half a point to two. O(p log p) time, memory some 60 bytes a pair. `retrieval_metrics` has the same of rows ("micro_ap").

    References
    ----------
    .. [1] Douze et al., "The 2021 image similarity dataset and challenge", 2021, section 4.

    Examples
    --------
    >>> import hardmine
    >>> found = hardmine.micro_average_precision([0.9, 0.8, 0.8, 0.1], [True, False, True, True], 4)
    >>> round(found.value, 4), found.recall, found.threshold
    (0.6042, 0.25, 0.9)
    """
    _arguments.one_of("ties", ties, get_args(Order))
    numbers, right = _arrays.to_numpy("scores", scores), _arrays.to_numpy("is_true", is_true)
    if numbers.ndim != 1 or right.shape != numbers.shape:
        raise ValueError(f"is_true: expected shape (p,) like scores, got {right.shape} beside {numbers.shape}")
    if right.size == 0:
        numbers, right = numbers.astype(np.float64), right.astype(np.bool_)
    if numbers.dtype.kind not in "fiu":
        raise TypeError(f"scores: expected numbers, got {numbers.dtype}")
    if right.dtype != np.bool_:
        raise TypeError(f"is_true: expected booleans, got {right.dtype}")
    if np.isnan(numbers).any():
        raise ValueError("scores: expected numbers, got NaN")
    total = _arguments.positive("n_positives", n_positives)
    if not isinstance(precision, (int, float)) or not 0 < precision <= 1:
        raise ValueError(f"precision: expected a number above 0, at most 1, got {precision!r}")
    if total < np.count_nonzero(right):
        raise ValueError(f"n_positives: expected at least {np.count_nonzero(right)}, as many are right, got {total}")
    values, group = np.unique(-numbers.astype(np.float64), return_inverse=True)  # no number of another dtype is nearer
    value = Measure("map", "map").of(pooled(-numbers.astype(np.float64), right), np.array([total]), ties)[0]
    true = np.cumsum(np.bincount(group, right, len(values)))
    reached = np.flatnonzero(true >= precision * np.cumsum(np.bincount(group, minlength=len(values))))
    if len(reached) == 0 or true[reached[-1]] == 0:
        return MicroAveragePrecision(float(value), 0.0, float("nan"))
    return MicroAveragePrecision(float(value), float(true[reached[-1]]) / total, float(-values[reached[-1]]))
