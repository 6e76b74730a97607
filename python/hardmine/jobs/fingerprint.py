"""What the result of a search depends on, in a few words: shapes, dtypes, contents and options.

Rows may be more than memory holds, and reading them all may take as long as a piece of the search: of many only some are
hashed. All other arrays are hashed whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardmine._arrays import Rows
from hardmine.search.filter import CoreFilter

WHOLE = 1 << 20  # numbers that are hashed whole
RUN = 16  # rows that follow one another, of which so many runs are hashed:
RUNS = 32


def of_rows(name: str, rows: Rows) -> dict[str, Any]:
    """Shape, dtype and content: all rows of a small array; of a large one the first, the last, and runs in between."""
    content = blake2b(digest_size=8)
    for begin, end in _sample(rows.count, rows.width):
        for block in rows.blocks(begin, end):
            content.update(_bytes(block.rows))
    return {
        f"shape of {name}": [rows.count, rows.width],
        f"dtype of {name}": rows.dtype,
        f"content of {name}": content.hexdigest(),
    }


def of_search(queries: Rows, base: Rows, metric: str, allowed: CoreFilter, **options: Any) -> dict[str, Any]:
    """All that the result of a search depends on, by name; `options` are those of its function."""
    about = of_rows("queries", queries)
    if base is not queries:
        about |= of_rows("base", base)
    about |= {"metric": metric, "bits": getattr(queries, "bits", None)}
    for name, value in {**allowed._asdict(), **options}.items():
        about[name] = of_array(value) if isinstance(value, np.ndarray) else getattr(value, "name", value)
    return about


def of_array(array: NDArray[Any]) -> str:
    """Dtype, shape, and a hash of what an array holds."""
    return f"{array.dtype} {array.shape} {blake2b(_bytes(array), digest_size=8).hexdigest()}"


def _bytes(array: NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _sample(count: int, width: int) -> Iterator[tuple[int, int]]:
    """The ranges of rows that are hashed: at multiples of the golden ratio, which leave no large gap and follow no period."""
    if count * width <= WHOLE or count <= RUN * RUNS:
        yield 0, count
        return
    golden = (5**0.5 - 1) / 2
    places = {0, count - RUN} | {int((i * golden) % 1 * (count - RUN)) for i in range(1, RUNS - 1)}
    yield from ((first, first + RUN) for first in sorted(places))
