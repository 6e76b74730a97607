"""Published protocols beside their arithmetic, and the examples that people have misread."""

import json

import numpy as np
import pytest

import hardmine
import retrieval_reference as oracle
from hardmine import map_at_k, micro_average_precision, revisited_map

PROTOCOLS = {
    "easy": (["easy"], ["junk", "hard"]),
    "medium": (["easy", "hard"], ["junk"]),
    "hard": (["hard"], ["junk", "easy"]),
}
KS = (1, 5, 10)


def constructed(rng, truths, images):
    """Rankings of all images of each query: perfect, reversed, shuffled, or relevant ones early with junk among them."""
    rankings = []
    for i, truth in enumerate(truths):
        order = rng.permutation(images)
        near = np.concatenate([np.asarray(truth[name], int) for name in ("easy", "junk", "hard")])
        if i % 4 != 2:
            rest = np.setdiff1d(order, near)
            near = near if i % 4 < 2 else rng.permutation(np.concatenate([near, rest[:50]]))
            order = np.concatenate([near, np.setdiff1d(order, near)])
        rankings.append(order[::-1] if i % 4 == 1 else order)
    return np.stack(rankings)


def assert_revisited(found, rankings, truths):
    for name, (good, bad) in PROTOCOLS.items():
        expected = [
            oracle.revisited(
                ranking.tolist(),
                {image for kind in good for image in truth[kind]},
                {image for kind in bad for image in truth[kind]},
                KS,
            )
            for ranking, truth in zip(rankings, truths)
        ]
        counted = [one for one in expected if one is not None]
        aps = [np.nan if one is None else one[0] for one in expected]
        np.testing.assert_allclose(found[name].average_precision, aps, rtol=1e-12)
        precisions = [[np.nan] * len(KS) if one is None else one[1] for one in expected]
        np.testing.assert_allclose(found[name].precision_at_k, precisions, rtol=1e-12)
        assert found[name].map == pytest.approx(np.mean([ap for ap, _ in counted]))
        np.testing.assert_allclose(found[name].mean_precision_at_k, np.mean([p for _, p in counted], axis=0))


@pytest.mark.parametrize("name", ["gnd_roxford5k.json", "gnd_rparis6k.json"])
def test_revisited_oxford_and_paris(name, data, rng):
    whole = json.loads((data / name).read_text())
    truths, images = whole["gnd"], len(whole["imlist"])
    rankings = constructed(rng, truths, images)
    assert_revisited(revisited_map(rankings, truths, ks=KS), rankings, truths)
    cut = revisited_map(rankings[:, :100], truths, ks=KS)
    assert_revisited(cut, rankings[:, :100], truths)
    perfect = [np.concatenate([t["easy"], t["hard"], t["junk"]]).astype(int) for t in truths]
    padded = np.full((len(truths), max(map(len, perfect))), -1)
    for row, order in zip(padded, perfect):
        row[: len(order)] = order
    assert revisited_map(padded, truths)["medium"].map == pytest.approx(1)


def test_revisited_map_of_small_truths(rng):
    truths = []
    for _ in range(40):
        kinds = rng.integers(0, 5, 12)
        truths.append({name: np.flatnonzero(kinds == i).tolist() for i, name in enumerate(("easy", "hard", "junk"))})
    truths[0] = {"easy": [], "hard": [], "junk": [1]}
    rankings = np.stack([rng.permutation(12) for _ in truths])
    for k in (12, 4, 1):
        assert_revisited(revisited_map(rankings[:, :k], truths, ks=KS), rankings[:, :k], truths)
    whole, cut = (revisited_map(rankings[:, :k], truths)["medium"].average_precision for k in (12, 4))
    assert (cut[1:] <= whole[1:]).all()
    found = hardmine.Neighbors(np.zeros((40, 12), np.float32), rankings)
    assert revisited_map(found, truths)["hard"].map == revisited_map(rankings, truths)["hard"].map
    none = revisited_map(rankings[:1], truths[:1])["easy"]
    assert np.isnan(none.map) and np.isnan(none.precision_at_k).all()


def test_trapezoids_are_not_rectangles():
    truth = [{"easy": [10, 11, 13, 16], "hard": [], "junk": []}]
    ranking = np.arange(10, 20)[None]  # relevant at ranks 1, 2, 4 and 7
    assert revisited_map(ranking, truth)["easy"].map == pytest.approx(0.8110, abs=5e-5)
    rectangles = hardmine.retrieval_metrics((None, ranking), relevant=[truth[0]["easy"]], metrics=("map",))
    assert rectangles["map"] == pytest.approx(0.8304, abs=5e-5)


def test_map_at_k_of_landmarks():
    ids = [f"i{rank}" for rank in range(1, 104)]
    assert map_at_k({"q": ids}, {"q": ["i5", "i103"]}) == pytest.approx(0.10)  # not 0.20: the divisor is min(|GT|, 100)
    assert map_at_k([ids], [["i5", "i103"]]) == pytest.approx(0.10)
    many = [f"i{rank}" for rank in range(1, 201)]
    assert map_at_k({"q": many[:100]}, {"q": many}) == pytest.approx(1)
    assert map_at_k({"q": ["a", "a", "b"]}, {"q": ["a", "b"]}) == pytest.approx(
        (1 + 2 / 3) / 2
    )  # the second a keeps its place
    assert map_at_k({}, {"q": ["a"]}) == 0 and np.isnan(map_at_k({}, {}))
    assert map_at_k(np.array([[3, 1, -1]]), [[1]], k=2) == 0.5
    rows = np.array([[4, 2, 0, 1], [3, 1, 4, 0]])
    found = hardmine.retrieval_metrics((None, rows), relevant=[[2, 1], [1, 2, 4]], metrics=("map@3",))
    assert found["map@3"] == pytest.approx(map_at_k(rows, [[2, 1], [1, 2, 4]], k=3))


def test_micro_average_precision(rng):
    for _ in range(30):
        p = int(rng.integers(0, 30))
        scores, right = rng.integers(0, 6, p) / 4, rng.random(p) < 0.6
        total, least = int(right.sum() + rng.integers(1, 5)), float(rng.choice([0.5, 0.9, 1.0]))
        found = micro_average_precision(scores, right, total, precision=least)
        value, recall = oracle.micro_average_precision(scores.tolist(), right.tolist(), total, least)
        assert (found.value, found.recall) == (pytest.approx(value), pytest.approx(recall))
        if recall:
            above = scores >= found.threshold
            assert right[above].sum() / total == pytest.approx(recall) and right[above].mean() >= least
        else:
            assert np.isnan(found.threshold)


def test_ties_of_pairs_are_broken_against_the_system():
    scores, right = [1.0, 1.0], [True, False]
    values = [micro_average_precision(scores, right, 1, ties=ties).value for ties in ("pessimistic", "expected", "optimistic")]
    assert values == [0.5, 0.75, 1.0]


def test_micro_ap_of_neighbors_is_that_of_their_pairs(rng):
    q, b = (rng.integers(0, 3, (n, 4)).astype(np.float32) for n in (20, 60))
    labels = rng.integers(0, 9, 20), rng.integers(0, 9, 60)
    found = hardmine.topk(q, b, k=5)
    right = labels[0][:, None] == labels[1][found.indices]
    total = int((labels[0][:, None] == labels[1]).sum())
    pairs = micro_average_precision(found.scores.ravel(), right.ravel(), total)
    given = {"query_labels": labels[0], "base_labels": labels[1], "metrics": ("micro_ap@5",), "ties": "pessimistic"}
    assert hardmine.retrieval_metrics(q, b, **given)["micro_ap@5"] == pytest.approx(pairs.value)


def test_score_normalize(rng):
    q, b, train = (rng.standard_normal((n, 6)).astype(np.float32) for n in (9, 40, 30))
    for beta, first, last in ((1.0, 0, 2), (0.5, 3, 3), (2.0, 29, 29)):
        new_q, new_b = hardmine.score_normalize(q, b, train, beta=beta, first=first, last=last)
        assert new_q.shape == (9, 7) and new_b.dtype == np.float32
        near = np.sort(q.astype(float) @ train.T.astype(float), axis=1)[:, ::-1][:, first : last + 1].mean(axis=1)
        expected = q.astype(float) @ b.T.astype(float) - beta * near[:, None]
        scores = -hardmine.pairwise(new_q, new_b, metric="inner_product")
        np.testing.assert_allclose(scores, expected, atol=1e-4)  # some 20 times the float32 rounding of numbers below 30
    as_index = hardmine.score_normalize(q, b, hardmine.Index(train, "inner_product"))
    np.testing.assert_array_equal(as_index[0], hardmine.score_normalize(q, b, train)[0])


def test_five_edits_of_500_photographs(data):
    """Copies are found: real descriptors, each edit beside the originals."""
    photos = np.load(data / "bsds500_sscd512_f16.npz")
    originals, own = photos["orig"], np.arange(500)
    for edit, least in (("jpeg30", 0.99), ("resize50", 0.99), ("crop10", 0.9), ("hflip", 0.9), ("rot10", 0.8)):
        found = hardmine.retrieval_metrics(
            photos[edit], originals, relevant=own[:, None], metric="cosine", metrics=("recall@1", "micro_ap", "median_rank")
        )
        ranks = hardmine.rank_of(photos[edit], originals, own, own, metric="cosine")
        assert found["median_rank"] == 1 and found["recall@1"] >= least, edit
        np.testing.assert_array_equal(found.per_query["median_rank"], ranks)
        assert found["micro_ap"] > 0.5
