"""A report as a file, without pickle, and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hardmine._files import load_npz, save_npz
from hardmine.overlap.naming import Naming
from hardmine.overlap.votes import Votes
from hardmine.search.pairs import Pairs

if TYPE_CHECKING:
    from hardmine.overlap.report import OverlapReport

ABOUT = (
    "metric", "k", "searched", "directions", "radius", "min_verified", "aggregate", "rule", "unreviewed",
)  # fmt: skip


def save(report: OverlapReport, path: Path) -> None:
    """Write it beside and rename."""
    rows, cols, distances = report.candidates
    arrays: dict[str, Any] = {"rows": rows, "cols": cols, "distances": distances, "shape": report.candidates.shape}
    arrays |= {name: getattr(report, name) for name in ("verified", "offsets") if getattr(report, name) is not None}
    arrays |= {name: array for name, array in report.naming._asdict().items() if array is not None}
    arrays |= {f"votes_{name}": array for name, array in report.votes._asdict().items()}
    about = {name: getattr(report, name) for name in ABOUT}
    save_npz(path, **arrays, about=np.array(json.dumps(about)))


def load(path: Path) -> dict[str, Any]:
    """The fields of what `save` wrote, or raise."""
    needed = ("rows", "cols", "distances", "shape", "about", *(f"votes_{name}" for name in Votes._fields))
    saved = load_npz(path, needed, "OverlapReport.save")
    n, m = saved["shape"].tolist()
    return {
        "candidates": Pairs(saved["rows"], saved["cols"], saved["distances"], (n, m)),
        "verified": saved.get("verified"),
        "offsets": saved.get("offsets"),
        "naming": Naming(*(saved.get(name) for name in Naming._fields)),
        "votes": Votes(*(saved[f"votes_{name}"] for name in Votes._fields)),
        **json.loads(str(saved["about"])),
    }
