"""An index that rows are added to and removed from, while others search; its files; what it refuses."""

import pickle
import threading

import numpy as np
import pytest

import hardmine
import reference
from hardmine import Index
from reference import assert_same


def normal(rng, n, d):
    return rng.standard_normal((n, d), dtype=np.float32)


def test_numbers_of_rows_that_are_added_and_removed():
    index = Index(np.float32([[0], [1], [2], [3]]), "euclidean")
    index.add(np.float64([[4], [5]]))
    assert index.remove([4, 0, 4]) is None
    assert len(index) == 4
    assert hardmine.topk(np.float32([[0.2], [5]]), index, 2).indices.tolist() == [[0, 1], [3, 2]]
    index.remove(np.arange(4))
    assert index.shape == (0, 1)
    assert hardmine.topk(np.float32([[1]]), index, 2).indices.tolist() == [[-1, -1]]
    with pytest.raises(ValueError, match="queries: expected finite"):
        hardmine.topk(np.float32([[np.nan]]), index, 2)
    index.add(np.float32([[9]]))
    index.add(np.empty((0, 1), np.float32))
    index.remove([])
    assert hardmine.topk(np.float32([[1]]), index, 2).distances.tolist() == [[8, np.inf]]


def test_there_are_few_parts(rng):
    """However many times rows are added; and rows that stay where they are are not packed again."""
    index = Index(normal(rng, 5000, 4))
    first = index._parts[0]
    for _ in range(300):
        index.add(normal(rng, 5, 4))
        assert len(index._parts) <= 9 and index._parts[0] is first
    index.remove([6000])
    assert index._parts[0] is first and len(index) == 6499


REFUSED = {
    "base: expected floating-point numbers, got int64": lambda: Index(np.ones((3, 2), int)),
    "base: expected an array of shape (rows, dimensions), got shape (3,)": lambda: Index(np.ones(3)),
    "base: expected finite numbers, got NaN or infinity in row 2": lambda: Index(np.float32([[1], [2], [np.nan]])),
    "metric: expected one of sqeuclidean, euclidean, cosine, inner_product, got 'hamming'": lambda: Index(
        np.ones((3, 2), np.uint8), "hamming"
    ),
    "threads: expected at least 1, got 0": lambda: Index(np.ones((3, 2)), threads=0),
    "queries: expected an array, got an Index, which is a base": lambda: hardmine.topk(Index(np.ones((3, 2)))),
    "base: expected rows of 3 numbers like queries, got shape (4, 2)": lambda: hardmine.topk(
        np.ones((1, 3)), Index(np.ones((4, 2)))
    ),
    "bits: expected None beside": lambda: hardmine.topk(np.ones((1, 2)), Index(np.ones((4, 2))), bits=8),
    "rows: expected rows of 2 numbers, got shape (1, 3)": lambda: Index(np.ones((4, 2))).add(np.ones((1, 3))),
    "rows: expected finite numbers, got NaN or infinity in row 1": lambda: Index(np.ones((4, 1))).add(
        np.float64([[1], [1e39]])
    ),
    "ids: expected row numbers from 0 to 3, got 4": lambda: Index(np.ones((4, 2))).remove([1, 4]),
    "ids: expected row numbers from 0 to 3, got -1": lambda: Index(np.ones((4, 2))).remove([-1]),
    "ids: expected integers, got bool": lambda: Index(np.ones((4, 2))).remove(np.ones(4, bool)),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_is_refused(message):
    with pytest.raises((TypeError, ValueError)) as refused:
        REFUSED[message]()
    assert str(refused.value).startswith(message)


def test_a_change_that_is_refused_changes_nothing():
    index = Index(np.eye(4))
    for change in (lambda: index.add(np.full((2, 4), np.inf)), lambda: index.remove([0, 9])):
        with pytest.raises(ValueError):
            change()
        assert hardmine.topk(np.eye(4), index, 1).indices.ravel().tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("n", [2, 300])
def test_a_search_keeps_the_rows_that_it_began_with(rng, n):
    """While others add rows, nearer than all, and remove them: every answer is that of one of the two states."""
    b, q = normal(rng, 500, 16), normal(rng, n, 16)
    both = np.concatenate([b, q[::-1] * np.float32(0.9)])
    index, over = Index(b, "sqeuclidean"), threading.Event()
    expected = [hardmine.topk(q, rows, 3) for rows in (b, both)]

    def change():
        while not over.is_set():
            index.add(both[500:])
            index.remove(np.arange(500, len(both)))

    changing = threading.Thread(target=change)
    changing.start()
    seen = set()
    try:
        for i in range(2000):
            found = hardmine.topk(q, index, 3, threads=2)
            state = int(np.array_equal(found.distances, expected[1].distances))
            assert_same(found, expected[state])
            seen.add(state)
            if i > 50 and len(seen) == 2:
                break
    finally:
        over.set()
        changing.join()
    assert seen == {0, 1}


def test_two_threads_that_add_at_once_lose_nothing(rng):
    index = Index(normal(rng, 10, 4))

    def add():
        for _ in range(100):
            index.add(normal(np.random.default_rng(0), 3, 4))

    adding = [threading.Thread(target=add) for _ in range(4)]
    for one in adding:
        one.start()
    for one in adding:
        one.join()
    assert len(index) == 10 + 4 * 100 * 3


# Files.


def test_what_is_saved_is_loaded(tmp_path, rng):
    b = normal(rng, 500, 20)
    index = Index(b[:300], "inner_product")
    index.add(b[300:])
    path = tmp_path / "rows"
    index.save(path)
    assert [file.name for file in tmp_path.iterdir()] == ["rows"]
    expected = reference.topk(b[:9], b, 4, "inner_product")
    for again in (Index.load(path), Index.load(str(path), threads=1), pickle.loads(pickle.dumps(index))):
        assert again.metric == "inner_product" and again.shape == b.shape
        assert_same(hardmine.topk(b[:9], again, 4), expected)
    np.testing.assert_array_equal(np.load(path)["rows"], b)
    Index.load(path).save(path)  # over itself


def test_files_that_no_index_wrote(tmp_path):
    path = tmp_path / "file"
    with pytest.raises(FileNotFoundError, match=r"expected a file that Index\.save wrote, got no such file"):
        Index.load(path)
    good = {"rows": np.ones((3, 2), np.float32), "metric": np.array("cosine")}
    wrong = {
        "without rows": {"rows": None},
        "without metric": {"metric": None},
        "got float64": {"rows": np.ones((3, 2))},
        "got 'hamming'": {"metric": np.array("hamming")},
        "expected one of sqeuclidean": {"metric": np.array(["cosine", "cosine"])},
        r"got shape \(3,\)": {"rows": np.ones(3, np.float32)},
        "got NaN or infinity in row 1": {"rows": np.float32([[1], [np.nan]])},
    }
    for message, arrays in wrong.items():
        with open(path, "wb") as file:
            np.savez(file, **{name: array for name, array in (good | arrays).items() if array is not None})
        with pytest.raises(ValueError, match=f"file: expected a file that Index.save wrote.*{message}"):
            Index.load(path)
    for content in (b"", b"PK not a zip", np.ones(3).tobytes()):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"file: expected a file that Index\.save wrote, got something else"):
            Index.load(path)
    with pytest.raises(OSError, match="expected a folder"):
        Index(np.eye(2)).save(tmp_path / "nowhere" / "file")
