"""find_overlap beside loops over all pairs: candidates of both directions, evidence, thresholds changed, files."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

import hardmine
import overlap_reference
import pair_reference
from blocks import converted_blocks
from hardmine import OverlapReport, find_overlap
from hardmine.overlap import candidates
from optional_torch import torch
from reference import METRICS


def grid(rng, n, d=3):
    """Rows with many ties."""
    return rng.integers(-2, 3, (n, d)).astype(np.float32)


def distances(train, evaluation, metric):
    return pair_reference.matrix(train, evaluation, metric)


def pairs_of(report):
    return list(zip(report.candidates.rows.tolist(), report.candidates.cols.tolist()))


def assert_candidates(report, matrix, expected):
    assert pairs_of(report) == expected
    rows, cols, values = report.candidates
    assert rows.dtype == cols.dtype == np.int64 and values.dtype == matrix.dtype
    np.testing.assert_array_equal(values, matrix[rows, cols])
    assert report.candidates.shape == matrix.shape


@hypothesis.given(
    n=st.integers(0, 25),
    m=st.integers(0, 12),
    k=st.none() | st.integers(1, 30),
    metric=st.sampled_from([*METRICS, "hamming"]),
    limited=st.booleans(),
    directions=st.sampled_from(["both", "evaluation", "train"]),
    norm=st.sampled_from(["none", "rows", "numbers"]),
    rule=st.sampled_from(["any", "max", "argmax_count", "sum"]),
    answers=st.sampled_from(["none", "bools", "scores"]),
    small=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_equals_the_oracle(n, m, k, metric, limited, directions, norm, rule, answers, small, seed):
    rng = np.random.default_rng(seed)
    x, y, z = grid(rng, n), grid(rng, m), grid(rng, 4)
    if metric == "hamming":
        x, y, z = x > 0, y > 0, z > 0
    matrix, background = distances(x, y, metric), distances(z, y, metric)
    sides = [hardmine.pack(part) if metric == "hamming" else part.astype(np.float64) for part in (x, y, z)]
    offsets = {"none": None, "numbers": rng.choice([-1.5, 0.0, 0.3], m), "rows": None}[norm]
    if norm == "rows":
        offsets = overlap_reference.background_offsets(background, metric)
    radius = float(rng.choice(matrix.ravel())) if limited and matrix.size else np.inf
    labels = rng.integers(0, 4, n)
    answer = rng.integers(-1, 3, (n, m))
    verifier = {
        "none": None,
        "bools": lambda rows, cols: answer[rows, cols] > 0,
        "scores": lambda rows, cols: answer[rows, cols],
    }[answers]
    least = 2 if answers == "scores" and rng.random() < 0.5 else None
    given = {"k": k, "directions": directions, "metric": metric, "bits": 3 if metric == "hamming" else None, "batch_size": 7}
    given |= {"verifier": verifier, "min_verified": least, "score_norm": {"rows": sides[2], "numbers": offsets}.get(norm)}
    if limited or k is None:
        given["radius"] = radius
    monkeypatch = pytest.MonkeyPatch()
    with monkeypatch.context() as patched, converted_blocks(64 if small else 1 << 25):
        if small:
            patched.setattr(candidates, "MOST_ENTRIES", 5)
        report = find_overlap(*sides[:2], train_labels=labels, aggregate=rule, **given)
    if norm == "rows":
        np.testing.assert_allclose(report.offsets, offsets, rtol=1e-15, atol=1e-15)
        offsets = report.offsets  # of three numbers, whose sum may be rounded in another order
    expected = overlap_reference.candidates(matrix, k, radius, directions, offsets)
    assert_candidates(report, matrix, expected)

    def check(report, radius, least):
        moved = np.zeros(m) if offsets is None else offsets
        within = [float(matrix[i, j]) <= radius - moved[j] for i, j in expected]
        said = [answer[pair] for pair in expected]
        verified = [verifier is None or (a > 0 if least is None else a >= least) for a in said]
        scores = [(1.0 if metric == "cosine" else 0.0) - (float(matrix[pair]) + moved[pair[1]]) for pair in expected]
        surer = said if answers == "scores" else None
        accepted = [a and b for a, b in zip(within, verified)]
        known = overlap_reference.evidence(expected, accepted, labels, rule, said if surer else scores, surer)
        assert report.evidence.tolist() == known
        assert list(zip(report.pairs.rows.tolist(), report.pairs.cols.tolist())) == [
            pair for pair, good in zip(expected, known) if good
        ]

    check(report, radius, least)
    for tighter in rng.choice(matrix.ravel(), 2) if matrix.size else ():
        if tighter <= radius:
            check(report.rethreshold(tighter), float(tighter), least)
            again = find_overlap(*sides[:2], train_labels=labels, aggregate=rule, **{**given, "radius": float(tighter)})
            assert pairs_of_evidence(again) == pairs_of_evidence(report.rethreshold(tighter))
    if answers == "scores":
        check(report.rethreshold(min_verified=1), radius, 1)


def pairs_of_evidence(report):
    return [part.tolist() for part in report.pairs]


def test_a_radius_beyond_the_search_is_an_error(rng):
    x, y = grid(rng, 40), grid(rng, 9)
    report = find_overlap(x, y, radius=3.0, metric="sqeuclidean")
    for radius in (3.0000001, np.inf):
        with pytest.raises(ValueError, match=r"radius: expected at most 3, within which candidates were searched, got"):
            report.rethreshold(radius)
    tight = report.rethreshold(1.0)
    assert len(tight.pairs) < len(report.pairs) == len(tight.candidates)
    assert pairs_of_evidence(tight.rethreshold(3.0)) == pairs_of_evidence(report)  # what was stored is still there
    unlimited = find_overlap(x, y, k=3, metric="sqeuclidean")
    assert len(unlimited.rethreshold(np.inf).pairs) == len(unlimited.candidates)
    with pytest.raises(ValueError, match="min_verified: expected None where no verifier returned scores"):
        report.rethreshold(min_verified=3)


def test_both_directions_find_what_one_has_no_place_for():
    """Fifty training rows of a class around one evaluation row: it has place for five of them, but each has place for it."""
    train = np.concatenate([np.arange(50), [1000.0, 2000.0]])[:, None].astype(np.float32) / 100
    evaluation = np.float32([[0.0], [100.0]])
    both = find_overlap(train, evaluation, k=5, radius=1.0, metric="euclidean")
    one = find_overlap(train, evaluation, k=5, radius=1.0, metric="euclidean", directions="evaluation")
    assert (len(one.pairs), len(both.pairs)) == (5, 50)
    assert set(both.pairs.cols.tolist()) == {0}


def test_each_evaluation_row_has_its_own_reach_in_every_piece(monkeypatch):
    monkeypatch.setattr(candidates, "MOST_ENTRIES", 2)  # a row at a time
    train, evaluation = np.float32([[0.5], [11.0], [14.0]]), np.float32([[0.0], [10.0]])
    given = {"k": 2, "radius": 1.0, "metric": "euclidean", "directions": "evaluation"}
    assert pairs_of(find_overlap(train, evaluation, score_norm=[0.0, -3.0], **given)) == [(1, 1), (0, 0), (2, 1)]


def test_exact_duplicates_at_cosine_one_have_recall_one(rng):
    """imagededup: recall 0.58 at a similarity of 1.0, for the product of equal rows is often less than 1 in float32."""
    train = rng.standard_normal((3000, 96)).astype(np.float32)
    copies = rng.permutation(3000)[:1000]
    products = np.einsum("ij,ij->i", *[train[copies] / np.linalg.norm(train[copies], axis=1, keepdims=True)] * 2)
    assert (products < 1).mean() > 0.1, "the trouble is there"
    report = find_overlap(train, train[copies], radius=0.0)
    assert report.pairs.rows[np.argsort(report.pairs.cols)].tolist() == copies.tolist()
    assert (report.pairs.distances == 0).all()


def test_edited_photographs_are_found(data):
    """500 photographs, 300 of them in the training set, the last 300 evaluated in four edits: 100 are in both."""
    path = data / "bsds500_sscd512_f16.npz"
    if not path.is_file():
        pytest.skip(f"no {path}")
    with np.load(path) as saved:
        train, names = saved["orig"][:300], saved["names"]
        edits = ("jpeg30", "resize50", "crop10", "hflip")
        evaluation = np.concatenate([saved[edit][200:] for edit in edits])
    of, photo = np.repeat(edits, 300), np.tile(np.arange(200, 500), 4)
    ids = names[:300], names[photo]
    report = find_overlap(train, evaluation, k=3, radius=0.4, train_labels=names[:300], evaluation_labels=of, ids=ids)
    assert set(zip(report.pairs.rows.tolist(), photo[report.pairs.cols].tolist())) == {(i, i) for i in range(200, 300)}
    split = report.clean_split("class")
    assert split.kept.tolist() == list(range(200)) and split.after == {"rows": 200, "classes": 200}
    assert [tuple(line) for line in split.lines[:-1]] == [(edit, 300, 100, 100, 100) for edit in sorted(edits)]
    assert (split.ids == names[200:300]).all()
    jpeg = report.rethreshold(0.02)
    assert {*of[jpeg.pairs.cols]} == {"jpeg30", "resize50"} and len(jpeg.pairs) < len(report.pairs) == 400


def test_an_index_is_searched_from_the_evaluation_rows(rng):
    x, y = rng.standard_normal((300, 24)).astype(np.float32), rng.standard_normal((20, 24)).astype(np.float32)
    index = hardmine.Index(x)
    for given in ({"radius": 0.8}, {"k": 4, "directions": "evaluation"}):
        assert pairs_of(find_overlap(index, y, **given)) == pairs_of(find_overlap(x, y, **given))
    assert find_overlap(hardmine.Index(x, metric="euclidean"), y, radius=1.0).metric == "euclidean"


def test_tensors_and_other_layouts_are_taken(rng):
    x, y = grid(rng, 60, 4), grid(rng, 11, 4)
    expected = find_overlap(x, y, k=3, metric="euclidean", score_norm=x[:7])
    for give in (np.asfortranarray, lambda a: a.astype(np.float16), lambda a: a.tolist(), *([torch.tensor] if torch else [])):
        found = find_overlap(give(x), give(y), k=3, metric="euclidean", score_norm=give(x[:7]))
        assert pairs_of(found) == pairs_of(expected)
        assert isinstance(found.candidates.rows, np.ndarray) and isinstance(found.evidence, np.ndarray)


def test_inputs_are_not_modified_and_not_kept(rng):
    x, y, labels, offsets = grid(rng, 30), grid(rng, 9), rng.integers(0, 4, 30), np.zeros(9)
    given = [array.copy() for array in (x, y, labels, offsets)]

    def greedy(rows, cols):
        rows[:], cols[:] = 0, 0
        return np.ones(len(rows), bool)

    report = find_overlap(x, y, train_labels=labels, radius=9.0, metric="sqeuclidean", verifier=greedy, score_norm=offsets)
    for before, after in zip(given, (x, y, labels, offsets)):
        np.testing.assert_array_equal(before, after)
    seen = report.table("classes")["train_label"].tolist(), pairs_of(report)
    x[:], labels[:], offsets[:] = 0, 7, 5
    assert (report.table("classes")["train_label"].tolist(), pairs_of(report)) == seen
    assert len(set(pairs_of(report))) == len(report.candidates) > 20


def test_a_verifier_is_asked_in_batches_hardest_first(rng):
    x, y = grid(rng, 30), grid(rng, 9)
    asked = []

    def verifier(rows, cols):
        asked.append((rows, cols))
        return np.zeros(len(rows))

    report = find_overlap(x, y, radius=9.0, metric="sqeuclidean", verifier=verifier, batch_size=50)
    assert {len(rows) for rows, _ in asked[:-1]} == {50} and 0 < len(asked[-1][0]) <= 50
    assert [pair for rows, cols in asked for pair in zip(rows.tolist(), cols.tolist())] == pairs_of(report)
    assert not report.evidence.any() and report.verified.dtype == np.float64
    nothing = find_overlap(x, y, radius=-1.0, metric="sqeuclidean", verifier=None)
    assert len(nothing.candidates) == 0 and "0 of 30 training rows" in repr(nothing)


def test_what_is_saved_comes_back(rng, tmp_path):
    x, y = grid(rng, 40), grid(rng, 9)
    ids = [f"photo {i}" for i in range(40)], np.arange(100, 109)
    full = find_overlap(
        x, y, k=4, radius=9.0, metric="sqeuclidean", train_labels=rng.integers(0, 5, 40).astype(str), ids=ids,
        evaluation_labels=["a"] * 4 + ["b"] * 5, verifier=lambda i, j: i - j, min_verified=3, aggregate="sum",
        score_norm=np.linspace(0, 1, 9),
    )  # fmt: skip
    labels = full.table("classes")["train_label"]
    full = full.with_votes("ann", ["same", "unsure"], labels=labels[:2]).decide("majority", unreviewed="keep").rethreshold(7.0)
    plain = find_overlap(x, y, radius=2.0)
    for name, report in (("full", full), ("plain", plain)):
        report.save(tmp_path / f"{name}.npz")
        back = OverlapReport.load(tmp_path / f"{name}.npz")
        assert repr(back) == repr(report) and back.summary() == report.summary()
        assert back.rule == report.rule and back.searched == report.searched and back.unreviewed == report.unreviewed
        for which in ("pairs", "evaluation", "rows") + (("classes",) if name == "full" else ()):
            for (key, column), (other, expected) in zip(back.table(which).items(), report.table(which).items()):
                assert key == other and column.dtype == expected.dtype
                np.testing.assert_array_equal(column, expected)
        assert back.clean_split().kept.tolist() == report.clean_split().kept.tolist()
    (tmp_path / "broken.npz").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"broken.npz: expected a file that OverlapReport.save wrote"):
        OverlapReport.load(tmp_path / "broken.npz")


@pytest.mark.parametrize("threads", [1, 3])
def test_results_do_not_depend_on_threads(rng, isa, threads):
    x, y = rng.standard_normal((500, 40)).astype(np.float32), rng.standard_normal((30, 40)).astype(np.float32)
    found = find_overlap(x, y, k=3, threads=threads)
    assert_candidates(found, distances(x, y, "cosine"), overlap_reference.candidates(distances(x, y, "cosine"), 3))


def test_progress_reaches_its_end(rng):
    seen = []
    x, y = rng.standard_normal((5000, 8)).astype(np.float32), rng.standard_normal((40, 8)).astype(np.float32)
    find_overlap(x, y, k=3, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (400_000, 400_000) and all(0 <= done <= total for done, total in seen)
    find_overlap(x, y, radius=0.1, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (200_000, 200_000)
