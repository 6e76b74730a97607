"""Losses, modules and miners of tensors on a second device: the answers of the CPU, on that device, and no devices mixed.

It stands for a GPU, on which none of this has run: what it cannot show is what a GPU's own kernels do.
"""

import contextlib

import pytest

from optional_torch import torch

if not torch:
    pytest.skip("needs PyTorch", allow_module_level=True)

from elsewhere import DEVICE, Elsewhere, SecondDevice, here, there
from test_batch_miner import OPTIONS
from test_losses import CASES, SEVERAL, SINGLE, outputs_of
from test_modules import MODULES, images, made

import hardmine
from hardmine.torch import losses
from hardmine.torch.miners import BatchMiner, MemoryBank, RefreshingMiner, mix_hard_negatives, on_cpu


@pytest.fixture
def second_device(monkeypatch):
    """With autocast off, which knows no such device, and copies in blocks of a few rows."""
    monkeypatch.setattr(on_cpu, "BLOCK_BYTES", 100)
    monkeypatch.setattr("torch.is_autocast_enabled", lambda kind: False)
    monkeypatch.setattr("torch.autocast", lambda kind, enabled: contextlib.nullcontext())
    with SecondDevice():
        yield


def test_devices_do_not_mix(second_device):
    """The stand-in refuses what a GPU would."""
    x = there(torch.ones(4, 3))
    for mixed in (
        lambda: x + torch.ones(4, 3),
        lambda: torch.cat([x, torch.ones(1, 3)]),
        lambda: torch.ones(3)[x[:, 0].long()],
    ):
        with pytest.raises(RuntimeError, match="expected tensors of one device"):
            mixed()
    with pytest.raises((RuntimeError, TypeError), match="numpy"):
        x.numpy()
    assert x[torch.tensor([1, 2])].device == DEVICE and x.cpu().device.type == "cpu"


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("labels", [SINGLE, SEVERAL], ids=["single", "several"])
def test_losses(second_device, name, labels):
    make, more, _ = CASES[name]
    beside = [torch.tensor(labels), *(more(labels) if more else ())]
    one, other = torch.tensor(outputs_of(name)), there(torch.tensor(outputs_of(name)))
    found, expected = [], []
    for u, args, module, into in (
        (one, beside, make(), expected),
        (other, [there(x) for x in beside], make().to(DEVICE), found),
    ):
        leaf = u.clone().requires_grad_()
        value = module(leaf, *args)
        value.backward()
        into += [value, leaf.grad]
    assert all(isinstance(x, Elsewhere) and torch.equal(here(x), y) for x, y in zip(found, expected))


def test_losses_of_triplets_and_hard_examples(second_device):
    rows = [torch.randn(9, 5) for _ in range(3)]
    away = losses.TripletHingeLoss()(*map(there, rows))
    assert away.device == DEVICE and torch.equal(here(away), losses.TripletHingeLoss()(*rows))
    u, labels = torch.tensor(outputs_of("dtsh")), torch.tensor(SINGLE)
    miner, loss = BatchMiner(), losses.DTSHLoss(0.5)
    away = loss(there(u), there(labels), miner(there(u), there(labels)))
    assert away.device == DEVICE and torch.equal(here(away), loss(u, labels, miner(u, labels)))
    hard = losses.OnlineHardExampleLoss(lambda x, y: (x - y).abs(), neg_pos_ratio=2)
    x, mask = torch.randn(4, 9), torch.arange(36).reshape(4, 9) % 8 == 0
    away = hard(there(x), there(torch.zeros(4, 9)), there(mask))
    assert away.device == DEVICE and torch.equal(here(away), hard(x, torch.zeros(4, 9), mask))


@pytest.mark.parametrize("name", MODULES)
def test_modules(second_device, name):
    module = made(name).eval()
    expected = module(images())
    expected.square().sum().backward()
    gradients = [parameter.grad.clone() for parameter in module.parameters()]
    module.zero_grad()
    module.to(DEVICE)
    found = module(there(images()))
    found.square().sum().backward()
    assert found.device == DEVICE
    torch.testing.assert_close(here(found).detach(), expected.detach())
    for parameter, gradient in zip(module.parameters(), gradients):
        torch.testing.assert_close(here(parameter.grad), gradient)
    module.train()(there(images())).sum().backward()  # whose random numbers are drawn there


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_batch_miner(second_device, options):
    x, y = torch.randn(40, 8), torch.arange(40) % 7
    refs, of_refs, mask = torch.randn(30, 8), torch.arange(30) % 7, torch.rand(40, 30) < 0.7
    for args in ((x, y), (x, y, refs, of_refs), (x, y, refs, of_refs, mask), (x.half(), y)):
        miner = BatchMiner(**options)
        for one, other in zip(miner(*args), miner(*map(there, args))):
            assert other.device == DEVICE and torch.equal(one, here(other))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bits"])
@pytest.mark.parametrize("bank_there, batch_there", [(True, True), (True, False), (False, True)])
def test_memory_bank(second_device, dtype, bank_there, batch_there):
    one, other = MemoryBank(32, 8, dtype), MemoryBank(32, 8, dtype)
    if bank_there:
        other.to(DEVICE)
    for i in range(3):
        rows, labels = torch.randn(20, 8), torch.arange(20) % 5
        ids = torch.arange(20) + 100 if i == 1 else None
        one.enqueue(rows, labels, ids)
        given = [x if x is None or not batch_there else there(x) for x in (rows, labels, ids)]
        other.enqueue(*given)
    assert all(torch.equal(a, here(b)) for a, b in zip(one.buffers(), other.buffers()))
    assert all((b.device == DEVICE) == bank_there for b in other.buffers())
    queries = torch.randn(6, 8), torch.arange(6) % 5
    away = [there(x) if batch_there else x for x in queries]
    calls = [lambda bank, q: bank.hard_negatives(*q, k=4)]
    if dtype != "bits":
        calls += [lambda bank, q: bank.mine(BatchMiner(), *q), lambda bank, q: bank.mine(BatchMiner(), *q, q[1] + 103)]
    for call in calls:
        for a, b in zip(call(one, queries), call(other, away)):
            assert (b.device == DEVICE) == batch_there and torch.equal(a, here(b))


@pytest.mark.parametrize("data_there", [True, False])
def test_refreshing_miner(second_device, data_there):
    x, labels = torch.randn(60, 8), torch.arange(60) % 6
    torch.manual_seed(0)
    model = torch.nn.Linear(8, 4)
    options = {"every": 2, "batch_size": 16, "pool_size": 40, "random_ratio": 0.5}
    expected = RefreshingMiner(model, x, labels, **options)
    wanted = [next(expected) for _ in range(5)]
    model.to(DEVICE)
    data = (there(x), there(labels)) if data_there else (x, labels)
    miner = RefreshingMiner(model, *data, **options)
    found = [next(miner) for _ in range(3)]
    state = miner.state_dict()
    assert not isinstance(state["triplets"], Elsewhere)
    miner = RefreshingMiner(model, *data, **options)
    miner.load_state_dict({**state, "triplets": there(state["triplets"])})  # as `torch.load` of another device may have it
    found += [next(miner) for _ in range(2)]
    for one, other in zip(wanted, found):
        assert all((b.device == DEVICE) == data_there and torch.equal(a, here(b)) for a, b in zip(one, other))
    assert data[0][found[0][0]].device == data[0].device


def test_mixing(second_device):
    q, negatives = (torch.nn.functional.normalize(torch.randn(n, 6)) for n in (3, 20))
    options = {"n_hardest": 8, "n_mixed": 5, "n_query_mixed": 2}
    found = mix_hard_negatives(there(q), there(negatives), **options)
    assert found.device == DEVICE and torch.equal(here(found), mix_hard_negatives(q, negatives, **options))


def test_functions_of_the_library_itself_want_a_tensor_that_holds_numbers(second_device):
    with pytest.raises(RuntimeError, match="queries: expected a tensor that holds numbers, got one on meta"):
        hardmine.topk(there(torch.randn(5, 3)), k=1)
