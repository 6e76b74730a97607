"""kill -9 at random moments, again and again: the job goes on, loses a piece at most, and ends with the same bits."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import hardmine

pytestmark = pytest.mark.slow

MOMENTS, SECONDS = 50, 15  # that many kills, or as many as there is time for

# One process serves as many runs as it is left alive for: the children it forks are what is killed.
SERVER = """
import os, signal, sys
import numpy as np
import hardmine
from hardmine.jobs import pieces
pieces.WORK, pieces.LEAST_ROWS, pieces.FILE_BYTES, pieces.WORK_PER_BYTE = 1, 20, 1, 0
x = np.load(sys.argv[1])
calls = {
    "topk": lambda: hardmine.topk(x, x[::-1].copy(), 5, threads=1, checkpoint=sys.argv[2] + "/topk"),
    "near": lambda: hardmine.closest_pairs(x, n_pairs=50, threads=1, checkpoint=sys.argv[2] + "/near"),
}
for name in map(str.strip, sys.stdin):
    child = os.fork()
    if child == 0:
        calls[name]()
        os._exit(0)
    print(child, flush=True)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


@pytest.mark.parametrize("name", ["topk", "near"])
def test_killed_at_random_moments(tmp_path, name):
    x = np.random.default_rng(3).standard_normal((2000, 16)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    moments, ended, kills = random.Random(name), False, 0
    command = [sys.executable, "-c", SERVER, tmp_path / "x.npy", tmp_path]
    begin = time.monotonic()

    def finished():
        """The number of the last piece that is there, from 1."""
        return max((int(path.stem[-6:]) + 1 for path in (tmp_path / name).glob("[np]*-*.npz")), default=0)

    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:

        def alive(child):
            try:
                os.kill(child, 0)
            except ProcessLookupError:
                return False
            return True

        def run(more=None):
            """Whether a run came to its end before it was killed, a moment after so many pieces."""
            enough = None if more is None else finished() + more
            server.stdin.write(f"{name}\n")
            server.stdin.flush()
            child = int(server.stdout.readline())
            if enough is not None:
                while finished() < enough and alive(child):
                    time.sleep(0.001)
                time.sleep(moments.uniform(0, 0.01))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            code = int(server.stdout.readline())
            assert code in (0, -9)
            return code == 0

        while not ended and kills < MOMENTS // 2 and time.monotonic() - begin < SECONDS / 2:
            before = finished()
            ended = run(moments.randint(0, 4))
            kills += not ended
            assert finished() >= before, "what was finished is kept"
        assert finished() > 0
        if not ended:
            assert run()
        server.stdin.close()
    assert kills >= 3
    if name == "topk":
        found = hardmine.topk(x, x[::-1].copy(), 5, checkpoint=tmp_path / name)
        expected = hardmine.topk(x, x[::-1].copy(), 5)
    else:
        found = hardmine.closest_pairs(x, n_pairs=50, checkpoint=tmp_path / name)
        expected = hardmine.closest_pairs(x, n_pairs=50)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(found, expected))
