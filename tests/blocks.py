"""What only tests vary: the size of converted blocks; for `topk` the base rows packed at a time, and counts of near rows."""

import contextlib

from hardmine import _arrays
from hardmine._arguments import check_threads
from hardmine.search.filter import check_filter
from hardmine.search.neighbors import Neighbors
from hardmine.search.sides import check_rows
from hardmine.search.topk import scan


@contextlib.contextmanager
def converted_blocks(size):
    """Rows that must be converted come in blocks of `size` bytes, so that even few make many blocks."""
    before = _arrays.BLOCK_BYTES
    _arrays.BLOCK_BYTES = size
    try:
        yield
    finally:
        _arrays.BLOCK_BYTES = before


def topk_in_blocks(
    queries, base, k, *, block, metric="sqeuclidean", where=None, query_rows=None, bits=None, threads=None, too_near=None
):
    """Neighbors of NumPy arrays."""
    q, b = check_rows(queries, base, metric, bits)
    allowed = check_filter(where, query_rows, q.count, b.count, self_join=q is b)
    found = scan(q, b, k, metric=metric, allowed=allowed, threads=check_threads(threads), block=block, too_near=too_near)
    return Neighbors(*found, metric)
