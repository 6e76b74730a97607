"""What lies in the folder of a job, who has it, and what goes wrong with it: clear errors, and nothing finished is lost."""

import errno
import json
import os
import re
import stat
import subprocess
import sys

import numpy as np
import pytest

import hardmine
from hardmine.jobs import folder as folders
from pieces import Ended, ended_after, small_pieces

rng = np.random.default_rng(5)
X = rng.standard_normal((40, 4)).astype(np.float32)
Y = rng.standard_normal((30, 4)).astype(np.float32)
OPTIONS = {
    "metric": "euclidean",
    "where": hardmine.Filter(
        query_groups=np.arange(40) % 3,
        base_groups=np.arange(30) % 3,
        exclude=[[1, 2]] * 40,
        base_mask=np.arange(30) != 7,
        nearer_than=9.0,
        farther_than=np.full(40, 0.1),
    ),
}


def begun(path, pieces=3, **given):
    """A job that was ended."""
    with small_pieces(4), pytest.raises(Ended), ended_after(pieces):
        hardmine.topk(X, Y, 3, checkpoint=path, **given)


def names(path):
    return sorted(os.listdir(path))


def test_files_and_what_they_say(tmp_path):
    path = tmp_path / "new" / "job"
    begun(path)
    assert names(path) == ["lock", "manifest.json", *(f"neighbors-{i:06d}.npz" for i in range(3))]
    manifest = json.loads((path / "manifest.json").read_text())
    assert {name: manifest[name] for name in ("format", "hardmine", "function")} == {
        "format": 1,
        "hardmine": hardmine.__version__,
        "function": "topk",
    }
    about = manifest["searches"]["neighbors"]["about"]
    assert about["shape of queries"] == [40, 4] and about["k"] == 3 and about["metric"] == "sqeuclidean"
    with np.load(path / "neighbors-000001.npz") as piece:
        assert (piece["indices"] == hardmine.topk(X, Y, 3).indices[4:8]).all()
    assert folders.told(path).endswith("topk goes on: 3 of 10 pieces of neighbors are done, 7 are left")


def test_what_is_told_of_results_that_grow_and_of_several_parts(tmp_path):
    with small_pieces(4), pytest.raises(Ended), ended_after(3):
        hardmine.closest_pairs(X, Y, n_pairs=9, checkpoint=tmp_path / "closest")
    assert folders.told(tmp_path / "closest").endswith("closest_pairs goes on: 3 of 10 pieces of pairs are done, 7 are left")
    assert names(tmp_path / "closest")[2:] == ["pairs-000001.npz", "pairs-000002.npz"], "the newest and the one before"
    with small_pieces(7), pytest.raises(Ended), ended_after(8):
        hardmine.find_overlap(X, Y, k=3, checkpoint=tmp_path / "overlap")
    said = folders.told(tmp_path / "overlap").split(": ")[-1].split("; ")
    assert said == [
        "5 of 5 pieces of evaluation are done, 0 are left",
        "3 of 6 pieces of train are done, 3 are left",
    ]


def moved(index, by=1.0):
    changed = X.copy()
    changed[index] += by
    return changed


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"queries": moved((0, 0))}, "content of queries"),
        ({"queries": moved((39, 3))}, "content of queries"),
        ({"queries": moved((17, 2), 1e-6)}, "content of queries"),
        ({"base": Y[::-1]}, "content of base"),
        ({"base": None, "where": None}, "shape of base"),
        ({"base": Y[:-1], "where": None}, "shape of base"),
        ({"queries": X.astype(np.float64)}, "dtype of queries"),
        ({"k": 4}, "k"),
        ({"metric": "cosine"}, "metric"),
        ({"query_rows": np.full(40, 3)}, "query_rows"),
        ({"where": {"query_groups": np.arange(40) % 4}}, "query_groups"),
        ({"where": {"base_groups": np.arange(30) % 2}}, "base_groups"),
        ({"where": {"groups": "same"}}, "groups"),
        ({"where": {"exclude": [[1, 3]] * 40}}, "exclude_indices"),
        ({"where": {"base_mask": np.arange(30) != 8}}, "base_mask"),
        ({"where": {"nearer_than": 8.0}}, "nearer_than"),
        ({"where": {"farther_than": 0.2}}, "farther_than"),
        ({"where": {"max_per_group": 1}}, "max_per_group"),
        ({"where": None}, "groups"),
    ],
)
def test_a_changed_input_is_an_error_that_says_which(tmp_path, change, name):
    begun(tmp_path, **OPTIONS)
    before = {file: (tmp_path / file).read_bytes() for file in names(tmp_path) if file != "lock"}
    where = change.get("where", {})
    fields = {} if where is None else {**vars(OPTIONS["where"]), **where}
    arguments = {"queries": X, "base": Y, "k": 3, **OPTIONS, **change, "where": hardmine.Filter(**fields)}
    with pytest.raises(ValueError, match=rf"^checkpoint: expected the {name} that .* was begun with \(neighbors"):
        hardmine.topk(**arguments, checkpoint=tmp_path)
    assert before == {file: (tmp_path / file).read_bytes() for file in names(tmp_path) if file != "lock"}
    with small_pieces(4):
        found = hardmine.topk(X, Y, 3, checkpoint=tmp_path, **OPTIONS)
    assert (found.indices == hardmine.topk(X, Y, 3, **OPTIONS).indices).all()


def test_folders_that_are_not_of_this_call(tmp_path):
    begun(tmp_path / "job")
    with pytest.raises(ValueError, match=r"checkpoint: expected a folder of function radius_neighbors, got .* one of topk"):
        hardmine.radius_neighbors(X, Y, 1.0, checkpoint=tmp_path / "job")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.tex").write_text("all of it")
    (tmp_path / "file").write_text("")
    begun(tmp_path / "both")
    (tmp_path / "both" / "result.npz").write_text("mine")
    begun(tmp_path / "orphans")
    (tmp_path / "orphans" / "manifest.json").unlink()
    begun(tmp_path / "torn")
    (tmp_path / "torn" / "manifest.json").write_text('{"format": 1, ')
    for name, message in {
        "foreign": "expected a folder of its own, empty or one of an earlier call, got .* with thesis.tex",
        "file": "expected a folder, got the file",
        "both": "expected a folder of its own.*with result.npz",
        "orphans": "expected a folder of its own.*with neighbors-000000.npz",
        "torn": "expected .*manifest.json as hardmine wrote it, got something else",
    }.items():
        before = names(tmp_path / name) if name != "file" else None
        with pytest.raises((ValueError, OSError), match="checkpoint: " + message):
            hardmine.topk(X, Y, 3, checkpoint=tmp_path / name)
        assert before is None or set(names(tmp_path / name)) - {"lock"} == set(before) - {"lock"}, "nothing is deleted"
    for file, value in (("format", 2), ("hardmine", "0.0")):
        begun(tmp_path / file)
        manifest = tmp_path / file / "manifest.json"
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {file: value}))
        with pytest.raises(ValueError, match=f"checkpoint: expected a folder of {file} .*, got .* one of {value}"):
            hardmine.topk(X, Y, 3, checkpoint=tmp_path / file)
    with pytest.raises(TypeError, match="checkpoint: expected the path of a folder, got int"):
        hardmine.topk(X, Y, 3, checkpoint=7)


def test_a_piece_of_another_job_is_told(tmp_path):
    begun(tmp_path / "a")
    begun(tmp_path / "b", metric="cosine")
    (tmp_path / "a" / "neighbors-000001.npz").write_bytes((tmp_path / "b" / "neighbors-000001.npz").read_bytes())
    with pytest.raises(ValueError, match=r"checkpoint: expected pieces of one job, got .*a/neighbors-000001.npz"):
        hardmine.topk(X, Y, 3, checkpoint=tmp_path / "a")


def test_damaged_and_vanished_pieces_are_done_again(tmp_path):
    """Cut anywhere, or with a byte changed anywhere: never a wrong result."""
    expected = hardmine.topk(X, Y, 3)
    with small_pieces(4):
        hardmine.topk(X, Y, 3, checkpoint=tmp_path)
        path = tmp_path / "neighbors-000003.npz"
        whole = path.read_bytes()
        cut = [whole[:size] for size in (0, 1, 20, len(whole) // 2, len(whole) - 1)]
        for place in range(0, len(whole), 37):
            cut.append(whole[:place] + bytes([whole[place] ^ 0x40]) + whole[place + 1 :])
        for content in [None, *cut]:
            if content is None:
                path.unlink()
            else:
                path.write_bytes(content)
            found = hardmine.topk(X, Y, 3, checkpoint=tmp_path)
            assert found.distances.tobytes() == expected.distances.tobytes()
            assert found.indices.tobytes() == expected.indices.tobytes()
        hardmine.closest_pairs(X, n_pairs=9, checkpoint=tmp_path / "closest")
        newest = sorted((tmp_path / "closest").glob("pairs-*.npz"))[-1]
        newest.write_bytes(newest.read_bytes()[:100])
        with ended_after(1):  # the result of the piece before is still there
            again = hardmine.closest_pairs(X, n_pairs=9, checkpoint=tmp_path / "closest")
    assert (again.distances == hardmine.closest_pairs(X, n_pairs=9).distances).all()


def test_what_a_killed_process_was_writing_is_removed(tmp_path):
    begun(tmp_path)
    (tmp_path / ".neighbors-000003.4711.npz").write_bytes(b"half")
    (tmp_path / ".nfs0001").write_bytes(b"the system's")
    with small_pieces(4):
        hardmine.topk(X, Y, 3, checkpoint=tmp_path)
    assert [name for name in names(tmp_path) if name.startswith(".")] == [".nfs0001"]


def test_a_full_disk(tmp_path, monkeypatch):
    expected = hardmine.topk(X, Y, 3)
    left = [9000]

    def full(number):
        left[0] -= 0 if stat.S_ISDIR(os.fstat(number).st_mode) else os.fstat(number).st_size
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, small_pieces(4):
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match=r"checkpoint: .*neighbors-00000.* could not be written .*No space left.* is kept"):
            hardmine.topk(X, Y, 3, checkpoint=tmp_path)
    assert not [name for name in names(tmp_path) if name.startswith(".")]
    done = len(list(tmp_path.glob("neighbors-*.npz")))
    assert done > 0
    with small_pieces(4), ended_after(10 - done):
        found = hardmine.topk(X, Y, 3, checkpoint=tmp_path)
    assert found.indices.tobytes() == expected.indices.tobytes()


LIMITED = """
import resource, signal, sys
import numpy as np
import hardmine
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
x = np.arange(4000, dtype=np.float32).reshape(2000, 2)
try:
    hardmine.topk(x[:1000], x, 5, checkpoint=sys.argv[1])
except OSError as error:
    print(error)
"""


def test_a_file_that_the_system_refuses(tmp_path):
    """Writing fails in the middle of a file: nothing of it is left."""
    said = subprocess.run([sys.executable, "-c", LIMITED, tmp_path], capture_output=True, text=True, check=True).stdout
    assert re.match("checkpoint: .*neighbors-000000.npz could not be written", said)
    assert names(tmp_path) == ["lock", "manifest.json"]


def test_a_folder_that_vanishes(tmp_path, monkeypatch):
    path = tmp_path / "job"
    write = folders.Folder.write

    def vanishing(self, search, number, *args):
        if number == 2:
            path.rename(tmp_path / "elsewhere")
        write(self, search, number, *args)

    monkeypatch.setattr(folders.Folder, "write", vanishing)
    with small_pieces(4), pytest.raises(OSError, match=r"checkpoint: .*neighbors-000002.npz could not be written"):
        hardmine.topk(X, Y, 3, checkpoint=path)
    monkeypatch.undo()
    with small_pieces(4), ended_after(8):
        hardmine.topk(X, Y, 3, checkpoint=tmp_path / "elsewhere")


def test_a_folder_that_cannot_be_written_to(tmp_path, monkeypatch):
    """Told before any work, also to root, whom no permission stops."""
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    monkeypatch.setattr("hardmine.search.topk.scan", None)
    with pytest.raises(PermissionError, match="checkpoint: expected a folder that can be written to"):
        hardmine.topk(X, Y, 3, checkpoint=tmp_path)
    monkeypatch.undo()
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"checkpoint: expected a folder that can be made, got .*file/job"):
        hardmine.topk(X, Y, 3, checkpoint=tmp_path / "file" / "job")


WAITING = """
import sys
import numpy as np
import hardmine
x = np.zeros((3000, 64), np.float32)
def wait(done, total):
    print("begun", flush=True)
    sys.stdin.read()
hardmine.topk(x, x.copy(), 3, checkpoint=sys.argv[1], progress=wait)
"""


def test_two_processes_at_once(tmp_path):
    """The second says who the first is, at once; when it is gone, however, the folder is free."""
    with subprocess.Popen([sys.executable, "-c", WAITING, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdout.readline() == b"begun\n"
        with pytest.raises(
            RuntimeError, match=f"checkpoint: expected a folder that nobody else .* which process {first.pid} has"
        ):
            hardmine.topk(X, Y, 3, checkpoint=tmp_path)
        first.kill()
    with pytest.raises(ValueError, match="was begun with"):
        hardmine.topk(X, Y, 3, checkpoint=tmp_path)
    with folders.opened(tmp_path, "topk"), pytest.raises(RuntimeError, match=f"which process {os.getpid()} has"):
        hardmine.topk(X, Y, 3, checkpoint=tmp_path)
    with folders.opened(tmp_path / "again", "topk"), pytest.raises(RuntimeError, match=f"process {os.getpid()} has"):
        hardmine.topk(X, Y, 3, checkpoint=tmp_path / "again")


def test_files_are_on_the_disk_before_they_have_their_names(tmp_path, monkeypatch):
    """As a machine that loses power wants it."""
    order = []
    sync, replace = os.fsync, type(tmp_path).replace
    monkeypatch.setattr(os, "fsync", lambda number: (order.append(os.readlink(f"/proc/self/fd/{number}")), sync(number)))
    monkeypatch.setattr(type(tmp_path), "replace", lambda a, b: (order.append(f"{a} to {b.name}"), replace(a, b)))
    hardmine.topk(X, Y, 3, checkpoint=tmp_path)
    partial, renamed, folder = order[-3:]
    assert re.search(r"\.neighbors-000000\.\d+\.npz$", partial)
    assert renamed == f"{partial} to neighbors-000000.npz" and folder == str(tmp_path)
