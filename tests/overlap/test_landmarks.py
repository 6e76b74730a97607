"""A training set of the size of GLDv2-clean with planted overlap: the published totals of RGLDv2-clean, to the row.

Song et al. (CVPR 2024): of 1,580,470 images in 81,313 classes, 1,227 in 11 classes were found by 36 of the 70 queries of
RParis, 315 in 6 classes by 38 of the 70 of ROxford, and 23 in one class by its name; three inspectors judged, and a class went
if any of them said "same". 1,578,905 images in 81,295 classes are left.
"""

import numpy as np
import pytest

import hardmine
import overlap_reference

ROWS, CLASSES = 1_580_470, 81_313
PARIS, OXFORD, NAMED = (11, 1_227, 36), (6, 315, 38), (1, 23)  # classes, rows, evaluation rows
LOOKALIKES = 5  # classes that are candidates, and of which every inspector says "different"
INSPECTORS = ("first", "second", "third")


def sizes_of(rng, classes, rows):
    """Sizes of at least 1 that add up."""
    cuts = np.sort(rng.choice(rows - 1, classes - 1, replace=False)) + 1
    return np.diff(np.concatenate([[0], cuts, [rows]]))


@pytest.fixture(scope="module")
def landmarks():
    """(train, labels, evaluation, sets, sizes of the planted classes): classes 0 to 16 overlap, class 17 has a name.

    Evaluation rows lie alone, far from all training rows but those that are planted beside them.
    """
    rng = np.random.default_rng(81_313)
    rest = sizes_of(rng, CLASSES - 18, ROWS - 1_565)
    planted = np.concatenate([sizes_of(rng, *PARIS[:2]), sizes_of(rng, *OXFORD[:2]), [NAMED[1]]])
    labels = np.repeat(np.arange(CLASSES), np.concatenate([planted, rest]))
    train = rng.random((ROWS, 3), dtype=np.float32)
    evaluation = np.arange(10, 150, dtype=np.float32)[:, None] * np.ones(3, np.float32)
    first = np.searchsorted(labels, np.arange(CLASSES))
    for column in range(PARIS[2]):  # the classes in turn; each of their rows is near one evaluation row at most
        train[first[column % 11] + column // 11] = evaluation[column] + 0.001 * (1 + column)
    for column in range(OXFORD[2]):
        train[first[11 + column % 6] + column // 6] = evaluation[70 + column] + 0.001 * (1 + column)
    for other in range(LOOKALIKES):
        train[first[1000 + other]] = evaluation[130 + other] + 0.1
    shuffled = rng.permutation(ROWS)
    return train[shuffled], labels[shuffled], evaluation, np.repeat(["RParis", "ROxford"], 70), planted


@pytest.fixture(scope="module")
def reviewed(landmarks):
    """The report with the votes of three inspectors: of class c all say "same", or two of them, or one."""
    train, labels, evaluation, sets, _ = landmarks
    report = hardmine.find_overlap(
        train, evaluation, train_labels=labels, evaluation_labels=sets, radius=0.2, metric="euclidean"
    )
    rows, cols, _ = report.pairs
    assert len(rows) == 36 + 38 + LOOKALIKES
    for inspector, name in enumerate(INSPECTORS):
        same = (labels[rows] < 17) & (labels[rows] % 3 >= inspector)
        report = report.with_votes(name, np.where(same, "same", "different"), pairs=np.stack([rows, cols], axis=1))
    return report


def test_totals_are_the_published_ones(reviewed):
    split = reviewed.decide("any").clean_split(scope="class", also=[17])
    assert split.before == {"rows": 1_580_470, "classes": 81_313}
    assert split.after == {"rows": 1_578_905, "classes": 81_295}
    assert len(split.kept) == 1_578_905 and len(split.removed) == 1_565
    assert split.removed_labels.tolist() == list(range(18))
    assert [tuple(line) for line in split.lines] == [
        ("ROxford", 70, 38, 6, 315),
        ("RParis", 70, 36, 11, 1_227),
        ("listed", 0, 0, 1, 23),
        ("total", 140, 74, 18, 1_565),
    ]
    assert (split.reasons == "visual").sum() == 1_542 and set(split.labels[split.reasons == "listed"]) == {17}
    assert (split.evaluation_rows[split.reasons == "visual"] >= 0).all()
    text = split.summary()
    for number in ("1,580,470", "1,565", "1,578,905", "81,313", "81,295", "RParis"):
        assert number in text


@pytest.mark.parametrize("rule, remain", [("any", 1), ("majority", 2), ("unanimous", 3), (2, 2), (1, 1), (3, 3)])
def test_rules(reviewed, landmarks, rule, remain):
    """`remain` inspectors of three must say it: the source removed a class if one does."""
    _, _, _, _, planted = landmarks
    going = [c for c in range(17) if sum(c % 3 >= inspector for inspector in range(3)) >= remain]
    report = reviewed.decide(rule)
    judged = report.table("classes")
    assert len(judged["train_label"]) == 17 + LOOKALIKES
    assert sorted(judged["train_label"][judged["decision"] == "remove"].tolist()) == going
    assert (judged["same"] + judged["different"] == 3).all()
    if rule in ("majority", "unanimous"):
        split = report.clean_split()
        assert split.removed_labels.tolist() == going
        assert len(split.removed) == planted[going].sum()


def test_agreement_of_the_inspectors(reviewed):
    counts = [[0, 3 - c % 3 - 1, c % 3 + 1] for c in range(17)] + [[0, 3, 0]] * LOOKALIKES
    found = reviewed.agreement("class")
    assert found[:3] == (17 + LOOKALIKES, 0, 3)
    assert found.kappa == pytest.approx(overlap_reference.fleiss_kappa(counts), rel=1e-12)


def test_rows_alone(reviewed, landmarks):
    """Without the rest of their classes: the 74 rows that are near an evaluation row, and those of the named class."""
    split = reviewed.decide("any").clean_split(scope="row", also=[17])
    assert len(split.removed) == 74 + 23
    assert split.lines[-1].overlapping == 74
    labels = landmarks[1]
    assert split.after == {"rows": ROWS - 97, "classes": len(np.unique(np.delete(labels, split.removed)))}
