"""Finding what a training set and an evaluation set share: exact search in both directions, and a verifier of candidates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hardmine import _arguments, _arrays
from hardmine._arguments import check_threads, number
from hardmine._arithmetic import in_standard_arithmetic
from hardmine._arrays import ArrayLike, FloatRows, Rows
from hardmine.jobs.folder import opened
from hardmine.overlap.candidates import DIRECTIONS, Directions, Search, background_scores
from hardmine.overlap.evidence import AGGREGATES, Aggregate, Verifier, ask
from hardmine.overlap.naming import check_naming
from hardmine.overlap.report import OverlapReport
from hardmine.overlap.votes import NO_VOTES
from hardmine.search.index import Base, Index, metric_of
from hardmine.search.metric import Metric
from hardmine.search.pairs import Pairs
from hardmine.search.radius_neighbors import NO_LIMIT
from hardmine.search.sides import check_rows


@in_standard_arithmetic
def find_overlap(
    train: Base,
    evaluation: ArrayLike,
    *,
    train_labels: ArrayLike | None = None,
    evaluation_labels: ArrayLike | None = None,
    ids: tuple[ArrayLike, ArrayLike] | None = None,
    k: int | None = None,
    radius: float | None = None,
    metric: Metric | None = None,
    directions: Directions = "both",
    verifier: Verifier | None = None,
    min_verified: float | None = None,
    batch_size: int = 1024,
    score_norm: ArrayLike | None = None,
    aggregate: Aggregate = "any",
    max_pairs: int | None = None,
    bits: int | None = None,
    threads: int | None = None,
    progress: bool | Callable[[int, int], object] = False,
    checkpoint: str | Path | None = None,
) -> OverlapReport:
    """Find the rows and classes of a training set that are also in what it is evaluated with, exactly.

    The stages are those of Song et al. [1]_, who found 18 classes and 1,565 images of a training set of landmarks in its
    evaluation sets: candidates by search, a verifier, the classes they are evidence for, reviewers' votes, and removal. The
    report holds all of them.

    Parameters
    ----------
    train : array of shape (n, d), any float dtype, or packed codes; or Index
        See `topk`. An `Index` is searched by the evaluation rows only: with `k` it needs ``directions="evaluation"``.
    evaluation : array of shape (m, d)
        Rows of one evaluation set or several.
    train_labels : array of shape (n,), integers or strings, optional
        The class of each training row.
    evaluation_labels : array of shape (m,), integers or strings, optional
        What the table of `OverlapReport.clean_split` has a line for: the evaluation set of each row, for example.
    ids : (array of shape (n,), array of shape (m,)), integers or strings, optional
        What the rows of both sides are called, in files and on the page.
    k : int, optional
        Candidates are the k nearest training rows of each evaluation row and the k nearest evaluation rows of each training
        row (`directions`). Those of a class with many rows near one image are then found, too, where the image itself would
        have no place for more than k.
    radius : float, optional
        Candidates are no farther apart than that, in the metric's unit; beside `k`, those of them. Either is needed.
    metric : {"cosine", "sqeuclidean", "euclidean", "inner_product", "hamming"}, optional
        By default "cosine"; of an index its own.
    directions : {"both", "evaluation", "train"}
        Which rows ask for their k nearest of the other side. Without `k` it changes nothing: a pair within a radius is one
        from either side.
    verifier : callable, optional
        A second opinion on candidates, geometric verification for example: called with two int64 arrays, (training rows,
        evaluation rows), of at most `batch_size` pairs, hardest first; it returns a bool or a score for each, larger is surer.
    min_verified : float, optional
        The least score that verifies, a number of inliers for example; by default any above 0.
    batch_size : int
        Pairs in one call of `verifier`.
    score_norm : array of shape (l, d), or of shape (m,), optional
        Score normalisation, because scores of one evaluation row are not those of another: background rows, which overlap
        nothing, and of which the mean score of the three nearest is subtracted from the scores of each evaluation row; or what
        to subtract from the scores of each evaluation row, itself. `radius` is then one of distance plus that number. The k
        nearest are those by distance alone.
    aggregate : {"any", "max", "argmax_count", "sum"}
        Which classes an evaluation row is evidence for: all that a verified candidate within the radius is of, or one alone,
        that of its surest pair ("max"), of most pairs ("argmax_count", as in [1]_), or of the largest sum of scores ("sum"):
        the verifier's, or similarities. Of equal ones that of the nearest pair. All but "any" need `train_labels`.
    max_pairs : int, optional
        Raise if there are more candidates.
    bits, threads, progress, checkpoint : optional
        See `topk`. Searches are kept, a verifier's answers are not.

    Returns
    -------
    OverlapReport
        Its arrays are NumPy's. ``report.summary()`` says what was found, ``report.clean_split()`` what is left without it.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As `topk`, before any work; also if there are more than `max_pairs`, and for a verifier that does not return one answer
        for each pair.

    Notes
    -----
    O(n m d) multiply-adds, twice that for `k` in both directions; the same bits for any threads, blocks and CPU. A pass over
    the training rows comes first, so that NaN is an error before the search.

    Memory above inputs is that of `topk`, 24 MiB, and of p candidates some 100 bytes each while they are joined and sorted,
    of which 20 to 28 stay. With `k` and both directions every training row has candidates, p = (n + m) k, unless `radius`
    bounds them.
    Labels and ids are copied.

    References
    ----------
    .. [1] Song et al., "On Train-Test Class Overlap and Detection for Image Retrieval", CVPR 2024.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> rng = np.random.default_rng(0)
    >>> train = rng.standard_normal((1000, 64)).astype(np.float32)
    >>> evaluation = np.concatenate([train[:3] + 0.1, rng.standard_normal((50, 64))]).astype(np.float32)
    >>> report = hardmine.find_overlap(train, evaluation, train_labels=np.arange(1000) // 10, radius=0.05)
    >>> report
    OverlapReport(3 of 3 candidates are evidence: 3 of 1000 training rows, 1 of 100 classes, 3 of 53 evaluation rows)
    >>> report.clean_split()
    CleanSplit(990 of 1000 rows kept, 10 removed, 1 classes)
    >>> report.rethreshold(0.001).assert_no_overlap()
    """
    chosen = metric_of(metric, train, "cosine")
    m_rows, n_rows = _sides(train, evaluation, chosen, bits)
    n, m = n_rows.count, m_rows.count
    naming = check_naming(train_labels, evaluation_labels, ids, n, m)
    if k is None and radius is None:
        raise TypeError("radius: expected a number, or k beside it, got None")
    kept = None if k is None else _arguments.positive("k", k)
    reach = np.inf if radius is None else number("radius", radius)
    _arguments.one_of("directions", directions, DIRECTIONS)
    if isinstance(train, Index) and kept is not None and directions != "evaluation":
        raise ValueError(f'directions: expected "evaluation" where train is an Index, got {directions!r}')
    if verifier is not None and not callable(verifier):
        raise TypeError(f"verifier: expected a callable, got {type(verifier).__name__}")
    least = None if min_verified is None else number("min_verified", min_verified)
    if verifier is None and least is not None:
        raise ValueError(f"min_verified: expected a verifier beside it, got {least:g} alone")
    batch = _arguments.positive("batch_size", batch_size)
    _arguments.one_of("aggregate", aggregate, AGGREGATES)
    if aggregate != "any" and naming.train_labels is None:
        raise ValueError(f'aggregate: expected train_labels beside "{aggregate}", got None')
    most = NO_LIMIT if max_pairs is None else min(_arguments.whole("max_pairs", max_pairs), NO_LIMIT)
    n_threads = check_threads(threads)
    if not callable(progress) and not isinstance(progress, bool):
        raise TypeError(f"progress: expected a bool or a callable, got {type(progress).__name__}")
    background = None if score_norm is None else _background(score_norm, evaluation, m, chosen, bits)
    for rows in (n_rows, m_rows, background):
        if isinstance(rows, FloatRows):
            rows.check_finite()

    with opened(checkpoint, "find_overlap") as folder:
        if isinstance(background, Rows):
            offsets: NDArray[np.float64] | None = background_scores(m_rows, background, chosen, n_threads, folder)
        else:
            offsets = background
        search = Search(n_rows, m_rows, chosen, kept, reach, directions, offsets, n_threads, folder)
        found = search.candidates(progress, most)
    return OverlapReport(
        candidates=Pairs(*found, (n, m)),
        verified=None if verifier is None else ask(verifier, found[0], found[1], batch, least),
        offsets=offsets,
        naming=naming,
        votes=NO_VOTES,
        metric=chosen,
        k=kept,
        searched=reach,
        directions=directions,
        radius=reach,
        min_verified=least,
        aggregate=aggregate,
    )


def _sides(train: Base, evaluation: ArrayLike, metric: str, bits: int | None) -> tuple[Rows, Rows]:
    """(evaluation rows, training rows) of the metric's kind, or raise."""
    for name, side in (("train", train), ("evaluation", evaluation)):
        if side is None:
            raise TypeError(f"{name}: expected an array, got None")
    return check_rows(evaluation, train, metric, bits, ("evaluation", "train"))


def _background(
    score_norm: ArrayLike, evaluation: ArrayLike, m: int, metric: str, bits: int | None
) -> Rows | NDArray[np.float64]:
    """Background rows, or what is subtracted from the scores of each of m evaluation rows, or raise."""
    given = _arrays.rows_of("score_norm", score_norm)
    if len(given.shape) == 2:
        _, background = check_rows(evaluation, given, metric, bits, ("evaluation", "score_norm"))
        if background.count == 0:
            raise ValueError("score_norm: expected at least one row, got none")
        return background
    values = _arrays.to_numpy("score_norm", score_norm)
    if values.shape != (m,):
        raise ValueError(f"score_norm: expected rows, or {m} numbers, one for each evaluation row, got shape {values.shape}")
    if values.dtype.kind not in "fiu":
        raise TypeError(f"score_norm: expected numbers, got {values.dtype}")
    if not np.isfinite(values).all():
        raise ValueError("score_norm: expected finite numbers, got NaN or infinity")
    return values.astype(np.float64)
