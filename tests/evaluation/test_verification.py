"""verify beside an oracle of loops, and beside results of which what is wrong with them is known."""

from dataclasses import replace

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

import hardmine
import pair_reference
import reference
from blocks import converted_blocks
from hardmine import Filter, _core, verify
from hardmine.evaluation import nearer_rows, verification
from reference import METRICS
from verification_reference import assert_verified, first_of_ranking, spoilt
from verification_reference import verify as expected_of


def grid(rng, n, d=3):
    """Rows with many ties."""
    return rng.integers(-2, 3, (n, d)).astype(np.float32)


def drawn_filter(rng, matrix):
    """A filter of some kinds, for pairs of these distances."""
    n, m = matrix.shape
    given = {}
    if rng.random() < 0.5:
        given |= {"query_groups": rng.integers(0, 3, n), "base_groups": rng.integers(0, 4, m)}
        given["groups"] = str(rng.choice(["different", "same"]))
        if rng.random() < 0.6:
            given["max_per_group"] = int(rng.integers(1, 4))
    if rng.random() < 0.5:
        given["exclude"] = [np.flatnonzero(rng.random(m) < 0.3) for _ in range(n)]
    if rng.random() < 0.4:
        given["base_mask"] = rng.random(m) < 0.7
    for name in ("nearer_than", "farther_than"):
        if rng.random() < 0.3 and m:
            given[name] = rng.choice(matrix.ravel(), n).astype(np.float64)
    return Filter(**given)


@hypothesis.given(
    n=st.integers(0, 9),
    m=st.integers(0, 40),
    k=st.integers(1, 9),
    metric=st.sampled_from([*METRICS, "hamming"]),
    rows=st.sampled_from(["none", "own", "self-join"]),
    filtered=st.booleans(),
    small=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_equals_the_oracle(n, m, k, metric, rows, filtered, small, seed):
    """Exact results, some of a part of the base, spoilt or not; in one piece, and in many."""
    rng = np.random.default_rng(seed)
    q, b = grid(rng, n), grid(rng, m)
    if rows == "self-join":
        b, m = q, n
    bits = {}
    if metric == "hamming":
        q, b, bits = q > 0, b > 0, {"bits": 3}
    matrix = pair_reference.matrix(q, b, metric)
    own = {"none": None, "own": rng.integers(-1, m, n), "self-join": np.arange(n)}[rows]
    where = drawn_filter(rng, matrix) if filtered else Filter()
    if rows == "self-join" and where.query_groups is not None:
        where = Filter(**{**vars(where), "base_groups": where.query_groups})
    allowed = pair_reference.allowed(where, matrix, query_rows=own)
    kept = (allowed if rng.random() < 0.7 else np.ones_like(allowed)) & (rng.random(m) < rng.choice([0.5, 1]))
    groups = None if where.base_groups is None else where.base_groups.tolist()
    indices = spoilt(rng, first_of_ranking(matrix, kept, k, groups, where.max_per_group), m)
    sides = (hardmine.pack(q), hardmine.pack(b)) if bits else (q.astype(np.float64), b.astype(np.float64))
    given = {"metric": metric, "where": where, "query_rows": None if rows == "self-join" else own, **bits}
    monkeypatch = pytest.MonkeyPatch()
    with monkeypatch.context() as patched, converted_blocks(64 if small else 1 << 25):
        if small:
            patched.setattr(verification, "MOST_QUERIES", 2)
            patched.setattr(nearer_rows, "MOST_PAIRS", 3)
        found = verify(indices, sides[0], None if rows == "self-join" else sides[1], sample=None, **given)
    assert_verified(found, expected_of(indices, matrix, allowed, own, groups, where.max_per_group))
    assert found.queries.tolist() == list(range(n)) and found.shape == (n, m)
    assert bool(found) == all(found.equal) and (found.equal | ~found.identical).all()


@hypothesis.given(metric=st.sampled_from(METRICS), capped=st.booleans(), k=st.integers(1, 12), seed=st.integers(0, 10**6))
def test_every_order_of_ties_is_equal_and_only_one_identical(metric, capped, k, seed):
    """Exact results of the base in another order, caps included."""
    rng = np.random.default_rng(seed)
    q, b = grid(rng, 6, 2), grid(rng, 30, 2)
    order, groups = rng.permutation(30), rng.integers(0, 9, 30)
    cap = 2 if capped else None
    other = hardmine.topk(
        q, b[order], k, metric=metric, where=Filter(base_groups=groups[order], max_per_group=cap) if capped else None
    )
    given = np.where(other.indices >= 0, order[other.indices], -1)
    where = Filter(base_groups=groups, max_per_group=cap) if capped else None
    found = verify(hardmine.Neighbors(other.distances, given, metric), q, b, where=where)
    assert found and (found.recall == 1).all() and (found.rank_error == 0).all()
    assert not any(count.any() for count in found.invalid.values())
    assert found.absolute_error == found.relative_error == 0
    np.testing.assert_array_equal(found.identical, (given == found.exact.indices).all(axis=1))
    np.testing.assert_array_equal(found.exact.indices, hardmine.topk(q, b, k, metric=metric, where=where).indices)


@pytest.mark.parametrize("metric", METRICS)
def test_own_results_are_identical(isa, rng, metric):
    x = rng.standard_normal((300, 20)).astype(np.float32)
    for base in (None, x[:40], x[:3]):
        found = hardmine.topk(x, base, 5, metric=metric)
        assert verify(found, x, base).identical.all()
        if base is not None and metric != "inner_product":
            assert not verify(
                found, x, base, query_rows=np.r_[np.arange(len(base)), np.full(300 - len(base), -1)], sample=None
            )


def test_one_wrong_row_is_found_wherever_it_stands(rng):
    x = rng.standard_normal((60, 8)).astype(np.float32)
    true = hardmine.topk(x, k=4).indices
    order = np.argsort(reference.rounded(x, x, "sqeuclidean"), axis=1)  # the row itself first
    for query, place, rank in ((0, 0, 10), (17, 3, 58), (59, 2, 4)):
        wrong = true.copy()
        wrong[query, place] = order[query, 1 + rank]
        found = verify(wrong, x, sample=None)
        assert not found and np.flatnonzero(~found.equal).tolist() == [query]
        assert found.rank_error[query] == rank - place and found.recall[query] == 0.75
        assert found.rank_error.sum() == rank - place


def test_two_exchanged_rows_of_different_distance_are_not_equal_but_found(rng):
    x = rng.standard_normal((60, 8)).astype(np.float32)
    found = verify(hardmine.topk(x, k=3).indices[:, [1, 0, 2]], x)
    assert not found.equal.any() and (found.recall == 1).all() and (found.rank_error == 1).all()


def test_all_ties(rng):
    """Any rows of equal ones are right, in any order; but none twice, and not the query's own."""
    x = np.ones((50, 7), np.float32)
    some = np.stack([rng.permutation(np.delete(np.arange(50), i))[:6] for i in range(50)])
    found = verify(some, x)
    assert found and not found.identical.any() and (found.recall == 1).all()
    assert found.recall_by_index.mean() < 0.5 and "by index: of tied rows" in found.summary()
    some[3, 5], some[4, 0] = some[3, 0], 4
    found = verify(some, x)
    assert np.flatnonzero(~found.equal).tolist() == [3, 4]
    assert found.invalid["repeated"].tolist() == [i == 3 for i in range(50)]
    assert found.invalid["own"].tolist() == [i == 4 for i in range(50)]


def test_float32_products_far_from_the_origin(rng):
    """What an index without care does to a cloud moved by 3,000; verify says by how much, and of what kind it is."""
    b = (rng.standard_normal((2000, 16)) + 3000).astype(np.float32)
    q = b[:200]
    product = (b * b).sum(axis=1) - 2 * (q @ b.T)
    for centered in (False, True):
        if centered:
            mean = b.mean(axis=0)
            product = ((b - mean) ** 2).sum(axis=1) - 2 * ((q - mean) @ (b - mean).T)
        indices = np.argsort(product, axis=1, kind="stable")[:, :10]
        given = np.take_along_axis(product, indices, axis=1) + (q * q).sum(axis=1)[:, None]
        found = verify((given, indices), q, b)
        if centered:
            assert found.equal.mean() > 0.95 and found.recall.mean() > 0.999 and found.rank_error.max() <= 1
        else:
            assert not found.equal.any() and found.recall.mean() < 0.5 and found.rank_error.max() > 100
            assert found.absolute_error > 1
            assert 0 < found.relative_error == np.inf  # the own row, at 0


def test_an_index_that_lacks_rows(rng):
    q, b = (rng.standard_normal((n, 8)).astype(np.float32) for n in (500, 3000))
    known = np.sort(rng.choice(3000, 2700, replace=False))
    _, indices = hardmine.topk(q, b[known], 10)
    found = verify(known[indices], q, b, sample=None)
    missing = ~np.isin(found.exact.indices, known)
    np.testing.assert_array_equal(found.equal, ~missing.any(axis=1))
    np.testing.assert_array_equal(found.recall, 1 - missing.sum(axis=1) / 10)
    order = np.argsort(reference.rounded(q, b, "sqeuclidean"), axis=1, kind="stable")
    kept = np.isin(order, known)
    tenth = [np.flatnonzero(row)[:10] for row in kept]
    np.testing.assert_array_equal(found.rank_error, [(ranks - np.arange(10)).max() for ranks in tenth])


def test_a_filter_that_was_not_kept(rng):
    x, label = rng.standard_normal((80, 5)).astype(np.float32), rng.integers(0, 4, 80)
    where = Filter(query_groups=label)
    assert verify(hardmine.topk(x, k=6, where=where), x, where=where, sample=None).identical.all()
    _, indices = hardmine.topk(x, k=6)
    found = verify(indices, x, where=where, sample=None)
    np.testing.assert_array_equal(found.invalid["refused"], (label[indices] == label[:, None]).sum(axis=1))
    assert "rows that the filter refuses" in found.summary()
    capped = Filter(query_groups=label, max_per_group=1)
    found = verify(hardmine.topk(x, k=6, where=where), x, where=capped, sample=None)
    assert (found.invalid["refused"] >= 3).all() and not found.equal.any()


@pytest.mark.parametrize("capped", [False, True])
def test_ranks_and_caps_of_rows_from_anywhere(rng, capped):
    """In any order and far from the nearest, at the limits too, so that nearly all has to be counted in the whole base."""
    q, b, groups = grid(rng, 40), grid(rng, 300), rng.integers(0, 25, 300)
    limits = rng.choice([1.0, 2.0, 9.0, 14.0], (2, 40))
    where = Filter(
        base_groups=groups if capped else None, max_per_group=2 if capped else None, farther_than=limits.min(axis=0)
    )
    matrix = reference.rounded(q, b, "sqeuclidean")
    for options in (where, replace(where, farther_than=None, nearer_than=limits.max(axis=0))):
        allowed = pair_reference.allowed(options, matrix)
        indices = np.where(
            rng.random((40, 7)) < 0.2, hardmine.topk(q, b, 7, where=options).indices, rng.integers(0, 300, (40, 7))
        )
        indices[::3] = hardmine.topk(q, b, 7, where=options).indices[::3]  # so that others are those that are asked about
        found = verify(indices, q, b, where=options, sample=None)
        assert_verified(
            found, expected_of(indices, matrix, allowed, None, groups.tolist() if capped else None, where.max_per_group)
        )
        assert found.rank_error.max() > 20 and found.invalid["refused"].sum() > 20


def test_a_cap_keeps_the_nearest_of_a_group_wherever_they_stand():
    x, b = np.zeros((1, 1), np.float32), np.arange(1, 6, dtype=np.float32)[:, None]
    where = Filter(base_groups=[0, 0, 0, 1, 1], max_per_group=1)  # the exact result: 0, 3
    found = verify(np.array([[1, 0, 3]]), x, b, where=where)
    assert found.invalid["refused"].tolist() == [1] and found.recall.tolist() == [1] and not found
    found = verify(np.array([[3, 1, -1]]), x, b, where=where)  # 1 keeps to the cap, but 0 is its group's nearest
    assert not any(count.any() for kind, count in found.invalid.items()) and found.recall.tolist() == [0.5]
    assert found.rank_error.tolist() == [1]


def test_padding_is_right_only_where_no_row_is_left(rng):
    q, b = grid(rng, 3), grid(rng, 4)
    for k in (4, 5, 9):
        true = hardmine.topk(q, b, k)
        assert verify(true, q, b).identical.all()
        short = true.indices.copy()
        short[1, 3:] = -1
        found = verify(short, q, b)
        assert found.equal.tolist() == [True, False, True] and found.invalid["missing"].tolist() == [0, 1, 0]
        assert found.recall.tolist() == [1, 0.75, 1]
        assert verify(short, q, b, where=Filter(base_mask=np.zeros(4, bool))).recall.tolist() == [1, 1, 1]
    assert verify(np.full((3, 2), -1), q, b, where=Filter(base_mask=np.zeros(4, bool))).identical.all()
    assert not verify(np.array([[0, -1]] * 3), q, b, where=Filter(base_mask=np.zeros(4, bool)))


def test_few_rows_and_none(rng):
    none, one = np.zeros((0, 3), np.float32), np.ones((1, 3), np.float32)
    found = verify(np.zeros((0, 4), np.int64), none, one)
    assert found and found.exact.indices.shape == (0, 4) and "0 of 0 queries" in found.summary()
    assert repr(found) == "Verification(0 of 0 queries, k=4: 0 equal, 0 identical, recall nan, worst rank error 0)"
    assert verify(np.array([[-1]]), one) and not verify(np.array([[0]]), one)
    assert verify(np.array([[0, -1]]), one, one) and verify(np.array([[-1]]), one, none)


def test_the_sample(rng):
    x = rng.standard_normal((400, 6)).astype(np.float32)
    true = hardmine.topk(x, k=3)
    for sample, seen in ((1, 1), (100, 100), (399, 399), (400, 400), (10**9, 400), (None, 400)):
        found = verify(true, x, sample=sample)
        assert found.identical.all() and len(found.queries) == seen and (np.diff(found.queries) > 0).all()
        np.testing.assert_array_equal(found.exact.indices, true.indices[found.queries])
    assert found.shape == (400, 400) and len(verify(true, x).queries) == 100
    draws = [verify(true, x, sample=50, seed=seed).queries.tolist() for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]
    wrong = true.indices.copy()
    wrong[7] = -1
    seen = [7 in verify(wrong, x, sample=100, seed=seed).queries for seed in range(40)]
    assert [not verify(wrong, x, sample=100, seed=seed) for seed in range(40)] == seen and 2 <= sum(seen) <= 20


def test_filters_go_with_the_sampled_queries(rng):
    """Every part of a filter that is one for each query."""
    x, label = grid(rng, 200), rng.integers(0, 5, 200)
    lists = [rng.integers(0, 200, 20) for _ in range(200)]
    limits = rng.uniform(2, 20, 200)
    for where in (
        Filter(query_groups=label),
        Filter(query_groups=label, groups="same"),
        Filter(exclude=lists),
        Filter(exclude=(np.arange(0, 4001, 20), np.concatenate(lists))),
        Filter(nearer_than=limits),
        Filter(farther_than=limits),
        Filter(query_groups=label, max_per_group=1),
    ):
        found = verify(hardmine.topk(x, k=5, where=where), x, where=where, sample=30)
        assert found.identical.all() and len(found.queries) == 30
    rows = rng.permutation(200)[:90]
    found = verify(hardmine.topk(x[rows], x, 5, query_rows=rows), x[rows], x, query_rows=rows, sample=30)
    assert found.identical.all()
    np.testing.assert_array_equal(found.exact.indices, hardmine.topk(x, k=5).indices[rows[found.queries]])


def test_a_row_that_is_not_finite_is_named_as_the_caller_knows_it(rng):
    x = rng.standard_normal((300, 4)).astype(np.float32)
    indices = hardmine.topk(x, k=2).indices
    x[250, 1] = np.nan
    with pytest.raises(ValueError, match="queries: expected finite numbers, got NaN or infinity in row 250"):
        verify(indices, x, sample=None)
    y, seen = x[:250].copy(), verify(indices[:250], x[:250], sample=7).queries[0]
    assert seen > 0
    y[seen] = np.inf
    with pytest.raises(ValueError, match=f"queries: expected finite numbers, got NaN or infinity in row {seen}$"):
        verify(indices[:250], y, x[:250], sample=7)
    with pytest.raises(ValueError, match="base: expected finite numbers, got NaN or infinity in row 250"):
        verify(indices[:9], x[:9], x, sample=3)


def test_only_queries_of_the_sample_are_read(rng):
    q, b = (rng.standard_normal((300, 4)).astype(np.float32) for _ in range(2))
    true = hardmine.topk(q, b, 2)
    drawn = verify(true, q, b, sample=20).queries
    q[~np.isin(np.arange(300), drawn)] = np.nan
    assert verify(true, q, b, sample=20).identical.all()


def test_progress_and_threads(rng):
    x = rng.standard_normal((500, 4)).astype(np.float32)
    calls = []
    found = verify(hardmine.topk(x, k=2), x, sample=200, threads=1, progress=lambda done, total: calls.append((done, total)))
    assert found and calls[-1] == (200 * 500, 200 * 500) and calls == sorted(calls)
    assert _core.failed_proofs() == 0
