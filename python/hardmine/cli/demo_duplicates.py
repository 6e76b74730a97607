"""The third part of `hardmine demo`: near-duplicates among the digits, by three linkages, and a page to vote on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

import hardmine
from hardmine.duplicates.linkage import Linkage

THRESHOLD = 0.02  # a cosine of 0.98: the nearest 216 of 1.6 million pairs
SIDE = 96  # of a picture on the page, pixels


def run(images: NDArray[Any], pixels: NDArray[Any], label: NDArray[Any], page: Path) -> dict[str, NDArray[Any]]:
    """Cluster, print two tables, write the page, and return labels by name."""
    found = {
        linkage: hardmine.near_duplicates(pixels, THRESHOLD, groups=label, linkage=linkage) for linkage in get_args(Linkage)
    }
    print(f"\nnear-duplicates: {len(found['single'].pairs)} pairs of digits with a cosine of {1 - THRESHOLD:g} and more")
    print("  linkage    clusters   largest   chained   open triangles   rows to drop   widest cluster")
    for linkage, one in found.items():
        print(
            f"  {linkage:<8}{len(one.sizes):>11}{np.max(one.sizes):>10}{np.sum(one.chained):>10}"
            f"{np.sum(one.open_triangles):>17}{len(one.drop):>15}{np.max(one.diameters):>17.4f}"
        )
    roc = hardmine.pair_roc(pixels, groups=label)
    print(f"\nare two digits the same one? the cosine of their pixels, over {roc.n_pos:,} equal and {roc.n_neg:,} other pairs")
    print(f"  area under the curve {roc.auc:.6f}; found at a false-positive rate of 1e-3: {roc.tpr_at_fpr(1e-3):.2%}")

    def picture(row: int) -> Any:
        from PIL import Image

        gray = np.uint8(255 - images[row] * (255 / 16))
        return Image.fromarray(gray).resize((SIDE, SIDE), Image.Resampling.NEAREST)

    names = [f"{digit}, number {row}" for row, digit in enumerate(label.tolist())]
    found["complete"].review(page, picture, names=names, title=f"Near-duplicates among {len(label):,} handwritten digits")
    return {f"duplicates_{linkage}": np.asarray(one.labels) for linkage, one in found.items()}
