"""BatchMiner beside the functions that it calls, and beside pytorch-metric-learning, whose losses take its tuples."""

import numpy as np
import pytest

import hardmine
from optional_torch import torch

if not torch:
    pytest.skip("needs PyTorch", allow_module_level=True)

from hardmine.torch.miners import BatchMiner, on_cpu

PEERS = "needs pytorch-metric-learning: pip install hardmine[peers]"
OPTIONS = [
    {},
    {"type_of_triplets": "semihard", "margin": 0.3},
    {"strategy": "batch_hard"},
    {"strategy": "batch_easy_hard"},
    {"rule": "margin"},
    {"rule": "multi_similarity", "metric": "cosine"},
    {"rule": "hdc"},
]


def batch(n=60, d=16, classes=12, seed=0, dtype=torch.float32 if torch else None):
    rng = np.random.default_rng(seed)
    return torch.tensor(rng.standard_normal((n, d)), dtype=dtype), torch.tensor(rng.integers(0, classes, n))


def same(found, expected):
    assert len(found) == len(expected) and len(found[0]) > 0
    for one, other in zip(found, expected):
        assert one.dtype == torch.int64 and torch.equal(one, torch.as_tensor(other))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("refs", [False, True])
def test_is_the_function_of_normalized_rows(options, refs):
    x, labels = batch()
    beside = batch(40, seed=1) if refs else ()
    mine = hardmine.mine_pairs if "rule" in options else hardmine.mine_triplets
    unit = [torch.nn.functional.normalize(part) if part.is_floating_point() else part for part in (x, labels, *beside)]
    miner = BatchMiner(**options)
    same(miner(x.requires_grad_(), labels, *beside), mine(*unit, **options))
    same(BatchMiner(normalize=False, **options)(x, labels, *beside), mine(x.detach(), labels, *beside, **options))
    counts = miner.num_triplets, miner.num_pos_pairs, miner.num_neg_pairs
    found = mine(*unit, **options)
    assert counts == ((len(found[0]), 0, 0) if len(found) == 3 else (0, len(found[0]), len(found[2])))


def test_a_batch_as_its_own_reference():
    x, labels = batch()
    miner = BatchMiner(strategy="batch_hard")
    same(miner(x, labels, x, labels), miner(x, labels))


def test_a_mask_of_pairs():
    x, labels = batch()
    mask = torch.rand(60, 60, generator=torch.Generator().manual_seed(2)) < 0.5
    a, p, n = BatchMiner()(x, labels, pair_mask=mask)
    assert len(a) and mask[a, p].all() and mask[a, n].all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_floats_are_normalized_as_float32(dtype):
    x, labels = batch(dtype=getattr(torch, dtype))
    wide = x if dtype == "float64" else x.float()
    same(BatchMiner(strategy="batch_hard")(x, labels), BatchMiner(strategy="batch_hard")(wide, labels))


def test_float32_rows_are_read_in_place():
    x, _ = batch()
    assert on_cpu.on_cpu(x).data_ptr() == x.data_ptr()
    assert BatchMiner(normalize=False)._rows(x).data_ptr() == x.data_ptr()


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"type_of_triplet": "hard"}, TypeError, "type_of_triplet: expected an option of mine_triplets, got another name"),
        ({"rule": "margin", "margin": 1}, TypeError, "margin: expected an option of mine_pairs, got another name"),
        ({"pair_mask": None}, TypeError, "pair_mask: expected an option of mine_triplets"),
        ({"margin": "wide"}, TypeError, "margin: expected a number, got str"),
        ({"rule": "hard"}, ValueError, "rule: expected one of"),
    ],
)
def test_bad_options_are_refused_when_it_is_made(options, error, message):
    with pytest.raises(error, match=message):
        BatchMiner(**options)


def test_it_is_a_module_that_says_its_options():
    miner = BatchMiner(strategy="batch_hard", metric="cosine")
    assert repr(miner) == "BatchMiner(normalize=False, strategy='batch_hard', metric='cosine')"
    assert miner.state_dict() == {} and isinstance(torch.nn.Sequential(miner)[0], torch.nn.Module)


def peers():
    pml = pytest.importorskip("pytorch_metric_learning", reason=PEERS)
    from pytorch_metric_learning import distances, losses, miners

    return pml, distances, losses, miners


PAIRS_OF_MINERS = {
    "triplet margin": (
        lambda miners, distances: miners.TripletMarginMiner(margin=0.2, type_of_triplets="semihard"),
        {"type_of_triplets": "semihard", "margin": 0.2},
    ),
    "all": (lambda miners, distances: miners.TripletMarginMiner(margin=0.2, type_of_triplets="all"), {}),
    "batch hard": (lambda miners, distances: miners.BatchHardMiner(), {"strategy": "batch_hard"}),
    "batch easy hard": (lambda miners, distances: miners.BatchEasyHardMiner(), {"strategy": "batch_easy_hard"}),
    "multi similarity": (
        lambda miners, distances: miners.MultiSimilarityMiner(),
        {"rule": "multi_similarity", "metric": "cosine"},
    ),
    "pair margin": (lambda miners, distances: miners.PairMarginMiner(), {"rule": "margin"}),
}


@pytest.mark.parametrize("name", PAIRS_OF_MINERS)
@pytest.mark.parametrize("refs", [False, True])
def test_finds_what_the_miner_of_pytorch_metric_learning_finds(name, refs):
    """By default, both normalizing, of rows whose comparisons no rounding turns."""
    _, distances, _, miners = peers()
    make, options = PAIRS_OF_MINERS[name]
    x, labels = batch(80)
    beside = batch(50, seed=3) if refs else ()
    theirs, ours = make(miners, distances)(x, labels, *beside), BatchMiner(**options)(x, labels, *beside)
    if len(theirs) == 4 and len(ours) == 3:  # BatchEasyHard gives pairs of one anchor each
        theirs = [theirs[0], theirs[1], theirs[3]]

    def rows(parts):
        return sorted(zip(*(part.tolist() for part in parts)))

    if len(ours) == 4:
        assert rows(ours[:2]) == rows(theirs[:2]) != [] and rows(ours[2:]) == rows(theirs[2:]) != []
    else:
        assert rows(ours) == rows(theirs) != []


def test_has_what_a_base_miner_has():
    """By duck typing: what losses, trainers and logs of that library read of a miner."""
    _, _, _, miners = peers()
    ours, theirs = BatchMiner(strategy="batch_hard"), miners.BatchHardMiner()
    x, labels = batch()
    for miner in (ours, theirs):
        miner(x, labels, ref_emb=None, ref_labels=None)
    assert ours.num_triplets == theirs.num_triplets > 0
    pairs, their_pairs = BatchMiner(rule="margin"), miners.PairMarginMiner()
    for miner in (pairs, their_pairs):
        miner(x, labels)
    assert (pairs.num_pos_pairs, pairs.num_neg_pairs) == (their_pairs.num_pos_pairs, their_pairs.num_neg_pairs)
    theirs.output_assertion(ours(x, labels))
    ours.reset_stats()
    assert ours.num_triplets == 0


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_feeds_their_losses(options):
    _, _, losses, _ = peers()
    x, labels = batch()
    x.requires_grad_()
    for loss in (losses.TripletMarginLoss(), losses.MultiSimilarityLoss(), losses.ContrastiveLoss()):
        value = loss(x, labels, BatchMiner(**options)(x, labels))
        value.backward()
        assert torch.isfinite(value) and value.item() > 0
    memory = losses.CrossBatchMemory(losses.ContrastiveLoss(), 16, memory_size=100, miner=BatchMiner(**options))
    for seed in range(3):
        assert torch.isfinite(memory(*batch(seed=seed)))
