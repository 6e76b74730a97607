"""What a browser makes of the page: texts as they are, nothing fetched, few rows at a time, legible colours."""

import pathlib
import unicodedata

import numpy as np
import pytest
from chromium import SIZES, Page, chromium

from hardmine.review import write_page

pytestmark = pytest.mark.slow
Image = pytest.importorskip("PIL.Image", reason='needs Pillow: pip install "hardmine[review]"')
pytest.importorskip("jinja2", reason='needs Jinja2: pip install "hardmine[review]"')


MEASURES = pathlib.Path(__file__).with_name("measures.js").read_text()


def measured(page, name):
    return page.run(f"{MEASURES}\nreturn {name}()")


@pytest.fixture(scope="module")
def driver():
    with chromium() as opened:
        yield opened


def pictures(count, size=(300, 200)):
    rng = np.random.default_rng(1)
    return [Image.fromarray(rng.integers(0, 256, (*size[::-1], 3), np.uint8)) for _ in range(count)]


HOSTILE = [
    "</script><script>window.hacked = 1</script>", "<img src=x onerror='window.hacked = 1'>", "\"'`&amp;&lt;", "<!--<script>",
    "\u2028\u2029 x", "{{ data }} ${1}", "\u0645\u0631\u062d\u0628\u0627 \u202e abc", unicodedata.normalize("NFD", "\u00e9"),
    "javascript:window.hacked=1", "</li></ol><b>", "\U0001f431\u200d\U0001f409", "a" * 500,
]  # fmt: skip


def test_hostile_texts_are_shown_as_they_are(driver, tmp_path):
    count = len(HOSTILE)
    for text in HOSTILE[:3]:
        write_page(
            tmp_path / "page.html", range(count), range(count, 2 * count), range(count), title=text,
            row_names=HOSTILE, col_names=HOSTILE * 2, classes=HOSTILE, notes=HOSTILE,
        )  # fmt: skip
        page = Page(driver, tmp_path / "page.html")
        assert page.run("return [document.title, document.querySelector('h1').textContent]") == [text, text]
        assert (
            page.run("return [...document.getElementById('class').options].map((one) => one.text.split(' · ')[0])").count(
                "<!--<script>"
            )
            == 1
        )
        seen = {}
        for pair in range(count):
            page.run("list.go(arguments[0])", pair)
            row = page.run(
                """const row = document.querySelector(`[data-pair="${arguments[0]}"]`);
                return [".name", ".class", ".note"].map((one) => row.querySelector(one).textContent)""",
                pair,
            )
            seen[pair] = row
        assert seen == {pair: [text] * 3 for pair, text in enumerate(HOSTILE)}
        assert page.run("return [window.hacked ?? null, document.scripts.length]") == [None, 2]


def test_nothing_can_be_fetched(driver, tmp_path):
    write_page(tmp_path / "page.html", [0], [1], [0], title="a page", row_images=pictures(2))
    page = Page(driver, tmp_path / "page.html")
    page.wait(lambda: page.run("return [...document.images].every((image) => image.naturalWidth === 160)"))
    fetched = page.run("return performance.getEntriesByType('resource').map((one) => one.name)")
    assert [name for name in fetched if not name.startswith("data:")] == []
    blocked = driver.execute_async_script(
        """const done = arguments[0], blocked = [];
        document.addEventListener("securitypolicyviolation", (event) => {
          blocked.push(event.effectiveDirective);
          if (blocked.length === 4) done(blocked);
        });
        fetch("http://127.0.0.1:9/").catch(() => {});
        new Image().src = "http://127.0.0.1:9/a.png";
        document.head.append(Object.assign(document.createElement("script"), { textContent: "window.hacked = 1" }));
        document.body.insertAdjacentHTML("beforeend", "<b onclick='window.hacked = 1'></b>");
        document.body.lastChild.click();"""
    )
    assert sorted(blocked) == ["connect-src", "img-src", "script-src-attr", "script-src-elem"]
    assert page.run("return window.hacked ?? null") is None


@pytest.fixture(scope="module")
def long_page(tmp_path_factory):
    path = tmp_path_factory.mktemp("pages") / "page.html"
    rng = np.random.default_rng(2)
    source = pictures(7, (8, 6))
    write_page(
        path, np.arange(10_000), rng.permutation(10_000), np.linspace(0, 1, 10_000), title="Ten thousand",
        row_images=lambda row: source[row % 7], classes=rng.integers(0, 500, 10_000),
    )  # fmt: skip
    return path


@pytest.mark.parametrize("size", SIZES)
def test_ten_thousand_pairs_have_few_rows_in_the_document(driver, long_page, size):
    page = Page(driver, long_page, size)
    height = page.run("return list.height")
    whole = page.run("return document.documentElement.scrollHeight")
    assert whole > 10_000 * height
    for top in (0, 5_000.5, whole / 3, whole, 1234):
        page.run("scrollTo(0, arguments[0])", top)
        page.settled()
        rows = [pair for pair, _, _ in page.rows()]
        assert len(rows) <= SIZES[size][1] / height + 7 and rows == sorted(set(rows))
        assert page.run("return document.querySelectorAll('*').length - document.querySelectorAll('option').length") < 600
        assert measured(page, "uncovered") == [], "every place of the list in sight is a row"
    page.run("list.go(9999)")
    page.press("\ue013", "s")
    assert page.votes() == {9998: "same"} and page.current == 9999
    page.choose("#class", "499 ")
    assert page.listed() == page.run("return data.classes.filter((one) => one === 499).length") > 5
    page.settled()


def test_the_current_row_stays_in_sight_and_has_the_focus(driver, long_page):
    for size in SIZES:
        page = Page(driver, long_page, size)
        for key in [*"sdnss", *["\ue015"] * 4, "z", *["\ue013"] * 2, "\ue010", "\ue011", "s"]:
            page.press(key)
            assert measured(page, "currentIsSeen"), (size, key)
            assert page.run("return document.activeElement.matches('.current')"), (size, key)
        before = page.current  # a little way down
        page.run("scrollTo(0, 1e6)")
        page.settled()
        assert page.run("return document.activeElement.matches('.current')"), "scrolled away, the focus is not lost"
        page.resize(700, 500)
        page.settled()
        page.press("\ue015")
        assert page.current == before + 1


@pytest.mark.parametrize(
    ("size", "dark", "images"), [(size, *rest) for size in SIZES for rest in ((False, 0), (True, 0), (True, 32), (False, 400))]
)
def test_texts_can_be_read_and_controls_have_names(driver, tmp_path, size, dark, images):
    """WCAG 2.1: contrast of 4.5 for text, a name for each control, targets of at least 24 pixels, no scrolling sideways."""
    write_page(
        tmp_path / "page.html", range(9), range(9, 18), np.linspace(0, 1, 9), title="A page of some length in its title",
        row_images=pictures(18) if images else None, thumbnail=images or 160,
        row_names=[f"folder/of/row_{at}_" + "x" * 60 for at in range(18)],
        classes=["a class with a rather long name indeed", "b", "c"] * 3, notes=["some words on it " * 5] * 9,
    )  # fmt: skip
    page = Page(driver, tmp_path / "page.html", size, dark)
    page.press("s", "d", "u")
    page.run("say('A message.')")
    page.settled()
    contrasts = measured(page, "contrasts")
    assert len(contrasts) > 20 and min(contrasts)[0] >= 4.5, min(contrasts)
    colors = page.run("return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (max(colors) < 60) == dark
    assert measured(page, "unnamed") == []
    assert [measured(page, name) for name in ("small", "sideways", "cut")] == [0, 0, 0]


def test_rows_tell_a_screen_reader_what_they_are(driver, tmp_path):
    write_page(tmp_path / "page.html", [3, 1], [4, 5], [0.5, 1], title="a page", row_names=["", "b", "", "d"])
    page = Page(driver, tmp_path / "page.html")
    page.press("s")
    rows = page.run(
        """const names = ["aria-label", "aria-posinset", "aria-setsize", "tabindex"];
        return [...document.querySelectorAll(".pair")].map((row) => names.map((name) => row.getAttribute(name)))"""
    )
    assert rows == [
        ["Pair 1, distance 0.5000: d and Row 4. same", "1", "2", "-1"],
        ["Pair 2, distance 1.000: b and Row 5. No vote", "2", "2", "0"],
    ]


def test_linked_and_tiny_pictures_are_seen(driver, tmp_path):
    folder = tmp_path / "im ages #%"
    folder.mkdir()
    names = ["a?b.png", "c:d.png", "%41.png", "ü'\"<.png"]
    for name, picture in zip(names, pictures(4, (8, 6))):
        picture.save(folder / name)
    for place, embed in ((tmp_path, False), (folder, False), (tmp_path, True)):
        write_page(
            place / "page.html",
            [0, 2],
            [1, 3],
            [0, 1],
            title="a page",
            row_images=[folder / name for name in names],
            embed=embed,
        )
        page = Page(driver, place / "page.html")
        page.wait(lambda page=page: page.run("return [...document.images].every((image) => image.complete)"))
        assert (
            page.run("return [...document.images].map((one) => [one.naturalWidth, one.naturalHeight, one.className])")
            == [[8, 6, "tiny"]] * 4
        )
        assert page.run("return [...document.images].map((one) => one.alt)") == names


def test_without_scripts_the_page_says_so(driver, tmp_path):
    write_page(tmp_path / "page.html", [0], [1], [0], title="a page")
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        driver.get((tmp_path / "page.html").as_uri())
        assert "JavaScript, which is turned off" in driver.find_element("css selector", "noscript").text
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
