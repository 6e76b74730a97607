"""Central Similarity Quantization: codes are drawn to the center of their class, and to -1 and +1."""

from __future__ import annotations

import math
from typing import Any, Literal, TypeAlias, get_args

import torch

from hardmine import _arguments
from hardmine.hashing.centers import HashCenters
from hardmine.torch.losses.labels import check_labels, log_cosh, mean
from hardmine.torch.losses.precision import in_full_precision
from hardmine.torch.losses.targets import CenterTargets

Kind: TypeAlias = Literal["log_cosh", "squared"]


class CentralSimilarityLoss(torch.nn.Module):
    """The cross-entropy between relaxed codes and the centers of their classes, L_C of CSQ [1]_.

    Parameters
    ----------
    centers : HashCenters or array of shape (classes, bits), -1 and +1
        One for each class.
    from_logits : bool
        Outputs are what tanh would be applied to; otherwise they lie in [-1, 1].
    seed : int
        Of the word that decides tied votes (see `hardmine.semantic_centers`, whose targets these are).

    Notes
    -----
    Called with `outputs` of shape (rows, bits) and `labels`, integers of shape (rows,) or zeros and ones of shape
    (rows, classes); returns the mean over rows and bits of -c log h - (1 - c) log(1 - h), where h = (1 + output) / 2 and c
    are zeros and ones: 0 at the centers. A row without a label adds log 2 and no gradient. An output of exactly the wrong
    sign, which only rounding of tanh makes, counts as one epsilon of float32 away from it (a loss of 16.6); the published
    code stops at 100 there. ``from_logits`` needs no such limit and keeps a gradient. O(rows bits) time and memory. Not run
    on a GPU yet.

    References
    ----------
    .. [1] Yuan et al., "Central similarity quantization", 2020, equation 3.

    Examples
    --------
    >>> import torch
    >>> from hardmine.torch.losses import CentralSimilarityLoss
    >>> loss = CentralSimilarityLoss(torch.tensor([[1.0, 1.0], [1.0, -1.0]]))
    >>> loss(torch.tensor([[1.0, 1.0], [1.0, -1.0]]), torch.tensor([0, 1])).item()
    0.0
    """

    def __init__(self, centers: HashCenters | Any, *, from_logits: bool = False, seed: int = 0) -> None:
        super().__init__()
        self.targets = CenterTargets(centers, seed)
        self.from_logits = bool(from_logits)

    @in_full_precision
    def forward(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        check_labels(outputs, labels, self.targets.classes)
        agreement = outputs * self.targets(labels).to(outputs.dtype)
        if self.from_logits:  # (1 + tanh x) / 2 is the logistic function of 2 x
            return -mean(torch.nn.functional.logsigmoid(2 * agreement))
        agreement = agreement.clamp_min(torch.finfo(agreement.dtype).eps - 1)
        wrong = agreement < 0  # log((1 + a) / 2) in the form that keeps its digits: near 0 at a = 1, near a pole at -1
        losses = torch.log1p(torch.where(wrong, agreement, (agreement - 1) / 2))
        return mean(wrong.to(losses.dtype) * math.log(2) - losses)


class QuantizationLoss(torch.nn.Module):
    """How far outputs are from -1 and +1, L_Q of CSQ [1]_, as in the paper or as in its code.

    Parameters
    ----------
    kind : {"log_cosh", "squared"}
        The paper's sum of log cosh(abs(y) - 1) over the bits, with y = 2 h - 1, or the published code's mean of
        (abs(y) - 1)^2 over them.

    Notes
    -----
    Called with `outputs` of shape (rows, bits), y; returns the mean over rows. Near 0 log cosh x is nearly x^2 / 2, so that
    the two differ by the factor bits / 2 there. O(rows bits) time and memory. Not run on a GPU yet.

    References
    ----------
    .. [1] Yuan et al., "Central similarity quantization", 2020, equation 4.

    Examples
    --------
    >>> import torch
    >>> from hardmine.torch.losses import QuantizationLoss
    >>> QuantizationLoss("squared")(torch.tensor([[1.0, -0.5]])).item()
    0.125
    """

    def __init__(self, kind: Kind = "log_cosh") -> None:
        super().__init__()
        _arguments.one_of("kind", kind, get_args(Kind))
        self.kind = kind

    @in_full_precision
    def forward(self, outputs: torch.Tensor) -> torch.Tensor:
        away = outputs.abs() - 1
        return mean(log_cosh(away).sum(dim=1) if self.kind == "log_cosh" else away.square())


class CSQLoss(torch.nn.Module):
    """Central similarity and quantization, L_T = L_C + lambda L_Q of CSQ [1]_.

    Parameters
    ----------
    centers, from_logits, seed
        See `CentralSimilarityLoss`.
    quantization : {"log_cosh", "squared"}
        See `QuantizationLoss`.
    weight : float
        lambda. The published commands have 0.05 for ResNet50 and 0.001 or 0.0001 for AlexNet, with ``"squared"``;
        reimplementations have 0.0001. 0 is L_C alone.

    Notes
    -----
    Called as `CentralSimilarityLoss`; 0 for outputs that are the centers. The quantization is that of tanh where outputs are
    logits. Not run on a GPU yet.

    References
    ----------
    .. [1] Yuan et al., "Central similarity quantization", 2020, equation 5.

    Examples
    --------
    >>> import torch, hardmine
    >>> from hardmine.torch.losses import CSQLoss
    >>> centers = hardmine.hash_centers(10, 16)
    >>> CSQLoss(centers)(torch.from_numpy(centers.signs()), torch.arange(10)).item()
    0.0
    """

    def __init__(
        self,
        centers: HashCenters | Any,
        *,
        weight: float = 1e-4,
        quantization: Kind = "log_cosh",
        from_logits: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.central = CentralSimilarityLoss(centers, from_logits=from_logits, seed=seed)
        self.quantization = QuantizationLoss(quantization)
        self.weight = float(weight)

    @in_full_precision
    def forward(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        codes = outputs.tanh() if self.central.from_logits else outputs
        return self.central(outputs, labels) + self.weight * self.quantization(codes)
