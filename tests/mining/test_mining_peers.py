"""Hard negatives beside `mine_hard_negatives` of sentence-transformers 6.2: the same ones, on random and on tied rows.

A stub stands for its model: the texts "q3" and "d17" have given rows. Random rows keep two scores of a query, and a score and
a limit, farther apart than rounding moves them (`check_apart`). Tied rows are signed unit and half vectors, whose products and
limits are exact in float32. Where a tie lies at the border of what is taken, either side may take any of the tied rows; there
scores are compared instead of indices. Equal scores of distinct allowed rows mean equal sets but for ties at the border.

What corresponds, and what differs:

- Its margins are measured from the farthest positive: ``positive_reference="min"``.
- It fetches the ``range_max + p`` nearest rows, p the largest number of positives of a query, and filters those. Ranks count
  what is left, as ``rank_base="filtered"`` does. So without limits on scores any `range_max` means the same; with limits it
  must reach the end of the corpus, or rows that the limits let through are never fetched. With ``range_min=0`` its window is
  hardmine's raw one: ``rank_base="raw", range_max=range_max + p``.
- A cross-encoder is asked only where a limit on scores is set; `rescore` always decides.
- A query's own text is a candidate like any other; without a base, hardmine leaves a row's own pair out.
- Where negatives are missing, triplets, tuples and labeled pairs have the same rows. Its labeled lists leave out queries
  without any negative; here those stay, with the positive alone, and missing negatives are -1.
- Limits are compared in float32 there and in float64 here: a score that is the limit rounded up to float32 passes there only.
"""

import random

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from hardmine import mine_hard_negatives

NEEDED = "needs sentence-transformers: pip install hardmine[peers]"
pytest.importorskip("datasets", reason=NEEDED)
pytest.importorskip("sentence_transformers", reason=NEEDED)

from sentence_transformers_problems import (  # noqa: E402
    APART,
    ROUNDING,
    SEEDS,
    D,
    N,
    Opinion,
    Problem,
    by_query,
    number,
    random_problem,
)


@pytest.fixture(params=SEEDS)
def problem(request):
    return random_problem(request.param, SEEDS[request.param])


LIMITS = [
    {"max_score": 0.3},
    {"min_score": 0.42},
    {"absolute_margin": 0.4},
    {"absolute_margin": -0.1},
    {"relative_margin": 0.6},
    {"max_score": 0.4, "min_score": -0.1, "absolute_margin": 0.2, "relative_margin": 0.3},
]
RANGES = [{}, {"range_min": 3}, {"range_max": 7}, {"range_min": 3, "range_max": 8}]


def test_scores_that_are_apart_keep_their_order():
    """Two scores, or a score and a limit: a relative margin r takes an error 1 + r times; float32 rounds the rest."""
    largest = max(options.get("relative_margin", 0) for options in LIMITS)
    assert (1 + 1 + largest) * ROUNDING + 2.0**-23 < APART


@pytest.mark.parametrize("options", [*LIMITS, *RANGES, {**LIMITS[-1], "range_min": 2}], ids=str)
def test_filters(problem, options):
    problem.check_apart(**options)
    theirs, ours = problem.their_negatives(**options), problem.our_negatives(**options)
    assert ours == theirs != {}
    if set(options) - {"range_max"}:
        assert ours != problem.our_negatives()


TIED = np.concatenate([np.eye(4), -np.eye(4), np.array(np.meshgrid(*[[-0.5, 0.5]] * 4)).reshape(4, 16).T])


@hypothesis.given(st.data())
def test_filters_of_tied_rows(data):
    draw = data.draw
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, m, separate = draw(st.integers(1, 8)), draw(st.integers(1, 50)), draw(st.booleans())
    queries, base = ((TIED[rng.integers(0, 24, k)] * 2.0 ** rng.integers(-2, 3, (k, 1))).astype(np.float32) for k in (n, m))
    if separate:
        positives = [sorted(rng.choice(m, rng.integers(1, min(m, 5) + 1), replace=False).tolist()) for _ in range(n)]
    else:
        owner = np.concatenate([np.arange(min(n, m)), rng.integers(0, min(n, m), m - min(n, m))])
        queries, positives = queries[:m], [np.flatnonzero(owner == i).tolist() for i in range(min(n, m))]
    problem = Problem(queries, base, positives, separate)
    options = {
        name: draw(st.sampled_from(values))
        for name, values in {
            "max_score": (0.5, 0.25, 0.0),
            "min_score": (0.0, -0.25, -0.5),
            "absolute_margin": (0.0, 0.5, 0.25, -0.5),
            "relative_margin": (0.0, 0.5, 1.0, -0.5),
        }.items()
        if draw(st.booleans())
    }
    limited, wanted = bool(options), draw(st.integers(1, 6))
    options["range_min"] = draw(st.integers(0, 5))
    least = options["range_min"] + wanted
    options["range_max"] = max(m, least) if limited else draw(st.integers(least, least + 10))
    theirs, ours = problem.their_negatives(wanted, **options), problem.our_negatives(wanted, **options)
    scores = problem.scores
    assert (scores * 2 % 1 == 0).all()
    allowed = problem.allowed(scores, **options)
    for i in range(len(queries)):
        found = theirs.get(i, []), ours.get(i, [])
        taken = np.sort(scores[i, allowed[i]])[::-1][options["range_min"] :][:wanted]
        for rows in found:
            assert len(set(rows)) == len(rows) and allowed[i, rows].all()
            assert scores[i, rows].tolist() == taken.tolist()


def test_their_default_window_runs_dry():
    """Theirs looks at 32 nearest rows here and returns what the limit leaves of them; the scan finds n wherever n exist."""
    problem = random_problem("one", SEEDS["one"])
    problem.check_apart(max_score=-0.05)
    theirs, ours = problem.their_negatives(3, max_score=-0.05, range_max=None), problem.our_negatives(3, max_score=-0.05)
    exist = problem.allowed(problem.scores, max_score=-0.05).sum(axis=1)
    assert [len(ours[i]) for i in range(24)] == np.minimum(exist, 3).tolist() == [3] * 24
    missing = [3 - len(theirs.get(i, [])) for i in range(24)]
    assert 0 in missing and sum(missing) > 30
    assert all(rows == ours[i][: len(rows)] for i, rows in theirs.items())
    assert theirs == problem.our_negatives(3, max_score=-0.05, rank_base="raw", range_max=10 * 3 + 1 + 1)


@pytest.mark.parametrize("range_max", [5, 9, 20])
@pytest.mark.parametrize("limits", LIMITS, ids=str)
def test_their_window_is_a_raw_one(problem, limits, range_max):
    problem.check_apart(**limits)
    theirs = problem.their_negatives(**limits, range_max=range_max)
    raw = {"rank_base": "raw", "range_max": range_max + problem.most_positives}
    assert problem.our_negatives(**limits, **raw) == theirs
    assert theirs != problem.their_negatives(**limits) or range_max == 20 or "min_score" in limits


def test_a_querys_own_text():
    """A candidate for theirs and where a base is given; left out where rows are searched against themselves."""
    rng = np.random.default_rng(5)
    x = rng.standard_normal((40, D)).astype(np.float32)
    positives = [[(i + 1) % 40] for i in range(40)]
    problem = Problem(x, x, positives, separate=True)
    theirs = problem.their_negatives()
    assert theirs == problem.our_negatives() and all(rows[0] == i for i, rows in theirs.items())
    alone = mine_hard_negatives(x, positives=positives, num_negatives=N)
    assert alone.indices[:, : N - 1].tolist() == [theirs[i][1:] for i in range(40)]


@pytest.fixture
def short(problem):
    """Options by which some queries get all their negatives, some fewer, and some none."""
    options = {"min_score": 0.25, "absolute_margin": 0.1}
    problem.check_apart(**options)
    mined = problem.mine(**options)
    assert (mined.counts == 0).any() and (mined.counts == N).any() and len(set(mined.counts.tolist())) > 3
    return options, mined


def listed(parts):
    return sorted(zip(*(part.tolist() for part in parts)))


def test_triplets(problem, short):
    options, mined = short
    theirs = problem.theirs(output_format="triplet", **options)
    assert listed(mined.triplets()) == sorted(tuple(map(number, row)) for row in theirs)


def test_a_positive_listed_twice_counts_once(problem):
    twice = Problem(problem.queries, problem.base, [2 * rows for rows in problem.positives], problem.separate)
    problem.check_apart(absolute_margin=0.3)
    theirs = twice.theirs(output_format="triplet", absolute_margin=0.3)
    assert listed(twice.mine(absolute_margin=0.3).triplets()) == sorted(tuple(map(number, row)) for row in theirs)
    assert listed(problem.mine(absolute_margin=0.3).triplets()) == sorted(tuple(map(number, row)) for row in theirs) != []


def test_tuples(problem, short):
    options, mined = short
    theirs = sorted(tuple(map(number, row)) for row in problem.theirs(output_format="n-tuple", **options))
    assert listed(mined.tuples()) == [(q, p, list(negatives)) for q, p, *negatives in theirs]


def test_labeled_pairs(problem, short):
    options, mined = short
    theirs = problem.theirs(output_format="labeled-pair", **options)
    assert listed(mined.labeled_pairs()) == sorted((number(q), number(d), label) for q, d, label in theirs)


def test_labeled_lists(problem, short):
    """Ours have the same rows, -1 where a negative is missing, and those of queries without any negative."""
    options, mined = short
    theirs = problem.theirs(output_format="labeled-list", **options)
    ours = [
        (q, [d for d in row if d >= 0], [label for label in labels if label >= 0])
        for q, row, labels in listed(mined.labeled_lists())
    ]
    assert [row for row in ours if len(row[1]) > 1] == sorted((number(q), [*map(number, row)], c) for q, row, c in theirs)
    alone = [(q, row[0]) for q, row, _ in ours if len(row) == 1]
    assert alone == [(i, p) for i in np.flatnonzero(mined.counts == 0) for p in problem.positives[i]]


def test_scores(problem, short):
    options, mined = short
    theirs = problem.theirs(output_format="triplet", output_scores=True, **options)
    rows = {(number(q), number(n)): scores for q, _, n, scores in theirs}
    q, n = mined.pairs()
    found = mined.scores[mined.indices >= 0]
    assert np.abs(found - [rows[pair][1] for pair in zip(q.tolist(), n.tolist())]).max() <= ROUNDING
    reference_scores = by_query((number(q), scores[0]) for q, _, _, scores in theirs)
    for i, scores in reference_scores.items():
        assert abs(mined.positive_scores[i] - min(scores)) <= ROUNDING


@pytest.mark.parametrize("problem", ["one", "several, corpus is the positives"], indirect=True)
@pytest.mark.parametrize(
    "options",
    [
        {"range_min": 2, "range_max": 10},
        {"max_score": 0.3, "min_score": 0.18},
        {"absolute_margin": 0.3, "min_score": 0.1, "range_min": 1},
    ],
    ids=str,
)
def test_random_draws_come_from_the_same_window(problem, options):
    """Each draw lies in the window of what the filters let through; sixty together are all of it."""
    problem.check_apart(**options)
    options = {"range_max": len(problem.base), **options}
    width = options["range_max"] - options.get("range_min", 0)
    window = problem.our_negatives(width, **options)
    assert window == problem.their_negatives(width, **options)
    assert max(map(len, window.values())) > 3
    theirs, ours = ({i: set() for i in window} for _ in range(2))
    for seed in range(60):
        random.seed(seed)
        for union, draw in (
            (theirs, problem.their_negatives(3, sampling_strategy="random", **options)),
            (ours, problem.our_negatives(3, sampling_strategy="random", seed=seed, **options)),
        ):
            assert set(draw) == set(window)
            for i, rows in draw.items():
                assert len(set(rows)) == len(rows) == min(3, len(window[i])) and set(rows) <= set(window[i])
                union[i] |= set(rows)
    assert theirs == ours == {i: set(rows) for i, rows in window.items()}


@pytest.fixture
def opinion(problem):
    """Different scores for all pairs of a query, exact in float32 with all limits below."""
    rng = np.random.default_rng(8)
    m = len(problem.base)
    scores = (np.stack([rng.permutation(m) for _ in problem.queries]) - m // 2) / 32
    return scores.astype(np.float32)


OPINION_LIMITS = [
    {"max_score": 0.5},
    {"min_score": -0.5},
    {"absolute_margin": 0.25},
    {"relative_margin": 0.5},
    {"max_score": 1.0, "min_score": -1.25, "absolute_margin": 0.125, "relative_margin": 0.25, "range_min": 1},
]


@pytest.mark.parametrize("limits", OPINION_LIMITS, ids=str)
def test_cross_encoder(problem, opinion, limits):
    theirs, ours = Opinion(opinion), Opinion(opinion)
    expected = problem.their_negatives(cross_encoder=theirs, **limits)
    found = problem.our_negatives(rescore=ours, range_max=len(problem.base), **limits)
    assert found == expected != {}
    assert ours.asked == theirs.asked
    allowed = problem.allowed(opinion, **limits)
    for i, rows in enumerate(allowed):
        best = [j for j in np.argsort(-opinion[i]) if rows[j]][limits.get("range_min", 0) :][:N]
        assert found.get(i, []) == best


@pytest.mark.parametrize("limits", OPINION_LIMITS[:4], ids=str)
def test_cross_encoder_of_a_window(problem, opinion, limits):
    """Both ask for the same pairs, and for no others, where the window ends within the corpus."""
    theirs, ours = Opinion(opinion), Opinion(opinion)
    expected = problem.their_negatives(cross_encoder=theirs, range_max=8, **limits)
    raw = {"rank_base": "raw", "range_max": 8 + problem.most_positives}
    assert problem.our_negatives(rescore=ours, **raw, **limits) == expected != {}
    assert ours.asked == theirs.asked and len(ours.asked) < opinion.size


def test_cross_encoder_without_limits(problem, opinion):
    """Theirs does not ask it then; `rescore` orders the window."""
    theirs, ours = Opinion(opinion), Opinion(opinion)
    assert problem.their_negatives(cross_encoder=theirs) == problem.our_negatives() and not theirs.asked
    found = problem.our_negatives(rescore=ours, range_max=len(problem.base))
    allowed = np.where(problem.positive, -np.inf, opinion)
    assert found == {i: np.argsort(-row)[:N].tolist() for i, row in enumerate(allowed)}
