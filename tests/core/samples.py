"""The rows that a first bound is guessed from (scan/guess.hpp), and arrays of which they say the wrong thing."""

import numpy as np

EVERY, BITS = 32, 64  # rows of a window: of floats, of codes


def sampled(m, every=EVERY):
    """The rows that the engine looks at first: one of each window, drawn by SplitMix64."""
    mask = 2**64 - 1
    rows = []
    for window in range(-(-m // every)):
        x = (window + 1) * 0x9E3779B97F4A7C15 & mask
        x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & mask
        x = (x ^ x >> 27) * 0x94D049BB133111EB & mask
        begin = window * every
        rows.append(begin + (x ^ x >> 31) % min(every, m - begin))
    return np.array(rows)


def near_the_sample(rng, m, d, near=slice(None)):
    """Rows of which those of the sample, or some of them, are as good as one; and the numbers of these."""
    x = rng.standard_normal((m, d), dtype=np.float32)
    rows = sampled(m)[near]
    x[rows] = x[rows[0]] + np.float32(1e-3) * rng.standard_normal((len(rows), d), dtype=np.float32)
    return x, rows
