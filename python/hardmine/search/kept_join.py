"""The neighbours of all rows of one array, each pair multiplied once, in pieces that are kept."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardmine import _core
from hardmine._arrays import Ints, Rows
from hardmine._progress import Progress
from hardmine.jobs.pieces import Pieces
from hardmine.search.filter import CoreFilter
from hardmine.search.metric import FLOAT_METRICS

SLAB = 0  # rows of a slab of the join, which tests vary; 0: as many as memory allows


def join_kept(
    pieces: Pieces,
    x: Rows,
    found: dict[str, NDArray[Any]],
    metric: str,
    allowed: CoreFilter,
    threads: int,
    bar: Progress,
) -> range | Ints:
    """Answer the rows of an array as `_core.topk` does, each pair multiplied once; return those that are left, perhaps all.

    What is kept are the lists of all rows so far, and the place of the join among its slabs (docs/architecture.md).
    """
    n = x.count
    joined = np.arange(n) if allowed.base_mask is None else np.flatnonzero(allowed.base_mask)
    near, far, done, over = 0, 0, 0, False
    number, kept = pieces.latest()
    if kept is not None:
        near, far, done, over = kept.pop("place").tolist()
        for name, array in kept.items():
            found[name][:] = array
        bar.skip(2 * done)
    report, before = bar.part(n * n), done

    def tell(pairs: int, _: int) -> None:
        if report is not None:
            report(2 * (done - before + pairs), n * n)

    block = next(x.blocks())
    while not over:
        step = None
        if len(block.rows) == n:
            step = _core.self_join(
                rows=block,
                distances=found["distances"],
                indices=found["indices"],
                place=(near, far),
                most_pairs=pieces.rows,
                slab=SLAB,
                filter=allowed.core(allowed.nearer_than),
                metric=FLOAT_METRICS[metric],
                threads=threads,
                progress=None if report is None else tell,
                too_near=found.get("too_near"),
            )
        if step is not None:
            near, far, done = step[0], step[1], done + step[2]
        over = step is None or near == len(joined)
        # Of a join that gave up at once nothing need be kept but that it did: with other threads it might not.
        lists = found if near > 0 or step is not None else {}
        pieces.replace(pieces.last if over else number, place=np.array([near, far, done, over]), **lists)
        number += 1
    left = range(near, n) if allowed.base_mask is None else np.setdiff1d(np.arange(n), joined[:near])
    if "too_near" in found:
        found["too_near"][slice(near, n) if isinstance(left, range) else left] = 0  # of what a join has counted and given up
    bar.begin((n - len(left)) * n)
    return left
