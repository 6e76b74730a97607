"""A loss over hard examples alone: ranked by their loss, selected, and learnt from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias, get_args

import torch

from hardmine import _arguments
from hardmine.mining.hard_examples import select_hard_examples

Divisor: TypeAlias = Literal["selected", "positives"]


class OnlineHardExampleLoss(torch.nn.Module):
    """The mean of a loss over its hard examples, selected anew at each call (see `hardmine.select_hard_examples`).

    Parameters
    ----------
    loss : callable
        ``loss(outputs, targets)`` with one number an example, of shape (n,) or (images, n): ``reduction="none"``.
    k, top_fraction : int and float, optional
        How many examples of each image (or in all), or which share: OHEM [1]_.
    neg_pos_ratio : float, optional
        Negatives for each positive: SSD [2]_. Then the call needs `positive_mask`. Exactly one of the three is given.
    min_kept : int
        Examples (negatives) of each image at the least.
    divide_by : {"selected", "positives"}
        The sum of the selected losses is divided by their number, or by that of the positives as in the code of SSD; by 1
        where that is 0.

    Notes
    -----
    Called with `outputs` and `targets`, which go to `loss`, and perhaps `positive_mask`, bool, of the shape of the losses.
    Losses are copied to the CPU where they are not, sorted there, and the mask goes back: O(n log n) time. The selection is
    not differentiated, and breaks a compiled graph. Not run on a GPU yet.

    References
    ----------
    .. [1] Shrivastava, Gupta and Girshick, "Training region-based object detectors with online hard example mining", 2016.
    .. [2] Liu et al., "SSD: single shot multibox detector", 2016, section 2.2.

    Examples
    --------
    >>> import torch
    >>> from hardmine.torch.losses import OnlineHardExampleLoss
    >>> hard = OnlineHardExampleLoss(torch.nn.L1Loss(reduction="none"), k=2)
    >>> hard(torch.tensor([1.0, 5.0, 3.0]), torch.zeros(3)).item()
    4.0
    """

    def __init__(
        self,
        loss: Callable[[torch.Tensor, Any], torch.Tensor],
        *,
        neg_pos_ratio: float | None = None,
        top_fraction: float | None = None,
        k: int | None = None,
        min_kept: int = 0,
        divide_by: Divisor = "selected",
    ) -> None:
        super().__init__()
        rules = {"neg_pos_ratio": neg_pos_ratio, "top_fraction": top_fraction, "k": k}
        given = [name for name, value in rules.items() if value is not None]
        if len(given) != 1:
            raise ValueError(f"k: expected one of neg_pos_ratio, top_fraction and k, got {' and '.join(given) or 'none'}")
        _arguments.one_of("divide_by", divide_by, get_args(Divisor))
        if divide_by == "positives" and neg_pos_ratio is None:
            raise ValueError("divide_by: expected 'selected' unless neg_pos_ratio is given, got 'positives'")
        self.loss, self.divide_by = loss, divide_by
        self.rule: dict[str, Any] = {given[0]: rules[given[0]], "min_kept": min_kept}

    def forward(self, outputs: torch.Tensor, targets: Any, positive_mask: torch.Tensor | None = None) -> torch.Tensor:
        losses = self.loss(outputs, targets)
        if ("neg_pos_ratio" in self.rule) != (positive_mask is not None):
            raise ValueError("positive_mask: expected a mask beside neg_pos_ratio, and only there")
        mask = None if positive_mask is None else positive_mask.cpu()
        ranked = losses.detach().cpu()
        ranked = ranked.float() if ranked.dtype == torch.bfloat16 else ranked
        chosen = torch.as_tensor(select_hard_examples(ranked, positive_mask=mask, **self.rule)).to(losses.device)
        counted = chosen if self.divide_by == "selected" or positive_mask is None else positive_mask
        wide = losses.float() if losses.dtype in (torch.float16, torch.bfloat16) else losses
        return torch.where(chosen, wide, 0).sum() / counted.sum().clamp_min(1)
