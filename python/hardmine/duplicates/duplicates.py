"""What `near_duplicates` returns: pairs, clusters, rows to keep; and how it is shown, written and reviewed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from hardmine import _arguments, _arrays
from hardmine._arrays import BoolArray, IntArray, Ints, RealArray
from hardmine._files import write_csv
from hardmine.duplicates import page, plot, tables
from hardmine.duplicates.inside import members
from hardmine.review.page import write_page
from hardmine.search.neighbors import DistanceArray
from hardmine.search.pairs import Pairs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Table: TypeAlias = Literal["rows", "clusters", "pairs"]


@dataclass(frozen=True, eq=False, repr=False)
class Duplicates:
    """Near-duplicates, and the clusters that they make.

    Attributes
    ----------
    pairs : Pairs
        All near-duplicates, ``rows < cols``, in the order of (row, distance, col).
    labels : array of shape (n,), int64
        The cluster of each row, numbered from 0 in the order of their first rows; -1 for a row that is in none.
    sizes : array of shape (c,), int64
        Rows of each cluster, two at least.
    diameters : array of shape (c,), float32, or int32 for codes
        The canonical distance of the two rows of a cluster that are farthest apart, near-duplicates or not.
    densities : array of shape (c,), float64
        The share of the pairs of a cluster's rows that are near-duplicates: 1 for a clique.
    open_triangles : array of shape (c,), int64
        How often a ~ b and b ~ c are near-duplicates and a ~ c are not: near-duplicates are no equivalence relation.
    chained : array of shape (c,), bool
        Whether the diameter exceeds the threshold: the cluster joins rows that are not near each other.
    kept : array of shape (c,), int64
        The row of each cluster to keep.
    keep, drop : arrays of int64
        All rows, ascending: those to keep (one of each cluster, and all of none), and the others.
    groups : array of shape (n,) or None
        As they were given.
    metric, threshold, linkage, which_to_keep : str, float, str, str
        Of the call; "scores" where a number for each row was given.
    """

    pairs: Pairs
    labels: IntArray
    sizes: IntArray
    diameters: DistanceArray
    densities: RealArray
    open_triangles: IntArray
    chained: BoolArray
    kept: IntArray
    keep: IntArray
    drop: IntArray
    groups: NDArray[Any] | None
    metric: str
    threshold: float
    linkage: str
    which_to_keep: str

    def __repr__(self) -> str:
        chained = int(self._array("chained").sum())
        return (
            f"Duplicates({len(self.pairs)} pairs of {len(self.labels)} rows, {len(self.sizes)} clusters, {chained} chained, "
            f"{len(self.keep)} rows to keep, {len(self.drop)} to drop)"
        )

    @property
    def representatives(self) -> IntArray:
        """The row that stands for each row, (n,) int64: the kept one of its cluster, itself where it is in none."""
        labels = self._array("labels")
        rows = np.arange(len(labels))
        rows[labels >= 0] = self._array("kept")[labels[labels >= 0]]
        return _arrays.like(rows, _arrays.device_of(self.labels))

    @property
    def mixed(self) -> BoolArray:
        """Which clusters have rows of several groups, (c,) bool: near-duplicates with different labels, or across splits."""
        if self.groups is None:
            raise ValueError("mixed: expected groups in the call of near_duplicates, got none")
        labels = self._array("labels")
        _, number = np.unique(self.groups, return_inverse=True)
        rows, start = members(labels)
        of_first = number.reshape(-1)[rows[start[:-1]]]
        differs = number.reshape(-1) != np.append(of_first, -1)[labels]
        found = np.zeros(len(self.sizes), bool)
        found[labels[differs & (labels >= 0)]] = True
        return _arrays.like(found, _arrays.device_of(self.labels))

    def summary(self) -> str:
        """The numbers in words, a few lines to print."""
        lines = [
            f"{len(self.pairs)} near-duplicates of {len(self.labels)} rows: {self.metric} distance up to {self.threshold:g}"
        ]
        lines += tables.clusters_in_words(self.linkage, *map(self._array, tables.OF_CLUSTERS))
        if self.groups is not None:
            rows, cols, *_ = self._pairs()
            across = int((self.groups[rows] != self.groups[cols]).sum())
            lines += [tables.line("pairs within a group", len(rows) - across), tables.line("pairs across groups", across)]
            lines += [tables.line("clusters of several groups", int(_arrays.to_numpy("mixed", self.mixed).sum()))]
        kept = "that of the highest score" if self.which_to_keep == "scores" else self.which_to_keep
        lines += [tables.line(f"rows to keep: all but those of clusters, and of each one ({kept})", len(self.keep))]
        lines += [tables.line("rows to drop", len(self.drop))]
        return "\n".join(lines)

    def to_csv(self, path: str | Path, table: Table = "rows", *, names: Sequence[str] | None = None) -> None:
        """Write a table as CSV, with a header.

        Parameters
        ----------
        path : str or Path
            Written beside and renamed.
        table : {"rows", "clusters", "pairs"}
            A line for each row that is in a cluster, cluster by cluster: its cluster, whether it is kept, and the row that is
            kept of its cluster; a line for each cluster with its numbers; or one for each pair.
        names : sequence of n strings, optional
            Of the rows, such as paths: a column more for each row number.

        Raises
        ------
        OSError, TypeError, ValueError
            If nothing can be written there; for names that are not one string a row.
        """
        _arguments.one_of("table", table, get_args(Table))
        named = tables.check_names(names, len(self.labels))
        if table == "rows":
            lines = tables.rows_table(self._array("labels"), self._array("kept"), self.groups, named)
        elif table == "clusters":
            lines = tables.clusters_table(*map(self._array, tables.OF_CLUSTERS), names=named)
        else:
            lines = tables.pairs_table(*self._pairs(), named)
        write_csv(Path(path), lines)

    def plot(self, path: str | Path | None = None) -> Figure:
        """Draw how many clusters there are of each size, and the diameter of each beside the threshold.

        Parameters
        ----------
        path : str or Path, optional
            Where to write the picture.

        Returns
        -------
        matplotlib.figure.Figure
            Made without pyplot; a notebook shows it.
        """
        sizes, diameters, chained = (self._array(name) for name in ("sizes", "diameters", "chained"))
        return plot.plot_clusters(sizes, diameters, chained, self.threshold, self.metric, path)

    def review(
        self,
        path: str | Path,
        images: str | Path | Sequence[str | Path] | Callable[[int], Any] | None = None,
        *,
        names: Sequence[str] | None = None,
        title: str = "Near-duplicates",
        pairs_per_cluster: int = 10,
        max_pairs: int = 10_000,
        embed: bool = True,
        thumbnail: int = 160,
    ) -> None:
        """Write a page on which people vote on the pairs side by side, nearest first.

        Parameters
        ----------
        path : str or Path
            Of the .html file: written beside and renamed. It needs no network.
        images : folder, list of n paths, callable or None
            Pictures of the rows: a folder, whose files sorted by name are the rows; paths; or a function of a row that returns
            a path, a PIL image or bytes.
        names : sequence of n strings, optional
            What the page calls the rows.
        title : str
        pairs_per_cluster : int
            Of each cluster the nearest so many, so that one of a thousand copies leaves room for the others; of pairs between
            clusters as many for each of their first rows.
        max_pairs : int
            Of all: the nearest ones.
        embed : bool
            Whether thumbnails are in the file, or linked.
        thumbnail : int
            Their larger side in pixels.

        Raises
        ------
        OSError, TypeError, ValueError
            As `hardmine.review.write_page`.
        ImportError
            Without what the page is made with: the extra ``hardmine[review]``.
        """
        per_cluster = _arguments.positive("pairs_per_cluster", pairs_per_cluster)
        most = _arguments.positive("max_pairs", max_pairs)
        named = tables.check_names(names, len(self.labels))
        rows, cols, distances, of_pairs = self._pairs()
        shown = page.nearest_of_each(rows, cols, distances, of_pairs, per_cluster, most)
        rows, cols, distances, of_pairs = rows[shown], cols[shown], distances[shown], of_pairs[shown]
        numbers = (self._array(name) for name in ("sizes", "diameters", "chained"))
        write_page(
            path,
            rows,
            cols,
            distances,
            title=title,
            row_images=images,
            row_names=named,
            col_names=named,
            classes=page.classes(rows, cols, of_pairs, self._array("chained"), self.groups),
            notes=page.notes(of_pairs, *numbers),
            embed=embed,
            thumbnail=thumbnail,
        )

    def _array(self, name: str) -> Any:
        return _arrays.to_numpy(name, getattr(self, name))

    def _pairs(self) -> tuple[Ints, Ints, NDArray[Any], Ints]:
        """(rows, cols, distances, cluster) of the pairs; of those between clusters it is -1."""
        rows, cols, distances = (_arrays.to_numpy("pairs", array) for array in self.pairs)
        labels = self._array("labels")
        return rows, cols, distances, np.where(labels[rows] == labels[cols], labels[rows], -1)
