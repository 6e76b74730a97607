"""Fashion-MNIST where it was made, scikit-learn's digits elsewhere; other tasks made of them, a small network, its scores."""

from __future__ import annotations

import os
import pathlib
from typing import NamedTuple

import numpy as np
import torch

import hardmine

Triplets = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


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
            name, x, y = "Fashion-MNIST", archive["x"].reshape(-1, 1, 28, 28), archive["label"]
        first = 60_000
    rows = np.random.default_rng(0).permutation(len(x)) if name == "digits" else np.arange(len(x))
    parts = rows[:first][:train], rows[first:][:test]
    one, other = (Split(torch.from_numpy(x[part]), torch.from_numpy(y[part].astype(np.int64))) for part in parts)
    return name, one, other


def side_by_side(split: Split, seed: int) -> Split:
    """As many images of two each, at half their width: the two classes, in their order, are one of a hundred."""
    other = torch.randperm(len(split.labels), generator=torch.Generator().manual_seed(seed))
    halves = torch.nn.functional.avg_pool2d(split.images, (1, 2))
    return Split(torch.cat([halves, halves[other]], dim=-1), 10 * split.labels + split.labels[other])


def noisy_copies(photos: torch.Tensor, count: int, seed: int, noise: float = 0.5) -> Split:
    """So many copies of images drawn at random, each with noise of its own: an image is a class."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(len(photos), (count,), generator=random)
    images = photos[labels]
    return Split(images + noise * torch.randn(images.shape, generator=random), labels)


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


def random_triplets(labels: torch.Tensor, count: int) -> Triplets:
    """Any rows, another of the class of each, and one of another class, all evenly; classes have two rows or more."""
    order = labels.argsort(stable=True)  # rows by class: those of a class follow one another
    _, group, sizes = labels[order].unique_consecutive(return_inverse=True, return_counts=True)
    size, start = sizes[group], (sizes.cumsum(0) - sizes)[group]
    place = torch.randint(len(labels), (count,))
    inside = torch.rand(count) * (size[place] - 1)
    outside = torch.rand(count) * (len(labels) - size[place])
    positive = start[place] + (place - start[place] + 1 + inside.long()) % size[place]
    negative = (start[place] + size[place] + outside.long()) % len(labels)
    return order[place], order[positive], order[negative]


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
