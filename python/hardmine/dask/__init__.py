"""The searches of hardmine over Dask arrays: blocks of rows on many machines, and the same bits as one process.

Needs the extra ``hardmine[dask]``, and is imported on its own: ``import hardmine.dask``.

What is given may be Dask arrays, NumPy arrays, or anything with ``shape``, ``dtype`` and slicing by rows. Nothing is read or
computed until the result is: `topk` and `distance_histogram` return Dask arrays of known chunks, `radius_neighbors` and
`closest_pairs` Dask arrays of unknown lengths, `near_duplicates` and `mine_hard_negatives`, whose results are objects, a
`dask.delayed.Delayed`. Filters, labels and radii lie in memory, some bytes a row.
"""

try:
    import dask.array  # noqa: F401
except ImportError:
    raise ImportError('hardmine.dask needs dask: pip install "hardmine[dask]"') from None

from hardmine.dask.duplicates import near_duplicates
from hardmine.dask.negatives import mine_hard_negatives
from hardmine.dask.neighbors import topk
from hardmine.dask.pairs import closest_pairs, distance_histogram, radius_neighbors

__all__ = ["closest_pairs", "distance_histogram", "mine_hard_negatives", "near_duplicates", "radius_neighbors", "topk"]
