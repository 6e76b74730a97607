"""What `find_overlap` returns: candidates, what is evidence among them, votes on it, and decisions that follow from both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardmine import _arguments
from hardmine._arguments import number
from hardmine._arrays import ArrayLike
from hardmine.overlap import judging, page, saving
from hardmine.overlap.agreement import Agreement
from hardmine.overlap.clean_split import CleanSplit, write_csv
from hardmine.overlap.evidence import Bools, evidence_of
from hardmine.overlap.judging import Scope, check_no_overlap, check_reviewed, check_scope, judge, units_of_rows
from hardmine.overlap.naming import Classes, Naming, classes_of
from hardmine.overlap.removal import split_without
from hardmine.overlap.tables import TABLES, Table, summary, table
from hardmine.overlap.votes import PENDING, REMOVE, Rule, Votes, check_rule, check_votes
from hardmine.review.votes import load_reviews
from hardmine.search.pairs import Pairs

UNREVIEWED = ("raise", "remove", "keep")


@dataclass(frozen=True, eq=False, repr=False)
class OverlapReport:
    """The pairs of a training row and an evaluation row that were found, and what is made of them.

    Nothing is changed in place: `rethreshold`, `with_votes`, `load_reviews` and `decide` return reports of the same
    candidates.

    Attributes
    ----------
    candidates : Pairs
        Every pair that was looked at, ``rows`` of the training set and ``cols`` of the evaluation set, in the order of
        (distance with offset, row, col): hardest first.
    verified : array of shape (p,), bool or float64, or None
        What the verifier said of each.
    offsets : array of shape (m,), float64, or None
        What score normalisation adds to the distances of each evaluation row.
    evidence : array of shape (p,), bool
        The candidates within `radius` that are verified and of a class that their evaluation row chooses (`aggregate`).
    pairs : Pairs
        The candidates that are evidence, in the same order.
    metric, k, directions, aggregate : as in `find_overlap`
    radius, searched : float
        The radius of the evidence, and that of the search; infinity where none was given.
    min_verified : float or None
    rule : str, int or None
        Of `decide`.
    unreviewed : str
        Of `decide`, too: "raise" at first.
    naming : Naming
        `train_labels`, `evaluation_labels`, `train_ids` and `evaluation_ids`, or None each.
    votes : Votes
        Of reviewers, one after another.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> train = np.array([[0.0], [1.0], [5.0], [9.0]], dtype=np.float32)
    >>> report = hardmine.find_overlap(
    ...     train, np.float32([[1.2], [20]]), train_labels=["spire", "spire", "dome", "gate"], radius=0.5, metric="euclidean")
    >>> report
    OverlapReport(1 of 1 candidates is evidence: 1 of 4 training rows, 1 of 3 classes, 1 of 2 evaluation rows)
    >>> split = report.clean_split(scope="class")
    >>> split.kept.tolist(), split.removed.tolist(), split.after
    ([2, 3], [0, 1], {'rows': 2, 'classes': 2})
    >>> reviewed = report.with_votes(["ann", "ben"], ["same", "different"], labels=["spire", "spire"])
    >>> len(reviewed.decide("any").clean_split().removed), len(reviewed.decide("unanimous").clean_split().removed)
    (2, 0)
    """

    candidates: Pairs
    verified: Bools | NDArray[np.float64] | None
    offsets: NDArray[np.float64] | None
    naming: Naming
    votes: Votes
    metric: str
    k: int | None
    searched: float
    directions: str
    radius: float
    min_verified: float | None
    aggregate: str
    rule: Rule | None = None
    unreviewed: str = "raise"

    @cached_property
    def evidence(self) -> Bools:
        return evidence_of(self)

    @cached_property
    def pairs(self) -> Pairs:
        rows, cols, distances = (part[self.evidence] for part in self.candidates)
        return Pairs(rows, cols, distances, self.candidates.shape)

    @cached_property
    def classes(self) -> Classes | None:
        """The training classes by numbers: `labels` (sorted), `of` each training row, and `sizes`; None without labels."""
        return None if self.naming.train_labels is None else classes_of(self.naming.train_labels)

    def __repr__(self) -> str:
        (n, m), found = self.candidates.shape, self.pairs
        parts = [f"{len(np.unique(found.rows))} of {n} training rows"]
        if self.classes is not None:
            parts.append(f"{len(np.unique(self.classes.of[found.rows]))} of {len(self.classes.labels)} classes")
        parts.append(f"{len(np.unique(found.cols))} of {m} evaluation rows")
        verb = "is" if len(found) == 1 else "are"
        return f"OverlapReport({len(found)} of {len(self.candidates)} candidates {verb} evidence: {', '.join(parts)})"

    def table(self, which: Table = "pairs") -> dict[str, NDArray[Any]]:
        """Columns of one length, as ``pandas.DataFrame`` takes them.

        Parameters
        ----------
        which : {"pairs", "classes", "rows", "evaluation"}
            Of all candidates, hardest first; of the training classes or training rows with evidence, with votes and
            decisions; of all evaluation rows, each with its hardest pair that is evidence.

        Returns
        -------
        dict of arrays
            Numbers of rows are -1 and distances infinite (2**31 - 1 for codes) where there is nothing.
        """
        _arguments.one_of("which", which, TABLES)
        return table(self, which)

    def to_csv(self, path: str | Path, which: Table = "pairs") -> None:
        """Write a table to a file.

        Parameters
        ----------
        path : str or Path
            Written beside and renamed.
        which : {"pairs", "classes", "rows", "evaluation"}
            See `table`.
        """
        write_csv(Path(path), self.table(which))

    def save(self, path: str | Path) -> None:
        """Write all of it to an .npz file, without pickle, which `load` reads.

        Parameters
        ----------
        path : str or Path
            Written beside and renamed.
        """
        saving.save(self, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> OverlapReport:
        """Read what `save` wrote, or raise FileNotFoundError or ValueError if nothing is there, or something else."""
        return cls(**saving.load(Path(path)))

    def rethreshold(self, radius: float | None = None, *, min_verified: float | None = None) -> OverlapReport:
        """Take another radius or another least score of the verifier, without a search: what finding anew would give.

        Parameters
        ----------
        radius : float, optional
            At most that of the search; by default as it is.
        min_verified : float, optional
            By default as it is.

        Returns
        -------
        OverlapReport
            With the same candidates and votes.

        Raises
        ------
        TypeError, ValueError
            For no number; for a radius beyond that of the search, of which the candidates cannot tell, and for
            `min_verified` where no verifier returned scores.

        Notes
        -----
        O(p) time. Votes stay, but speak of classes and rows only that have evidence: of a tighter radius, less.
        """
        chosen = self.radius if radius is None else number("radius", radius)
        if chosen > self.searched:
            raise ValueError(
                f"radius: expected at most {self.searched:g}, within which candidates were searched, got {chosen:g}; find anew"
            )
        least = self.min_verified if min_verified is None else number("min_verified", min_verified)
        if min_verified is not None and (self.verified is None or self.verified.dtype == np.bool_):
            raise ValueError(f"min_verified: expected None where no verifier returned scores, got {min_verified:g}")
        return replace(self, radius=chosen, min_verified=least)

    def with_votes(
        self,
        reviewer: ArrayLike | str,
        votes: ArrayLike | str,
        *,
        pairs: ArrayLike | None = None,
        labels: ArrayLike | None = None,
    ) -> OverlapReport:
        """Add the votes of reviewers on pairs or on classes.

        Parameters
        ----------
        reviewer : str or array of shape (v,)
            Who says it.
        votes : str or array of shape (v,)
            "same", "different" or "unsure" each.
        pairs : array of shape (v, 2), integers
            (training row, evaluation row) of candidates. Or:
        labels : array of shape (v,)
            Labels of training classes.

        Returns
        -------
        OverlapReport
            Of a reviewer's votes on one pair, or on one class, the last one stays.
        """
        new = check_votes(reviewer, votes, pairs, labels, partial(page.places, self), self.classes)
        return replace(self, votes=self.votes.and_then(new))

    def load_reviews(self, *paths: str | Path) -> OverlapReport:
        """Add the votes that the page of `review` exported, one file or several: see `hardmine.load_reviews`."""
        reviews = load_reviews(*paths)
        pairs = np.stack([np.asarray(reviews.rows), np.asarray(reviews.cols)], axis=1)
        return self.with_votes(reviews.reviewer, reviews.votes, pairs=pairs)

    def decide(self, rule: Rule = "any", *, unreviewed: str = "raise") -> OverlapReport:
        """Choose how votes decide which classes or rows are removed.

        A reviewer who says "same" of any pair of a class says it of the class; who is unsure abstains.

        Parameters
        ----------
        rule : {"any", "majority", "unanimous"} or int
            Remove where any reviewer says "same" (the rule of Song et al. [1]_, of three reviewers), where more than half of
            those who do not abstain do, where all of them do, or where at least so many do.
        unreviewed : {"raise", "remove", "keep"}
            What `clean_split` does with classes or rows that have evidence, but no vote other than "unsure". `table` and
            `assert_no_overlap` have them as pending.

        Returns
        -------
        OverlapReport

        References
        ----------
        .. [1] Song et al., "On Train-Test Class Overlap and Detection for Image Retrieval", CVPR 2024.
        """
        _arguments.one_of("unreviewed", unreviewed, UNREVIEWED)
        return replace(self, rule=check_rule(rule), unreviewed=unreviewed)

    def agreement(self, scope: str = "pair") -> Agreement:
        """How well the reviewers agree, over the pairs, classes or training rows that all of them voted on.

        Parameters
        ----------
        scope : {"pair", "class", "row"}
            What a vote is taken to be on. Pairs count the votes on pairs alone; classes and rows all votes, as `decide` reads
            them, where there is evidence.

        Returns
        -------
        Agreement
            A named tuple: items that all reviewers voted on, items left out, reviewers, the observed share of agreement, and
            Fleiss' kappa (`fleiss_kappa`).
        """
        return judging.agreement(self, scope)

    def clean_split(self, scope: Scope | None = None, *, also: ArrayLike | None = None) -> CleanSplit:
        """Leave out what overlaps: what is evidence, or what `decide` makes of the votes on it ("any", if there are votes).

        Parameters
        ----------
        scope : {"class", "row"}, optional
            Remove all rows of a class that has evidence, or the training rows that have it alone. By default "class" where
            there are train_labels.
        also : array of labels, optional
            Training classes to remove whatever the evidence is, such as those found by their names; their reason is "listed".

        Returns
        -------
        CleanSplit
            Its totals are checked: rows and classes before and after, and every line of its table.

        Raises
        ------
        TypeError, ValueError
            For ``scope="class"`` or `also` without train_labels, and for classes or rows that nobody has voted on (`decide`).
        """
        of = check_scope(self, scope)
        listed = np.zeros(0, np.int64)
        if also is not None:
            if self.classes is None:
                raise ValueError("also: expected train_labels in the report, got None")
            listed = self.classes.numbers("also", also)
        judged = judge(self, of)
        if self.unreviewed == "raise":
            check_reviewed(judged, of)
        goes = judged.decisions == REMOVE
        if self.unreviewed == "remove":
            goes |= judged.decisions == PENDING
        gone = judged.units.numbers[goes], judged.units.first[goes]
        evidence = np.flatnonzero(self.evidence)
        return split_without(units_of_rows(self, of), *gone, listed, evidence, self.candidates, self.classes, self.naming)

    def assert_no_overlap(self, max_rows: int = 0, *, scope: Scope | None = None) -> None:
        """Raise AssertionError if more than `max_rows` training rows have evidence: a line for a test.

        Rows that `decide` keeps, themselves or by their class (`scope`, as in `clean_split`), do not count. Those that nobody
        has voted on do.
        """
        check_no_overlap(self, _arguments.whole("max_rows", max_rows), check_scope(self, scope))

    def summary(self) -> str:
        """The numbers in words, a few lines to print."""
        return summary(self)

    def review(
        self,
        path: str | Path,
        train_images: Any = None,
        evaluation_images: Any = None,
        *,
        pairs_per_class: int | None = None,
        title: str | None = None,
        embed: bool = True,
        thumbnail: int = 160,
    ) -> None:
        """Write a page on which reviewers vote on the evidence, hardest first: see `hardmine.review.write_page`.

        Parameters
        ----------
        path : str or Path
            Written beside and renamed.
        train_images, evaluation_images : folder, list of paths, or callable (row) -> path, image or bytes; optional
            The pictures of either side; both or neither.
        pairs_per_class : int, optional
            Only so many pairs of each training class, the hardest; needs train_labels.
        title : str, optional
            By default it names the numbers of rows. Pages whose votes are to be loaded together must have the same one.
        embed, thumbnail
            See `hardmine.review.write_page`.
        """
        options = {"embed": embed, "thumbnail": thumbnail}
        page.write(self, path, train_images, evaluation_images, pairs_per_class, title, **options)
