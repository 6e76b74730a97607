"""Packed codes: packing, and the Hamming engine against bits compared one by one in NumPy."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import hardmine
import reference
from blocks import topk_in_blocks
from hardmine import _core
from optional_torch import torch

WIDTHS = [*range(1, 131), 255, 256, 257, 512, 1024, 4096]


def random_codes(rng, n, bits, flips=None):
    """Rows of bits: independent, or a few patterns with that many bits flipped."""
    if flips is None:
        return rng.random((n, bits)) < 0.5
    rows = (rng.random((4, bits)) < 0.5)[rng.integers(0, 4, n)]
    return rows ^ (rng.random((n, bits)) < flips / bits)


def check(q, b, k, bits, where=None, allowed=None, **options):
    found = hardmine.topk(
        hardmine.pack(q), None if b is None else hardmine.pack(b), k, metric="hamming", bits=bits, where=where
    )
    reference.assert_same(found, reference.topk_bits(q, b, k, allowed=allowed, **options))


@pytest.mark.parametrize("bits", WIDTHS)
def test_every_width(isa, rng, bits):
    q, b = random_codes(rng, 9, bits), random_codes(rng, 300, bits)
    b[7], b[200] = q[3], ~q[3]
    check(q, b, 5, bits)
    check(q[:1], b, 300, bits)
    matrix = reference.bit_distances(q, b)
    np.testing.assert_array_equal(hardmine.pairwise(hardmine.pack(q), hardmine.pack(b), metric="hamming"), matrix)
    rows, cols = np.divmod(np.arange(matrix.size), 300)
    listed = hardmine.pair_distances(hardmine.pack(q), hardmine.pack(b), rows, cols, metric="hamming", bits=bits)
    assert listed.dtype == np.int32
    np.testing.assert_array_equal(listed, matrix.ravel())


def test_the_longest_codes_and_the_largest_distance(isa, rng):
    """65,536 differing bits are one more than 16 bits can hold."""
    q = random_codes(rng, 6, 65_536)
    b = np.concatenate([~q[:2], q[2:4], random_codes(rng, 90, 65_536)])
    check(q, b, len(b), 65_536)
    assert hardmine.pairwise(hardmine.pack(q), hardmine.pack(b), metric="hamming")[0, 0] == 65_536


@pytest.mark.parametrize("k", [1, 10, 63, 64, 65, 500, 2500, 3000])
@pytest.mark.parametrize("n", [1, 4, 5, 40])
def test_ties_and_duplicates_by_index(isa, rng, n, k):
    b = random_codes(rng, 2500, 24, flips=2)
    check(b[:n] ^ (rng.random((n, 24)) < 0.1), b, k, 24)
    check(np.zeros((n, 24), bool), np.zeros((2500, 24), bool), k, 24)


def test_sums_beyond_a_byte(isa, rng):
    """Rows whose k-th neighbour is nearer than 254 bits beside rows where it is not, in one tile."""
    b = random_codes(rng, 700, 1024)
    q = np.concatenate([random_codes(rng, 4, 1024), b[:5] ^ (rng.random((5, 1024)) < 0.1)])
    for k in (1, 20, 700):
        check(q, b, k, 1024)


def test_self_join(rng):
    x = random_codes(rng, 900, 40, flips=3)
    check(x, None, 30, 40, allowed=None)


@given(st.data())
def test_filters(data):
    draw = data.draw
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, m, bits = draw(st.integers(1, 12)), draw(st.integers(1, 200)), draw(st.sampled_from([3, 8, 20, 64, 300]))
    q, b = random_codes(rng, n, bits, flips=2), random_codes(rng, m, bits, flips=2)
    if draw(st.booleans()):
        b = None
        m = n
    matrix = reference.bit_distances(q, q if b is None else b)
    allowed, options, extra = np.ones((n, m), bool), {}, {}
    if draw(st.booleans()):
        mode = draw(st.sampled_from(["different", "same"]))
        query_groups, base_groups = rng.integers(0, 3, n), rng.integers(0, 3, m)
        if b is None:
            base_groups = query_groups
        equal = query_groups[:, None] == base_groups
        allowed &= equal if mode == "same" else ~equal
        options |= {"query_groups": query_groups, "base_groups": base_groups, "groups": mode}
    if draw(st.booleans()):
        options["exclude"] = [rng.integers(0, m, rng.integers(0, 30)) for _ in range(n)]
        for i, rows in enumerate(options["exclude"]):
            allowed[i, rows] = False
    if draw(st.booleans()):
        options["base_mask"] = rng.random(m) < 0.5
        allowed &= options["base_mask"]
    if draw(st.booleans()):
        options["nearer_than"] = draw(st.sampled_from([0, 1, bits / 3, float(bits), np.inf]))
        allowed &= matrix < options["nearer_than"]
    if draw(st.booleans()):
        options["farther_than"] = rng.uniform(-1, bits / 2, n)
        allowed &= matrix > options["farther_than"][:, None]
    if draw(st.booleans()):
        options["max_per_group"] = draw(st.integers(1, 3))
        options.setdefault("base_groups", rng.integers(0, 3, m))
        extra = {"base_groups": options["base_groups"], "max_per_group": options["max_per_group"]}
    check(q, b, draw(st.integers(1, m + 3)), bits, hardmine.Filter(**options), allowed, **extra)


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize("n", [1, 3, 50, 2000])
def test_no_strategy_changes_the_result(isa, rng, n, threads):
    q, b = random_codes(rng, n, 32, flips=4), random_codes(rng, 12_000, 32, flips=4)
    q, b = hardmine.pack(q), hardmine.pack(b)
    expected = hardmine.topk(q, b, 20, metric="hamming", threads=1)
    for block in (0, 64, 1000):
        options = {"metric": "hamming", "where": None, "bits": None}
        reference.assert_same(topk_in_blocks(q, b, 20, threads=threads, block=block, **options), expected)
    reference.assert_same(hardmine.topk(q, b, 7, metric="hamming"), [array[:, :7] for array in expected])
    halves = [hardmine.topk(q, part, 20, metric="hamming") for part in (b[:5000], b[5000:])]
    halves[1] = (halves[1].distances, halves[1].indices + 5000)
    reference.assert_same(hardmine.merge(*halves), expected)


@pytest.mark.parametrize("n", [2, 20])
def test_a_base_cut_between_threads(rng, n):
    """Few queries: each thread searches a part of the base, and the parts merge."""
    q, b = rng.integers(0, 256, (n, 3), np.uint8), rng.integers(0, 256, (1_000_000, 3), np.uint8)
    groups = rng.integers(0, 50, 1_000_000)
    for where in (None, hardmine.Filter(base_groups=groups, max_per_group=2)):
        expected = hardmine.topk(q, b, 70, metric="hamming", where=where, threads=1)
        for threads in (2, 3):
            reference.assert_same(hardmine.topk(q, b, 70, metric="hamming", where=where, threads=threads), expected)
    exact = np.unpackbits(q[0] ^ b, axis=1).sum(axis=1)
    np.testing.assert_array_equal(hardmine.topk(q, b, 70, metric="hamming").indices[0], np.argsort(exact, kind="stable")[:70])


@given(st.integers(0, 2**32), st.integers(1, 200))
def test_laws(seed, bits):
    rng = np.random.default_rng(seed)
    x, y = random_codes(rng, 20, bits), random_codes(rng, 30, bits)
    d = hardmine.pairwise(hardmine.pack(x), hardmine.pack(y), metric="hamming")
    mask, order = rng.random(bits) < 0.5, rng.permutation(bits)
    np.testing.assert_array_equal(hardmine.pairwise(hardmine.pack(x ^ mask), hardmine.pack(y ^ mask), metric="hamming"), d)
    moved = hardmine.pairwise(hardmine.pack(x[:, order]), hardmine.pack(y[:, order]), metric="hamming")
    np.testing.assert_array_equal(moved, d)
    np.testing.assert_array_equal(hardmine.pairwise(hardmine.pack(~x), hardmine.pack(y), metric="hamming"), bits - d)
    among = hardmine.pairwise(hardmine.pack(x), metric="hamming")
    assert (among[:, None, :] <= among[:, :, None] + among[None, :, :]).all()
    assert (d[:, None, :] <= among[:, :, None] + d[None, :, :]).all()


def test_padding_never_counts(rng):
    x, y = random_codes(rng, 6, 21), random_codes(rng, 70, 21)
    q, b = hardmine.pack(x), hardmine.pack(y)
    dirty_q, dirty_b = q.copy(), b.copy()
    dirty_q[:, -1] |= 5
    dirty_b[:, -1] |= rng.integers(0, 8, 70, np.uint8)
    before = dirty_b.copy()
    expected = hardmine.topk(q, b, 9, metric="hamming", bits=21)
    reference.assert_same(hardmine.topk(dirty_q, dirty_b, 9, metric="hamming", bits=21), expected)
    matrix = hardmine.pairwise(dirty_q, dirty_b, metric="hamming", bits=21)
    np.testing.assert_array_equal(matrix, reference.bit_distances(x, y))
    pairs = hardmine.pair_distances(dirty_q, dirty_b, [0, 1], [2, 3], metric="hamming", bits=21)
    np.testing.assert_array_equal(pairs, [matrix[0, 2], matrix[1, 3]])
    np.testing.assert_array_equal(dirty_b, before)
    assert (hardmine.topk(q, dirty_b, 9, metric="hamming").distances != expected.distances).any(), (
        "without bits all bytes count"
    )


def test_any_layout_of_memory(rng):
    x = rng.integers(0, 256, (200, 12), np.uint8)
    expected = hardmine.topk(x[:6], x, 5, metric="hamming")
    wide = np.zeros((200, 30), np.uint8)
    wide[:, ::2][:, :12] = x
    for rows in (np.asfortranarray(x), wide[:, :24:2], np.ascontiguousarray(x[::-1])[::-1]):
        reference.assert_same(hardmine.topk(rows[:6], rows, 5, metric="hamming"), expected)


def test_codes_in_tensors(rng):
    x = rng.integers(0, 256, (200, 12), np.uint8)
    expected = hardmine.topk(x[:6], x, 5, metric="hamming")
    found = hardmine.topk(torch.from_numpy(x[:6]), torch.from_numpy(x), 5, metric="hamming")
    assert isinstance(found.distances, torch.Tensor) and found.distances.dtype == torch.int32
    reference.assert_same(found, expected)


def test_memory_map_and_conversion_block_by_block(tmp_path, rng, monkeypatch):
    from hardmine import _arrays

    x = rng.integers(0, 256, (3000, 8), np.uint8)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    expected = hardmine.topk(x[:50], x, 70, metric="hamming")
    reference.assert_same(hardmine.topk(mapped[:50], mapped, 70, metric="hamming"), expected)
    monkeypatch.setattr(_arrays, "BLOCK_BYTES", 700 * 8)
    columns = np.asfortranarray(x)
    reference.assert_same(hardmine.topk(columns[:50], columns, 70, metric="hamming"), expected)


def test_missing_neighbours_and_empty_sides():
    found = hardmine.topk(np.zeros((2, 3), np.uint8), np.zeros((1, 3), np.uint8), 2, metric="hamming")
    assert found.distances.tolist() == [[0, 2**31 - 1]] * 2 and found.indices.tolist() == [[0, -1]] * 2
    assert found.scores.tolist()[0] == [0, -(2**31) + 1]
    empty = np.zeros((0, 3), np.uint8)
    assert hardmine.topk(empty, empty, 2, metric="hamming").indices.shape == (0, 2)
    assert hardmine.topk(np.zeros((2, 3), np.uint8), empty, 1, metric="hamming").indices.tolist() == [[-1], [-1]]
    assert hardmine.pairwise(empty, np.zeros((2, 3), np.uint8), metric="hamming").shape == (0, 2)


def test_pairwise_writes_into_out(rng):
    x, y = rng.integers(0, 256, (7, 5), np.uint8), rng.integers(0, 256, (150, 5), np.uint8)
    out = np.full((7, 200), -7, np.int32)
    result = hardmine.pairwise(x, y, metric="hamming", out=out[:, 20:170])
    assert np.shares_memory(result, out)
    np.testing.assert_array_equal(out[:, 20:170], hardmine.pairwise(x, y, metric="hamming"))
    assert (out[:, :20] == -7).all() and (out[:, 170:] == -7).all()


@pytest.mark.parametrize("bits", [1, 7, 8, 9, 64, 100, 65_536])
def test_pack_and_unpack(rng, bits):
    x = rng.random((5, bits)) < 0.5
    codes = hardmine.pack(x)
    np.testing.assert_array_equal(codes, np.packbits(x, axis=1))
    np.testing.assert_array_equal(hardmine.unpack(codes, bits), x)
    signs = np.where(x, 1, -1)
    for same in (
        x.astype(np.uint8),
        signs,
        signs.astype(np.int8),
        signs * 0.3,
        signs.astype(np.float16),
        np.where(x, np.inf, 0),
    ):
        np.testing.assert_array_equal(hardmine.pack(same), codes)
    if torch:
        tensor = hardmine.pack(torch.from_numpy(signs * 0.5).to(torch.bfloat16))
        assert isinstance(tensor, torch.Tensor) and tensor.dtype == torch.uint8
        np.testing.assert_array_equal(tensor.numpy(), codes)
        assert hardmine.unpack(tensor, bits).dtype == torch.bool


def test_pack_block_by_block(rng, monkeypatch):
    from hardmine.hashing import codes

    x = rng.standard_normal((100, 30))
    monkeypatch.setattr(codes, "BLOCK", 90)
    np.testing.assert_array_equal(hardmine.pack(x), np.packbits(x > 0, axis=1))
    x[77, 3] = np.nan
    with pytest.raises(ValueError, match="x: expected numbers, got NaN in row 77"):
        hardmine.pack(x)


C = np.zeros((4, 3), np.uint8)
FLOATS = np.eye(4, dtype=np.float32)


def near(*arguments, **options):
    return hardmine.topk(*arguments, metric="hamming", **options)


BAD = [
    (lambda: near(FLOATS), TypeError, "queries: expected packed codes, uint8, got float32; hardmine.pack makes them"),
    (lambda: near(C[0]), ValueError, r"queries: expected an array of shape \(rows, 1 to 8192 bytes\), got shape \(3,\)"),
    (lambda: near(np.zeros((2, 8193), np.uint8)), ValueError, "1 to 8192 bytes"),
    (lambda: near(C, C[:, :2]), ValueError, r"base: expected rows of 3 bytes like queries, got shape \(4, 2\)"),
    (lambda: near(C, C[:, :2], bits=20), ValueError, "base: expected rows of 3 bytes like"),
    (lambda: near(C, bits=16), ValueError, "bits: expected 17 to 24 for queries of 3 bytes, got 16"),
    (lambda: near(C, bits=1.5), TypeError, "bits: expected an integer, got float"),
    (lambda: hardmine.topk(FLOATS, bits=3), ValueError, 'bits: expected None beside metric="sqeuclidean", got 3'),
    (lambda: hardmine.topk(C), TypeError, "queries: expected floating-point numbers, got uint8"),
    (lambda: hardmine.pairwise(C, metric="hamming", out=FLOATS), TypeError, "out: expected int32, got float32"),
    (lambda: hardmine.merge(near(C), tuple(hardmine.topk(FLOATS))), TypeError, "expected one kind of distances, got int32"),
    (lambda: hardmine.pack(np.array([["a"]])), TypeError, "x: expected real numbers or booleans, got <U1"),
    (lambda: hardmine.pack(np.zeros(3)), ValueError, r"x: expected an array of shape \(rows, 1 to 65536 bits\), got shape"),
    (lambda: hardmine.pack(np.zeros((3, 0))), ValueError, "1 to 65536 bits"),
    (lambda: hardmine.unpack(C, 25), ValueError, "bits: expected 17 to 24 for codes of 3 bytes, got 25"),
]


@pytest.mark.parametrize("call, error, message", BAD)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_histograms(isa, rng):
    """Complete up to the first distance within which there are `top` rows, and zero beyond it."""
    bits, n, m = 20, 60, 3000
    q, b = random_codes(rng, n, bits, flips=3), random_codes(rng, m, bits, flips=3)
    query_labels, base_labels = rng.integers(0, 5, n), rng.integers(0, 5, m)
    query_marks, base_marks = rng.integers(0, 2**63, (2, n, 2), np.uint64), rng.integers(0, 2**63, (2, m, 2), np.uint64)
    query_marks, base_marks = query_marks[0] & query_marks[1] & 0xFF, base_marks[0] & base_marks[1] & 0xFF
    matrix = reference.bit_distances(q, b)
    same = query_labels[:, None] == base_labels
    shared = (query_marks[:, None, :] & base_marks[None, :, :]).any(axis=2)
    for top in (1, 40, m, m + 5):
        for relevance, marks in ((same, False), (shared, True)):
            counts, relevant = _core.ranking_counts(
                queries=hardmine.pack(q), base=hardmine.pack(b), bits=bits, top=top,
                query_groups=None if marks else query_labels, base_groups=None if marks else base_labels,
                query_marks=query_marks if marks else None, base_marks=base_marks if marks else None,
                threads=0, progress=None,
            )  # fmt: skip
            for i in range(n):
                all_counts = np.bincount(matrix[i], minlength=bits + 1)
                reached = np.flatnonzero(np.cumsum(all_counts) >= top)
                last = reached[0] if len(reached) else bits
                expected = np.where(np.arange(bits + 1) <= last, all_counts, 0)
                np.testing.assert_array_equal(counts[i], expected)
                of_relevant = np.bincount(matrix[i][relevance[i]], minlength=bits + 1)
                np.testing.assert_array_equal(relevant[i], np.where(np.arange(bits + 1) <= last, of_relevant, 0))


@pytest.mark.parametrize("n", [5, 30])
@pytest.mark.parametrize("near", [0, 1, 63])
def test_a_sample_that_misleads(isa, rng, near, n):
    """Every 64th code is sampled to guess how far the k-th is: whatever the others are, the result is exact."""
    q = random_codes(rng, n, 32)
    b = ~q[rng.integers(0, n, 9000)] ^ (rng.random((9000, 32)) < 0.1)
    b[near::64] = q[rng.integers(0, n, len(b[near::64]))] ^ (rng.random((len(b[near::64]), 32)) < 0.05)
    for k in (128, 130, 500):
        check(q, b, k, 32)
    reports = []
    found = hardmine.topk(hardmine.pack(q), hardmine.pack(b), 130, metric="hamming", progress=lambda *r: reports.append(r))
    assert found.indices.shape == (n, 130) and all(done <= total for done, total in reports), "scanned again, counted once"
    mask = np.ones(9000, bool)
    mask[near::64] = False
    groups = rng.integers(0, 2, n), mask.astype(int)
    allowed = (groups[0][:, None] != groups[1]) & mask
    check(q, b, 200, 32, hardmine.Filter(query_groups=groups[0], base_groups=groups[1], base_mask=mask), allowed)
    excluded = np.flatnonzero(~mask)
    check(q, b, 200, 32, hardmine.Filter(exclude=[excluded] * n), np.broadcast_to(mask, (n, 9000)))
