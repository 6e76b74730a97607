"""Bad arguments of the searches for all near pairs: exception and message, before any work."""

import re

import numpy as np
import pytest

import hardmine
from blocks import converted_blocks
from hardmine import Filter, _core, closest_pairs, distance_histogram, radius_neighbors
from optional_torch import torch

X = np.ones((4, 3), np.float32)
Y = np.ones((5, 3), np.float32)
CODES = np.ones((4, 2), np.uint8)
EDGES = [0.0, 1.0]

CASES = [
    (lambda: radius_neighbors(X), TypeError, "radius: expected a number or one for each query, got None"),
    (lambda: radius_neighbors(X, radius="2"), TypeError, "radius: expected a number or one for each query, got <U1"),
    (lambda: radius_neighbors(X, radius=np.nan), ValueError, "radius: expected numbers, got NaN"),
    (lambda: radius_neighbors(X, Y, [1.0] * 5), ValueError, "radius: expected a number or 4 of them, one for each query, got"),
    (lambda: radius_neighbors(X, radius=1, max_pairs=-1), ValueError, "max_pairs: expected at least 0, got -1"),
    (lambda: radius_neighbors(X, radius=1, max_pairs=2.0), TypeError, "max_pairs: expected an integer, got float"),
    (
        lambda: radius_neighbors(X, radius=1, where=Filter([0] * 4, max_per_group=1)),
        ValueError,
        "max_per_group: expected None beside base=None, where a pair belongs to both of its rows, got 1",
    ),
    (lambda: radius_neighbors(X, radius=1, query_rows=[0] * 4), ValueError, "query_rows: expected None beside base=None"),
    (lambda: radius_neighbors(X, radius=1, metric="l2"), ValueError, "metric: expected one of sqeuclidean, euclidean, cosine"),
    (lambda: radius_neighbors(X, np.ones((5, 4)), 1), ValueError, "base: expected rows of 3 numbers like queries, got shape"),
    (lambda: radius_neighbors(X, radius=1, bits=3), ValueError, 'bits: expected None beside metric="sqeuclidean", got 3'),
    (lambda: radius_neighbors(X, radius=1, threads=0), ValueError, "threads: expected at least 1, got 0"),
    (lambda: radius_neighbors(X, radius=1, progress="yes"), TypeError, "progress: expected a bool or a callable, got str"),
    (
        lambda: radius_neighbors(torch.ones(4, 3, device="meta"), radius=1),
        RuntimeError,
        "queries: expected a tensor that holds",
    ),
    (lambda: closest_pairs(X, n_pairs=0), ValueError, "n_pairs: expected at least 1, got 0"),
    (lambda: closest_pairs(X, n_pairs=1.0), TypeError, "n_pairs: expected an integer, got float"),
    (lambda: closest_pairs(X, n_pairs=True), TypeError, "n_pairs: expected an integer, got bool"),
    (
        lambda: closest_pairs(X, where=Filter([0] * 4, max_per_group=2)),
        ValueError,
        "max_per_group: expected None beside base=None, where a pair belongs to both of its rows, got 2",
    ),
    (lambda: closest_pairs(X, where={}), TypeError, "where: expected a hardmine.Filter, got dict"),
    (lambda: closest_pairs(CODES), TypeError, "queries: expected floating-point numbers, got uint8"),
    (
        lambda: closest_pairs(CODES, metric="hamming", bits=8),
        ValueError,
        "bits: expected 9 to 16 for queries of 2 bytes, got 8",
    ),
    (lambda: distance_histogram(X), TypeError, "edges: expected an array of ascending numbers, got None"),
    (lambda: distance_histogram(X, edges=10), ValueError, "edges: expected a 1-D array of at least 2 numbers, got shape ()"),
    (lambda: distance_histogram(X, edges=[1.0]), ValueError, "edges: expected a 1-D array of at least 2 numbers, got shape"),
    (lambda: distance_histogram(X, edges=["a", "b"]), TypeError, "edges: expected numbers, got <U1"),
    (lambda: distance_histogram(X, edges=[0, np.nan]), ValueError, "edges: expected numbers, got NaN"),
    (lambda: distance_histogram(X, edges=[0, 2, 1]), ValueError, "edges: expected ascending numbers, got 2.0 before 1.0"),
    (
        lambda: distance_histogram(X, edges=EDGES, where=Filter([0] * 4, max_per_group=3)),
        ValueError,
        "max_per_group: expected None beside base=None, where a pair belongs to both of its rows, got 3",
    ),
    (lambda: distance_histogram(X, edges=EDGES, groups=[0] * 3), ValueError, "groups: expected 4 labels, one for each row of"),
    (
        lambda: distance_histogram(X, edges=EDGES, groups=X[:, 0]),
        TypeError,
        "groups: expected integers or strings, got float32",
    ),
    (
        lambda: distance_histogram(X, Y, EDGES, groups=np.zeros(4, int)),
        TypeError,
        "groups: expected (groups of queries, groups of base rows) beside a base, got ndarray",
    ),
    (
        lambda: distance_histogram(X, Y, EDGES, groups=[0] * 4),
        TypeError,
        "groups: expected (groups of queries, groups of base rows) beside a base, got 4 of them",
    ),
    (
        lambda: distance_histogram(X, Y, EDGES, groups=([0] * 4, [0] * 4)),
        ValueError,
        "groups: expected 5 labels, one for each",
    ),
    (lambda: distance_histogram(X, Y, EDGES, groups=([0] * 4, ["a"] * 5)), TypeError, "labels: expected both of one kind"),
]


@pytest.mark.parametrize("call, kind, message", CASES, ids=[message[:40] for _, _, message in CASES])
def test_bad_arguments(monkeypatch, call, kind, message):
    for name in ("radius_neighbors", "closest_pairs", "distance_histogram"):
        monkeypatch.setattr(hardmine._core, name, None)  # nothing is searched before everything is checked
    with pytest.raises(kind, match="^" + re.escape(message)):
        call()


@pytest.mark.parametrize("name", ["queries", "base"])
@pytest.mark.parametrize(
    "search", [lambda *x: radius_neighbors(*x, 1.0), closest_pairs, lambda *x: distance_histogram(*x, EDGES)]
)
def test_rows_that_are_not_finite(search, name):
    for n in (3, 300):
        good, bad = np.ones((n, 4), np.float32), np.ones((n, 4), np.float32)
        bad[1:, 2] = np.nan
        with pytest.raises(ValueError, match=rf"^{name}: expected finite numbers, got NaN or infinity in row 1\b"):
            search(*((bad, good) if name == "queries" else (good, bad)))
        with pytest.raises(ValueError, match=r"^queries: expected finite numbers, got NaN or infinity in row 1\b"):
            search(bad, None)


def test_a_row_alone_and_no_rows_have_no_pairs():
    for x in (X[:1], X[:0]):
        assert len(radius_neighbors(x, radius=np.inf)) == len(closest_pairs(x)) == 0
        assert distance_histogram(x, edges=EDGES).tolist() == [0]
    for sides in ((X[:0], Y), (X, Y[:0]), (X[:0].astype(np.float64), Y)):
        found = radius_neighbors(*sides, np.inf)
        assert (
            found.distances.dtype == np.float32
            and found.rows.dtype == np.int64
            and found.indptr.tolist() == [0] * (len(sides[0]) + 1)
        )
        assert not closest_pairs(*sides)
        assert distance_histogram(*sides, EDGES, groups=([0] * len(sides[0]), [0] * len(sides[1]))).tolist() == [[0], [0]]


@pytest.mark.parametrize("sides", [(X, Y), (X, None)], ids=["a base", "alone"])
@pytest.mark.parametrize("convert", [False, True], ids=["in place", "converted"])
def test_progress_ascends_to_all_pairs(monkeypatch, sides, convert):
    """The last part is at all pairs when it is done; the end says so too, whatever came before."""
    n = 40
    queries, base = (None if side is None else np.repeat(side, n // len(side), axis=0) for side in sides)
    if convert:
        queries, base = queries.astype(np.float64), None if base is None else base.astype(np.float64)

    def reporting(core):
        def call(*, progress, **given):
            for done in (0, 3, 7):  # a fast call reports nothing
                progress(done, 7)
            return core(**given, progress=progress)

        return call

    for search, more in ((radius_neighbors, {"radius": 0.5}), (closest_pairs, {}), (distance_histogram, {"edges": EDGES})):
        monkeypatch.setattr(_core, search.__name__, reporting(getattr(_core, search.__name__)))
        seen = []
        with converted_blocks(3 * 4 * 7):
            search(queries, base, **more, progress=lambda *report: seen.append(report))  # noqa: B023
        done, totals = zip(*seen)
        assert {*totals} == {n * n} and list(done) == sorted(done)
        assert len(seen) == 1 + 3 * ((21 if base is None else 36) if convert else 1)
        assert done[-2:] == (n * n, n * n)
