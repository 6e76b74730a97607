"""Bugs that sentence-transformers' `mine_hard_negatives` had once, as tests of hardmine.

- The margin was measured from another query's positive where queries have different numbers of positives: `test_mining.py`,
  test_queries_with_different_numbers_of_positives_use_their_own, and `test_mining_strategies.py`,
  test_several_positives_of_different_numbers.
- Labeled pairs had another query's negatives where queries have several positives:
  test_forms_have_each_querys_own_negatives.
- The relative margin let through what is nearer than a positive of negative score (#3819): `test_mining.py`,
  test_relative_margin_is_safe_for_negative_scores, and `test_mining_strategies.py`, test_a_margin_below_a_negative_score.
- Two ways of searching, with FAISS and without, gave different negatives, fewer where queries have several positives (#3872):
  test_every_way_gives_the_same_negatives.
- A cross-encoder was asked for only ``range_max + 1`` of the candidates that were fetched:
  test_every_candidate_and_positive_is_rescored.
- Results were kept under a name that left out a part of what they depend on, and came back for other inputs. There is no
  cache here; what a result keeps, it keeps for itself: test_refilter_sees_no_other_inputs,
  test_a_result_keeps_nothing_of_the_callers_arrays and test_a_file_keeps_the_call.
"""

import numpy as np
import pytest

import reference
from hardmine import MinedNegatives, mine_hard_negatives, pair_distances
from optional_torch import torch


def lists_of_positives(rng, n, m, least=0):
    """None (or `least`) to four more positives of each query, ascending."""
    return [np.sort(rng.choice(m, least + i % 5, replace=False)) for i in range(n)]


def test_forms_have_each_querys_own_negatives(rng):
    """Every form against brute force, with none to four positives a query and none to four negatives."""
    queries, base = rng.standard_normal((25, 6)).astype(np.float32), rng.standard_normal((80, 6)).astype(np.float32)
    positives = lists_of_positives(rng, 25, 80)
    mined = mine_hard_negatives(queries, base, positives=positives, num_negatives=4, min_score=0.72)
    assert set(mined.counts.tolist()) == {0, 1, 2, 3, 4}
    allowed = 1 - reference.rounded(queries, base, "cosine") >= 0.72
    for i, rows in enumerate(positives):
        allowed[i, rows] = False
    _, indices = reference.topk(queries, base, 4, "cosine", allowed)
    triplets, tuples, pairs, lists = [], [], [], []
    for i, own in enumerate(positives):
        found = [j for j in indices[i].tolist() if j >= 0]
        pairs += [(i, p, 1) for p in own.tolist()] + [(i, j, 0) for j in found]
        for p in own.tolist():
            triplets += [(i, p, j) for j in found]
            tuples += [(i, p, found)] * (len(found) == 4)
            missing = [-1] * (4 - len(found))
            lists.append((i, [p, *found, *missing], [1] + [0] * len(found) + missing))
    for form, expected in (
        (mined.triplets(), triplets),
        (mined.tuples(), tuples),
        (mined.labeled_pairs(), pairs),
        (mined.labeled_lists(), lists),
    ):
        assert list(zip(*(part.tolist() for part in form))) == expected != []


def forms(x, path):
    """The same rows in the kinds of array that are read in different ways."""
    np.save(path.with_suffix(".f4.npy"), x)
    np.save(path.with_suffix(".f8.npy"), x.astype(np.float64))
    yield "float64", x.astype(np.float64)
    yield "float64 in columns", np.asfortranarray(x, np.float64)
    yield "other byte order", x.astype(">f4")
    yield "every other row", np.repeat(x, 2, axis=0)[::2]
    yield "memory map", np.load(path.with_suffix(".f4.npy"), mmap_mode="r")
    yield "memory map of float64", np.load(path.with_suffix(".f8.npy"), mmap_mode="r")
    if torch:
        yield "tensor", torch.from_numpy(x)
        yield "tensor of float64", torch.from_numpy(x).double()


WAYS = {
    "no limits": {},
    "margins": {"absolute_margin": 0.05, "relative_margin": 0.1, "positive_reference": "min"},
    "scores": {"max_score": 0.6, "min_score": 0.1, "range_min": 2},
    "draw": {"sampling_strategy": "random", "range_max": 50, "random_ratio": 0.5, "max_score": 0.7, "seed": 3},
    "raw": {"rank_base": "raw", "range_min": 2, "range_max": 60, "absolute_margin": -0.6, "max_score": 0.9},
}


@pytest.mark.parametrize("count", [5, 90])  # each has a screen of its own
@pytest.mark.parametrize("way", WAYS)
def test_every_way_gives_the_same_negatives(isa, rng, tmp_path, count, way):
    """For any instruction set, threads, kind of array, and base; with ties, and none to four positives a query."""
    x = np.concatenate([rng.standard_normal((1400, 12)), rng.integers(0, 2, (600, 12)) + 0.5]).astype(np.float32)
    x[700:800] = x[:100]
    queries = np.concatenate([x[: count // 2], x[-(count - count // 2) :]])
    positives = lists_of_positives(rng, count, len(x))
    options = {"positives": positives, "num_negatives": 6, **WAYS[way]}
    expected = mine_hard_negatives(queries, x, **options)

    def check(found):
        for name in ("indices", "scores", "positive_indices", "positive_scores", "counts"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))

    assert (expected.counts > 0).sum() > count / 4
    for threads in (1, 2, 5):
        check(mine_hard_negatives(queries, x, threads=threads, **options))
    for (_, q), (_, b) in zip(forms(queries, tmp_path / "q"), forms(x, tmp_path / "b")):
        check(mine_hard_negatives(q, b, **options))
    for i in range(0, count, 7):
        one = mine_hard_negatives(queries[i : i + 1], x, query_ids=[i], **(options | {"positives": positives[i : i + 1]}))
        np.testing.assert_array_equal(one.indices, expected.indices[i : i + 1])


@pytest.mark.parametrize("way", [way for way in WAYS if way != "raw"])  # raw ranks count the own row of a given base
def test_a_given_base_and_a_self_join_give_the_same_negatives(isa, rng, way):
    x = np.concatenate([rng.standard_normal((500, 12)), rng.integers(0, 2, (200, 12)) + 0.5]).astype(np.float32)
    x[300:400] = x[:100]
    positives = [rows[rows != i] for i, rows in enumerate(lists_of_positives(rng, 700, 700))]
    options = {"positives": positives, "num_negatives": 6, **WAYS[way]}
    alone = mine_hard_negatives(x, **options)
    assert (alone.counts > 0).sum() > 400
    for base in (x, x.copy()):
        beside = mine_hard_negatives(x, base, exclude=[[i] for i in range(700)], **options)
        for name in ("indices", "scores", "positive_indices", "positive_scores"):
            np.testing.assert_array_equal(getattr(alone, name), getattr(beside, name))


def test_every_candidate_and_positive_is_rescored(rng):
    """The whole range of every query, in as many calls as it takes; the farthest candidate may win, the next row may not."""
    n, m, last = 700, 300, 100  # more pairs than are asked in one call
    queries, base = rng.standard_normal((n, 8)).astype(np.float32), rng.standard_normal((m, 8)).astype(np.float32)
    positives = lists_of_positives(rng, n, m)
    allowed = np.ones((n, m), bool)
    for i, rows in enumerate(positives):
        allowed[i, rows] = False
    _, order = reference.topk(queries, base, last + 1, "cosine", allowed)
    opinion = rng.permuted(np.tile(np.arange(m, dtype=np.float32), (n, 1)), axis=1)
    opinion[np.arange(n), order[:, last - 1]] = m
    opinion[np.arange(n), order[:, last]] = m + 1
    asked = []

    def rescore(rows, cols):
        asked.extend(zip(rows.tolist(), cols.tolist()))
        return opinion[rows, cols]

    mined = mine_hard_negatives(queries, base, positives=positives, num_negatives=2, range_max=last, rescore=rescore)
    expected = {(i, j) for i in range(n) for j in order[i, :last].tolist() + positives[i].tolist()}
    assert len(asked) == len(set(asked)) == len(expected) > 1 << 16 and set(asked) == expected
    np.testing.assert_array_equal(mined.indices[:, 0], order[:, last - 1])
    assert (mined.scores[:, 0] == m).all()
    known = [max(opinion[i, rows], default=np.nan) for i, rows in enumerate(positives)]
    np.testing.assert_array_equal(mined.positive_scores, np.array(known, np.float32))


THRESHOLDS = [
    {"max_score": 0.4},
    {"max_score": 0.6, "min_score": -0.2},
    {"absolute_margin": 0.05},
    {"relative_margin": -0.1, "max_score": 0.8},
    {},
]


def test_refilter_sees_no_other_inputs(rng):
    """Two results, refiltered in turn and again, after the rows they came from have changed: what mining anew would give."""
    results, anew = [], []
    for _ in range(2):
        queries, base = rng.standard_normal((30, 8)).astype(np.float32), rng.standard_normal((400, 8)).astype(np.float32)
        options = {"positives": lists_of_positives(rng, 30, 400, 1), "num_negatives": 4, "range_max": 400}
        results.append(mine_hard_negatives(queries, base, **options))
        anew.append([mine_hard_negatives(queries, base, **options, **limits) for limits in THRESHOLDS])
        queries[:], base[:] = base[:30].copy(), 0
        for rows in options["positives"]:
            rows[:] = 0
    assert not np.array_equal(results[0].indices, results[1].indices)
    for at, limits in enumerate(THRESHOLDS):
        results = [result.refilter(**limits) for result in results]  # of what was refiltered before
        for result, expected in zip(results, anew):
            for name in ("indices", "scores", "positive_indices", "positive_scores", "counts"):
                np.testing.assert_array_equal(getattr(result, name), getattr(expected[at], name))
            assert result.params == expected[at].params
            for part, other in zip(result.labeled_pairs(), expected[at].labeled_pairs()):
                np.testing.assert_array_equal(part, other)


def test_random_negatives_are_rescored_too(rng):
    """The limits are the second opinion's for every negative, and so are the scores that come back."""
    queries, base = rng.standard_normal((20, 4)).astype(np.float32), rng.standard_normal((200, 4)).astype(np.float32)
    opinion = rng.standard_normal((20, 200)).astype(np.float32)
    options = {"positives": lists_of_positives(rng, 20, 200, 1), "num_negatives": 6, "range_max": 10, "random_ratio": 0.5}
    mined = mine_hard_negatives(
        queries, base, rescore=lambda rows, cols: opinion[rows, cols], absolute_margin=0.1, min_score=-1.5, seed=4, **options
    )
    for i in range(20):
        kept = mined.indices[i][mined.indices[i] >= 0]
        assert len(set(kept.tolist())) == len(kept) and not set(kept) & set(options["positives"][i].tolist())
        np.testing.assert_array_equal(mined.scores[i][: len(kept)], opinion[i, kept])
        limit = float(opinion[i, options["positives"][i]].max()) - 0.1
        good = (opinion[i] <= limit) & (opinion[i] >= -1.5)
        good[options["positives"][i]] = False
        assert good[kept].all() and len(kept) >= min(3, good.sum()), "the random half is filled wherever rows are allowed"
    assert mined.stats["dropped"]["positives"] == sum(map(len, options["positives"]))


def test_a_result_keeps_nothing_of_the_callers_arrays(rng):
    queries, base = rng.standard_normal((6, 4)).astype(np.float32), rng.standard_normal((30, 4)).astype(np.float32)
    labels, ids, highest = rng.integers(0, 3, 30), np.arange(6) + 50, np.full(6, 0.9)
    start, indices = np.arange(7) * 2, np.sort(rng.permutation(30)[:12].reshape(6, 2), axis=1).ravel()
    options = {"num_negatives": 3, "range_max": 30, "rank_base": "raw", "max_score": highest, "query_ids": ids}
    results = [
        mine_hard_negatives(queries, base, query_labels=np.full(6, 9), base_labels=labels, max_per_label=1, **options),
        mine_hard_negatives(queries, base, positives=(start, indices), sampling_strategy="random", **options),
    ]

    def answers():
        return [
            [
                *(part.tolist() for part in mined.labeled_lists()),
                mined.refilter(max_score=0.8).indices.tolist(),
                mined.summary(),
            ]
            for mined in results
        ] + [results[0].params["max_score"].tolist()]

    refiltered = results[0].refilter(max_score=highest)
    before = answers()
    for given in (labels, ids, highest, start, indices):
        given[:] = 0
    assert answers() == before and refiltered.params["max_score"].tolist() == before[-1]


def test_refilter_answers_what_mining_anew_would_not_look_beyond(rng):
    queries, base = rng.standard_normal((6, 4)).astype(np.float32), rng.standard_normal((30, 4)).astype(np.float32)
    opinion = rng.standard_normal((6, 30)).astype(np.float32)
    some = [[], [3], [], [7, 8], [1], [2]]  # a query without a positive has no negatives under a margin: nothing is missing
    every = {"relative_margin": 0.5}, {"absolute_margin": 0.3, "max_score": 0.5}, {"max_score": 0.4}
    for options in (
        {"range_max": 5, "positives": some, "rescore": lambda rows, cols: opinion[rows, cols]},
        {"range_max": 30, "positives": [[]] * 5 + [[2]]},
        {"range_max": 5, "positives": some, "rank_base": "raw"},
    ):
        wide = mine_hard_negatives(queries, base, num_negatives=2, **options)
        for limits in every:
            anew = mine_hard_negatives(queries, base, num_negatives=2, **options, **limits)
            again = wide.refilter(**limits)
            np.testing.assert_array_equal(again.indices, anew.indices)
            np.testing.assert_array_equal(again.scores, anew.scores)
        assert again.stats["dropped"]["positives"] == wide.stats["dropped"]["positives"]
    unknown = mine_hard_negatives(queries, base, num_negatives=2)
    for options in ({"relative_margin": 0.1}, {"absolute_margin": 0.1}):
        with pytest.raises(ValueError, match="expected labels or positives beside it, got neither"):
            unknown.refilter(**options)
    narrow = mine_hard_negatives(queries, base, num_negatives=2, positives=some)
    mild = {"absolute_margin": -2.0}
    np.testing.assert_array_equal(
        narrow.refilter(**mild).indices, mine_hard_negatives(queries, base, num_negatives=2, positives=some, **mild).indices
    )
    with pytest.raises(ValueError, match="refilter: expected 2 candidates within the window"):
        narrow.refilter(relative_margin=0.9)


def test_a_file_keeps_the_call(rng, tmp_path):
    """Each file has the arguments of its own call, also after another call with others, and gives the same forms."""
    x = rng.standard_normal((60, 8)).astype(np.float32)
    calls = [
        {"max_score": 0.5, "min_score": -0.5},
        {"relative_margin": 0.1, "positive_reference": "mean", "range_min": 1, "range_max": 40, "rank_base": "raw"},
        {"sampling_strategy": "softmax", "sampling_params": {"temperature": 0.2}, "random_ratio": 0.5, "seed": 11},
        {"metric": "euclidean", "top_fraction": 0.1, "absolute_margin": -1.0},
    ]
    positives = [rows[rows != i] for i, rows in enumerate(lists_of_positives(rng, 60, 60))]
    made = [mine_hard_negatives(x, positives=positives, **options) for options in calls]
    for at, mined in enumerate(made):
        mined.save(tmp_path / f"{at}.npz")
    for at, (mined, options) in enumerate(zip(made, calls)):
        loaded = MinedNegatives.load(tmp_path / f"{at}.npz")
        assert loaded.params == mined.params and loaded.metric == mined.metric == options.get("metric", "cosine")
        for name, array in mined.window.to_arrays().items():
            np.testing.assert_array_equal(loaded.window.to_arrays()[name], array)
        shared = set(options) & set(loaded.params)
        assert shared and all(loaded.params[name] == options[name] for name in shared)
        for form in ("pairs", "triplets", "tuples", "labeled_pairs", "labeled_lists"):
            for part, other in zip(getattr(loaded, form)(), getattr(mined, form)()):
                np.testing.assert_array_equal(part, other)
    assert len({str(mined.params) for mined in made}) == len(calls)


def test_what_contradicting_limits_drop_does_not_depend_on_the_scan():
    """A row that is too near and too far was counted where the screen happened to look at it: 326, not 297."""
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((40, 4)) * 10.0 ** rng.integers(-18, 16, (40, 1))).astype(np.float32)
    options = {"query_labels": rng.integers(0, 5, 40), "metric": "euclidean", "sampling_strategy": "violating"}
    mined = mine_hard_negatives(x, **options, relative_margin=0.5)
    scores = -pair_distances(x, None, np.repeat(np.arange(40), 40), np.tile(np.arange(40), 40), metric="euclidean")
    p = mined.positive_scores.astype(np.float64)[:, None]
    other = options["query_labels"][:, None] != options["query_labels"]
    high = other & (scores.reshape(40, 40) > p - np.abs(p) * 0.5) & (scores.reshape(40, 40) > p - 0.1)
    assert mined.stats["dropped"]["relative_margin"] == high.sum()
