"""The protocol of Revisited Oxford and Paris: easy, medium and hard queries, junk taken out, a trapezoidal mAP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardmine import _arguments, _arrays
from hardmine._arrays import ArrayLike, Ints
from hardmine.evaluation.entries import first_of_row
from hardmine.search.neighbors import Neighbors

PROTOCOLS = {  # what is relevant, and what is junk
    "easy": (("easy",), ("junk", "hard")),
    "medium": (("easy", "hard"), ("junk",)),
    "hard": (("hard",), ("junk", "easy")),
}
FIELDS = ("easy", "hard", "junk")


class RevisitedMap(NamedTuple):
    """The scores of one protocol; of a query without a relevant image NaN, and it does not count."""

    map: float
    average_precision: NDArray[np.float64]  # (queries,)
    mean_precision_at_k: NDArray[np.float64]  # (ks,)
    precision_at_k: NDArray[np.float64]  # (queries, ks)


def revisited_map(
    rankings: Neighbors | ArrayLike,
    ground_truth: Sequence[Mapping[str, Any]],
    *,
    protocols: Sequence[str] = ("easy", "medium", "hard"),
    ks: Sequence[int] = (1, 5, 10),
) -> dict[str, RevisitedMap]:
    """Compute mAP and mP@k of Revisited Oxford or Paris, as published numbers have them.

    Parameters
    ----------
    rankings : Neighbors, or array of shape (n, k), integers
        Of each query images, nearest first, -1 for none: rows are queries, unlike the columns of the published code. They may
        end anywhere.
    ground_truth : sequence of n mappings
        "easy", "hard" and "junk", each a list of images: the `gnd` of ``gnd_roxford5k`` and ``gnd_rparis6k``, as it is.
    protocols : sequence of {"easy", "medium", "hard"}
        Relevant are the easy images, the easy and the hard ones, or the hard ones. The rest of these, and junk, is taken out.
    ks : sequence of int
        Of mP@k.

    Returns
    -------
    dict of RevisitedMap
        By protocol: map; average_precision (n,), mean_precision_at_k (ks,) and precision_at_k (n, ks), float64.

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind or value, and for an image that is given twice.

    Notes
    -----
    The AP of [1]_ is the area under the precision-recall curve by trapezoids: relevant images at places t_0 < t_1 < ...,
    from 0 on and once junk is taken out, give sum_j (j / t_j + (j + 1) / (t_j + 1)) / 2 R with R relevant images in all, and
    1 for j / t_j where t_j = 0. It is not the sum of precisions, of which `retrieval_metrics` makes "map". P@k looks at no
    more places than to the last relevant image that was found. A ranking that ends early is legal: images that are not in it
    add nothing, so that its mAP is below that of the whole ranking by no more than the recall that is missing; P@k of one
    without a relevant image is 0.

    O(n k log k) time; memory a few times the rankings.

    References
    ----------
    .. [1] Radenović, Iscen, Tolias, Avrithis and Chum, "Revisiting Oxford and Paris: large-scale image retrieval
       benchmarking", 2018.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> truth = [{"easy": [0, 1], "hard": [4, 7], "junk": [2]}]
    >>> found = hardmine.revisited_map(np.arange(9)[None], truth)
    >>> round(found["medium"].map, 4), found["medium"].mean_precision_at_k.round(3).tolist()
    (0.811, [1.0, 0.6, 0.571])
    """
    whole = rankings.indices if isinstance(rankings, Neighbors) else rankings
    images = _arrays.to_numpy("rankings", whole)
    if images.ndim != 2:
        raise ValueError(f"rankings: expected shape (queries, images), got shape {images.shape}")
    if images.dtype.kind not in "iu":
        raise TypeError(f"rankings: expected integers, got {images.dtype}")
    images = images.astype(np.int64)
    if isinstance(ground_truth, (str, Mapping)) or not isinstance(ground_truth, Sequence):
        raise TypeError(f"ground_truth: expected a sequence of mappings, got {type(ground_truth).__name__}")
    if len(ground_truth) != len(images):
        raise ValueError(f"ground_truth: expected {len(images)} mappings, one for each query, got {len(ground_truth)}")
    if isinstance(protocols, str):
        raise TypeError(f"protocols: expected a sequence of names, got the string {protocols!r}")
    for name in protocols:
        _arguments.one_of("protocols", name, PROTOCOLS)
    places = [_arguments.positive("ks", k) for k in ks]
    truths = [_images(i, truth) for i, truth in enumerate(ground_truth)]
    _check_distinct(images)
    return {name: _scores(images, truths, *PROTOCOLS[name], places) for name in protocols}


def _scores(
    images: Ints, truths: list[dict[str, Ints]], good: Sequence[str], bad: Sequence[str], ks: list[int]
) -> RevisitedMap:
    ap, precision = np.full(len(images), np.nan), np.full((len(images), len(ks)), np.nan)
    for i, (ranking, truth) in enumerate(zip(images, truths)):
        relevant = np.unique(np.concatenate([truth[name] for name in good]))
        if len(relevant) == 0:
            continue
        ranking = ranking[(ranking >= 0) & ~np.isin(ranking, np.concatenate([truth[name] for name in bad]))]
        place = np.flatnonzero(np.isin(ranking, relevant))
        ap[i] = trapezoidal_average_precision(place, len(relevant))
        for j, k in enumerate(ks):
            seen = min(int(place[-1]) + 1, k) if len(place) else k
            precision[i, j] = np.count_nonzero(place < seen) / seen
    counted = ~np.isnan(ap)
    if not counted.any():
        return RevisitedMap(float("nan"), ap, np.full(len(ks), np.nan), precision)
    return RevisitedMap(float(ap[counted].mean()), ap, precision[counted].mean(axis=0), precision)


def trapezoidal_average_precision(place: Ints, total: int) -> float:
    """The area under a precision-recall curve by trapezoids, of relevant images at these places, 0-based and ascending."""
    rank = np.arange(len(place))
    before = np.divide(rank, place, out=np.ones(len(place)), where=place > 0)
    return float((before + (rank + 1) / (place + 1)).sum() / (2 * total))


def _images(query: int, truth: Any) -> dict[str, Ints]:
    if not isinstance(truth, Mapping):
        raise TypeError(f"ground_truth: expected mappings, got {type(truth).__name__} for query {query}")
    missing = [name for name in FIELDS if name not in truth]
    if missing:
        raise ValueError(f"ground_truth: expected {', '.join(FIELDS)} of each query, got no {missing[0]} of query {query}")
    return {name: _arrays.integers(f"ground_truth {name}", truth[name]) for name in FIELDS}


def _check_distinct(images: Ints) -> None:
    real = images >= 0
    rows = np.nonzero(real)[0]
    twice = ~first_of_row(rows, images[real])
    if twice.any():
        raise ValueError(f"rankings: expected each image once, got one twice in row {rows[twice][0]}")
