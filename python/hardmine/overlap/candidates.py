"""Which pairs of a training row and an evaluation row are looked at: the nearest of either side, or all within a radius.

A pair has the same canonical distance whichever side asks, so that candidates of both directions are simply joined.
Offsets are what score normalisation adds to the distances of an evaluation row. A pair is within a radius r where its
distance is at most r less the offset, computed so everywhere: by the search, and whenever a threshold changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hardmine import _arrays
from hardmine._arrays import Floats, Ints, Rows
from hardmine._progress import Progress
from hardmine.jobs.fingerprint import of_search
from hardmine.jobs.folder import Folder
from hardmine.jobs.pieces import Pieces, pairs_of_piece, rows_of_piece
from hardmine.search.filter import CoreFilter
from hardmine.search.metric import distance_type, similarity
from hardmine.search.neighbors import Distances
from hardmine.search.pairs import PairSearch, joined
from hardmine.search.radius_neighbors import NO_LIMIT, pairs_within
from hardmine.search.topk import scan, scan_kept

Directions: TypeAlias = Literal["both", "evaluation", "train"]
DIRECTIONS = ("both", "evaluation", "train")
Found: TypeAlias = tuple[Ints, Ints, Distances]  # training rows, evaluation rows, distances

MOST_ENTRIES = 1 << 20  # neighbours held at a time, so that memory follows the candidates and not what was looked at
BACKGROUND_RANKS = 3  # nearest background rows whose mean score is subtracted, as in the DISC21 protocol


class Search(NamedTuple):
    """The two sides and what is asked of them, checked."""

    train: Rows
    evaluation: Rows
    metric: str
    k: int | None
    radius: float  # infinity: none
    directions: Directions
    offsets: NDArray[np.float64] | None  # of each evaluation row
    threads: int
    folder: Folder | None = None  # where finished pieces are kept

    def candidates(self, wanted: bool | Callable[[int, int], object], most: int = NO_LIMIT) -> Found:
        """Every candidate once, in the order of (distance with offset, training row, evaluation row)."""
        n, m = self.train.count, self.evaluation.count
        sides = 1 if self.k is None or self.directions != "both" else 2
        parts: list[Found] = []
        with Progress(wanted, sides * n * m) as bar:
            if self.k is None:
                search = PairSearch(self.evaluation, self.train, self.metric, CoreFilter(), self.threads)
                cols, rows, distances = pairs_within(search, self.reach(), bar.part(n * m) or False, most, self.folder)
                parts.append((rows, cols, distances))
            else:
                if self.directions != "train":
                    cols, rows, distances = self._nearest("evaluation", self.evaluation, self.train, self.k, self.reach(), bar)
                    parts.append((rows, cols, distances))
                if self.directions != "evaluation":
                    farthest = np.full(n, self.reach().max(initial=-np.inf), np.float32)  # and by its own reach below
                    parts.append(self._nearest("train", self.train, self.evaluation, self.k, farthest, bar))
        rows, cols, distances = joined(parts, distance_type(self.metric))
        if sides == 2:
            rows, cols, distances = _each_once(rows, cols, distances)
        if self.offsets is not None:
            kept = within(distances, cols, self.radius, self.offsets)
            rows, cols, distances = rows[kept], cols[kept], distances[kept]
        if len(rows) > most:
            raise ValueError(f"max_pairs: expected at most {most} pairs, got {len(rows)}")
        order = np.lexsort((cols, rows, normalised(distances, cols, self.offsets)))
        return rows[order], cols[order], distances[order]

    def reach(self) -> Floats:
        """How far each evaluation row looks, as float32."""
        offsets = np.zeros(self.evaluation.count) if self.offsets is None else self.offsets
        return _arrays.round_down(self.radius - offsets)

    def _nearest(self, search: str, queries: Rows, base: Rows, k: int, reach: Floats, bar: Progress) -> Found:
        """(queries, base rows, distances) of the k nearest base rows of each query, no farther than it reaches."""
        kept = min(k, base.count)
        step = max(1, MOST_ENTRIES // max(kept, 1))
        about: dict[str, Any] = {}
        if self.folder is not None:
            step = min(step, rows_of_piece(pairs_of_piece(queries.width, self.threads), base.count, self.threads))
            about = of_search(queries, base, self.metric, CoreFilter(nearer_than=reach), k=kept)
        with np.errstate(over="ignore", under="ignore"):
            limits = np.where(reach == np.inf, np.float32(np.nan), np.nextafter(reach, np.float32(np.inf)))
        parts: list[Found] = []
        pieces = Pieces(self.folder, search, queries.count if kept else 0, step, about)
        for number, first, last in pieces:
            stored = pieces.load(number)
            if stored is not None:
                bar.skip((last - first) * base.count)
                parts.append((stored["rows"], stored["cols"], stored["distances"]))
                continue
            allowed = CoreFilter(nearer_than=np.ascontiguousarray(limits[first:last]))
            report = bar.part((last - first) * base.count) or False
            distances, indices = scan(
                queries.part(first, last),
                base,
                kept,
                metric=self.metric,
                allowed=allowed,
                threads=self.threads,
                progress=report,
            )
            real = indices >= 0
            rows = np.repeat(np.arange(first, last), real.sum(axis=1))
            parts.append((rows, indices[real], distances[real]))
            pieces.save(number, **dict(zip(("rows", "cols", "distances"), parts[-1])))
        return joined(parts, distance_type(self.metric))


def within(
    distances: Distances, evaluation_rows: Ints, radius: float, offsets: NDArray[np.float64] | None
) -> NDArray[np.bool_]:
    """Which pairs are within a radius, less the offset of their evaluation row."""
    if offsets is None:
        return np.asarray(distances.astype(np.float64) <= radius)
    return np.asarray(distances.astype(np.float64) <= (radius - offsets)[evaluation_rows])


def normalised(distances: Distances, evaluation_rows: Ints, offsets: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Distances as float64, each with the offset of its evaluation row."""
    values = distances.astype(np.float64)
    return values if offsets is None else values + offsets[evaluation_rows]


def background_scores(
    evaluation: Rows, background: Rows, metric: str, threads: int, folder: Folder | None
) -> NDArray[np.float64]:
    """The mean score of each evaluation row with the three nearest background rows, of fewer where there are no more."""
    kept = min(BACKGROUND_RANKS, background.count)
    distances, _ = scan_kept(
        folder, "background", evaluation, background, kept, metric=metric, allowed=CoreFilter(), threads=threads
    )
    mean: NDArray[np.float64] = similarity(distances.astype(np.float64), metric).mean(axis=1)
    return mean


def _each_once(rows: Ints, cols: Ints, distances: Distances) -> Found:
    """Pairs that both directions found, once."""
    order = np.lexsort((cols, rows))
    rows, cols, distances = rows[order], cols[order], distances[order]
    first = np.ones(len(rows), bool)
    first[1:] = (rows[1:] != rows[:-1]) | (cols[1:] != cols[:-1])
    return rows[first], cols[first], distances[first]
