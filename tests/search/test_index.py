"""An index finds what its rows find, wherever a base is accepted, whatever has become of it before."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

import hardmine
import reference
from hardmine import Filter, Index, _core
from isas import EVERY_ISA, using_isa, using_screen
from optional_torch import torch
from reference import METRICS, assert_same
from searches import KINDS, answers, draw_filter

SCREENS = ("int8", "bf16", "float32", "")
LANES_AND_OFFSET = {  # of panels
    "avx512_bf16": (32, 128),
    "avx512_bitalg": (32, 128),
    "avx512": (32, 64),
    "avx_vnni": (16, 128),
    "avx2": (16, 64),
    "generic": (8, 64),
    "wide": (32, 64),
    "tiles": (32, 0),
    "amx": (32, 0),
}


def normal(rng, n, d=128):
    return rng.standard_normal((n, d), dtype=np.float32)


def made_in_steps(rng, rows, metric):
    """An index of these rows: begun with some of them, or none, to which others are added, and from which some are removed."""
    strange = rng.random(len(rows) + len(rows) // 3 + 2)
    extra = np.argsort(strange)[: len(strange) - len(rows)]
    all_rows = np.empty((len(strange), rows.shape[1]), np.float32)
    keep = np.ones(len(strange), bool)
    keep[extra] = False
    all_rows[keep], all_rows[~keep] = rows, 1e3 * rng.standard_normal((len(extra), rows.shape[1]))
    first, *others = np.split(all_rows, np.sort(rng.integers(0, len(all_rows) + 1, rng.integers(1, 6))))
    index = Index(first, metric)
    for part in others:
        index.add(part)
    index.remove(rng.permutation(extra))
    return index


@hypothesis.given(
    kind=st.sampled_from(list(KINDS)),
    metric=st.sampled_from(METRICS),
    n=st.sampled_from([1, 3, 8, 9, 60, 130]),
    m=st.sampled_from([1, 2, 90, 1500, 4000, 9000]),
    d=st.sampled_from([1, 7, 64, 200]),
    isas=st.tuples(st.sampled_from(EVERY_ISA), st.sampled_from(EVERY_ISA)),
    threads=st.sampled_from([1, 3]),
    block=st.sampled_from([0, 0, 100, 128]),
    steps=st.booleans(),
    far=st.sampled_from([1, 1, 1e-17, 1e14]),
    seed=st.integers(0, 10**6),
)
def test_what_is_found_is_what_the_rows_find(kind, metric, n, m, d, isas, threads, block, steps, far, seed):
    """On the instruction set that it was packed on and on another; by each screen; of queries far beyond the rows, too."""
    rng = np.random.default_rng(seed)
    both = np.ascontiguousarray(KINDS[kind](rng, n + m, d), np.float32)
    q, b = np.float32(both[:n] * far), both[n:].copy()
    true = np.sort(reference.rounded(q[:4], b, metric), axis=None)  # some infinite
    limits = true[np.int64(np.multiply([0, 0.02, 0.3, 1], len(true) - 1))]
    where = draw_filter(rng, n, m, limits)
    options = (metric, where, None, limits, threads, block)
    with using_screen("float32"):
        expected = list(answers(q, b, *options))
    with using_isa(isas[0]):
        index = made_in_steps(rng, b, metric) if steps else Index(b, metric, threads=threads)
    assert index.shape == b.shape and len(index) == m
    for isa in set(isas):
        for screen in SCREENS:
            with using_isa(isa), using_screen(screen):
                for found, wanted in zip(answers(q, index, *options), expected, strict=True):
                    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("metric", METRICS)
def test_the_oracle(isa, rng, metric):
    """Beside sorting: rows of any norm, zeros, equal ones; few and many queries."""
    b = normal(rng, 3000, 24) * np.float32(10.0) ** rng.integers(-18, 16, (3000, 1)).astype(np.float32)
    b[::7], b[::11], b[5::13] = 0, b[3], normal(rng, 231, 24)
    index = Index(b, metric)
    for n in (1, 8, 150):
        q = np.concatenate([b[n : 2 * n], normal(rng, n, 24)])[::2]
        expected = reference.topk(q, b, 9, metric)
        for screen in SCREENS:
            with using_screen(screen):
                assert_same(hardmine.topk(q, index, 9, threads=2), expected)


def test_every_function_takes_its_metric_from_the_index(rng):
    q, b = normal(rng, 5, 8), normal(rng, 40, 8)
    index, like = Index(b), {"metric": "cosine"}
    assert index.metric == "cosine"
    rows, cols = np.array([0, 4, 2]), np.array([39, 0, 7])
    calls = (
        lambda base, **metric: hardmine.topk(q, base, 3, **metric),
        lambda base, **metric: hardmine.radius_neighbors(q, base, 0.5, **metric),
        lambda base, **metric: hardmine.closest_pairs(q, base, 9, **metric),
        lambda base, **metric: [hardmine.distance_histogram(q, base, np.linspace(0, 2, 9), **metric)],
        lambda base, **metric: [hardmine.pair_distances(q, base, rows, cols, **metric)],
        lambda base, **metric: [hardmine.pairwise(q, base, **metric)],
        lambda base, **metric: [hardmine.mine_hard_negatives(q, base, positives=rows[[0, 1, 2, 0, 1]], **metric).indices],
    )
    for call in calls:
        expected = list(call(b, **like))
        for given in ({}, like):
            for found, wanted in zip(call(index, **given), expected, strict=True):
                np.testing.assert_array_equal(found, wanted)
        with pytest.raises(ValueError, match="metric: expected cosine, the metric of the index, got 'euclidean'"):
            call(index, metric="euclidean")
        with pytest.raises(ValueError, match="metric: expected cosine, the metric of the index, got 'hamming'"):
            call(index, metric="hamming")
    assert hardmine.topk(q, b, 3).metric == "sqeuclidean"
    assert hardmine.mine_hard_negatives(q, b, positives=rows[[0, 1, 2, 0, 1]]).params["metric"] == "cosine"


@pytest.mark.parametrize("n", [1, 8, 9, 95, 300])
def test_packed_rows_are_read(isa, rng, n):
    """By few queries, too; and by none where the panels are others, or lists of rows are searched."""
    q, b = normal(rng, n), normal(rng, 20_000)
    index = Index(b, "sqeuclidean")

    def shares(base, **options):
        before = _core.screened_pairs()
        hardmine.topk(q, base, 10, threads=1, **options)
        return [
            (of - before[name]) / (n * len(b)) for name, of in _core.screened_pairs().items() if name in ("int8", "prepared")
        ]

    packed, prepared = shares(index)
    assert packed == prepared and (packed > 0.3) == (_core.kernels()["int8"] != "generic")
    masked = Filter(base_mask=np.arange(len(b)) != 7)
    if n < 96:
        assert shares(b) == shares(index, where=masked) == [0, 0]
    with using_screen("int8"):
        assert shares(index) == [1, 1]
        assert shares(b) == ([0, 0] if n <= 8 else [1, 0])
        assert shares(index, where=masked)[1] == 0
        for other in _core.isas_runnable():
            same = LANES_AND_OFFSET[other] == LANES_AND_OFFSET[isa]
            with using_isa(other):
                assert shares(index) == ([1, 1] if same else [0, 0] if n <= 8 else [1, 0])


def test_parts_of_few_queries_begin_with_a_panel(rng):
    q, b = normal(rng, 2), normal(rng, 50_001)
    index = Index(b, "sqeuclidean")
    before = _core.screened_pairs()["prepared"]
    with using_screen("int8"):
        found = hardmine.topk(q, index, 10, threads=5)
    assert _core.screened_pairs()["prepared"] - before == 2 * len(b)
    assert_same(found, reference.topk(q, b, 10))


def test_rows_are_the_indexs_own(rng):
    b = normal(rng, 300, 16)
    q, kept = b[:3] + np.float32(0.1), b.copy()
    own, same = Index(b), Index(b, copy=False)
    added = b[:9].copy()
    own.add(added)
    packed = own.nbytes
    assert own.nbytes == packed > same.nbytes
    b[:] = added[:] = 7
    assert_same(hardmine.topk(q, own, 5), reference.topk(q, np.concatenate([kept, kept[:9]]), 5, "cosine"))
    np.testing.assert_array_equal(hardmine.pair_distances(q, same, [0], [0]), reference.rounded(q[:1], b[:1], "cosine")[0])


@pytest.mark.parametrize("d", [1, 5, 128])
@pytest.mark.parametrize("m", [0, 1, 33, 1000])
def test_nbytes(isa, rng, m, d):
    """As the docstring has it."""
    lanes = LANES_AND_OFFSET[isa][0]
    run = 16 if isa == "tiles" else 1  # quads of a row that lie together, in blocks of one size
    whole = -(-d // 4)
    blocks = -(-whole // run)
    quads = -(-whole // blocks) * blocks
    packed = -(-m // lanes) * lanes * (4 * quads + 24)
    assert Index(normal(rng, m, d)).nbytes == 4 * m * d + packed


def test_more_dimensions_than_the_screen_has(rng):
    b = normal(rng, 9, 131_073)
    index = Index(b, "inner_product")
    assert index.nbytes == b.nbytes
    with using_screen("int8"):
        assert_same(hardmine.topk(b[:2], index, 4), reference.topk(b[:2], b, 4, "inner_product"))
    b[7, 131_072] = np.inf
    with pytest.raises(ValueError, match="base: expected finite numbers, got NaN or infinity in row 7"):
        Index(b)


def test_arrays_of_any_kind(rng):
    b = normal(rng, 50, 6)
    for given in (b.astype(np.float64), np.asfortranarray(b), b.astype(">f4"), b.tolist(), np.repeat(b, 2, axis=0)[::2]):
        for copy in (False, True):
            index = Index(np.array(given) if isinstance(given, list) else given, "sqeuclidean", copy=copy)
            assert_same(hardmine.topk(b[:4], index, 3), reference.topk(b[:4], b, 3))


def test_tensors(rng):
    b = normal(rng, 50, 6)
    index = Index(torch.from_numpy(b).double(), "sqeuclidean")
    index.add(torch.from_numpy(b))
    found = hardmine.topk(torch.from_numpy(b[:4]), index, 3)
    assert isinstance(found.indices, torch.Tensor)
    assert_same(found, reference.topk(b[:4], np.concatenate([b, b]), 3))
