"""Filters: each alone, all together, and the promise that n are returned wherever n allowed rows exist."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

import hardmine
import reference
from blocks import topk_in_blocks
from hardmine import Filter, _core
from hardmine.search.filter import check_filter
from isas import using_isa
from reference import METRICS, assert_same


@pytest.fixture(params=[6, 60], ids=["few", "panels"])
def rows(request, rng):
    base = rng.integers(-3, 4, (900, 7)).astype(np.float32)
    base[::9] = 0
    queries = np.concatenate([base[: request.param // 2], rng.integers(-3, 4, (request.param // 2, 7))])
    return queries.astype(np.float32), base


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", ["different", "same"])
def test_groups(isa, rng, rows, metric, kind):
    queries, base = rows
    q_group, b_group = rng.integers(0, 12, len(queries)), rng.integers(3, 14, len(base))
    allowed = (q_group[:, None] == b_group[None, :]) == (kind == "same")
    where = Filter(query_groups=q_group, base_groups=b_group, groups=kind)
    found = hardmine.topk(queries, base, 20, metric=metric, where=where)
    assert_same(found, reference.topk(queries, base, 20, metric, allowed))


@pytest.mark.parametrize("metric", METRICS)
def test_rows_too_near_are_counted(isa, rng, rows, metric):
    """Exactly up to 256 a query; what other filters leave out is not counted."""
    queries, base = rows
    distances = reference.rounded(queries, base, metric)
    rank = np.linspace(40, 800, len(queries)).astype(int)
    where = Filter(
        query_groups=rng.integers(0, 4, len(queries)),
        base_groups=rng.integers(0, 4, len(base)),
        exclude=[rng.choice(len(base), 50, replace=False) for _ in queries],
        farther_than=np.sort(distances, axis=1)[np.arange(len(queries)), rank],  # many rows at the limit itself
    )
    near = (distances <= where.farther_than[:, None]) & (where.query_groups[:, None] != where.base_groups)
    for i, excluded in enumerate(where.exclude):
        near[i, excluded] = False
    expected = near.sum(axis=1)
    assert (expected < 200).any() and (expected > 300).any()
    plain = hardmine.topk(queries, base, 10, metric=metric, where=where)
    for threads, block in ((1, 0), (2, 0), (1, 48), (3, 300)):
        counts = np.zeros(len(queries), np.int64)
        found = topk_in_blocks(queries, base, 10, metric=metric, where=where, threads=threads, block=block, too_near=counts)
        assert_same(found, plain)
        np.testing.assert_array_equal(np.minimum(counts, 256), np.minimum(expected, 256))


def test_what_the_scan_sorts_by_is_not_the_callers():
    group, start, indices = np.arange(4), np.arange(5), np.arange(4)
    for where in (
        Filter(group, group, groups="same"),
        Filter(base_groups=group, max_per_group=1),
        Filter(exclude=(start, indices)),
    ):
        checked = check_filter(where, None, 4, 4, False)
        for array in (checked.query_groups, checked.base_groups, checked.exclude_start):
            assert array is None or not any(np.shares_memory(array, given) for given in (group, start))


def test_groups_of_strings_and_of_a_self_join(isa, rng):
    x = rng.standard_normal((300, 5)).astype(np.float32)
    group = rng.integers(0, 5, 300)
    names = np.array(["cat", "dog", "a longer name", "", "ox"])[group]
    for kind in ("different", "same"):
        allowed = (group[:, None] == group[None, :]) == (kind == "same")
        expected = reference.topk(x, None, 4, "sqeuclidean", allowed)
        assert_same(hardmine.topk(x, k=4, where=Filter(query_groups=names, groups=kind)), expected)
        assert_same(hardmine.topk(x, k=4, where=Filter(names.astype(object), names, groups=kind)), expected)
        huge = group.astype(np.uint64) + np.uint64(2**63)
        assert_same(hardmine.topk(x, k=4, where=Filter(huge, groups=kind)), expected)


MANY = 70  # neighbours: more than are kept in order


@pytest.mark.parametrize("k", [30, MANY])
@pytest.mark.parametrize("form", ["lists", "csr", "scipy"])
def test_exclude(isa, rng, rows, form, k):
    queries, base = rows
    lists = [rng.choice(len(base), rng.integers(0, 200), replace=False) for _ in queries]
    allowed = np.ones((len(queries), len(base)), bool)
    for i, excluded in enumerate(lists):
        allowed[i, excluded] = False
    exclude = lists
    if form != "lists":
        exclude = (np.cumsum([0] + [len(e) for e in lists]), np.concatenate(lists))
    if form == "scipy":
        sparse = pytest.importorskip("scipy.sparse")
        exclude = sparse.csr_matrix((np.ones(len(exclude[1])), exclude[1], exclude[0]), shape=allowed.shape)
    before = [e.copy() for e in lists]
    found = hardmine.topk(queries, base, k, where=Filter(exclude=exclude))
    assert_same(found, reference.topk(queries, base, k, allowed=allowed))
    for now, then in zip(lists, before):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("k", [20, MANY])
def test_nearest_rows_excluded_still_gives_k(isa, rows, k):
    """Adversarial: everything near is forbidden, so that fetching more and filtering would come back short."""
    queries, base = rows
    order = np.argsort(reference.distances(queries, base, "sqeuclidean"), axis=1, kind="stable")
    lists = [row[: len(base) - k] for row in order]
    found = hardmine.topk(queries, base, k, where=Filter(exclude=lists))
    assert (found.indices >= 0).all()
    allowed = np.ones(order.shape, bool)
    np.put_along_axis(allowed, order[:, : len(base) - k], False, axis=1)
    assert_same(found, reference.topk(queries, base, k, allowed=allowed))


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 1])
def test_base_mask(isa, rng, rows, share):
    queries, base = rows
    mask = rng.random(len(base)) < share
    found = hardmine.topk(queries, base, 15, where=Filter(base_mask=mask))
    assert_same(found, reference.topk(queries, base, 15, allowed=np.tile(mask, (len(queries), 1))))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("per_query", [False, True])
def test_window_is_strict_on_the_canonical_distance(isa, rows, metric, per_query):
    queries, base = rows
    distances = reference.rounded(queries, base, metric)
    # Limits that are themselves distances of many pairs: strictness and ties matter.
    near, far = np.quantile(distances, [0.6, 0.1], axis=1, method="nearest")
    if not per_query:
        near, far = float(near[0]), float(far[0])
    for nearer, farther in ((near, None), (None, far), (near, far)):
        allowed = np.ones(distances.shape, bool)
        if nearer is not None:
            allowed &= distances < np.broadcast_to(nearer, len(queries))[:, None]
        if farther is not None:
            allowed &= distances > np.broadcast_to(farther, len(queries))[:, None]
        found = hardmine.topk(queries, base, 25, metric=metric, where=Filter(nearer_than=nearer, farther_than=farther))
        assert_same(found, reference.topk(queries, base, 25, metric, allowed))


def test_a_limit_between_two_floats_keeps_its_strictness():
    x = np.array([[0.0], [1.0]], np.float32)
    one_up = 1 + 2.0**-40  # not a float32: 1 is nearer than it, and not nearer than 1
    assert hardmine.topk(x[:1], x[1:], 1, where=Filter(nearer_than=one_up)).indices[0, 0] == 0
    assert hardmine.topk(x[:1], x[1:], 1, where=Filter(nearer_than=1.0)).indices[0, 0] == -1
    assert hardmine.topk(x[:1], x[1:], 1, where=Filter(farther_than=one_up)).indices[0, 0] == -1
    assert hardmine.topk(x[:1], x[1:], 1, where=Filter(farther_than=1 - 2.0**-40)).indices[0, 0] == 0


@pytest.mark.parametrize("cap", [1, 3])
@pytest.mark.parametrize("n_groups", [1, 4, 300])
def test_max_per_group(isa, rng, rows, cap, n_groups):
    queries, base = rows
    group = rng.integers(0, n_groups, len(base))
    group[: len(base) // 3] = 0  # one group holds a third of the rows
    where = Filter(base_groups=group, max_per_group=cap)
    found = hardmine.topk(queries, base, 12, where=where)
    assert_same(found, reference.topk(queries, base, 12, base_groups=group, max_per_group=cap))


@pytest.mark.parametrize("n", [5, 20])
def test_listed_rows_that_no_screen_can_separate(isa, rng, n):
    """They are scored by whole blocks: of the rows that a mask or a group leaves."""
    base = (1 + 1e-6 * rng.standard_normal((3000, 8))).astype(np.float32)
    queries, mask, group = base[:n] + np.float32(1e-6), rng.random(3000) < 0.5, rng.integers(0, 2, 3000)
    same = np.arange(n)[:, None] % 2 == group
    for where, allowed in (
        (Filter(base_mask=mask), mask[None] & np.ones((n, 1), bool)),
        (Filter(groups="same", query_groups=np.arange(n) % 2, base_groups=group), same),
    ):
        expected = reference.topk(queries, base, 9, "cosine", allowed)
        for block in (0, 128):
            found = topk_in_blocks(queries, base, 9, metric="cosine", where=where, threads=1, block=block)
            assert_same(found, expected)


@pytest.mark.parametrize("n", [3, 20])
def test_windows_of_codes(isa, rng, n):
    """Strict at both ends, where most codes lie at them."""
    bits = rng.random((2000, 24)) < 0.5
    codes = np.packbits(bits, axis=1)
    distances = reference.bit_distances(bits[:n], bits)
    start, end = rng.integers(-1, 12, n), rng.integers(9, 26, n)
    for window in ({"farther_than": start}, {"nearer_than": end}, {"farther_than": start, "nearer_than": end + 0.5}):
        where = Filter(**{name: value.astype(np.float64) for name, value in window.items()})
        allowed = (distances > window.get("farther_than", start * 0 - 1)[:, None]) & (
            distances < window.get("nearer_than", end * 0 + 99)[:, None]
        )
        for k in (1, 30, 700):
            found = hardmine.topk(codes[:n], codes, k, metric="hamming", where=where)
            assert_same(found, reference.topk_bits(bits[:n], bits, k, allowed))


def test_a_group_of_more_queries_than_a_thread_holds(rng):
    x = rng.integers(-9, 10, (3100, 2)).astype(np.float32)
    one = np.zeros(3100, np.int64)
    where = Filter(query_groups=one[:1500], base_groups=one, groups="same")
    assert_same(hardmine.topk(x[:1500], x, 1500, where=where), hardmine.topk(x[:1500], x, 1500))


@pytest.mark.parametrize("cap", [1, 2, 3])
@pytest.mark.parametrize("kind", ["same", "different"])
@pytest.mark.parametrize("sizes", [(6, 6), (2, 10), (1, 2, 3, 4), (13, 12)])
def test_caps_that_leave_fewer_than_k_of_a_self_join(isa, rng, cap, kind, sizes):
    """A row's own pair is of its group, or takes a place in another."""
    group = np.repeat(np.arange(len(sizes)), sizes)
    x = rng.standard_normal((len(group), 4)).astype(np.float32)
    for own in (group, rng.permutation(group)):  # the groups of rows as queries
        where = Filter(query_groups=own, base_groups=group, groups=kind, max_per_group=cap)
        allowed = (own[:, None] == group) == (kind == "same")
        assert_same(hardmine.topk(x, k=10, where=where), reference.topk(x, None, 10, "sqeuclidean", allowed, group, cap))


def test_caps_hold_for_the_parts_of_a_base_together(isa, rng):
    """Few queries: the base is cut, and each part keeps `cap` of a group."""
    base = rng.standard_normal((30_000, 24)).astype(np.float32)
    queries = base[:3] + np.float32(0.1)
    group = rng.integers(0, 6, len(base))
    for cap in (1, 3):
        where = Filter(base_groups=group, max_per_group=cap)
        expected = reference.topk(queries, base, 12, base_groups=group, max_per_group=cap)
        for threads in (1, 3):
            assert_same(hardmine.topk(queries, base, 12, where=where, threads=threads), expected)


@st.composite
def problems(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, m, d = draw(st.integers(1, 25)), draw(st.integers(1, 200)), draw(st.integers(1, 6))
    self_join = draw(st.booleans())
    queries = rng.integers(-2, 3, (n, d)).astype(np.float32)
    base = queries if self_join else rng.integers(-2, 3, (m, d)).astype(np.float32)
    metric = draw(st.sampled_from(METRICS))
    return rng, queries, base, self_join, metric


@hypothesis.given(
    problem=problems(),
    groups=st.sampled_from([None, "different", "same"]),
    exclude=st.booleans(),
    mask=st.booleans(),
    nearer=st.booleans(),
    farther=st.booleans(),
    cap=st.sampled_from([None, 1, 2]),
    k=st.integers(1, 20) | st.just(MANY),
)
def test_all_together(problem, groups, exclude, mask, nearer, farther, cap, k):
    rng, queries, base, self_join, metric = problem
    n, m = len(queries), len(base)
    distances = reference.rounded(queries, base, metric)
    allowed = np.ones((n, m), bool)
    b_group = rng.integers(0, 4, m)
    q_group = b_group if self_join else rng.integers(0, 4, n)
    options = {}
    if groups or cap:
        options |= {"base_groups": b_group, "max_per_group": cap}
    if groups:
        options |= {"query_groups": q_group, "groups": groups}
        allowed &= (q_group[:, None] == b_group[None, :]) == (groups == "same")
    if exclude:
        listed = rng.random((n, m)) < 0.3
        options["exclude"] = [np.flatnonzero(row)[::-1] for row in listed]
        allowed &= ~listed
    if mask:
        options["base_mask"] = rng.random(m) < 0.6
        allowed &= options["base_mask"][None, :]
    if nearer:
        options["nearer_than"] = rng.choice(distances.ravel(), n)
        allowed &= distances < options["nearer_than"][:, None]
    if farther:
        options["farther_than"] = rng.choice(distances.ravel(), n)
        allowed &= distances > options["farther_than"][:, None]
    expected = reference.topk(queries, None if self_join else base, k, metric, allowed, b_group, cap)
    for isa in _core.isas_runnable():
        with using_isa(isa):
            found = hardmine.topk(queries, None if self_join else base, k, metric=metric, where=Filter(**options))
        assert_same(found, expected)


def test_filters_do_not_depend_on_threads_or_blocks(rng):
    from blocks import topk_in_blocks

    x = rng.standard_normal((3000, 16)).astype(np.float32)
    group = rng.integers(0, 50, 3000)
    for where in (
        Filter(query_groups=group),
        Filter(query_groups=group, groups="same"),
        Filter(query_groups=group, max_per_group=1),
        Filter(base_mask=group < 3, farther_than=20.0),
        Filter(nearer_than=30.0, farther_than=rng.uniform(5, 25, 3000)),
    ):
        whole = hardmine.topk(x, k=7, where=where, threads=1)
        for threads in (2, 3, 7):
            assert_same(hardmine.topk(x, k=7, where=where, threads=threads), whole)
        for block in (1, 100):
            found = topk_in_blocks(x, None, 7, metric="sqeuclidean", where=where, threads=None, block=block)
            assert_same(found, whole)


@pytest.mark.parametrize("limit", [float(np.finfo(np.float32).max), 1e39, 1e-46, 2.0**-149])
def test_limits_at_the_ends_of_float32(rng, limit):
    x = rng.standard_normal((30, 4)).astype(np.float32)
    expected = hardmine.topk(x, k=3) if limit > 1 else hardmine.topk(x, k=3, where=Filter(base_mask=np.zeros(30, bool)))
    assert_same(hardmine.topk(x, k=3, where=Filter(nearer_than=limit)), expected)


def test_windows_of_infinite_products(rng):
    q, b = rng.standard_normal((40, 8)).astype(np.float32), np.zeros((300, 8), np.float32)
    b[7] = 3e38
    infinite = reference.rounded(q, b, "inner_product") == -np.inf
    assert 0 < infinite.sum() < 40
    found = hardmine.topk(q, b, 2, metric="inner_product", where=Filter(nearer_than=np.finfo(np.float32).min))
    assert_same(found, reference.topk(q, b, 2, "inner_product", infinite))
    nothing = hardmine.topk(q, b, 2, metric="inner_product", where=Filter(nearer_than=-np.inf))
    assert (nothing.indices == -1).all()
