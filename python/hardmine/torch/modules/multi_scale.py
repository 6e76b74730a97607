"""Deep Ranking's network: a deep one for what an image shows, shallow ones of it made small for how it looks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn.functional import adaptive_max_pool2d, avg_pool2d, normalize

from hardmine import _arguments


class MultiScale(torch.nn.Module):
    """A backbone and shallow convolutions of the image at smaller sizes, each normalised, joined, embedded, normalised [1]_.

    Parameters
    ----------
    backbone : torch.nn.Module
        Gives (n, features) for images (n, channels, h, w).
    features : int
        Numbers that the backbone gives.
    dim : int
        Of the embedding; the paper has 4096.
    channels : int
        Of the images.
    scales : sequence of int
        How many times smaller each shallow branch sees the image; the paper has 4 and 8.
    width, kernel, stride : int
        Of a shallow branch's convolution; the paper has 96, 8 and 4.
    cells : int
        A shallow branch is pooled to cells x cells positions, by maxima; the paper has 4.

    Notes
    -----
    Called with images of shape (n, channels, h, w), returns unit rows of shape (n, dim). A small image needs `kernel` pixels
    a side, or the call raises. Not run on a GPU yet.

    References
    ----------
    .. [1] Wang et al., "Learning fine-grained image similarity with deep ranking", 2014, section 5.

    Examples
    --------
    >>> import torch
    >>> from hardmine.torch.modules import MultiScale
    >>> backbone = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 64 * 64, 32))
    >>> MultiScale(backbone, features=32, dim=16)(torch.rand(2, 3, 64, 64)).shape
    torch.Size([2, 16])
    """

    def __init__(
        self,
        backbone: torch.nn.Module,
        features: int,
        dim: int,
        *,
        channels: int = 3,
        scales: Sequence[int] = (4, 8),
        width: int = 96,
        kernel: int = 8,
        stride: int = 4,
        cells: int = 4,
    ) -> None:
        super().__init__()
        self.backbone, self.cells = backbone, _arguments.positive("cells", cells)
        self.scales = tuple(_arguments.positive("scales", scale) for scale in scales)
        self.kernel = _arguments.positive("kernel", kernel)
        self.shallow = torch.nn.ModuleList(torch.nn.Conv2d(channels, width, self.kernel, stride) for _ in self.scales)
        joined = _arguments.positive("features", features) + len(self.scales) * width * self.cells**2
        self.embed = torch.nn.Linear(joined, _arguments.positive("dim", dim))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        parts = [normalize(self.backbone(images))]
        for scale, convolution in zip(self.scales, self.shallow):
            small = avg_pool2d(images, scale)
            if min(small.shape[-2:]) < self.kernel:
                shape = tuple(small.shape[-2:])
                raise ValueError(f"images: expected {self.kernel} pixels a side when {scale} times smaller, got {shape}")
            looks = adaptive_max_pool2d(torch.relu(convolution(small)), self.cells)
            parts.append(normalize(looks.flatten(1)))
        return normalize(self.embed(torch.cat(parts, dim=1)))
