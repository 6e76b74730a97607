"""The two sides of a comparison: queries and base, rows of the metric's kind."""

from __future__ import annotations

from collections.abc import Iterator

from hardmine import _arguments, _arrays
from hardmine._arrays import ArrayLike, Block, CodeRows, FloatRows, Rows
from hardmine.search.index import Base, Index, IndexRows
from hardmine.search.metric import METRICS


def check_rows(
    queries: ArrayLike, base: Base | None, metric: str, bits: int | None, names: tuple[str, str] = ("queries", "base")
) -> tuple[Rows, Rows]:
    """Both sides as rows of the metric's kind, one object where the queries are searched against themselves."""
    _arguments.one_of("metric", metric, METRICS)
    of_queries, of_base = names
    if isinstance(queries, Index):
        raise TypeError(f"{of_queries}: expected an array, got an Index, which is a base")
    q: Rows
    b: Rows
    if metric == "hamming":
        q = CodeRows(of_queries, queries, bits)
        assert not isinstance(base, Index)  # whose metric is another
        b = q if base is None else CodeRows(of_base, base)
    else:
        if bits is not None:
            raise ValueError(f'bits: expected None beside metric="{metric}", got {bits}')
        q = FloatRows(of_queries, queries)
        b = q if base is None else IndexRows(of_base, base) if isinstance(base, Index) else FloatRows(of_base, base)
    if b.width != q.width:
        unit = "bytes" if metric == "hamming" else "numbers"
        raise ValueError(f"{of_base}: expected rows of {q.width} {unit} like {of_queries}, got shape ({b.count}, {b.width})")
    if isinstance(q, CodeRows) and isinstance(b, CodeRows):
        b.bits = q.bits
    return q, b


QUERY_BLOCKS = 4  # blocks of the base, 128 MiB, of which two are held: so much less often is the base decoded


def query_blocks(queries: Rows, base: Rows, begin: int = 0, end: int | None = None) -> Iterator[Block]:
    """The blocks of the queries, larger ones where each means that the base is decoded once more."""
    return queries.blocks(begin, end, _arrays.BLOCK_BYTES * (QUERY_BLOCKS if base.decoded else 1))


def blocks_beside(q_block: Block, queries: Rows, base: Rows) -> Iterator[Block]:
    """The blocks of the base in their order; of an array with itself `q_block` is one of them, and the core sees one array."""
    if base is not queries:
        yield from base.blocks()
        return
    end = q_block.first + len(q_block.rows)
    if q_block.first > 0:
        yield from base.blocks(0, q_block.first)
    yield q_block
    if end < base.count:
        yield from base.blocks(end)
