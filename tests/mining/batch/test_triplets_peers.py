"""The miners beside the packages whose rules they follow: the same sets of triplets and pairs, on random and on tied rows.

Random rows have distances whose comparisons no rounding turns; tied rows are corners of a grid, whose squared distances are
exact in float32, so that every tie is one in both. Where a package may choose any of several equally far rows, distances are
compared instead of indices.
"""

import numpy as np
import pytest

from hardmine.mining.batch.pairs import mine_pairs
from hardmine.mining.batch.triplets import mine_triplets
from optional_torch import torch

pml = pytest.importorskip("pytorch_metric_learning", reason="needs pytorch-metric-learning: pip install hardmine[peers]")
from pytorch_metric_learning import distances, miners  # noqa: E402

DISTANCES = {
    "euclidean": lambda: distances.LpDistance(normalize_embeddings=False),
    "sqeuclidean": lambda: distances.LpDistance(normalize_embeddings=False, power=2),
    "cosine": lambda: distances.CosineSimilarity(),
    "inner_product": lambda: distances.DotProductSimilarity(normalize_embeddings=False),
}


@pytest.fixture(params=["random", "random_refs", "tied", "tied_refs"])
def batch(request):
    rng = np.random.default_rng(7)
    tied = request.param.startswith("tied")
    parts = []
    for count in (70, 50)[: 1 + request.param.endswith("refs")]:
        x = rng.integers(0, 2, (count, 6)) * 2.0 if tied else rng.standard_normal((count, 6)) / 3
        parts += [torch.tensor(x, dtype=torch.float64 if tied else torch.float32), torch.tensor(rng.integers(0, 12, count))]
    return tied, parts


def rows(found):
    return sorted(zip(*(part.tolist() for part in found)))


def both(miner, tied, parts, mine, **options):
    with torch.no_grad():
        theirs = miner(*parts)
    return [part.long() for part in theirs], mine(*parts, **options)


@pytest.mark.parametrize("kind", ["all", "hard", "semihard", "easy"])
@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "inner_product"])
def test_triplet_margin(batch, kind, metric):
    tied, parts = batch
    margin = {"euclidean": 0.5, "sqeuclidean": 4.0, "inner_product": 4.0}[metric] if tied else 0.2
    miner = miners.TripletMarginMiner(margin=margin, type_of_triplets=kind, distance=exact(metric, tied))
    theirs, ours = both(miner, tied, parts, mine_triplets, type_of_triplets=kind, margin=margin, metric=metric)
    assert rows(ours) == rows(theirs) == list(zip(*(part.tolist() for part in ours))) != []


def exact(metric, tied):
    """Their distance; of tied rows without the products by which cdist loses the ties."""
    distance = DISTANCES[metric]()
    if tied and metric in ("euclidean", "sqeuclidean"):

        def compute_mat(x, y):
            squares = ((x[:, None] - (x if y is None else y)[None]) ** 2).sum(-1)
            return squares.float() if metric == "sqeuclidean" else squares.sqrt().float()

        distance.compute_mat, distance.power = compute_mat, 1
    return distance


def chosen(parts, found):
    """(anchor, distance of the positive, distance of the negative) of each triplet."""
    x, y = parts[0].double(), parts[-2].double()
    a, p, n = found[0], found[1], found[-1]
    return sorted(zip(a.tolist(), (x[a] - y[p]).norm(dim=1).tolist(), (x[a] - y[n]).norm(dim=1).tolist()))


def same_choice(tied, parts, ours, theirs):
    if tied:
        np.testing.assert_allclose(chosen(parts, ours), chosen(parts, theirs), atol=1e-12)
    else:
        assert rows(ours) == rows([theirs[0], theirs[1], theirs[-1]])  # pairs have the anchors twice


def test_batch_hard(batch):
    tied, parts = batch
    theirs, ours = both(miners.BatchHardMiner(distance=exact("euclidean", tied)), *batch, mine_triplets, strategy="batch_hard")
    assert len(ours[0]) > 30
    same_choice(tied, parts, ours, theirs)


@pytest.mark.parametrize("pos", ["hard", "semihard", "easy"])
@pytest.mark.parametrize("neg", ["hard", "semihard", "easy"])
@pytest.mark.parametrize("allowed", [None, (0.5, 3.0)])
def test_batch_easy_hard(batch, pos, neg, allowed):
    tied, parts = batch
    options = {"pos_strategy": pos, "neg_strategy": neg, "allowed_pos_range": allowed, "allowed_neg_range": allowed}
    if pos == neg == "semihard":
        with pytest.raises(ValueError):
            miners.BatchEasyHardMiner(**options)
        with pytest.raises(ValueError):
            mine_triplets(*parts, strategy="batch_easy_hard", **options)
        return
    miner = miners.BatchEasyHardMiner(**options, distance=exact("euclidean", tied))
    theirs, ours = both(miner, *batch, mine_triplets, strategy="batch_easy_hard", **options)
    same_choice(tied, parts, ours, theirs)


@pytest.mark.parametrize("pos, neg", [("all", "hard"), ("easy", "all"), ("all", "all")])
def test_batch_easy_hard_with_all(batch, pos, neg):
    """Theirs are pairs then, which a loss joins at the anchor."""
    from pytorch_metric_learning.utils.loss_and_miner_utils import convert_to_triplets

    tied, parts = batch
    miner = miners.BatchEasyHardMiner(pos_strategy=pos, neg_strategy=neg, distance=exact("euclidean", tied))
    options = {"strategy": "batch_easy_hard", "pos_strategy": pos, "neg_strategy": neg}
    theirs, ours = both(miner, *batch, mine_triplets, **options)
    same_choice(tied, parts, ours, convert_to_triplets(theirs, parts[1]))


def same_pairs(ours, theirs):
    assert rows(ours[:2]) == rows(theirs[:2]) and rows(ours[2:]) == rows(theirs[2:])


@pytest.mark.parametrize("metric", ["euclidean", "inner_product"])
def test_pair_margin(batch, metric):
    tied = batch[0]
    sign = -1 if metric == "inner_product" else 1
    for pos_margin, neg_margin in ((2.0, 2.0), (0.4, 1.1)):
        miner = miners.PairMarginMiner(sign * pos_margin, sign * neg_margin, distance=exact(metric, tied))
        options = {"pos_margin": pos_margin, "neg_margin": neg_margin, "metric": metric}
        theirs, ours = both(miner, *batch, mine_pairs, **options)
        same_pairs(ours, theirs)


@pytest.mark.parametrize("metric, epsilon", [("cosine", 0.1), ("euclidean", 0.3), ("inner_product", 4.0)])
def test_multi_similarity(batch, metric, epsilon):
    tied = batch[0]
    miner = miners.MultiSimilarityMiner(epsilon=epsilon, distance=exact(metric, tied))
    theirs, ours = both(miner, *batch, mine_pairs, rule="multi_similarity", metric=metric, epsilon=epsilon)
    same_pairs(ours, theirs)


@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
def test_hdc(batch, share):
    tied, parts = batch
    miner = miners.HDCMiner(filter_percentage=share, distance=exact("euclidean", tied))
    theirs, ours = both(miner, *batch, mine_pairs, rule="hdc", filter_percentage=share)
    if not tied and len(parts) == 4:  # in a batch alone (i, j) ties with (j, i)
        same_pairs(ours, theirs)
    for one, other in ((ours[:2], theirs[:2]), (ours[2:], theirs[2:])):
        far = [sorted((parts[0][a] - parts[-2][b]).norm(dim=1).tolist()) for a, b in (one, other)]
        np.testing.assert_allclose(far[0], far[1], atol=1e-6)


@pytest.mark.parametrize("batch", ["random", "random_refs"], indirect=True)
def test_uniform_histogram(batch):
    """The same bins are filled, with as many pairs each. Tied rows would lie on the edges of bins, which they round."""
    tied = batch[0]
    miner = miners.UniformHistogramMiner(20, 3, 4, distance=exact("euclidean", tied))
    options = {"rule": "uniform_histogram", "num_bins": 20, "pos_per_bin": 3, "neg_per_bin": 4}
    theirs, ours = both(miner, *batch, mine_pairs, **options)
    assert [len(part) for part in ours] == [len(part) for part in theirs]


def test_distance_weighted():
    """In few dimensions, where theirs underflow nowhere: as many triplets, and frequencies as near as those of two samples."""
    rng, draws = np.random.default_rng(3), 600
    x = rng.standard_normal((3, 5))[np.arange(20) % 3] + 0.7 * rng.standard_normal((20, 5))
    parts = torch.tensor(x, dtype=torch.float32), torch.tensor(np.arange(20) % 5)
    torch.manual_seed(0)
    counts = np.zeros((2, 20, 20))
    for seed in range(draws):
        theirs = miners.DistanceWeightedMiner()(*parts)
        ours = mine_triplets(*parts, strategy="distance_weighted", seed=seed)
        assert np.array_equal(np.bincount(theirs[0], minlength=20), np.bincount(ours[0], minlength=20))
        for i, found in enumerate((theirs, ours)):
            np.add.at(counts[i], (found[0], found[2]), 1)
    total = counts.sum(axis=0)
    likely = total > 20
    statistic = ((counts[0] - counts[1])[likely] ** 2 / total[likely]).sum()
    assert abs(statistic - likely.sum()) < 5 * np.sqrt(2 * likely.sum())
