"""Review pages of generated pictures, for tests and for docs/hardmine-review.png."""

import numpy as np

from hardmine.review import write_page


def digits(path, count=240, **options):
    """The nearest pairs of different handwritten digits, with their pictures."""
    from PIL import Image
    from sklearn.datasets import load_digits

    import hardmine

    data = load_digits()
    label = data.target
    found = hardmine.closest_pairs(
        data.data.astype(np.float32), n_pairs=count, metric="cosine", where=hardmine.Filter(query_groups=label)
    )
    pictures = [Image.fromarray(np.uint8(255 - image * 15.9)) for image in data.images]
    names = [f"a handwritten {digit}" for digit in label]
    classes = [f"{min(a, b)} and {max(a, b)}" for a, b in zip(label[found.rows], label[found.cols])]
    options = {"row_images": pictures, "row_names": names, "col_names": names, "classes": classes} | options
    write_page(path, *found, title="Nearest pairs of different digits", **options)
    return found
