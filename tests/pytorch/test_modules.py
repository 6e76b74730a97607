"""Modules: what their formulas promise in special cases, half precision, and that they compile, export and are saved."""

import math

import numpy as np
import pytest

from optional_torch import torch

if not torch:
    pytest.skip("needs PyTorch", allow_module_level=True)

from hardmine.torch import modules

SHAPE = (3, 8, 6, 5)


def backbone():
    return torch.nn.Sequential(torch.nn.Conv2d(8, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(48, 7))


MODULES = {
    "gem": lambda: modules.GeM(),
    "aspp": lambda: modules.ASPP(8, 6, rates=(1, 2)),
    "squeeze": lambda: modules.SqueezeExcitation(8, 4),
    "kernel": lambda: modules.SelectiveKernel(8, 3, least=4, groups=2),
    "localization": lambda: modules.AttentionalLocalization(8),
    "soft localization": lambda: modules.AttentionalLocalization(8, gradient="soft"),
    "head": lambda: torch.nn.Sequential(
        modules.GeM(), modules.HashHead(8, 12, [9, 9], dropout=0.1, batch_norm=True, tanh=True)
    ),
    "scales": lambda: modules.MultiScale(backbone(), 7, 10, channels=8, scales=(1, 2), kernel=2, stride=1, width=3),
}
each = pytest.mark.parametrize("name", MODULES)


def made(name):
    torch.manual_seed(0)
    return MODULES[name]()


def images(dtype=None):
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(1), dtype=dtype)


@each
def test_gradients_reach_every_parameter_and_are_right(name):
    module = made(name)
    module(images()).square().sum().backward()
    for parameter_name, parameter in module.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), parameter_name
    if name == "localization":
        return  # whose gradient is not that of its value, by design
    module = module.double().eval()
    x = images(torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(module, x, fast_mode=True)


@each
def test_state_dict(name):
    one, other = made(name), MODULES[name]()
    for part in other.parameters():
        torch.nn.init.constant_(part, 0.5)
    one(images())  # moves what is normalised
    other.load_state_dict(one.state_dict())
    assert torch.equal(one.eval()(images()), other.eval()(images()))


@pytest.mark.slow
@each
def test_compiles_to_one_graph(name):
    torch.compiler.reset()
    module = made(name)
    expected = module.eval()(images())
    compiled = torch.compile(module, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(images()), expected)
    module.train()
    compiled(images()).sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


@pytest.mark.slow
@each
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # torch's own
def test_exports_with_any_number_of_images(name):
    module = made(name).eval()
    exported = torch.export.export(module, (images(),), dynamic_shapes=[{0: torch.export.Dim("n", min=2)}])
    more = torch.cat([images(), images() / 2])
    torch.testing.assert_close(exported.module()(more), module(more))


@each
@pytest.mark.parametrize("how", ["autocast", "bfloat16"])
def test_half_precision(name, how):
    module = made(name).eval()
    x = 100 * images()
    expected = module(x)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=how == "autocast"):
        found = module(x) if how == "autocast" else module.bfloat16()(x.bfloat16())
    assert torch.isfinite(found).all() and found.shape == expected.shape
    if "localization" not in name:  # where a rounded map may pass a threshold
        scale = expected.abs().max()
        torch.testing.assert_close(found.float() / scale, expected / scale, atol=0.15, rtol=0)


def test_gem_is_the_mean_and_the_maximum():
    x = images(torch.float64)
    torch.testing.assert_close(modules.GeM(p=1.0)(x), x.mean(dim=(2, 3)))
    for p in (1e3, 1e6):
        limit = math.log(30) / p  # mean of powers: at least 1/30 of the largest
        torch.testing.assert_close(modules.GeM(p=p)(x), x.amax(dim=(2, 3)), rtol=2 * limit, atol=0)
    expected = (x**3).mean(dim=(2, 3)) ** (1 / 3)
    torch.testing.assert_close(modules.GeM()(x), expected)
    assert modules.GeM()(torch.full((1, 1, 2, 2), 3e4, dtype=torch.float16)).item() == 3e4, "whose cube exceeds float16"
    assert modules.GeM()(torch.full((1, 1, 2, 2), 1e30)).item() == pytest.approx(1e30), "whose cube exceeds float32"
    torch.testing.assert_close(modules.GeM()(-x), torch.full((3, 8), 1e-6, dtype=torch.float64))
    assert not modules.GeM(trainable=False).p.requires_grad


def test_one_threshold_of_zero_changes_nothing():
    x = images()
    for training in (True, False):
        assert torch.equal(modules.AttentionalLocalization(8, [0.0]).train(training)(x), x)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("gradient", ["straight_through", "none"])
def test_localization_is_the_convex_combination_of_masked_features(training, gradient):
    """Its one product beside the sum over thresholds as the paper writes it."""
    module = modules.AttentionalLocalization(8, [0.2, 0.5, 0.9], gradient=gradient, eval_background=0.05).train(training)
    torch.nn.init.normal_(module.mix)
    x = images()
    attention = module.attention(x)
    assert torch.equal(attention.amin(dim=(1, 2, 3)), torch.zeros(3)) and torch.equal(attention.amax((1, 2, 3)), torch.ones(3))
    torch.manual_seed(4)
    found = module(x)
    torch.manual_seed(4)
    noise = torch.randn(3, 3)
    behind = (0.1 + 0.9 * noise).clamp(0, 0.1) if training else torch.full((3, 3), 0.05)
    weights, expected = module.mix.exp() / module.mix.exp().sum(), torch.zeros_like(x)
    for i, threshold in enumerate([0.2, 0.5, 0.9]):
        mask = torch.where(attention >= threshold, 1.0, behind[:, i].reshape(3, 1, 1, 1))
        expected += weights[i] * mask * x
    torch.testing.assert_close(found, expected)
    assert (found <= x + 1e-6).all()


def test_binary_masks_give_the_map_no_gradient():
    grads = {}
    for gradient in ("straight_through", "soft", "none"):
        torch.manual_seed(0)
        module = modules.AttentionalLocalization(8, gradient=gradient).eval()
        module(images()).square().sum().backward()
        grads[gradient] = module.map.weight.grad
    assert grads["none"] is None and grads["soft"].any() and grads["straight_through"].any()


def test_a_constant_map_masks_nothing():
    module = modules.AttentionalLocalization(8).eval()
    x = torch.full(SHAPE, 0.5, requires_grad=True)
    assert torch.equal(module(x), x)
    module(x).sum().backward()
    assert torch.isfinite(x.grad).all()


def test_selective_kernel_mixes_its_branches():
    module, x = made("kernel").eval(), images()
    weights = module.weights(x)
    assert weights.shape == (3, 3, 8)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(3, 8))
    expected = sum(weights[:, i, :, None, None] * branch(x) for i, branch in enumerate(module.branches))
    torch.testing.assert_close(module(x), expected)


def test_squeeze_excitation_scales_channels():
    module, x = made("squeeze"), images()
    scale = module(x) / x
    assert ((scale > 0) & (scale < 1)).all()
    torch.testing.assert_close(scale, scale[:, :, :1, :1].expand_as(scale))
    with torch.no_grad():
        z = x.mean(dim=(2, 3)).numpy()
        w1, b1, w2, b2 = (parameter.numpy() for parameter in module.parameters())
        expected = 1 / (1 + np.exp(-(np.maximum(z @ w1.T + b1, 0) @ w2.T + b2)))
    np.testing.assert_allclose(scale[:, :, 0, 0].detach(), expected, rtol=1e-5)


def test_aspp_sees_as_far_as_its_rates():
    module = modules.ASPP(1, 1, rates=(2,)).eval()
    for parameter in module.parameters():
        torch.nn.init.constant_(parameter, 1.0)
    x = torch.zeros(1, 1, 9, 9, requires_grad=True)
    module(x)[0, 0, 4, 4].backward()
    seen = x.grad[0, 0] - x.grad.min()  # beside the mean, which sees everything alike
    assert set(map(tuple, seen.nonzero().tolist())) == {(i, j) for i in (2, 4, 6) for j in (2, 4, 6)}


def test_scales():
    module = made("scales")
    out = module(images())
    torch.testing.assert_close(out.norm(dim=1), torch.ones(3))
    assert module.embed.in_features == 7 + 2 * 3 * 16
    module.backbone = torch.nn.Sequential(modules.GeM(), torch.nn.Linear(8, 7))
    with pytest.raises(ValueError, match=r"images: expected 2 pixels a side when 2 times smaller, got \(1, 2\)"):
        module(torch.rand(1, 8, 2, 5))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: modules.GeM(p=0.0), "p: expected more than 0, got 0.0"),
        (lambda: modules.ASPP(0), "channels: expected at least 1, got 0"),
        (lambda: modules.SelectiveKernel(6, groups=4), "groups: expected a divisor of 6 channels, got 4"),
        (lambda: modules.AttentionalLocalization(3, []), r"thresholds: expected one or more of 0 to 1, got \[\]"),
        (lambda: modules.AttentionalLocalization(3, [1.5]), r"thresholds: expected one or more of 0 to 1, got \[1.5\]"),
        (lambda: modules.AttentionalLocalization(3, gradient="hard"), "gradient: expected one of straight_through"),
        (lambda: modules.AttentionalLocalization(3, temperature=0), "temperature: expected more than 0, got 0"),
        (lambda: modules.HashHead(3, 0), "bits: expected at least 1, got 0"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()
