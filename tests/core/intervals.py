"""The intervals of the screens, what must be true of them, and rows whose sums err as much as sums can."""

import numpy as np
import pytest

import hardmine
import reference
from hardmine import Filter, _core
from hardmine.search.metric import FLOAT_METRICS
from isas import using_screen
from reference import assert_same

U = 2.0**-24
SCREENS = pytest.mark.parametrize("screen", ["many", "few", "int8", "int8 again", "bf16", "bf16 again"])
FRAMED = pytest.mark.parametrize(
    "screen", ["many", "int8", "int8 again", "bf16", "bf16 again"]
)  # those that pack rows in the frame
IN_PLACE = pytest.mark.parametrize("screen", ["few", "int8 again", "bf16 again"])  # those that sum rows where they lie
DIRECTIONS = pytest.mark.parametrize("way", [-1, 1], ids=["lost", "doubled"])


def g(n):
    return n * U / (1 - n * U)


def intervals(q, b, metric, screen="many"):
    return _core.intervals(np.float32(q), np.float32(b), FLOAT_METRICS[metric], screen)


def assert_inside(q, b, metric, screen="many"):
    true = reference.rounded(q, b, metric)
    lower, upper = intervals(q, b, metric, screen)
    assert (lower <= true).all()
    assert (true <= upper).all()


def assert_found(q, b, metric, screen="many"):
    """Every pair is found in a window that holds its canonical distance alone."""
    true = reference.rounded(q, b, metric)
    at = true.reshape(-1)
    queries, true = np.repeat(q, len(b), axis=0), np.repeat(true, len(b), axis=0)
    few = screen == "few"
    if not few and len(queries) < 9:
        queries, at, true = np.repeat(queries, 9, axis=0), np.repeat(at, 9), np.repeat(true, 9, axis=0)
    end, start = np.nextafter(at, np.inf), np.nextafter(at, -np.inf)
    allowed = (start[:, None] < true) & (true < end[:, None])
    step = 8 if few else len(queries)
    for i in range(0, len(queries), step):
        rows = slice(i, i + step)
        window = Filter(nearer_than=end[rows], farther_than=start[rows])
        with using_screen(screen[:4] if screen[:4] in ("int8", "bf16") else "float32"):
            found = hardmine.topk(queries[rows], b, len(b), metric=metric, where=window)
        assert_same(found, reference.topk(queries[rows], b, len(b), metric, allowed[rows]))


def assert_holds(q, b, metric, screen="many"):
    assert_inside(q, b, metric, screen)
    assert_found(q, b, metric, screen)


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


def join(x, **filters):
    """The nearest of each row, of those in other groups, by the scan that serves both sides and by the oracle."""
    assert len(x) >= 2048 and x.size >= 2**19  # else the plain scan serves
    return hardmine.topk(x, k=2, where=Filter(**filters["where"]), metric=filters["metric"])


def assert_joined(x, special, metric, wanting=True):
    """Rows `special` are a group of their own: each other row finds them in windows that end just after their distance.

    Unless they are `wanting`, they have windows in which nothing is, so that the bounds of other rows alone let pairs through.
    """
    group = np.zeros(len(x), np.int64)
    group[special] = 1
    true = reference.rounded(x[special], x, metric)
    others = np.flatnonzero(group == 0)
    nearest = true.min(axis=0)
    limit = np.where(group == 0, np.nextafter(nearest, np.inf), np.inf if wanting else -1e30).astype(np.float32)
    found = join(x, metric=metric, where={"query_groups": group, "nearer_than": limit})
    first = np.array(special)[true.argmin(axis=0)]
    np.testing.assert_array_equal(found.indices[others, 0], first[others])
    np.testing.assert_array_equal(found.distances[others, 0], nearest[others])
    if not wanting:
        assert (found.indices[special] == -1).all()
        return
    for i, row in zip(special, true):
        order = [j for j in np.lexsort((np.arange(len(x)), row)) if group[j] == 0][:2]
        np.testing.assert_array_equal(found.indices[i], order)
