"""The command overlap with every option, beside the functions."""

import csv
import pathlib
import sys
import types

import numpy as np
import pytest

import hardmine
from hardmine.cli.command import main

VERIFIER = "import numpy as np\n\n\ndef inliers(train, evaluation):\n    return 30 - np.abs(train - evaluation)\n"


@pytest.fixture
def files(rng, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train = rng.standard_normal((60, 8)).astype(np.float32)
    evaluation = np.concatenate([train[[3, 4, 17]] * 1.5, rng.standard_normal((9, 8))])
    arrays = {
        "t": train,
        "e": evaluation,
        "tl": np.repeat([f"class {i}" for i in range(20)], 3),
        "el": np.repeat(["one", "two"], 6),
        "ti": np.arange(1000, 1060),
        "ei": np.arange(2000, 2012),
        "norm": rng.standard_normal((30, 8)),
        "also": np.array(["class 9"]),
    }
    for name, array in arrays.items():
        np.save(f"{name}.npy", array)
    (tmp_path / "sift.py").write_text(VERIFIER)
    yield arrays
    sys.modules.pop("sift", None)


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_defaults(files, capsys):
    assert main(["overlap", "t.npy", "e.npy", "-r", "1e-6"]) == 0
    expected = hardmine.find_overlap(files["t"], files["e"], radius=1e-6)
    assert len(expected.pairs) == 3
    assert capsys.readouterr().out == expected.summary() + "\n"


def test_every_option_of_the_search(files, capsys):
    line = "overlap t.npy e.npy -k 3 --radius 1.2 --metric cosine --directions train --train-labels tl.npy"
    line += " --evaluation-labels el.npy --train-ids ti.npy --evaluation-ids ei.npy --verifier sift:inliers"
    line += " --min-verified 5 --score-norm norm.npy"
    line += " --aggregate argmax_count --max-pairs 999 --threads 1 -o out.npz --csv pairs.csv --classes classes.csv"
    assert main(line.split()) == 0
    expected = hardmine.find_overlap(
        files["t"], files["e"], k=3, radius=1.2, directions="train", train_labels=files["tl"], evaluation_labels=files["el"],
        ids=(files["ti"], files["ei"]), verifier=lambda i, j: 30 - np.abs(i - j), min_verified=5, score_norm=files["norm"],
        aggregate="argmax_count",
    )  # fmt: skip
    assert 0 < expected.evidence.sum() < len(expected.candidates)
    saved = hardmine.OverlapReport.load("out.npz")
    for name, column in expected.table().items():
        np.testing.assert_array_equal(saved.table()[name], column)
    for path, which in (("pairs.csv", "pairs"), ("classes.csv", "classes")):
        expected.to_csv("known.csv", which)
        assert read(path) == read("known.csv")
    assert capsys.readouterr().out.endswith("out.npz: written\npairs.csv: written\nclasses.csv: written\n")


def test_a_split_by_votes_and_the_page(files, capsys, monkeypatch):
    def load_reviews(*paths):
        assert [path.name for path in paths] == ["ann.json", "ben.json"]
        rows, cols = np.array([3, 3, 17]), np.array([0, 0, 2])
        votes, reviewer = np.array(["same", "different", "different"]), np.array(["ann", "ben", "ann"])
        return types.SimpleNamespace(rows=rows, cols=cols, votes=votes, reviewer=reviewer)

    pages = []
    monkeypatch.setattr("hardmine.overlap.page.write_page", lambda *given, **options: pages.append((given, options)))
    monkeypatch.setattr("hardmine.overlap.report.load_reviews", load_reviews)
    for name in ("ann.json", "ben.json"):
        pathlib.Path(name).write_text("{}")
    line = "overlap t.npy e.npy -r 1e-6 --train-labels tl.npy --reviews ann.json ben.json --removed gone.csv --kept kept.npy"
    assert main(f"{line} --also also.npy --check".split()) == 1
    assert sorted({row["train_label"] for row in read("gone.csv")}) == ["class 1", "class 9"]
    assert np.load("kept.npy").tolist() == [i for i in range(60) if i // 3 not in (1, 9)]
    out = capsys.readouterr().out
    assert "rule any, by class: remove 1, keep 1, pending 0" in out and "got 2 of 60; the hardest pair: training row" in out
    assert main(f"{line} --decide majority --check --scope class".split()) == 0
    assert len(np.load("kept.npy")) == 60
    assert main(f"{line} --decide 1 --scope row --unreviewed remove".split()) == 0
    assert np.load("kept.npy").tolist() == [i for i in range(60) if i not in (3, 4)]
    assert main(f"{line} --scope row".split()) == 2
    assert "votes: expected some on each row with evidence, got none for 1 of 3, such as 4" in capsys.readouterr().err
    line = "overlap t.npy e.npy -r 1e-6 --train-labels tl.npy --review page.html --pairs-per-class 1"
    assert main(f"{line} --train-images a --evaluation-images b".split()) == 0
    (path, rows, cols, _), options = pages.pop()
    assert capsys.readouterr().out.endswith("page.html: written\n")
    assert str(path) == "page.html" and sorted(cols.tolist()) in ([0, 2], [1, 2]) and len(rows) == 2
    assert (str(options["row_images"]), str(options["col_images"])) == ("a", "b")


def test_errors_are_one_line(files, capsys):
    for line, message in (
        ("t.npy e.npy", "radius: expected a number, or k beside it, got None"),
        ("t.npy e.npy -k 1 -o no/out.npz", "no/out.npz: expected a folder that can be written to"),
        ("t.npy e.npy -k 1 --train-ids ti.npy", "ids: expected ids of both sides, or of neither, got those of one"),
        (
            "t.npy e.npy -k 1 --verifier sift:nothing",
            "verifier: expected module:function that can be imported, got 'sift:nothing'",
        ),
        ("t.npy tl.npy -k 1", "evaluation: expected an array of shape (rows, dimensions), got shape (60,)"),
        ("t.npy e.npy -r 1 --scope class", 'scope: expected --train-labels beside "class", got none'),
        ("t.npy e.npy -r 1 --also also.npy", "also: expected --train-labels beside it, got none"),
        (
            "t.npy e.npy -r 1 --reviews no.json",
            "no.json: expected a file that the page for reviewers exported, got no such file",
        ),
        (
            "t.npy e.npy -r 1 --review p.html --train-images a",
            "images: expected images of both sides, or of neither, got those",
        ),
    ):
        assert main(["overlap", *line.split()]) == 2
        assert capsys.readouterr().err.startswith(f"hardmine: error: {message}")
    with pytest.raises(SystemExit):
        main(["overlap", "t.npy", "e.npy", "-k", "1", "--decide", "most"])
    assert "expected any, majority, unanimous or a number of reviewers, got 'most'" in capsys.readouterr().err
