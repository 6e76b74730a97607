"""MemoryBank beside mining the concatenation of what it was given, around the ring, in every form that rows are kept."""

import numpy as np
import pytest

import hardmine
from optional_torch import torch

if not torch:
    pytest.skip("needs PyTorch", allow_module_level=True)

from hardmine.torch.miners import BatchMiner, MemoryBank

D = 12


def batch(n, seed, classes=6):
    rng = np.random.default_rng(seed)
    return torch.tensor(rng.standard_normal((n, D)), dtype=torch.float32), torch.tensor(rng.integers(0, classes, n))


def filled(capacity, sizes, dtype="float32"):
    """A bank, and the last rows it was given, oldest first, with labels and ids."""
    bank, parts, seen = MemoryBank(capacity, D, dtype), [], 0
    for seed, size in enumerate(sizes):
        x, labels = batch(size, seed)
        bank.enqueue(x, labels)
        parts.append((x, labels, torch.arange(seen, seen + size)))
        seen += size
    rows, labels, ids = (torch.cat(part)[-capacity:] for part in zip(*parts))
    return bank, rows, labels, ids


SIZES = pytest.mark.parametrize("sizes", [[20], [20, 30], [20, 30, 20], [33, 33, 33, 33], [64], [150], [40, 100, 7]], ids=str)


@SIZES
@pytest.mark.parametrize("dtype", ["float32", "float16", "bits"])
def test_holds_the_last_rows(sizes, dtype):
    bank, rows, labels, ids = filled(64, sizes, dtype)
    assert bank.count == len(rows) == min(64, sum(sizes))
    order = bank.ids[: bank.count].argsort()
    kept, of_kept = bank.reference()
    expected = hardmine.pack(rows) if dtype == "bits" else rows.to(kept.dtype)
    assert torch.equal(kept[order], torch.as_tensor(expected)) and torch.equal(of_kept[order], labels)
    assert torch.equal(bank.ids[: bank.count][order], ids)


@SIZES
@pytest.mark.parametrize(
    "options", [{"strategy": "batch_hard"}, {"rule": "multi_similarity", "metric": "cosine"}, {"type_of_triplets": "semihard"}]
)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_mining_is_that_of_the_concatenation(sizes, options, dtype):
    bank, rows, labels, ids = filled(64, sizes, dtype)
    x, y = batch(25, 99)
    miner = BatchMiner(**options)
    expected = miner(x, y, rows.to(bank.rows.dtype).float(), labels)
    found = bank.mine(miner, x, y)
    others = [i for i in range(len(found)) if i not in (0, 2)] if len(found) == 4 else [1, 2]

    def tuples(parts, numbers):
        named = [numbers[part] if i in others else part for i, part in enumerate(parts)]
        if len(named) == 3:
            return sorted(zip(*(part.tolist() for part in named)))
        return [sorted(zip(named[i].tolist(), named[i + 1].tolist())) for i in (0, 2)]

    assert tuples(found, bank.ids) == tuples(expected, ids) and len(found[0])


@SIZES
@pytest.mark.parametrize("metric", ["cosine", "euclidean", "hamming"])
def test_hard_negatives_are_those_of_a_search(sizes, metric):
    bank, rows, labels, ids = filled(64, sizes, "bits" if metric == "hamming" else "float32")
    x, y = batch(25, 99)
    where = hardmine.Filter(query_groups=y, base_groups=labels)
    if metric == "hamming":
        distances, slots = bank.hard_negatives(x, y, k=70)
        expected = hardmine.topk(hardmine.pack(x), hardmine.pack(rows), 70, metric="hamming", where=where, bits=D)
    else:
        distances, slots = bank.hard_negatives(x, y, k=70, metric=metric)
        expected = hardmine.topk(x, rows, 70, metric=metric, where=where)
    assert torch.equal(distances, expected.distances)
    assert ((slots < 0) == (expected.indices < 0)).all()
    for row in range(25):  # ties are in the order of slots here, in that of time there
        kept = slots[row] >= 0
        assert sorted(bank.ids[slots[row][kept]].tolist()) == sorted(ids[expected.indices[row][kept]].tolist())
        assert (bank.labels[slots[row][kept]] != y[row]).all()


def test_a_row_is_not_mined_against_its_own_past():
    bank = MemoryBank(10, 1)
    bank.enqueue(torch.tensor([[0.0], [1.0], [9.0]]), torch.tensor([0, 0, 1]), torch.tensor([7, 8, 9]))
    miner = BatchMiner(strategy="batch_hard", normalize=False)
    x, labels = torch.tensor([[0.5]]), torch.tensor([0])
    assert [part.tolist() for part in bank.mine(miner, x, labels, torch.tensor([8]))] == [[0], [0], [2]]
    assert [part.tolist() for part in bank.mine(miner, x, labels, torch.tensor([7]))] == [[0], [1], [2]]


def test_state_goes_into_another_bank_and_on_from_there():
    one, *_ = filled(32, [20, 30])
    other = MemoryBank(32, D)
    other.load_state_dict(one.state_dict())
    for bank in (one, other):
        bank.enqueue(*batch(9, 5))
    assert (one.count, one.next, one.seen) == (other.count, other.next, other.seen) == (32, 59 % 32, 59)
    assert all(torch.equal(a, b) for a, b in zip(one.buffers(), other.buffers()))


def test_an_empty_bank_has_no_negatives():
    bank, (x, labels) = MemoryBank(8, D), batch(3, 0)
    distances, slots = bank.hard_negatives(x, labels, k=2)
    assert (slots == -1).all() and torch.isinf(distances).all()
    assert all(len(part) == 0 for part in bank.mine(BatchMiner(), x, labels))


def test_the_caller_may_write_to_what_was_enqueued():
    bank, (x, labels) = MemoryBank(8, D), batch(3, 0)
    before = x.clone()
    x.requires_grad_()
    bank.enqueue(x, labels)
    with torch.no_grad():
        x.zero_()
    assert torch.equal(bank.rows[:3], before) and not bank.rows.requires_grad


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: MemoryBank(0, 3), ValueError, "capacity: expected at least 1, got 0"),
        (lambda: MemoryBank(3, 3, "int8"), ValueError, "dtype: expected one of float32, float16, bits, got 'int8'"),
        (lambda: MemoryBank(3, 3).enqueue(torch.zeros(2, 4), torch.zeros(2).long()), ValueError, r"embeddings: .* \(n, 3\)"),
        (lambda: MemoryBank(3, 3).enqueue(torch.zeros(2, 3).long(), torch.zeros(2).long()), TypeError, "embeddings: expected"),
        (
            lambda: MemoryBank(3, 3).enqueue(torch.zeros(2, 3), torch.zeros(3).long()),
            ValueError,
            "labels: expected 2",
        ),
        (lambda: MemoryBank(3, 3).enqueue(torch.zeros(2, 3), torch.zeros(2)), TypeError, "labels: expected integers, got"),
        (
            lambda: MemoryBank(3, 3, "bits").mine(BatchMiner(), torch.zeros(2, 3), torch.zeros(2).long()),
            ValueError,
            "mine: expected a bank of floats, got bits",
        ),
    ],
)
def test_bad_input(make, error, message):
    with pytest.raises(error, match=message):
        make()
