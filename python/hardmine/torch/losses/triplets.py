"""Losses of triplets: Deep Ranking's hinge, and DTSH's likelihood of all triplets of a batch."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

import torch
from torch.nn.functional import logsigmoid

from hardmine import _arguments
from hardmine.torch.losses.labels import check_labels, mean, off_diagonal, signs, similar
from hardmine.torch.losses.precision import in_full_precision

CELLS = 1 << 23  # triplets in memory at a time
Reduction: TypeAlias = Literal["mean", "sum", "none"]


class TripletHingeLoss(torch.nn.Module):
    """max(0, g + D(q, p) - D(q, n)) with squared Euclidean distances: Deep Ranking's loss [1]_.

    Parameters
    ----------
    gap : float
        g, by how much a negative should be farther than the positive.
    reduction : {"mean", "sum", "none"}
        Over the triplets; the paper sums, and adds weight decay of 0.001, which belongs to the optimiser.

    Notes
    -----
    Called with `query`, `positive` and `negative`, each of shape (triplets, d): rows x[a], x[p] and x[n] of what
    `hardmine.mine_triplets` or a miner gives. O(triplets d) time and memory. Not run on a GPU yet.

    References
    ----------
    .. [1] Wang et al., "Learning fine-grained image similarity with deep ranking", 2014, equation 3.

    Examples
    --------
    >>> import torch
    >>> from hardmine.torch.losses import TripletHingeLoss
    >>> q, p, n = torch.tensor([[[0.0]], [[1.0]], [[1.5]]])
    >>> TripletHingeLoss(gap=2.0)(q, p, n).item()
    0.75
    """

    def __init__(self, gap: float = 1.0, *, reduction: Reduction = "mean") -> None:
        super().__init__()
        _arguments.one_of("reduction", reduction, get_args(Reduction))
        self.gap, self.reduction = float(gap), reduction

    @in_full_precision
    def forward(self, query: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor) -> torch.Tensor:
        if query.ndim != 2 or positive.shape != query.shape or negative.shape != query.shape:
            shapes = [tuple(rows.shape) for rows in (query, positive, negative)]
            raise ValueError(f"query, positive, negative: expected one shape (triplets, d), got {shapes}")
        near, far = ((query - rows).square().sum(dim=1) for rows in (positive, negative))
        losses = torch.relu(self.gap + near - far)
        if self.reduction == "none":
            return losses
        return losses.sum() if self.reduction == "sum" else mean(losses)


class AllTriplets(torch.autograd.Function):
    """The mean logistic loss of t_ap - t_an - margin over all triplets of a matrix t, in blocks.

    The gradient is a matrix too, summed on the way forward: memory is that of a block, not of all triplets.
    """

    @staticmethod
    def forward(ctx: Any, theta: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor, margin: float) -> torch.Tensor:
        count = (positive.sum(dim=1) * negative.sum(dim=1)).sum().clamp_min(1)
        gradient, total = torch.zeros_like(theta), theta.new_zeros(())
        if not torch.compiler.is_compiling():  # positives are few, but a compiled graph cannot depend on how many
            anchors, others = positive.nonzero(as_tuple=True)
            step = max(1, CELLS // max(1, theta.shape[1]))
            for first in range(0, len(anchors), step):
                a, p = anchors[first : first + step], others[first : first + step]
                t = theta[a, p][:, None] - theta[a] - margin
                total -= torch.where(negative[a], logsigmoid(t), 0).sum()
                slope = torch.where(negative[a], torch.sigmoid(-t), 0)
                gradient.index_add_(0, a, slope)
                gradient[a, p] -= slope.sum(dim=1)
            ctx.save_for_backward(gradient / count)
            return total / count
        step = max(1, CELLS // max(1, theta.shape[1] ** 2))
        for first in range(0, len(theta), step):
            rows = slice(first, first + step)
            chosen = positive[rows, :, None] & negative[rows, None, :]
            t = theta[rows, :, None] - theta[rows, None, :] - margin
            total -= torch.where(chosen, logsigmoid(t), 0).sum()
            slope = torch.where(chosen, torch.sigmoid(-t), 0)
            gradient[rows] = slope.sum(dim=1) - slope.sum(dim=2)
        ctx.save_for_backward(gradient / count)
        return total / count

    @staticmethod
    def backward(ctx: Any, *above: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return above[0] * gradient, None, None, None


class DTSHLoss(torch.nn.Module):
    """The likelihood of triplets and the squared distance to the signs: deep supervised hashing with triplet labels [1]_.

    Parameters
    ----------
    margin : float
        alpha, by how much the similarity of the positive should exceed that of the negative.
    weight : float
        Of the mean of (u - sign u)^2.
    scale : float
        Of the products: 0.5 as in the paper, 1 as in common reimplementations.

    Notes
    -----
    Called with `outputs` u, (rows, bits), and `labels` as `CentralSimilarityLoss` has them; returns the mean of log(1 +
    exp(t)) - t, t = scale (u_a u_p - u_a u_n) - margin, over all triplets of the batch, or over `triplets`, a tuple of
    indices (anchors, positives, negatives) from a miner. Time O(rows^2 bits) and that of the positive pairs with all rows
    (compiled, of all triplets); memory O(rows^2), and a block of 2**23 triplets. All triplets have no second derivative.
    Not run on a GPU yet.

    References
    ----------
    .. [1] Wang, Shi and Kitani, "Deep supervised hashing with triplet labels", 2016.

    Examples
    --------
    >>> import torch
    >>> from hardmine.torch.losses import DTSHLoss
    >>> u, labels = torch.tensor([[9.0, 9.0], [9.0, 9.0], [-9.0, -9.0]]), torch.tensor([0, 0, 1])
    >>> DTSHLoss(weight=0)(u, labels).item() < 1e-6
    True
    """

    def __init__(self, margin: float = 5.0, weight: float = 0.1, *, scale: float = 0.5) -> None:
        super().__init__()
        self.margin, self.weight, self.scale = float(margin), float(weight), float(scale)

    @in_full_precision
    def forward(
        self,
        outputs: torch.Tensor,
        labels: torch.Tensor,
        triplets: tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        check_labels(outputs, labels)
        theta = self.scale * (outputs @ outputs.T)
        if triplets is None:
            alike = similar(labels, labels)
            likelihood = AllTriplets.apply(theta, alike & off_diagonal(alike), ~alike, self.margin)
        else:
            a, p, n = triplets
            t = theta[a, p] - theta[a, n] - self.margin
            likelihood = -logsigmoid(t).sum() / max(1, len(a))
        result: torch.Tensor = likelihood + self.weight * mean((outputs - signs(outputs)).square())
        return result
