"""Every option of mining against brute force over the whole matrix."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hardmine
import mining_reference
import reference
from hardmine import MinedNegatives, mine_hard_negatives
from hardmine.mining import drawing
from mining_reference import scores_of


def refused_by(scores, positive, refused, options, p):
    """stats["dropped"] by loops: of all rows, or of raw ranks only."""
    raw, semihard = options.get("rank_base") == "raw", options.get("sampling_strategy") == "semihard"
    window = np.zeros(scores.shape, bool)
    order = np.argsort(-scores, axis=1, kind="stable")
    np.put_along_axis(window, order[:, : options["range_max"] if raw else None], True, axis=1)
    dropped = {"exclude": int((window & refused & ~positive).sum())} if "exclude" in options else {}
    scores = scores.astype(np.float64)  # limits are compared so
    if "positives" in options or "query_labels" in options:
        dropped["positives"] = int((window & positive).sum())
    for i in range(len(scores)):
        value = float(p[i])
        limits = [("max_score", options.get("max_score")), ("absolute_margin", None), ("relative_margin", None)]
        if options.get("absolute_margin") is not None:
            limits[1] = ("absolute_margin", value - options["absolute_margin"])
        if options.get("relative_margin") is not None:
            limits[2] = ("relative_margin", value - abs(value) * options["relative_margin"])
        limits = [(name, limit) for name, limit in limits if limit is not None]
        highest = min((limit for _, limit in limits), default=np.inf)
        rest = window[i] & ~positive[i] & ~refused[i]
        high = rest & ((scores[i] > highest) | (semihard & (scores[i] >= value)))
        if not raw:  # a scan does not look at what is too low, even if it is too high as well
            high &= (scores[i] >= options.get("min_score", -np.inf)) & ~(semihard & (scores[i] <= value - 0.2))
        lowest = "sampling_strategy" if semihard and not highest < value else None
        lowest = lowest or next((name for name, limit in limits if limit == highest), None)
        nothing = np.isnan(value) and (semihard or len(limits) > ("max_score" in options))
        if lowest and not nothing:
            dropped[lowest] = dropped.get(lowest, 0) + int(high.sum())
        if raw and "min_score" in options:
            low = rest & ~high & (scores[i] < options["min_score"])
            dropped["min_score"], rest = dropped.get("min_score", 0) + int(low.sum()), rest & ~low
        if raw and semihard:
            low = rest & ~high & (scores[i] <= value - 0.2)
            dropped["sampling_strategy"] = dropped.get("sampling_strategy", 0) + int(low.sum())
    return {name: count for name, count in dropped.items() if count}


@given(st.data())
def test_every_combination_of_filters(data):
    draw = data.draw
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, m, d = draw(st.integers(1, 8)), draw(st.integers(1, 60)), draw(st.integers(1, 4))
    metric = draw(st.sampled_from(["cosine", "euclidean", "inner_product"]))
    queries, base = (rng.integers(-2, 3, (k, d)).astype(np.float32) for k in (n, m))  # many ties
    positive, refused, options, cap_labels = np.zeros((n, m), bool), np.zeros((n, m), bool), {}, None
    q_label, b_label = rng.integers(0, 4, n), rng.integers(0, 3, m)
    use_labels = draw(st.booleans())
    if use_labels:
        options |= {"query_labels": q_label, "base_labels": b_label}
        positive |= q_label[:, None] == b_label
        if draw(st.booleans()):
            options["max_per_label"], cap_labels = draw(st.integers(1, 3)), b_label
    if draw(st.booleans()):
        lists = [rng.integers(0, m, rng.integers(0, 6)) for _ in range(n)]
        options["positives"] = lists
        for i, rows in enumerate(lists):
            positive[i, rows] = True
    known = use_labels or "positives" in options
    if draw(st.booleans()):
        options["exclude"] = [rng.integers(0, m, rng.integers(0, 10)) for _ in range(n)]
        for i, rows in enumerate(options["exclude"]):
            refused[i, rows] = True
    distances = reference.rounded(queries, base, metric)
    scores = scores_of(distances, metric)
    spread = float(np.abs(scores).max())
    for name, place in (("max_score", -0.3 if metric == "euclidean" else 0.7), ("min_score", -0.7)):
        if draw(st.booleans()):
            options[name] = place * spread
    if known:
        for name in ("absolute_margin", "relative_margin"):
            if draw(st.booleans()):
                options[name] = draw(st.sampled_from([0.0, 0.1, -0.3]))
        options["positive_reference"] = draw(st.sampled_from(["max", "min", "mean"]))
        if draw(st.booleans()):
            options["sampling_strategy"] = "semihard"
    wanted = draw(st.integers(1, 5))
    options["range_min"] = draw(st.integers(0, 4))
    options["range_max"] = options["range_min"] + wanted + draw(st.integers(0, 10))
    options["rank_base"] = draw(st.sampled_from(["filtered", "raw"]))
    mined = mine_hard_negatives(queries, base, num_negatives=wanted, metric=metric, **options)
    expected, _, p = mining_reference.mined(
        distances, metric, positive, options | {"num_negatives": wanted}, refused, cap_labels
    )
    if options.get("positive_reference") == "mean":
        np.testing.assert_allclose(mined.positive_scores, p, rtol=1e-6)
        return  # the last bit of a mean may decide
    np.testing.assert_array_equal(mined.positive_scores, p)
    np.testing.assert_array_equal(mined.indices, expected)
    dropped = {name: count for name, count in mined.stats["dropped"].items() if count}
    assert dropped == refused_by(scores, positive, refused, options, p)


@pytest.fixture
def problem(rng):
    x = rng.standard_normal((40, 16)).astype(np.float32)
    base = rng.standard_normal((400, 16)).astype(np.float32)
    return x, base, rng.integers(0, 5, 40), rng.integers(0, 5, 400)


@pytest.mark.parametrize("strategy", drawing.STRATEGIES)
def test_a_draw_depends_on_the_seed_and_the_query_alone(problem, strategy):
    x, base, q_label, b_label = problem
    options = {"query_labels": q_label, "base_labels": b_label, "num_negatives": 4, "sampling_strategy": strategy}
    options |= {"range_max": 60, "random_ratio": 0.25}
    mined = mine_hard_negatives(x, base, seed=7, threads=1, **options)
    again = mine_hard_negatives(x, base, seed=7, threads=3, **options)
    np.testing.assert_array_equal(mined.indices, again.indices)
    few = mine_hard_negatives(x[:9], base, seed=7, **(options | {"query_labels": q_label[:9]}))
    np.testing.assert_array_equal(mined.indices[:9], few.indices)
    for part in (slice(20, 33), slice(39, 40), np.array([30, 2, 17])):
        numbers = {"query_labels": q_label[part], "query_ids": np.arange(40)[part]}
        alone = mine_hard_negatives(x[part], base, seed=7, **(options | numbers))
        np.testing.assert_array_equal(mined.indices[part], alone.indices)
    other = mine_hard_negatives(x, base, seed=8, **options)
    assert (mined.indices != other.indices).any()
    same_label = np.where(mined.indices < 0, -1, b_label[mined.indices]) == q_label[:, None]
    assert not same_label.any()
    assert all(len(set(row[row >= 0])) == (row >= 0).sum() for row in mined.indices)
    assert (np.diff(np.where(np.isinf(mined.scores), -9, mined.scores), axis=1) <= 0).all(), "hardest first"


def test_arrays_that_only_speak_dlpack(problem):
    class OnlyDlpack:
        def __init__(self, array):
            self.array = array

        def __dlpack__(self, **options):
            return self.array.__dlpack__(**options)

        def __dlpack_device__(self):
            return self.array.__dlpack_device__()

    x, base, q_label, b_label = problem
    labels = {"query_labels": q_label, "base_labels": b_label, "random_ratio": 0.4}
    expected = mine_hard_negatives(x, base, **labels)
    np.testing.assert_array_equal(mine_hard_negatives(OnlyDlpack(x), OnlyDlpack(base), **labels).indices, expected.indices)


def test_top_fraction_is_a_share_of_the_base(problem):
    x, base, q_label, b_label = problem
    mined = mine_hard_negatives(x, base, query_labels=q_label, base_labels=b_label, top_fraction=0.03)
    plain = mine_hard_negatives(x, base, query_labels=q_label, base_labels=b_label, num_negatives=12)
    np.testing.assert_array_equal(mined.indices, plain.indices)


def test_a_second_opinion_decides(problem):
    x, base, q_label, b_label = problem
    rng = np.random.default_rng(5)
    opinion = np.round(rng.standard_normal((40, 400)), 1).astype(np.float32)
    asked = []

    def rescore(rows, cols):
        asked.append(len(rows))
        return opinion[rows, cols]

    positives = [np.flatnonzero(b_label == label)[:3] for label in q_label]
    mined = mine_hard_negatives(
        x, base, positives=positives, num_negatives=3, range_max=50, rescore=rescore, absolute_margin=0.2,
        positive_reference="mean",
    )  # fmt: skip
    order = np.argsort(-scores_of(reference.rounded(x, base, "cosine"), "cosine"), axis=1, kind="stable")
    for i in range(40):
        p = np.float32(opinion[i, positives[i]].astype(np.float64).mean())
        nearest = [j for j in order[i] if j not in positives[i]][:50]
        kept = sorted((j for j in nearest if float(opinion[i, j]) <= float(p) - 0.2), key=lambda j: (-opinion[i, j], j))[:3]
        assert mined.indices[i].tolist() == kept + [-1] * (3 - len(kept))
        np.testing.assert_array_equal(mined.scores[i, : len(kept)], opinion[i, kept])
        assert mined.positive_scores[i] == p
    assert max(asked) <= 1 << 16 and mined.stats["dropped"]["absolute_margin"] > 0


def test_refilter_is_mining_anew(problem):
    x, base, q_label, b_label = problem
    labels = {"query_labels": q_label, "base_labels": b_label}
    wide = mine_hard_negatives(x, base, num_negatives=4, range_max=200, **labels)
    for limits in ({"max_score": 0.4}, {"relative_margin": 0.1}, {"absolute_margin": 0.05, "min_score": -0.1}, {}):
        np.testing.assert_array_equal(
            wide.refilter(**limits).indices,
            mine_hard_negatives(x, base, num_negatives=4, range_max=200, **labels, **limits).indices,
        )
    raw = mine_hard_negatives(x, base, num_negatives=4, range_min=2, range_max=60, rank_base="raw", max_score=0.1, **labels)
    anew = mine_hard_negatives(x, base, num_negatives=4, range_min=2, range_max=60, rank_base="raw", max_score=0.5, **labels)
    np.testing.assert_array_equal(raw.refilter(max_score=0.5).indices, anew.indices)
    draw = {"sampling_strategy": "random", "rank_base": "raw", "range_max": 60, "seed": 3, **labels}
    np.testing.assert_array_equal(
        mine_hard_negatives(x, base, **draw).refilter(max_score=0.3).indices,
        mine_hard_negatives(x, base, max_score=0.3, **draw).indices,
    )
    narrow = mine_hard_negatives(x, base, num_negatives=4, **labels)
    with pytest.raises(ValueError, match="refilter: expected 4 candidates within the window, got"):
        narrow.refilter(max_score=-0.5)
    with pytest.raises(ValueError, match="refilter: expected a window mined without thresholds, or with raw ranks"):
        mine_hard_negatives(x, base, max_score=0.2, **labels).refilter(max_score=0.9)


def test_forms_that_losses_take():
    x = np.array([[0.0], [1.0], [5.0]], np.float32)
    base = np.array([[0.1], [0.2], [0.9], [4.0], [9.0]], np.float32)
    mined = mine_hard_negatives(x, base, positives=[[0, 1], [2], []], num_negatives=2, metric="euclidean", max_score=-0.5)
    assert mined.indices.tolist() == [[2, 3], [1, 0], [3, 4]]
    assert mined.positive_indices.tolist() == [0, 2, -1]
    q, p, n = mined.triplets()
    assert list(zip(q.tolist(), p.tolist(), n.tolist())) == [
        (0, 0, 2), (0, 0, 3), (0, 1, 2), (0, 1, 3), (1, 2, 1), (1, 2, 0),
    ]  # fmt: skip
    q, p, n = mined.tuples()
    assert (q.tolist(), p.tolist(), n.tolist()) == ([0, 0, 1], [0, 1, 2], [[2, 3], [2, 3], [1, 0]])
    q, b, label = mined.labeled_pairs()
    assert list(zip(q.tolist(), b.tolist(), label.tolist())) == [
        (0, 0, 1), (0, 1, 1), (0, 2, 0), (0, 3, 0), (1, 2, 1), (1, 1, 0), (1, 0, 0), (2, 3, 0), (2, 4, 0),
    ]  # fmt: skip
    q, b, label = mined.labeled_lists()
    assert (q.tolist(), b.tolist()) == ([0, 0, 1], [[0, 2, 3], [1, 2, 3], [2, 1, 0]])
    assert label.tolist() == [[1, 0, 0]] * 3


def test_save_load_summary_and_plot(problem, tmp_path):
    x, base, q_label, b_label = problem
    mined = mine_hard_negatives(
        x, base, query_labels=q_label, base_labels=b_label, max_score=np.full(40, 0.9), rank_base="raw"
    )
    mined.save(tmp_path / "mined.npz")
    loaded = MinedNegatives.load(tmp_path / "mined.npz")
    for name in ("indices", "scores", "positive_indices", "positive_scores", "counts"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(mined, name))
    assert loaded.stats == mined.stats and loaded.params["max_score"] == [0.9] * 40
    assert loaded.triplets()[0].tolist() == mined.triplets()[0].tolist()
    np.testing.assert_array_equal(loaded.refilter(max_score=0.1).indices, mined.refilter(max_score=0.1).indices)
    text = mined.summary()
    assert "rows refused by positives" in text and "hardest_scores" in text
    mined.plot(tmp_path / "mined.png")
    from matplotlib.image import imread

    assert imread(tmp_path / "mined.png")[..., :3].std() > 0.05


def test_several_positives_of_different_numbers():
    """The margin is measured from the query's own positives, however many the others have."""
    x = np.eye(3, dtype=np.float32)
    base = np.concatenate([np.eye(3), 0.5 * np.eye(3) + 0.5, np.full((4, 3), 1.0)]).astype(np.float32)
    positives = [[0, 3], [1], [2, 4, 5]]
    scores = scores_of(reference.rounded(x, base, "cosine"), "cosine")
    for kind, pick in (("min", min), ("max", max)):
        mined = mine_hard_negatives(x, base, positives=positives, positive_reference=kind, absolute_margin=0.0)
        assert mined.positive_scores.tolist() == [pick(scores[i, p]) for i, p in enumerate(positives)]


def test_a_margin_below_a_negative_score():
    x, base = np.array([[1.0, 0.0]], np.float32), np.array([[-1.0, 0.5], [-1.0, 0.3], [-1.0, 0.0]], np.float32)
    mined = mine_hard_negatives(x, base, positives=[0], relative_margin=0.05, num_negatives=2)
    assert mined.positive_scores[0] < 0 and mined.indices.tolist() == [[1, 2]], "0.95 p would lie above p"
    mined = mine_hard_negatives(x, base, positives=[1], relative_margin=0.05, num_negatives=2)
    assert mined.indices.tolist() == [[-1, -1]]


BAD = [
    ({"sampling_strategy": "best"}, ValueError, "sampling_strategy: expected one of top, random"),
    ({"sampling_strategy": "softmax", "sampling_params": {"t": 1}}, ValueError, "sampling_params: expected temperature for"),
    ({"sampling_strategy": "softmax", "sampling_params": {"temperature": 0}}, ValueError, "a temperature above 0, got 0.0"),
    ({"sampling_strategy": "semihard"}, ValueError, "sampling_strategy: expected labels or positives beside semihard"),
    ({"sampling_strategy": "distance_weighted", "metric": "inner_product"}, ValueError, "expected distances for"),
    ({"range_min": -1}, ValueError, "range_min: expected at least 0, got -1"),
    ({"range_min": 3, "range_max": 7}, ValueError, r"range_max: expected at least range_min \+ num_negatives = 8, got 7"),
    ({"rank_base": "all"}, ValueError, "rank_base: expected one of filtered, raw, got 'all'"),
    ({"positive_reference": "last"}, ValueError, "positive_reference: expected one of max, min, mean, got 'last'"),
    ({"random_ratio": 1.5}, ValueError, "random_ratio: expected a number from 0 to 1, got 1.5"),
    ({"top_fraction": 0.0}, ValueError, "top_fraction: expected a number above 0 and at most 1, got 0.0"),
    ({"relative_margin": 0.1}, ValueError, "relative_margin: expected labels or positives beside it, got neither"),
    ({"seed": 1.5}, TypeError, "seed: expected an integer, got float"),
    ({"query_ids": [0, 1]}, ValueError, "query_ids: expected 4 numbers, one for each query, got 2"),
    ({"query_ids": [0, 1, 2, -3]}, ValueError, "query_ids: expected numbers of at least 0, got -3"),
    ({"exclude": [[0]]}, ValueError, "exclude: expected 4 lists, one for each query, got 1"),
    ({"rescore": lambda rows, cols: np.zeros(1)}, ValueError, "rescore: expected 12 scores, one for each pair, got shape"),
    ({"rescore": lambda rows, cols: rows * np.nan}, ValueError, "rescore: expected numbers, got NaN"),
    ({"metric": "hamming"}, ValueError, "metric: expected one of sqeuclidean, euclidean, cosine, inner_product, got"),
]  # fmt: skip


@pytest.mark.parametrize("options, error, message", BAD)
def test_bad_options(options, error, message):
    with pytest.raises(error, match=message):
        hardmine.mine_hard_negatives(np.eye(4, dtype=np.float32), **options)
