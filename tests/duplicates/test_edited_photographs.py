"""Real near-duplicates: 500 photographs and five edits of each, by a copy-detection network."""

import numpy as np
import pytest

import duplicates_reference as oracle
import hardmine

KINDS = ("orig", "jpeg30", "resize50", "crop10", "hflip", "rot10")


@pytest.fixture(scope="module")
def photographs(data):
    path = data / "bsds500_sscd512_f16.npz"
    if not path.is_file():
        pytest.skip(f"no {path.name} in {data}")
    with np.load(path) as saved:
        return {kind: saved[kind] for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS[1:])
def test_every_edit_finds_its_original(photographs, kind):
    found = hardmine.topk(photographs[kind], photographs["orig"], 1, metric="cosine").indices[:, 0]
    assert (found == np.arange(500)).mean() == 1.0, "recall@1"


def test_the_curve_of_all_pairs(photographs):
    """Half of the 7,500 positives have no negative before them in 4,491,000; the last one has a few hundred."""
    from sklearn.metrics import roc_auc_score

    x, photograph = np.concatenate([*photographs.values()]), np.tile(np.arange(500), 6)
    roc = hardmine.pair_roc(x, groups=photograph)
    assert (roc.n_pos, roc.n_neg) == (7500, 4_491_000)
    assert roc.tpr_at_fpr(0.0) > 0.99 and 0 < roc.fpr_at_tpr(1.0) < 1e-4 and roc.auc > 0.9999999
    distances, positive = oracle.labelled_pairs(
        hardmine.pairwise(x[::3], metric="cosine"), photograph[::3, None] == photograph[::3]
    )
    part = hardmine.pair_roc(x[::3], groups=photograph[::3])
    # `pairwise` is off by 2^-10 of a distance at most, which moves few pairs past each other.
    assert abs(part.auc - roc_auc_score(positive, -distances)) < 1e-6
    hard = hardmine.pair_roc(x, groups=photograph, negatives=("hard", 300, 1000, 5))
    chance = hardmine.pair_roc(x, groups=photograph, negatives=("random", 7500))
    assert hard.auc < roc.auc <= 1 and chance.n_neg == 7500 and chance.auc > 0.9999


def test_clusters(photographs):
    """At 0.35 no two photographs meet, and nearly all edits have found theirs; at 0.5 a chain joins photographs."""
    x, photograph = np.concatenate([*photographs.values()]), np.tile(np.arange(500), 6)
    for linkage in ("single", "star", "complete"):
        found = hardmine.near_duplicates(x, 0.35, linkage=linkage, groups=photograph)
        assert not found.mixed.any() and len(found.pairs) == 7146 and (found.diameters[found.chained] > 0.35).all()
        clustered = found.labels >= 0
        assert clustered.mean() > (0.95 if linkage == "complete" else 0.98) and len(found.keep) + len(found.drop) == 3000
        if linkage == "complete":
            assert len(found.sizes) == 502 and not found.chained.any() and (found.densities == 1).all()
        else:
            assert len(found.sizes) == 500 and found.sizes.min() == 5 and found.chained.sum() == 71
    chained = hardmine.near_duplicates(x, 0.5, groups=photograph)
    assert chained.mixed.sum() == 3 and chained.sizes.max() > 30
    together = hardmine.near_duplicates(x, 0.5, groups=photograph, linkage="complete")
    assert not together.mixed.any() and (together.sizes == 6).sum() == 499
