"""What trains: miners of `hardmine.torch` beside loops over pairs, banks beside what they were given, hard examples."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np

import hardmine
from batch_reference import brute_force, everything, known, listed, ranked

from . import rows
from .cases import Case, Property

Rng = np.random.Generator


def available() -> bool:
    return importlib.util.find_spec("torch") is not None


def _labels(rng: Rng, count: int) -> Any:
    return rng.integers(0, rng.integers(1, 5), count)


def _draw_batch(rng: Rng) -> Case:
    n, d = rows.size(rng, 20), rows.size(rng, 30)
    scale = float(rng.choice([1e-3, 1.0, 1e3]))
    queries = (rng.integers(-3, 4, (n, d)) if rng.random() < 0.5 else rng.standard_normal((n, d))) * scale
    kind = str(rng.choice(["all", "semihard", "hard", "easy"]))
    hard = bool(rng.random() < 0.4)
    options = {"strategy": "batch_hard"} if hard else {"type_of_triplets": kind, "margin": float(rng.choice([0.0, 0.2, 1.0]))}
    return {"queries": queries.astype(np.float32), "query_labels": _labels(rng, n), "options": options}


def _check_batch(case: Case) -> None:
    """Normalised as pytorch-metric-learning does, then the rule of `mine_triplets`, pair by pair."""
    import torch

    from hardmine.torch.miners import BatchMiner

    x, labels, options = torch.tensor(case["queries"]), case["query_labels"], case["options"]
    found = BatchMiner(**options)(x, torch.tensor(labels))
    unit = torch.nn.functional.normalize(x).numpy()

    def hardest(row: Any, positives: list[int], negatives: list[int]) -> Any:
        return ranked(row, positives, True)[:1], ranked(row, negatives, False)[:1]

    distances = known((unit, labels, None, None), None, "euclidean")
    propose = hardest if "strategy" in options else everything
    expected = brute_force(*distances, propose, options.get("type_of_triplets"), options.get("margin", 0.2))
    assert listed([part.numpy() for part in found]) == expected, "triplets of a batch"
    assert (x.numpy() == case["queries"]).all(), "the batch was written to"


def _draw_bank(rng: Rng) -> Case:
    d, parts = rows.size(rng, 20), [rows.size(rng, 12) for _ in range(rng.integers(1, 6))]
    n, m = rows.size(rng, 8), sum(parts)
    base = rng.integers(-2, 3, (m, d)) if rng.random() < 0.5 else rng.standard_normal((m, d))
    options = {"dtype": str(rng.choice(["float32", "float16", "bits"])), "capacity": int(rng.integers(1, 30)), "parts": parts}
    metric = str(rng.choice(["cosine", "euclidean", "sqeuclidean", "inner_product"]))
    return {
        "queries": rng.standard_normal((n, d)).astype(np.float32),
        "base": base.astype(np.float32),
        "query_labels": _labels(rng, n),
        "base_labels": _labels(rng, m),
        "options": {**options, "metric": metric},
        "k": int(rng.integers(1, 12)),
    }


def _check_bank(case: Case) -> None:
    """What is left of what it was given, in the order of slots, and a search of that."""
    import torch

    from hardmine.torch.miners import BatchMiner, MemoryBank

    options, base, labels = case["options"], case["base"], case["base_labels"]
    capacity, bits = options.get("capacity", 4), options.get("dtype") == "bits"
    bank = MemoryBank(capacity, base.shape[1], options.get("dtype", "float32"))
    slots: list[int] = [-1] * capacity  # which row lies there
    first = place = 0
    for size in [*options.get("parts", []), len(base)]:
        given = slice(first, first + size)
        bank.enqueue(torch.tensor(base[given]), torch.tensor(labels[given]))
        for row in range(first, min(first + size, len(base))):
            slots[place] = row
            place = (place + 1) % capacity
        first = min(first + size, len(base))
    kept = [row for row in slots if row >= 0]
    assert bank.count == len(kept) and bank.ids[: bank.count].tolist() == kept, "which rows are kept"
    stored = base[kept].astype(np.float16 if options.get("dtype") == "float16" else np.float32)
    x, of_x = torch.tensor(case["queries"]), case["query_labels"]
    distances, found = bank.hard_negatives(x, torch.tensor(of_x), case["k"], metric=options.get("metric", "cosine"))
    where = hardmine.Filter(query_groups=of_x, base_groups=labels[kept])
    if bits:
        codes = hardmine.pack(case["queries"]), hardmine.pack(stored)
        expected = hardmine.topk(*codes, case["k"], metric="hamming", where=where, bits=base.shape[1])
    else:
        expected = hardmine.topk(case["queries"], stored, case["k"], metric=options.get("metric", "cosine"), where=where)
        miner, rest = BatchMiner(rule="margin"), torch.tensor(stored.astype(np.float32))
        mined = bank.mine(miner, x, torch.tensor(of_x))
        again = miner(x, torch.tensor(of_x), rest, torch.tensor(labels[kept]))
        assert all(torch.equal(one, other) for one, other in zip(mined, again)), "pairs of batch and bank"
    assert (found.numpy() == expected.indices).all() and (distances.numpy() == expected.distances).all(), "hard negatives"


def _draw_hard(rng: Rng) -> Case:
    images, n = int(rng.integers(1, 4)), rows.size(rng, 20)
    losses = rng.integers(0, 4, (images, n)) if rng.random() < 0.6 else rng.random((images, n))
    options: dict[str, Any] = [
        {"k": int(rng.integers(1, 8))},
        {"top_fraction": float(rng.choice([0.1, 0.5, 1.0]))},
        {"neg_pos_ratio": float(rng.choice([0.5, 1.0, 3.0])), "divide_by": str(rng.choice(["selected", "positives"]))},
    ][rng.integers(0, 3)]
    return {"queries": losses.astype(np.float32), "positive": rng.random((images, n)) < 0.3, "options": options}


def _check_hard(case: Case) -> None:
    """The examples that `select_hard_examples` selects, and the gradient of each: one over what the sum is divided by."""
    import torch

    from hardmine.torch.losses import OnlineHardExampleLoss

    options = case["options"] or {"k": 1}
    x = torch.tensor(case["queries"], requires_grad=True)
    mask = case["positive"] if "neg_pos_ratio" in options else None
    rule = {name: value for name, value in options.items() if name != "divide_by"}
    chosen = hardmine.select_hard_examples(case["queries"], positive_mask=mask, **rule)
    count = int((mask if options.get("divide_by") == "positives" else chosen).sum())
    value = OnlineHardExampleLoss(lambda outputs, targets: outputs - targets, **options)(
        x, torch.zeros_like(x), *(() if mask is None else (torch.tensor(mask),))
    )
    value.backward()
    expected = np.where(chosen, np.float32(1 / max(1, count)), 0)
    assert np.allclose(x.grad.numpy(), expected, rtol=1e-6, atol=0), "gradients of the selected examples"
    total = case["queries"][chosen].astype(np.float64).sum() / max(1, count)
    assert abs(value.item() - total) <= 1e-5 * max(1.0, abs(total)), "the mean of the selected losses"


PROPERTIES = (
    Property("BatchMiner", _draw_batch, _check_batch, 0.5, available),
    Property("MemoryBank", _draw_bank, _check_bank, 0.5, available),
    Property("OnlineHardExampleLoss", _draw_hard, _check_hard, 0.5, available),
)
