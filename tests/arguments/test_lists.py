"""Lists of base rows for each query, in every form: what `Filter.exclude`, `positives` and `exclude` of mining take."""

import numpy as np
import pytest
from scipy import sparse

import hardmine
from hardmine import Filter, mine_hard_negatives

N, M = 12, 40


class ArrowLists:
    """A column of lists, as an Arrow array gives it to NumPy."""

    def __init__(self, lists):
        self.lists = lists

    def __array__(self, dtype=None, copy=None):
        column = np.empty(len(self.lists), object)
        column[:] = self.lists
        return column


@pytest.fixture
def problem(rng):
    lists = [np.sort(rng.choice(M, 3 + i % 5, replace=False)) for i in range(N)]
    lists[4] = lists[4][:0]
    x, base = rng.standard_normal((N, 4)).astype(np.float32), rng.standard_normal((M, 4)).astype(np.float32)
    return x, base, lists


def forms(lists):
    dense = np.zeros((len(lists), M), bool)
    padded = np.full((len(lists), 8), -1)
    for i, one in enumerate(lists):
        dense[i, one], padded[i, : len(one)] = True, one
    for name in ("csr", "csc", "coo", "bsr", "lil", "dok", "dia"):
        yield name, getattr(sparse, f"{name}_matrix")(dense)
        yield f"{name} array", getattr(sparse, f"{name}_array")(dense.astype(float))
    yield "blocks with zeros in them", sparse.bsr_array(dense, blocksize=(2, 4))
    yield "zeros that are stored", sparse.csr_array((dense.ravel(), (*np.indices(dense.shape).reshape(2, -1),)))
    yield "sets", [set(one.tolist()) for one in lists]
    yield "frozen sets", [frozenset(one.tolist()) for one in lists]
    yield "lists", [one.tolist()[::-1] for one in lists]
    yield "padded", padded
    yield "objects", np.array([*lists, None], object)[:-1]
    yield "arrow", ArrowLists(lists)
    start = np.cumsum([0] + [len(one) for one in lists])
    yield "csr by hand", (start.astype(np.int32), np.concatenate(lists).astype(np.uint16))


@pytest.mark.parametrize("form", [name for name, _ in forms([np.arange(2)] * N)])
def test_every_form_lists_the_same_rows(problem, form):
    x, base, lists = problem
    given = dict(forms(lists))[form]
    expected = hardmine.topk(x, base, M, where=Filter(exclude=lists))
    found = hardmine.topk(x, base, M, where=Filter(exclude=given))
    np.testing.assert_array_equal(found.indices, expected.indices)
    assert ((found.indices >= 0).sum(axis=1) == [M - len(one) for one in lists]).all()
    for name in ("positives", "exclude"):
        mined, wanted = (mine_hard_negatives(x, base, num_negatives=20, **{name: each}) for each in (given, lists))
        np.testing.assert_array_equal(mined.indices, wanted.indices)
        np.testing.assert_array_equal(mined.positive_scores, wanted.positive_scores)
        assert mined.stats["dropped"] == wanted.stats["dropped"]


def test_a_square_matrix_by_columns_is_not_read_by_rows(rng):
    x = rng.standard_normal((5, 3)).astype(np.float32)
    listed = np.zeros((5, 5), bool)
    listed[0, 1:] = True
    found = hardmine.topk(x, k=4, where=Filter(exclude=sparse.csc_array(listed)))
    assert (found.indices[0] == -1).all() and (found.indices[1:] >= 0).all()


@pytest.mark.parametrize(
    "lists, kind, message",
    [
        (sparse.coo_array((M, N)), ValueError, "expected a sparse matrix of shape (12, 40), got (40, 12)"),
        (sparse.coo_array(np.ones(N)), ValueError, "expected a sparse matrix of shape (12, 40), got (12,)"),
        (np.ones((N, 2)), TypeError, "expected integers, got float64"),
        (np.zeros((N - 1, 2), int), ValueError, "expected 12 lists, one for each query, got 11"),
        (np.full((N, 2), -2), ValueError, "expected row numbers from 0 to 39, got -2"),
        (
            np.zeros((1, 2, 2), int),
            TypeError,
            "expected (indptr, indices) or a list of arrays, got ndarray of shape (1, 2, 2)",
        ),
        ([{0.5}] * N, TypeError, "expected integers, got float64"),
        ([None] + [[1]] * (N - 1), ValueError, "expected a 1-D array of integers, got shape ()"),
        (iter([[1]] * N), TypeError, "expected (indptr, indices) or a list of arrays, got list_iterator"),
        ("text", TypeError, "expected (indptr, indices) or a list of arrays, got str"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,  # no address: pytest-xdist compares names
)
def test_what_lists_no_rows_is_named(problem, lists, kind, message):
    x, base, _ = problem
    calls = [
        ("exclude", lambda: hardmine.topk(x, base, where=Filter(exclude=lists))),
        ("exclude", lambda: mine_hard_negatives(x, base, exclude=lists)),
        ("positives", lambda: mine_hard_negatives(x, base, positives=lists)),
    ]
    for name, call in calls:
        with pytest.raises(kind) as caught:
            call()
        assert str(caught.value).startswith(f"{name}: {message}")
