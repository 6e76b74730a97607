"""leaky_splits beside loops; the leak that FiftyOne misses; and files that a killed process leaves."""

import csv
import signal
import subprocess
import sys

import numpy as np
import pytest

import hardmine
import pair_reference
from hardmine import find_overlap, leaky_splits
from hardmine.overlap.clean_split import write_csv


def test_the_leak_behind_another_row_of_the_split_is_found():
    """FiftyOne's compute_leaky_splits drops the test row in the middle, and never looks at the training row beyond it."""
    x = np.float32([[0.0], [0.9], [1.85]])
    found = leaky_splits(x, ["test", "test", "train"], 1.0, metric="euclidean")
    assert found.pairs.rows.tolist() == [1]
    assert found.pairs.cols.tolist() == [2] and found.leaks.tolist() == [1, 2]
    assert found.rows("train", near="test").tolist() == [2] and found.rows("test", near="train").tolist() == [1]
    report = find_overlap(x[2:], x[:2], radius=1.0, metric="euclidean")
    assert report.pairs.rows.tolist() == [0] and report.pairs.cols.tolist() == [1]


@pytest.mark.parametrize("metric", ["cosine", "sqeuclidean", "hamming"])
@pytest.mark.parametrize("splits", [1, 2, 5])
def test_equals_a_loop_over_all_pairs(rng, metric, splits):
    x = rng.integers(-2, 3, (70, 3)).astype(np.float32)
    names = rng.choice(["val", "train", "test", "dev", "b"][:splits], 70)
    x = x > 0 if metric == "hamming" else x
    matrix = pair_reference.matrix(x, None, metric)
    threshold = float(np.quantile(matrix, 0.1))
    codes = {"bits": 3} if metric == "hamming" else {}
    found = leaky_splits(hardmine.pack(x) if codes else x, names, threshold, metric=metric, **codes)
    expected = sorted(
        (matrix[i, j], i, j) for i in range(70) for j in range(i + 1, 70) if names[i] != names[j] and matrix[i, j] <= threshold
    )
    assert [(d, i, j) for i, j, d in zip(*(part.tolist() for part in found.pairs))] == expected
    assert found.names.tolist() == sorted(set(names)) and bool(found) == bool(expected) == (splits > 1)
    near = {(i, names[j]) for _, i, j in expected} | {(j, names[i]) for _, i, j in expected}
    for a, one in enumerate(found.names):
        for b, other in enumerate(found.names):
            rows = sorted({i for i, of in near if names[i] == one and of == other})
            assert found.counts[a, b] == len(rows)
            assert found.rows(one, near=other).tolist() == rows
    assert found.leaks.tolist() == sorted({i for i, _ in near})
    told = [line.replace("near", "").split() for line in found.summary().splitlines()[1:]]
    assert told == [
        [one, other, str(found.counts[a, b]), "of", str((names == one).sum()), "rows"]
        for a, one in enumerate(found.names)
        for b, other in enumerate(found.names)
        if found.counts[a, b]
    ]


def test_a_gate_for_tests(tmp_path):
    x = np.float32([[0.0], [0.5], [9.0]])
    leaky_splits(x, [0, 0, 1], 1.0, metric="euclidean").assert_no_leaks()
    found = leaky_splits(x, [3, -1, 3], 1.0, metric="euclidean")
    with pytest.raises(AssertionError, match=r"got 1; the hardest: row 0 \(3\), row 1 \(-1\), distance 0.5"):
        found.assert_no_leaks()
    found.to_csv(tmp_path / "leaks.csv")
    with open(tmp_path / "leaks.csv", newline="") as file:
        assert list(csv.reader(file)) == [["row", "col", "row_split", "col_split", "distance"], ["0", "1", "3", "-1", "0.5"]]
    with pytest.raises(ValueError, match="near: expected one of -1, 3, got 'test'"):
        found.rows(3, near="test")


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_tables_are_written_whole(tmp_path):
    train, evaluation = np.float32([[0.0], [1.0], [5.0], [9.0]]), np.float32([[1.2], [20.0], [0.1]])
    names = ['a "quoted", name', "two\nlines", "ü", "plain"], ["x", "y", "z"]
    report = find_overlap(
        train, evaluation, radius=1.5, metric="euclidean", ids=names, train_labels=["s", "s", "t", "u"],
        evaluation_labels=[1, 1, 2], score_norm=[0.0, 0.0, 0.125], verifier=lambda rows, cols: rows == 1,
    )  # fmt: skip
    report.to_csv(tmp_path / "pairs.csv")
    rows = read(tmp_path / "pairs.csv")
    assert [(row["train_id"], row["evaluation_id"], row["evidence"]) for row in rows] == [
        (names[0][1], "x", "True"), (names[0][0], "z", "False"), (names[0][1], "z", "True"), (names[0][0], "x", "False"),
    ]  # fmt: skip
    assert [float(row["normalised"]) - float(row["distance"]) for row in rows] == pytest.approx([0, 0.125, 0.125, 0])
    assert [row["evaluation_label"] for row in rows] == ["1", "2", "2", "1"]
    report.to_csv(tmp_path / "classes.csv", "classes")
    (only,) = read(tmp_path / "classes.csv")
    assert (only["train_label"], only["class_rows"], only["pairs"], only["evaluation_rows"], only["decision"]) == (
        "s",
        "2",
        "2",
        "2",
        "remove",
    )
    report.to_csv(tmp_path / "evaluation.csv", "evaluation")
    rows = read(tmp_path / "evaluation.csv")
    assert [(row["evaluation_id"], row["pairs"], row["train_row"]) for row in rows] == [
        ("x", "1", "1"),
        ("y", "0", "-1"),
        ("z", "1", "1"),
    ]
    assert rows[1]["distance"] == "inf"
    report.clean_split().to_csv(tmp_path / "removed.csv")
    rows = read(tmp_path / "removed.csv")
    assert [(row["train_id"], row["train_label"], row["reason"], row["evidence_row"]) for row in rows] == [
        (names[0][0], "s", "visual", "1"),
        (names[0][1], "s", "visual", "1"),
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["classes.csv", "evaluation.csv", "pairs.csv", "removed.csv"]


def test_long_tables_are_written_whole(tmp_path):
    numbers = np.arange((1 << 16) + 9)
    write_csv(tmp_path / "long.csv", {"number": numbers})
    assert (tmp_path / "long.csv").read_text().split() == ["number", *map(str, numbers.tolist())]


KILLED = """
import dataclasses, os, signal, sys
import numpy as np, hardmine
from hardmine.overlap import clean_split

report = hardmine.find_overlap(np.zeros((400, 1), np.float32), np.zeros((400, 1), np.float32), radius=0.0, metric="euclidean")
die = lambda: os.kill(os.getpid(), signal.SIGKILL)

class Column:  # its second half is never written
    def __len__(self): return 1 << 17
    def __getitem__(self, part): return np.zeros(1 << 16) if part.start == 0 else die()

class Offsets:  # which come after rows, cols and distances
    def __array__(self, *_, **__): die()

if sys.argv[1] == "csv":
    clean_split.write_csv(clean_split.Path(sys.argv[2]), {"column": Column()})
else:
    dataclasses.replace(report, offsets=Offsets()).save(sys.argv[2])
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "npz"])
@pytest.mark.parametrize("before", [None, b"an older one"])
def test_a_killed_process_leaves_no_half_written_file(tmp_path, kind, before):
    path = tmp_path / f"report.{kind}"
    if before is not None:
        path.write_bytes(before)
    done = subprocess.run([sys.executable, "-c", KILLED, kind, str(path)], capture_output=True, text=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (path.read_bytes() if path.exists() else None) == before
    assert [part.name.startswith(".report") for part in tmp_path.iterdir() if part != path] == [True], (
        "it was in the middle of it"
    )
