"""Numbers about a mined result: data first, a table when asked for."""

from __future__ import annotations

from typing import Any

import numpy as np

from hardmine._arrays import Floats, Ints

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def summarize(scores: Floats, positive_scores: Floats, counts: Ints, wanted: int, base_rows: int) -> dict[str, Any]:
    hardest = scores[counts > 0, 0]
    known = positive_scores[~np.isnan(positive_scores)]
    both = (counts > 0) & ~np.isnan(positive_scores)
    harder = scores[both, 0] > positive_scores[both]
    return {
        "queries": len(counts),
        "base_rows": base_rows,
        "negatives": int(counts.sum()),
        "shortfall": int((counts < wanted).sum()),
        "without_positive": int(np.isnan(positive_scores).sum()),
        "harder_than_positive": float(harder.mean()) if len(harder) else float("nan"),
        "hardest_scores": _quantiles(hardest),
        "positive_scores": _quantiles(known),
    }


def _quantiles(values: Floats) -> list[float]:
    if len(values) == 0:
        return [float("nan")] * len(QUANTILES)
    return [float(v) for v in np.quantile(values, QUANTILES)]


def table(stats: dict[str, Any]) -> str:
    """The numbers as a few lines to print."""
    lines = [f"{stats['negatives']} negatives for {stats['queries']} queries among {stats['base_rows']} rows"]
    lines += [f"  {'queries with fewer than asked for':<36}{stats['shortfall']:>12}"]
    lines += [f"  {'queries without a positive':<36}{stats['without_positive']:>12}"]
    lines += [f"  {'hardest nearer than the positive':<36}{stats['harder_than_positive']:>12.3f}"]
    lines += [f"  {'candidates dropped by ' + name:<36}{count:>12}" for name, count in stats["dropped"].items()]
    lines += ["  " + " " * 28 + "".join(f"{q:>10.0%}" for q in QUANTILES)]
    for name in ("hardest_scores", "positive_scores"):
        lines.append(f"  {name:<28}" + "".join(f"{v:>10.4f}" for v in stats[name]))
    return "\n".join(lines)
