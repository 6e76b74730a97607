"""Attention over channels: how much each counts, and at which size of kernel it is seen."""

from __future__ import annotations

import torch

from hardmine import _arguments
from hardmine.torch.modules.pooling import convolution


class SqueezeExcitation(torch.nn.Module):
    """Scale each channel by what the means of all channels say of it [1]_.

    Parameters
    ----------
    channels : int
        Of the input.
    reduction : int
        The hidden layer has channels / reduction units, one at least.

    Notes
    -----
    Called with features of shape (n, channels, h, w), returns the same shape. Not run on a GPU yet.

    References
    ----------
    .. [1] Hu, Shen and Sun, "Squeeze-and-excitation networks", 2018.

    Examples
    --------
    >>> import torch
    >>> from hardmine.torch.modules import SqueezeExcitation
    >>> SqueezeExcitation(8, reduction=4)(torch.rand(2, 8, 5, 5)).shape
    torch.Size([2, 8, 5, 5])
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        channels = _arguments.positive("channels", channels)
        hidden = max(1, channels // _arguments.positive("reduction", reduction))
        self.squeeze, self.excite = torch.nn.Linear(channels, hidden), torch.nn.Linear(hidden, channels)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        scale = torch.sigmoid(self.excite(torch.relu(self.squeeze(features.mean(dim=(-2, -1))))))
        return features * scale[..., None, None]


class SelectiveKernel(torch.nn.Module):
    """Mix convolutions of several dilations, each channel by weights of its own that all of them decide [1]_.

    Parameters
    ----------
    channels : int
        Of the input and the output.
    branches : int
        Convolutions of 3 x 3, the i-th dilated i times.
    reduction, least : int
        The hidden layer has channels / reduction units, `least` at least.
    groups : int
        Of the convolutions.

    Notes
    -----
    Called with features of shape (n, channels, h, w), returns the same shape. The weights of the branches sum to 1 in each
    channel: `weights` returns them. In training it needs two images at least. Not run on a GPU yet.

    References
    ----------
    .. [1] Li, Wang, Hu and Yang, "Selective kernel networks", 2019.

    Examples
    --------
    >>> import torch
    >>> from hardmine.torch.modules import SelectiveKernel
    >>> module, x = SelectiveKernel(8, branches=3), torch.rand(2, 8, 5, 5)
    >>> module(x).shape, module.weights(x).shape
    (torch.Size([2, 8, 5, 5]), torch.Size([2, 3, 8]))
    """

    def __init__(self, channels: int, branches: int = 2, reduction: int = 16, least: int = 32, groups: int = 1) -> None:
        super().__init__()
        self.channels, count = _arguments.positive("channels", channels), _arguments.positive("branches", branches)
        if self.channels % _arguments.positive("groups", groups):
            raise ValueError(f"groups: expected a divisor of {channels} channels, got {groups}")
        hidden = max(_arguments.positive("least", least), self.channels // _arguments.positive("reduction", reduction))
        self.branches = torch.nn.ModuleList(
            convolution(self.channels, self.channels, 3, i, groups) for i in range(1, count + 1)
        )
        self.squeeze = torch.nn.Sequential(
            torch.nn.Linear(self.channels, hidden, bias=False), torch.nn.BatchNorm1d(hidden), torch.nn.ReLU(inplace=True)
        )
        self.select = torch.nn.Linear(hidden, count * self.channels, bias=False)

    def weights(self, features: torch.Tensor) -> torch.Tensor:
        """Return the weight of each branch in each channel.

        Parameters
        ----------
        features : tensor of shape (n, channels, h, w)
            As the call takes them.

        Returns
        -------
        tensor of shape (n, branches, channels)
            They sum to 1 over the branches.
        """
        return self._weights([branch(features) for branch in self.branches])

    def _weights(self, seen: list[torch.Tensor]) -> torch.Tensor:
        hidden = self.squeeze(torch.stack(seen).sum(dim=0).mean(dim=(-2, -1)))
        return self.select(hidden).reshape(-1, len(self.branches), self.channels).softmax(dim=1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        seen = [branch(features) for branch in self.branches]
        return (torch.stack(seen, dim=1) * self._weights(seen)[..., None, None]).sum(dim=1)
