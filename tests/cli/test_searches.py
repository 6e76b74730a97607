"""The commands topk, radius, pairs and verify with every option, beside the functions."""

import os

import numpy as np
import pytest

import hardmine
from hardmine import Filter
from hardmine.cli.command import main
from pair_reference import assert_pairs


@pytest.fixture
def files(rng, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arrays = {
        "q": rng.integers(-3, 4, (40, 5)).astype(np.float32),
        "b": rng.integers(-3, 4, (90, 5)).astype(np.float64),
        "qg": rng.integers(0, 4, 40),
        "bg": rng.integers(0, 4, 90),
        "r": rng.integers(-1, 90, 40),
        "mask": rng.random(90) < 0.8,
        "e": np.stack([rng.integers(0, 40, 60), rng.integers(0, 90, 60)], axis=1),
        "limits": rng.uniform(3, 30, 40),
        "two": np.zeros((3, 2), np.float32),
    }
    for name, array in arrays.items():
        np.save(f"{name}.npy", array)
    np.savez("two.npz", indices=arrays["e"])
    return arrays


FILTERS = "--query-groups qg.npy --base-groups bg.npy --groups same --exclude e.npy --base-mask mask.npy --query-rows r.npy"


def options(files, **more):
    """What `FILTERS` says, and more, as arguments of the functions."""
    lists = [files["e"][files["e"][:, 0] == i, 1] for i in range(40)]
    where = Filter(files["qg"], files["bg"], groups="same", exclude=lists, base_mask=files["mask"], **more)
    return {"where": where, "query_rows": files["r"]}


def saved_pairs():
    with np.load("out.npz") as saved:
        assert sorted(saved.files) == ["cols", "distances", "rows", "shape"]
        return hardmine.Pairs(saved["rows"], saved["cols"], saved["distances"], tuple(saved["shape"].tolist()))


def test_radius(files, capsys):
    assert main(["radius", "q.npy", "b.npy", "-r", "9.5", "-o", "out.npz"]) == 0
    expected = hardmine.radius_neighbors(files["q"], files["b"], 9.5)
    assert_pairs(saved_pairs(), tuple(expected))
    reach = f"distances {expected.distances.min():g} to {expected.distances.max():g}"
    assert capsys.readouterr().out == f"out.npz: {len(expected)} pairs of 40 x 90 rows, {reach}\n"
    line = f"radius q.npy b.npy --radius limits.npy {FILTERS} --farther-than 2 --max-per-group 2 --max-pairs 900 -o out.npz"
    assert main(line.split()) == 0
    more = options(files, farther_than=2, max_per_group=2)
    expected = hardmine.radius_neighbors(files["q"], files["b"], files["limits"], **more)
    assert len(expected) > 20
    assert_pairs(saved_pairs(), tuple(expected))
    assert main(["radius", "q.npy", "-r", "-1", "-o", "out.npz"]) == 0
    assert capsys.readouterr().out.endswith("out.npz: 0 pairs of 40 x 40 rows\n")


def test_pairs(files, capsys):
    assert main(f"pairs q.npy b.npy -n 30 {FILTERS} --nearer-than limits.npy --metric euclidean -o out.npz".split()) == 0
    more = options(files, nearer_than=files["limits"])
    expected = hardmine.closest_pairs(files["q"], files["b"], 30, metric="euclidean", **more)
    assert_pairs(saved_pairs(), tuple(expected))
    assert f"out.npz: {len(expected)} pairs of 40 x 90 rows, distances" in capsys.readouterr().out
    codes = hardmine.pack(np.tile(files["q"], 3)[:, :13])
    np.save("codes.npy", codes)
    assert main(["pairs", "codes.npy", "--metric", "hamming", "--bits", "13", "-o", "out.npz", "--threads", "1"]) == 0
    assert_pairs(saved_pairs(), tuple(hardmine.closest_pairs(codes, metric="hamming")))


def test_topk_with_filters(files):
    line = f"topk q.npy b.npy -k 4 {FILTERS} --nearer-than 40 --farther-than 1.5 --max-per-group 3 -o out.npz"
    assert main(line.split()) == 0
    more = options(files, nearer_than=40, farther_than=1.5, max_per_group=3)
    expected = hardmine.topk(files["q"], files["b"], 4, **more)
    with np.load("out.npz") as found:
        np.testing.assert_array_equal(found["indices"], expected.indices)
        np.testing.assert_array_equal(found["distances"], expected.distances)


@pytest.mark.parametrize("command", ["topk -k 3", "radius -r 9", "pairs -n 5"])
def test_explain(files, capsys, command):
    """After a search of forty queries in ninety rows, what did it."""
    name, *rest = command.split()
    plain = [name, "q.npy", "b.npy", *rest, "-o", "out.npz", "--threads", "1"]
    assert main(plain) == 0
    said = capsys.readouterr().out
    with hardmine.explain() as told:
        assert main([*plain, "--explain"]) == 0
    assert sum(told.pairs.values()) == 40 * 90
    assert capsys.readouterr().out == told.summary() + "\n" + said


def test_verify_says_whether_a_result_is_exact(files, capsys):
    line = f"q.npy b.npy {FILTERS} --nearer-than 40 --farther-than 1.5 --max-per-group 3 --metric euclidean"
    assert main(f"topk -k 4 -o out.npz {line}".split()) == 0
    capsys.readouterr()
    assert main(f"verify out.npz {line}".split()) == 0
    with np.load("out.npz") as saved:
        found = hardmine.Neighbors(saved["distances"], saved["indices"], "euclidean")
    more = options(files, nearer_than=40, farther_than=1.5, max_per_group=3)
    expected = hardmine.verify(found, files["q"], files["b"], **more)
    assert expected.identical.all() and capsys.readouterr().out == expected.summary() + "\n"
    found.indices[7] = found.indices[8]
    np.save("i.npy", found.indices)
    assert main(f"verify i.npy {line}".split()) == 1
    assert "not equal: queries 7\n" in capsys.readouterr().out
    seen = [
        hardmine.verify(found.indices, files["q"], files["b"], metric="euclidean", sample=9, seed=i, **more) for i in (3, 4)
    ]
    for seed, one in zip((3, 4), seen):
        assert main(f"verify i.npy {line} --sample 9 --seed {seed}".split()) == (0 if one else 1)
        assert capsys.readouterr().out == one.summary() + "\n"
    assert main(["verify", "out.npz", "q.npy", "b.npy"]) == 1, "another question"
    codes = hardmine.pack(files["q"])
    np.save("codes.npy", codes)
    assert main(["topk", "codes.npy", "-k", "3", "--metric", "hamming", "--bits", "5", "-o", "out.npz"]) == 0
    assert main(["verify", "out.npz", "codes.npy", "--metric", "hamming", "--bits", "5", "--threads", "1"]) == 0


@pytest.mark.parametrize(
    "line, message",
    [
        ("verify absent.npz q.npy", "No such file or directory: 'absent.npz'"),
        ("verify bg.npy q.npy", "neighbors: expected indices of shape (n, k), got shape (90,)"),
        ("verify q.npy q.npy", "neighbors: expected (distances, indices), or indices alone, got float32"),
        ("verify e.npy q.npy", "neighbors: expected 40 rows of indices, one for each query, got 60"),
        ("verify two.npz q.npy", "two.npz: expected a file that hardmine topk wrote, got one without distances"),
        ("radius q.npy -r absent.npy -o out.npz", "No such file or directory: 'absent.npy'"),
        ("radius q.npy -r 30 --max-pairs 3 -o out.npz", "max_pairs: expected at most 3"),
        ("radius q.npy b.npy -r bg.npy -o out.npz", "radius: expected a number or 40 of them, one for each query, got shape"),
        ("radius q.npy -r nan -o out.npz", "radius: expected numbers, got NaN"),
        ("pairs q.npy -n 0 -o out.npz", "n_pairs: expected at least 1, got 0"),
        ("pairs q.npy --query-groups qg.npy --max-per-group 1 -o out.npz", "max_per_group: expected None beside base=None"),
        ("pairs q.npy --metric hamming -o out.npz", "queries: expected packed codes, uint8, got float32"),
        ("topk q.npy b.npy --query-groups qg.npy -o out.npz", "base_groups: expected a group for each base row"),
        ("topk q.npy b.npy --base-mask bg.npy -o out.npz", "base_mask: expected booleans, got int64"),
        ("topk q.npy --exclude b.npy -o out.npz", "exclude: expected ids or rows of (query, base row), got shape (90, 5)"),
        ("topk q.npy --exclude two.npy -o out.npz", "exclude: expected integers, got float32"),
        ("pairs q.npy -o absent/out.npz", "absent/out.npz: expected a folder that can be written to, got absent"),
    ],
)
def test_an_error_is_one_line_and_nothing_is_written(files, capsys, line, message):
    before = sorted(os.listdir())
    assert main(line.split()) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert captured.err.startswith("hardmine: error: ") and message in captured.err
    assert sorted(os.listdir()) == before


def test_a_radius_must_be_given(files, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["radius", "q.npy", "-o", "out.npz"])
    assert stopped.value.code == 2 and "required: -r/--radius" in capsys.readouterr().err


def test_evaluate(files, capsys):
    metrics = ("recall@1", "map", "map@r", "micro_ap@3", "median_rank")
    line = f"evaluate q.npy b.npy --query-labels qg.npy --base-labels bg.npy --junk e.npy --query-rows r.npy --metric cosine \
        --metrics {','.join(metrics)} --ties pessimistic -o out.npz"
    assert main(line.split()) == 0
    given = {"query_labels": files["qg"], "base_labels": files["bg"], "metrics": metrics}
    junk = [files["e"][files["e"][:, 0] == i, 1] for i in range(40)]
    more = {"junk": junk, "query_rows": files["r"], "metric": "cosine", "ties": "pessimistic"}
    expected = hardmine.retrieval_metrics(files["q"], files["b"], **given, **more)
    assert capsys.readouterr().out == expected.summary() + "\n"
    with np.load("out.npz") as saved:
        assert sorted(saved.files) == sorted(["total", *expected.per_query])
        np.testing.assert_array_equal(saved["map@r"], expected.per_query["map@r"])
    assert main(["topk", "q.npy", "b.npy", "-k", "9", "-o", "near.npz"]) == 0
    assert main(["evaluate", "near.npz", "--relevant", "e.npy", "--metrics", "map@5,recall@3"]) == 0
    expected = hardmine.retrieval_metrics(
        hardmine.topk(files["q"], files["b"], k=9), relevant=junk, metrics=("map@5", "recall@3")
    )
    assert capsys.readouterr().out.endswith(expected.summary() + "\n")
    assert main(["evaluate", "q.npy", "--query-labels", "qg.npy", "--metrics", "best"]) == 2
    assert "hardmine: error: metrics: expected one of map, map@r" in capsys.readouterr().err
