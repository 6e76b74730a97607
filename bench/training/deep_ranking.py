"""Deep Ranking on Fashion-MNIST: triplets drawn by relevance (class and pixels) beside uniform ones.

Fashion-MNIST, 3,000 images, 200 steps of 64 triplets, 4,000 held-out triplets by relevance, half of them within a class;
mean (least to largest) over three seeds:

    similarity precision    uniform 0.798 (0.791 to 0.802)    by relevance 0.892 (0.891 to 0.893)
    score@30                uniform 1,207 to 1,305            by relevance 1,777 to 1,798

Held-out triplets come from the law that the second variant trains on; uniform ones know nothing of what is alike in a class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

import hardmine
from bench.training.images import Split, encode, load, network
from bench.training.results import Report, Results
from hardmine.torch.losses import TripletHingeLoss
from hardmine.torch.modules import MultiScale


@dataclass(frozen=True)
class Setting:
    train: int = 3000
    test: int = 1000
    steps: int = 200
    every: int = 40
    batch: int = 64
    seeds: tuple[int, ...] = (0, 1, 2)
    digits: bool = False


REDUCED = Setting(test=500, steps=40, every=40, digits=True)
UNIFORM, BY_RELEVANCE = "uniform triplets", "triplets by relevance"


def relevance(split: Split) -> torch.Tensor:
    """Rows whose products are the relevance of two images of a class: pixels less the class's mean, as unit rows."""
    pixels = split.images.flatten(1).clone()
    for label in split.labels.unique():
        own = split.labels == label
        pixels[own] -= pixels[own].mean(dim=0)
    return torch.nn.functional.normalize(pixels)


def sampler_of(split: Split, seed: int, out_of_class: float) -> hardmine.RelevanceTripletSampler:
    sampler = hardmine.RelevanceTripletSampler(1000, out_of_class_ratio=out_of_class, negative_margin=0.1, seed=seed)
    sampler.update(np.arange(len(split.labels)), split.labels.numpy(), embeddings=relevance(split).numpy())
    return sampler


def uniform_triplets(labels: torch.Tensor, n: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Any image, any other of its class, any of another class."""
    classes = labels.numpy()
    queries = rng.integers(0, len(classes), n)
    positives = np.array([rng.choice(np.flatnonzero(classes == classes[q])) for q in queries])
    negatives = np.array([rng.choice(np.flatnonzero(classes != classes[q])) for q in queries])
    return queries, positives, negatives


def model_of(side: int) -> torch.nn.Module:
    scales = (2, 4) if side >= 28 else (1, 2)
    shallow = {"width": 16, "kernel": 4, "stride": 2, "cells": 2}
    return MultiScale(network(side), 64, 32, channels=1, scales=scales, **shallow)  # type: ignore[arg-type]


def run(setting: Setting, report: Report) -> Results:
    """Similarity precision of held-out triplets, half of them within a class, as training goes on; score@30 at its end."""
    name, split, held_out = load(setting.train, setting.test, digits=setting.digits)
    results = Results(f"ranking of {name}", "similarity precision of held-out triplets")
    judged = sampler_of(held_out, 99, 0.5).sample(4000)
    loss, scores = TripletHingeLoss(gap=0.3), {UNIFORM: [], BY_RELEVANCE: []}  # type: tuple[TripletHingeLoss, dict[str, list[int]]]
    for variant in (UNIFORM, BY_RELEVANCE):
        for seed in setting.seeds:
            report(f"{variant}, seed {seed}")
            torch.manual_seed(seed)
            model, sampler, rng = model_of(split.images.shape[-1]), sampler_of(split, seed, 0.5), np.random.default_rng(seed)
            optimizer, curve = torch.optim.Adam(model.parameters(), lr=1e-3), []
            for step in range(setting.steps + 1):
                if step % setting.every == 0:
                    rows = encode(model, held_out.images)
                    curve.append((float(step), hardmine.similarity_precision(rows, judged)))
                drawn = (
                    sampler.sample(setting.batch)
                    if variant == BY_RELEVANCE
                    else uniform_triplets(split.labels, setting.batch, rng)
                )
                value = loss(*(model(split.images[torch.as_tensor(part)]) for part in drawn))
                optimizer.zero_grad()
                value.backward()
                optimizer.step()
            scores[variant].append(hardmine.score_at_top_k(rows, judged, 30))
            results.add(variant, curve[-1][1], curve)
    results.notes = [f"score@30 of {len(judged[0])} triplets, {variant}: {values}" for variant, values in scores.items()]
    return results
