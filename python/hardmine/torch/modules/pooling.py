"""Pooling: over all positions by a generalised mean, and around each of them at several rates."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from hardmine import _arguments


class GeM(torch.nn.Module):
    """The generalised mean of each channel over all positions [1]_: the mean for p = 1, the maximum as p grows.

    Parameters
    ----------
    p : float
        The exponent at first, above 0; a parameter.
    trainable : bool
        Whether p is learnt.
    eps : float
        Smaller values count as this.

    Notes
    -----
    Called with features of shape (n, c, h, w), returns (n, c) of the same dtype. Values are divided by the largest of their
    channel before they are raised, which changes nothing but that no power overflows, and computed in float32 at least.
    Not run on a GPU yet.

    References
    ----------
    .. [1] Radenovic, Tolias and Chum, "Fine-tuning CNN image retrieval with no human annotation", 2019, section 3.2.

    Examples
    --------
    >>> import torch
    >>> from hardmine.torch.modules import GeM
    >>> x = torch.tensor([[[[1.0, 3.0]]]])
    >>> GeM(p=1.0)(x).item(), round(GeM(p=2.0)(x).item(), 4)
    (2.0, 2.2361)
    """

    def __init__(self, p: float = 3.0, *, trainable: bool = True, eps: float = 1e-6) -> None:
        super().__init__()
        for name, value in (("p", p), ("eps", eps)):
            if not value > 0:
                raise ValueError(f"{name}: expected more than 0, got {value}")
        self.p, self.eps = torch.nn.Parameter(torch.tensor(float(p)), requires_grad=bool(trainable)), float(eps)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        with torch.autocast(features.device.type, enabled=False):
            wide = torch.promote_types(features.dtype, torch.float32)
            values, p = features.to(wide).clamp_min(self.eps), self.p.to(wide)
            largest = values.detach().amax(dim=(-2, -1), keepdim=True)
            means = (values / largest).pow(p).mean(dim=(-2, -1)).pow(1 / p)
            return (means * largest[..., 0, 0]).to(features.dtype)


class ASPP(torch.nn.Module):
    """Atrous spatial pyramid pooling [1]_: convolutions at several dilations and the mean of all positions, side by side.

    Parameters
    ----------
    channels : int
        Of the input.
    out_channels : int, optional
        Of the output and of each branch; by default `channels`.
    rates : sequence of int
        The dilations of the 3 x 3 convolutions.

    Notes
    -----
    Called with features of shape (n, channels, h, w), returns (n, out_channels, h, w): a 1 x 1 convolution of what a 1 x 1
    convolution, the dilated ones and the mean give, each with batch normalisation and ReLU. In training it needs two images
    at least, for the normalisation of the mean. Not run on a GPU yet.

    References
    ----------
    .. [1] Chen, Papandreou, Schroff and Adam, "Rethinking atrous convolution for semantic image segmentation", 2017.

    Examples
    --------
    >>> import torch
    >>> from hardmine.torch.modules import ASPP
    >>> ASPP(8, 6, rates=(1, 2))(torch.rand(2, 8, 5, 5)).shape
    torch.Size([2, 6, 5, 5])
    """

    def __init__(self, channels: int, out_channels: int | None = None, rates: Sequence[int] = (6, 12, 18)) -> None:
        super().__init__()
        channels = _arguments.positive("channels", channels)
        width = channels if out_channels is None else _arguments.positive("out_channels", out_channels)
        dilations = [_arguments.positive("rates", rate) for rate in rates]
        self.branches = torch.nn.ModuleList([convolution(channels, width, 1)])
        self.branches.extend(convolution(channels, width, 3, dilation) for dilation in dilations)
        self.of_mean = convolution(channels, width, 1)
        self.join = convolution((len(dilations) + 2) * width, width, 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        mean = self.of_mean(features.mean(dim=(-2, -1), keepdim=True)).expand(-1, -1, *features.shape[-2:])
        joined: torch.Tensor = self.join(torch.cat([*(branch(features) for branch in self.branches), mean], dim=1))
        return joined


def convolution(channels: int, width: int, size: int, dilation: int = 1, groups: int = 1) -> torch.nn.Sequential:
    """A convolution that keeps height and width, batch normalisation, ReLU."""
    padding = dilation * (size // 2)
    one = torch.nn.Conv2d(channels, width, size, padding=padding, dilation=dilation, groups=groups, bias=False)
    return torch.nn.Sequential(one, torch.nn.BatchNorm2d(width), torch.nn.ReLU(inplace=True))
