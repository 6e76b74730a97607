"""The loss over hard examples: how many of an image, which, and what they are divided by."""

import pytest

from optional_torch import torch

if not torch:
    pytest.skip("needs PyTorch", allow_module_level=True)

from hardmine.torch import losses


def plain(x, target):
    return (x - target).abs()


@pytest.mark.parametrize("rule", [{"k": 3}, {"top_fraction": 0.2}, {"k": 1, "min_kept": 4}], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_hard_examples(rule, dtype):
    x = torch.randn(4, 25, generator=torch.Generator().manual_seed(1)).to(getattr(torch, dtype)).requires_grad_()
    loss = losses.OnlineHardExampleLoss(plain, **rule)(x, torch.zeros_like(x))
    each = x.detach().abs().double()
    count = max(rule.get("min_kept", 0), rule.get("k", 5))
    hardest = each.sort(dim=1, descending=True).values[:, :count]
    assert loss.item() == pytest.approx(hardest.mean().item(), rel=1e-6)
    loss.backward()
    assert ((x.grad != 0).sum(dim=1) == count).all()


@pytest.mark.parametrize("divide_by", ["selected", "positives"])
def test_hard_negatives_beside_positives(divide_by):
    x = torch.tensor([[5.0, 1.0, 4.0, 3.0, 2.0, 0.5], [9.0, 1.0, 1.0, 1.0, 1.0, 1.0]], requires_grad=True)
    positive = torch.tensor([[False, True, False, False, False, False], [False] * 6])
    loss = losses.OnlineHardExampleLoss(plain, neg_pos_ratio=2, divide_by=divide_by)
    value = loss(x, torch.zeros_like(x), positive)  # 5, 4 and the positive; nothing of the image without one
    assert value.item() == pytest.approx(10.0 / (3 if divide_by == "selected" else 1))
    assert loss(x[1:], torch.zeros(1, 6), positive[1:]).item() == 0.0
    with pytest.raises(ValueError, match="positive_mask: expected a mask beside neg_pos_ratio, and only there"):
        loss(x, torch.zeros_like(x))


@pytest.mark.parametrize(
    "options, message",
    [
        ({}, "k: expected one of .*, got none"),
        ({"k": 1, "neg_pos_ratio": 3}, "k: expected one of .*, got neg_pos_ratio and k"),
        ({"k": 1, "divide_by": "positives"}, "divide_by: expected 'selected' unless neg_pos_ratio is given"),
        ({"k": 1, "divide_by": "all"}, "divide_by: expected one of selected, positives, got 'all'"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(ValueError, match=message):
        losses.OnlineHardExampleLoss(plain, **options)
