"""What the pieces of a search depend on: every option, rows read whole or in part, and the digest that each piece carries."""

import numpy as np
import pytest

import hardmine
from hardmine.jobs import folder as folders
from hardmine.jobs.fingerprint import of_array

X = np.random.default_rng(5).standard_normal((40, 4)).astype(np.float32)


def test_options_of_pair_searches(tmp_path):
    calls = {
        "radius": (hardmine.radius_neighbors, {"radius": 1.0}, {"radius": 1.5}, "radius"),
        "pairs": (hardmine.closest_pairs, {"n_pairs": 5}, {"n_pairs": 6}, "n_pairs"),
        "edges": (hardmine.distance_histogram, {"edges": [0, 1, 2]}, {"edges": [0, 1, 3]}, "thresholds"),
        "groups": (
            hardmine.distance_histogram,
            {"edges": [0, 1], "groups": np.arange(40) % 3},
            {"edges": [0, 1], "groups": np.arange(40) % 2},
            "groups_of_queries",
        ),
        "threshold": (hardmine.near_duplicates, {"threshold": 0.1}, {"threshold": 0.2}, "radius"),
    }
    for folder, (function, before, after, name) in calls.items():
        function(X, **before, checkpoint=tmp_path / folder)
        with pytest.raises(ValueError, match=f"checkpoint: expected the {name} that"):
            function(X, **after, checkpoint=tmp_path / folder)


def test_what_was_not_there_before_is_noticed_too(tmp_path):
    cut = {"pieces": 1, "rows": 9, "grows": False}
    with folders.opened(tmp_path / "job", "topk") as folder:
        folder.begin("neighbors", {"k": 3}, "neighbors", cut)
        with pytest.raises(
            ValueError, match=r"checkpoint: expected the content of base that .* \(neighbors: None\), got 12ab"
        ):
            folder.begin("neighbors", {"k": 3, "content of base": "12ab"}, "neighbors", cut)
    codes = np.zeros((9, 2), np.uint8)
    hardmine.topk(codes, k=3, metric="hamming", bits=16, checkpoint=tmp_path / "bits")
    with pytest.raises(ValueError, match="checkpoint: expected the bits that"):
        hardmine.topk(codes, k=3, metric="hamming", bits=15, checkpoint=tmp_path / "bits")


def test_arrays_of_other_shapes_and_dtypes_are_others():
    zeros = np.zeros((2, 6), np.float32)
    others = [zeros, zeros.reshape(3, 4), zeros.view(np.int32), zeros + 1, zeros[:0]]
    assert len({of_array(array) for array in others}) == len(others)
    assert of_array(np.asfortranarray(zeros)) == of_array(zeros)


def test_few_rows_are_read_whole(tmp_path):
    x = np.zeros((2000, 4), np.float32)
    hardmine.distance_histogram(x[:3], x, [0, 1], checkpoint=tmp_path)
    for row in range(7, 2000, 100):
        changed = x.copy()
        changed[row, 3] = 1
        with pytest.raises(ValueError, match="content of base"):
            hardmine.distance_histogram(x[:3], changed, [0, 1], checkpoint=tmp_path)


def test_of_many_rows_some_are_read(tmp_path, monkeypatch):
    """The first, the last, and runs between them; not all."""
    monkeypatch.setattr("hardmine.jobs.fingerprint.WHOLE", 0)
    x = np.zeros((20_000, 2), np.float32)
    hardmine.distance_histogram(x[:3], x, [0, 1], checkpoint=tmp_path)
    noticed = []
    for row in (0, 15, 16, 9_000, 19_984, 19_999):
        changed = x.copy()
        changed[row] = 1
        try:
            hardmine.distance_histogram(x[:3], changed, [0, 1], checkpoint=tmp_path)
        except ValueError as error:
            assert "content of base" in str(error)
            noticed.append(row)
    assert {0, 15, 19_984, 19_999} <= set(noticed)
    for row in range(0, 20_000, 2_000):  # no large gap
        changed = x.copy()
        changed[row : row + 2_000] = 1
        with pytest.raises(ValueError, match="content of base"):
            hardmine.distance_histogram(x[:3], changed, [0, 1], checkpoint=tmp_path)


def test_a_digest_is_of_all_that_pieces_depend_on(tmp_path):
    cut = {"pieces": 2, "rows": 9, "grows": False}
    one = ("topk", {"k": 3}, "neighbors", cut)
    others = [("mine", *one[1:]), (one[0], {"k": 4}, *one[2:]), (*one[:2], "others", cut), (*one[:3], {**cut, "rows": 8})]
    digests = []
    for number, (function, about, part, its_cut) in enumerate([one, *others, one]):
        with folders.opened(tmp_path / str(number), function) as folder:
            digests.append(folder.begin("neighbors", about, part, its_cut)[1])
    assert len(set(digests)) == 5 and digests[0] == digests[-1]
