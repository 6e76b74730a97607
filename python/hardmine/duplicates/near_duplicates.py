"""From all near pairs of an array to clusters, and to what is kept of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from hardmine import _arguments, _arrays, _labels
from hardmine._arithmetic import in_standard_arithmetic
from hardmine._arrays import ArrayLike, FloatRows, Floats, Rows
from hardmine.duplicates.duplicates import Duplicates
from hardmine.duplicates.keeping import Rule, check_rule, kept_rows
from hardmine.duplicates.linkage import Linkage, cluster
from hardmine.duplicates.measures import Inside, measure
from hardmine.jobs.folder import opened
from hardmine.search.filter import Filter
from hardmine.search.metric import Metric
from hardmine.search.pairs import Pairs, check_search
from hardmine.search.radius_neighbors import NO_LIMIT, check_radius, pairs_within

METRICS = ("cosine", "sqeuclidean", "euclidean", "hamming")  # by which equal rows are nearest


@in_standard_arithmetic
def near_duplicates(
    x: ArrayLike,
    threshold: float,
    *,
    metric: Metric = "cosine",
    groups: ArrayLike | None = None,
    where: Filter | None = None,
    linkage: Linkage = "single",
    which_to_keep: Rule | ArrayLike = "first",
    seed: int = 0,
    max_pairs: int | None = None,
    bits: int | None = None,
    threads: int | None = None,
    progress: bool | Callable[[int, int], object] = False,
    checkpoint: str | Path | None = None,
) -> Duplicates:
    """Find all near-duplicates of an array, cluster them, and say which rows to keep.

    Parameters
    ----------
    x : array of shape (n, d), any float dtype, or packed codes
        See `topk`.
    threshold : float
        Two rows are near-duplicates if their canonical distance is at most that, in the metric's unit: 0.1 for "cosine" is a
        similarity of 0.9, and 0 keeps exact copies alone.
    metric : {"cosine", "sqeuclidean", "euclidean", "hamming"}
        See `topk`. Rows of zeros have cosine distance 1 to every row, to others of zeros, too.
    groups : array of shape (n,), integers or strings, optional
        A group of each row (a class, a source, a split). It leaves nothing out, which ``where=Filter(query_groups=...)`` does:
        pairs within a group and across groups are counted apart, clusters of several groups are told (`Duplicates.mixed`), and
        the page of `Duplicates.review` can be filtered by group.
    where : Filter, optional
        Which pairs may be near-duplicates: those that are allowed both ways, without a cap per group (see `radius_neighbors`).
    linkage : {"single", "complete", "star"}
        What a cluster is. "single": a connected component, everything that a chain of near-duplicates joins. "complete": every
        two rows of a cluster are near-duplicates; complete linkage [1]_, in which those two clusters are joined first whose
        farthest pair comes first in the order of (distance, row, col), until none can be. "star": a row and near-duplicates
        of it; the row with the most near-duplicates takes all of them, then that with the most among those that are left, in
        the order of (near-duplicates in all, most first; row), as in star clustering [2]_, but each row belongs to one star.
    which_to_keep : {"first", "hard", "easy", "center", "random"}, or array of shape (n,) of numbers
        Of each cluster the row of the lowest number; the one with the largest or the smallest mean distance to the others
        (SemDeDup [3]_ chooses by the distance to a centroid); the one with the most near-duplicates in the cluster, which are
        all its rows if it is a star; one by chance; or the one of the highest score. Ties go to the lower number.
    seed : int
        For "random": a row's chance depends on it and on the row's number alone.
    max_pairs : int, optional
        Raise if there are more near-duplicate pairs; see `radius_neighbors`.
    bits, threads, progress, checkpoint : optional
        See `topk`. Progress is that of the search, whose pieces are kept; what follows is done anew.

    Returns
    -------
    Duplicates
        The pairs, a cluster for each row, numbers of each cluster, what to keep and to drop; tensors if `x` is one.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As `radius_neighbors`; also for a threshold below 0.
    ImportError
        Without SciPy: the extra ``hardmine[duplicates]`` has it.

    Notes
    -----
    The search is `radius_neighbors`, exact, with its time and memory. For p pairs, single linkage and stars take O(n + p), and
    complete linkage O(p log p) for the pairs of components that are no cliques.

    Of a cluster that is a clique, as 1,500 copies of a blank image are, only the listed pairs are looked at. Of another one,
    of m rows, the diameter takes the distances of all its pairs, O(m^2 d), in float32 from 512 rows on but for those that may
    be the farthest; open triangles the less of O(p m / 8) bytes of popcount and O(p^1.5), without a look at triples; and
    ``which_to_keep="hard"`` or "easy" all its distances in float64. So where a loose threshold chains most of the rows into
    one cluster, its diameter can cost some times what the search did. Memory above that of the search is some 80 bytes a
    pair, 64 MiB, and 4 d bytes for each row of the largest cluster that is no clique.

    Labels, numbers and choices are the same for any threads, blocks and CPU.

    References
    ----------
    .. [1] Defays, "An efficient algorithm for a complete link method", 1977.
    .. [2] Aslam, Pelekhov and Rus, "The star clustering algorithm for static and dynamic information organization", 2004.
    .. [3] Abbas et al., "SemDeDup: data-efficient learning at web-scale through semantic deduplication", 2023.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> x = np.array([[0.0], [5.0], [0.1], [9.0], [9.0], [0.2]], dtype=np.float32)
    >>> found = hardmine.near_duplicates(x, 0.15, metric="euclidean")
    >>> found
    Duplicates(3 pairs of 6 rows, 2 clusters, 1 chained, 3 rows to keep, 3 to drop)
    >>> found.labels.tolist(), found.drop.tolist()
    ([0, -1, 0, 1, 1, 0], [2, 4, 5])
    >>> found.sizes.tolist(), found.open_triangles.tolist(), found.chained.tolist()
    ([3, 2], [1, 0], [True, False])
    """
    search = check_search(x, None, _check_metric(metric), where, None, bits, threads, ("x", "x"))
    given = threshold, metric, groups, linkage, which_to_keep, seed, max_pairs
    choices, reach, most = check_choices(*given, search.queries.count)
    if isinstance(search.queries, FloatRows) and not search.queries.decoded:
        search.queries.check_finite()
    with opened(checkpoint, "near_duplicates") as folder:
        pairs = search.pairs(pairs_within(search, reach, progress, most, folder))
    rows, cols, distances = (_arrays.to_numpy("pairs", array) for array in pairs)
    inside = Inside.of(cluster(linkage, rows, cols, distances, search.queries.count), rows, cols, distances)
    return duplicates_of(pairs, inside, search.queries, choices, search.threads)


class Choices(NamedTuple):
    """What is looked for and what is kept, checked."""

    metric: Metric
    threshold: float
    limit: Any  # as distances have it
    groups: NDArray[Any] | None
    linkage: Linkage
    rule: str | NDArray[Any]
    seed: int


def check_choices(
    threshold: float,
    metric: Metric,
    groups: ArrayLike | None,
    linkage: Linkage,
    which_to_keep: Rule | ArrayLike,
    seed: int,
    max_pairs: int | None,
    n: int,
) -> tuple[Choices, Floats, int]:
    """The choices of a call for n rows, the radius of each row, and the most pairs there may be, or raise."""
    _check_metric(metric)
    reach = check_radius(_check_threshold(threshold), n)
    of_rows = None if groups is None else _labels.labels("groups", groups, n, "x").copy()
    _arguments.one_of("linkage", linkage, get_args(Linkage))
    rule, seed = check_rule(which_to_keep, n), _arguments.whole("seed", seed)
    most = NO_LIMIT if max_pairs is None else min(_arguments.whole("max_pairs", max_pairs), NO_LIMIT)
    try:
        import scipy.sparse.csgraph  # noqa: F401
    except ImportError:
        raise ImportError('near_duplicates needs scipy: pip install "hardmine[duplicates]"') from None
    limit = reach[0] if n else np.float32(threshold)
    return Choices(metric, float(threshold), limit, of_rows, linkage, rule, seed), reach, most


def duplicates_of(pairs: Pairs, inside: Inside, x: Rows, choices: Choices, threads: int) -> Duplicates:
    """The clusters' numbers, and which rows to keep; of `x` only rows of partial clusters are read."""
    measures = measure(x, inside, choices.metric, threads)
    kept = kept_rows(choices.rule, x, inside, choices.metric, choices.seed, threads)
    dropped = inside.labels >= 0
    dropped[kept] = False

    def given(array: NDArray[Any]) -> Any:
        return _arrays.like(array, x.torch)

    return Duplicates(
        pairs=pairs,
        labels=given(inside.labels),
        **{name: given(array) for name, array in measures._asdict().items()},
        chained=given(measures.diameters > choices.limit),
        kept=given(kept),
        keep=given(np.flatnonzero(~dropped)),
        drop=given(np.flatnonzero(dropped)),
        groups=choices.groups,
        metric=choices.metric,
        threshold=choices.threshold,
        linkage=choices.linkage,
        which_to_keep=choices.rule if isinstance(choices.rule, str) else "scores",
    )


def _check_metric(metric: Metric) -> Metric:
    _arguments.one_of("metric", metric, METRICS)
    return metric


def _check_threshold(threshold: float) -> float:
    values = _arrays.to_numpy("threshold", threshold)
    if values.dtype.kind not in "fiu" or values.shape != ():
        raise TypeError(f"threshold: expected a number, got {_arrays.outline(threshold)}")
    number = float(values)
    if not number >= 0:
        raise ValueError(f"threshold: expected a number of at least 0, got {number}")
    return number
