"""Negatives drawn uniformly from all allowed rows of a query, against the cost, over-fitting and bias of the hardest alone.

Rows are drawn by number and refused if they are not allowed, a few at a time for all queries; a query that allows so few
rows that this does not end gets its allowed rows listed. Either way each allowed row is equally likely, and the draw is a
function of the seed and the query's number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hardmine import _random
from hardmine._arrays import Floats, Ints
from hardmine._lists import RowLists
from hardmine.mining.drawing import FILL
from hardmine.mining.limits import ScoreLimits
from hardmine.mining.options import Options
from hardmine.mining.positives import Positives

TRIES = 16  # rows drawn at a time
ROUNDS = 8  # times until a query's allowed rows are listed


def draw_random(
    score: Callable[[Ints, Ints], Floats],
    m: int,
    taken: Ints,
    known: Positives,
    refused: RowLists | None,
    limits: ScoreLimits,
    options: Options,
    query_ids: Ints,
) -> tuple[Ints, Floats]:
    """(indices, scores) of shape (n, num_random), -1 and -inf where a query allows too few; none of those in `taken`.

    `score` gives those of listed pairs, `m` is the number of base rows.
    """
    wanted, seed, n = options.num_random, options.seed, len(taken)
    found = np.full((n, wanted), -1, np.int64)

    def allowed(rows: Ints, cols: Ints) -> Any:
        """Which of the candidates (rows, tries) of some queries may be taken now."""
        row = rows[:, None]
        good = ~known.same_label(row, cols)  # `refused` has the listed ones
        if known.own_rows is not None:
            good &= cols != known.own_rows[row]
        if refused is not None:
            good &= ~refused.contains(row, cols)
        have = np.concatenate([taken[rows], found[rows]], axis=1)
        good &= ~(cols[:, :, None] == have[:, None, :]).any(axis=2)
        if options.max_per_label is not None and known.base_labels is not None:
            same = (known.base_labels[cols][:, :, None] == known.base_labels[have][:, None, :]) & (have >= 0)[:, None, :]
            good &= same.sum(axis=2) < options.max_per_label
        if limits.limited:
            at, column = np.nonzero(good)
            scores = np.full(cols.shape, np.nan)
            scores[at, column] = score(rows[at], cols[at, column])
            good &= limits.of(rows).passes(scores)
        return good

    may_find = np.broadcast_to(~limits.nothing() & (m > 0), n).copy()  # queries that may have rows left
    for slot in range(wanted):
        rows = np.flatnonzero(may_find)
        for turn in range(ROUNDS):
            tries = np.arange(TRIES) + TRIES * (slot * ROUNDS + turn)
            cols = (_random.uniform(seed, FILL, query_ids[rows, None], tries) * m).astype(np.int64)
            good = allowed(rows, cols)
            hit = good.any(axis=1)
            found[rows[hit], slot] = cols[hit, good[hit].argmax(axis=1)]
            rows = rows[~hit]
            if len(rows) == 0:
                break
        for row in rows:  # few rows are allowed: list them
            one = np.array([row])
            everything = np.arange(m)[None, :]
            rest = np.flatnonzero(allowed(one, everything)[0])
            may_find[row] = len(rest) > 0
            if len(rest):
                u = _random.uniform(seed, FILL, query_ids[row], TRIES * wanted * ROUNDS + slot)
                found[row, slot] = rest[int(u * len(rest))]
    scores = np.full(found.shape, -np.inf, np.float32)
    at, column = np.nonzero(found >= 0)
    scores[at, column] = score(at, found[at, column])
    return found, scores


def by_score(taken: tuple[Ints, Floats], random: tuple[Ints, Floats]) -> tuple[Ints, Floats]:
    """(indices, scores) of both, hardest first."""
    indices, scores = np.concatenate([taken[0], random[0]], axis=1), np.concatenate([taken[1], random[1]], axis=1)
    order = np.lexsort((indices, -scores), axis=1)
    return np.take_along_axis(indices, order, axis=1), np.take_along_axis(scores, order, axis=1)
