"""What mining returns: negatives as arrays, the forms that losses take, and thresholds tuned again without a scan."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hardmine import _arrays
from hardmine._arithmetic import in_standard_arithmetic
from hardmine._arrays import ArrayLike, FloatArray, Floats, IntArray, Ints
from hardmine._files import load_npz, save_npz
from hardmine._lists import RowLists
from hardmine.mining import drawing
from hardmine.mining.limits import as_given, check_thresholds
from hardmine.mining.options import Options
from hardmine.mining.plot import plot_scores
from hardmine.mining.stats import count_thresholds, summarize, table
from hardmine.mining.window import Window

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAVED = ("indices", "scores", "positive_indices", "positive_scores", "counts")


@dataclass(frozen=True, eq=False, repr=False)
class MinedNegatives:
    """The negatives of each query, hardest first.

    Attributes
    ----------
    indices : array of shape (n, num_negatives), int64
        Base rows; -1 where a query has fewer negatives.
    scores : array of shape (n, num_negatives), float32
        Their similarity to the query, larger is harder; -inf where missing.
    positive_indices : array of shape (n,), int64
        The positive that margins are measured from (`positive_reference`); -1 where none is known.
    positive_scores : array of shape (n,), float32
        The score that margins are measured from; NaN where none is known.
    counts : array of shape (n,), int64
        Negatives found for each query.
    metric : str
        The metric of the scores.
    params : dict
        The arguments of the call, defaults filled in.
    stats : dict
        Numbers about the result: `queries`, `base_rows`, `false_positive_resolution` (1 over the number of all pairs: the
        rate that one false positive is, where every pair is a negative one), `negatives`, `shortfall` (queries that got
        fewer than they asked for), `without_positive`, `harder_than_positive` (the share of queries whose hardest negative
        is nearer than their reference positive; NaN where no positive is known), `dropped`, and quantiles (5, 25, 50, 75,
        95 %) of `negative_scores`, `hardest_scores` (the first of each query) and `positive_scores`. ``stats["dropped"]``
        has the rows that each filter refused: `positives` and `exclude` all their pairs; `max_score`, `absolute_margin`,
        `relative_margin` and `sampling_strategy` the other rows whose score is too high, each counted for the lowest limit
        of its query and at most 256 a query. For raw ranks, rescored windows and `refilter` they are numbers of candidates
        of the window, and too low scores are counted too (`min_score`, `sampling_strategy`); in a scan these, and what
        `max_per_label` refuses, are not seen.
    """

    indices: IntArray
    scores: FloatArray
    positive_indices: IntArray
    positive_scores: FloatArray
    counts: IntArray
    options: Options
    stats: dict[str, Any]
    positives: RowLists | None  # as they were listed
    window: Window

    @property
    def metric(self) -> str:
        return self.options.metric

    @property
    def params(self) -> dict[str, Any]:
        return dict(vars(self.options))

    def __repr__(self) -> str:
        arrays = ", ".join(f"{name}={_arrays.outline(getattr(self, name))}" for name in ("indices", "scores"))
        found = ", ".join(f"{name}={self.stats[name]}" for name in ("base_rows", "negatives", "shortfall"))
        return f"MinedNegatives(metric={self.metric!r}, {arrays}, {found})"

    def pairs(self) -> tuple[IntArray, IntArray]:
        """Return (queries, negatives): the mined pairs as two int64 arrays, query by query, hardest first.

        Returns
        -------
        tuple of two arrays of shape (counts.sum(),), int64
            Copies, of the same kind as `indices`.
        """
        rows, ranks = np.nonzero(self._indices() >= 0)
        return self._like(rows), self._like(self._indices()[rows, ranks])

    def triplets(self) -> tuple[IntArray, IntArray, IntArray]:
        """Return (queries, positives, negatives): each negative with each listed positive of its query.

        Where positives are known by label only, the reference positive stands for all. Queries without one are left out.

        Returns
        -------
        tuple of three arrays of one length, int64
            In the order of (query, positive, hardest negative first).
        """
        rows, positives = self._positive_pairs()
        counts = _arrays.to_numpy("counts", self.counts)[rows]
        row = np.repeat(np.arange(len(rows)), counts)
        rank = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
        return self._like(rows[row]), self._like(positives[row]), self._like(self._indices()[rows[row], rank])

    def tuples(self) -> tuple[IntArray, IntArray, IntArray]:
        """Return (queries, positives, negatives) of the queries that have all their negatives.

        Returns
        -------
        tuple of arrays of shape (t,), (t,) and (t, num_negatives), int64
            One row for each positive, as in `triplets`.
        """
        rows, positives = self._positive_pairs()
        full = _arrays.to_numpy("counts", self.counts)[rows] == self._indices().shape[1]
        return self._like(rows[full]), self._like(positives[full]), self._like(self._indices()[rows[full]])

    def labeled_pairs(self) -> tuple[IntArray, IntArray, IntArray]:
        """Return (queries, base rows, labels): every positive pair with label 1, every negative one with 0.

        Returns
        -------
        tuple of three arrays of one length, int64
            Query by query; positives first.
        """
        rows, positives = self._positive_pairs()
        negative_rows, ranks = np.nonzero(self._indices() >= 0)
        query = np.concatenate([rows, negative_rows])
        base = np.concatenate([positives, self._indices()[negative_rows, ranks]])
        label = np.repeat([1, 0], [len(rows), len(negative_rows)])
        order = np.argsort(query, kind="stable")
        return self._like(query[order]), self._like(base[order]), self._like(label[order])

    def labeled_lists(self) -> tuple[IntArray, IntArray, IntArray]:
        """Return (queries, base rows, labels): a positive and the negatives in a row, labels 1, 0, 0, ...

        Returns
        -------
        tuple of arrays of shape (t,), (t, 1 + num_negatives) and the same, int64
            One row for each positive, as in `triplets`; missing negatives are -1, with label -1.
        """
        rows, positives = self._positive_pairs()
        base = np.column_stack([positives, self._indices()[rows]])
        label = np.where(base < 0, -1, 0)
        label[:, 0] = 1
        return self._like(rows), self._like(base), self._like(label)

    @in_standard_arithmetic
    def refilter(
        self,
        *,
        max_score: ArrayLike | float | None = None,
        min_score: ArrayLike | float | None = None,
        absolute_margin: float | None = None,
        relative_margin: float | None = None,
    ) -> MinedNegatives:
        """Draw again with other thresholds, from the candidates of the first scan: what mining anew would give.

        Parameters
        ----------
        max_score, min_score, absolute_margin, relative_margin
            As `mine_hard_negatives`; they replace all thresholds of the first call.

        Returns
        -------
        MinedNegatives
            With the same window, to be refiltered again.

        Raises
        ------
        TypeError, ValueError
            As `mine_hard_negatives`; also if the window cannot answer: the thresholds let through what the first scan refused,
            or refuse so much that candidates beyond the window would be needed. Mine with raw ranks, a larger `range_max` or
            without thresholds.

        Notes
        -----
        O(n width log width) time, without a scan.
        """
        if self.options.num_random:
            raise ValueError("refilter: expected a result without random negatives; mine anew")
        positive_scores = _arrays.to_numpy("positive_scores", self.positive_scores)
        n, left_out = len(positive_scores), self.stats["dropped"].keys() & {"positives", "exclude"}
        known = "positives" in left_out
        metric = None if self.options.rescored else self.metric
        thresholds = check_thresholds(max_score, min_score, absolute_margin, relative_margin, n, known, metric)
        strategy, values = self.options.sampling_strategy, self.options.sampling_params
        limits = drawing.narrow(thresholds.limits(positive_scores), strategy, values, positive_scores)
        passed = limits.passes(self.window.scores)
        self._check_window(passed, limits.nothing())
        taken = self.window.take(self.window.draw(passed, positive_scores, self.options))
        return collect(
            window=self.window,
            taken=taken,
            positive_indices=_arrays.to_numpy("positive_indices", self.positive_indices),
            positive_scores=positive_scores,
            options=replace(self.options, **as_given(max_score, min_score, absolute_margin, relative_margin)),
            base_rows=self.stats["base_rows"],
            positives=self.positives,
            dropped={name: self.stats["dropped"][name] for name in sorted(left_out, reverse=True)}
            | count_thresholds(self.window, limits, passed),
            device=_arrays.device_of(self.indices),
        )

    def _check_window(self, passed: NDArray[np.bool_], nothing: NDArray[np.bool_]) -> None:
        window = self.window
        if not window.unfiltered:
            raise ValueError("refilter: expected a window mined without thresholds, or with raw ranks; mine anew")
        if window.final:
            return
        full = (window.indices[:, -1] >= 0) & ~nothing
        kept = (passed & window.allowed).sum(axis=1)
        options = self.options
        needed = options.range_min + options.num_negatives if options.without_draw else options.range_max
        if np.any(full & (kept < needed)):
            row = int(np.flatnonzero(full & (kept < needed))[0])
            raise ValueError(f"refilter: expected {needed} candidates within the window, got {kept[row]} for query {row}")

    def summary(self) -> str:
        """Return the stats as a table to print.

        Returns
        -------
        str
            A few lines.
        """
        return table(self.stats, self.options)

    def save(self, path: str | Path) -> None:
        """Write all of it to an .npz file, without pickle: what `load` returns can be refiltered, too.

        Parameters
        ----------
        path : str or Path
            Written beside and renamed. Its size is that of the arrays and of the window (n, range_max), 13 bytes a candidate.

        Raises
        ------
        OSError
            If nothing can be written there.
        """
        arrays = {name: _arrays.to_numpy(name, getattr(self, name)) for name in SAVED}
        if self.positives is not None:
            arrays |= {f"positives_{name}": part for name, part in self.positives._asdict().items()}
        arrays |= {f"window_{name}": array for name, array in self.window.to_arrays().items()}
        text = json.dumps({"params": self.params, "stats": self.stats}, default=_plain)
        save_npz(Path(path), **arrays, about=np.array(text))

    @classmethod
    def load(cls, path: str | Path) -> MinedNegatives:
        """Read what `save` wrote.

        Parameters
        ----------
        path : str or Path
            An .npz file.

        Returns
        -------
        MinedNegatives
            NumPy arrays.

        Raises
        ------
        FileNotFoundError, ValueError
            If nothing is there, or something else.
        """
        saved = load_npz(Path(path), (*SAVED, "about", "window_about"), "MinedNegatives.save")
        arrays: dict[str, Any] = {name: saved[name] for name in SAVED}
        lists = RowLists(saved["positives_start"], saved["positives_indices"]) if "positives_start" in saved else None
        window = {name.removeprefix("window_"): array for name, array in saved.items() if name.startswith("window_")}
        about = json.loads(str(saved["about"]))
        options = Options(**about["params"])
        return cls(**arrays, options=options, stats=about["stats"], positives=lists, window=Window.from_arrays(window))

    def plot(self, path: str | Path | None = None) -> Figure:
        """Draw the scores of positives and negatives as histograms, with the margin.

        The margin is shown as it lies for the median reference positive: from its score down to what it lets through.

        Parameters
        ----------
        path : str or Path, optional
            Where to write the picture.

        Returns
        -------
        matplotlib.figure.Figure
            Made without pyplot; a notebook shows it.
        """
        scores, known = (_arrays.to_numpy("scores", a).ravel() for a in (self.scores, self.positive_scores))
        return plot_scores(scores, known, self.options, path)

    def _indices(self) -> Ints:
        return _arrays.to_numpy("indices", self.indices)

    def _like(self, array: Ints) -> IntArray:
        return _arrays.like(np.ascontiguousarray(array), _arrays.device_of(self.indices))

    def _positive_pairs(self) -> tuple[Ints, Ints]:
        reference = _arrays.to_numpy("positive_indices", self.positive_indices)
        rows = np.flatnonzero(reference >= 0)
        if self.positives is None:
            return rows, reference[rows]
        listed, indices = self.positives.pairs()
        by_label = rows[~self.positives.contains(rows, reference[rows])]
        query, positive = np.concatenate([listed, by_label]), np.concatenate([indices, reference[by_label]])
        order = np.argsort(query, kind="stable")
        return query[order], positive[order]


def collect(
    window: Window,
    taken: tuple[Ints, Floats],
    positive_indices: Ints,
    positive_scores: Floats,
    options: Options,
    base_rows: int,
    positives: RowLists | None,
    dropped: dict[str, int],
    device: Any,
) -> MinedNegatives:
    """The result of a draw: the rows and scores that were taken, hardest first."""
    indices, scores = taken
    counts = (indices >= 0).sum(axis=1)
    stats = summarize(scores, positive_scores, counts, options.num_negatives, base_rows) | {"dropped": dropped}
    return MinedNegatives(
        indices=_arrays.like(indices, device),
        scores=_arrays.like(scores, device),
        positive_indices=_arrays.like(positive_indices, device),
        positive_scores=_arrays.like(positive_scores, device),
        counts=_arrays.like(counts, device),
        options=options,
        stats=stats,
        positives=positives,
        window=window,
    )


def _plain(value: Any) -> Any:
    """Numbers and arrays of `params` as JSON has them."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
