"""Attentional localization: where in an image its object is, learnt from the labels of images alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

import torch

from hardmine import _arguments

Gradient: TypeAlias = Literal["straight_through", "soft", "none"]


class AttentionalLocalization(torch.nn.Module):
    """Weaken what lies outside of the positions that an attention map exceeds a threshold at, for several thresholds [1]_.

    Parameters
    ----------
    channels : int
        Of the features.
    thresholds : sequence of float
        T of them, each between 0 and 1; the paper has two, of values that we do not know.
    background : tuple of four floats
        In training, a position below a threshold counts as much as a random number of that mean and standard deviation,
        clipped to the other two: the paper writes N(0.1, 0.9) clipped to 0 and 0.1 (whether 0.9 is the variance is not known
        to us).
    eval_background : float
        The same in evaluation.
    gradient : {"straight_through", "soft", "none"}
        Binary masks are constant in the attention map and give its convolution no gradient. "straight_through" has binary
        masks and the gradient of logistic ones, "soft" the logistic ones themselves, "none" is the formula: the convolution
        stays as it was.
    temperature : float
        Of the logistic masks: how much of the map's range they rise over.

    Notes
    -----
    Called with features F of shape (n, channels, h, w), returns sum_i w_i (M_i * F) of the same shape. The attention map is
    the softplus of a 1 x 1 convolution of F, moved and scaled to 0 and 1 for each image (1 everywhere if it is constant); M_i
    is 1 where it reaches the i-th threshold and the background elsewhere; the weights w are a softmax. With one threshold of 0
    nothing changes. As masks have one channel, the sum is one product of F: O(n channels h w) time, whatever T is. Not run on
    a GPU yet.

    References
    ----------
    .. [1] Song et al., "On train-test class overlap and detection for image retrieval", 2024, section 4.

    Examples
    --------
    >>> import torch
    >>> from hardmine.torch.modules import AttentionalLocalization
    >>> x = torch.rand(2, 8, 5, 5)
    >>> torch.equal(AttentionalLocalization(8, thresholds=[0.0])(x), x)
    True
    >>> AttentionalLocalization(8).attention(x).shape
    torch.Size([2, 1, 5, 5])
    """

    def __init__(
        self,
        channels: int,
        thresholds: Sequence[float] = (1 / 3, 2 / 3),
        *,
        background: tuple[float, float, float, float] = (0.1, 0.9, 0.0, 0.1),
        eval_background: float = 0.0,
        gradient: Gradient = "straight_through",
        temperature: float = 0.05,
    ) -> None:
        super().__init__()
        given = [float(threshold) for threshold in thresholds]
        if not given or not all(0 <= threshold <= 1 for threshold in given):
            raise ValueError(f"thresholds: expected one or more of 0 to 1, got {given}")
        _arguments.one_of("gradient", gradient, get_args(Gradient))
        if not temperature > 0:
            raise ValueError(f"temperature: expected more than 0, got {temperature}")
        self.map = torch.nn.Conv2d(_arguments.positive("channels", channels), 1, 1)
        self.register_buffer("thresholds", torch.tensor(given).reshape(1, -1, 1, 1))
        self.mix = torch.nn.Parameter(torch.zeros(len(given)))
        self.background, self.eval_background = tuple(map(float, background)), float(eval_background)
        self.gradient, self.temperature = gradient, float(temperature)

    def attention(self, features: torch.Tensor) -> torch.Tensor:
        """Return the attention map.

        Parameters
        ----------
        features : tensor of shape (n, channels, h, w)
            As the call takes them.

        Returns
        -------
        tensor of shape (n, 1, h, w)
            From 0 to 1, both reached in each image unless it is 1 everywhere.
        """
        raw = torch.nn.functional.softplus(self.map(features))
        low, high = raw.amin(dim=(-2, -1), keepdim=True), raw.amax(dim=(-2, -1), keepdim=True)
        flat = high <= low
        return torch.where(flat, 1.0, (raw - low) / torch.where(flat, 1.0, high - low))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        attention = self.attention(features)
        masks = (attention >= self.thresholds).to(attention.dtype)
        if self.gradient != "none":
            soft = torch.sigmoid((attention - self.thresholds) / self.temperature)
            masks = soft if self.gradient == "soft" else masks + (soft - soft.detach())
        if self.training:
            mean, deviation, low, high = self.background
            noise = torch.randn(masks.shape[:2], dtype=masks.dtype, device=masks.device)[..., None, None]
            behind = (mean + deviation * noise).clamp(low, high)
        else:
            behind = torch.full_like(masks[:, :, :1, :1], self.eval_background)
        weights = self.mix.softmax(dim=0).reshape(1, -1, 1, 1)
        return features * (weights * (masks + (1 - masks) * behind)).sum(dim=1, keepdim=True).to(features.dtype)
