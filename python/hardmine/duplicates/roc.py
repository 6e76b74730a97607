"""What `pair_roc` returns: a curve of integers, and what is read off it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hardmine import _arrays
from hardmine._arrays import Ints
from hardmine._files import write_csv
from hardmine.duplicates.plot import plot_roc

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TPRS, FPRS = (0.5, 0.9, 0.95, 0.99, 1.0), (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9)


@dataclass(frozen=True, eq=False, repr=False)
class PairROC:
    """A ROC curve of pairs: its corners, from the threshold that calls nothing positive to the one that calls everything so.

    Attributes
    ----------
    thresholds : array of shape (t,), float64
        Ascending from -infinity to infinity: the distances of positive pairs, and of each, where negatives lie before it, the
        largest float32 number (of codes the number of bits) below.
    true_positives, false_positives : array of shape (t,), int64
        The positive and the negative pairs whose distance is at most the threshold: counts, exact beyond 2^53.
    n_pos, n_neg : int
        Positive and negative pairs.
    metric : str
    protocol : str
        Which negative pairs these are.
    """

    thresholds: NDArray[np.float64]
    true_positives: Ints
    false_positives: Ints
    n_pos: int
    n_neg: int
    metric: str
    protocol: str

    @classmethod
    def of_counts(
        cls,
        at: NDArray[Any],
        positives: tuple[Ints, Ints],
        negatives: tuple[Ints, Ints],
        n_pos: int,
        n_neg: int,
        metric: str,
        protocol: str,
    ) -> PairROC:
        """From (below, equal) of both kinds, at distances that ascend."""
        before = at - 1 if at.dtype.kind == "i" else np.nextafter(at, np.float32(-np.inf))
        thresholds = np.concatenate([[-np.inf], np.stack([before, at], axis=1).ravel(), [np.inf]])
        counts = [
            np.concatenate([[0], np.stack([below, below + equal], axis=1).ravel(), [every]])
            for (below, equal), every in ((positives, n_pos), (negatives, n_neg))
        ]
        kept = np.ones(len(thresholds), bool)
        kept[1:-1:2] = counts[1][1:-1:2] > counts[1][:-2:2]  # before a distance, where negatives lie since the last one
        kept[-1] = thresholds[-2] != np.inf
        return cls(thresholds[kept], counts[0][kept], counts[1][kept], n_pos, n_neg, metric, protocol)

    def __repr__(self) -> str:
        return f"PairROC({self.n_pos} positive and {self.n_neg} negative pairs, AUC {self.auc:.6f})"

    @property
    def tpr(self) -> NDArray[np.float64]:
        """The true-positive rate (sensitivity, recall) at each threshold, (t,)."""
        return self.true_positives / self.n_pos

    @property
    def fpr(self) -> NDArray[np.float64]:
        """The false-positive rate at each threshold, (t,)."""
        return self.false_positives / self.n_neg

    @property
    def auc(self) -> float:
        """The area under the curve, the integer 2 n_pos n_neg AUC divided once: ties count one half."""
        wide = object if 2 * self.n_pos * self.n_neg >= 2**63 else np.int64
        steps, heights = np.diff(self.false_positives), self.true_positives[1:] + self.true_positives[:-1]
        twice = int((steps.astype(wide) * heights.astype(wide)).sum())
        return twice / (2 * self.n_pos * self.n_neg)

    def fpr_at_tpr(self, tpr: float) -> float:
        """The least false-positive rate at which the true-positive rate is at least `tpr`, O(t)."""
        return float(self.fpr[np.searchsorted(self.tpr, _rate("tpr", tpr), "left")])

    def tpr_at_fpr(self, fpr: float) -> float:
        """The largest true-positive rate at which the false-positive rate is at most `fpr`, O(t)."""
        return float(self.tpr[np.searchsorted(self.fpr, _rate("fpr", fpr), "right") - 1])

    def false_alarms_at(self, threshold: float) -> int:
        """How many negative pairs are at most that far apart.

        Parameters
        ----------
        threshold : float
            One of `thresholds`, one given to `pair_roc`, or any between two with the same count.

        Returns
        -------
        int

        Raises
        ------
        TypeError, ValueError
            For a threshold between two at which the counts differ: only they are known.
        """
        value = _arrays.to_numpy("threshold", threshold)
        if value.shape != () or value.dtype.kind not in "fiu" or np.isnan(value):
            raise TypeError(f"threshold: expected a number, got {threshold!r}")
        limit = within(value.reshape(1).astype(np.float64), self.metric)[0]
        place = int(np.searchsorted(self.thresholds, limit, "right")) - 1
        after = min(place + 1, len(self.thresholds) - 1)
        least, most = int(self.false_positives[place]), int(self.false_positives[after])
        if self.thresholds[place] != limit and least != most:
            raise ValueError(
                f"threshold: expected one at which pairs were counted, got {threshold!r}, at which there are {least} to "
                f"{most} false alarms; pair_roc counts them with it among its thresholds"
            )
        return least

    def summary(self) -> str:
        """The numbers in words, with the protocol of the negatives, a few lines to print."""
        lines = [f"{self.n_pos:,} positive and {self.n_neg:,} negative pairs by {self.metric}"]
        lines += [f"  negatives: {self.protocol}"]
        lines += [_line("area under the curve", f"{self.auc:.9f}")]
        lines += [_line("smallest false-positive rate that can be told", f"{1 / self.n_neg:.2g}")]
        lines += [f"  {'at a true-positive rate of':<44}{'false-positive rate':>20}{'false alarms':>18}"]
        for tpr in TPRS:
            fpr = self.fpr_at_tpr(tpr)
            lines += [f"  {f'{tpr:g}':>28}{'':<16}{fpr:>20.3g}{round(fpr * self.n_neg):>18,}"]
        for fpr in FPRS:
            if fpr * self.n_neg >= 1:
                lines += [_line(f"true-positive rate at a false-positive rate of {fpr:g}", f"{self.tpr_at_fpr(fpr):.6f}")]
        return "\n".join(lines)

    def to_csv(self, path: str | Path) -> None:
        """Write a line for each threshold: threshold, tpr, fpr, true_positives, false_positives.

        Parameters
        ----------
        path : str or Path
            Written beside and renamed.

        Raises
        ------
        OSError
            If nothing can be written there.
        """
        names = ("threshold", "tpr", "fpr", "true_positives", "false_positives")
        arrays = (self.thresholds, self.tpr, self.fpr, self.true_positives, self.false_positives)
        write_csv(Path(path), [names, *zip(*(array.tolist() for array in arrays))])

    def plot(self, path: str | Path | None = None) -> Figure:
        """Draw the curve, with a logarithmic axis of false-positive rates down to 1e-9.

        Parameters
        ----------
        path : str or Path, optional
            Where to write the picture.

        Returns
        -------
        matplotlib.figure.Figure
            Made without pyplot; a notebook shows it.
        """
        return plot_roc(self.tpr, self.fpr, self.n_neg, f"AUC {self.auc:.6f}; negatives: {self.protocol}", path)


def within(values: NDArray[np.float64], metric: str) -> NDArray[Any]:
    """Thresholds of the distances' kind, within which the same distances lie."""
    if metric == "hamming":
        return np.clip(np.floor(values), -1, 8 * _arrays.MOST_CODE_BYTES).astype(np.int32)
    return _arrays.round_down(values)


def _rate(name: str, value: Any) -> float:
    rate = _arrays.to_numpy(name, value)
    if rate.shape != () or rate.dtype.kind not in "fiu":
        raise TypeError(f"{name}: expected a number, got {value!r}")
    if not 0 <= rate <= 1:
        raise ValueError(f"{name}: expected a rate from 0 to 1, got {value!r}")
    return float(rate)


def _line(text: str, value: str) -> str:
    return f"  {text:<64}{value:>18}"
