"""Searches over Dask arrays: the same bits as one process, whatever the chunks; nothing read early; no task too many."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hardmine
from hardmine import Filter
from searches import KINDS, draw_filter

dask = pytest.importorskip("dask", reason="needs the extra hardmine[dask]")
da = pytest.importorskip("dask.array")
import hardmine.dask as lazy  # noqa: E402
from dask_chunks import chunked  # noqa: E402
from hardmine.dask import neighbors  # noqa: E402
from hardmine.dask import rows as dask_rows  # noqa: E402


@pytest.fixture(autouse=True)
def in_this_thread():
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(dask_rows, "LEAST_ROWS", 0)


def equal(got, want):
    for one, other in zip(got, want, strict=True):
        assert one.dtype == other.dtype and one.shape == other.shape
        np.testing.assert_array_equal(one, other)


def drawn(rng, kind, metric, n):
    d = int(rng.integers(1, 9))
    if metric == "hamming":
        return rng.integers(0, 4, (n, d)).astype(np.uint8) * 85
    return KINDS[kind](rng, n, d).astype(rng.choice([np.float32, np.float64]) if kind in ("ordinary", "ties") else np.float32)


METRICS = ("sqeuclidean", "euclidean", "cosine", "inner_product", "hamming")


@settings(max_examples=80)
@given(st.integers(0, 2**32), st.sampled_from(METRICS), st.sampled_from([k for k in KINDS if k != "outliers"]))
def test_the_bits_of_one_process(seed, metric, kind):
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(1, 40)), int(rng.integers(1, 60))
    alone = rng.random() < 0.4
    x = drawn(rng, kind, metric, m + n)
    base, queries = (x, None) if alone else (x[:m], x[m:])
    if not alone and rng.random() < 0.5:
        queries = base[rng.integers(0, m, n)]  # ties, and distance 0
    size = len(x) if alone else m
    first = base if alone else queries
    everything = hardmine.pairwise(first, base, metric=metric).ravel()
    limits = np.sort(rng.choice(everything, 3))
    where = draw_filter(rng, len(first), size, limits)
    capless = Filter(
        **{
            name: value
            for name, value in where.items()
            if name != "max_per_group" and (name != "base_groups" or "query_groups" in where)
        }
    )
    rows = rng.integers(-1, m, n) if not alone and rng.random() < 0.3 else None
    given_where = Filter(**where)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dask_rows, "LEAST_ROWS", 0)
        at_once = int(rng.integers(1, 6))  # blocks of the base that are searched without a limit
        patch.setattr(neighbors, "workers", lambda: at_once)
        sides = (chunked(rng, base),) if alone else (chunked(rng, queries), chunked(rng, base))
        plain = (base,) if alone else (queries, base)
        common = {"metric": metric, "query_rows": rows}
        options = {"split_every": int(rng.integers(2, 5))}
        k = int(rng.choice([1, 3, 10, size + 5]))
        found = lazy.topk(*sides, k=k, where=given_where, **common, **options)
        assert found.distances.shape == (len(first), k) and found.distances.dtype == (
            np.int32 if metric == "hamming" else "f4"
        )
        (computed,) = dask.compute(found)
        equal(computed, hardmine.topk(*plain, k=k, where=given_where, **common))
        assert type(computed) is type(hardmine.topk(*plain, k=k, metric=metric))
        paired = capless if alone else given_where
        radius = rng.choice(limits, len(first)).astype(np.float64)
        near = lazy.radius_neighbors(*sides, radius=radius, where=paired, **common, **options).compute()
        want = hardmine.radius_neighbors(*plain, radius=radius, where=paired, **common)
        equal(near, want)
        assert near.shape == want.shape
        pairs = int(rng.integers(1, 40))
        closest = lazy.closest_pairs(*sides, n_pairs=pairs, where=paired, **common, **options)
        equal(closest.compute(), hardmine.closest_pairs(*plain, n_pairs=pairs, where=paired, **common))
        edges = np.unique(np.append(limits, [-np.inf, np.inf]))
        kinds = rng.integers(0, 3, len(x))
        groups = kinds if alone else (kinds[:n], kinds[n:])
        counted = lazy.distance_histogram(*sides, edges=edges, where=capless, groups=groups, **common, **options)
        equal([counted.compute()], [hardmine.distance_histogram(*plain, edges=edges, where=capless, groups=groups, **common)])


def test_equal_rows_across_chunks_come_by_their_numbers(small_chunks):
    """A limit found in a later chunk must let through rows of an earlier one at the same distance."""
    x = np.ones((24, 4), np.float32)
    x[::5] += 1
    for sizes in ((8, 8, 8), (1,) * 24, (5, 0, 19)):
        cut = da.from_array(x, chunks=(sizes, 4))
        equal(dask.compute(lazy.topk(cut, cut, 5))[0], hardmine.topk(x, x, 5))
        equal(dask.compute(lazy.topk(cut, k=5))[0], hardmine.topk(x, k=5))


def test_bits_beyond_which_codes_are_padding(rng, small_chunks):
    codes = rng.integers(0, 256, (30, 2)).astype(np.uint8)
    cut = da.from_array(codes, chunks=(7, 2))
    equal(
        dask.compute(lazy.topk(cut, k=4, metric="hamming", bits=11))[0], hardmine.topk(codes, k=4, metric="hamming", bits=11)
    )


class Reads:
    """What is read only by slicing, and counts it."""

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.ndim, self.count = array, array.shape, array.dtype, array.ndim, 0

    def __getitem__(self, key):
        self.count += 1
        return self.array[key]


def test_nothing_is_read_or_computed_while_the_graph_is_built(rng, monkeypatch):
    x = rng.standard_normal((5000, 8)).astype(np.float32)
    monkeypatch.setattr(dask_rows, "MOST_ROWS", 2000)
    source = Reads(x)

    def fail(*_):
        raise AssertionError("computed")

    alarmed = da.from_array(x, chunks=(1500, 8)).map_blocks(fail, dtype=np.float32, meta=np.empty((0, 0), np.float32))
    lazy.radius_neighbors(alarmed, source, radius=1.0, max_pairs=10)
    lazy.closest_pairs(alarmed, n_pairs=3)
    lazy.distance_histogram(alarmed, source, edges=[0, 1])
    found = lazy.topk(source, k=3)
    assert source.count == 0
    equal(dask.compute(found)[0], hardmine.topk(x, k=3))
    assert source.count == 3


def stages(array, what):
    """How many tasks each stage of a search has."""
    names = array.dask.layers
    return {name.split("-")[1]: len(names[name]) for name in names if name.startswith(what + "-")}


def test_an_array_with_itself_is_a_triangle_of_tasks(rng, small_chunks):
    x = da.from_array(rng.standard_normal((60, 3)).astype(np.float32), chunks=(10, 3))
    assert stages(lazy.topk(x, k=2).indices, "topk")["blocks"] == 21
    near = stages(lazy.radius_neighbors(x, radius=1.0).rows, "radius_neighbors")
    assert near == {"queries": 6, "blocks": 21, "pairs": 6, "rows": 6}
    assert stages(lazy.closest_pairs(x).rows, "closest_pairs")["blocks"] == 21
    whole = stages(lazy.topk(x, x, k=2).indices, "topk")
    assert whole["first"] == 6 and whole["blocks"] == 30
    merges = stages(lazy.topk(x[:10], x, k=2, split_every=2).indices, "topk")
    assert merges["merge"] == 3 + 2 + 1 and merges["lists"] == 1


def test_chunks_that_are_not_worth_a_task_are_made_anew(rng, monkeypatch):
    x = rng.standard_normal((6000, 8)).astype(np.float32)
    one_row_each = da.from_array(x, chunks=(1, 8))
    assert lazy.topk(one_row_each, k=1).indices.chunks == ((6000,), (1,))
    kept = da.from_array(x, chunks=((2000, 1, 3999), 4))
    assert lazy.topk(kept, k=1).indices.chunks == ((2000, 1, 3999), (1,))
    assert lazy.topk(np.empty((0, 4), np.float32), x[:, :4], k=2).indices.chunks == ((0,), (2,))
    monkeypatch.setattr(dask_rows, "MOST_BYTES", 3000 * 32)
    monkeypatch.setattr(dask_rows, "BLOCK_BYTES", 2500 * 32)
    assert lazy.topk(kept, k=1).indices.chunks == ((2000, 2000, 2000), (1,))


def test_bad_input_raises_before_anything_is_read(rng, small_chunks):
    x = rng.standard_normal((20, 4)).astype(np.float32)
    cut = da.from_array(x, chunks=(5, 4))
    with pytest.raises(TypeError, match=r"queries: expected floating-point numbers, got int64"):
        lazy.topk(cut.astype(np.int64))
    with pytest.raises(ValueError, match=r"base: expected rows of 4 numbers like queries, got shape \(20, 3\)"):
        lazy.topk(cut, cut[:, :3])
    with pytest.raises(TypeError, match=r"query_groups: expected an array in memory, got a Dask array"):
        lazy.topk(cut, where=Filter(query_groups=cut[:, 0]))
    with pytest.raises(ValueError, match=r"queries: expected chunks of known sizes"):
        lazy.topk(cut[cut[:, 0] > 0])
    with pytest.raises(TypeError, match=r"queries: expected a Dask array, or what has shape, dtype and slicing, got list"):
        lazy.topk([[1.0]])
    with pytest.raises(ValueError, match="max_per_group: expected None beside base=None"):
        lazy.radius_neighbors(cut, radius=1.0, where=Filter(query_groups=np.zeros(20, int), max_per_group=1))
    with pytest.raises(ValueError, match="split_every: expected at least 2, got 1"):
        lazy.topk(cut, split_every=1)
    with pytest.raises(ValueError, match="max_pairs: expected at most 100 pairs, got 190"):
        lazy.radius_neighbors(cut, radius=np.inf, max_pairs=100).compute()
    with pytest.raises(ValueError, match="max_pairs: expected at most 80 pairs, got 85 or more"):  # a block of queries
        lazy.radius_neighbors(cut, radius=np.inf, max_pairs=80).compute()
    x[13, 2] = np.nan
    with pytest.raises(ValueError, match="queries: expected finite numbers, got NaN or infinity in row 13"):
        dask.compute(lazy.topk(da.from_array(x, chunks=(5, 4))))


def test_memory_maps_travel_as_their_path(rng, tmp_path, monkeypatch):
    x = rng.standard_normal((5000, 4)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    monkeypatch.setattr(dask_rows, "MOST_ROWS", 2000)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    found = lazy.topk(mapped, k=2)
    equal(dask.compute(found)[0], hardmine.topk(x, k=2))
    assert max(len(pickle.dumps(task)) for task in dict(found.indices.dask).values()) < 20_000


def test_the_scheduler_of_threads(rng, small_chunks):
    x = rng.standard_normal((200, 4)).astype(np.float32)
    cut = da.from_array(x, chunks=(70, 4))
    equal(dask.compute(lazy.topk(cut, k=3), scheduler="threads")[0], hardmine.topk(x, k=3))


@pytest.mark.slow
def test_the_scheduler_of_processes(rng, small_chunks):
    x = rng.standard_normal((200, 4)).astype(np.float32)
    cut = da.from_array(x, chunks=(70, 4))
    equal(dask.compute(lazy.topk(cut, k=3), scheduler="processes", num_workers=2)[0], hardmine.topk(x, k=3))


def test_without_dask_the_error_names_the_extra():
    lines = ["import sys", "sys.modules['dask'] = None", "import hardmine", "try: import hardmine.dask"]
    program = "\n".join([*lines, "except ImportError as error: print(error)"])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == 'hardmine.dask needs dask: pip install "hardmine[dask]"\n'


@settings(max_examples=25)
@given(
    st.integers(0, 2**32),
    st.sampled_from(["single", "complete", "star"]),
    st.sampled_from(["first", "hard", "easy", "center", "random"]),
)
def test_near_duplicates_of_one_process(seed, linkage, rule):
    pytest.importorskip("scipy")
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 3, (int(rng.integers(1, 60)), 3)).astype(np.float32) + rng.normal(0, 0.01, 3).astype(np.float32)
    metric, threshold = [("sqeuclidean", 1.0), ("euclidean", 0.5), ("cosine", 0.05)][rng.integers(3)]
    options = {"metric": metric, "linkage": linkage, "which_to_keep": rule, "groups": rng.integers(0, 2, len(x))}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dask_rows, "LEAST_ROWS", 0)
        got = lazy.near_duplicates(chunked(rng, x), threshold, **options).compute()
    want = hardmine.near_duplicates(x, threshold, **options)
    equal(got.pairs, want.pairs)
    names = ("labels", "sizes", "diameters", "densities", "open_triangles", "chained", "kept", "keep", "drop", "groups")
    equal([getattr(got, name) for name in names], [getattr(want, name) for name in names])
    assert repr(got) == repr(want) and got.summary() == want.summary()
