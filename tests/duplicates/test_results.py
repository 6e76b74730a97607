"""What near-duplicates are shown as and written to: pages, pictures, tables; and what a run that is killed leaves."""

import csv
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

import hardmine
from hardmine import near_duplicates
from hardmine.cli.command import main


@pytest.fixture
def pages(monkeypatch):
    """The calls of `hardmine.review.write_page`, which writes nothing here but the file's name."""
    calls = []

    def write_page(path, rows, cols, distances, **options):
        calls.append((rows, cols, distances, options))
        with open(path, "w") as file:
            file.write("page")

    monkeypatch.setattr("hardmine.duplicates.duplicates.write_page", write_page)
    return calls


def chain_and_copies(copies=40):
    """A chain of three rows, two rows near each other, and many copies of one."""
    return np.array([[0.0], [0.5], [1.0], [5.0], [5.25], [20.0]] + [[9.0]] * copies, np.float32)


def test_the_page_has_the_nearest_pairs_of_each_cluster(pages, tmp_path):
    groups = np.array(["a", "a", "b", "b", "b", "c"] + ["d"] * 40)
    found = near_duplicates(chain_and_copies(), 0.5, metric="euclidean", groups=groups)
    names = [f"row {row}" for row in range(46)]
    found.review(tmp_path / "page.html", "folder", names=names, title="T", embed=False, thumbnail=99)
    rows, cols, distances, options = pages[0]
    assert len(rows) == 10 + 1 + 2 and (np.diff(distances) >= 0).all() and rows.dtype == cols.dtype == np.int64
    assert rows.tolist()[10:] == [3, 0, 1] and cols.tolist()[10:] == [4, 1, 2] and distances[10:].tolist() == [0.25, 0.5, 0.5]
    assert (rows[:10] == 6).all() and cols[:10].tolist() == list(range(7, 17))
    assert options["classes"][9:] == ["d", "b", "a", "a / b"]
    assert options["notes"][10:] == ["cluster 1: 2 rows, diameter 0.25"] + ["cluster 0: 3 rows, diameter 1, chained"] * 2
    assert {name: options[name] for name in ("title", "row_images", "row_names", "embed", "thumbnail")} == {
        "title": "T", "row_images": "folder", "row_names": names, "embed": False, "thumbnail": 99
    }  # fmt: skip
    found.review(tmp_path / "page.html", pairs_per_cluster=1000, max_pairs=782)
    assert pages[1][0].tolist()[-2:] == [3, 0] and pages[1][3]["row_images"] is None
    plain = near_duplicates(chain_and_copies(), 0.5, metric="euclidean", linkage="complete")
    plain.review(tmp_path / "page.html")
    assert pages[2][3]["classes"][-3:] == ["in clusters without chains", "in clusters without chains", "between clusters"]
    assert pages[2][3]["notes"][-1] == "two clusters"
    near_duplicates(chain_and_copies(0)[::5], 0.5).review(tmp_path / "none.html")
    assert len(pages[3][0]) == 0


@pytest.mark.parametrize(
    "given, message",
    [
        ({"pairs_per_cluster": 0}, "pairs_per_cluster: expected at least 1, got 0"),
        ({"max_pairs": 1.0}, "max_pairs: expected an integer, got float"),
        ({"names": ["a"]}, "names: expected 6 strings, one for each row, got 1"),
        ({"names": "abcdef"}, "names: expected a string for each row, got one string"),
    ],
)
def test_bad_arguments_of_a_page(pages, tmp_path, given, message):
    found = near_duplicates(chain_and_copies(0), 0.5, metric="euclidean")
    with pytest.raises((TypeError, ValueError), match=f"^{message}"):
        found.review(tmp_path / "page.html", **given)
    assert not pages


def table(path):
    with open(path, newline="") as file:
        return list(csv.reader(file))


def test_tables(tmp_path):
    groups = ["x", "x", "y", "z", "z", "z"]
    found = near_duplicates(chain_and_copies(0), 0.5, metric="euclidean", groups=groups, which_to_keep=[0, 3, 1, 0, 1, 0])
    names = ["a", 'b, "quoted"', "c", "d", "e", "f"]
    found.to_csv(tmp_path / "rows.csv", names=names)
    assert table(tmp_path / "rows.csv") == [
        ["cluster", "row", "row_name", "group", "keep", "kept_row", "kept_row_name"],
        ["0", "0", "a", "x", "0", "1", 'b, "quoted"'],
        ["0", "1", 'b, "quoted"', "x", "1", "1", 'b, "quoted"'],
        ["0", "2", "c", "y", "0", "1", 'b, "quoted"'],
        ["1", "3", "d", "z", "0", "4", "e"],
        ["1", "4", "e", "z", "1", "4", "e"],
    ]
    found.to_csv(tmp_path / "clusters.csv", "clusters")
    assert table(tmp_path / "clusters.csv") == [
        ["cluster", "kept_row", "size", "diameter", "density", "open_triangles", "chained"],
        ["0", "1", "3", "1.0", "0.6666666666666666", "1", "1"],
        ["1", "4", "2", "0.25", "1.0", "0", "0"],
    ]
    split = near_duplicates(chain_and_copies(0), 0.5, metric="euclidean", linkage="complete")
    split.to_csv(tmp_path / "pairs.csv", "pairs")
    assert table(tmp_path / "pairs.csv") == [
        ["row", "col", "distance", "cluster"], ["0", "1", "0.5", "0"], ["1", "2", "0.5", ""], ["3", "4", "0.25", "1"]
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r"^table: expected one of rows, clusters, pairs, got 'all'"):
        found.to_csv(tmp_path / "all.csv", "all")
    assert not (tmp_path / "all.csv").exists()


def test_pictures(tmp_path):
    found = near_duplicates(chain_and_copies(), 0.5, metric="euclidean")
    figure = found.plot(tmp_path / "clusters.png")
    left, right = figure.axes
    assert left.get_title() == "3 clusters of 45 rows" and left.get_xscale() == "log"
    assert [text.get_text() for text in right.get_legend().get_texts()] == ["chained: 1", "not chained: 2", "threshold"]
    assert (tmp_path / "clusters.png").stat().st_size > 5000
    near_duplicates(chain_and_copies(0)[::5], 0.5).plot(tmp_path / "none.png")


def test_a_summary_has_the_numbers():
    lines = near_duplicates(chain_and_copies(), 0.5, metric="euclidean").summary().splitlines()
    assert lines[0] == "783 near-duplicates of 46 rows: euclidean distance up to 0.5"
    numbers = [line.split()[-1] for line in lines if line.split()[-1].isdigit()]
    assert numbers == ["3", "45", "1", "1", "1", "1", "1", "4", "42"]
    assert near_duplicates(np.zeros((0, 2), np.float32), 0.5).summary().splitlines()[1].split()[-1] == "0"


def test_the_command(pages, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", chain_and_copies())
    np.save("scores.npy", -np.arange(46))
    (tmp_path / "images").mkdir()
    line = "duplicates x.npy --threshold 0.5 --metric euclidean -o out.npz --review page.html --images images --csv rows.csv"
    assert main([*line.split(), "--linkage", "star", "--which-to-keep", "scores.npy"]) == 0
    expected = near_duplicates(chain_and_copies(), 0.5, metric="euclidean", linkage="star", which_to_keep=-np.arange(46))
    assert capsys.readouterr().out == f"{expected.summary()}\nout.npz, rows.csv, page.html\n"
    with np.load("out.npz") as saved:
        for name in ("labels", "sizes", "diameters", "densities", "open_triangles", "chained", "kept", "keep", "drop"):
            np.testing.assert_array_equal(saved[name], getattr(expected, name))
        assert saved["rows"].tolist() == expected.pairs.rows.tolist() and saved["shape"].tolist() == [46, 46]
    assert str(pages[0][3]["row_images"]) == "images" and len(table("rows.csv")) == 46
    codes = hardmine.pack(np.random.default_rng(0).standard_normal((40, 20)))
    np.save("codes.npy", codes)
    assert main(["duplicates", "codes.npy", "-t", "5", "--metric", "hamming", "--bits", "20", "-o", "codes.npz"]) == 0
    with np.load("codes.npz") as saved:
        assert saved["labels"].tolist() == near_duplicates(codes, 5, metric="hamming", bits=20).labels.tolist()


@pytest.mark.parametrize(
    "options, message",
    [
        ("--images images", "images: expected --review beside it, got none"),
        ("--images absent --review page.html", "images: expected a folder, got absent"),
        ("--review absent/page.html", "absent/page.html: expected a folder that can be written to, got absent"),
        ("--csv .", ".: expected a file to write, got a folder"),
        (
            "--which-to-keep absent.npy",
            "which_to_keep: expected one of first, hard, easy, center, random, or a .npy file of scores, got",
        ),
        ("--max-pairs 3", "max_pairs: expected at most 3 pairs"),
    ],
)
def test_an_error_leaves_nothing(pages, tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    np.save("x.npy", chain_and_copies())
    assert main(f"duplicates x.npy -t 0.5 --metric euclidean -o out.npz {options}".split()) == 2
    assert message in capsys.readouterr().err
    assert sorted(os.listdir()) == ["images", "x.npy"]


KILLED = """
import csv, os, signal, sys
import numpy as np
import hardmine

class Killer:
    def __str__(self):
        os.kill(os.getpid(), signal.SIGKILL)

x = np.zeros((50, 2), np.float32) + 1
found = hardmine.near_duplicates(x, 0.1)
found.to_csv("old.csv")
found.kept.flags.writeable = True
object.__setattr__(found, "groups", np.array([0] * 30 + [Killer()] * 20, object))
found.to_csv(sys.argv[1])
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["old.csv", "new.csv"])
def test_a_killed_run_leaves_no_half_written_file(tmp_path, name):
    """What was there stays whole; what was not there is not there. What lies beside it has a name of its own."""
    done = subprocess.run([sys.executable, "-c", KILLED, name], cwd=tmp_path, capture_output=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(table(tmp_path / "old.csv")) == 51
    assert not (tmp_path / "new.csv").exists()
    assert all(path.name == "old.csv" or path.name.startswith(".") for path in tmp_path.iterdir())
