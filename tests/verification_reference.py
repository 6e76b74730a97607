"""The oracle of `verify`: each query on its own, from the matrix of canonical distances and of the pairs that are allowed."""

import numpy as np

INVALID = ("missing", "outside", "own", "refused", "repeated")


def ranking(row, may, groups=None, cap=None):
    """All rows that an exact search without a limit would give, by (distance, index)."""
    taken, kept = {}, []
    for j in np.lexsort((np.arange(len(row)), row)).tolist():
        if not may[j] or (cap is not None and taken.get(groups[j], 0) == cap):
            continue
        if cap is not None:
            taken[groups[j]] = taken.get(groups[j], 0) + 1
        kept.append(j)
    return kept


def first_of_ranking(matrix, allowed, k, groups=None, cap=None):
    """What an exact search returns, (n, k)."""
    indices = np.full((len(matrix), k), -1, np.int64)
    for into, row, may in zip(indices, matrix, allowed):
        kept = ranking(row, may, groups, cap)[:k]
        into[: len(kept)] = kept
    return indices


def of_query(returned, row, may, own=-1, groups=None, cap=None):
    """What `Verification` says of one query, as a dict: its row of indices, distances and allowed rows, and its own row."""
    every = ranking(row, may, groups, cap)
    k, m = len(returned), len(row)
    exact = every[:k]
    invalid, good = dict.fromkeys(INVALID, 0), []  # good: (place, row)
    for place, j in enumerate(returned):
        if j == -1:
            continue
        if not 0 <= j < m:
            invalid["outside"] += 1
        elif j == own:
            invalid["own"] += 1
        elif not may[j]:
            invalid["refused"] += 1
        elif j in returned[:place]:
            invalid["repeated"] += 1
        else:
            good.append((place, j))
    invalid["missing"] = max(0, returned.count(-1) - (k - len(exact)))
    if cap is not None:  # the nearest of a group may stay
        for place, j in sorted(good, key=lambda one: (row[one[1]], one[0]), reverse=True):
            if sum(groups[other] == groups[j] for _, other in good) > cap:
                good.remove((place, j))
                invalid["refused"] += 1
    at = dict(good)
    equal = all(at[p] >= 0 and row[at[p]] == row[j] if p in at else False for p, j in enumerate(exact))
    equal &= all(j == -1 for j in returned[len(exact) :])

    def could_stand(j):
        nearer = [i for i in range(m) if may[i] and row[i] < row[j]]
        in_cap = cap is None or sum(groups[i] == groups[j] for i in nearer) < cap
        return in_cap and bool(exact) and row[j] <= row[exact[-1]]

    late = [sum(row[i] < row[j] for i in every) - p for p, j in good]
    return {
        "equal": equal,
        "identical": returned == exact + [-1] * (k - len(exact)),
        "recall": sum(could_stand(j) for _, j in good) / len(exact) if exact else 1.0,
        "recall_by_index": len({j for _, j in good} & set(exact)) / len(exact) if exact else 1.0,
        "rank_error": max([0, *late]),
        **invalid,
    }


def verify(indices, matrix, allowed, own=None, groups=None, cap=None):
    """The same of all queries, by name; `own` the own row of each, -1 for none."""
    own = np.full(len(indices), -1) if own is None else own
    groups = None if groups is None else list(groups)
    names = ("equal", "identical", "recall", "recall_by_index", "rank_error", *INVALID)
    parts = zip(indices.tolist(), matrix, allowed, np.asarray(own).tolist())
    rows = [of_query(*one, groups, cap) for one in parts]
    return {name: [row[name] for row in rows] for name in names}


def spoilt(rng, indices, m):
    """A result as it may come from anywhere: some entries exchanged, repeated, replaced, left out."""
    indices = indices.copy()
    n, k = indices.shape
    for _ in range(int(rng.choice([0, 1, 1, 3, n * k]))):
        if indices.size == 0:
            break
        i, p, other = int(rng.integers(n)), int(rng.integers(k)), int(rng.integers(k))
        kind = rng.integers(4)
        if kind == 0:
            indices[i, [p, other]] = indices[i, [other, p]]
        elif kind == 1:
            indices[i, p] = indices[i, other]
        else:
            indices[i, p] = rng.integers(-1, m) if kind == 2 and m else rng.choice([-1, -2, m, m + 7, 2**62, -(2**63)])
    return indices


def assert_verified(found, expected):
    """What was found is what the oracle says."""
    for name, values in expected.items():
        array = found.invalid[name] if name in INVALID else getattr(found, name)
        assert array.shape == found.queries.shape
        dtype = bool if name in ("equal", "identical") else float if name.startswith("recall") else int
        assert array.dtype == dtype, name
        assert array.tolist() == [values[i] for i in found.queries.tolist()], name
