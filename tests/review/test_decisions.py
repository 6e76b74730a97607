"""From a search to a decision, and back, in a browser: pages of overlap and near-duplicates, voted on and read again."""

import numpy as np
import pytest
from chromium import Page, chromium
from PIL import Image

import hardmine

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def driver(downloads):
    with chromium(downloads) as opened:
        yield opened


def test_votes_on_overlap_decide_the_split(driver, downloads, tmp_path, rng):
    train, evaluation = rng.standard_normal((40, 8)).astype(np.float32), rng.standard_normal((6, 8)).astype(np.float32)
    evaluation[:3] = train[[4, 5, 9]]
    evaluation[1] += np.float32(0.01)
    evaluation[2] += np.float32(0.02)
    landmarks = np.arange(40) // 4
    report = hardmine.find_overlap(train, evaluation, train_labels=landmarks, radius=0.1, metric="sqeuclidean")
    assert len(report.pairs) == 3
    path = tmp_path / "overlap.html"
    report.review(path)
    page = Page(driver, path)
    page.name_reviewer("Ada")
    page.press("d", "s", "s")
    removed = report.load_reviews(page.exports(downloads)).decide("any").clean_split(scope="class")
    assert sorted(set(landmarks) - set(landmarks[removed.kept])) == [1, 2]
    assert removed.after == {"rows": 32, "classes": 8}


def test_pictures_and_names_of_near_duplicates(driver, downloads, tmp_path, rng):
    photos = rng.integers(0, 256, (9, 12, 12, 3), dtype=np.uint8)
    photos[7], photos[8] = photos[2], photos[4]
    for i, photo in enumerate(photos):
        Image.fromarray(photo).save(tmp_path / f"{i}.png")
    found = hardmine.near_duplicates(photos.reshape(9, -1).astype(np.float32), 1.0, metric="sqeuclidean")
    (tmp_path / "page").mkdir()
    path = tmp_path / "page" / "page.html"
    images = [tmp_path / f"{i}.png" for i in range(9)]
    found.review(path, images=images, names=[f"photo {i}" for i in range(9)])
    page = Page(driver, path)
    assert len(page.rows()) == 2
    assert page.run("return [...document.querySelectorAll('#pairs img')].every((one) => one.naturalWidth > 0)")
    text = page.text("#pairs")
    assert all(f"photo {i}" in text for i in (2, 7, 4, 8))
    page.name_reviewer("Ada")
    page.press("s", "d")
    votes = hardmine.load_reviews(page.exports(downloads))
    assert dict(zip(zip(votes.rows.tolist(), votes.cols.tolist()), votes.votes.tolist())) == {
        (2, 7): "same",
        (4, 8): "different",
    }
