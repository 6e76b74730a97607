"""The command as a user types it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hardmine
from hardmine import _core
from hardmine.cli.command import main


@pytest.fixture
def files(rng, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arrays = {
        "q": rng.standard_normal((50, 6)).astype(np.float32),
        "b": rng.standard_normal((200, 6)),
        "ql": rng.integers(0, 5, 50),
        "bl": rng.integers(0, 5, 200),
    }
    for name, array in arrays.items():
        np.save(f"{name}.npy", array)
    return arrays


def test_info(capsys):
    assert main(["info"]) == 0
    lines = dict(line.split(None, 1) for line in capsys.readouterr().out.replace("ISAs ", "ISAs_").splitlines())
    assert lines["hardmine"] == hardmine.__version__
    assert lines["ISA"] == _core.isa()
    assert lines["ISAs_runnable"] == ", ".join(_core.isas_runnable())
    assert lines["kernels"] == ", ".join(f"{family} {name}" for family, name in _core.kernels().items())
    assert lines["OpenMP"].startswith("yes" if _core.openmp else "no")
    assert int(lines["threads"]) == _core.threads()


def test_topk(files, capsys):
    assert main(["topk", "q.npy", "b.npy", "-k", "7", "--metric", "cosine", "-o", "out.npz"]) == 0
    assert capsys.readouterr().out == "out.npz: distances and indices (50, 7)\n"
    expected = hardmine.topk(files["q"], files["b"], 7, metric="cosine")
    with np.load("out.npz") as found:
        np.testing.assert_array_equal(found["indices"], expected.indices)
        np.testing.assert_array_equal(found["distances"], expected.distances)
    assert sorted(os.listdir()) == ["b.npy", "bl.npy", "out.npz", "q.npy", "ql.npy"]
    assert main(["topk", "q.npy", "-o", "self.npz", "--threads", "1"]) == 0
    with np.load("self.npz") as found:
        np.testing.assert_array_equal(found["indices"], hardmine.topk(files["q"]).indices)


def test_topk_of_codes(files, capsys):
    codes = hardmine.pack(np.tile(files["q"], 3)[:, :13])
    np.save("codes.npy", codes)
    assert main(["topk", "codes.npy", "-k", "4", "--metric", "hamming", "--bits", "13", "-o", "out.npz"]) == 0
    with np.load("out.npz") as found:
        expected = hardmine.topk(codes, k=4, metric="hamming")
        np.testing.assert_array_equal(found["indices"], expected.indices)
        np.testing.assert_array_equal(found["distances"], expected.distances)


def test_centers(files, capsys):
    assert main(["centers", "-m", "100", "-b", "64", "-o", "out.npz"]) == 0
    lines = capsys.readouterr().out.splitlines()
    made = hardmine.hash_centers(100, 64)
    assert lines[0].split(None, 1) == ["construction", made.construction]
    assert lines[1:3] == ["minimum distance  32", "proved bound      32 (reached: no code is better)"]
    assert lines[4] == "bit balance       0.500 to 0.500 of the centers have a bit set"
    with np.load("out.npz") as saved:
        np.testing.assert_array_equal(saved["codes"], made.codes)
        assert saved["bits"] == 64 and saved["min_distance"] == 32 and str(saved["construction"]) == made.construction
    assert main(["centers", "-m", "21", "-b", "64", "--method", "csq", "-o", "csq.npz"]) == 0
    with np.load("csq.npz") as saved:
        np.testing.assert_array_equal(saved["codes"], hardmine.hash_centers(21, 64, method="csq").codes)


def test_mine(files, capsys):
    line = (
        "mine q.npy b.npy --query-labels ql.npy --base-labels bl.npy -n 3 --relative-margin 0.05 --max-per-label 1 -o out.npz"
    )
    assert main(line.split()) == 0
    expected = hardmine.mine_hard_negatives(
        files["q"],
        files["b"],
        query_labels=files["ql"],
        base_labels=files["bl"],
        num_negatives=3,
        relative_margin=0.05,
        max_per_label=1,
    )
    assert "negatives for 50 queries" in capsys.readouterr().out
    with np.load("out.npz") as found:
        for name in ("indices", "scores", "positive_scores", "counts"):
            np.testing.assert_array_equal(found[name], getattr(expected, name))


def test_query_rows(files, capsys):
    """A part of an array against all of it: the commands leave each query's own row out."""
    rows = np.array([3, 150, -1, 7])
    np.save("r.npy", rows)
    np.save("part.npy", files["b"][rows])
    np.save("pl.npy", files["bl"][rows])
    expected = hardmine.topk(files["b"][rows], files["b"], 4, query_rows=rows)
    assert main(["topk", "part.npy", "b.npy", "-k", "4", "--query-rows", "r.npy", "-o", "out.npz"]) == 0
    with np.load("out.npz") as found:
        np.testing.assert_array_equal(found["indices"], expected.indices)
    line = "mine part.npy b.npy --query-labels pl.npy --base-labels bl.npy --query-rows r.npy --relative-margin 0.1 -o out.npz"
    assert main(line.split()) == 0
    mined = hardmine.mine_hard_negatives(
        files["b"][rows],
        files["b"],
        query_labels=files["bl"][rows],
        base_labels=files["bl"],
        query_rows=rows,
        relative_margin=0.1,
    )
    with np.load("out.npz") as found:
        np.testing.assert_array_equal(found["positive_indices"], mined.positive_indices)
        np.testing.assert_array_equal(found["indices"], mined.indices)


def test_mine_with_a_second_opinion(files, monkeypatch, capsys):
    Path("opinion.py").write_text("def score(rows, cols):\n    return (rows * 31 + cols * 17) % 101\n")
    np.save("ids.npy", np.arange(50) + 1000)
    monkeypatch.setattr("sys.path", sys.path.copy())
    line = "mine q.npy b.npy --range-max 20 --rescore opinion:score --query-ids ids.npy --sampling-strategy random -o out.npz"
    assert main(line.split()) == 0
    expected = hardmine.mine_hard_negatives(
        files["q"],
        files["b"],
        range_max=20,
        rescore=lambda rows, cols: (rows * 31 + cols * 17) % 101,
        query_ids=np.arange(50) + 1000,
        sampling_strategy="random",
    )
    with np.load("out.npz") as found:
        np.testing.assert_array_equal(found["indices"], expected.indices)
        np.testing.assert_array_equal(found["scores"], expected.scores)
    for name in ("opinion:missing", "nowhere:score", "opinion.score:x y"):
        assert main(["mine", "q.npy", "--rescore", name, "-o", "out2.npz"]) == 2
        assert "rescore: expected module:function that can be imported" in capsys.readouterr().err


def test_mine_with_every_option(files, capsys):
    rng = np.random.default_rng(3)
    positives, exclude = (np.stack([rng.integers(0, 50, 80), rng.integers(0, len(files["b"]), 80)], axis=1) for _ in range(2))
    np.save("p.npy", positives)
    np.save("e.npy", exclude)
    line = (
        "mine q.npy b.npy --positives p.npy --exclude e.npy -n 3 --metric euclidean --max-score -0.1 --min-score -9"
        " --absolute-margin -3 --range-min 1 --range-max 40 --rank-base raw --positive-reference mean"
        " --sampling-strategy softmax --sampling-param temperature=0.5 --random-ratio 0.34 --seed 5 --explain -o out.npz"
    )
    assert main(line.split()) == 0
    assert "rows refused by" in capsys.readouterr().out
    expected = hardmine.mine_hard_negatives(
        files["q"],
        files["b"],
        positives=[positives[positives[:, 0] == i, 1] for i in range(50)],
        exclude=[exclude[exclude[:, 0] == i, 1] for i in range(50)],
        num_negatives=3,
        metric="euclidean",
        max_score=-0.1,
        min_score=-9,
        absolute_margin=-3,
        range_min=1,
        range_max=40,
        rank_base="raw",
        positive_reference="mean",
        sampling_strategy="softmax",
        sampling_params={"temperature": 0.5},
        random_ratio=0.34,
        seed=5,
    )
    found = hardmine.MinedNegatives.load("out.npz")
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.positive_scores, expected.positive_scores)
    assert found.params == {**expected.params, "sampling_params": {"temperature": 0.5}}


@pytest.mark.parametrize(
    "line, message",
    [
        ("topk absent.npy -o out.npz", "absent.npy: expected a file or a folder, got no such file"),
        ("topk text.npy -o out.npz", "text.npy: expected a .npy file of numbers"),
        ("topk archive.npz -o out.npz", "archive.npz: expected a file that ends with one of .npy"),
        ("mine q.npy b.npy --max-score 4 --metric euclidean -o out.npz", "max_score: expected -inf to 0, between which"),
        ("topk q.npy b.npy --query-rows ql.npy --threads 9999 -o out.npz", "threads: expected at most 4096, got 9999"),
        ("topk q.npy --query-rows ql.npy -o out.npz", "query_rows: expected None beside base=None"),
        ("demo --folder q.npy", "folder: expected one that is there or can be made, got q.npy"),
        ("demo --folder q.npy/under", "folder: expected one that is there or can be made, got q.npy/under"),
        ("topk ql.npy -o out.npz", "queries: expected an array of shape (rows, dimensions), got shape (50,)"),
        ("topk q.npy b.npy -k 0 -o out.npz", "k: expected at least 1, got 0"),
        ("topk q.npy -o absent/out.npz", "absent/out.npz: expected a folder that can be written to, got absent"),
        ("topk absent.npy -o .", ".: expected a file to write, got a folder"),
        ("topk q.npy --metric hamming -o out.npz", "queries: expected packed codes, uint8, got float32; hardmine.pack makes"),
        ("centers -m 9 -b 3 -o out.npz", "n_classes: expected at most"),
        ("centers -m 9 -b 64 -o absent/out.npz", "absent/out.npz: expected a folder that can be written to, got absent"),
        ("mine q.npy b.npy --query-labels ql.npy -o out.npz", "base_labels: expected labels beside those of the other side"),
        ("mine q.npy b.npy --absolute-margin 0.1 -o out.npz", "absolute_margin: expected labels or positives beside it"),
    ],
)
def test_an_error_is_one_line_and_exit_code_2(files, capsys, line, message):
    with open("text.npy", "w") as file:
        file.write("not numbers")
    np.savez("archive.npz", x=[1], y=[2])
    before = sorted(os.listdir())
    assert main(line.split()) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("hardmine: error: ") and message in captured.err and captured.err.count("\n") == 1
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize("line", ["", "topk", "topk q.npy", "topk q.npy -o o.npz --metric l2", "topk q.npy -k many -o o.npz"])
def test_wrong_usage_is_exit_code_2(files, capsys, line):
    with pytest.raises(SystemExit) as stopped:
        main(line.split())
    assert stopped.value.code == 2
    assert "usage: hardmine" in capsys.readouterr().err


def test_a_parameter_without_a_number_is_wrong_usage(files, capsys):
    for given in ("temperature", "temperature=warm"):
        with pytest.raises(SystemExit) as stopped:
            main(["mine", "q.npy", "-o", "o.npz", "--sampling-param", given])
        assert stopped.value.code == 2
        assert f"expected NAME=X with a number X, got '{given}'" in capsys.readouterr().err


def test_help_offers_codes_only_where_they_are_taken(capsys):
    for command, offered in (("topk", True), ("mine", False)):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        assert ("packed codes" in " ".join(capsys.readouterr().out.split())) == offered


@pytest.mark.parametrize("name", ["hardmine-demo.npz", "hardmine-demo.png", "hardmine-demo.html"])
def test_the_demo_fails_at_once_where_it_could_not_write(tmp_path, capsys, monkeypatch, name):
    (tmp_path / name).mkdir()
    assert main(["demo", "--folder", str(tmp_path)]) == 2
    monkeypatch.setattr("os.access", lambda *_: False)
    assert main(["demo", "--folder", str(tmp_path / "new")]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and "expected a file to write, got a folder" in captured.err
    assert "expected a folder that can be written to, got" in captured.err


def test_the_package_is_a_command():
    done = subprocess.run([sys.executable, "-m", "hardmine", "topk"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "usage: hardmine topk" in done.stderr
    done = subprocess.run([sys.executable, "-m", "hardmine", "--version"], capture_output=True, text=True, timeout=60)
    assert done.stdout == f"hardmine {hardmine.__version__}\n", done.stderr


def test_the_installed_command_runs():
    script = os.path.join(os.path.dirname(sys.executable), "hardmine")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, timeout=60)
    assert done.stdout == f"hardmine {hardmine.__version__}\n", done.stderr


@pytest.mark.slow
def test_demo_mines_the_digits_and_draws_them(tmp_path, capsys, monkeypatch):
    pages = []

    def write_page(path, rows, cols, distances, **options):
        path.write_text("page")
        pages.append((rows, cols, options))

    monkeypatch.setattr("hardmine.duplicates.duplicates.write_page", write_page)
    assert main(["demo", "--folder", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "1797 handwritten digits" in text and _core.isa() in text
    assert text.count("hardest negative nearer than nearest positive") == 4
    table = [line.split() for line in text.splitlines() if line.split()[:1] in (["16"], ["32"], ["64"])]
    for bits, expected, worst, best, _ in (map(float, row) for row in table[:3]):
        assert worst < expected < best, bits
    assert [row[1:3] for row in table[3:]] == [["8", "8"], ["17", "17"], ["35", "35"]], "centers reach the bound"
    assert [row[3] for row in table[3:]] == ["8", "16", "32"], "CSQ's are rows of a Hadamard matrix: half the bits"
    assert all(int(row[4]) < int(row[3]) for row in table[3:]), "random ones do not"
    from sklearn.datasets import load_digits

    digits = load_digits()
    with np.load(tmp_path / "hardmine-demo.npz") as saved:
        np.testing.assert_array_equal(saved["label"], digits.target)
        assert saved["hn1_pixels_indices"].shape == (1797, 1) and saved["hn2_unit_norm_indices"].shape == (1797, 5)
        pixels = digits.data.astype(np.int64)
        squares = (pixels**2).sum(axis=1)
        matrix = np.sqrt(squares[:, None] + squares - 2 * pixels @ pixels.T)
        matrix[digits.target[:, None] == digits.target[None, :]] = np.inf
        np.testing.assert_allclose(saved["hn1_pixels_distances"][:, 0], matrix.min(axis=1), rtol=1e-6)
        np.testing.assert_allclose(saved["hn2_pixels_distances"], np.sort(matrix, axis=1)[:, :5], rtol=1e-6)
        pixels = np.float32(digits.data)
        for linkage in ("single", "complete", "star"):
            known = hardmine.near_duplicates(pixels, 0.02, linkage=linkage).labels
            np.testing.assert_array_equal(saved[f"duplicates_{linkage}"], known)
    assert "near-duplicates: 216 pairs of digits with a cosine of 0.98 and more" in text
    ((rows, _, options),) = pages
    assert len(rows) == 216 and options["row_names"][1796] == "8, number 1796"
    assert options["row_images"](int(rows[0])).size == (96, 96)
    from matplotlib.image import imread

    picture = imread(tmp_path / "hardmine-demo.png")
    assert picture.shape[0] > 600 and picture.shape[1] > 1000 and picture[..., :3].std() > 0.1
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "hardmine-demo.html", "hardmine-demo.npz", "hardmine-demo.png"
    ]  # fmt: skip
