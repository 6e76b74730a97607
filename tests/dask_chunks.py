"""Arrays cut into uneven chunks, for tests of `hardmine.dask`."""

import dask.array as da
import numpy as np


def chunks(rng, n):
    """Uneven ones, some of one row and some of none."""
    cuts = np.sort(rng.integers(0, n + 1, rng.integers(0, 6)))
    if n > 2 and rng.random() < 0.3:
        cuts = np.sort(np.append(cuts, [1, 1, 2]))
    return tuple(np.diff(np.concatenate([[0], cuts, [n]])).tolist())


def chunked(rng, x):
    width = x.shape[1]
    columns = (width,) if rng.random() < 0.7 or width < 2 else (1, width - 1)
    return da.from_array(x, chunks=(chunks(rng, len(x)), columns))
