"""How searches are cut: the rule in numbers, ranges that end with the rows, and a result that grows when it is whole."""

import numpy as np

import hardmine
from hardmine.jobs import folder as folders
from hardmine.jobs.pieces import Pieces, pairs_of_piece, rows_of_piece
from pieces import small_pieces


def test_the_rule():
    """2^43 multiply-adds a thread, of rows of 32 numbers at least; more where much is written anew; files of 64 MiB."""
    assert pairs_of_piece(128, 1) == 2**36 and pairs_of_piece(128, 3) == 3 * 2**36
    assert pairs_of_piece(1, 1) == pairs_of_piece(32, 1) == 2**38
    assert pairs_of_piece(128, 1, written_anew=2**29) == 2**36 and pairs_of_piece(128, 1, written_anew=2**31) == 2**38
    assert rows_of_piece(2**36, 2**20, 1) == 2**16 and rows_of_piece(2**36, 2**40, 3) == 3 * 512
    assert rows_of_piece(2**36, 2**20, 1, row_bytes=2**16) == 2**10 and rows_of_piece(2**36, 2**20, 1, row_bytes=2**20) == 512


def test_ranges_end_with_the_rows():
    assert list(Pieces(None, "neighbors", 9, 4, {})) == [(0, 0, 4), (1, 4, 8), (2, 8, 9)]
    assert list(Pieces(None, "neighbors", 0, 4, {})) == []


def test_a_join_that_is_whole_is_its_last_piece(rng, tmp_path):
    x = rng.standard_normal((900, 8)).astype(np.float32)
    with small_pieces(100, slab=300):
        hardmine.topk(x, k=3, checkpoint=tmp_path)
    said = folders.told(tmp_path)
    done, of = said.split(" goes on: ")[1].split(" pieces of neighbors-joined are done, 0 are left")[0].split(" of ")
    assert done == of
