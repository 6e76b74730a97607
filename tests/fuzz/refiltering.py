"""refilter: what mining anew with other thresholds gives, or a refusal."""

from __future__ import annotations

import numpy as np

from . import mining, oracle, search
from .cases import Case, Property

LIMITS = ("max_score", "min_score", "absolute_margin", "relative_margin")


def _draw(rng: np.random.Generator) -> Case:
    """First the options of mining, of which `parts` are the limits that come later."""
    case = mining.draw(rng)
    options = {name: value for name, value in case["options"].items() if name != "random_ratio"}
    limits = {name: options.pop(name) for name in LIMITS if name in options}
    if rng.random() < 0.5:
        options["range_max"] = options["range_min"] + options["num_negatives"] + 300  # so wide that it can tell
    if rng.random() < 0.2 and "min_score" in limits:
        least = -1.0 if case["metric"] == "cosine" else -np.inf  # below it a limit is refused
        options["min_score"] = max(limits["min_score"] - 1, least)
    return case | {"options": options, "parts": limits}


def _check(case: Case) -> None:
    queries, base, _, _ = search.lay_out(case)
    wide = mining.mine(case, queries, base)
    try:
        found = wide.refilter(**case["parts"])
    except ValueError as error:
        assert str(error).startswith("refilter: expected"), str(error)
        return
    rest = {name: value for name, value in case["options"].items() if name not in LIMITS}
    anew = mining.mine(case | {"options": rest | case["parts"]}, queries, base)
    for name in ("indices", "scores", "positive_indices", "positive_scores"):
        oracle.check_same(f"refilter, {name}", getattr(found, name), getattr(anew, name))


PROPERTIES = (Property("refilter", _draw, _check),)
