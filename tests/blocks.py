"""`topk` with what only tests vary: the base rows packed at a time, and the counts of rows that are too near."""

from hardmine._arguments import check_threads
from hardmine.search.filter import check_filter
from hardmine.search.neighbors import Neighbors
from hardmine.search.sides import check_rows
from hardmine.search.topk import scan


def topk_in_blocks(
    queries, base, k, *, block, metric="sqeuclidean", where=None, query_rows=None, bits=None, threads=None, too_near=None
):
    """Neighbors of NumPy arrays."""
    q, b = check_rows(queries, base, metric, bits)
    allowed = check_filter(where, query_rows, q.count, b.count, self_join=q is b)
    found = scan(q, b, k, metric=metric, allowed=allowed, threads=check_threads(threads), block=block, too_near=too_near)
    return Neighbors(*found, metric)
