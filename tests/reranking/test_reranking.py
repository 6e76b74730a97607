"""Re-ranking beside loops and dense matrices."""

import tracemalloc

import numpy as np
import pytest

import hardmine
import retrieval_reference as oracle
from hardmine import Neighbors, alpha_query_expansion, database_augmentation, diffusion, k_reciprocal, topk

scipy = pytest.importorskip("scipy", minversion="1.12", reason="needs hardmine[scipy]")


def unit(rows):
    norm = np.linalg.norm(rows, axis=-1, keepdims=True)
    return rows / np.where(norm > 0, norm, 1)


@pytest.mark.parametrize("alpha", [0, 1, 3.0])
@pytest.mark.parametrize("metric", ["cosine", "inner_product"])
def test_expansion(metric, alpha, rng):
    q, b = rng.standard_normal((15, 6)).astype(np.float32), rng.standard_normal((40, 6)).astype(np.float32)
    b[3] = 0
    for queries, base in ((q, b), (q.astype(np.float64), b[:4])):
        found = topk(queries, base, k=6, metric=metric)
        moved = alpha_query_expansion(queries, base, found, n=5, alpha=alpha)
        as_used = [unit(x.astype(float)) if metric == "cosine" else x.astype(float) for x in (q, base)]
        for i, row in enumerate(as_used[0]):
            near = [(j, s) for j, s in zip(found.indices[i], found.scores[i]) if j >= 0][:5]
            expected = row + sum(max(float(s), 0.0) ** alpha * as_used[1][j] for j, s in near)
            np.testing.assert_allclose(moved[i], unit(expected), atol=2e-6)
        assert moved.dtype == np.float32


def test_augmentation_and_a_second_search(rng):
    centers = rng.standard_normal((20, 16))
    x = (np.repeat(centers, 20, axis=0) + 1.2 * rng.standard_normal((400, 16))).astype(np.float32)
    labels = np.repeat(np.arange(20), 20)
    found = topk(x, k=10, metric="cosine")
    moved = database_augmentation(x, found, n=10)
    rows = unit(x.astype(float))
    expected = rows[7] + sum(float(s) ** 3 * rows[j] for j, s in zip(found.indices[7], found.scores[7]))
    np.testing.assert_allclose(moved[7], unit(expected), atol=2e-6)
    before, after = (
        hardmine.retrieval_metrics(y, query_labels=labels, metric="cosine", metrics=("map",))["map"] for y in (x, moved)
    )
    assert after > before + 0.05


def test_blocks_change_nothing(rng, monkeypatch):
    x = rng.standard_normal((30, 5))
    found = topk(x, k=4, metric="cosine")
    whole = database_augmentation(x, found, n=4)
    again = k_reciprocal(x, None, found._replace(), k1=5)
    monkeypatch.setattr(hardmine.reranking.expansion, "CELLS", 1)
    monkeypatch.setattr(hardmine.reranking.k_reciprocal, "CELLS", 40)
    monkeypatch.setattr(hardmine.reranking.k_reciprocal, "ROWS_AT_ONCE", 7)
    monkeypatch.setattr(hardmine._arrays, "BLOCK_BYTES", 4 * 5 * 7)
    np.testing.assert_array_equal(database_augmentation(x, found, n=4), whole)
    np.testing.assert_array_equal(k_reciprocal(x, None, found, k1=5).distances, again.distances)


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean", "cosine"])
def test_k_reciprocal(metric, rng):
    for n, m, k1, k2, lam in ((8, 60, 6, 3, 0.3), (5, 40, 5, 1, 0.0), (3, 9, 20, 6, 0.7), (1, 12, 3, 3, 1.0)):
        x = rng.standard_normal((n + m, 4)).astype(np.float32)
        if metric == "sqeuclidean":
            x[n + 2] = x[n + 1]  # equal rows are their own first
        found = topk(x[:n], x[n:], k=m, metric=metric)
        squared = "cosine" if metric == "cosine" else "sqeuclidean"
        pairs = np.repeat(np.arange(n + m), n + m), np.tile(np.arange(n + m), n + m)
        matrix = hardmine.pair_distances(x, None, *pairs, metric=squared).astype(float).reshape(n + m, n + m)
        for count_self in (True, False):
            again = k_reciprocal(x[:n], x[n:], found, k1=k1, k2=k2, lambda_=lam, count_self=count_self)
            expected = oracle.k_reciprocal(matrix, n, k1, k2, lam, extra=int(count_self))
            np.testing.assert_allclose(again.distances, np.take_along_axis(expected, again.indices, axis=1), rtol=2e-6)
            assert (np.diff(again.distances) >= 0).all() and again.metric is None
            assert (np.sort(again.indices) == np.arange(m)).all()


@pytest.mark.slow
def test_k_reciprocal_of_2000_points_without_their_matrix(rng, monkeypatch):
    n, size = 5, 2000
    x = rng.standard_normal((size, 8)).astype(np.float32)
    matrix = hardmine.pairwise(x).astype(float)  # not canonical, but without ties near enough
    found = topk(x[:n], x[n:], k=size - n)
    monkeypatch.setattr(hardmine.reranking.k_reciprocal, "CELLS", 1 << 16)
    monkeypatch.setattr(hardmine.reranking.k_reciprocal, "ROWS_AT_ONCE", 256)
    tracemalloc.start()
    again = k_reciprocal(x[:n], x[n:], found)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * size**2  # the published code holds five such matrices and more
    expected = oracle.k_reciprocal(matrix, n, 20, 6, 0.3)
    np.testing.assert_allclose(again.distances, np.take_along_axis(expected, again.indices, axis=1), rtol=1e-5)


def test_reciprocal_sets_are_no_larger_than_k():
    """fast-reid#446: of these rankings row 4 has no reciprocal neighbour within 4 entries but itself."""
    ranks = np.array([[0, 3, 2, 1, 4], [1, 2, 0, 3, 4], [2, 0, 1, 3, 4], [3, 0, 2, 1, 4], [4, 3, 0, 2, 1]])
    sets = hardmine.reranking.k_reciprocal.reciprocal_sets
    assert sets(ranks, 4 + False)[[4]].indices.tolist() == [4]
    assert sorted(sets(ranks, 4 + True)[[4]].indices.tolist()) == [0, 1, 2, 3, 4]


def test_k_reciprocal_of_an_array_with_itself(rng):
    x = rng.standard_normal((50, 3)).astype(np.float32)
    pairs = np.repeat(np.arange(50), 50), np.tile(np.arange(50), 50)
    matrix = hardmine.pair_distances(x, None, *pairs).astype(float).reshape(50, 50)
    again = k_reciprocal(x, None, topk(x, k=49), k1=6, k2=3)
    # All rows are base rows: of row 0, the oracle's one query, those after it.
    expected = oracle.k_reciprocal(matrix, 1, 6, 3, 0.3)[0]
    np.testing.assert_allclose(again.distances[0], expected[again.indices[0] - 1], rtol=2e-6)


def test_diffusion(rng):
    x, q = unit(rng.standard_normal((60, 5))).astype(np.float32), unit(rng.standard_normal((6, 5))).astype(np.float32)
    found, edges = topk(q, x, k=20, metric="cosine"), topk(x, k=8, metric="cosine")
    for kq, kd, gamma, alpha in ((5, 8, 3, 0.99), (1, 4, 1, 0.5), (20, 3, 3, 0.0)):
        weights, y = np.zeros((60, 60)), np.zeros((6, 60))
        for matrix, near, k in ((weights, edges, kd), (y, found, kq)):
            for i, (cols, scores) in enumerate(zip(near.indices[:, :k], near.scores[:, :k])):
                matrix[i, cols] = np.maximum(scores.astype(float), 0) ** gamma
        mutual = np.minimum(weights, weights.T)
        degree = mutual.sum(axis=1)
        scale = np.where(degree > 0, 1 / np.sqrt(np.where(degree > 0, degree, 1)), 0)
        f = np.linalg.solve(np.eye(60) - alpha * scale[:, None] * mutual * scale, y.T).T
        # A residual of 1e-12 |y| is an error of at most 1e-12 |y| / (1 - alpha); beside it float32.
        again = diffusion(found, edges, k=60, kq=kq, kd=kd, gamma=gamma, alpha=alpha, tolerance=1e-12)
        for i in range(6):
            real = again.indices[i] >= 0
            np.testing.assert_allclose(-again.distances[i][real], f[i][again.indices[i][real]], rtol=2e-6, atol=3e-10)
            assert np.count_nonzero(f[i] > 1e-9) <= real.sum() and np.isinf(again.distances[i][~real]).all()
            assert (np.diff(again.distances[i][real]) >= 0).all()


def test_tensors(rng):
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(rng.standard_normal((30, 4)).astype(np.float32))
    found = topk(x, k=5, metric="cosine")
    assert isinstance(alpha_query_expansion(x, None, found, n=3), torch.Tensor)
    assert isinstance(diffusion(found, found).indices, torch.Tensor)
    assert isinstance(k_reciprocal(x, None, found, k1=4).distances, torch.Tensor)


X = np.ones((4, 3), np.float32)
FOUND = Neighbors(np.zeros((4, 2), np.float32), np.array([[1, 2], [0, 2], [0, 1], [0, 1]]), "cosine")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: alpha_query_expansion(X, None, tuple(FOUND)), TypeError, "neighbors: expected Neighbors, got tuple"),
        (
            lambda: alpha_query_expansion(X, None, Neighbors(*FOUND, "euclidean")),
            ValueError,
            "neighbors: expected Neighbors of metric cosine or inner_product, got euclidean",
        ),
        (lambda: alpha_query_expansion(X[:2], X, FOUND), ValueError, "neighbors: expected arrays of shape (2, k), got (4, 2)"),
        (lambda: alpha_query_expansion(X, X[:2], FOUND), ValueError, "neighbors: expected row numbers from 0 to 1"),
        (lambda: alpha_query_expansion(X, None, FOUND, n=0), ValueError, "n: expected at least 1, got 0"),
        (lambda: alpha_query_expansion(X, None, FOUND, alpha=-1), ValueError, "alpha: expected a finite number, at least 0"),
        (
            lambda: database_augmentation(X, FOUND._replace(indices=np.arange(8).reshape(4, 2) % 4)),
            ValueError,
            "neighbors: expected those of topk(base)",
        ),
        (lambda: k_reciprocal(X, None, FOUND, lambda_=2), ValueError, "lambda_: expected a number from 0 to 1, got 2"),
        (lambda: k_reciprocal(X, None, FOUND, k1=0), ValueError, "k1: expected at least 1, got 0"),
        (lambda: diffusion(FOUND, FOUND, alpha=1), ValueError, "alpha: expected a number from 0 to less than 1, got 1"),
        (lambda: diffusion(FOUND, Neighbors(*FOUND, "inner_product")), ValueError, "base_neighbors: expected metric cosine"),
        (lambda: diffusion(FOUND, None), TypeError, "base_neighbors: expected Neighbors, got NoneType"),
    ],
)
def test_bad_arguments(call, error, message):
    with pytest.raises(error) as raised:
        call()
    assert str(raised.value).startswith(message)
