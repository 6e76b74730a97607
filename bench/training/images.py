"""Images to train on, Fashion-MNIST where it was made and scikit-learn's digits elsewhere, and a small network."""

from __future__ import annotations

import os
import pathlib
from typing import NamedTuple

import numpy as np
import torch

import hardmine


class Split(NamedTuple):
    """Images of shape (n, 1, side, side), float32 in [0, 1], and their classes."""

    images: torch.Tensor
    labels: torch.Tensor


def fashion_file() -> pathlib.Path | None:
    """HARDMINE_DATA/fashion.npz, or that of the user's cache, if there is one."""
    folders = [os.environ.get("HARDMINE_DATA"), pathlib.Path.home() / ".cache" / "hardmine-data"]
    paths = [pathlib.Path(folder) / "fashion.npz" for folder in folders if folder]
    return next((path for path in paths if path.is_file()), None)


def load(train: int, test: int, *, digits: bool = False) -> tuple[str, Split, Split]:
    """The name of the data and its first `train` and `test` images, at most all there are; `digits`: of scikit-learn."""
    path = None if digits else fashion_file()
    if path is None:
        from sklearn.datasets import load_digits

        name, (x, y) = "digits", load_digits(return_X_y=True)
        x, first = x.reshape(-1, 1, 8, 8).astype(np.float32) / 16, 1200
    else:
        with np.load(path) as archive:
            name, x, y = "fashion", archive["x"].reshape(-1, 1, 28, 28), archive["label"]
        first = 60_000
    rows = np.random.default_rng(0).permutation(len(x)) if name == "digits" else np.arange(len(x))
    parts = rows[:first][:train], rows[first:][:test]
    one, other = (Split(torch.from_numpy(x[part]), torch.from_numpy(y[part].astype(np.int64))) for part in parts)
    return name, one, other


def network(side: int, features: int = 64) -> torch.nn.Module:
    """Two convolutions of stride 2 and a layer of `features`: some milliseconds for a batch of 64."""
    rest = (side + 3) // 4
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 16, 3, stride=2, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(16, 32, 3, stride=2, padding=1),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(32 * rest * rest, features),
        torch.nn.ReLU(),
    )


def encode(model: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    """What the model makes of all images, in evaluation."""
    model.eval()
    with torch.no_grad():
        rows = torch.cat([model(part) for part in images.split(500)])
    model.train()
    return rows


def recall_at_1(rows: torch.Tensor, labels: torch.Tensor) -> float:
    """The share of rows whose nearest other row is of their class."""
    nearest = hardmine.topk(rows, k=1, metric="cosine").indices
    return float((labels[torch.as_tensor(nearest)[:, 0]] == labels).double().mean())


def mean_ap(rows: torch.Tensor, labels: torch.Tensor) -> float:
    """The mean average precision of ranking all other rows for each."""
    order = torch.as_tensor(hardmine.topk(rows, k=len(rows) - 1, metric="cosine").indices)
    relevant = (labels[order] == labels[:, None]).double()
    precision = relevant.cumsum(dim=1) / torch.arange(1, order.shape[1] + 1)
    return float(((precision * relevant).sum(dim=1) / relevant.sum(dim=1).clamp_min(1)).mean())
