"""Votes of reviewers, rules, decisions and agreement, beside loops; and what follows for the clean split."""

import types

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

import overlap_reference
from hardmine import find_overlap, fleiss_kappa
from hardmine.overlap.clean_split import Line, check_totals
from refusals import assert_refused

# Ten items, fourteen raters, five categories: the example that the article on Fleiss' kappa in Wikipedia works through.
WORKED = [
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
]  # fmt: skip


def report_of(labels=None, n=6, **given):
    """n training rows on a line, three evaluation rows; each evaluation row overlaps two training rows side by side."""
    train = np.arange(n, dtype=np.float32)[:, None]
    evaluation = np.float32([[0.25], [2.25], [4.25]])
    return find_overlap(train, evaluation, train_labels=labels, radius=0.8, metric="euclidean", **given)


def test_fleiss_kappa_of_the_worked_example():
    assert fleiss_kappa(WORKED) == pytest.approx(0.20993070442195522, rel=1e-13)
    assert fleiss_kappa(WORKED) == pytest.approx(overlap_reference.fleiss_kappa(WORKED), rel=1e-13)


@hypothesis.given(st.integers(1, 30), st.integers(2, 9), st.integers(2, 5), st.integers(0, 10**6))
def test_fleiss_kappa_is_the_formula(items, raters, categories, seed):
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(raters, rng.dirichlet(np.ones(categories)), items)
    found = fleiss_kappa(counts.astype(np.uint8))
    if (counts.sum(axis=0) > 0).sum() == 1:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(overlap_reference.fleiss_kappa(counts.tolist()), rel=1e-9, abs=1e-12)


def test_fleiss_kappa_of_extremes():
    assert fleiss_kappa([[3, 0], [0, 3]]) == 1.0
    assert fleiss_kappa([[1, 1], [1, 1]]) == -1.0
    rare = [[2, 0]] * 999 + [[1, 1]]
    assert fleiss_kappa(rare) == pytest.approx(overlap_reference.fleiss_kappa(rare), rel=1e-9), "chance alone nearly always"
    assert np.isnan(fleiss_kappa([[3, 0], [3, 0]])) and np.isnan(fleiss_kappa(np.zeros((0, 3), int)))


@hypothesis.given(
    rule=st.sampled_from(["any", "majority", "unanimous", 1, 2, 3]),
    scope=st.sampled_from(["class", "row"]),
    unreviewed=st.sampled_from(["remove", "keep"]),
    count=st.integers(0, 25),
    seed=st.integers(0, 10**6),
)
def test_decisions_equal_the_oracle(rule, scope, unreviewed, count, seed):
    """Votes on pairs and on classes, several of one reviewer on one thing, some on what is no evidence any more."""
    rng = np.random.default_rng(seed)
    n, m = 15, 5
    train, evaluation = rng.integers(-2, 3, (n, 2)).astype(np.float32), rng.integers(-2, 3, (m, 2)).astype(np.float32)
    labels = rng.choice(["arch", "dome", "gate", "spire"], n)
    report = find_overlap(train, evaluation, train_labels=labels, radius=4.0, metric="sqeuclidean")
    if not len(report.candidates):
        return
    votes = []
    for _ in range(count):
        place = int(rng.integers(len(report.candidates)))
        pair = int(report.candidates.rows[place]), int(report.candidates.cols[place])
        who, said = str(rng.choice(["ann", "ben", "cyd"])), str(rng.choice(["same", "different", "unsure"]))
        on_class = rng.random() < 0.3
        votes.append((who, said, None if on_class else pair, str(labels[pair[0]]) if on_class else None))
        report = report.with_votes(who, said, **({"labels": [votes[-1][3]]} if on_class else {"pairs": [pair]}))
    report = report.rethreshold(float(rng.choice([1.0, 4.0]))).decide(rule, unreviewed=unreviewed)

    unit = (lambda i: str(labels[i])) if scope == "class" else int
    rows_of = {label: [label] if scope == "class" else np.flatnonzero(labels == label).tolist() for label in labels.tolist()}
    said_of = overlap_reference.unit_votes(votes, lambda pair: unit(pair[0]), rows_of.__getitem__)
    judged = report.table("classes" if scope == "class" else "rows")
    units = judged["train_label"].tolist() if scope == "class" else judged["train_row"].tolist()
    assert sorted(units) == sorted({unit(i) for i in report.pairs.rows.tolist()})
    gone = set()
    for place, one in enumerate(units):
        said = list(said_of.get(one, {}).values())
        assert [judged[vote][place] for vote in ("same", "different", "unsure")] == [
            said.count(vote) for vote in ("same", "different", "unsure")
        ]
        known = overlap_reference.decision(said, rule)
        assert judged["decision"][place] == known
        if known == "remove" or (known == "pending" and unreviewed == "remove"):
            gone.add(one)
    split = report.clean_split(scope)
    assert split.kept.tolist() == overlap_reference.kept_rows(labels.tolist(), gone, scope, n)
    stays = {one for one, decided in zip(units, judged["decision"]) if decided == "keep"}
    overlapping = {i for i in report.pairs.rows.tolist() if unit(i) not in stays}
    report.assert_no_overlap(len(overlapping), scope=scope)
    if overlapping:
        with pytest.raises(AssertionError, match=f"at most {len(overlapping) - 1} training rows .* got {len(overlapping)} of"):
            report.assert_no_overlap(len(overlapping) - 1, scope=scope)


def test_what_nobody_voted_on_is_never_kept_in_silence():
    report = report_of(["a", "a", "b", "b", "c", "c"])
    assert len(report.clean_split().removed) == 6, "without votes the evidence decides"
    report = report.with_votes("ann", ["different", "unsure"], labels=["a", "b"])
    assert_refused(
        report.clean_split, ValueError, "votes: expected some on each class with evidence, got none for 2 of 3, such as b"
    )
    assert_refused(
        report.decide("any").clean_split, ValueError, "got none for 2 of 3, such as b; vote, or decide(..., unreviewed="
    )
    assert report.decide("any", unreviewed="remove").clean_split().removed_labels.tolist() == ["b", "c"]
    assert report.decide("any", unreviewed="keep").clean_split().removed_labels.tolist() == []
    with pytest.raises(
        AssertionError, match=r"got 4 of 6; the hardest pair: training row 2, evaluation row 1, distance 0\.25"
    ):
        report.decide("any", unreviewed="keep").assert_no_overlap()
    assert "2 votes of 1 reviewers, rule any, by class: remove 0, keep 1, pending 2" in report.summary()


def test_agreement_is_of_what_all_voted_on():
    report = report_of(["a", "a", "b", "b", "c", "c"])
    pairs = np.stack([report.candidates.rows, report.candidates.cols], axis=1)
    report = report.with_votes("ann", ["same", "same", "different", "unsure"], pairs=pairs[:4])
    report = report.with_votes("ben", ["same", "different", "different", "unsure", "same"], pairs=pairs[:5])
    found = report.agreement()
    assert found[:3] == (4, 1, 2) and found.observed == 0.75
    counts = [[0, 0, 2], [0, 1, 1], [0, 2, 0], [2, 0, 0]]
    assert found.kappa == pytest.approx(overlap_reference.fleiss_kappa(counts), rel=1e-13)
    assert_refused(report_of().agreement, ValueError, "agreement: expected votes of at least 2 reviewers, got 0")
    alone = report_of().with_votes("ann", "same", pairs=[(0, 0)])
    assert_refused(alone.agreement, ValueError, "agreement: expected votes of at least 2 reviewers, got 1")
    by_class = (
        report_of(["a", "a", "b", "b", "c", "c"]).with_votes(["ann", "ben"], "same", labels=["b", "b"]).agreement("class")
    )
    assert by_class[:3] == (1, 0, 2), "what nobody voted on is not left out: it is no item"
    nothing = report_of().with_votes(["ann", "ben"], "same", pairs=[(0, 0), (1, 0)]).agreement()
    assert nothing[:3] == (0, 2, 2) and np.isnan(nothing.observed) and np.isnan(nothing.kappa)


@pytest.mark.parametrize("scope", ["class", "row"])
def test_splits_that_do_not_add_up_are_refused(scope):
    from dataclasses import replace

    labels = np.array(["a", "a", "b", "b", "c", "c"])
    report = report_of(labels, evaluation_labels=["x", "y", "y"]).rethreshold(0.5)
    split = report.clean_split(scope, also=["c"])
    check_totals(split, labels, 6)
    wrong = [
        {"kept": split.kept[1:]} if len(split.kept) else {"removed": split.removed[1:], "reasons": split.reasons[1:]},
        {"kept": np.append(split.kept, split.removed[0])},
        {"before": split.before | {"rows": 7}},
        {"after": split.after | {"classes": split.after["classes"] + 1}},
        {"reasons": np.where(split.reasons == "visual", "text", split.reasons)},
        {"evaluation_rows": np.full_like(split.evaluation_rows, -1)},
        {"lines": (*split.lines[:-1], split.lines[-1]._replace(rows=split.lines[-1].rows + 1))},
        {"lines": (*split.lines[:-1], split.lines[-1]._replace(classes=split.lines[-1].classes - 1))},
        {"lines": (*split.lines[:-1], split.lines[-1]._replace(overlapping=0))},
        {"lines": (*split.lines[:-1], split.lines[-1]._replace(overlapping=9))},
        {"lines": (Line("x", 9, 1, 1, 1), *split.lines[1:])},
        {"train_rows": np.full_like(split.train_rows, -1)},
        {"removed_labels": split.removed_labels[:-1]},
        {"removed_labels": np.append(split.removed_labels[:-1], "q")},
    ]
    for change in wrong:
        with pytest.raises(AssertionError, match=r"clean_split: .* do not add up"):
            check_totals(replace(split, **change), labels, 6)


def test_sums_that_could_be_are_refused_too():
    """Where two lines share rows, and where a class loses some, other totals than the right ones lie between the bounds."""
    from dataclasses import replace

    labels = np.array(["a"] * 3 + ["b"] * 3)
    report = report_of(labels, evaluation_labels=["x", "y", "y"])
    split = report.clean_split()
    more = (*split.lines[:-1], split.lines[-1]._replace(rows=7))
    with pytest.raises(AssertionError, match="the total of removed rows do not add up"):
        check_totals(replace(split, lines=more), labels, 6)
    labels = np.array(["a", "b", "b", "b", "c", "c"])
    rows = report_of(labels).clean_split("row", also=["a"])
    assert rows.removed_labels.tolist() == ["a", "b", "c"]
    some = report_of(labels).rethreshold(0.5).clean_split("row")
    assert some.removed_labels.tolist() == ["a"]
    told = [line.split()[-2:] for line in some.summary().splitlines()[-3:]]
    assert told == [["6", "3"], ["3", "1"], ["3", "2"]], "the training set, removed, left: rows and classes"
    with pytest.raises(AssertionError, match="nothing is left of a removed class do not add up"):
        check_totals(replace(some, removed_labels=np.array(["b"])), labels, 6)


def test_classes_come_hardest_first_with_their_evaluation_rows():
    train, evaluation = np.float32([[0.0], [1.0], [1.05]]), np.float32([[0.1], [1.3], [1.4]])
    found = find_overlap(train, evaluation, train_labels=["z", "a", "a"], radius=0.5, metric="euclidean").table("classes")
    assert [found[name].tolist() for name in ("train_label", "pairs", "evaluation_rows")] == [["z", "a"], [1, 4], [1, 2]]


def test_a_class_of_two_evaluation_sets_counts_once_in_the_total():
    report = report_of(["a"] * 3 + ["b"] * 3, evaluation_labels=["x", "y", "y"])
    assert [tuple(line) for line in report.clean_split().lines] == [
        ("x", 1, 1, 1, 3),
        ("y", 2, 2, 2, 6),
        ("total", 3, 3, 2, 6),
    ]
    rows = report.clean_split("row").lines
    assert [tuple(line) for line in rows] == [("x", 1, 1, 1, 2), ("y", 2, 2, 2, 4), ("total", 3, 3, 2, 6)]


def test_labels_are_compared_exactly():
    """As float64 2**53 and 2**53 + 1 are one number, and so are uint64 and int64 beside each other."""
    labels = np.array([2**53, 2**53 + 1, 2**63 + 1, 2**63 + 2, 5, 5], np.uint64)
    report = report_of(labels)
    for listed in (labels[1:2], labels[2:3], np.array([2**53 + 1], np.int64)):
        split = report.rethreshold(-1.0).clean_split(also=listed)
        assert split.removed_labels.tolist() == listed.tolist() and split.reasons.tolist() == ["listed"]
    assert_refused(
        lambda: report.clean_split(also=np.array([-5])), ValueError, "also: expected labels of training rows, got -5"
    )
    assert_refused(lambda: report.clean_split(also=np.array([2**53 + 2])), ValueError, "got 9007199254740994")


def test_without_labels_rows_are_removed():
    split = report_of(n=9).clean_split()
    assert split.kept.tolist() == [6, 7, 8] and split.removed_labels is None and split.after == {"rows": 3}
    assert [tuple(line) for line in split.lines] == [("evaluation", 3, 3, 0, 6), ("total", 3, 3, 0, 6)]
    assert split.train_rows.tolist() == split.removed.tolist() and split.evaluation_rows.tolist() == [0, 0, 1, 1, 2, 2]


def test_reviews_are_loaded_from_files(monkeypatch):
    report = report_of(["a", "a", "b", "b", "c", "c"])
    given = {}

    def load_reviews(*paths):
        given["paths"] = paths
        rows, cols = np.array([0, 2, 0]), np.array([0, 1, 0])
        votes, reviewer = np.array(["same", "different", "different"]), np.array(["ann", "ann", "ben"])
        return types.SimpleNamespace(rows=rows, cols=cols, votes=votes, reviewer=reviewer)

    monkeypatch.setattr("hardmine.overlap.report.load_reviews", load_reviews)
    loaded = report.load_reviews("ann.json", "ben.json")
    assert given["paths"] == ("ann.json", "ben.json") and len(report.votes.votes) == 0
    judged = loaded.table("classes")
    assert judged["same"].tolist() == [1, 0, 0] and judged["different"].tolist() == [1, 1, 0]
    assert judged["decision"].tolist() == ["remove", "keep", "pending"]


def test_the_page_is_given_the_evidence_hardest_first(monkeypatch):
    pages = []
    monkeypatch.setattr("hardmine.overlap.page.write_page", lambda *given, **options: pages.append((given, options)))
    ids = ["t0", "t1", "t2", "t3", "t4", "t5"], [7, 8, 9]
    report = report_of([1, 1, 1, 1, 2, 2], ids=ids, verifier=lambda rows, cols: 10 - rows, min_verified=6)
    report.review("page.html", "train", "evaluation", embed=False, thumbnail=99)
    (path, rows, cols, distances), options = pages.pop()
    assert path == "page.html" and list(zip(rows.tolist(), cols.tolist())) == [(0, 0), (2, 1), (4, 2), (1, 0), (3, 1)]
    assert (np.diff(distances) >= 0).all() and distances.dtype == np.float32
    assert options == {
        "title": "Overlap of 6 training rows and 3 evaluation rows", "row_images": "train", "col_images": "evaluation",
        "row_names": ids[0], "col_names": ["7", "8", "9"], "classes": [1, 1, 2, 1, 1], "embed": False, "thumbnail": 99,
        "notes": ["verified: 10.0", "verified: 8.0", "verified: 6.0", "verified: 9.0", "verified: 7.0"],
    }  # fmt: skip
    report.review("page.html", pairs_per_class=1, title="mine")
    (_, rows, cols, _), options = pages.pop()
    assert rows.tolist() == [0, 4] and cols.tolist() == [0, 2] and options["notes"] == ["verified: 10.0", "verified: 6.0"]
    assert options["row_images"] is options["col_images"] is None and options["title"] == "mine"
    report_of().review("page.html")
    _, options = pages.pop()
    assert options["classes"] is options["notes"] is options["row_names"] is options["col_names"] is None
    one_side = "evaluation_images: expected images of both sides, or of neither, got those of one"
    assert_refused(lambda: report.review("page.html", "train"), TypeError, one_side)
    assert_refused(
        lambda: report_of().review("p.html", pairs_per_class=1), ValueError, "pairs_per_class: expected train_labels in"
    )
    assert pages == []
