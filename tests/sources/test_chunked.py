"""Rows that are fetched block by block: the same bits as of arrays in memory, each row read as often as the rule says."""

import threading
import time

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import hardmine
from blocks import converted_blocks
from hardmine import Filter, _arrays
from hardmine.search import sides
from optional_torch import torch
from searches import answers, draw_filter


class Counted:
    """Rows of chunks of any sizes, and how often each was read; nothing but the protocol."""

    def __init__(self, rows, chunks=None):
        self._rows, self.shape, self.dtype = rows, rows.shape, rows.dtype
        self.chunks = None if chunks is None else (chunks, rows.shape[1:])
        self.reads, self.threads, self.broken = np.zeros(len(rows), int), set(), None

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, rows):
        self.threads.add(threading.current_thread().name)
        if self.broken is not None and rows.stop > self.broken:
            raise OSError("the disk is gone")
        self.reads[rows] += 1
        return self._rows[rows]


def assert_same(found, expected):
    for array, known in zip(found, expected, strict=True):
        np.testing.assert_array_equal(np.asarray(array), np.asarray(known))


def chunks_of(rng, n):
    """One number, a size for each chunk (of one row, of none, of many), or nothing."""
    kind = rng.integers(4)
    if kind == 0:
        return None
    if kind == 1:
        return int(rng.integers(1, n + 9))
    cuts = np.sort(rng.integers(0, n + 1, int(rng.integers(0, 6)) if kind == 2 else n))
    return tuple(np.diff([0, *cuts, n]).tolist())


@settings(max_examples=25, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.integers(0, 2**32), st.sampled_from(["<f4", ">f4", "<f8", "<f2", "codes"]))
def test_the_same_bits_as_of_arrays_in_memory(seed, kind):
    rng = np.random.default_rng(seed)
    n, m, d = int(rng.integers(1, 40)), int(rng.integers(1, 90)), int(rng.integers(1, 9))
    if kind == "codes":
        q, b, metric, limits = *(rng.integers(0, 4, (rows, d), dtype=np.uint8) for rows in (n, m)), "hamming", [0, 3, 9]
    else:
        q, b = (rng.integers(-3, 4, (rows, d)).astype(kind) for rows in (n, m))
        metric, limits = str(rng.choice(["sqeuclidean", "cosine", "inner_product"])), [0.5, 3.0, 9.0]
    where, rows = draw_filter(rng, n, m, np.array(limits)), None
    searches = (
        answers if kind != "codes" else lambda *given: [*hardmine.topk(*given[:2], 7, metric=metric, where=Filter(**where))]
    )
    expected = list(searches(q, b, metric, where, rows, limits, 1, 0))
    sources = Counted(q, chunks_of(rng, n)), Counted(b, chunks_of(rng, m))
    with converted_blocks(int(rng.integers(1, 4 * d * m))):
        for given_q, given_b in (sources, (q, sources[1]), (sources[0], b)):
            assert_same(list(searches(given_q, given_b, metric, where, rows, limits, 1, 0)), expected)
        for call in (hardmine.topk, lambda x, **more: hardmine.radius_neighbors(x, radius=3, **more)):
            assert_same(call(sources[1], metric=metric), call(b, metric=metric))


def test_no_rows_at_all(rng):
    some, none = rng.standard_normal((3, 2)).astype(np.float32), np.empty((0, 2), np.float32)
    for q, b in ((some, none), (none, some), (none, None)):
        found = hardmine.topk(Counted(q, 4), None if b is None else Counted(b, ()), 2)
        assert_same(found, hardmine.topk(q, b, 2))


def test_a_pass_reads_each_row_once_whatever_the_chunks(rng):
    """However many blocks the base has: queries in memory pass over it together."""
    q, b = rng.standard_normal((500, 4)).astype(np.float32), rng.standard_normal((1000, 4)).astype(np.float32)
    for chunks in (None, 7, 400, 5000, (1,) * 1000, (0, 300, 0, 600, 100)):
        source = Counted(b, chunks)
        with converted_blocks(16 * 50):
            hardmine.topk(q, source, 3)
        assert (source.reads == 1).all(), chunks
        assert source.threads == {"hardmine reads ahead"}


def test_queries_that_are_fetched_pass_together_as_many_as_the_rule_allows(rng):
    """Blocks of the base are of 40 rows here, those of queries 4 times as large."""
    x, y = rng.standard_normal((1000, 4)).astype(np.float32), rng.standard_normal((600, 4)).astype(np.float32)
    assert sides.QUERY_BLOCKS == 4
    with converted_blocks(16 * 40):
        q, b = Counted(y), Counted(x, 20)
        hardmine.topk(q, b, 3)
        assert (q.reads == 1).all() and (b.reads == 4).all()  # 600 = 3 * 160 + 120
        both = Counted(x, 20)
        hardmine.topk(both, k=3)
        assert (both.reads == 7).all()  # 1000 = 6 * 160 + 40 queries; as such a block is not read again
        both = Counted(x, 20)
        hardmine.closest_pairs(both, n_pairs=3)
        assert (both.reads == np.arange(1000) // 160 + 1).all()  # once with each block before it
        once = Counted(y, 20)
        assert_same(hardmine.Index(once)._parts[0].rows, y)
        assert (once.reads == 1).all()


def test_listed_rows_are_read_alone(rng):
    x = rng.standard_normal((900, 3)).astype(np.float32)
    numbers = rng.integers(300, 500, 40)
    source = Counted(x, 30)
    np.testing.assert_array_equal(_arrays.FloatRows("x", source).at(numbers), x[numbers])
    assert (source.reads <= 1).all() and source.reads[:300].sum() == source.reads[510:].sum() == 0
    one = hardmine.pair_distances(x[:5], source, [0, 1, 1], [850, 3, 850])
    np.testing.assert_array_equal(one, hardmine.pair_distances(x[:5], x, [0, 1, 1], [850, 3, 850]))
    assert source.reads[600:840].sum() == 0


def readers():
    return [thread for thread in threading.enumerate() if thread.name == "hardmine reads ahead"]


def no_reader_is_left():
    until = time.monotonic() + 5
    while readers() and time.monotonic() < until:
        time.sleep(0.001)
    return not readers()


def test_what_reading_raises_reaches_the_caller(rng):
    source = Counted(rng.standard_normal((300, 4)).astype(np.float32), 10)
    source.broken = 95
    with (
        converted_blocks(16 * 30),
        pytest.raises(OSError, match="base: expected rows 90 to 119 of a test_chunked Counted, got") as at,
    ):
        hardmine.topk(np.ones((2, 4), np.float32), source, 3)
    assert "the disk is gone" in str(at.value) and no_reader_is_left()


def test_rows_that_do_not_come_are_missed(rng):
    source = Counted(rng.standard_normal((300, 4)).astype(np.float32))
    source._rows = source._rows[:250]
    source.reads = source.reads[:250]
    with pytest.raises(ValueError, match=r"base: expected 300 rows of 4 numbers, got shape \(250, 4\)"):
        hardmine.topk(np.ones((2, 4), np.float32), source, 3)


def test_a_caller_who_stops_early_leaves_no_thread(rng):
    x = rng.standard_normal((300, 4)).astype(np.float32)
    x[77] = np.nan

    def stop(done, total):
        raise KeyboardInterrupt

    with converted_blocks(16 * 30):
        with pytest.raises(ValueError, match="base: expected finite numbers, got NaN or infinity in row 77"):
            hardmine.topk(x[:5], Counted(x, 10), 3)
        assert no_reader_is_left()
        with pytest.raises(KeyboardInterrupt):
            hardmine.topk(x[:5], Counted(x[:70], 10), 3, progress=stop)
        assert no_reader_is_left()
        assert len(next(iter(_arrays.FloatRows("x", Counted(x)).blocks())).rows) == 30
        assert no_reader_is_left()


def test_the_next_block_is_read_while_the_caller_works_with_the_last():
    source = Counted(np.zeros((90, 1), np.float32), 10)
    with converted_blocks(4 * 30):
        blocks = _arrays.FloatRows("x", source).blocks()
        for read in (60, 90, 90):
            next(blocks)
            until = time.monotonic() + 5
            while source.reads.sum() < read and time.monotonic() < until:
                time.sleep(0.001)
            time.sleep(0.01)
            assert source.reads.sum() == read  # one block ahead, and no more


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (np.ones((4, 3), int), TypeError, "base: expected floating-point numbers, got int64"),
        (np.ones(4), ValueError, r"base: expected an array of shape \(rows, dimensions\), got shape \(4,\)"),
        (np.ones((4, 2)), ValueError, r"base: expected rows of 3 numbers like queries, got shape \(4, 2\)"),
    ],
)
def test_what_cannot_be_rows_is_refused_before_it_is_read(rows, error, message):
    source = Counted(rows)
    with pytest.raises(error, match=message):
        hardmine.topk(np.ones((2, 3), np.float32), source, 1)
    assert source.reads.sum() == 0


def test_tensors_on_a_device_are_copied_block_by_block(rng, monkeypatch):
    """No device here: what runs is the path of one, on tensors that say they are elsewhere and count their copies."""
    copies = []

    class Elsewhere(torch.Tensor):
        @property
        def device(self):
            return torch.device("cuda", 0)

        def cpu(self):
            copies.append(len(self))
            return self.as_subclass(torch.Tensor)

    answered = []
    to = torch.Tensor.to
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, *where: (answered.append(where), to(tensor, "cpu"))[1])
    x, q = torch.from_numpy(rng.standard_normal((500, 4))), torch.from_numpy(rng.standard_normal((9, 4)))
    for kind in (torch.float32, torch.float64, torch.bfloat16):
        copies.clear()
        there = x.type(kind).as_subclass(Elsewhere)
        with converted_blocks(16 * 100):
            found = hardmine.topk(q.type(kind).as_subclass(Elsewhere), there, 3)
        assert_same(found, hardmine.topk(q.type(kind).float().numpy(), x.type(kind).float().numpy(), 3))
        assert max(copies) == 100 and sum(copies) == 509
        assert isinstance(found.indices, torch.Tensor) and answered[-1] == (torch.device("cuda", 0),)
    codes = torch.from_numpy(rng.integers(0, 256, (500, 4), dtype=np.uint8)).as_subclass(Elsewhere)
    assert_same(
        hardmine.topk(codes, k=3, metric="hamming"), hardmine.topk(codes.as_subclass(torch.Tensor), k=3, metric="hamming")
    )
