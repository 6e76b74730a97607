"""Which files a path names, what is in them, and lists whose parts differ: one by one, with what is wrong refused."""

import numpy as np
import pytest

import hardmine
from blocks import converted_blocks
from hardmine import _arrays
from hardmine.sources.chunked import ChunkedArray
from refusals import assert_refused

X = np.arange(24, dtype=np.float32).reshape(6, 4)


def refused(rows, message, error=ValueError):
    assert_refused(lambda: hardmine.open_rows(rows), error, message)


def test_files_of_a_wrong_size(tmp_path):
    hardmine.write_rows(tmp_path / "x.fbin", X)
    whole = (tmp_path / "x.fbin").read_bytes()
    for name, more in (("longer", b"abcd"), ("twice", whole[8:])):  # ids and distances, as .ibin has them, are no rows here
        (tmp_path / f"{name}.fbin").write_bytes(whole + more)
        refused(tmp_path / f"{name}.fbin", f"expected 104 bytes for 6 rows of 4 float32, got {104 + len(more)}")
    many = np.ones((70_000, 2), "<i4")
    many[65_540, 0] = 2
    many.tofile(tmp_path / "many.ivecs")
    refused(tmp_path / "many.ivecs", "expected rows of 1 numbers as the first one, got 2 in row 65540")


def test_which_files_a_path_names(tmp_path):
    (tmp_path / "rows").mkdir()
    for name in ("b", "a", ".hidden", "_part"):
        np.save(tmp_path / f"rows/{name}.npy", X + ord(name[0]))
    expected = np.concatenate([X + ord("a"), X + ord("b")])
    np.testing.assert_array_equal(np.asarray(hardmine.open_rows(tmp_path / "rows")), expected)
    np.testing.assert_array_equal(np.asarray(hardmine.open_rows(tmp_path / "rows/[ba].npy")), expected)
    assert hardmine.open_rows(tmp_path / "rows")[6:6].shape == (0, 4)
    np.save(tmp_path / "x[1].npy", X)
    np.testing.assert_array_equal(hardmine.open_rows(tmp_path / "x[1].npy"), X)  # there is such a file: no pattern
    (tmp_path / "x[1].npy").rename(tmp_path / "X.NPY")
    np.testing.assert_array_equal(hardmine.open_rows(tmp_path / "X.NPY"), X)
    refused_name = "expected no name within a .npy file, got 'x'"
    assert_refused(lambda: hardmine.open_rows(tmp_path / "X.NPY", "x"), ValueError, refused_name)
    with open(tmp_path / "archive.npy", "wb") as file:
        np.savez(file, x=X)
    refused(tmp_path / "archive.npy", "expected a .npy file of numbers, got an archive")


def test_names_within_files(tmp_path):
    h5py = pytest.importorskip("h5py", reason="needs h5py")
    (tmp_path / "a:b").mkdir()
    for name, of in (("1.h5", X), ("2.H5", -X)):
        with h5py.File(tmp_path / "a:b" / name, "w") as file:
            file["x"], file["y"] = of, of + 1
    np.testing.assert_array_equal(np.asarray(hardmine.open_rows(f"{tmp_path}/a:b/1.h5:y")), X + 1)
    np.testing.assert_array_equal(np.asarray(hardmine.open_rows(f"{tmp_path}/a:b/2.H5:/y")), 1 - X)
    for both in (tmp_path / "a:b", tmp_path / "a:b" / "?.[hH]5"):
        np.testing.assert_array_equal(np.asarray(hardmine.open_rows(both, "y")), np.concatenate([X + 1, 1 - X]))
    refused(tmp_path / "a:b/1.h5", "expected a data set by its name (1.h5:name), got x, y")
    refused(f"{tmp_path}/a:b/1.h5:z", "expected a data set that is one of x, y, got 'z'")
    zarr = pytest.importorskip("zarr", reason="needs Zarr")
    zarr.create_array(str(tmp_path / "x.zarr"), data=X)
    refused(f"{tmp_path}/x.zarr:x", "expected no name within an array, got 'x'")


def test_parts_that_differ():
    thirds = X / 3
    rows = [np.empty((0, 7), np.float64), X[:2].astype(np.float16), np.empty((0, 0), np.int8), thirds]
    expected = np.concatenate([X[:2], thirds])
    of = _arrays.FloatRows("x", _arrays.rows_of("x", rows))
    np.testing.assert_array_equal(of.at(np.array([7, 0, 2, 1])), expected[[7, 0, 2, 1]])
    np.testing.assert_array_equal(hardmine.topk(rows, k=3).indices, hardmine.topk(expected, k=3).indices)
    assert_refused(lambda: hardmine.topk([X, np.ones((3, 4), np.int64)], k=1), ValueError, "expected shards of float32 as in")


def test_shards_that_are_read_as_streams(tmp_path):
    """Parquet holds less than a chunk at a time: its blocks are numbered anew in each file."""
    pa = pytest.importorskip("pyarrow", reason="needs PyArrow")
    import pyarrow.parquet as pq

    x = np.random.default_rng(3).standard_normal((40, 4)).astype(np.float32)
    for i, part in enumerate(np.split(x, [13, 14])):
        pq.write_table(
            pa.table({"x": pa.array(part.tolist(), pa.list_(pa.float32()))}), tmp_path / f"{i}.parquet", row_group_size=5
        )
    rows = hardmine.open_rows(tmp_path)
    with converted_blocks(4 * 4 * 3):
        np.testing.assert_array_equal(hardmine.topk(x[:5], rows, k=9).indices, hardmine.topk(x[:5], x, k=9).indices)
        of = _arrays.FloatRows("x", rows)
        np.testing.assert_array_equal(of.part(7, 39).take_all(), x[7:39])
        for first, last in ((0, 40), (12, 15), (13, 14), (20, 33)):
            found = [(begin, block.copy()) for begin, block in rows.blocks("x", first, last, 3)]
            np.testing.assert_array_equal(np.concatenate([block for _, block in found]), x[first:last])
            assert [begin for begin, _ in found] == (first + np.cumsum([0, *(len(block) for _, block in found[:-1])])).tolist()
    numbers = np.array([39, 13, 0, 12, 14])
    np.testing.assert_array_equal(rows[numbers], x[numbers])


def test_integers_that_are_numbers_and_such_that_are_codes_are_not_one_array(tmp_path):
    codes = np.arange(12, dtype=np.uint8).reshape(3, 4)
    hardmine.write_rows(tmp_path / "x.u8bin", codes)
    np.save(tmp_path / "x.npy", codes)
    rows = [hardmine.open_rows(tmp_path / "x.u8bin"), codes]
    assert_refused(lambda: hardmine.topk(rows, k=1, metric="hamming"), ValueError, "expected shards of uint8 as in")


def test_chunks_that_cannot_be():
    class Rows:
        shape, dtype = X.shape, X.dtype

        def __init__(self, chunks):
            self.chunks = chunks

        def __getitem__(self, rows):
            return X[rows]

    for chunks in ((0, 4), ((2, 2), (4,)), ((2, float("nan")), (4,)), (), "auto"):  # of no rows, of others, not known
        assert ChunkedArray(Rows(chunks)).ends is None
        np.testing.assert_array_equal(hardmine.topk(Rows(chunks), k=2).indices, hardmine.topk(X, k=2).indices)
    assert ChunkedArray(Rows((4, 4))).ends == 4 and ChunkedArray(Rows(((2, 4), (4,)))).ends.tolist() == [2, 6]


def test_sparse_matrices_are_no_rows():
    scipy = pytest.importorskip("scipy.sparse", reason="needs SciPy")
    with pytest.raises((TypeError, ValueError), match="queries: "):
        hardmine.topk(scipy.csr_matrix(X), k=1)
