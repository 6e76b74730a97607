"""Problems that sentence-transformers' `mine_hard_negatives` and hardmine's are both given, and a stub for its model.

The texts "q3" and "d17" stand for rows that are known, so that no model is loaded.
"""

from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace

import datasets
import numpy as np
import torch
from sentence_transformers import util

import reference
from hardmine import mine_hard_negatives

N, D = 5, 16
APART = 1.1e-5
# Theirs normalizes rows twice in float32, each time by at most (d / 2 + 3) 2^-24 of each number, and sums d products: in all
# (3 d + 12) 2^-24. Ours rounds a distance and a difference, 2^-24 each. Two more for terms of second order.
ROUNDING = (3 * D + 16) * 2.0**-24


def number(text):
    return int(text[1:])


class Model:
    """What theirs asks of a model, for texts whose rows are known."""

    device = torch.device("cpu")
    model_card_data = SimpleNamespace(base_model=None)
    similarity = staticmethod(util.cos_sim)
    similarity_pairwise = staticmethod(util.pairwise_cos_sim)

    def __init__(self, queries, base):
        self.rows = {"q": queries, "d": base}

    def get_embedding_dimension(self):
        return self.rows["d"].shape[1]

    def encode_query(self, texts, normalize_embeddings, convert_to_numpy, **options):
        assert normalize_embeddings and convert_to_numpy
        rows = np.stack([self.rows[text[0]][number(text)] for text in texts])
        return torch.nn.functional.normalize(torch.from_numpy(rows)).numpy()

    encode_document = encode_query


class Opinion:
    """A cross-encoder, theirs and ours, that has a matrix of scores and remembers the pairs it was asked for."""

    def __init__(self, scores):
        self.scores, self.asked = scores, set()

    def predict(self, pairs, batch_size, convert_to_tensor, pool):
        rows, cols = ([number(pair[side]) for pair in pairs] for side in (0, 1))
        return torch.from_numpy(self(np.array(rows), np.array(cols)))

    def __call__(self, rows, cols):
        self.asked |= set(zip(rows.tolist(), cols.tolist()))
        return self.scores[rows, cols]


@dataclass
class Problem:
    queries: np.ndarray
    base: np.ndarray
    positives: list
    separate: bool  # whether the corpus is given, or is the positives

    @cached_property
    def scores(self):
        return 1 - reference.distances(self.queries, self.base, "cosine")

    @cached_property
    def positive(self):
        matrix = np.zeros((len(self.queries), len(self.base)), bool)
        for i, rows in enumerate(self.positives):
            matrix[i, rows] = True
        return matrix

    @property
    def most_positives(self):
        return max(map(len, self.positives))

    def limits(self, scores, max_score=None, min_score=None, absolute_margin=None, relative_margin=None, **others):
        """The lower and the upper limits on each query's negatives, shapes (n, 1)."""
        p = np.where(self.positive, scores, np.inf).min(axis=1, keepdims=True)
        lower = [] if min_score is None else [np.full_like(p, min_score)]
        upper = [] if max_score is None else [np.full_like(p, max_score)]
        upper += [] if absolute_margin is None else [p - absolute_margin]
        upper += [] if relative_margin is None else [p - np.abs(p) * relative_margin]
        return lower, upper

    def allowed(self, scores, **options):
        lower, upper = self.limits(scores, **options)
        return np.all([~self.positive, *(scores >= x for x in lower), *(scores <= x for x in upper)], axis=0)

    def check_apart(self, **options):
        """No rounding turns a comparison of two scores of a query, or of a score and a limit."""
        assert np.diff(np.sort(self.scores, axis=1), axis=1).min() > APART
        lower, upper = self.limits(self.scores, **options)
        for limit in lower + upper:
            assert np.abs(self.scores - limit)[~self.positive].min() > APART

    def theirs(self, n=N, **options):
        """The rows of their data set; their window is the whole corpus unless options say otherwise."""
        pairs = [(f"q{i}", f"d{j}") for i, rows in enumerate(self.positives) for j in rows]
        pairs = [pairs[at] for at in np.random.default_rng(1).permutation(len(pairs))]
        found = util.mine_hard_negatives(
            datasets.Dataset.from_dict({"query": [q for q, _ in pairs], "text": [d for _, d in pairs]}),
            Model(self.queries, self.base),
            corpus=[f"d{j}" for j in range(len(self.base))] if self.separate else None,
            num_negatives=n,
            verbose=False,
            **{"range_max": len(self.base), **options},
        )
        return [tuple(row.values()) for row in found]

    def their_negatives(self, n=N, **options):
        rows = self.theirs(n, output_format="labeled-pair", **options)
        return by_query((number(q), number(d)) for q, d, label in rows if label == 0)

    def mine(self, n=N, **options):
        return mine_hard_negatives(
            self.queries, self.base, positives=self.positives, num_negatives=n, positive_reference="min", **options
        )

    def our_negatives(self, n=N, **options):
        return by_query(zip(*(part.tolist() for part in self.mine(n, **options).pairs())))


def by_query(pairs):
    found = {}
    for query, row in pairs:
        found.setdefault(query, []).append(row)
    return found


SEEDS = {"one": 0, "several": 298, "one, corpus is the positives": 0, "several, corpus is the positives": 3}


def random_problem(kind, seed):
    """24 queries with one positive each, or one to five, some of them shared; the rows have any length."""
    rng = np.random.default_rng(seed)
    counts = np.arange(24) % 4 + 1 if kind.startswith("several") else np.ones(24, int)
    queries = rng.standard_normal((24, D))
    owner = np.repeat(np.arange(24), counts)
    base = queries[owner] + rng.uniform(0.5, 2, (len(owner), 1)) * rng.standard_normal((len(owner), D))
    separate = "corpus" not in kind
    if separate:
        base = np.concatenate([base, rng.standard_normal((40, D))])
    place = rng.permutation(len(base))
    positives = [np.sort(place[: len(owner)][owner == i]).tolist() for i in range(24)]
    if kind.startswith("several"):
        for i in range(5, 24, 5):
            positives[i] = sorted(positives[i] + positives[0][:1])
    rows = np.empty_like(base)
    rows[place] = base
    queries, rows = (x * rng.uniform(0.1, 9, (len(x), 1)) for x in (queries, rows))
    return Problem(queries.astype(np.float32), rows.astype(np.float32), positives, separate)
