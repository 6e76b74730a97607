"""What only tests vary: how small the pieces of a job are, and when it is ended."""

import contextlib

from hardmine.jobs import folder, pieces
from hardmine.search import kept_join


class Ended(Exception):
    """A process that is killed, as far as files are concerned."""


@contextlib.contextmanager
def small_pieces(rows, slab=0):
    """Searches come in pieces of at most so many queries; joins of one array in slabs of so many rows, one or two a piece."""
    saved = pieces.WORK, pieces.LEAST_ROWS, pieces.FILE_BYTES, pieces.WORK_PER_BYTE, kept_join.SLAB
    pieces.WORK, pieces.LEAST_ROWS, pieces.FILE_BYTES, pieces.WORK_PER_BYTE, kept_join.SLAB = 1, rows, 1, 0, slab
    try:
        yield
    finally:
        pieces.WORK, pieces.LEAST_ROWS, pieces.FILE_BYTES, pieces.WORK_PER_BYTE, kept_join.SLAB = saved


@contextlib.contextmanager
def ended_after(pieces_written):
    """The call ends before it writes another piece."""
    write, left = folder.Folder.write, [pieces_written]

    def counted(*args):
        left[0] -= 1
        if left[0] < 0:
            raise Ended
        write(*args)

    folder.Folder.write = counted
    try:
        yield
    finally:
        folder.Folder.write = write


def in_runs(call, path, pieces_a_run=1, most=1000):
    """The result of a call that is ended after every few pieces and called again, and the number of runs."""
    for run in range(1, most):
        try:
            with ended_after(pieces_a_run):
                return call(checkpoint=path), run
        except Ended:
            continue
    raise AssertionError("it never ended")
