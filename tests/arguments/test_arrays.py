"""What may come in and what goes out: dtypes, strides, byte orders, memory maps, torch, DLPack."""

import numpy as np
import pytest

import hardmine
import reference
from hardmine import Filter, _arrays
from optional_torch import torch
from reference import METRICS, assert_same


@pytest.fixture(params=[5, 40], ids=["few", "panels"])
def rows(request, rng):
    return rng.standard_normal((request.param, 12)), rng.standard_normal((300, 12))


def variants(x):
    """The same rows in every layout that NumPy can hold them."""
    f = x.astype(np.float32)
    yield "float32", f
    yield "float64", x
    yield "float16", x.astype(np.float16)
    yield "longdouble", x.astype(np.longdouble)
    yield "big-endian", f.astype(">f4")
    yield "Fortran order", np.asfortranarray(f)
    yield "every other row", np.repeat(f, 2, axis=0)[::2]
    yield "every other column", np.repeat(f, 2, axis=1)[:, ::2]
    yield "rows reversed", f[::-1].copy()[::-1]
    yield "columns of a wider array", np.concatenate([f, f], axis=1)[:, : x.shape[1]]
    read_only = f.copy()
    read_only.setflags(write=False)
    yield "read-only", read_only
    unaligned = np.empty(f.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(f.shape)
    unaligned[...] = f
    yield "not aligned", unaligned


@pytest.mark.parametrize("name", [name for name, _ in variants(np.zeros((4, 3)))])
def test_layouts(rows, name):
    q, b = (dict(variants(x))[name] for x in rows)
    rounded = np.asarray(q, np.float32), np.asarray(b, np.float32)
    before = q.copy(), b.copy()
    for metric in METRICS:
        assert_same(hardmine.topk(q, b, 5, metric=metric), reference.topk(*rounded, 5, metric))
    np.testing.assert_array_equal(hardmine.pairwise(q, b), hardmine.pairwise(*rounded))
    np.testing.assert_array_equal(q, before[0])
    np.testing.assert_array_equal(b, before[1])


def test_broadcast_and_one_column(rng):
    one = np.broadcast_to(rng.standard_normal(6).astype(np.float32), (50, 6))
    assert (hardmine.topk(one, k=3).distances == 0).all()
    column = rng.standard_normal((40, 3)).astype(np.float32)[:, 1:2]
    assert_same(hardmine.topk(column, k=3), reference.topk(column, None, 3))


def test_rows_are_not_copied(rng):
    x = rng.standard_normal((10, 4)).astype(np.float32)
    tensors = [torch.from_numpy(x), torch.from_numpy(x)[::3]] if torch else []
    for array in (x, x[::2], x[:, :3], *tensors):
        ((first, block, _),) = _arrays.FloatRows("x", array).blocks()
        assert first == 0
        assert np.shares_memory(block, x)


def test_conversion_goes_block_by_block(rng, monkeypatch):
    monkeypatch.setattr(_arrays, "BLOCK_BYTES", 4 * 12 * 50)
    q, b = rng.standard_normal((130, 12)), rng.standard_normal((777, 12))
    b[::5] = b[0]
    q32, b32 = q.astype(np.float32), b.astype(np.float32)
    group = rng.integers(0, 6, 777)
    sizes = [len(block) for _, block, _ in _arrays.FloatRows("b", b).blocks()]
    assert max(sizes) == 50 and sum(sizes) == 777
    for metric in METRICS:
        assert_same(hardmine.topk(q, b, 60, metric=metric), reference.topk(q32, b32, 60, metric))
    for where in (
        Filter(base_groups=group, max_per_group=2),
        Filter(base_groups=group, query_groups=rng.integers(0, 6, 130), groups="same"),
        Filter(exclude=[np.arange(i, 777, 7) for i in range(130)], nearer_than=25.0),
        Filter(base_mask=group > 2, farther_than=rng.uniform(0, 20, 130)),
    ):
        assert_same(hardmine.topk(q, b, 9, where=where), hardmine.topk(q32, b32, 9, where=where))
    assert_same(hardmine.topk(b, k=9), hardmine.topk(b32, k=9))
    np.testing.assert_allclose(hardmine.pairwise(q, b), reference.distances(q32, b32, "sqeuclidean"), rtol=2**-10)
    rows, cols = rng.integers(0, 130, 5000), rng.integers(0, 777, 5000)
    for queries, base, converted in ((q, b, (q32, b32)), (q32, b, (q32, b32)), (b, None, (b32, None))):
        found = hardmine.pair_distances(queries, base, rows, cols, metric="cosine")
        np.testing.assert_array_equal(found, hardmine.pair_distances(*converted, rows, cols, metric="cosine"))
    b[333, 2], q[77, 1] = np.nan, np.inf
    assert np.isfinite(hardmine.pair_distances(q[:70], b, [3, 69], [332, 776])).all()
    with pytest.raises(ValueError, match="base: expected finite numbers, got NaN or infinity in row 333"):
        hardmine.pair_distances(q[:70], b, [3, 69], [333, 776])
    with pytest.raises(ValueError, match="queries: expected finite numbers, got NaN or infinity in row 77"):
        hardmine.pair_distances(q, b, [3, 129], [0, 1])


def test_mining_converts_no_more_than_blocks(rng, monkeypatch):
    """Positives and random negatives of rows that must be converted come from blocks, too, and are the same."""
    monkeypatch.setattr(_arrays, "BLOCK_BYTES", 4 * 8 * 60)
    monkeypatch.setattr(_arrays.Rows, "take_all", None)
    q, b = rng.standard_normal((90, 8)).astype(np.float16), rng.standard_normal((400, 8)).astype(np.float16)
    options = {"positives": [rng.integers(0, 400, 3) for _ in range(90)], "relative_margin": 0.05, "random_ratio": 0.4}
    found = hardmine.mine_hard_negatives(q, b, **options)
    expected = hardmine.mine_hard_negatives(q.astype(np.float32), b.astype(np.float32), **options)
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.scores, expected.scores)


def test_block_wise_infinite_distances_are_kept(monkeypatch):
    monkeypatch.setattr(_arrays, "BLOCK_BYTES", 4 * 3)
    x = np.array([[0.0], [3e38], [-3e38], [3e38]])
    assert_same(hardmine.topk(x, k=3), reference.topk(x.astype(np.float32), None, 3))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_torch_in_torch_out(rows, dtype):
    q, b = (torch.from_numpy(x).to(getattr(torch, dtype)) for x in rows)
    found = hardmine.topk(q, b, 6, metric="cosine")
    assert isinstance(found.distances, torch.Tensor) and found.distances.dtype == torch.float32
    assert isinstance(found.indices, torch.Tensor) and found.indices.dtype == torch.int64
    expected = reference.topk(q.float().numpy(), b.float().numpy(), 6, "cosine")
    assert_same((found.distances.numpy(), found.indices.numpy()), expected)
    assert torch.equal(found.scores, 1 - found.distances)
    assert isinstance(hardmine.pairwise(q, b), torch.Tensor)
    assert isinstance(hardmine.pair_distances(q, b, torch.tensor([0]), torch.tensor([1])), torch.Tensor)
    assert isinstance(hardmine.merge(found, found).distances, torch.Tensor)


def test_torch_gradients_views_and_filters(rng):
    x = torch.from_numpy(rng.standard_normal((50, 8)).astype(np.float32)).requires_grad_()
    labels = torch.arange(50) % 5
    found = hardmine.topk(x.T.contiguous().T, k=3, where=Filter(query_groups=labels))
    assert not found.distances.requires_grad
    same = hardmine.topk(x.detach().numpy(), k=3, where=Filter(query_groups=labels.numpy()))
    assert torch.equal(found.indices, torch.from_numpy(same.indices))


def test_numpy_queries_against_a_torch_base_give_numpy(rows):
    found = hardmine.topk(rows[0], torch.from_numpy(rows[1]), 2)
    assert isinstance(found.indices, np.ndarray)


class OnlyDLPack:
    def __init__(self, array):
        self._array = array

    def __dlpack__(self, **options):
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


class OnlyArray:
    def __init__(self, array):
        self._array = array

    def __array__(self, dtype=None, copy=None):
        return self._array


@pytest.mark.parametrize("kind", [OnlyDLPack, OnlyArray, lambda x: x.tolist()])
def test_other_containers(rows, kind):
    q, b = rows[0].astype(np.float32), rows[1].astype(np.float32)
    assert_same(hardmine.topk(kind(q), kind(b), 3), hardmine.topk(q, b, 3))


def test_memory_map(rows, tmp_path):
    q, b = rows
    np.save(tmp_path / "b.npy", b.astype(np.float32))
    np.save(tmp_path / "h.npy", b.astype(np.float16))
    mapped = np.load(tmp_path / "b.npy", mmap_mode="r")
    assert_same(hardmine.topk(q, mapped, 4), reference.topk(q, b, 4))
    half = np.load(tmp_path / "h.npy", mmap_mode="r")
    assert_same(hardmine.topk(q, half, 4), reference.topk(q, np.asarray(half), 4))


@pytest.mark.parametrize("metric", METRICS)
def test_pairwise_writes_where_it_is_told(isa, rng, metric):
    q, b = rng.standard_normal((130, 9)).astype(np.float32), rng.standard_normal((75, 9)).astype(np.float32)
    whole = np.full((140, 90), 7, np.float32)
    out = whole[3:133, 10:85]
    assert hardmine.pairwise(q, b, metric=metric, out=out) is out
    np.testing.assert_array_equal(out, hardmine.pairwise(q, b, metric=metric))
    whole[3:133, 10:85] = 7
    assert (whole == 7).all()
    if torch:
        tensor = torch.empty(130, 75)
        assert hardmine.pairwise(torch.from_numpy(q), b, metric=metric, out=tensor) is tensor
        np.testing.assert_array_equal(tensor.numpy(), hardmine.pairwise(q, b, metric=metric))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("shape", [(0, 5, 3), (5, 0, 3), (1, 1, 1), (97, 33, 40), (13, 200, 7)])
def test_pairwise_is_near_the_oracle(isa, rng, metric, shape):
    n, m, d = shape
    q, b = rng.standard_normal((n, d)).astype(np.float32), rng.standard_normal((m, d)).astype(np.float32)
    true = reference.distances(q, b, metric)
    error = np.abs(hardmine.pairwise(q, b, metric=metric) - true)
    if (
        metric == "inner_product"
    ):  # frame.hpp: e/2 (N_q^2 + N_b^2) with both norms near 1; here |q| and |b-o| differ by less than 8
        origin = b.mean(axis=0) if m else 0
        bound = 8 * (d + 16) * 2.0**-24 * ((q**2).sum(1)[:, None] + ((b - origin) ** 2).sum(1)[None, :])
    else:
        bound = 2.0**-10 * true
    assert (error <= bound).all()


class Restored(np.ndarray):
    """Row numbers that another thread writes back as soon as the largest was seen."""

    def max(self, *args, **kwargs):
        largest = super().max(*args, **kwargs)
        self[:] = 0
        return largest


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("cols", lambda x: hardmine.pair_distances(x, None, [0], [5])),
        ("query_rows", lambda x: hardmine.topk(x, x, 1, query_rows=[0, 5, 1])),
        ("exclude", lambda x: hardmine.topk(x, x, 1, where=Filter(exclude=([0, 1, 1, 1], [5])))),
    ],
)
def test_a_row_number_that_is_gone_again_is_still_named(rng, monkeypatch, name, call):
    integers = _arrays.integers

    def changing(of, array):
        return integers(of, array).view(Restored) if of in (name, f"{name} indices") else integers(of, array)

    monkeypatch.setattr(_arrays, "integers", changing)
    with pytest.raises(ValueError, match=rf"{name}: expected row numbers from 0 to 2.*, got 5"):
        call(rng.standard_normal((3, 4)))
