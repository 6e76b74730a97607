"""Mining over Dask arrays: all that one process returns, bit for bit, whatever the chunks and the options."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hardmine
from searches import KINDS

dask = pytest.importorskip("dask", reason="needs the extra hardmine[dask]")
da = pytest.importorskip("dask.array")
import hardmine.dask as lazy  # noqa: E402
from dask_chunks import chunked  # noqa: E402
from hardmine.dask import neighbors  # noqa: E402
from hardmine.dask import rows as dask_rows  # noqa: E402

ARRAYS = ("indices", "scores", "positive_indices", "positive_scores", "counts")
METRICS = ("cosine", "inner_product", "sqeuclidean", "euclidean")


@pytest.fixture(autouse=True)
def in_this_thread(monkeypatch):
    monkeypatch.setattr(dask_rows, "LEAST_ROWS", 0)
    with dask.config.set(scheduler="synchronous"):
        yield


def equal(got, want):
    for name in ARRAYS:
        one, other = getattr(got, name), getattr(want, name)
        assert type(one) is np.ndarray and one.dtype == other.dtype and one.shape == other.shape
        np.testing.assert_array_equal(one, other, err_msg=name)
    np.testing.assert_equal(got.stats, want.stats)
    np.testing.assert_equal(got.params, want.params)
    assert got.summary() == want.summary()
    for form in ("pairs", "triplets", "labeled_pairs"):
        np.testing.assert_equal(getattr(got, form)(), getattr(want, form)())
    np.testing.assert_equal(got.window.to_arrays(), want.window.to_arrays())


def draw_lists(rng, n, m):
    """Rows for some queries, and for some none."""
    listed = rng.random((n, m)) < rng.choice([0.0, 0.1, 0.5])
    if rng.random() < 0.3:
        return np.where(listed, np.arange(m), -1)
    return [np.flatnonzero(one) for one in listed]


def second_opinion(rows, cols):
    return np.cos(1.7 * rows + 0.3 * cols).astype(np.float32)


def draw_options(rng, first, base, alone, metric):
    n, m = len(first), len(base)
    wanted, skipped = int(rng.choice([1, 3, 8])), int(rng.choice([0, 0, 2]))
    options = {"num_negatives": wanted, "range_min": skipped, "seed": int(rng.integers(9)), "metric": metric}
    known = labelled = rng.random() < 0.6
    if labelled:
        options["query_labels"] = rng.integers(-1, 4, n)
        if not alone:
            options["base_labels"] = rng.integers(-1, 4, m)
        if rng.random() < 0.3:
            options["max_per_label"] = int(rng.integers(1, 3))
    if rng.random() < 0.4:
        known = True
        options["positives"] = rng.integers(0, m, n) if rng.random() < 0.3 else draw_lists(rng, n, m)
    if rng.random() < 0.4:
        options["exclude"] = draw_lists(rng, n, m)
    if not alone and rng.random() < 0.4:
        options["query_rows"] = rng.integers(-1, m, n)
    if rng.random() < 0.2:
        options["query_ids"] = rng.permutation(n) + 7
    if rng.random() < 0.5:
        options["range_max"] = skipped + wanted + int(rng.integers(0, 12))
    if rng.random() < 0.2:
        options["top_fraction"] = 0.1
        options.pop("range_max", None)
    if rng.random() < 0.3:
        options["rank_base"] = "raw"
    scores = hardmine.topk(first, base, len(base), metric=metric).scores
    low, high = np.sort(rng.choice(scores.ravel(), 2).astype(np.float64))
    limited = rng.random(2) < 0.3
    if limited[0]:
        options["max_score"] = high if rng.random() < 0.5 else rng.choice([high, np.inf], n)
    if limited[1]:
        options["min_score"] = low
    strategies = ["top", "random", "softmax"]
    if known:
        options["positive_reference"] = str(rng.choice(["max", "min", "mean"]))
        strategies += ["semihard", "violating", "ambiguous"]
        for margin in ("absolute_margin", "relative_margin"):
            if rng.random() < 0.3:
                limited[0] = True
                options[margin] = float(rng.choice([0.0, 0.05, 0.5, -0.3]))
    options["sampling_strategy"] = str(rng.choice(strategies))
    limited = limited.any() or options["sampling_strategy"] in ("semihard", "violating")
    if rng.random() < 0.15:
        options["rescore"] = second_opinion
    if rng.random() < 0.4 and not ("rescore" not in options and limited):
        options["random_ratio"] = float(rng.choice([0.3, 1.0]))
    return options


@settings(max_examples=80)
@given(st.integers(0, 2**32), st.sampled_from(METRICS), st.sampled_from([kind for kind in KINDS if kind != "outliers"]))
def test_the_bits_of_one_process(seed, metric, kind):
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(1, 25)), int(rng.integers(1, 40))
    alone = rng.random() < 0.4
    x = KINDS[kind](rng, n + m, int(rng.integers(1, 6))).astype(np.float32)
    base, first = (x, x) if alone else (x[:m], x[m:])
    if not alone and rng.random() < 0.5:
        first = base[rng.integers(0, m, n)]  # ties, and distance 0
    options = draw_options(rng, first, base, alone, metric)
    sides = (chunked(rng, base),) if alone else (chunked(rng, first), chunked(rng, base))
    plain = (base,) if alone else (first, base)
    with pytest.MonkeyPatch.context() as patch:
        at_once = int(rng.integers(1, 4))  # blocks of the base that are searched without a limit
        patch.setattr(neighbors, "workers", lambda: at_once)
        got = lazy.mine_hard_negatives(*sides, **options, split_every=int(rng.integers(2, 4))).compute()
    want = hardmine.mine_hard_negatives(*plain, **options)
    equal(got, want)
    if options.get("rank_base") == "raw" and not got.options.num_random and "rescore" not in options:
        equal(got.refilter(max_score=-0.1), want.refilter(max_score=-0.1))


def test_too_high_scores_are_counted_beyond_what_a_query_counts():
    """A block may count up to 256, and so many blocks more together."""
    x = np.ones((700, 2), np.float32)
    x[600:] = (1, -1)
    options = {"max_score": 0.5, "num_negatives": 2}
    want = hardmine.mine_hard_negatives(x[-3:], x, **options)
    assert 0 < want.stats["dropped"]["max_score"] <= 3 * 256
    equal(lazy.mine_hard_negatives(x[-3:], da.from_array(x, chunks=(150, 2)), **options).compute(), want)


def test_nothing_is_computed_while_the_graph_is_built(rng):
    def fail(*_):
        raise AssertionError("computed")

    x = da.zeros((30, 4), chunks=(7, 4), dtype=np.float32).map_blocks(
        fail, dtype=np.float32, meta=np.empty((0, 0), np.float32)
    )
    options = {"query_labels": np.arange(30) % 3, "positives": np.arange(30)[::-1], "positive_reference": "mean"}
    mined = lazy.mine_hard_negatives(x, **options, random_ratio=0.5)
    lazy.mine_hard_negatives(x, **options, absolute_margin=0.1)
    with pytest.raises(AssertionError, match="computed"):
        mined.compute()


def test_calls_with_other_options_have_names_of_their_own(rng):
    x = rng.standard_normal((40, 3)).astype(np.float32)
    cut, labels = da.from_array(x, chunks=(9, 3)), rng.integers(0, 3, 40)
    calls = [{"seed": 1}, {"seed": 2}, {"query_labels": labels}, {"max_score": 0.5}, {"query_labels": labels % 2}]
    calls = [{"sampling_strategy": "random", **call} for call in calls]
    together = dask.compute(*(lazy.mine_hard_negatives(cut, **call) for call in calls))
    for got, call in zip(together, calls, strict=True):
        equal(got, hardmine.mine_hard_negatives(x, **call))


def test_only_listed_rows_travel(rng):
    x = rng.standard_normal((60, 4)).astype(np.float32)
    mined = lazy.mine_hard_negatives(x[:5], da.from_array(x, chunks=(20, 4)), positives=[[3, 5], [], [5], [59], []])
    layers = mined.dask.layers
    rows = next(layer for name, layer in layers.items() if name.startswith("mine_hard_negatives-rows-"))
    assert sorted(key[1:] for key in rows) == [(0, 0), (0, 2)]
    held = dask.get(dict(mined.dask), list(rows))
    assert sorted(len(one.base) for one in held) == [1, 2]


def test_bad_input_raises_before_anything_is_read(rng):
    x = rng.standard_normal((20, 4)).astype(np.float32)
    cut = da.from_array(x, chunks=(5, 4))
    mine = lazy.mine_hard_negatives
    with pytest.raises(ValueError, match=r"random_ratio: expected 0 beside limits on the score, got 0.5"):
        mine(cut, random_ratio=0.5, max_score=0.3)
    with pytest.raises(ValueError, match=r"absolute_margin: expected labels or positives beside it, got neither"):
        mine(cut, absolute_margin=0.5)
    with pytest.raises(TypeError, match=r"query_labels: expected an array in memory, got a Dask array"):
        mine(cut, query_labels=cut[:, 0])
    with pytest.raises(ValueError, match=r"query_labels: expected 20 labels, one for each row of queries"):
        mine(cut, query_labels=[1, 2])
    with pytest.raises(ValueError, match=r"query_rows: expected None beside base=None"):
        mine(cut, query_rows=np.arange(20))
    with pytest.raises(ValueError, match=r"metric: expected"):
        mine(cut, metric="hamming")
    with pytest.raises(TypeError, match=r"base: expected a Dask array, or what has shape, dtype and slicing, got Index"):
        mine(cut, hardmine.Index(x, "cosine"))


def test_empty_sides(rng):
    x = rng.standard_normal((6, 2)).astype(np.float32)
    for first, base in ((x[:0], x), (x, x[:0]), (x[:0], x[:0])):
        labels = {"query_labels": np.zeros(len(first), int), "base_labels": np.zeros(len(base), int)}
        for options in ({}, {"absolute_margin": 0.1}, {"positive_reference": "min"}, {"random_ratio": 1.0}):
            got = lazy.mine_hard_negatives(first, base, **labels, **options).compute()
            equal(got, hardmine.mine_hard_negatives(first, base, **labels, **options))
