"""Columns, files and lists of them: the same bits as of one array, and what is wrong with one said in its words."""

import numpy as np
import pytest

import hardmine
from blocks import converted_blocks
from hardmine import _arrays
from optional_torch import torch
from refusals import assert_refused

D = 6
NEEDED = {
    "arrow": "pyarrow",
    "pandas": "pandas",
    "polars": "polars",
    "parquet": "pyarrow",
    "h5": "h5py",
    "zarr": "zarr",
    "dask": "dask.array",
}


@pytest.fixture(scope="module")
def x():
    rng = np.random.default_rng(7)
    return rng.integers(-9, 10, (120, D)).astype(np.float32) / 4


def arrow(x, kind):
    import pyarrow as pa

    values = pa.array(np.concatenate([x[:3], x]).ravel())
    fixed = pa.FixedSizeListArray.from_arrays(values, D).slice(3)
    if kind == "fixed":
        return fixed
    if kind == "chunks":
        return pa.chunked_array([fixed[:1], fixed[1:1], fixed[1:80], fixed[80:]])
    if kind == "tensors":
        return pa.FixedShapeTensorArray.from_numpy_ndarray(x)
    return pa.array([[0.0] * D, *x.tolist()], {"list": pa.list_, "large": pa.large_list}[kind](pa.float32())).slice(1)


def pandas(x, kind):
    import pandas as pd

    if kind == "objects":
        return pd.Series(list(x))
    lists = arrow(x, "list")
    return pd.Series(pd.array(lists, dtype=pd.ArrowDtype(lists.type)))


def polars(x, kind):
    import polars as pl

    return pl.Series("x", x.tolist(), dtype=pl.Array(pl.Float32, D) if kind == "array" else pl.List(pl.Float32))


def parquet(x, kind, folder):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"id": range(len(x)), "x": arrow(x, kind)}), folder / "x.parquet", row_group_size=37)
    return hardmine.open_rows(folder / "x.parquet", "x") if kind == "fixed" else hardmine.open_rows(folder / "x.parquet")


def h5(x, kind, folder):
    import h5py

    with h5py.File(folder / "x.h5", "w") as file:
        file.create_dataset("group/x", data=x, **({"chunks": (17, 4), "compression": "gzip"} if kind == "chunks" else {}))
        file.create_dataset("other", data=x[:2])
    return hardmine.open_rows(f"{folder}/x.h5:/group/x")


def zarr(x, kind, folder):
    import zarr

    zarr.create_array(str(folder / "x.zarr"), data=x, chunks=(int(kind), D))
    return hardmine.open_rows(folder / "x.zarr")


def dask(x, kind):
    import dask.array

    return dask.array.from_array(x, chunks=((1, 0, 60, len(x) - 61), (D - 1, 1)))


def shards(x, kind, folder):
    parts = np.split(x, [0, 5, 100])
    if kind == "arrays":
        return [parts[0], parts[1], zarr(parts[2], 31, folder), torch.from_numpy(parts[3]) if torch else parts[3]]
    (folder / "parts").mkdir()
    for i, part in enumerate(parts):
        np.save(folder / f"parts/{i}.npy", part)
    return {
        "folder": lambda: hardmine.open_rows(folder / "parts"),
        "pattern": lambda: hardmine.open_rows(folder / "parts/?.npy"),
        "paths": lambda: [str(folder / f"parts/{i}.npy") for i in range(4)],
    }[kind]()


def vectors(x, kind, folder):
    hardmine.write_rows(folder / f"x.{kind}", x)
    return hardmine.open_rows(folder / f"x.{kind}")


KINDS = [
    *((arrow, kind) for kind in ("fixed", "list", "large", "chunks", "tensors")),
    *((pandas, kind) for kind in ("objects", "arrow")),
    *((polars, kind) for kind in ("array", "list")),
    *((parquet, kind) for kind in ("fixed", "list")),
    *((h5, kind) for kind in ("chunks", "contiguous")),
    *((zarr, kind) for kind in ("1", "41")),
    (dask, "uneven"),
    *((shards, kind) for kind in ("arrays", "folder", "pattern", "paths")),
    *((vectors, kind) for kind in ("npy", "fvecs", "fbin")),
]


@pytest.mark.parametrize(("make", "kind"), KINDS, ids=[f"{make.__name__} {kind}" for make, kind in KINDS])
def test_the_same_bits_as_of_an_array(x, tmp_path, make, kind):
    needed = NEEDED.get(make.__name__, "zarr" if kind == "arrays" else "numpy")
    pytest.importorskip(needed, reason=f"needs {needed}")
    rows = make(x, kind) if make in (arrow, pandas, polars, dask) else make(x, kind, tmp_path)
    numbers = np.array([100, 3, 3, 119, 0, 59])
    for size in (1, 4 * D * 50, 32 << 20):
        with converted_blocks(size):
            for found, expected in (
                (hardmine.topk(x[:5], rows, 4), hardmine.topk(x[:5], x, 4)),
                (hardmine.topk(rows, k=2), hardmine.topk(x, k=2)),
                (hardmine.radius_neighbors(rows, x[:5], 9.0), hardmine.radius_neighbors(x, x[:5], 9.0)),
            ):
                for array, known in zip(found, expected, strict=True):
                    np.testing.assert_array_equal(np.asarray(array), known)
            of = _arrays.FloatRows("x", rows)
            np.testing.assert_array_equal(of.at(numbers), x[numbers])
            np.testing.assert_array_equal(of.part(3, 99).take_all(), x[3:99])
    hardmine.write_rows(tmp_path / "again.fbin", rows)
    np.testing.assert_array_equal(hardmine.open_rows(tmp_path / "again.fbin"), x)


@pytest.mark.parametrize(
    ("ending", "dtype"), [("u8bin", "u1"), ("bvecs", "u1"), ("i8bin", "i1"), ("ibin", "i4"), ("ivecs", "i4")]
)
def test_integers_of_files_are_numbers_and_bytes_are_codes_too(rng, tmp_path, ending, dtype):
    x = rng.integers(-128, 128, (50, 8)).astype(np.int8).view(dtype) if dtype != "i4" else rng.integers(0, 9999, (50, 8))
    hardmine.write_rows(tmp_path / f"x.{ending}", x)
    rows = hardmine.open_rows(tmp_path / f"x.{ending}")
    np.testing.assert_array_equal(np.asarray(rows), x)
    found, known = hardmine.topk(rows, k=3), hardmine.topk(x.astype(np.float32), k=3)
    np.testing.assert_array_equal(found.indices, known.indices)
    np.testing.assert_array_equal(found.distances, known.distances)
    if dtype == "u1":
        for array, known in zip(hardmine.topk(rows, k=3, metric="hamming"), hardmine.topk(x, k=3, metric="hamming")):
            np.testing.assert_array_equal(array, known)
    with pytest.raises(TypeError, match="queries: expected floating-point numbers"):
        hardmine.topk(x, k=3)


def test_an_integer_that_float32_lacks_is_refused(tmp_path):
    hardmine.write_rows(tmp_path / "x.ibin", np.array([[1, 2], [3, 2**24 + 1]]))
    rows = hardmine.open_rows(tmp_path / "x.ibin")
    assert_refused(lambda: hardmine.topk(rows, k=1), ValueError, "expected integers that float32 holds exactly, got 16777217")


def test_the_bytes_of_each_format(tmp_path):
    """As their readers elsewhere expect them: little-endian, whatever the array is."""
    x = np.array([[1, 2], [3, 4]], ">f4")
    hardmine.write_rows(tmp_path / "x.fvecs", x)
    assert (tmp_path / "x.fvecs").read_bytes() == b"".join(
        np.array([2], "<i4").tobytes() + row.astype("<f4").tobytes() for row in x
    )
    hardmine.write_rows(tmp_path / "x.u8bin", x.astype(int))
    assert (tmp_path / "x.u8bin").read_bytes() == np.array([2, 2], "<u4").tobytes() + bytes([1, 2, 3, 4])
    found = hardmine.topk(x, x[:1], k=2)
    hardmine.write_rows(tmp_path / "gt.ibin", found)
    n, k = np.fromfile(tmp_path / "gt.ibin", "<u4", 2)
    body = (tmp_path / "gt.ibin").read_bytes()[8:]
    assert (n, k) == (2, 2) and len(body) == n * k * 8
    np.testing.assert_array_equal(np.frombuffer(body, "<i4", n * k).reshape(n, k), found.indices)
    np.testing.assert_array_equal(np.frombuffer(body, "<f4", n * k, 4 * n * k).reshape(n, k), found.distances)
    np.testing.assert_array_equal(np.asarray(hardmine.open_rows(tmp_path / "gt.ibin")), found.indices)
    hardmine.write_rows(tmp_path / "gt.ivecs", found)
    np.testing.assert_array_equal(np.asarray(hardmine.open_rows(tmp_path / "gt.ivecs")), found.indices)


def cases_of_files(folder):
    x = np.ones((3, 4), np.float32)
    for ending in ("fbin", "fvecs", "npy"):
        hardmine.write_rows(folder / f"x.{ending}", x)
        whole = (folder / f"x.{ending}").read_bytes()
        (folder / f"short.{ending}").write_bytes(whole[:-5])
    (folder / "head.fbin").write_bytes(b"abc")
    (folder / "zero.fvecs").write_bytes(np.zeros(10, "<i4").tobytes())
    mixed = np.fromfile(folder / "x.fvecs", "<i4")
    mixed[5] = 3
    mixed.tofile(folder / "mixed.fvecs")
    (folder / "x.txt").write_text("1 2 3")
    (folder / "two").mkdir()
    hardmine.write_rows(folder / "two/a.fbin", x)
    hardmine.write_rows(folder / "two/b.npy", x)
    (folder / "widths").mkdir()
    np.save(folder / "widths/a.npy", x)
    np.save(folder / "widths/b.npy", x[:, :3])
    yield "short.fbin", ValueError, "short.fbin: expected 56 bytes for 3 rows of 4 float32, got 51"
    yield "short.fvecs", ValueError, "got dimension 4 and 55 bytes"
    yield "short.npy", ValueError, "short.npy: expected a .npy file of numbers, got another, or a part of one"
    yield "head.fbin", ValueError, "head.fbin: expected 8 bytes, the numbers of rows and of dimensions, got 3"
    yield "zero.fvecs", ValueError, "got dimension 0 and 40 bytes"
    yield "mixed.fvecs", ValueError, "expected rows of 4 numbers as the first one, got 3 in row 1"
    yield "x.txt", ValueError, "expected a file that ends with one of .npy, .parquet"
    yield "none.npy", FileNotFoundError, "none.npy: expected a file or a folder, got no such file"
    yield "none-*.npy", FileNotFoundError, "expected files, got none of that pattern"
    yield "two", ValueError, "expected a folder of files of one ending"
    yield "widths", ValueError, "expected shards of rows of 4 numbers as in"


def test_files_that_are_something_else(tmp_path):
    for name, error, message in cases_of_files(tmp_path):
        assert_refused(lambda name=name: hardmine.open_rows(tmp_path / name), error, message)
    with pytest.raises(ValueError, match="path: expected a file that ends with one of"):
        hardmine.write_rows(tmp_path / "x.csv", np.ones((2, 2)))
    with pytest.raises(TypeError, match="rows: expected integers for a file of uint8, got float64"):
        hardmine.write_rows(tmp_path / "y.u8bin", np.ones((2, 2)))
    with pytest.raises(ValueError, match="rows: expected integers from 0 to 255 for this format, got 300"):
        hardmine.write_rows(tmp_path / "y.u8bin", np.array([[300]]))
    assert not list(tmp_path.glob("*y.u8bin"))


def test_columns_that_are_no_rows(tmp_path):
    pa = pytest.importorskip("pyarrow", reason="needs PyArrow")
    import pyarrow.parquet as pq

    q = np.ones((1, 2), np.float32)
    good = [[1.0, 2.0]] * 3
    for lists, message in (
        ([*good, None], "base: expected lists without nulls, got null in row 3"),
        ([*good, [1.0, None]], "base: expected lists without nulls, got one with null in row 3"),
        ([*good, [1.0]], "base: expected lists of 2 numbers, got one of 1 in row 3"),
    ):
        column = pa.array(lists, pa.list_(pa.float32()))
        pq.write_table(pa.table({"x": column}), tmp_path / "x.parquet", row_group_size=2)
        for base in (column, pa.chunked_array([column[:2], column[2:]]), hardmine.open_rows(tmp_path / "x.parquet")):
            assert_refused(lambda base=base: hardmine.topk(q, base, 1), ValueError, message)
    assert_refused(
        lambda: hardmine.topk(q, pa.array([1.0])), ValueError, "expected a column of lists of numbers, got one of double"
    )
    assert_refused(
        lambda: hardmine.topk(q, pa.array([["a"]])), ValueError, "expected a column of lists of numbers, got one of list"
    )
    assert_refused(
        lambda: hardmine.open_rows(f"{tmp_path}/x.parquet:y"), ValueError, "expected a column that is one of x, got 'y'"
    )
    whole = (tmp_path / "x.parquet").read_bytes()
    (tmp_path / "x.parquet").write_bytes(whole[: len(whole) // 2])
    assert_refused(
        lambda: hardmine.open_rows(tmp_path / "x.parquet"), ValueError, "expected a Parquet file, got something else"
    )


def test_a_file_that_goes_away_is_named(x, tmp_path):
    h5py = pytest.importorskip("h5py", reason="needs h5py")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = x
        rows = file["x"]
        assert hardmine.topk(rows, k=1).indices.shape == (120, 1)
        of = _arrays.FloatRows("base", rows)
    with pytest.raises(OSError, match=r"base: expected rows 0 to 119 of .*x.h5:/x, got"):
        list(of.blocks())
    (tmp_path / "x.h5").write_bytes((tmp_path / "x.h5").read_bytes()[:100])
    with pytest.raises(ValueError, match=r"x\.h5: expected an HDF5 file, got something else"):
        hardmine.open_rows(tmp_path / "x.h5")


def test_a_missing_package_names_the_extra(tmp_path, monkeypatch):
    for ending, package in (("h5", "h5py"), ("parquet", "pyarrow"), ("zarr", "zarr")):
        (tmp_path / f"x.{ending}").mkdir() if ending == "zarr" else (tmp_path / f"x.{ending}").write_bytes(b"x")
        monkeypatch.setitem(__import__("sys").modules, package, None)
        with pytest.raises(ImportError, match=r'pip install "hardmine\[(hdf5|arrow|zarr)\]"'):
            hardmine.open_rows(tmp_path / f"x.{ending}")


def test_the_command_reads_and_writes_by_endings(x, tmp_path, capsys):
    from hardmine.cli.command import main

    hardmine.write_rows(tmp_path / "base.fbin", x)
    hardmine.write_rows(tmp_path / "queries.fvecs", x[:9])
    gt = tmp_path / "gt.ibin"
    assert main(["topk", f"{tmp_path}/queries.fvecs", f"{tmp_path}/base.fbin", "-k", "4", "-o", str(gt)]) == 0
    np.testing.assert_array_equal(np.asarray(hardmine.open_rows(gt)), hardmine.topk(x[:9], x, 4).indices)
    assert main(["verify", str(gt), f"{tmp_path}/queries.fvecs", f"{tmp_path}/*.fbin"]) == 0
    assert main(["topk", f"{tmp_path}/none.fbin", "-k", "4", "-o", str(gt)]) == 2
    assert "none.fbin: expected a file or a folder, got no such file" in capsys.readouterr().err
