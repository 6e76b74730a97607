"""From features to relaxed codes."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from hardmine import _arguments


class HashHead(torch.nn.Module):
    """Fully connected layers from features to codes: CSQ's, with two hidden ones [1]_, or any other number.

    Parameters
    ----------
    features, bits : int
        Numbers of an input, and of an output.
    hidden : sequence of int
        Units of the hidden layers, each with ReLU; CSQ's code has 2048 and 2048.
    dropout : float
        After each hidden layer but the last.
    batch_norm : bool
        Normalise the outputs over the batch, as OrthoHash does.
    tanh : bool
        Whether outputs are relaxed codes in (-1, 1), for `CSQLoss`, or what comes before: for losses of logits and of pairs.

    Notes
    -----
    Called with features of shape (n, features), returns (n, bits), of which `hardmine.pack` makes codes. Not run on a GPU yet.

    References
    ----------
    .. [1] Yuan et al., "Central similarity quantization", 2020, section 4.1.

    Examples
    --------
    >>> import torch, hardmine
    >>> from hardmine.torch.modules import HashHead
    >>> head = HashHead(20, 16, hidden=[32])
    >>> hardmine.pack(head(torch.randn(3, 20))).shape
    torch.Size([3, 2])
    """

    def __init__(
        self,
        features: int,
        bits: int,
        hidden: Sequence[int] = (),
        *,
        dropout: float = 0.0,
        batch_norm: bool = False,
        tanh: bool = True,
    ) -> None:
        super().__init__()
        width, layers = _arguments.positive("features", features), torch.nn.Sequential()
        for i, units in enumerate(hidden):
            layers.extend([torch.nn.Linear(width, _arguments.positive("hidden", units)), torch.nn.ReLU(inplace=True)])
            if dropout and i + 1 < len(hidden):
                layers.append(torch.nn.Dropout(dropout))
            width = units
        layers.append(torch.nn.Linear(width, _arguments.positive("bits", bits)))
        if batch_norm:
            layers.append(torch.nn.BatchNorm1d(bits))
        if tanh:
            layers.append(torch.nn.Tanh())
        self.layers = layers

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        codes: torch.Tensor = self.layers(features)
        return codes
