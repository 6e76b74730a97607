"""Losses where they might break: large, empty and equal inputs, compilers' limits, and how much memory they take."""

import contextlib
import math

import numpy as np
import pytest

import hardmine
from optional_torch import torch

if not torch:
    pytest.skip("needs PyTorch", allow_module_level=True)

from test_losses import BITS, CASES, CENTERS, SEVERAL, SIGNS, SINGLE, call, outputs_of
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from hardmine.torch import losses

case = pytest.mark.parametrize("name", CASES)
kinds = pytest.mark.parametrize("labels", [SINGLE, SEVERAL], ids=["single", "several"])


@case
@kinds
@pytest.mark.parametrize("how", ["float16", "bfloat16", "autocast float16", "autocast bfloat16"])
def test_inputs_at_the_end_of_float16(name, labels, how):
    """6e4, whose square, and whose product with anything, float16 has not: finite, and what float32 makes of the same."""
    narrow = getattr(torch, how.split()[-1])
    u = torch.where(torch.tensor(outputs_of(name)) > 0, 6e4, -6e4).to(narrow)
    if "autocast" in how:
        u = u.float()
    make, more, _ = CASES[name]
    beside = [torch.tensor(labels), *(more(labels) if more else ())]
    module, leaf, wide = make().float(), u.clone().requires_grad_(), u.float().requires_grad_()
    with torch.autocast("cpu", dtype=narrow) if "autocast" in how else contextlib.nullcontext():
        value = module(leaf, *beside)
    expected = module(wide, *beside)
    assert torch.isfinite(value) and value.item() == expected.item()
    value.backward()
    expected.backward()
    assert torch.isfinite(wide.grad).all()
    torch.testing.assert_close(leaf.grad, wide.grad.to(leaf.dtype))  # infinite where float16 cannot hold the gradient itself


@case
@pytest.mark.parametrize("columns", [None, 4])
def test_an_empty_batch_teaches_nothing(name, columns):
    labels = np.zeros(0, int) if columns is None else np.zeros((0, columns), int)
    u = torch.zeros(0, BITS, dtype=torch.float64, requires_grad=True)
    value = call(name, labels, u)
    assert value.item() == 0.0
    value.backward()
    assert u.grad.shape == u.shape


def test_equal_rows_of_two_classes_are_a_ten_thousandth_of_a_bit_apart():
    loss = losses.DCHLoss(gamma=20.0, weight=0)(torch.ones(2, 6, dtype=torch.float64), torch.tensor([0, 1]))
    assert loss.item() == pytest.approx(math.log1p(20 / 1e-4), rel=1e-9)


def test_no_triplets_teach_nothing():
    """As miners return them of a batch that is learnt."""
    x = torch.randn(5, 3, requires_grad=True)
    none = torch.zeros(0, dtype=torch.int64)
    for reduction, expected in (("mean", 0.0), ("sum", 0.0)):
        value = losses.TripletHingeLoss(reduction=reduction)(x[none], x[none], x[none])
        assert value.item() == expected
        value.backward()
    assert not x.grad.any()
    assert losses.DTSHLoss(weight=0)(x, torch.zeros(5).long(), (none, none, none)).item() == 0.0
    hard = losses.OnlineHardExampleLoss(lambda x, y: (x - y).abs(), k=3)
    assert hard(torch.zeros(4, 0), torch.zeros(4, 0)).item() == 0.0


@case
@pytest.mark.parametrize("rows", [0.0, 1.0, -1.0])
@pytest.mark.parametrize("labels", [np.zeros(4, int), np.arange(4)], ids=["one class", "all apart"])
def test_rows_of_zeros_and_equal_rows(name, rows, labels):
    u = torch.full((4, BITS), rows, requires_grad=True)
    loss, more, _ = CASES[name]
    value = loss().float()(u, torch.tensor(labels), *(more(labels) if more else ()))
    value.backward()
    assert torch.isfinite(value) and torch.isfinite(u.grad).all()


@pytest.mark.parametrize(
    "make",
    [losses.CentralSimilarityLoss, losses.CSQLoss, losses.DPNLoss, losses.OrthoHashLoss],
    ids=lambda make: make.__name__,
)
def test_centers_and_signs_alike(make):
    """`HashCenters`, arrays and tensors of any dtype are one; what the caller has afterwards is the caller's."""
    signs = torch.tensor(SIGNS, dtype=torch.float32)
    given = [
        CENTERS,
        SIGNS,
        SIGNS.tolist(),
        SIGNS.astype(np.int8),
        signs,
        signs.to(torch.int8),
        signs.bfloat16(),
        signs.double(),
    ]
    u = torch.tensor(outputs_of("central"))
    values = {make(centers)(u, torch.tensor(labels)).item() for centers in given for labels in (SINGLE,)}
    assert len(values) == 1
    loss = make(signs)
    signs.neg_()
    assert loss(u, torch.tensor(SINGLE)).item() in values


class Largest(TorchDispatchMode):
    """The most numbers of one tensor that an operation inside made; views of what it was given are not made."""

    most = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        before, after = ([x for x in tree_flatten(part)[0] if isinstance(x, torch.Tensor)] for part in (args, result))
        places = {x.untyped_storage().data_ptr() for x in before}
        made = [x.numel() for x in after if x.untyped_storage().data_ptr() not in places]
        self.most = max([self.most, *made])
        return result


PAIRWISE = {
    "dpsh": losses.DPSHLoss, "dhn": losses.DHNLoss, "hashnet": losses.HashNetLoss, "dch": losses.DCHLoss,
    "dtsh": losses.DTSHLoss,
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRWISE)
@pytest.mark.parametrize("several", [False, True])
def test_memory_of_pairs_has_no_third_dimension(name, several, monkeypatch):
    """No tensor, forward or backward, is larger than that of all pairs or the outputs; of triplets a block may be."""
    from hardmine.torch.losses import triplets

    rows, bits = 48, 40
    monkeypatch.setattr(triplets, "CELLS", rows * rows)
    u = torch.randn(rows, bits, requires_grad=True)
    labels = torch.arange(rows) % 5
    if several:
        labels = torch.nn.functional.one_hot(labels, 5)
    with Largest() as seen:
        PAIRWISE[name]()(u, labels).backward()
    assert rows * bits < seen.most <= rows * rows


def test_a_bank_of_many_codes_is_visited_in_blocks(monkeypatch):
    """Of 160,000 pairs a block is in memory at a time, forward and backward."""
    from hardmine.torch.losses import pairwise

    monkeypatch.setattr(pairwise, "BLOCK", 1 << 12)
    u, bank = torch.randn(8, 16, requires_grad=True), torch.randn(20_000, 16)
    labels, of_bank = torch.arange(8), torch.arange(20_000) % 9
    with Largest() as seen:
        losses.DPSHLoss()(u, labels, bank, of_bank).backward()
    assert seen.most == 1 << 12


@pytest.mark.slow
def test_programs_of_many_losses_do_not_reach_the_compilers_limit():
    """Several classes compiled in one process, in two dtypes, three shapes and under autocast: no frame is given up."""
    from torch import _dynamo

    torch.compiler.reset()
    with _dynamo.config.patch(fail_on_recompile_limit_hit=True):
        for name in ("central", "dpsh", "hashnet", "dpn", "orthohash"):
            module = CASES[name][0]().float()
            compiled = torch.compile(module, backend="eager", fullgraph=True)
            for dtype, rows, autocast in ((torch.float32, 7, False), (torch.bfloat16, 5, False), (torch.float32, 4, True)):
                u, labels = torch.tensor(outputs_of(name))[:rows].to(dtype), torch.tensor(SINGLE[:rows])
                with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
                    torch.testing.assert_close(compiled(u, labels), module(u, labels))
    torch.compiler.reset()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")  # torch's own
@pytest.mark.parametrize("name", [name for name in CASES if "bank" not in name])
def test_exports(name):
    module, u, labels = CASES[name][0]().float(), torch.tensor(outputs_of(name, np.float32)), torch.tensor(SINGLE)
    exported = torch.export.export(module, (u, labels))
    torch.testing.assert_close(exported.module()(u, labels), module(u, labels))


def test_hash_centers_of_many_classes():
    """As many classes as the published figures have: 0 at the centers, in float32."""
    centers = hardmine.hash_centers(1000, 64)
    loss = losses.CSQLoss(centers, weight=1.0)
    assert loss(torch.from_numpy(centers.signs()), torch.arange(1000)).item() == 0.0
