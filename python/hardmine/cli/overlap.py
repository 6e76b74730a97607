"""The command overlap: what a training set and an evaluation set share, its page for reviewers, and a split without it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, cast

import numpy as np

import hardmine
from hardmine._files import check_writable, replacing
from hardmine.cli.inputs import add_checkpoint, function, going_on, load, load_rows, progress
from hardmine.overlap.candidates import DIRECTIONS
from hardmine.overlap.evidence import AGGREGATES
from hardmine.overlap.judging import SCOPES
from hardmine.overlap.report import UNREVIEWED
from hardmine.overlap.votes import RULES, Rule
from hardmine.search.metric import METRICS

OUTPUTS = ("saved", "csv", "classes", "removed", "kept", "review")


def add(commands: Any) -> None:
    """Add it to the parsers of an `argparse` command."""
    overlap = commands.add_parser("overlap", help="rows and classes of a training set that are also in an evaluation set")
    overlap.add_argument("train", metavar="TRAIN", help="rows of floats or packed codes: files as of topk")
    overlap.add_argument("evaluation", metavar="EVAL", help="the same")
    overlap.add_argument("-k", type=int, help="candidates: the k nearest of either side")
    overlap.add_argument("-r", "--radius", type=float, metavar="R", help="candidates: no farther apart; -k, this, or both")
    overlap.add_argument("--metric", choices=METRICS, default="cosine", help="(%(default)s)")
    overlap.add_argument("--bits", type=int, metavar="B", help="of packed codes, for hamming; by default all of their bytes")
    overlap.add_argument("--directions", choices=DIRECTIONS, default="both", help="which side asks for its k (%(default)s)")
    for side, name in (("train", "training row"), ("evaluation", "evaluation row")):
        overlap.add_argument(f"--{side}-labels", type=Path, metavar="L.npy", help=f"a label for each {name}")
        overlap.add_argument(
            f"--{side}-ids", type=Path, metavar="I.npy", help=f"what each {name} is called; of both or neither"
        )
    overlap.add_argument("--verifier", metavar="MODULE:FUNCTION", help="(training rows, evaluation rows) -> bools or scores")
    overlap.add_argument("--min-verified", type=float, metavar="X", help="the least of its scores that verifies")
    overlap.add_argument("--score-norm", metavar="B", help="background rows, or a number for each evaluation row")
    overlap.add_argument("--aggregate", choices=AGGREGATES, default="any", help="classes of an evaluation row (%(default)s)")
    overlap.add_argument("--max-pairs", type=int, metavar="N", help="fail if there are more candidates")
    overlap.add_argument("--threads", type=int, help="by default every core the process may use")
    add_checkpoint(overlap)

    overlap.add_argument("--reviews", type=Path, nargs="+", default=[], metavar="V.json", help="votes that the page exported")
    overlap.add_argument("--decide", type=_rule, metavar="RULE", help=f"{', '.join(RULES)}, or how many say same (any)")
    overlap.add_argument("--unreviewed", choices=UNREVIEWED, default="raise", help="what has no votes (%(default)s)")
    overlap.add_argument(
        "--scope", choices=SCOPES, help="remove whole classes or rows; by default classes if there are labels"
    )
    overlap.add_argument("--also", type=Path, metavar="L.npy", help="labels of training classes to remove in any case")

    overlap.add_argument("-o", "--output", type=Path, dest="saved", metavar="OUT.npz", help="where the report goes")
    overlap.add_argument("--csv", type=Path, metavar="PAIRS.csv", help="where the table of candidates goes")
    overlap.add_argument("--classes", type=Path, metavar="C.csv", help="where the table of classes with evidence goes")
    overlap.add_argument("--removed", type=Path, metavar="R.csv", help="where the rows to remove go, with reasons")
    overlap.add_argument("--kept", type=Path, metavar="K.npy", help="where the numbers of the rows to keep go")
    overlap.add_argument("--review", type=Path, metavar="PAGE.html", help="where the page for reviewers goes")
    overlap.add_argument("--train-images", type=Path, metavar="FOLDER", help="of it: sorted names are the rows")
    overlap.add_argument("--evaluation-images", type=Path, metavar="FOLDER", help="the same")
    overlap.add_argument("--pairs-per-class", type=int, metavar="N", help="on the page only the hardest of each class")
    overlap.add_argument("--check", action="store_true", help="exit code 1 if there is an overlap")
    overlap.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    also = load(given.also)
    _check(given)
    report = _decided(given, _found(given))
    print(report.summary())
    if given.saved is not None:
        report.save(given.saved)
    if given.csv is not None:
        report.to_csv(given.csv)
    if given.classes is not None:
        report.to_csv(given.classes, "classes")
    if given.review is not None:
        images = given.train_images, given.evaluation_images
        report.review(given.review, *images, pairs_per_class=given.pairs_per_class)
    if given.removed is not None or given.kept is not None or given.scope is not None:
        split = report.clean_split(given.scope, also=also)
        print(split.summary())
        if given.removed is not None:
            split.to_csv(given.removed)
        if given.kept is not None:
            with replacing(given.kept) as partial, open(partial, "wb") as file:
                np.save(file, split.kept)
    for name in OUTPUTS:
        if getattr(given, name) is not None:
            print(f"{getattr(given, name)}: written")
    if given.check:
        try:
            report.assert_no_overlap(scope=given.scope)
        except AssertionError as error:
            print(f"overlap: {error}")
            return 1
    return 0


def _check(given: argparse.Namespace) -> None:
    """Raise for what would fail after the search."""
    for name in OUTPUTS:
        if getattr(given, name) is not None:
            check_writable(getattr(given, name))
    for path in given.reviews:
        if not path.is_file():
            raise FileNotFoundError(f"{path}: expected a file that the page for reviewers exported, got no such file")
    if (given.train_images is None) != (given.evaluation_images is None):
        raise ValueError("images: expected images of both sides, or of neither, got those of one")
    if (given.train_ids is None) != (given.evaluation_ids is None):
        raise ValueError("ids: expected ids of both sides, or of neither, got those of one")
    for name in ("also", "classes", "pairs_per_class"):
        if getattr(given, name) is not None and given.train_labels is None:
            raise ValueError(f"{name}: expected --train-labels beside it, got none")
    if given.scope == "class" and given.train_labels is None:
        raise ValueError('scope: expected --train-labels beside "class", got none')


def _found(given: argparse.Namespace) -> hardmine.OverlapReport:
    return hardmine.find_overlap(
        load_rows(given.train),
        load_rows(given.evaluation),
        train_labels=load(given.train_labels),
        evaluation_labels=load(given.evaluation_labels),
        ids=None if given.train_ids is None else (load(given.train_ids), load(given.evaluation_ids)),
        k=given.k,
        radius=given.radius,
        metric=given.metric,
        directions=given.directions,
        verifier=function("verifier", given.verifier),
        min_verified=given.min_verified,
        score_norm=load_rows(given.score_norm),
        aggregate=given.aggregate,
        max_pairs=given.max_pairs,
        bits=given.bits,
        threads=given.threads,
        progress=progress(),
        checkpoint=going_on(given.checkpoint),
    )


def _decided(given: argparse.Namespace, report: hardmine.OverlapReport) -> hardmine.OverlapReport:
    if given.reviews:
        report = report.load_reviews(*given.reviews)
    if given.decide is None and not given.reviews:
        return report
    return report.decide("any" if given.decide is None else given.decide, unreviewed=given.unreviewed)


def _rule(text: str) -> Rule:
    """The name of a rule, or a number of reviewers."""
    try:
        return cast(Rule, text if text in RULES else int(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected {', '.join(RULES)} or a number of reviewers, got {text!r}") from None
