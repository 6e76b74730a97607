"""What is found does not depend on the screen: coarse, float32, or the one that is chosen, whatever rows, filter and call."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

import hardmine
import pair_reference
import reference
from blocks import topk_in_blocks
from hardmine import Filter, _core
from isas import EVERY_ISA, using_isa, using_screen
from reference import METRICS, assert_same
from searches import KINDS, answers, draw_filter


@hypothesis.given(
    kind=st.sampled_from(list(KINDS)),
    metric=st.sampled_from(METRICS),
    n=st.sampled_from([9, 60, 130, 400]),
    m=st.sampled_from([2, 90, 1500, 4000]),
    d=st.sampled_from([1, 7, 64, 200]),
    isa=st.sampled_from(EVERY_ISA),
    threads=st.sampled_from([1, 3]),
    block=st.sampled_from([0, 0, 100]),
    own=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_no_answer_depends_on_the_screen(kind, metric, n, m, d, isa, threads, block, own, seed):
    rng = np.random.default_rng(seed)
    both = np.ascontiguousarray(KINDS[kind](rng, n + m, d), np.float32)
    q, b = both[-n:].copy(), both[:m].copy()
    own = own and m >= n
    if own:
        q = b[:n].copy()
    sample = rng.choice(n, 4, replace=False)
    true = reference.rounded(q[sample], b, metric)
    limits = np.quantile(true, [0, 0.02, 0.3, 1]).astype(np.float32)
    where = draw_filter(rng, n, m, limits)
    rows = np.arange(n) if own else None
    found = {}
    with using_isa(isa):
        for screen in ("int8", "bf16", "float32", ""):
            with using_screen(screen):
                found[screen] = list(answers(q, b, metric, where, rows, limits, threads, block))
    for screen in ("bf16", "float32", ""):
        for one, other in zip(found["int8"], found[screen], strict=True):
            np.testing.assert_array_equal(one, other)
    of_rows = ("query_groups", "exclude", "nearer_than", "farther_than")
    of_sample = {name: [of[i] for i in sample] if name in of_rows else of for name, of in where.items()}
    keep = pair_reference.allowed(Filter(**of_sample), true, query_rows=sample if own else None)
    caps = {name: where[name] for name in ("base_groups", "max_per_group") if "max_per_group" in where}
    expected = reference.topk(q[sample], b, 7, metric, keep, **caps)
    assert_same([of[sample] for of in found["int8"][:2]], expected)


@pytest.mark.slow
@hypothesis.settings(max_examples=4)
@hypothesis.given(
    kind=st.sampled_from(list(KINDS)),
    metric=st.sampled_from(METRICS),
    isa=st.sampled_from(EVERY_ISA),
    threads=st.sampled_from([1, 3]),
    seed=st.integers(0, 10**6),
)
def test_no_self_join_depends_on_the_screen(kind, metric, isa, threads, seed):
    rng = np.random.default_rng(seed)
    x = np.ascontiguousarray(KINDS[kind](rng, 2150, 244), np.float32)
    limits = np.quantile(reference.rounded(x[:4], x, metric), [0, 0.02, 0.3, 1]).astype(np.float32)
    where = Filter(
        query_groups=rng.integers(0, 300, len(x)),
        exclude=[[int(i)] for i in rng.integers(0, len(x), len(x))],
        base_mask=rng.random(len(x)) < 0.98 if rng.random() < 0.5 else None,
        nearer_than=rng.choice(limits, len(x)).astype(np.float64) if rng.random() < 0.5 else None,
    )
    with using_isa(isa):
        for options in ({}, {"where": where}):
            found = []
            for screen in ("int8", "bf16", "float32", ""):
                with using_screen(screen):
                    near = hardmine.radius_neighbors(x, radius=float(limits[1]), metric=metric, threads=threads, **options)
                    closest = hardmine.closest_pairs(x, n_pairs=99, metric=metric, threads=threads, **options)
                    pairs = [(one.rows, one.cols, one.distances) for one in (near, closest)]
                    joined = hardmine.topk(x, k=5, metric=metric, threads=threads, **options)
                    found.append([*joined, *pairs[0], *pairs[1]])
            for other in found[1:]:
                for one, same in zip(found[0], other, strict=True):
                    np.testing.assert_array_equal(one, same)


@pytest.fixture
def counted():
    """counted(call): how many pairs each screen did in it, unasked."""

    def count(call):
        before = _core.screened_pairs()
        with using_screen(""):
            call()
        return {name: of - before[name] for name, of in _core.screened_pairs().items()}

    return count


def normal(rng, n, d=128):
    return rng.standard_normal((n, d), dtype=np.float32)


def test_the_coarse_screen_does_what_it_pays_for_alone(isa, rng, counted):
    """Most pairs of ordinary rows, where bytes are quicker than floats, but not those of equal rows."""
    q, b = normal(rng, 1000), normal(rng, 20_000)
    pairs = counted(lambda: hardmine.topk(q, b, 10, threads=1))
    gains = _core.kernels()["int8"] != "generic"
    assert (pairs["int8"] > q.shape[0] * b.shape[0] / 2) == gains
    assert pairs["int8"] + pairs["bf16"] + pairs["float32"] == len(q) * len(b) and pairs["looked_at"] <= pairs["int8"] / 50
    assert counted(lambda: hardmine.topk(np.ones_like(q), np.ones_like(b), 10, threads=1))["int8"] == 0
    assert counted(lambda: hardmine.topk(q[:90], b, 10, threads=1))["int8"] == 0  # too few to pack rows for


@pytest.mark.parametrize("rest", [0, 1, 100, 128, 129, 255])
def test_the_last_block_is_as_short_as_it_is(isa, rng, counted, rest):
    """The first blocks looked at, of which only the heads are, have the last one among them: here of `rest` rows, of 256."""
    q, b = normal(rng, 100, 512), normal(rng, 4096 + rest, 512)
    found = []
    pairs = counted(lambda: found.append(hardmine.topk(q, b, 10, threads=1)))
    assert pairs["int8"] + pairs["bf16"] + pairs["float32"] == len(q) * len(b)
    with using_screen("float32"):
        assert_same(found[0], hardmine.topk(q, b, 10, threads=1))


@pytest.mark.skipif("tiles" not in _core.isas_runnable(), reason="needs the emulated tiles, of which both formats are taken")
def test_from_one_coarse_screen_to_the_other(rng, counted):
    """Bytes give up at a few large components, bfloat16 does a block, and bytes are tried again: with the bounds of now."""
    q, b = (normal(rng, n) * np.where(rng.random((n, 128)) < 0.01, np.float32(60), 1) for n in (100, 20_000))
    found = []
    with using_isa("tiles"):
        pairs = counted(lambda: found.append(hardmine.topk(q, b, 5, threads=1)))
    assert pairs["int8"] > 0 and pairs["bf16"] > 0
    with using_screen("float32"):
        assert_same(found[0], hardmine.topk(q, b, 5, threads=1))


@pytest.mark.parametrize("screen", ["int8", "bf16"])
def test_rows_of_a_panel_that_differ(isa, screen, rng):
    """Norms of all sizes, and a few large components: every row is found by the query that lies on it, from both sides."""
    sizes = np.float32(10.0 ** rng.uniform(-3, 3, (2100, 1)))
    tails = np.where(rng.random((2100, 250)) < 0.004, np.float32(500), 1)
    for x in (normal(rng, 2100, 250) * sizes, normal(rng, 2100, 250) * tails):
        near = x * np.float32(1 + 2**-12)
        with using_screen(screen):
            found, joined = hardmine.topk(near, x, 3, threads=1), hardmine.topk(x, k=3, threads=1)
        with using_screen("float32"):
            assert_same(found, hardmine.topk(near, x, 3, threads=1))
            assert_same(joined, hardmine.topk(x, k=3, threads=1))
        assert (found.indices[:, 0] == np.arange(2100)).mean() > 0.9


@pytest.mark.slow
def test_rows_that_the_frame_cannot_hold_do_not_end_the_coarse_screen_of_others(rng, counted):
    if _core.kernels()["int8"] == "generic":
        pytest.skip("never taken unasked here")
    x = normal(rng, 30_000)
    ordinary = counted(lambda: hardmine.topk(x, k=5, threads=1))["int8"]
    x[::500] *= 1e12
    assert counted(lambda: hardmine.topk(x, k=5, threads=1))["int8"] > ordinary / 2


@pytest.mark.parametrize("metric", METRICS)
def test_threads_blocks_and_order(isa, rng, metric):
    base = np.concatenate([normal(rng, 3000, 24), np.float32(rng.integers(0, 2, (500, 24))), np.zeros((3, 24), np.float32)])
    q = np.concatenate([base[:150], normal(rng, 151, 24)])
    with using_screen("float32"):
        expected = hardmine.topk(q, base, 9, metric=metric, threads=1)
    order = rng.permutation(len(base))
    with using_screen("int8"):
        for threads in (1, 2, 7):
            for block in (0, 1, 70) if threads == 1 else (0, 70):
                assert_same(topk_in_blocks(q, base, 9, metric=metric, threads=threads, block=block), expected)
        moved = hardmine.topk(q, base[order], 9, metric=metric)
    np.testing.assert_array_equal(moved.distances, expected.distances)


@pytest.mark.parametrize("screen", ["int8", "bf16", "float32", ""])
@pytest.mark.parametrize("metric", METRICS)
def test_rows_that_are_not_finite_are_named(isa, rng, metric, screen):
    q, b = normal(rng, 200), normal(rng, 20_000)
    b[[15_000, 700, 9000], [3, 127, 0]] = np.nan, np.inf, -np.inf
    with (
        using_screen(screen),
        pytest.raises(ValueError, match="base: expected finite numbers, got NaN or infinity in row 700"),
    ):
        hardmine.topk(q, b, 5, metric=metric)
