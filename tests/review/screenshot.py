"""Make docs/hardmine-review.png: `python tests/review/screenshot.py`, with the extras `review` and `test` and Chromium.

The page shows the nearest pairs of different digits among scikit-learn's 1,797 handwritten ones.
"""

import io
import pathlib
import tempfile

import numpy as np
from chromium import Page, chromium
from PIL import Image
from sklearn.datasets import load_digits

import hardmine
from hardmine.review import write_page

PICTURE = pathlib.Path(__file__).parents[2] / "docs" / "hardmine-review.png"


def write_digits(path, count=240):
    """The page itself."""
    digits = load_digits()
    x, label = digits.data.astype(np.float32), digits.target
    rows, cols, distances = hardmine.closest_pairs(
        x, n_pairs=count, metric="cosine", where=hardmine.Filter(query_groups=label)
    )
    names = [f"a handwritten {digit}" for digit in label]
    write_page(
        path, rows, cols, distances, title="The nearest pairs of different digits",
        row_images=[Image.fromarray(np.uint8(255 - image * 255 / 16)) for image in digits.images],
        row_names=names, col_names=names,
        classes=[f"{min(pair)} and {max(pair)}" for pair in zip(label[rows], label[cols])],
    )  # fmt: skip


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, chromium() as driver:
        write_digits(pathlib.Path(folder, "page.html"))
        page = Page(driver, pathlib.Path(folder, "page.html"))
        page.resize(1060, 782)
        page.name_reviewer("Ada")
        page.press("d")
        page.run("scrollTo(0, 0)")
        page.settled()
        picture = Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")
    picture.quantize(128, dither=Image.Dither.NONE).save(PICTURE, optimize=True)
    print(f"{PICTURE}: {PICTURE.stat().st_size:,} bytes")
