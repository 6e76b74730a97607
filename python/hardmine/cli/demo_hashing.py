"""The second part of `hardmine demo`: digits as binary codes, how well they rank, and how far apart their centers could be.

The codes are those of iterative quantization (ITQ, Gong and Lazebnik 2011): principal components of the pixels, turned so
that their signs lose least. Three hundred digits are queries, the others the base that the codes are fitted to.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import hardmine

QUERIES = 300
BITS = (16, 32, 64)
ROUNDS = 50


def itq(x: NDArray[np.float64], bits: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mean of the rows, and the (d, bits) matrix after which their signs are codes."""
    mean = x.mean(axis=0)
    components = np.linalg.svd(x - mean, full_matrices=False)[2][:bits].T
    projected = (x - mean) @ components
    rotation = np.linalg.qr(np.random.default_rng(seed).standard_normal((bits, bits)))[0]
    for _ in range(ROUNDS):  # the best signs for a rotation, then the best rotation for these signs (Procrustes)
        u, _, v = np.linalg.svd(np.where(projected @ rotation > 0, 1, -1).T @ projected)
        rotation = (u @ v).T
    return mean, components @ rotation


def run(pixels: NDArray[Any], label: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Hash, print two tables, and return the codes by name."""
    order = np.random.default_rng(0).permutation(len(pixels))
    queries, base = order[:QUERIES], order[QUERIES:]
    found: dict[str, NDArray[Any]] = {"hashing_queries": queries, "hashing_base": base}
    print(f"\nbinary codes (PCA-ITQ): {len(queries)} queries, {len(base)} base rows, mAP over the whole base")
    print("  bits   mAP, ties expected   ties worst   ties best   precision within 2 bits")
    for bits in BITS:
        mean, matrix = itq(pixels[base].astype(np.float64), bits, seed=0)
        codes = np.asarray(hardmine.pack((pixels - mean) @ matrix))
        found[f"codes_{bits}"] = codes
        task = codes[queries], codes[base], label[queries], label[base]
        expected, worst, best = (
            hardmine.mean_average_precision(*task, ties=ties) for ties in ("expected", "pessimistic", "optimistic")
        )
        within = hardmine.precision_within_radius(*task, radius=2)
        print(f"  {bits:>4}   {expected:>18.4f}   {worst:>10.4f}   {best:>9.4f}   {within:>23.4f}")
    print("\ncenters of the 10 digits for training: the least distance of any two, in bits")
    print("  bits   hardmine   proved bound   CSQ (Hadamard)   random bits   construction of hardmine's")
    for bits in BITS:
        centers, csq, random = (hardmine.hash_centers(10, bits, method=method) for method in ("best", "csq", "bernoulli"))
        print(
            f"  {bits:>4}   {centers.min_distance:>8}   {centers.upper_bound:>12}   {csq.min_distance:>14}"
            f"   {random.min_distance:>11}   {centers.construction}"
        )
    return found
