"""Every loss beside its float64 transcription, its gradient beside differences, and where half precision would overflow."""

import math

import numpy as np
import pytest

import hardmine
import losses_reference as oracle
from optional_torch import torch

if not torch:
    pytest.skip("needs PyTorch", allow_module_level=True)

from hardmine.torch import losses

B, BITS, CLASSES = 7, 6, 4
CENTERS = hardmine.hash_centers(CLASSES, BITS, method="bernoulli", seed=5)
SIGNS = CENTERS.signs().astype(np.float64)
TIE = np.random.default_rng(0).integers(0, 2, 8, dtype=np.uint8)[:BITS] * 2.0 - 1
SINGLE = np.array([0, 1, 2, 1, 0, 3, 0])
SEVERAL = np.array([[1, 0, 0, 0], [0, 1, 1, 0], [1, 1, 0, 1], [0, 0, 0, 1], [1, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 1]])
WEIGHTS = np.random.default_rng(8).standard_normal((CLASSES, BITS))
BANK = np.random.default_rng(9).standard_normal((11, BITS))
BANK_LABELS = {1: np.arange(11) % CLASSES, 2: np.eye(CLASSES, dtype=int)[np.arange(11) % CLASSES]}


def greedy():
    loss = losses.GreedyHashLoss(BITS, CLASSES, weight=0.3)
    loss.classifier.weight.data = torch.tensor(WEIGHTS)
    return loss


def hashnet(**options):
    loss = losses.HashNetLoss(**options)
    loss.grow(60, 20)
    return loss


def targets(y):
    return oracle.votes(SIGNS, y, TIE)


def bank(y):
    return {"bank": BANK, "bank_labels": BANK_LABELS[y.ndim]}


def in_tensors(y):
    return torch.tensor(BANK), torch.tensor(BANK_LABELS[y.ndim])


# name: (the loss, what the call has beside outputs and labels, its transcription of outputs and labels)
CASES = {
    "central": (lambda: losses.CentralSimilarityLoss(CENTERS), None, lambda u, y: oracle.central(u, targets(y))),
    "central of logits": (
        lambda: losses.CentralSimilarityLoss(CENTERS, from_logits=True),
        None,
        lambda u, y: oracle.central(np.tanh(u), targets(y)),
    ),
    "csq": (
        lambda: losses.CSQLoss(SIGNS, weight=0.7),
        None,
        lambda u, y: oracle.central(u, targets(y)) + 0.7 * oracle.quantization(u, "log_cosh"),
    ),
    "csq of logits, squared": (
        lambda: losses.CSQLoss(torch.tensor(SIGNS), weight=0.7, quantization="squared", from_logits=True),
        None,
        lambda u, y: oracle.central(np.tanh(u), targets(y)) + 0.7 * oracle.quantization(np.tanh(u), "squared"),
    ),
    "dpsh": (lambda: losses.DPSHLoss(0.3), None, lambda u, y: oracle.dpsh(u, y, 0.3)),
    "dpsh with a bank": (lambda: losses.DPSHLoss(0.3), in_tensors, lambda u, y: oracle.dpsh(u, y, 0.3, **bank(y))),
    "dhn": (lambda: losses.DHNLoss(0.3), None, lambda u, y: oracle.dhn(u, y, 0.3)),
    "dhn with a bank": (lambda: losses.DHNLoss(0.3), in_tensors, lambda u, y: oracle.dhn(u, y, 0.3, **bank(y))),
    "hashnet": (hashnet, None, lambda u, y: oracle.hashnet(u, y, 10 / BITS, 2.0)),
    "hashnet by jaccard": (
        lambda: hashnet(slope=0.5, jaccard=True),
        None,
        lambda u, y: oracle.hashnet(u, y, 0.5, 2.0, jaccard=y.ndim == 2),
    ),
    "dch": (lambda: losses.DCHLoss(3.0, 0.4), None, lambda u, y: oracle.dch(u, y, 3.0, 0.4)),
    "dtsh": (lambda: losses.DTSHLoss(0.5, 0.3), None, lambda u, y: oracle.dtsh(u, y, 0.5, 0.3, 0.5)),
    "dtsh, whole products": (
        lambda: losses.DTSHLoss(0.5, 0.3, scale=1.0),
        None,
        lambda u, y: oracle.dtsh(u, y, 0.5, 0.3, 1.0),
    ),
    "greedy": (greedy, None, None),
    "dpn": (lambda: losses.DPNLoss(CENTERS, 0.6), None, lambda u, y: oracle.dpn(u, targets(y), 0.6, "mean")),
    "dpn, summed": (
        lambda: losses.DPNLoss(CENTERS, 0.6, over_bits="sum"),
        None,
        lambda u, y: oracle.dpn(u, targets(y), 0.6, "sum"),
    ),
    "orthohash": (lambda: losses.OrthoHashLoss(SIGNS), None, lambda u, y: oracle.orthohash(u, y, SIGNS, 8.0, 0.2)),
}
case = pytest.mark.parametrize("name", CASES)
kinds = pytest.mark.parametrize("labels", [SINGLE, SEVERAL], ids=["single", "several"])


def outputs_of(name, dtype=np.float64):
    """Inside (-1, 1) for the losses of relaxed codes, and far enough from kinks that differences do not meet them."""
    u = np.random.default_rng(4).uniform(-0.95, 0.95, (B, BITS))
    u = np.where(abs(u) < 0.05, 0.3, u) * (1.0 if name in ("central", "csq") else 1.9)
    return np.where(abs(abs(u) - 1) < 0.01, 1.1, u).astype(dtype)


def call(name, labels, outputs):
    loss, more, _ = CASES[name]
    return loss()(outputs, torch.tensor(labels), *(more(labels) if more else ()))


@case
@kinds
def test_value_and_gradient(name, labels):
    transcription = CASES[name][2]
    if name == "greedy":  # its gradient is not that of its value: see below
        transcription = lambda u, y: oracle.greedy(u, y, WEIGHTS, 0.3)  # noqa: E731
    u = outputs_of(name)
    outputs = torch.tensor(u, requires_grad=True)
    loss = call(name, labels, outputs)
    assert loss.dtype == torch.float64 and loss.shape == ()
    assert loss.item() == pytest.approx(transcription(u, labels), rel=1e-12)
    (2 * loss).backward()
    if name != "greedy":
        expected = 2 * oracle.gradient(lambda x: transcription(x, labels), u)
        np.testing.assert_allclose(outputs.grad, expected, rtol=1e-6, atol=1e-8)


@case
@kinds
def test_gradcheck(name, labels):
    if name == "greedy":
        pytest.skip("goes straight through the signs by design")
    outputs = torch.tensor(outputs_of(name), requires_grad=True)
    assert torch.autograd.gradcheck(lambda u: call(name, labels, u), outputs)


def test_the_gradient_of_greedy_hash_goes_straight_through():
    u = torch.tensor(outputs_of("greedy"), requires_grad=True)
    loss = greedy()
    loss(u, torch.tensor(SINGLE)).backward()
    codes = torch.where(u > 0, 1.0, -1.0).double().detach().requires_grad_()
    torch.nn.functional.cross_entropy(codes @ loss.classifier.weight.T, torch.tensor(SINGLE)).backward()
    cubes = torch.tensor(outputs_of("greedy"), requires_grad=True)
    (0.3 * (cubes.abs() - 1).abs().pow(3).mean()).backward()
    torch.testing.assert_close(u.grad, codes.grad + cubes.grad)
    assert loss.classifier.weight.grad.abs().sum() > 0


@case
@kinds
@pytest.mark.parametrize("size", [1.0, 300.0])
@pytest.mark.parametrize("how", ["float16", "bfloat16", "autocast"])
def test_half_precision_does_not_overflow(name, labels, size, how):
    """Its value is that of float32 on the rounded inputs; squares of 300 exceed float16."""
    u = torch.tensor(outputs_of(name)) * (1 if name in ("central", "csq") else size)
    u = u.float() if how == "autocast" else u.to(getattr(torch, how))
    more = CASES[name][1]
    beside = [torch.tensor(labels), *(more(labels) if more else ())]
    loss = CASES[name][0]().float()
    narrow, wide = u.clone().requires_grad_(), u.float().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=how == "autocast"):
        found = loss(narrow, *beside)
    expected = loss(wide, *beside)
    assert found.dtype == torch.float32 and found.item() == expected.item()
    found.backward()
    expected.backward()
    assert torch.isfinite(narrow.grad).all()
    torch.testing.assert_close(narrow.grad, wide.grad.to(narrow.dtype))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_saturated_outputs_have_a_finite_loss_and_gradient(dtype):
    wrong = torch.tensor(-SIGNS, dtype=getattr(torch, dtype), requires_grad=True)
    loss = losses.CentralSimilarityLoss(CENTERS)(wrong, torch.arange(CLASSES))
    assert loss.item() == pytest.approx(math.log(2**24))
    loss.backward()
    assert torch.isfinite(wrong.grad).all()
    logits = torch.tensor(-1e4 * SIGNS, dtype=getattr(torch, dtype), requires_grad=True)
    losses.CentralSimilarityLoss(CENTERS, from_logits=True)(logits, torch.arange(CLASSES)).backward()
    assert (logits.grad * torch.tensor(SIGNS) < 0).all()


@pytest.mark.parametrize("quantization", ["log_cosh", "squared"])
def test_csq_is_zero_at_its_centers(quantization):
    loss = losses.CSQLoss(CENTERS, weight=1.0, quantization=quantization)
    at = torch.tensor(SIGNS).float()
    assert loss(at, torch.arange(CLASSES)).item() == 0.0
    voted = hardmine.unpack(hardmine.semantic_centers(CENTERS, SEVERAL), BITS)
    assert loss(torch.tensor(voted).float() * 2 - 1, torch.tensor(SEVERAL)).item() == 0.0
    assert loss(0.99 * at, torch.arange(CLASSES)).item() > 1e-3


@pytest.mark.parametrize("seed", [0, 1, 77])
def test_votes_are_those_of_semantic_centers(seed):
    from hardmine.torch.losses.targets import CenterTargets

    rng = np.random.default_rng(seed)
    centers = hardmine.hash_centers(20, 21, seed=seed)
    labels = rng.random((200, 20)) < 0.15
    labels[:, 3] |= ~labels.any(axis=1)
    voted = hardmine.unpack(hardmine.semantic_centers(centers, labels, seed=seed), 21)
    assert (CenterTargets(centers, seed)(torch.tensor(labels)).numpy() == voted * 2 - 1).all()
    none = torch.zeros(2, 20)
    assert not CenterTargets(centers)(none).any()


def test_a_row_without_a_label_teaches_nothing():
    labels = torch.tensor(SEVERAL)
    labels[2] = 0
    for loss in (losses.CSQLoss(CENTERS, weight=0), losses.DPNLoss(CENTERS), losses.OrthoHashLoss(CENTERS)):
        u = torch.tensor(outputs_of("central"), requires_grad=True)
        loss(u, labels).backward()
        assert not u.grad[2].any() and u.grad[1].any()


def test_the_papers_and_the_codes_quantization_meet_near_the_signs():
    y = torch.tensor([[1 - 1e-4, -1 + 1e-4, 1.0, -1.0]], dtype=torch.float64)
    paper, code = (losses.QuantizationLoss(kind)(y).item() for kind in ("log_cosh", "squared"))
    assert paper == pytest.approx(code * 4 / 2, rel=1e-6)
    assert losses.QuantizationLoss()(y.float()).item() == pytest.approx(paper, rel=1e-3), "no cancellation in float32"


def test_triplet_hinge():
    rng = np.random.default_rng(1)
    q, p, n = (rng.standard_normal((9, 5)) for _ in range(3))
    rows = [torch.tensor(x, requires_grad=True) for x in (q, p, n)]
    loss = losses.TripletHingeLoss(gap=3.0)
    assert loss(*rows).item() == pytest.approx(oracle.hinge(q, p, n, 3.0), rel=1e-12)
    assert torch.autograd.gradcheck(loss, rows)
    each = losses.TripletHingeLoss(gap=3.0, reduction="none")(*rows)
    assert each.shape == (9,) and (each == 0).any() and (each > 0).any()
    assert losses.TripletHingeLoss(gap=3.0, reduction="sum")(*rows).item() == pytest.approx(each.sum().item())
    half = [300 * x.detach().half() for x in rows]
    assert torch.isfinite(loss(*half))


def test_dtsh_of_mined_triplets():
    u, labels = torch.tensor(outputs_of("dtsh")), torch.tensor(SINGLE)
    everything = hardmine.mine_triplets(u, labels, margin=math.inf)
    loss = losses.DTSHLoss(0.5, 0.3)
    assert loss(u, labels, everything).item() == pytest.approx(loss(u, labels).item(), rel=1e-12)
    few = tuple(part[:5] for part in everything)
    assert torch.autograd.gradcheck(lambda x: loss(x, labels, few), u.clone().requires_grad_())


def test_blocks_of_triplets_and_banks(monkeypatch):
    from hardmine.torch.losses import pairwise, triplets

    def found():
        u = torch.tensor(outputs_of("dtsh"), requires_grad=True)
        labels = torch.tensor(SINGLE)
        loss = losses.DTSHLoss()(u, labels) + losses.DPSHLoss()(u, labels, *in_tensors(SINGLE))
        loss.backward()
        return loss.item(), u.grad

    whole = found()
    monkeypatch.setattr(pairwise, "BLOCK", 3 * B)
    monkeypatch.setattr(triplets, "CELLS", 2 * B * B)
    parts = found()
    assert parts[0] == pytest.approx(whole[0], rel=1e-12)
    torch.testing.assert_close(parts[1], whole[1], rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    "labels", [np.zeros(5, int), np.arange(5), np.zeros(1, int)], ids=["one class", "all apart", "one row"]
)
def test_batches_of_one_kind_of_pairs(labels):
    u = torch.randn(len(labels), BITS, generator=torch.Generator().manual_seed(0)).requires_grad_()
    for loss in (losses.DPSHLoss(), losses.DHNLoss(), losses.HashNetLoss(), losses.DCHLoss(), losses.DTSHLoss()):
        value = loss(u, torch.tensor(labels))
        value.backward()
        assert torch.isfinite(value) and torch.isfinite(u.grad).all(), loss


def test_equal_and_zero_rows_have_finite_gradients():
    labels = torch.tensor([0, 0, 1, 1])
    for rows in (torch.ones(4, BITS), torch.zeros(4, BITS)):
        for loss in (
            losses.DPSHLoss(),
            losses.DHNLoss(),
            losses.HashNetLoss(),
            losses.DCHLoss(),
            losses.OrthoHashLoss(CENTERS),
        ):
            u = rows.clone().requires_grad_()
            value = loss(u, labels)
            value.backward()
            assert torch.isfinite(value) and torch.isfinite(u.grad).all(), loss


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch's own, of any Function
@case
def test_compiles_to_one_graph(name):
    torch.compiler.reset()  # recompilations are counted by code, and `in_full_precision` is one for all
    loss, more, _ = CASES[name]
    module = loss().float()
    compiled = torch.compile(module, backend="aot_eager", fullgraph=True)
    u = torch.tensor(outputs_of(name, np.float32), requires_grad=True)
    labels = torch.tensor(SINGLE)
    beside = [x.float() if x.is_floating_point() else x for x in (more(SINGLE) if more else ())]
    value = compiled(u, labels, *beside)
    value.backward()
    v = u.detach().clone().requires_grad_()
    expected = module(v, labels, *beside)
    expected.backward()
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(u.grad, v.grad)


@case
def test_state_dict(name):
    one, other = CASES[name][0](), CASES[name][0]()
    if name.startswith("hashnet"):
        one.grow(180, 20)
    for buffer in other.buffers():
        buffer.zero_()
    other.load_state_dict(one.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values()))
    assert list(one.state_dict()) or name.split()[0] in ("dpsh", "dhn", "dch", "dtsh", "dtsh,")


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: losses.CSQLoss(torch.zeros(3, 4)), r"centers: expected HashCenters or numbers -1 and \+1, got others"),
        (lambda: losses.CSQLoss(torch.ones(4)), r"centers: expected HashCenters or shape \(classes, bits\), got shape \(4,\)"),
        (lambda: losses.QuantizationLoss("cosh"), "kind: expected one of log_cosh, squared, got 'cosh'"),
        (lambda: losses.DCHLoss(gamma=0.0), "gamma: expected more than 0, got 0.0"),
        (lambda: losses.GreedyHashLoss(0, 3), "bits: expected at least 1, got 0"),
        (lambda: losses.DPNLoss(CENTERS, over_bits="max"), "over_bits: expected one of sum, mean, got 'max'"),
        (lambda: losses.TripletHingeLoss(reduction="max"), "reduction: expected one of mean, sum, none, got 'max'"),
        (lambda: call("dpsh", SINGLE, torch.zeros(3, BITS)), r"labels: expected 3 labels or rows of labels, got shape \(7,\)"),
        (lambda: call("dpsh", SINGLE, torch.zeros(7)), r"outputs: expected floats of shape \(rows, bits\), got torch.float32"),
        (lambda: call("dpsh", SINGLE / 1.0, torch.zeros(7, 6)), "labels: expected integers, got torch.float64"),
        (lambda: call("central", SEVERAL[:, :3], torch.zeros(7, 6)), "labels: expected 4 columns, one for each class"),
        (lambda: losses.DPSHLoss()(torch.zeros(1, 2), torch.zeros(1).long(), torch.zeros(3, 2)), "bank_labels: expected"),
        (
            lambda: losses.DPSHLoss()(torch.zeros(1, 2), torch.zeros(1).long(), torch.zeros(3, 4), torch.zeros(3).long()),
            r"bank: expected codes of 2 bits and a label for each, got shape \(3, 4\) and 3 labels",
        ),
        (lambda: losses.TripletHingeLoss()(*torch.zeros(2, 3, 4), torch.zeros(3, 5)), "query, positive, negative: expected"),
    ],
)  # fmt: skip
def test_bad_input(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()
