"""The closed forms: against every order of the ties, exact rational numbers, and random orders."""

import itertools
import math
import tracemalloc
from fractions import Fraction

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from hardmine.evaluation.average_precision import _harmonic, average_precision, relevant_within
from ranking_reference import NORMALIZE, ap_of, exact

ORDERS = ("expected", "optimistic", "pessimistic")


def every_order(counts, relevant):
    """All rankings that differ only inside buckets; each stands for equally many orders of the rows."""
    buckets = [
        [tuple(i in chosen for i in range(n)) for chosen in itertools.combinations(range(n), p)]
        for n, p in zip(counts, relevant)
    ]
    for parts in itertools.product(*buckets):
        yield list(itertools.chain(*parts))


def one(counts, relevant, top, ties="expected", normalize="retrieved"):
    ap, defined = average_precision(
        np.array([counts], np.uint32),
        np.array([relevant], np.uint32),
        top,
        np.array([sum(relevant)], np.int64),
        ties=ties,
        normalize=normalize,
    )
    return ap[0], defined[0]


def assert_close(found, expected, rtol):
    """Two pairs of (AP, probability that it is defined) are equal up to rounding."""
    np.testing.assert_allclose(found, [float(x) for x in expected], rtol=rtol, atol=2e-15)


def draw(rng, buckets, most):
    counts = rng.integers(0, most + 1, buckets)
    return counts.tolist(), rng.integers(0, counts + 1).tolist()


@pytest.mark.parametrize("normalize", NORMALIZE)
def test_equals_the_mean_over_every_order(rng, normalize):
    for _ in range(150):
        counts, relevant = draw(rng, 3, 4)
        for top in range(1, sum(counts) + 2):
            found = [ap_of(ranking, top, normalize) for ranking in every_order(counts, relevant)]
            ap, defined = (Fraction(sum(column), len(found)) for column in zip(*found))
            assert (ap, defined) == exact(counts, relevant, top, normalize)  # the oracle of the other tests
            assert_close(one(counts, relevant, top, normalize=normalize), (ap, defined), rtol=1e-14)


@pytest.mark.parametrize("normalize", NORMALIZE)
def test_relevant_rows_first_or_last(rng, normalize):
    for _ in range(150):
        counts, relevant = draw(rng, 5, 9)
        best = [i < p for n, p in zip(counts, relevant) for i in range(n)]
        worst = [i >= n - p for n, p in zip(counts, relevant) for i in range(n)]
        for top in (1, 2, 7, sum(counts) + 1):
            for ties, ranking in (("optimistic", best), ("pessimistic", worst)):
                expected = ap_of(ranking, top, normalize)
                assert_close(one(counts, relevant, top, ties, normalize), expected, rtol=1e-14)


@pytest.mark.parametrize(
    "counts, relevant, top",
    [
        ([300, 500], [7, 250], 550),
        ([0, 700], [0, 3], 50),
        ([0, 700], [0, 699], 50),
        ([400, 300, 5], [0, 150, 5], 401),
        ([400, 300, 5], [400, 1, 5], 699),
        ([1, 900], [1, 450], 451),
        ([900], [30], 899),
        ([60, 8, 3], [11, 4, 1], 66),
        ([900], [1], 1),
    ],
)
def test_large_buckets_lose_no_digits(counts, relevant, top):
    for normalize in NORMALIZE:
        expected = exact(counts, relevant, top, normalize)
        assert_close(one(counts, relevant, top, normalize=normalize), expected, rtol=5e-15)


def test_what_a_sum_leaves_out_is_less_than_rounding(monkeypatch):
    """Few rows of a huge bucket are nearly independent draws, for which the bound on what is left out is nearly tight."""
    sizes = np.array([10**5, 10**5, 10**9, 10**9, 4000])
    relevant = np.array([50_000, 300, 5 * 10**8, 2, 2000])
    counts, relevant = ([[3, size] for size in sizes], [[1, p] for p in relevant])

    def with_tail(tail):
        monkeypatch.setattr("hardmine.evaluation.average_precision.TAIL", tail)
        return average_precision(np.array(counts), np.array(relevant), 1500)

    found, _ = average_precision(np.array(counts), np.array(relevant), 1500)
    np.testing.assert_allclose(found, with_tail(400.0)[0], rtol=4e-15)
    assert (np.abs(found - with_tail(6.0)[0])[[0, 2]] > 1e-8).all()  # these would show a bound that is too small


@pytest.mark.parametrize("size", [10**6, 10**9])
def test_huge_buckets_agree_with_their_limit(size):
    """Half of a huge bucket relevant, half of it seen: every precision tends to 1/2, with an error of about log R / R."""
    for normalize, limit in (("retrieved", 0.5), ("min", 0.25), ("all", 0.25)):
        ap, defined = one([size], [size // 2], size // 2, normalize=normalize)
        assert abs(ap - limit) < 2 * math.log(size) / size and defined == 1


def test_random_orders(rng):
    """The mean of N random orders lies within 5 standard errors: for 54 checks, all do with probability 1 - 3e-5."""
    orders = 1500
    for _ in range(18):
        counts, relevant = draw(rng, 9, 30)
        top = int(rng.integers(1, sum(counts) + 1))
        rows = np.repeat(np.arange(9), counts)
        kind = np.concatenate([np.arange(n) < p for n, p in zip(counts, relevant)])
        rankings = [kind[np.lexsort((rng.random(len(kind)), rows))][:top] for _ in range(orders)]
        hits = np.cumsum(rankings, axis=1)
        precisions = (hits / np.arange(1, top + 1) * rankings).sum(axis=1)
        for normalize, divisor in (
            ("retrieved", hits[:, -1]),
            ("min", np.full(orders, min(top, sum(relevant)))),
            ("all", np.full(orders, sum(relevant))),
        ):
            drawn = np.divide(precisions, divisor, out=np.zeros(orders), where=divisor > 0)
            error = drawn.std(ddof=1) / math.sqrt(orders)
            assert abs(drawn.mean() - one(counts, relevant, top, normalize=normalize)[0]) <= 5 * error + 1e-12


buckets = st.lists(st.integers(0, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))), min_size=1, max_size=12)


@hypothesis.given(buckets=buckets, top=st.integers(1, 300), normalize=st.sampled_from(("min", "all")))
def test_expected_lies_between_first_and_last(buckets, top, normalize):
    counts, relevant = zip(*buckets)
    low, middle, high = (one(counts, relevant, top, ties, normalize)[0] for ties in ("pessimistic", "expected", "optimistic"))
    assert low <= middle + 1e-13 and middle <= high + 1e-13 and high <= 1 + 1e-13


def test_divided_by_what_is_retrieved_ap_can_fall_when_more_is_found():
    """AP@3 of [+ - +] is below that of [+ - -]: relevant rows first are no upper bound, and last no lower one."""
    assert ap_of([True, False, True], 3, "retrieved") < ap_of([True, False, False], 3, "retrieved")
    counts, relevant = [1, 1, 2], [1, 0, 1]
    first, middle, last = (one(counts, relevant, 3, ties)[0] for ties in ("optimistic", "expected", "pessimistic"))
    np.testing.assert_allclose((first, middle, last), (5 / 6, 11 / 12, 1), rtol=1e-15)


@hypothesis.given(buckets=buckets, top=st.integers(1, 300))
def test_relevant_rows_within_the_top(buckets, top):
    counts, relevant = np.array(buckets).T
    low, middle, high = (relevant_within(counts[None], relevant[None], top, ties=t)[0] for t in ORDERS[::-1][:1] + ORDERS[:2])
    best = [i < p for n, p in buckets for i in range(n)]
    worst = [i >= n - p for n, p in buckets for i in range(n)]
    assert (low, high) == (sum(worst[:top]), sum(best[:top]))
    start = np.cumsum(counts) - counts
    assert middle == pytest.approx(sum(p / n * min(n, max(0, top - a)) for n, p, a in zip(counts, relevant, start) if n))


def test_what_lies_behind_the_top_is_not_read(rng):
    counts, relevant = rng.integers(1, 9, (50, 12)), rng.integers(0, 2, (50, 12))
    cleared = [np.where(np.cumsum(counts, axis=1) - counts < 20, of, 0) for of in (counts, relevant)]
    total = relevant.sum(axis=1)
    for ties, normalize in itertools.product(ORDERS, NORMALIZE):
        found = average_precision(counts, relevant, 20, total, ties=ties, normalize=normalize)
        np.testing.assert_array_equal(found, average_precision(*cleared, 20, total, ties=ties, normalize=normalize))


def test_rankings_do_not_depend_on_their_neighbours(rng, monkeypatch):
    counts = rng.integers(0, 300, (200, 20))
    relevant = rng.binomial(counts, 0.3)
    whole = average_precision(counts, relevant, 2500)
    singly = [np.concatenate(x) for x in zip(*(average_precision(c[None], r[None], 2500) for c, r in zip(counts, relevant)))]
    monkeypatch.setattr("hardmine.evaluation.average_precision.CELLS", 100)
    np.testing.assert_allclose(singly, whole, rtol=1e-14)
    np.testing.assert_allclose(average_precision(counts, relevant, 2500), whole, rtol=1e-14)


def test_differences_of_harmonic_numbers():
    small = [(a, steps) for a in range(36) for steps in (0, 1, 2, 31, 32, 33)]
    for a, steps in [*small, (64, 64), (1000, 1), (10**6, 2000), (3, 10**5)]:
        expected = math.fsum(1 / t for t in range(a + 1, a + steps + 1))
        assert float(_harmonic(np.float64(a), np.float64(a + steps))) == pytest.approx(expected, rel=8e-16, abs=0)


@pytest.mark.parametrize("shape", [(5000, 65), (40, 65537), (0, 65)])
def test_memory(rng, shape):
    counts = rng.integers(0, 4 if shape[1] > 65 else 2000, shape).astype(np.uint32)
    relevant = rng.binomial(counts, 0.4).astype(np.uint32)
    tracemalloc.start()
    average_precision(counts, relevant, 5000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 24 << 20
