"""Distances on the unit sphere, of which most are near the square root of 2: the weights that make all of them as likely."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def log_weights(distances: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Minus the logarithm of the density of distances (below 2) on the sphere of that dimension, but for a constant [1]_.

    In 512 dimensions the weights span hundreds of powers of ten, more than a float holds: they stay logarithms.

    References
    ----------
    .. [1] Wu et al., "Sampling matters in deep embedding learning", 2017, section 4.
    """
    return (2.0 - width) * np.log(distances) - 0.5 * (width - 3.0) * np.log1p(-0.25 * distances**2)
