"""A call that was ended and called again, however often, returns the bits of a call that was not."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hardmine
from blocks import converted_blocks
from hardmine import Filter
from optional_torch import torch
from pieces import Ended, ended_after, in_runs, small_pieces
from searches import draw_filter


def arrays_of(result):
    """Everything a result holds, as arrays."""
    if isinstance(result, hardmine.MinedNegatives):
        return [result.indices, result.scores, result.counts, result.positive_indices, result.positive_scores]
    if isinstance(result, hardmine.Duplicates):
        return [*result.pairs, result.labels, result.kept, result.diameters]
    if isinstance(result, hardmine.OverlapReport):
        return list(result.pairs)
    if isinstance(result, hardmine.PairROC):
        return [result.thresholds, result.tpr, result.fpr]
    return [result] if isinstance(result, np.ndarray) else list(result)


def assert_same_bits(found, expected):
    for a, b in zip(arrays_of(found), arrays_of(expected), strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert a.dtype == b.dtype and a.shape == b.shape
        assert a.tobytes() == b.tobytes()


def survives(call, rows=3, slab=0, pieces_a_run=1):
    """Compare a call with one in runs, and with one more of what is finished."""
    expected = call()
    with tempfile.TemporaryDirectory() as folder, small_pieces(rows, slab):
        path = Path(folder) / "job"
        found, runs = in_runs(call, path, pieces_a_run)
        assert_same_bits(found, expected)
        with ended_after(0):  # what is finished needs no piece
            assert_same_bits(call(checkpoint=path), expected)
    return runs


@st.composite
def searches(draw):
    """Two sides, or one, of floats or codes, a metric, a filter and what else a search is called with."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, m, d = draw(st.integers(0, 14)), draw(st.integers(0, 17)), draw(st.integers(1, 5))
    alone, codes = draw(st.booleans()), draw(st.booleans())
    if codes:
        x, y, metric = (rng.integers(0, 8, (rows, d)).astype(np.uint8) for rows in (n, m)), None, "hamming"
        x, y = x
    else:
        x, y = (rng.integers(-2, 3, (rows, d)).astype(draw(st.sampled_from([np.float32, np.float64]))) for rows in (n, m))
        metric = draw(st.sampled_from(["sqeuclidean", "euclidean", "cosine", "inner_product"]))
    base = None if alone else y
    fields = draw_filter(rng, n, n if alone else m, np.array([1.0, 3.0, 5.0]))
    return x, base, metric, fields, draw(st.integers(1, 6)), draw(st.integers(1, 4))


@given(searches(), st.booleans())
def test_searches_in_pieces(case, in_blocks):
    x, base, metric, fields, rows, pieces_a_run = case
    capless = {name: value for name, value in fields.items() if name != "max_per_group"}
    if "query_groups" not in capless:
        capless.pop("base_groups", None)
    of_pairs = Filter(**(capless if base is None else fields))
    edges = [-9.0, 0.0, 1.0, 2.5, 4.0, 30.0]
    with converted_blocks(20 if in_blocks else 1 << 25):
        for call in (
            lambda **c: hardmine.topk(x, base, 4, metric=metric, where=Filter(**fields), **c),
            lambda **c: hardmine.radius_neighbors(x, base, 3.0, metric=metric, where=of_pairs, **c),
            lambda **c: hardmine.closest_pairs(x, base, 7, metric=metric, where=of_pairs, **c),
            lambda **c: hardmine.distance_histogram(x, base, edges, metric=metric, where=of_pairs, **c),
        ):
            survives(call, rows, pieces_a_run=pieces_a_run)


@pytest.mark.parametrize(
    "fields", [{}, {"base_mask": 0.8}, {"max_per_group": 2}, {"farther_than": 10.0}, {"nearer_than": 20.0}]
)
@pytest.mark.parametrize("slab", [0, 700])
def test_joins_of_one_array(rng, fields, slab):
    """Each pair is multiplied once, and slabs need not divide the rows."""
    x = rng.standard_normal((3000, 200)).astype(np.float32)
    if "base_mask" in fields:
        fields = {"base_mask": rng.random(3000) < fields["base_mask"]}
    if "max_per_group" in fields:
        fields = {**fields, "base_groups": rng.integers(0, 40, 3000), "query_groups": rng.integers(0, 40, 3000)}
    runs = survives(lambda **c: hardmine.topk(x, k=5, metric="euclidean", where=Filter(**fields), **c), 500, slab)
    assert runs > (6 if slab else 0)  # a join of one slab is one piece


def test_joins_with_guessed_bounds(rng):
    """A row that has not found its k within a guess keeps the guess in a free place of its list."""
    x = rng.standard_normal((9000, 64)).astype(np.float32)
    assert survives(lambda **c: hardmine.topk(x, k=24, **c), 9000, 2500) > 4


def test_a_join_that_gives_up(rng):
    """Equal rows: what is left is searched by queries."""
    x = np.repeat(rng.standard_normal((3, 256)), 1000, axis=0).astype(np.float32)
    assert survives(lambda **c: hardmine.topk(x, k=3, **c), 1000, 700) > 3


@pytest.mark.parametrize("base_rows", [None, 60])
@pytest.mark.parametrize(
    "options", [{}, {"max_per_label": 1}, {"absolute_margin": 0.1}, {"rank_base": "raw", "range_max": 30}]
)
def test_mining(rng, base_rows, options):
    x = rng.standard_normal((40, 6)).astype(np.float32)
    base = None if base_rows is None else rng.standard_normal((base_rows, 6)).astype(np.float32)
    labels = {"query_labels": rng.integers(0, 9, 40)}
    if base is not None:
        labels["base_labels"] = rng.integers(0, 9, base_rows)
    runs = survives(lambda **c: hardmine.mine_hard_negatives(x, base, **labels, **options, **c), 7)
    assert runs > 10, "both scans are kept"


def test_a_large_mining_counts_what_limits_refused(rng):
    x = rng.standard_normal((2600, 210)).astype(np.float32)
    label = rng.integers(0, 9, 2600)

    def call(**given):
        return hardmine.mine_hard_negatives(x, query_labels=label, max_score=0.1, range_max=9, **given)

    survives(call, 600, 600)
    with tempfile.TemporaryDirectory() as folder, small_pieces(600, 600):
        assert in_runs(call, folder)[0].stats == call().stats


def test_options_of_the_draw_may_change(rng, tmp_path):
    x, label = rng.standard_normal((50, 4)).astype(np.float32), np.arange(50) % 5
    options = {"query_labels": label, "range_max": 20, "sampling_strategy": "random"}
    hardmine.mine_hard_negatives(x, **options, seed=1, checkpoint=tmp_path)
    with ended_after(0):
        again = hardmine.mine_hard_negatives(x, **options, seed=2, checkpoint=tmp_path)
    assert_same_bits(again, hardmine.mine_hard_negatives(x, **options, seed=2))


def test_what_stands_on_searches(rng):
    x = rng.standard_normal((60, 5)).astype(np.float32)
    x[30:] = x[:30] + 0.01 * rng.standard_normal((30, 5))
    for call in (
        lambda **c: hardmine.near_duplicates(x, 0.01, **c),
        lambda **c: hardmine.pair_roc(x, groups=np.arange(60) % 30, **c),
        lambda **c: hardmine.pair_roc(x, groups=np.arange(60) % 30, negatives=("hard", 10, 15, 3), **c),
        lambda **c: hardmine.find_overlap(x[:35], x[35:], radius=0.1, **c),
        lambda **c: hardmine.find_overlap(x[:35], x[35:], k=3, score_norm=x[:9] + 1, **c),
    ):
        assert survives(call, 4) > 2


@pytest.mark.skipif(torch is None, reason="needs PyTorch")
def test_tensors_and_an_index(rng):
    x = rng.standard_normal((30, 4)).astype(np.float32)
    tensor = torch.from_numpy(x).half()
    with tempfile.TemporaryDirectory() as folder, small_pieces(4):
        found, _ = in_runs(lambda **c: hardmine.topk(tensor, k=3, **c), folder)
    assert torch.equal(found.indices, hardmine.topk(tensor, k=3).indices)
    index = hardmine.Index(x, metric="euclidean")
    survives(lambda **c: hardmine.topk(x[:9], index, k=3, **c))
    survives(lambda **c: hardmine.radius_neighbors(x[:9], index, 1.5, **c))


def test_threads_may_change_between_runs(rng, tmp_path):
    x, y = rng.standard_normal((40, 4)).astype(np.float32), rng.standard_normal((50, 4)).astype(np.float32)
    with small_pieces(3), pytest.raises(Ended), ended_after(4):
        hardmine.topk(x, y, 3, threads=1, checkpoint=tmp_path)
    before = len(list(tmp_path.glob("neighbors-*.npz")))
    with small_pieces(11):  # the pieces are those of the first run
        found = hardmine.topk(x, y, 3, threads=2, checkpoint=tmp_path)
    assert before == 4 and len(list(tmp_path.glob("neighbors-*.npz"))) == 14
    assert_same_bits(found, hardmine.topk(x, y, 3))


@pytest.mark.parametrize("function", [hardmine.topk, hardmine.closest_pairs])
def test_rows_that_are_not_finite_are_told_by_their_numbers(rng, tmp_path, function):
    """In the first run, and those of the queries before any piece."""
    for name, side, row in (("queries", 0, 17), ("base", 1, 19)):
        sides = [rng.standard_normal((20, 3)).astype(np.float32) for _ in range(2)]
        sides[side][row, 1] = np.nan
        with small_pieces(4), ended_after(0), pytest.raises(ValueError, match=f"{name}: .* infinity in row {row}$"):
            function(*sides, checkpoint=tmp_path / name)


@pytest.mark.parametrize("alone", [False, True])
def test_progress_begins_at_what_was_done(rng, tmp_path, alone):
    x = rng.standard_normal((40, 4)).astype(np.float32)
    base, seen = None if alone else x.copy(), []

    def call(**given):
        return hardmine.radius_neighbors(x, base, 1.0, checkpoint=tmp_path, **given)

    with small_pieces(4), pytest.raises(Ended), ended_after(5):
        call()
    with small_pieces(4):
        call(progress=lambda done, total: seen.append((done, total)))
    assert {total for _, total in seen} == {1600}
    done = [pairs for pairs, _ in seen]
    assert done == sorted(done) and done[-1] == 1600
    assert done[4] == (1200 if alone else 800)  # five pieces of four rows; alone, those that meet the most rows
