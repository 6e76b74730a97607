"""Voting in a browser: keys, undo, filters, progress, and votes that leave the page and come back."""

import json

import numpy as np
import pytest
from chromium import Page, chromium

import hardmine
from hardmine.review import fingerprint, write_page

pytestmark = pytest.mark.slow

ROWS, COLS = np.arange(12) * 2, np.arange(12) * 2 + 1
CLASSES = np.array(["cat", "dog", "ant"])[np.arange(12) % 3]
TITLE = "Twelve pairs: a/b?"


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def driver(downloads):
    with chromium(downloads) as opened:
        yield opened


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    pytest.importorskip("jinja2", reason='needs the extra: pip install "hardmine[review]"')
    path = tmp_path_factory.mktemp("pages") / "page.html"
    write_page(
        path, ROWS, COLS, np.linspace(0, 1, 12), title=TITLE, classes=CLASSES, row_names=[f"row {at}" for at in range(24)]
    )
    return path


@pytest.fixture
def page(driver, path):
    return Page(driver, path)


def test_keys_vote_and_move_on(page):
    page.press("s", "d", "u", "1", "2", "3")
    assert page.votes() == {0: "same", 1: "different", 2: "unsure", 3: "same", 4: "different", 5: "unsure"}
    assert page.current == 6
    page.press("\ue013", "k", "d", "\ue015", "J", "S")  # up, up, vote, down, down, vote with the shift key
    assert page.votes() == {0: "same", 1: "different", 2: "unsure", 3: "same", 4: "different", 5: "unsure", 7: "same"}
    page.press("\ue010", "u", "u", "\ue015")  # at the end it stays
    assert page.votes()[11] == "unsure" and page.current == 11
    page.press("n")  # on from the beginning
    assert page.current == 6
    page.press("\ue011", "\ue013")
    assert page.current == 0
    page.press("n")
    assert page.current == 6
    page.press("x", "\ue007", "q")
    assert page.current == 6 and 6 not in page.votes()


def test_progress(page):
    assert page.text("#tally") == "0 of 12 voted"
    page.press("s", "s", "d")
    assert page.text("#tally") == "3 of 12 voted2 same1 different"
    bar = page.one("#progress")
    assert [bar.get_attribute(f"aria-{name}") for name in ("valuemin", "valuemax", "valuenow")] == ["0", "12", "3"]
    widths = page.run(
        "return [...document.querySelectorAll('#progress span')].map((one) => one.getBoundingClientRect().width)"
    )
    whole = page.run("return document.getElementById('progress').getBoundingClientRect().width")
    assert np.allclose(widths, np.array([2, 1, 0]) * whole / 12, atol=0.1)
    page.press(*"sssssssss")
    assert page.text("#message") == "All 12 pairs have a vote. Export them when you are done."
    page.press("n")
    assert page.text("#message") == "Every pair here has a vote."


def test_undo_goes_back_to_the_pair(page):
    from selenium.webdriver.common.keys import Keys

    assert not page.one("#undo").is_enabled()
    page.press("s", "d", "\ue013", "u", "\ue010")
    assert page.votes() == {0: "same", 1: "unsure"} and page.current == 11
    page.press("z")
    assert page.votes() == {0: "same", 1: "different"} and page.current == 1
    assert page.text("#message") == "Undone: pair 2 has the vote “different” again."
    page.press(Keys.CONTROL + "z" + Keys.NULL)
    assert page.votes() == {0: "same"} and page.current == 1
    page.one("#undo").click()
    assert page.votes() == {} and page.current == 0
    assert not page.one("#undo").is_enabled()
    page.press("z")
    assert page.text("#message") == "Nothing to undo."


def test_a_vote_by_hand_can_be_taken_back_by_hand(page):
    button = page.one("#pairs [data-pair='1'] [data-vote=different]")
    button.click()
    assert page.votes() == {1: "different"} and page.current == 1
    button.click()
    assert page.votes() == {} and page.current == 1
    page.press("z")
    assert page.votes() == {1: "different"}


def test_typing_a_name_or_a_held_key_votes_for_nothing(page):
    page.one("#reviewer").send_keys("sudz123")
    assert page.votes() == {} and page.one("#reviewer").get_attribute("value") == "sudz123"
    for repeat in ("false", "true", "true"):
        page.run(f"document.body.dispatchEvent(new KeyboardEvent('keydown', {{key: 's', repeat: {repeat}, bubbles: true}}))")
    assert page.votes() == {0: "same"} and page.current == 1
    for modifier in ("ctrlKey", "metaKey", "altKey"):
        page.run(f"document.body.dispatchEvent(new KeyboardEvent('keydown', {{key: 's', {modifier}: true, bubbles: true}}))")
    assert page.votes() == {0: "same"}


def test_filter_by_class(page):
    assert page.run("return [...document.getElementById('class').options].map((one) => one.text)") == [
        "All classes", "ant · 4 of 4 left", "cat · 4 of 4 left", "dog · 4 of 4 left",
    ]  # fmt: skip
    page.choose("#class", "cat")
    assert page.listed() == 4 and [pair for pair, _, _ in page.rows()] == [0, 3, 6, 9]
    page.run("document.activeElement.blur()")
    page.press("s", "d", "s", "u")
    assert page.votes() == {0: "same", 3: "different", 6: "same", 9: "unsure"}
    assert page.run("return document.getElementById('class').selectedOptions[0].text") == "cat · done"
    page.choose("#vote", "Voted same")
    assert [pair for pair, _, _ in page.rows()] == [0, 6]
    page.choose("#class", "All")
    assert page.listed() == 2
    page.choose("#vote", "Voted unsure")
    page.choose("#class", "ant")
    assert page.listed() == 0 and page.rows() == []
    assert page.text("#empty") == "No pair is left with these filters." and page.one("#empty").is_displayed()
    page.run("document.activeElement.blur()")
    page.press("s", "n", "\ue015")  # nothing to vote on, and no error
    assert page.run("return votes.of.filter(Boolean).length") == 4


def test_voted_pairs_leave_the_list_of_those_without_a_vote(page):
    page.choose("#vote", "Without")
    page.run("document.activeElement.blur()")
    page.press("s", "d")
    assert page.listed() == 10 and page.current == 2
    page.press("z")
    assert page.listed() == 11 and page.current == 1
    page.one("#pairs [data-pair='1'] [data-vote=unsure]").click()
    assert page.listed() == 10 and page.current == 2
    assert page.run("return document.activeElement.matches('.current')"), (
        "the button is gone, and the focus with its successor"
    )
    page.press("z")
    assert page.listed() == 11 and page.current == 1
    page.press(*"sssssssssss")
    assert page.listed() == 0 and page.text("#tally").startswith("12 of 12 voted")


def test_exported_votes_are_what_load_reviews_reads(page, downloads):
    page.press("s")
    page.one("#export").click()
    assert page.text("#message") == "Who voted? Enter a reviewer's name first."
    assert page.run("return document.activeElement.id") == "reviewer"
    page.name_reviewer(' Ada “L.” </script> "Ü" ')
    page.press("d", "\ue015", "u")
    first = page.exports(downloads)
    assert first.name == "votes-Twelve-pairs-a-b-Ada-L-script-Ü.json"
    page.name_reviewer("Bob")
    page.press("s")
    reviews = hardmine.load_reviews(first, page.exports(downloads))
    ada = 'Ada “L.” </script> "Ü"'
    assert [one.tolist() for one in (reviews.rows, reviews.cols, reviews.votes, reviews.reviewer)] == [
        [0, 2, 6, 0, 2, 6, 8], [1, 3, 7, 1, 3, 7, 9], ["same", "different", "unsure"] * 2 + ["same"], [ada] * 3 + ["Bob"] * 4,
    ]  # fmt: skip
    assert (reviews.title, reviews.fingerprint, reviews.n_pairs) == (TITLE, fingerprint(ROWS, COLS, TITLE), 12)


def test_no_votes_can_be_exported_too(page, downloads):
    page.name_reviewer("Eve")
    assert len(hardmine.load_reviews(page.exports(downloads))) == 0


def test_loading_brings_votes_back_in_one_step(page, downloads):
    page.name_reviewer("Ada")
    page.press("s", "d", "u")
    path = page.exports(downloads)
    page.run("localStorage.clear()")
    page.reload()
    assert page.votes() == {}
    page.press("d", "\ue010", "s")
    assert page.loads(path) == "Loaded 3 votes of Ada; 3 of them new or changed."
    assert page.one("#reviewer").get_attribute("value") == "Ada"
    assert page.votes() == {0: "same", 1: "different", 2: "unsure", 11: "same"}
    assert page.loads(path) == "Loaded 3 votes of Ada; 0 of them new or changed."
    page.run("document.activeElement.blur()")
    page.press("z")
    assert page.votes() == {0: "different", 11: "same"}
    page.name_reviewer("Bob")
    expected = "these are votes of Ada, and the reviewer here is Bob: change the name to load them"
    assert page.loads(path).endswith(expected)


OTHERS = [
    ({"fingerprint": "0" * 32, "title": "another"}, "expected votes of this page, got those of another one: “another”"),
    ({"format": "x"}, "expected votes that this page exported, got other JSON"),
    ({"version": 2}, "version: expected 1, got 2"),
    ({"reviewer": " "}, "reviewer: expected a name"),
    ({"votes": None}, "votes: expected a list"),
    ({"votes": [None]}, "votes[0]: expected a pair of this page"),
    ({"votes": [{"row": 0, "col": 2, "vote": "same"}]}, "votes[0]: expected a pair of this page"),
    ({"votes": [{"row": 0, "col": 1, "vote": "maybe"}]}, "votes[0].vote: expected same, different, unsure"),
    ({"votes": [{"row": 0, "col": 1, "vote": "same"}] * 2}, "votes[1]: expected each pair once"),
]


def test_other_files_are_refused_and_change_nothing(page, tmp_path):
    page.press("d")
    content = {
        "format": "hardmine review", "version": 1, "title": TITLE, "fingerprint": fingerprint(ROWS, COLS, TITLE), "pairs": 12,
        "reviewer": "Ada", "votes": [{"row": 0, "col": 1, "vote": "same"}],
    }  # fmt: skip
    path = tmp_path / "votes.json"
    texts = [(json.dumps(content | changed), message) for changed, message in OTHERS]
    for text, message in [*texts, ("<html>", "expected votes that this page exported, got no JSON")]:
        path.write_text(text)
        assert page.loads(path) == f"votes.json: {message}"
        assert page.run("return [votes.of[0], votes.reviewer]") == ["different", ""]


def test_a_reload_keeps_votes_and_reviewer(page):
    assert page.text("#kept") == "Votes stay in this browser."
    page.name_reviewer("Ada")
    page.press("s", "d", "u")
    page.reload()
    assert page.votes() == {0: "same", 1: "different", 2: "unsure"} and page.text("#tally").startswith("3 of 12")
    assert page.one("#reviewer").get_attribute("value") == "Ada"
    page.run("localStorage.setItem(votes.key, '{\"reviewer\": 3')")
    page.reload()
    assert page.votes() == {} and page.text("#tally") == "0 of 12 voted", "what no page wrote is not taken for votes"


FORBIDDEN = "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('', 'SecurityError'); } })"
FULL = "Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError'); }"


@pytest.mark.parametrize("trouble", [FORBIDDEN, FULL])
def test_a_browser_that_keeps_nothing_is_owned_up_to(page, trouble, downloads):
    added = page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": trouble})
    try:
        page.reload()
        warning = "This browser keeps no votes for this page: export them before you close it."
        assert page.text("#kept") == warning
        assert page.run("return window.onbeforeunload === null"), "nothing would be lost yet"
        page.press("s", "d")
        assert page.votes() == {0: "same", 1: "different"} and page.text("#kept") == warning
        assert page.run("return window.onbeforeunload !== null"), "the browser asks before it closes the page"
        page.name_reviewer("Ada")
        assert len(hardmine.load_reviews(page.exports(downloads))) == 2
        assert page.run("return window.onbeforeunload === null")
    finally:
        page.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
        page.reload()
