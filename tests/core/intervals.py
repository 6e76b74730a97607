"""The intervals of the screens, what must be true of them, and rows whose sums err as much as sums can."""

import numpy as np
import pytest

import hardmine
import reference
from hardmine import Filter, _core
from hardmine.search.metric import FLOAT_METRICS
from reference import assert_same

U = 2.0**-24
SCREENS = pytest.mark.parametrize("few", [False, True], ids=["panels", "few"])
DIRECTIONS = pytest.mark.parametrize("way", [-1, 1], ids=["lost", "doubled"])


def g(n):
    return n * U / (1 - n * U)


def intervals(q, b, metric, few=False):
    return _core.intervals(np.float32(q), np.float32(b), FLOAT_METRICS[metric], few)


def assert_inside(q, b, metric, few=False):
    true = reference.rounded(q, b, metric)
    lower, upper = intervals(q, b, metric, few)
    assert (lower <= true).all()
    assert (true <= upper).all()


def assert_found(q, b, metric, few=False):
    """Every pair is found in a window that holds its canonical distance alone."""
    true = reference.rounded(q, b, metric)
    at = true.reshape(-1)
    queries, true = np.repeat(q, len(b), axis=0), np.repeat(true, len(b), axis=0)
    if not few and len(queries) < 9:
        queries, at, true = np.repeat(queries, 9, axis=0), np.repeat(at, 9), np.repeat(true, 9, axis=0)
    end, start = np.nextafter(at, np.inf), np.nextafter(at, -np.inf)
    allowed = (start[:, None] < true) & (true < end[:, None])
    step = 8 if few else len(queries)
    for i in range(0, len(queries), step):
        rows = slice(i, i + step)
        window = Filter(nearer_than=end[rows], farther_than=start[rows])
        found = hardmine.topk(queries[rows], b, len(b), metric=metric, where=window)
        assert_same(found, reference.topk(queries[rows], b, len(b), metric, allowed[rows]))


def assert_holds(q, b, metric, few=False):
    assert_inside(q, b, metric, few)
    assert_found(q, b, metric, few)


def both_signs(*rows):
    """x and -x of each row, float32; as many as a power of two, so that their mean is exact."""
    rows = np.float32(rows)
    both = np.stack([rows, -rows], axis=1).reshape(-1, rows.shape[1])
    return np.concatenate([both, both[: (1 << (len(both) - 1).bit_length()) - len(both)]])


def short_query(d, way):
    """A base row x of norm 1 and a short query: bias and chain err by half a step each time, in the same direction.

    Together 1.25 d u |x|^2. The first four components fill the four chains of the bias, and the chain of the
    screen begins with it.
    """
    near = 1 + way * 2.0**-9
    x = np.full(d, near * 2.0**-13)
    q = np.full(d, -near * 2.0**-12)
    x[:4], q[:4] = 0.5025, 0
    return np.float32(q[None]), both_signs(x)


def long_query(d, way, turn=1):
    """The same for the chain alone, which the query's first product lifts to 32 |x|^2; `turn` = -1 lowers it."""
    near = 1 + way * 2.0**-9
    x = np.full(d, near * 2.0**-10)
    q = np.full(d, -turn * near * 2.0**-10)
    x[0], q[0] = 1.005, -16.2 * turn
    if turn < 0:
        q[0] = 17.2
    return np.float32(q[None]), both_signs(x)
