"""In-batch triplets beside the miners of OML (open-metric-learning 4.0): the same sets, on random and on tied rows.

Theirs computes with float64 copies of the same float32 rows, and distances of random rows differ by more than float32 rounds.
Tied rows are corners of a grid, whose squared distances are small integers, so that every tie is one in both. OML takes any of
equally far rows: there the distances of what is taken are compared instead of its indices.

What differs: where an anchor has no partner within the ranks, `mine_triplets` has no triplets of it; OML demands two rows of
every label and fails for such ranks, unless the anchor is among those it is told to ignore.
"""

import numpy as np
import pytest

from hardmine.mining.batch.triplets import mine_triplets
from optional_torch import torch

NEEDED = "needs OML: pip install hardmine[peers], then pip install --no-deps open-metric-learning==4.0.0"
miners = pytest.importorskip("oml.miners", reason=NEEDED)

RANKS = [1, 3, 50, (1, 2), (2, 2), (2, 50)]


@pytest.fixture(params=["random", "tied"])
def batch(request):
    """60 rows of labels that have 3 to 9 rows each."""
    rng = np.random.default_rng(7)
    labels = rng.permutation(np.repeat(np.arange(10), np.arange(10) % 7 + 3))
    tied = request.param == "tied"
    x = (rng.integers(0, 2, (len(labels), 6)) * 2 if tied else rng.standard_normal((len(labels), 6))).astype(np.float32)
    distances = np.linalg.norm(x[:, None].astype(np.float64) - x[None], axis=2)
    if not tied:
        apart = np.diff(np.sort(distances, axis=1), axis=1)
        assert (apart > 2.0**-22 * distances.max()).all()
    return x, labels, distances


def of_theirs(miner, x, labels, **options):
    """Their indices; the public method returns rows instead."""
    labels = labels.tolist()
    miner._check_input_labels(labels)
    return np.array(miner._sample(torch.from_numpy(x).double(), labels=labels, **options)).T


def check_same(batch, theirs, ours):
    _, labels, distances = batch
    ours = np.array(ours).T
    tied = len(np.unique(distances)) < 10
    for found in (theirs, ours):
        a, p, n = found.T
        assert len(np.unique(found, axis=0)) == len(found) > 0
        assert (labels[a] == labels[p]).all() and (a != p).all() and (labels[a] != labels[n]).all()
    if tied:
        theirs, ours = ([(a, distances[a, p], distances[a, n]) for a, p, n in found] for found in (theirs, ours))
    else:
        theirs, ours = theirs.tolist(), ours.tolist()
    assert sorted(theirs) == sorted(ours)


def test_all_triplets(batch):
    x, labels, _ = batch
    theirs = of_theirs(miners.AllTripletsMiner(), x, labels)
    ours = np.array(mine_triplets(x, labels, margin=np.inf)).T
    assert sorted(theirs.tolist()) == ours.tolist()
    some = of_theirs(miners.AllTripletsMiner(max_output_triplets=500), x, labels)
    sample = np.array(mine_triplets(x, labels, margin=np.inf, max_triplets=500)).T
    everything = set(map(tuple, ours.tolist()))
    assert all(len(set(map(tuple, part.tolist())) & everything) == 500 == len(part) for part in (some, sample))


def test_hard_triplets(batch):
    x, labels, _ = batch
    check_same(batch, of_theirs(miners.HardTripletsMiner(), x, labels), mine_triplets(x, labels, strategy="batch_hard"))


@pytest.mark.parametrize("n_positive", RANKS, ids=str)
@pytest.mark.parametrize("n_negative", [*RANKS, (30, 40)], ids=str)
def test_several_hard_ones(batch, n_positive, n_negative):
    x, labels, _ = batch
    ranks = {"n_positive": n_positive, "n_negative": n_negative}
    theirs = of_theirs(miners.NHardTripletsMiner(**ranks), x, labels)
    check_same(batch, theirs, mine_triplets(x, labels, strategy="batch_hard", **ranks))


def test_anchors_to_ignore(batch):
    """Their mask of anchors is a mask of pairs here."""
    x, labels, _ = batch
    ignored = np.arange(len(x)) % 3 == 0
    ranks = {"n_positive": 2, "n_negative": (2, 4)}
    theirs = of_theirs(miners.NHardTripletsMiner(**ranks), x, labels, ignore_anchor_mask=torch.from_numpy(ignored))
    mask = np.repeat(~ignored[:, None], len(x), axis=1)
    ours = mine_triplets(x, labels, strategy="batch_hard", pair_mask=mask, **ranks)
    assert not ignored[ours[0]].any()
    check_same(batch, theirs, ours)


def test_anchors_without_a_partner(batch):
    """No third positive where a label has three rows: theirs fails, ours has the triplets of all other anchors."""
    x, labels, _ = batch
    ranks = {"n_positive": (3, 5), "n_negative": 2}
    with pytest.raises(ValueError, match="not enough values to unpack"):
        of_theirs(miners.NHardTripletsMiner(**ranks), x, labels)
    few = np.bincount(labels)[labels] < 4
    theirs = of_theirs(miners.NHardTripletsMiner(**ranks), x, labels, ignore_anchor_mask=torch.from_numpy(few))
    ours = mine_triplets(x, labels, strategy="batch_hard", **ranks)
    assert few.any() and set(ours[0].tolist()) == set(np.flatnonzero(~few).tolist())
    check_same(batch, theirs, ours)
