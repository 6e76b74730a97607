"""Numbers about a mined result: data first, a table when asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardmine import _core
from hardmine._arrays import Floats, Ints
from hardmine._lists import RowLists
from hardmine.mining.limits import UPPER, ScoreLimits
from hardmine.mining.options import Options
from hardmine.mining.positives import Positives
from hardmine.mining.window import Window

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def summarize(scores: Floats, positive_scores: Floats, counts: Ints, wanted: int, base_rows: int) -> dict[str, Any]:
    known = positive_scores[~np.isnan(positive_scores)]
    both = (counts > 0) & ~np.isnan(positive_scores)
    harder = scores[both, 0] > positive_scores[both]
    pairs = len(counts) * base_rows
    return {
        "queries": len(counts),
        "base_rows": base_rows,
        "false_positive_resolution": 1 / pairs if pairs else float("nan"),
        "negatives": int(counts.sum()),
        "shortfall": int((counts < wanted).sum()),
        "without_positive": int(np.isnan(positive_scores).sum()),
        "harder_than_positive": float(harder.mean()) if len(harder) else float("nan"),
        "negative_scores": _quantiles(scores[np.isfinite(scores)]),
        "hardest_scores": _quantiles(scores[counts > 0, 0]),
        "positive_scores": _quantiles(known),
    }


def _quantiles(values: Floats) -> list[float]:
    if len(values) == 0:
        return [float("nan")] * len(QUANTILES)
    values = np.sort(values)  # it takes a quarter of the time then
    with np.errstate(invalid="ignore"):
        between = np.quantile(values, QUANTILES)
    # Between infinite scores (of rows whose squares leave float32) there is no number.
    return [float(v) for v in np.where(np.isnan(between), np.quantile(values, QUANTILES, method="lower"), between)]


def count_scan(known: Positives, excluded: RowLists | None, n: int) -> dict[str, int]:
    """The pairs that a scan leaves out whatever their scores."""
    dropped = {"positives": known.total(n)} if known.known else {}
    if excluded is not None:
        dropped["exclude"] = int((~known.contains(*excluded.pairs())).sum())
    return dropped


def count_window(window: Window, known: Positives, excluded: RowLists | None) -> dict[str, int]:
    """The same among the candidates of a window."""
    rows, real = np.arange(len(window.indices))[:, None], window.indices >= 0
    dropped = {"positives": int((real & known.contains(rows, window.indices)).sum())} if known.known else {}
    if excluded is not None:
        listed = excluded.contains(rows, window.indices) & ~known.contains(rows, window.indices)
        dropped["exclude"] = int((real & listed).sum())
    return dropped


def count_thresholds(window: Window, limits: ScoreLimits, passed: NDArray[np.bool_]) -> dict[str, int]:
    """The allowed candidates of a window that have not passed, by the limit for which they are too high or too low."""
    refused = window.allowed & ~passed
    if limits.least is None and limits.above is None:
        return limits.by_limit(refused.sum(axis=1))
    too_high = refused & limits.too_high(window.scores)
    dropped, rest = limits.by_limit(too_high.sum(axis=1)), refused & ~too_high
    if limits.least is not None:
        low = rest & (window.scores < limits.least[:, None])
        dropped["min_score"], rest = int(low.sum()), rest & ~low
    if limits.above is not None:
        low = rest & (window.scores <= limits.above[:, None])
        dropped["sampling_strategy"] = dropped.get("sampling_strategy", 0) + int(low.sum())
    return dropped


def table(stats: dict[str, Any], options: Options) -> str:
    """The numbers as a few lines to print."""
    lines = [f"{stats['negatives']} negatives for {stats['queries']} queries among {stats['base_rows']} rows"]
    ranks = f"{options.rank_base} ranks {options.range_min + 1} to {options.range_max}"
    lines += [f"  {options.sampling_strategy} of {ranks} by {options.metric}, seed {options.seed}"]
    lines += [f"  {'false-positive rate of one pair':<36}{stats['false_positive_resolution']:>12.2g}"]
    lines += [f"  {'queries with fewer than asked for':<36}{stats['shortfall']:>12}"]
    lines += [f"  {'queries without a positive':<36}{stats['without_positive']:>12}"]
    lines += [f"  {'hardest nearer than the positive':<36}{stats['harder_than_positive']:>12.3f}"]
    lines += [f"  {'rows refused by ' + name:<36}{count:>12}" for name, count in stats["dropped"].items()]
    if any(name in UPPER for name in stats["dropped"]):
        lines += [f"    (a scan counts too high scores up to {_core.most_counted} a query)"]
    lines += ["  " + " " * 28 + "".join(f"{q:>10.0%}" for q in QUANTILES)]
    for name in ("negative_scores", "hardest_scores", "positive_scores"):
        lines.append(f"  {name:<28}" + "".join(f"{v:>10.4f}" for v in stats[name]))
    return "\n".join(lines)
