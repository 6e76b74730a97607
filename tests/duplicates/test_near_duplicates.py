"""Near-duplicates beside clusters that are found by looking at every pair and triple."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

import duplicates_reference as oracle
import hardmine
import pair_reference
from blocks import converted_blocks
from hardmine import Filter, near_duplicates
from hardmine.duplicates import complete_linkage, linkage, measures, triangles
from optional_torch import torch

METRICS = ("cosine", "sqeuclidean", "euclidean", "hamming")
RULES = ("first", "hard", "easy", "center", "scores")


def rows_of(metric, kind, n, rng):
    """Rows, as an oracle and as the library want them: planted near-duplicates, chains, copies, ties, zeros."""
    if metric == "hamming":
        bits = rng.random((n, 13)) < 0.4
        if kind != "ordinary" and n:
            bits = bits[rng.integers(0, max(1, n // 3), n)] ^ (rng.random((n, 13)) < 0.1)
        return bits, np.packbits(bits, axis=1)
    x = rng.integers(-2, 3, (n, 4)).astype(np.float32)
    if kind == "ordinary":
        x = rng.standard_normal((n, 4)).astype(np.float32)
    if kind == "chains":
        x = np.cumsum(rng.random((n, 4)) * 0.3, axis=0).astype(np.float32)
    if kind == "copies" and n:
        x = x[rng.integers(0, max(1, n // 4), n)]
    return x, x


def near_ones(distances, threshold, where, self_join=True):
    keep = pair_reference.allowed(where, distances, self_join)
    near = pair_reference.counted(keep & (distances <= np.float64(threshold)), True)
    return near | near.T


@pytest.mark.parametrize("metric", METRICS)
@hypothesis.given(
    kind=st.sampled_from(["ties", "ordinary", "chains", "copies"]),
    n=st.sampled_from([0, 1, 2, 3, 9, 24]),
    how=st.sampled_from(["single", "complete", "star"]),
    rule=st.sampled_from(RULES),
    filtered=st.booleans(),
    layout=st.sampled_from(["in place", "converted", "tensor"]),
    large=st.sampled_from([2, 512]),
    seed=st.integers(0, 10**6),
)
def test_equals_the_oracle(metric, kind, n, how, rule, filtered, layout, large, seed):
    rng = np.random.default_rng(seed)
    seen, x = rows_of(metric, kind, n, rng)
    distances = pair_reference.matrix(seen, None, metric)
    threshold = float(rng.choice(distances.ravel())) * float(rng.choice([0.2, 0.5, 1])) if n else 1.0
    where = Filter(query_groups=rng.integers(0, 3, n)) if filtered else None
    near = near_ones(distances, threshold, where)
    if n:
        np.fill_diagonal(distances, 0)
    clusters = oracle.complete(near, distances) if how == "complete" else getattr(oracle, how)(near)
    expected = oracle.labels(clusters, n)
    scores = rng.integers(0, 3, n)
    if layout == "tensor":
        x = torch.from_numpy(x)
    elif layout == "converted":
        x = np.asfortranarray(x)
    bits = 13 if metric == "hamming" else None
    with pytest.MonkeyPatch.context() as patch, converted_blocks(200):
        for module, name, value in (
            (measures, "LARGE", large), (triangles, "LEAST_PAIRS", large), (complete_linkage, "LEAST_PAIRS", large),
            (linkage, "MOST_EDGES", large), (measures, "MOST_ENTRIES", 40), (triangles, "MOST_PATHS", 5),
            (triangles, "MOST_LISTED", 7),
        ):  # fmt: skip
            patch.setattr(module, name, value)
        found = near_duplicates(
            x,
            threshold,
            metric=metric,
            where=where,
            linkage=how,
            which_to_keep=scores if rule == "scores" else rule,
            bits=bits,
        )
    assert isinstance(found.labels, torch.Tensor) == (layout == "tensor")
    np.testing.assert_array_equal(found.labels, expected)
    names = ("sizes", "diameters", "densities", "open_triangles")
    for name, known in zip(names, oracle.measures(expected, near, distances)):
        array = np.asarray(getattr(found, name))
        assert array.dtype == known.dtype
        np.testing.assert_array_equal(array, known, err_msg=name)
    np.testing.assert_array_equal(found.chained, np.asarray(found.diameters) > np.float64(threshold))
    kept = oracle.kept(expected, near, distances, scores if rule == "scores" else rule)
    np.testing.assert_array_equal(found.kept, kept)
    dropped = np.setdiff1d(np.flatnonzero(expected >= 0), kept)
    np.testing.assert_array_equal(found.drop, dropped)
    np.testing.assert_array_equal(found.keep, np.setdiff1d(np.arange(n), dropped))
    stands = np.asarray(found.representatives)
    assert set(stands[dropped]) <= set(kept) and (stands[np.asarray(found.keep)] == np.asarray(found.keep)).all()


def test_both_ways_to_complete_linkage_agree(rng):
    """Ranks are all different, so that there is one answer."""
    for n in (2, 5, 40, 90):
        for share in (0.2, 0.7, 0.98):
            rows, cols = np.triu_indices(n, 1)
            listed = np.flatnonzero(rng.random(len(rows)) < share)
            listed = listed[rng.permutation(len(listed))]
            if len(listed):
                heap = complete_linkage.by_heap(rows[listed], cols[listed], n)
                matrix = complete_linkage.by_matrix(rows[listed], cols[listed], n)
                np.testing.assert_array_equal(linkage.numbered(heap), linkage.numbered(matrix))


def test_complete_linkage_is_scikit_learns(rng):
    from sklearn.cluster import AgglomerativeClustering

    x = rng.standard_normal((60, 3)).astype(np.float32)
    matrix = pair_reference.matrix(x, None, "euclidean").astype(np.float64)
    for threshold in (0.4, 0.8, 1.5):
        model = AgglomerativeClustering(
            n_clusters=None, linkage="complete", metric="precomputed", distance_threshold=threshold
        )
        known = linkage.numbered(model.fit_predict(matrix).astype(np.int64))
        np.testing.assert_array_equal(near_duplicates(x, threshold, metric="euclidean", linkage="complete").labels, known)


def test_open_triangles_of_graphs_that_are_known(rng):
    """A star of m rows has C(m - 1, 2) of them, a path m - 2, a cycle m, a clique without a pair m - 2."""
    m = 90
    star = np.zeros(m - 1, int), np.arange(1, m)
    path = np.arange(m - 1), np.arange(1, m)
    cycle = np.append(path[0], 0), np.append(path[1], m - 1)
    whole = np.triu_indices(m, 1)
    less = whole[0][1:], whole[1][1:]
    graphs = (star, path, cycle, whole, less)
    rows, cols = (np.concatenate([graph[side] + m * at for at, graph in enumerate(graphs)]) for side in (0, 1))
    cluster = np.repeat(np.arange(5), [len(graph[0]) for graph in graphs])
    for matrix_bytes in (0, m, 2**20):  # as bits, of 8 columns at a time and of all, and as lists
        for least in (1, 10**9):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(triangles, "LEAST_PAIRS", least)
                patch.setattr(triangles, "BYTES_OF_PATH", 10**6)
                patch.setattr(triangles, "MATRIX_BYTES", matrix_bytes)
                patch.setattr(triangles, "SLAB_BYTES", 1000)
                patch.setattr(triangles, "MOST_LISTED", 100)
                patch.setattr(triangles, "MOST_PATHS", 1000)
                found = triangles.open_triangles(rows, cols, cluster, np.full(5, m), 1)
            assert found.tolist() == [88 * 89 // 2, 88, 90, 0, 88]


def test_a_large_cluster_takes_the_way_to_triangles_with_less_to_do(rng, monkeypatch):
    """Counted in the bytes and the paths of both, not in seconds; a hub that is near everything costs nothing."""
    from scipy.sparse import csr_array

    done = []

    def walked(low, high, cluster, n, count):
        done.append("paths")
        assert np.bincount(low, minlength=n)[high].sum() <= most_paths
        return real["_triangles"](low, high, cluster, n, count)

    def compared(codes, base, rows, cols, **how):
        done.append("bits")
        assert codes.nbytes <= triangles.MATRIX_BYTES
        return real["pair_distances"](codes, base, rows, cols, **how)

    real = {name: getattr(triangles, name) for name in ("_triangles", "pair_distances")}
    monkeypatch.setattr(triangles, "_triangles", walked)
    monkeypatch.setattr(triangles, "pair_distances", compared)
    n = 2500
    hub = np.zeros(n - 1, int), np.arange(1, n)
    few = np.unique(np.sort(rng.integers(0, n, (4400, 2)), axis=1), axis=0)
    many = np.unique(np.sort(rng.integers(0, n, (n * 100, 2)), axis=1), axis=0)
    graphs = {"hub": hub, "few": few[few[:, 0] < few[:, 1]].T, "many": many[many[:, 0] < many[:, 1]].T}
    for name, (rows, cols) in graphs.items():
        done.clear()
        most_paths = {"hub": 0, "few": 4 * n, "many": 0}[name]
        graph = csr_array((np.ones(2 * len(rows), int), (np.append(rows, cols), np.append(cols, rows))), shape=(n, n))
        pairs = graph.sum(axis=1)
        expected = (pairs * (pairs - 1) // 2).sum() - (graph @ graph).multiply(graph).sum() // 2
        assert triangles.open_triangles(rows, cols, np.zeros(len(rows), int), np.array([n]), 1).tolist() == [expected]
        assert ("bits" in done) == (name == "many")


def test_the_farthest_of_a_large_cluster_looks_at_each_pair_once(rng, monkeypatch):
    """A chain of 3,000 rows: every pair once and in float32, those of a block's own rows twice, and some of all in float64."""
    looked = {"pairwise": 0, "listed_distances": 0}

    def all_of(queries, base, **how):
        looked["pairwise"] += len(queries) * len(base)
        return pairwise(queries, base, **how)

    def some_of(queries, base, rows, cols, **how):
        looked["listed_distances"] += len(rows)
        return listed_distances(queries, base, rows, cols, **how)

    pairwise, listed_distances = measures.pairwise, measures.listed_distances
    monkeypatch.setattr(measures, "pairwise", all_of)
    monkeypatch.setattr(measures, "listed_distances", some_of)
    monkeypatch.setattr(measures, "MOST_ENTRIES", 300_000)
    n = 3000
    x = np.cumsum(rng.standard_normal((n, 16)), axis=0).astype(np.float32)
    found = near_duplicates(x, 10.0, metric="euclidean")
    assert found.sizes.tolist() == [n] and found.chained.all()
    assert looked["pairwise"] <= n * n / 2 + n * 300 and looked["listed_distances"] <= n


def test_a_cluster_of_copies_looks_at_its_pairs_alone(rng, monkeypatch):
    """1,500 blank images beside others: nothing but the search asks for a distance."""
    x = rng.standard_normal((2300, 16)).astype(np.float32)
    x[::2][:1150] = x[0]
    x[-351:] = x[0]
    blank = (x == x[0]).all(axis=1)
    x[1], x[3] = x[5] + np.float32(0.001), x[7]
    for name in ("listed_distances", "pairwise", "open_triangles"):
        monkeypatch.setattr(measures, name, None)
    for how in ("single", "complete", "star"):
        found = near_duplicates(x, 0.001, linkage=how, which_to_keep="hard")
        assert found.sizes.tolist() == [blank.sum(), 2, 2] and not found.chained.any() and (found.densities == 1).all()
        assert blank.sum() >= 1300 and found.diameters[0] == 0 and found.open_triangles.sum() == 0


@pytest.mark.parametrize("metric", ["cosine", "sqeuclidean", "euclidean"])
def test_the_farthest_of_large_clusters(rng, metric, monkeypatch):
    """What float32 cannot tell apart is scored: two clouds of copies, far from the origin, in many dimensions."""
    monkeypatch.setattr(measures, "MOST_ENTRIES", 30_000)
    for d, shift, spread in ((3, 0, 1), (40, 100, 1), (200, 0, 1e-3), (5, 0, 1e19), (5, 1, 1e-22)):
        x = (shift + rng.standard_normal((600, d)) * spread).astype(np.float32)
        x[::3] = x[0]
        x[1::3] = x[1]
        distances = pair_reference.matrix(x, None, metric)
        np.fill_diagonal(distances, 0)
        found = near_duplicates(x, np.inf, metric=metric, where=Filter(exclude=[[599]] + [[]] * 599))
        assert (
            found.sizes.tolist() == [600] and found.diameters.tolist() == [distances.max()] and found.open_triangles[0] == 598
        )


@pytest.mark.parametrize("metric", ["cosine", "sqeuclidean", "euclidean"])
def test_the_farthest_where_float32_names_another(rng, metric):
    """Two narrow clouds: a hundred thousand pairs lie within a few of float32's roundings of the largest distance."""
    x = rng.standard_normal((600, 24)) * 1e-6
    x[:, :2] += np.where(np.arange(600) % 2, 0.7, 1.3)[:, None] * [1, 2] + rng.standard_normal(2)
    x = x.astype(np.float32)
    distances = pair_reference.matrix(x, None, metric)
    found = near_duplicates(x, np.inf, metric=metric, where=Filter(exclude=[[599]] + [[]] * 599))
    assert found.diameters.tolist() == [distances.max()]


def test_every_copy_is_found(rng):
    """imagededup documents a recall of 0.58 for exact copies at a cosine of 1; of unit rows a third has no product of 1."""
    x = rng.standard_normal((500, 512)).astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    assert ((x * x).sum(axis=1) < 1).mean() > 0.1
    for rows in (x, x.astype(np.float16)):
        found = near_duplicates(np.concatenate([rows, rows[:300]]), 0.0)
        assert found.pairs.rows.tolist() == list(range(300)) and (found.pairs.cols == found.pairs.rows + 500).all()
        assert found.drop.tolist() == list(range(500, 800))


def test_groups_are_told_and_leave_nothing_out(rng):
    x = np.array([[0.0], [0.1], [5.0], [5.1], [9.0]], np.float32)
    found = near_duplicates(x, 0.2, metric="euclidean", groups=["cat", "cat", "cat", "dog", "dog"])
    assert found.mixed.tolist() == [False, True] and len(found.pairs) == 2
    assert "clusters of several groups" in found.summary()
    with pytest.raises(ValueError, match="mixed: expected groups in the call of near_duplicates, got none"):
        _ = near_duplicates(x, 0.2).mixed


def test_chance_is_a_function_of_seed_and_row(rng):
    x = np.repeat(rng.standard_normal((40, 8)).astype(np.float32), 5, axis=0)
    kept = [near_duplicates(x, 0.0, which_to_keep="random", seed=seed).kept for seed in range(30)]
    assert (kept[3] == near_duplicates(x, 0.0, which_to_keep="random", seed=3, threads=1).kept).all()
    places = np.bincount((np.array(kept) % 5).ravel(), minlength=5)
    assert places.min() > 0.7 * 30 * 40 / 5
    few = near_duplicates(x[:50], 0.0, which_to_keep="random", seed=4)
    assert (few.kept == kept[4][:10]).all()


@pytest.mark.parametrize("how", ["single", "complete", "star"])
def test_the_same_on_every_instruction_set(isa, rng, how):
    x = np.repeat(rng.standard_normal((60, 24)), 6, axis=0).astype(np.float32)
    x += rng.standard_normal(x.shape).astype(np.float32) * np.float32(0.25)
    first = near_duplicates(x, 0.06, linkage=how, which_to_keep="easy", threads=1)
    other = near_duplicates(x, 0.06, linkage=how, which_to_keep="easy", threads=3)
    with hardmine_best():
        best = near_duplicates(x, 0.06, linkage=how, which_to_keep="easy")
    for name in ("labels", "sizes", "diameters", "densities", "open_triangles", "chained", "kept", "keep", "drop"):
        for again in (other, best):
            np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert len(first.sizes) > 5 and first.sizes.max() > 2


def hardmine_best():
    from isas import using_isa

    return using_isa(hardmine._core.isas_runnable()[0])
