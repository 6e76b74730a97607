"""--checkpoint of the commands: what they say when they go on, and when something is in their way."""

from pathlib import Path

import numpy as np
import pytest

import hardmine
from hardmine.cli.command import main
from pieces import Ended, ended_after, small_pieces

COMMANDS = {
    "topk": ("topk q.npy b.npy -k 3 -o out.npz", "topk", 5),
    "radius": ("radius q.npy b.npy -r 3 -o out.npz", "radius_neighbors", 5),
    "pairs": ("pairs q.npy b.npy -n 9 -o out.npz", "closest_pairs", 5),
    "mine": ("mine q.npy b.npy --query-labels ql.npy --base-labels bl.npy -n 2 -o out.npz", "mine_hard_negatives", 10),
    "duplicates": ("duplicates q.npy -t 0.1 -o out.npz", "near_duplicates", 5),
    "overlap": ("overlap b.npy q.npy -k 2 -o out.npz", "find_overlap", 13),
}


@pytest.fixture
def files(rng, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, rows in (("q", 20), ("b", 30)):
        np.save(f"{name}.npy", rng.standard_normal((rows, 3)).astype(np.float32))
        np.save(f"{name}l.npy", np.arange(rows) % 4)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_goes_on(files, capsys, name):
    line, function, pieces = COMMANDS[name]
    assert main(line.split()) == 0
    expected = dict(np.load("out.npz"))
    job = [*line.split(), "--checkpoint", "job"]
    with small_pieces(4):
        with pytest.raises(Ended), ended_after(3):
            main(job)
        capsys.readouterr()
        with ended_after(pieces - 3):
            assert main(job) == 0
        said = capsys.readouterr().err
        assert said.startswith(f"job: {function} goes on: ") and "3 of 5 pieces of " in said and "2 are left" in said
    found = dict(np.load("out.npz"))
    assert expected.keys() == found.keys()
    assert all(found[name].tobytes() == expected[name].tobytes() for name in expected)


def test_what_is_in_the_way(files, capsys):
    Path("foreign").mkdir()
    Path("foreign/x").touch()
    line = "topk q.npy b.npy -k 3 -o out.npz --checkpoint "
    assert main(f"{line} foreign".split()) == 2
    assert "error: checkpoint: expected a folder of its own" in capsys.readouterr().err
    assert main(f"{line} job".split()) == 0
    assert "goes on" not in capsys.readouterr().err
    base = Path("b.npy")
    whole = base.read_bytes()
    base.write_bytes(whole[:-40])  # an input that was cut off
    assert main(f"{line} job".split()) == 2
    assert "b.npy: expected a .npy file of numbers" in capsys.readouterr().err
    base.write_bytes(whole)
    with ended_after(0):
        assert main(f"{line} job".split()) == 0
    assert "1 of 1 pieces of neighbors are done, 0 are left" in capsys.readouterr().err


def test_an_interrupt_says_what_is_kept(files, capsys, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(hardmine, "topk", interrupted)
    assert main(["topk", "q.npy", "b.npy", "-o", "out.npz", "--checkpoint", "job"]) == 130
    assert "interrupted; the same command goes on with what job has" in capsys.readouterr().err
