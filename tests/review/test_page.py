"""The page as a file: what is in it, what is escaped, and which input is refused before anything is written."""

import base64
import hashlib
import html.parser
import io
import json
import os
import re
import subprocess
import sys
from urllib.parse import unquote

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardmine.review import fingerprint, write_page
from refusals import assert_refused

Image = pytest.importorskip("PIL.Image", reason='needs Pillow: pip install "hardmine[review]"')
pytest.importorskip("jinja2", reason='needs Jinja2: pip install "hardmine[review]"')


class Parsed(html.parser.HTMLParser):
    """The tags of a page with their attributes, and the text of its title, styles and scripts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self._open = [], [], None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag in ("script", "style", "title"):
            self._open = tag
            self.texts.append([tag, dict(attributes), ""])

    def handle_endtag(self, tag):
        self._open = None

    def handle_data(self, data):
        if self._open:
            self.texts[-1][2] += data

    def text(self, tag, **attributes):
        (found,) = (text for name, has, text in self.texts if name == tag and has == attributes)
        return found

    @property
    def data(self):
        return json.loads(self.text("script", type="application/json", id="data"))


def page(path, rows=(0, 1), cols=(2, 3), distances=(0.25, 0.5), title="a page", **options):
    write_page(path, rows, cols, distances, title=title, **options)
    return Parsed(path.read_text(encoding="utf-8"))


def coloured(size=(8, 6), color="red", mode="RGB"):
    return Image.new(mode, size, color)


def decoded(source):
    kind, content = re.fullmatch(r"data:image/(\w+);base64,(.*)", source).groups()
    image = Image.open(io.BytesIO(base64.b64decode(content)))
    assert image.format.lower() == kind
    return image


def test_what_the_page_is_given_is_in_it(tmp_path):
    data = page(
        tmp_path / "page.html", [4, 0, 2], [0, 3, 2], np.array([0, 0.12345678, 7], np.float32),
        row_names=list("abcde"), col_names=("k", "l", "m", "n"), classes=[10, 9, 10], notes=["", "n", "o"],
    ).data  # fmt: skip
    assert (data["rows"], data["cols"], data["distances"]) == ([4, 0, 2], [0, 3, 2], ["0", "0.1235", "7.000"])
    assert [data["classNames"][one] for one in data["classes"]] == ["10", "9", "10"] and data["classNames"] == ["9", "10"]
    assert data["sides"] == [
        {"0": ["a", -1], "2": ["c", -1], "4": ["e", -1]},
        {"0": ["k", -1], "2": ["m", -1], "3": ["n", -1]},
    ]
    assert (data["notes"], data["images"], data["thumbnail"], data["ordered"]) == (["", "n", "o"], [], 0, True)
    assert data["fingerprint"] == fingerprint([4, 0, 2], [0, 3, 2], "a page")


def test_numbers_of_bits_and_an_order_of_the_callers_own(tmp_path):
    data = page(tmp_path / "page.html", distances=np.array([12345, 3], np.int32)).data
    assert data["distances"] == ["12345", "3"] and not data["ordered"]
    assert data["sides"][0] == {"0": ["", -1], "1": ["", -1]} and data["classes"] is data["notes"] is None


def test_an_empty_page(tmp_path):
    data = page(tmp_path / "page.html", [], [], [], classes=[], row_names=[], row_images=[]).data
    assert data["rows"] == data["images"] == [] and data["sides"] == [{}, {}]


HOSTILE = [
    "</script><script>alert(1)</script>", "<!--<script>", "]]>", "\"'`", "&lt;&amp;", "<img src=x onerror=alert(1)>",
    "</title><b>", "{{ data }}{% raw %}", "\u2028\u2029", "\0\x07", "\u0645\u0631 \u202e", "\u00e9e\u0301", "\\u003c/script>",
    "\ud800",
]  # fmt: skip


def assert_kept(path, text, plain):
    """Whatever a text holds, it is data in a page that has the tags of any other."""
    parsed = page(
        path, [0, 1], [1, 0], [1, 2], text, row_names=[text, ""], col_names=["", text], classes=[text, "z"], notes=[text, text]
    )
    assert [tag for tag, _ in parsed.tags] == [tag for tag, _ in plain.tags]
    data = parsed.data
    assert data["title"] == data["sides"][0]["0"][0] == data["sides"][1]["1"][0] == data["notes"][0] == text
    assert data["classNames"][data["classes"][0]] == text


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_is_markup(tmp_path, plain, text):
    assert_kept(tmp_path / "page.html", text, plain)
    shown = re.sub(r"\r\n?", "\n", text).replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    title = Parsed((tmp_path / "page.html").read_text(encoding="utf-8")).text("title")
    assert title == shown or "\0" in text or "\x07" in text


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return page(tmp_path_factory.mktemp("plain") / "page.html")


@given(text=st.text() | st.text("<>/!-script&\"'\\{}%#;\ud800\udc00 "))
def test_no_drawn_text_is_markup(tmp_path_factory, plain, text):
    assert_kept(tmp_path_factory.mktemp("page") / "page.html", text, plain)


def test_nothing_comes_from_elsewhere(tmp_path):
    """No address at all, and a policy that allows the page's own style and script, by their hashes, and nothing else."""
    for images in (None, [coloured()] * 4):
        parsed = page(tmp_path / "page.html", row_images=images)
        text = (tmp_path / "page.html").read_text(encoding="utf-8")
        assert not re.search(r"https?:|//\w|@import|\burl\(", re.sub(r"base64,[\w+/=]+", "", text))
        for tag, attributes in parsed.tags:
            assert not {"srcset", "style", "onclick", "onload", "action"} & set(attributes), tag
            assert attributes.get("src") is None and attributes.get("href", "data:,") == "data:,", tag
        (policy,) = (one["content"] for tag, one in parsed.tags if one.get("http-equiv") == "Content-Security-Policy")
        hashes = [base64.b64encode(hashlib.sha256(parsed.text(tag).encode()).digest()).decode() for tag in ("style", "script")]
        assert policy == (
            f"default-src 'none'; img-src data:; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
            "base-uri 'none'; form-action 'none'"
        )


def test_the_same_input_gives_the_same_bytes(tmp_path):
    for name in ("a.html", "b.html"):
        page(tmp_path / name, row_images=[coloured((300, 200))] * 4, classes=["x", "y"])
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_images_in_every_form(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    colors = ["red", "lime", "blue", "white"]
    for name, color in zip(("1.png", "10.PNG", "2.bmp", "ü#? %.png"), colors):
        coloured(color=color).save(folder / name, format="PNG")
    (folder / ".DS_Store").write_text("hidden")
    (folder / "sub.d").mkdir()
    paths = sorted(path for path in folder.iterdir() if path.is_file() and path.name[0] != ".")
    images = [coloured(color=color) for color in colors]
    content = [path.read_bytes() for path in paths]
    forms = [folder, str(folder), paths, list(map(str, paths)), images, content, np.array(list(map(str, paths)))]
    forms += [
        paths.__getitem__,
        lambda row: content[row],
        images.__getitem__,
        [paths[0], images[1], content[2], str(paths[3])],
    ]
    for form in forms:
        data = page(tmp_path / "page.html", row_images=form).data
        sources = [data["images"][side[str(row)][1]] for side, row in zip(data["sides"] * 2, (0, 2, 1, 3))]
        assert [decoded(one).convert("RGB").getpixel((3, 3)) for one in sources] == [
            (255, 0, 0), (0, 0, 255), (0, 255, 0), (255, 255, 255),
        ]  # fmt: skip
        named = data["sides"][0]["0"][0], data["sides"][1]["3"][0]
        assert named in (("1.png", "ü#? %.png"), ("", "")), form


def test_sides_have_images_of_their_own_and_equal_pictures_are_stored_once(tmp_path):
    red, blue = [coloured()] * 4, [coloured(color="blue")] * 4
    data = page(tmp_path / "page.html", row_images=red, col_images=blue).data
    assert len(data["images"]) == 2 and data["sides"][0]["0"][1] != data["sides"][1]["2"][1]
    assert len(page(tmp_path / "page.html", row_images=red).data["images"]) == 1
    data = page(tmp_path / "page.html", col_images=red).data
    assert [side[row][1] for side, row in zip(data["sides"], "02")] == [-1, 0] and data["thumbnail"] == 160
    seen = []
    page(tmp_path / "page.html", [0, 1], [1, 2], row_images=lambda row: seen.append(row) or red[0])
    assert sorted(seen) == [0, 1, 2], "each image is asked for once"


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I", "I;16", "F", "HSV"])
def test_pictures_of_every_mode(tmp_path, mode):
    image = coloured(mode=mode, color=1 if mode in ("1", "P", "PA", "I", "I;16", "F") else None)
    before = image.tobytes()
    large = image.resize((400, 100)) if mode != "I;16" else Image.new(mode, (400, 100), 300)
    data = page(tmp_path / "page.html", [0], [1], [0], row_images=[image, large], thumbnail=120).data
    assert [decoded(source).size for source in data["images"]] == [(8, 6), (120, 30)]
    assert [decoded(source).format for source in data["images"]] == ["PNG", "JPEG"]
    assert image.tobytes() == before and image.size == (8, 6)


def test_transparency_is_white_wide_numbers_are_stretched_and_orientation_is_applied(tmp_path):
    clear = coloured(mode="RGBA", color=(255, 0, 0, 0))
    depth = Image.fromarray(np.array([[1000, 3000]], np.uint16))
    turned = coloured((20, 10))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    content = io.BytesIO()
    turned.save(content, "JPEG", exif=exif)
    data = page(tmp_path / "page.html", [0, 1], [1, 2], row_images=[clear, depth, content.getvalue()]).data
    first, second, third = map(decoded, data["images"])
    assert first.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
    assert [second.getpixel((at, 0)) for at in (0, 1)] == [0, 255]
    assert third.size == (10, 20)


def test_links_are_relative_and_quoted(tmp_path):
    folder, pages = tmp_path / "im ages", tmp_path / "pages"
    folder.mkdir()
    pages.mkdir()
    names = ["a b.png", "c#d?e%20.png", "javascript:f.png", "ü'\"<.png"]
    for name in names:
        coloured().save(folder / name)
    parsed = page(pages / "page.html", row_images=[folder / name for name in names], embed=False)
    assert [unquote(link) for link in parsed.data["images"]] == [f"../im ages/{names[at]}" for at in (0, 1, 2, 3)]
    assert parsed.data["images"][1] == "../im%20ages/c%23d%3Fe%2520.png"
    beside = page(folder / "page.html", row_images=[folder / name for name in names], embed=False)
    assert "javascript%3Af.png" in beside.data["images"]
    (policy,) = (one["content"] for _, one in beside.tags if "http-equiv" in one)
    assert "img-src 'self' file:;" in policy


def test_a_page_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("before")
    assert_refused(lambda: page(path, row_images=[coloured(), b"no", coloured(), coloured()]), ValueError, "row_images:")
    assert path.read_text() == "before" and os.listdir(tmp_path) == ["page.html"]
    page(path)
    assert path.read_text().startswith("<!doctype html>") and os.listdir(tmp_path) == ["page.html"]


def broken(row):
    raise OSError("gone")


REFUSED = [
    ({"rows": [0]}, ValueError, "cols: expected 1 numbers, as many as rows, got 2"),
    ({"rows": [[0], [1]]}, ValueError, "rows: expected a 1-D array of integers, got shape (2, 1)"),
    ({"cols": [0.0, 1.0]}, TypeError, "cols: expected integers, got float64"),
    ({"rows": [0, -1]}, ValueError, "rows: expected row numbers from 0 to 4294967294, got -1"),
    ({"rows": [1, 1], "cols": [2, 2]}, ValueError, "rows, cols: expected each pair once, got (1, 2) again"),
    ({"distances": [0.5]}, ValueError, "distances: expected 2 numbers, one a pair, got shape (1,)"),
    ({"distances": [0.5, np.nan]}, ValueError, "distances: expected numbers, got NaN"),
    ({"distances": ["a", "b"]}, TypeError, "distances: expected numbers, got <U1"),
    ({"title": None}, TypeError, "title: expected a string, got NoneType"),
    ({"embed": 1}, TypeError, "embed: expected a bool, got int"),
    ({"thumbnail": 31}, ValueError, "thumbnail: expected at least 32, got 31"),
    ({"thumbnail": 641}, ValueError, "thumbnail: expected at most 640, got 641"),
    ({"row_names": ["a"]}, ValueError, "row_names: expected a name for row 1 too, got 1"),
    ({"col_names": "abcd"}, TypeError, "col_names: expected 4 strings, got str"),
    ({"col_names": ["a", "b", "c", None]}, TypeError, "col_names: expected strings, got NoneType at 3"),
    ({"row_names": 3}, TypeError, "row_names: expected 2 strings, got int"),
    ({"classes": ["a"]}, ValueError, "classes: expected 2, one a pair, got shape (1,)"),
    ({"classes": np.array(["a", None], object)}, TypeError, "classes: expected strings, got NoneType at 1"),
    ({"notes": ["a"]}, ValueError, "notes: expected 2 strings, got 1"),
    ({"notes": [b"a", "b"]}, TypeError, "notes: expected strings, got bytes at 0"),
    ({"row_images": 3}, TypeError, "row_images: expected a folder, a list of images or a function of a row, got int"),
    ({"row_images": b"png"}, TypeError, "row_images: expected a folder, a list of images or a function of a row, got bytes"),
    ({"row_images": "/no/folder"}, FileNotFoundError, "row_images: expected a folder of images, got /no/folder"),
    ({"row_images": ["a.png"] * 3}, ValueError, "row_images: expected an image for row 3 too, got 3"),
    ({"col_images": ["/no/file"] * 4}, FileNotFoundError, "col_images: expected a file for row 2, got /no/file"),
    ({"row_images": lambda row: "/no/file"}, ValueError, "row_images: expected an image for row 0, got /no/file ("),
    ({"row_images": [b"no image"] * 4}, ValueError, "row_images: expected an image for row 0, got bytes ("),
    ({"row_images": [3] * 4}, TypeError, "row_images: expected a path, an image of Pillow or its bytes for row 0, got int"),
    ({"row_images": broken}, OSError, "gone"),
    (
        {"row_images": [b""] * 5, "row_names": ["a"] * 4},
        ValueError,
        "row_images: expected 4 images, as there are names, got 5",
    ),
    (
        {"row_images": [b""] * 4, "embed": False},
        TypeError,
        "row_images: expected paths, which embed=False links to, got bytes",
    ),
    ({"row_images": lambda row: "/no/file", "embed": False}, FileNotFoundError, "row_images: expected a file for row 0, got"),
]


@pytest.mark.parametrize(("changed", "error", "message"), REFUSED)
def test_bad_input_is_refused_and_nothing_written(tmp_path, changed, error, message):
    assert_refused(lambda: page(tmp_path / "page.html", **changed), error, message)
    assert os.listdir(tmp_path) == []


def test_more_pairs_than_a_page_can_show(tmp_path):
    rows = np.arange(50_001)
    message = "rows: expected at most 50000 pairs, got 50001; pass the nearest of them"
    assert_refused(lambda: page(tmp_path / "page.html", rows, rows, rows), ValueError, message)


def test_a_folder_with_something_else_or_half_an_image(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    content = io.BytesIO()
    coloured((300, 200)).save(content, "PNG")
    for at in range(4):
        (folder / f"{at}.png").write_bytes(content.getvalue()[: 60 if at == 2 else None])
    message = f"row_images: expected an image for row 2, got {folder / '2.png'} ("
    assert_refused(lambda: page(tmp_path / "page.html", row_images=folder), ValueError, message)
    (folder / "README.txt").write_text("these are images")
    message = f"row_images: expected a folder of images alone, one a row, got {folder / 'README.txt'}; pass a list of paths"
    assert_refused(lambda: page(tmp_path / "page.html", row_images=folder), ValueError, message)


def test_a_place_that_cannot_be_written(tmp_path):
    for path in (tmp_path, tmp_path / "none" / "page.html"):
        assert_refused(lambda path=path: page(path), OSError, f"{path}: expected")


@pytest.mark.parametrize("missing", ["jinja2", "PIL"])
def test_what_is_missing_is_named(tmp_path, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    message = f'write_page needs {missing}: pip install "hardmine[review]"'
    assert_refused(lambda: page(tmp_path / "page.html"), ImportError, message)


@pytest.mark.slow
def test_hardmine_itself_needs_neither_jinja2_nor_pillow():
    program = "import sys, hardmine, hardmine.review; print([name for name in ('jinja2', 'PIL') if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
