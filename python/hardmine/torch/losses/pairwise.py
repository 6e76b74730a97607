"""Losses of pairs of codes: DPSH, DHN, HashNet and DCH, over the pairs of a batch, or of a batch and a bank of past codes.

A pair's likelihood is log(1 + exp(t)) - s t, which for s of 0 and 1 is one logistic loss of t or -t: that is how it is
computed. Matrices of pairs come from one product, so that no third dimension is in memory.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import logsigmoid, normalize

from hardmine.torch.losses.labels import check_labels, log_cosh, mean, mean_of, off_diagonal, shared, signs, similar
from hardmine.torch.losses.precision import in_full_precision

BLOCK = 1 << 22  # pairs of a batch and a bank in memory at a time
NEAREST = 1e-4  # bits that two codes are apart at the least, for DCH: the loss of a dissimilar pair is infinite at 0


class BankLikelihood(torch.autograd.Function):
    """The mean likelihood over all pairs of rows and a bank, in blocks: its gradient is summed on the way forward."""

    @staticmethod
    def forward(
        ctx: Any, outputs: torch.Tensor, labels: torch.Tensor, bank: torch.Tensor, bank_labels: torch.Tensor
    ) -> torch.Tensor:
        gradient, total = torch.zeros_like(outputs), outputs.new_zeros(())
        step = max(1, BLOCK // max(1, len(outputs)))
        for first in range(0, len(bank), step):
            codes = bank[first : first + step].to(outputs.dtype)
            sign = torch.where(similar(labels, bank_labels[first : first + step]), 0.5, -0.5).to(outputs.dtype)
            agreement = (outputs @ codes.T).mul_(sign)
            total -= logsigmoid(agreement).sum()
            gradient -= agreement.neg_().sigmoid_().mul_(sign) @ codes
        pairs = max(1, len(outputs) * len(bank))
        ctx.save_for_backward(gradient / pairs)
        return total / pairs

    @staticmethod
    def backward(ctx: Any, *above: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return above[0] * gradient, None, None, None


def likelihood(
    outputs: torch.Tensor, labels: torch.Tensor, bank: torch.Tensor | None, bank_labels: torch.Tensor | None
) -> torch.Tensor:
    """The mean of log(1 + exp(t)) - s t, t half the product of two codes, over the pairs of two rows, or of rows and bank."""
    if (bank is None) != (bank_labels is None):
        raise ValueError("bank_labels: expected labels beside a bank, and neither without the other")
    if bank is not None and bank_labels is not None:
        if bank.ndim != 2 or bank.shape[1] != outputs.shape[1] or len(bank_labels) != len(bank):
            shapes = f"{tuple(bank.shape)} and {len(bank_labels)} labels"
            raise ValueError(f"bank: expected codes of {outputs.shape[1]} bits and a label for each, got shape {shapes}")
        loss: torch.Tensor = BankLikelihood.apply(outputs, labels, bank.detach(), bank_labels)
        return loss
    sign = torch.where(similar(labels, labels), 0.5, -0.5).to(outputs.dtype)
    return mean_of(-logsigmoid(outputs @ outputs.T * sign), off_diagonal(sign))


class DPSHLoss(torch.nn.Module):
    """The likelihood of pairs and the squared distance to the signs: deep pairwise-supervised hashing [1]_.

    Parameters
    ----------
    weight : float
        Of the mean of (u - sign u)^2.

    Notes
    -----
    Called with `outputs` u, (rows, bits), without tanh, `labels` as `CentralSimilarityLoss` has them, and perhaps a `bank` of
    past outputs, (n, bits), with `bank_labels`. Returns the mean of log(1 + exp(t)) - s t, t = u_i u_j / 2, over the pairs of
    two different rows, or over all of rows and bank, as the paper and its reimplementations have it, plus the weighted
    quantization. The paper sums where this takes means. Through the bank goes no gradient, its pairs are visited in blocks of
    2**22: O(rows n bits) time, memory O(rows^2), with a bank that of a block. A bank has no second derivative. Not run on a
    GPU yet.

    References
    ----------
    .. [1] Li, Wang and Kang, "Feature learning based deep supervised hashing with pairwise labels", 2016.

    Examples
    --------
    >>> import torch
    >>> from hardmine.torch.losses import DPSHLoss
    >>> u, labels = torch.tensor([[3.0, -3.0], [3.0, -3.0], [-3.0, 3.0]]), torch.tensor([0, 0, 1])
    >>> DPSHLoss(weight=0)(u, labels).item() < 1e-3 < DPSHLoss(weight=0)(u, labels.flip(0)).item()
    True
    """

    def __init__(self, weight: float = 0.1) -> None:
        super().__init__()
        self.weight = float(weight)

    @in_full_precision
    def forward(
        self,
        outputs: torch.Tensor,
        labels: torch.Tensor,
        bank: torch.Tensor | None = None,
        bank_labels: torch.Tensor | None = None,
    ) -> torch.Tensor:
        check_labels(outputs, labels)
        return likelihood(outputs, labels, bank, bank_labels) + self.weight * mean((outputs - signs(outputs)).square())


class DHNLoss(DPSHLoss):
    """The likelihood of pairs and log cosh(abs(u) - 1): deep hashing network [1]_.

    Called as `DPSHLoss`, from which its quantization alone differs.

    References
    ----------
    .. [1] Zhu, Long, Wang and Cao, "Deep hashing network for efficient similarity retrieval", 2016.

    Examples
    --------
    >>> import torch
    >>> from hardmine.torch.losses import DHNLoss
    >>> DHNLoss(weight=0)(torch.tensor([[1.0], [-1.0]]), torch.tensor([0, 1])).item()  # log(1 + exp(-1 / 2))
    0.4740769863128662
    """

    @in_full_precision
    def forward(
        self,
        outputs: torch.Tensor,
        labels: torch.Tensor,
        bank: torch.Tensor | None = None,
        bank_labels: torch.Tensor | None = None,
    ) -> torch.Tensor:
        check_labels(outputs, labels)
        return likelihood(outputs, labels, bank, bank_labels) + self.weight * mean(log_cosh(outputs.abs() - 1))


def balance(similarity: torch.Tensor, chosen: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """The weights S / S1 of similar pairs and S / S0 of others, of the chosen ones: both kinds together weigh the same."""
    count, alike = chosen.sum().to(dtype), (similarity & chosen).sum().to(dtype)
    return torch.where(similarity, count / alike.clamp_min(1), count / (count - alike).clamp_min(1))


class HashNetLoss(torch.nn.Module):
    """The likelihood of pairs, similar and dissimilar ones balanced, of tanh(beta u) with a growing beta: HashNet [1]_.

    Parameters
    ----------
    slope : float, optional
        alpha of t = alpha g_i g_j; by default 10 / bits, as the authors' code has it. (Reimplementations take 0.1.)
    jaccard : bool
        Similar pairs of several labels weigh as much as the share of their labels that they have in common, as the paper
        has it; the published code counts them all alike.

    Attributes
    ----------
    beta : tensor of shape ()
        A buffer, 1 at first: set it by `grow`, or write to it.

    Notes
    -----
    Called with `outputs` u, (rows, bits), without tanh, and `labels` as `CentralSimilarityLoss` has them. Returns the mean of
    w (log(1 + exp(t)) - s t) over the pairs of two different rows, w of similar pairs all / similar, of others all / others.
    O(rows^2 bits) time, O(rows^2) memory. Not run on a GPU yet.

    References
    ----------
    .. [1] Cao, Long, Wang and Yu, "HashNet: deep learning to hash by continuation", 2017.

    Examples
    --------
    >>> import torch
    >>> from hardmine.torch.losses import HashNetLoss
    >>> loss = HashNetLoss()
    >>> loss.grow(epoch=60, every=20)
    >>> loss.beta.item()
    2.0
    """

    def __init__(self, slope: float | None = None, *, jaccard: bool = False) -> None:
        super().__init__()
        self.slope, self.jaccard = None if slope is None else float(slope), bool(jaccard)
        self.register_buffer("beta", torch.ones(()))

    def grow(self, epoch: int, every: int = 20) -> None:
        """Set beta to sqrt(epoch // every + 1), the continuation of common reimplementations.

        Parameters
        ----------
        epoch, every : int
            The epoch, from 0, and after how many beta grows.
        """
        self.beta.fill_((epoch // every + 1) ** 0.5)

    @in_full_precision
    def forward(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        check_labels(outputs, labels)
        slope = 10 / outputs.shape[1] if self.slope is None else self.slope
        codes, alike = torch.tanh(self.beta.to(outputs.dtype) * outputs), similar(labels, labels)
        chosen = off_diagonal(alike)
        weights = balance(alike, chosen, outputs.dtype)
        if self.jaccard and labels.ndim == 2:
            common, each = shared(labels, labels), (labels != 0).float().sum(dim=1)
            union = (each[:, None] + each - common).clamp_min(1)
            weights = weights * torch.where(alike, common.to(outputs.dtype) / union.to(outputs.dtype), 1.0)
        sign = torch.where(alike, 1.0, -1.0).to(outputs.dtype)
        return mean_of(-weights * logsigmoid(codes @ codes.T * sign * slope), chosen)


class DCHLoss(torch.nn.Module):
    """The Cauchy likelihood of pairs and the Cauchy quantization: deep Cauchy hashing [1]_.

    Parameters
    ----------
    gamma : float
        The scale of the Cauchy distribution, in bits.
    weight : float
        Of the quantization.

    Notes
    -----
    Called with `outputs` u, (rows, bits), and `labels` as `CentralSimilarityLoss` has them. With d = bits / 2 (1 - cos) it
    returns the mean of w (s log(d / gamma) + log(1 + gamma / d)), weights w as in `HashNetLoss`, over the pairs of two
    different rows, plus the weighted mean of log(1 + d(abs(u), 1) / gamma) over rows. Of dissimilar pairs d is at least 1e-4.
    O(rows^2 bits) time, O(rows^2) memory. Not run on a GPU yet.

    References
    ----------
    .. [1] Cao, Long, Liu and Wang, "Deep Cauchy hashing for Hamming space retrieval", 2018.

    Examples
    --------
    >>> import torch
    >>> from hardmine.torch.losses import DCHLoss
    >>> u = torch.tensor([[1.0, 1.0], [1.0, 1.0], [-1.0, -1.0]])
    >>> DCHLoss()(u, torch.tensor([0, 0, 1])).item() < DCHLoss()(u, torch.tensor([1, 0, 0])).item()
    True
    """

    def __init__(self, gamma: float = 20.0, weight: float = 0.1) -> None:
        super().__init__()
        if not gamma > 0:
            raise ValueError(f"gamma: expected more than 0, got {gamma}")
        self.gamma, self.weight = float(gamma), float(weight)

    @in_full_precision
    def forward(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        check_labels(outputs, labels)
        bits, unit, alike = outputs.shape[1], normalize(outputs), similar(labels, labels)
        chosen = off_diagonal(alike)
        apart = bits / 2 * (1 - unit @ unit.T)
        # Of similar pairs the two terms are log(1 + d / gamma), without a pole at 0.
        ratio = torch.where(alike, apart.clamp_min(0) / self.gamma, self.gamma / apart.clamp_min(NEAREST))
        pairs = mean_of(balance(alike, chosen, outputs.dtype) * torch.log1p(ratio), chosen)
        from_ones = bits / 2 * (1 - unit.abs().sum(dim=1) / bits**0.5)
        return pairs + self.weight * mean(torch.log1p(from_ones.clamp_min(0) / self.gamma))
