"""A review page: one HTML file that shows pairs side by side and takes votes on them, without a network or a server.

The template (template/) has the markup, the style and the script. Pairs come into it as one block of JSON, so that no text of
the caller's is ever markup; a Content-Security-Policy lets that script and style in, by their hashes, and nothing be fetched.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardmine import _arguments, _arrays
from hardmine._arrays import ArrayLike, Ints
from hardmine._files import check_writable, replacing
from hardmine.review.pictures import Images, Pictures
from hardmine.review.votes import FORMAT, VERSION, VOTES, fingerprint

MOST_PAIRS = 50_000  # of 240 pixels each: what is below 16 million pixels is laid out by every browser
SCRIPTS = ("votes.js", "list.js", "page.js")


def write_page(
    path: str | os.PathLike[str],
    rows: ArrayLike,
    cols: ArrayLike,
    distances: ArrayLike,
    *,
    title: str,
    row_images: Images | None = None,
    col_images: Images | None = None,
    row_names: Sequence[str] | None = None,
    col_names: Sequence[str] | None = None,
    classes: ArrayLike | None = None,
    notes: Sequence[str] | None = None,
    embed: bool = True,
    thumbnail: int = 160,
) -> None:
    """Write a page of HTML on which people vote whether the rows of each pair are the same.

    It is one file that needs neither a network nor a server: it is opened in a browser, voted on by keys or by hand, and gives
    its votes back as JSON, which `load_reviews` reads. Pairs are listed in the order given, so pass the nearest first.

    Parameters
    ----------
    path : str or path
        Where to write it: beside its place first, then renamed.
    rows, cols : array of shape (p,), int
        The two sides of each pair, at most 50,000 pairs, none twice.
    distances : array of shape (p,), float or int
        Shown beside the pairs, with four digits.
    title : str
        What the page is called. Title and pairs are what its votes are told from another page's by.
    row_images, col_images : folder, list or function, or None
        The images of either side: a folder, whose files in the order of their names (hidden ones apart) are the rows
        ("10.png" stands before "2.png"); a list with an image a row; or a function of a row number. An image is a path, an
        image of Pillow, or the bytes of a file. None for `col_images` means `row_images`, as of an array with itself; for
        both, a page of names and numbers.
    row_names, col_names : list of str, or None
        A name for each row of a side. None: the image's file name, or the row number alone.
    classes : array of shape (p,), str or numbers, or None
        A class for each pair, which the page can be filtered by.
    notes : list of p str, or None
        A few words on each pair.
    embed : bool
        Whether thumbnails are in the page. If not, it links to the images where they are, relative to the page, and shows them
        as they are.
    thumbnail : int
        The longer side of a picture in pixels, 32 to 640.

    Raises
    ------
    TypeError, ValueError, OSError
        For bad arguments, with the argument and the row named; nothing is written then.
    ImportError
        Without the extra `review`.

    Notes
    -----
    An image that several pairs show is read and stored once. Those of up to 64 pixels stay as they are, others become JPEG: a
    photograph of 160 pixels takes some 6 kB of the page, 10,000 pairs of 20,000 of them 120 MB, and a few times that of memory
    while it is written; with ``embed=False`` 1 MB. Only the pairs in sight are in the browser's document, however many there
    are.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from hardmine.review import write_page
    >>> folder = tempfile.TemporaryDirectory()
    >>> page = pathlib.Path(folder.name, "page.html")
    >>> write_page(page, [0, 1], [2, 3], [0.01, 0.02], title="Near-duplicates", row_names=["a", "b"], col_names=list("cdef"))
    >>> page.read_text().count("<script")
    2
    >>> folder.cleanup()
    """
    place = Path(path)
    if not isinstance(title, str):
        raise TypeError(f"title: expected a string, got {type(title).__name__}")
    if not isinstance(embed, bool):
        raise TypeError(f"embed: expected a bool, got {type(embed).__name__}")
    thumbnail = _arguments.whole("thumbnail", thumbnail, 32, 640)
    sides = _sides(rows, cols)
    count = len(sides[0])
    shown, ordered = _distances(distances, count)
    names = [_names(name, given, side) for name, given, side in zip(("row_names", "col_names"), (row_names, col_names), sides)]
    numbered, class_names = _classes(classes, count)
    told = None if notes is None else _texts("notes", notes, count)
    try:
        import jinja2
        import PIL  # noqa: F401
    except ImportError as error:
        raise ImportError(f'write_page needs {error.name}: pip install "hardmine[review]"') from None
    check_writable(place)

    pictures = _pictures(row_images, col_images, sides, None if embed else place, thumbnail)
    for label, side, given in zip(("row_images", "col_images"), pictures, names):
        if side and given and side.count not in (None, len(given)):
            raise ValueError(f"{label}: expected {len(given)} images, as there are names, got {side.count}")
    sources: dict[str, int] = {}
    data = {
        "format": FORMAT, "version": VERSION, "title": title, "fingerprint": fingerprint(*sides, title),
        "choices": VOTES, "thumbnail": thumbnail if pictures[0] or pictures[1] else 0,
        "rows": sides[0].tolist(), "cols": sides[1].tolist(), "distances": shown, "ordered": ordered,
        "classes": numbered, "classNames": class_names, "notes": told,
        "sides": [_items(*side, sources) for side in zip(sides, names, pictures)],
    }  # fmt: skip
    data["images"] = list(sources)
    text = _rendered(jinja2, data, img_src="data:" if embed else "'self' file:")
    with replacing(place) as partial:
        # Half of a surrogate pair, as a file name may have, becomes what every parser reads as U+FFFD.
        partial.write_bytes(text.encode("utf-8", "xmlcharrefreplace"))


def _sides(rows: ArrayLike, cols: ArrayLike) -> tuple[Ints, Ints]:
    sides = _arrays.integers("rows", rows), _arrays.integers("cols", cols)
    if len(sides[0]) != len(sides[1]):
        raise ValueError(f"cols: expected {len(sides[0])} numbers, as many as rows, got {len(sides[1])}")
    if len(sides[0]) > MOST_PAIRS:
        raise ValueError(f"rows: expected at most {MOST_PAIRS} pairs, got {len(sides[0])}; pass the nearest of them")
    for name, numbers in zip(("rows", "cols"), sides):
        bad = _arrays.outside(numbers, 0, _arrays.MOST_ROWS + 1)
        if bad is not None:
            raise ValueError(f"{name}: expected row numbers from 0 to {_arrays.MOST_ROWS}, got {bad}")
    pairs, first = np.unique(np.stack(sides, axis=1), axis=0, return_index=True)
    if len(pairs) < len(sides[0]):
        again = int(np.setdiff1d(np.arange(len(sides[0])), first)[0])
        raise ValueError(f"rows, cols: expected each pair once, got ({sides[0][again]}, {sides[1][again]}) again")
    return sides


def _distances(distances: ArrayLike, count: int) -> tuple[list[str], bool]:
    """As the page shows them, and whether they ascend."""
    values = _arrays.to_numpy("distances", distances)
    if values.shape != (count,):
        raise ValueError(f"distances: expected {count} numbers, one a pair, got shape {values.shape}")
    if values.size and values.dtype.kind not in "fiu":
        raise TypeError(f"distances: expected numbers, got {values.dtype}")
    if np.isnan(values.astype(np.float64)).any():
        raise ValueError("distances: expected numbers, got NaN")
    numbers = values.tolist()
    shown = [str(one) if isinstance(one, int) else f"{one:#.4g}".rstrip(".") if one else "0" for one in numbers]
    return shown, bool(np.all(values[1:] >= values[:-1]))


def _texts(name: str, values: Any, count: int) -> list[str]:
    """Strings, or numbers as strings."""
    if isinstance(values, (str, bytes)) or not hasattr(values, "__len__"):
        raise TypeError(f"{name}: expected {count} strings, got {type(values).__name__}")
    texts = list(values.tolist() if isinstance(values, np.ndarray) else values)
    if len(texts) != count:
        raise ValueError(f"{name}: expected {count} strings, got {len(texts)}")
    for place, text in enumerate(texts):
        if not isinstance(text, (str, int, float, np.generic)):
            raise TypeError(f"{name}: expected strings, got {type(text).__name__} at {place}")
    return [str(text) for text in texts]


def _names(name: str, names: Sequence[str] | None, numbers: Ints) -> list[str] | None:
    """A name for each row of a side; there are at least as many as the pairs speak of."""
    if names is None:
        return None
    least = int(numbers.max()) + 1 if len(numbers) else 0
    texts = _texts(name, names, len(names) if hasattr(names, "__len__") else least)
    if len(texts) < least:
        raise ValueError(f"{name}: expected a name for row {least - 1} too, got {len(texts)}")
    return texts


def _classes(classes: ArrayLike | None, count: int) -> tuple[list[int] | None, list[str]]:
    """The class of each pair as a place among the names of all, which are in order: numbers as numbers, strings as strings."""
    if classes is None:
        return None, []
    values = _arrays.to_numpy("classes", classes)
    if values.shape != (count,):
        raise ValueError(f"classes: expected {count}, one a pair, got shape {values.shape}")
    texts = np.array(_texts("classes", values, count), object)
    _, first = np.unique(values.astype(str) if values.dtype.kind == "O" else values, return_index=True)
    names: dict[str, int] = {}
    for text in texts[first]:
        names.setdefault(text, len(names))
    return [names[text] for text in texts], list(names)


def _pictures(
    row_images: Images | None, col_images: Images | None, sides: tuple[Ints, Ints], page: Path | None, thumbnail: int
) -> tuple[Pictures | None, Pictures | None]:
    used: list[NDArray[np.int64]] = [np.unique(side) for side in sides]
    if row_images is not None and (col_images is None or col_images is row_images):
        both = Pictures("row_images", row_images, np.union1d(*used).tolist(), page=page, thumbnail=thumbnail)
        return both, both
    row, col = (
        None if images is None else Pictures(name, images, rows.tolist(), page=page, thumbnail=thumbnail)
        for name, images, rows in zip(("row_images", "col_images"), (row_images, col_images), used)
    )
    return row, col


def _items(
    numbers: Ints, names: list[str] | None, pictures: Pictures | None, sources: dict[str, int]
) -> dict[int, tuple[str, int]]:
    """The name and the place of the picture (-1: none) of each row that the pairs speak of; new pictures join `sources`."""
    items = {}
    for row in np.unique(numbers).tolist():
        source, file = (None, None) if pictures is None else pictures.of(row)
        name = names[row] if names is not None else file or ""
        items[row] = (name, -1 if source is None else sources.setdefault(source, len(sources)))
    return items


def _rendered(jinja2: Any, data: dict[str, Any], img_src: str) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hardmine.review", "template"), autoescape=True, undefined=jinja2.StrictUndefined
    )

    def source(name: str) -> str:
        text: str = environment.loader.get_source(environment, name)[0]
        return text

    style, script = source("page.css"), '"use strict";\n' + "\n".join(map(source, SCRIPTS))
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    rendered: str = environment.get_template("page.html").render(
        data=data, style=style, script=script, style_hash=hashes[0], script_hash=hashes[1], img_src=img_src
    )
    return rendered
