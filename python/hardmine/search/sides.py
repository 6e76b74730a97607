"""The two sides of a comparison: queries and base, rows of the metric's kind."""

from __future__ import annotations

from hardmine import _arguments
from hardmine._arrays import ArrayLike, CodeRows, FloatRows, Rows
from hardmine.search.metric import METRICS


def check_rows(queries: ArrayLike, base: ArrayLike | None, metric: str, bits: int | None) -> tuple[Rows, Rows]:
    """Both sides as rows of the metric's kind, one object where the queries are searched against themselves."""
    _arguments.one_of("metric", metric, METRICS)
    q: Rows
    b: Rows
    if metric == "hamming":
        q = CodeRows("queries", queries, bits)
        b = q if base is None else CodeRows("base", base)
    else:
        if bits is not None:
            raise ValueError(f'bits: expected None beside metric="{metric}", got {bits}')
        q = FloatRows("queries", queries)
        b = q if base is None else FloatRows("base", base)
    if b.width != q.width:
        unit = "bytes" if metric == "hamming" else "numbers"
        raise ValueError(f"base: expected rows of {q.width} {unit} like queries, got shape ({b.count}, {b.width})")
    if isinstance(q, CodeRows) and isinstance(b, CodeRows):
        b.bits = q.bits
    return q, b
