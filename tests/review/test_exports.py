"""Votes as files: what load_reviews makes of them, and how it refuses everything else."""

import json

import numpy as np
import pytest

import hardmine
from hardmine.review import fingerprint
from refusals import assert_refused

ROWS, COLS, TITLE = [5, 1, 2**32 - 2], [6, 7, 0], 'a “page”, 頁 <b> & "more"'


def exported(path, reviewer="Ada", cast=(("same", 0), ("unsure", 2)), **changed):
    content = {
        "format": "hardmine review", "version": 1, "title": TITLE, "fingerprint": fingerprint(ROWS, COLS, TITLE), "pairs": 3,
        "reviewer": reviewer, "votes": [{"row": ROWS[at], "col": COLS[at], "vote": vote} for vote, at in cast],
    }  # fmt: skip
    path.write_text(json.dumps(content | changed), encoding="utf-8")
    return path


def test_votes_of_several_reviewers(tmp_path):
    ada = exported(tmp_path / "ada.json")
    bob = exported(tmp_path / "bob.json", " Bob  ", [("different", 0)])
    none = exported(tmp_path / "none.json", "Eve", [])
    again = exported(tmp_path / "again.json", cast=[("same", 0), ("different", 1)])
    reviews = hardmine.load_reviews(ada, str(bob), none, again)
    assert [one.tolist() for one in (reviews.rows, reviews.cols, reviews.votes, reviews.reviewer)] == [
        [5, 2**32 - 2, 5, 1], [6, 0, 6, 7], ["same", "unsure", "different", "different"], ["Ada", "Ada", "Bob", "Ada"],
    ]  # fmt: skip
    assert (
        reviews.rows.dtype == reviews.cols.dtype == np.int64 and reviews.votes.dtype.kind == reviews.reviewer.dtype.kind == "U"
    )
    assert (reviews.title, reviews.fingerprint, reviews.n_pairs) == (TITLE, fingerprint(ROWS, COLS, TITLE), 3)
    assert len(reviews) == 4
    assert repr(reviews) == "Reviews(4 votes of 2 reviewers on 3 pairs: 1 same, 2 different, 1 unsure)"


def test_no_votes_are_empty_arrays(tmp_path):
    reviews = hardmine.load_reviews(exported(tmp_path / "none.json", cast=[]))
    assert (
        reviews.rows.dtype == reviews.cols.dtype == np.int64 and reviews.votes.dtype.kind == reviews.reviewer.dtype.kind == "U"
    )
    assert [one.shape for one in (reviews.rows, reviews.cols, reviews.votes, reviews.reviewer)] == [(0,)] * 4


def test_a_byte_order_mark_is_no_content(tmp_path):
    path = exported(tmp_path / "ada.json")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(hardmine.load_reviews(path)) == 2


ENTRY = {"row": 5, "col": 6, "vote": "same"}
REFUSED = [
    ({"format": "another"}, ": expected votes that a review page exported, got other JSON"),
    ({"version": 2}, ": version: expected 1, got 2; a newer hardmine reads it"),
    ({"version": True}, ": version: expected an integer, got True"),
    ({"version": None}, ": version: expected an integer, got None"),
    ({"title": 3}, ": title: expected a string, got 3"),
    ({"fingerprint": "ABC"}, ": fingerprint: expected 32 hexadecimal digits, got 'ABC'"),
    ({"fingerprint": "x" * 32}, ": fingerprint: expected 32 hexadecimal digits, got 'xxx"),
    ({"pairs": -1}, ": pairs: expected a number from 0 to 4294967294, got -1"),
    ({"pairs": 1.0}, ": pairs: expected an integer, got 1.0"),
    ({"pairs": 1}, ": votes: expected at most 1, one for each pair of the page, got 2"),
    ({"reviewer": " \n"}, ": reviewer: expected a name, got ' \\n'"),
    ({"reviewer": ["Ada"]}, ": reviewer: expected a string, got ['Ada']"),
    ({"votes": {"0": "same"}}, ": votes: expected a list, got {'0': 'same'}"),
    ({"votes": [ENTRY, None]}, ": votes[1]: expected an object, got None"),
    ({"votes": [ENTRY, {"row": 1, "vote": "same"}]}, ": votes[1].col: expected an integer, got no such field"),
    ({"votes": [ENTRY | {"row": "5"}]}, ": votes[0].row: expected an integer, got '5'"),
    ({"votes": [ENTRY | {"row": False}]}, ": votes[0].row: expected an integer, got False"),
    ({"votes": [ENTRY | {"col": -1}]}, ": votes[0].col: expected a number from 0 to 4294967294, got -1"),
    ({"votes": [ENTRY | {"col": 10**30}]}, ": votes[0].col: expected a number from 0 to 4294967294, got 10000"),
    ({"votes": [ENTRY | {"vote": "Same"}]}, ": votes[0].vote: expected one of same, different, unsure, got 'Same'"),
    ({"votes": [ENTRY | {"vote": ["same"]}]}, ": votes[0].vote: expected a string, got ['same']"),
    ({"votes": [ENTRY, ENTRY | {"vote": "unsure"}]}, ": votes[1]: expected each pair once, got (5, 6) again"),
    ({"votes": [ENTRY | {"vote": "x" * 1000}]}, "got 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx..."),
]


@pytest.mark.parametrize(("changed", "message"), REFUSED)
def test_a_bad_field_is_named_with_its_file_and_entry(tmp_path, changed, message):
    path = exported(tmp_path / "ada.json", **changed)
    good = exported(tmp_path / "good.json", "Bob")
    assert_refused(lambda: hardmine.load_reviews(good, path), ValueError, message)
    assert_refused(lambda: hardmine.load_reviews(good, path), ValueError, str(path))


@pytest.mark.parametrize("name", ["format", "version", "title", "fingerprint", "pairs", "reviewer", "votes"])
def test_a_missing_field_is_named(tmp_path, name):
    path = exported(tmp_path / "ada.json")
    content = json.loads(path.read_text())
    del content[name]
    path.write_text(json.dumps(content))
    assert_refused(
        lambda: hardmine.load_reviews(path), ValueError, "got other JSON" if name == "format" else f"{name}: expected"
    )


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"[1", b"[]", b"3", b"null", b'{"votes": []}', b"[" * 100_000, b"9" * 5000]
)
def test_what_no_page_exported_is_refused(tmp_path, content):
    path = tmp_path / "some.json"
    path.write_bytes(content)
    assert_refused(lambda: hardmine.load_reviews(path), ValueError, f"{path}: expected votes that a review page exported, got")


def test_files_that_are_not_there(tmp_path):
    for path, what in ((tmp_path, "a folder"), (tmp_path / "none.json", "no such file")):
        assert_refused(lambda path=path: hardmine.load_reviews(path), FileNotFoundError, f"{path}: expected votes")
        assert_refused(lambda path=path: hardmine.load_reviews(path), FileNotFoundError, f"got {what}")
    assert_refused(hardmine.load_reviews, TypeError, "paths: expected at least one file, got none")


def test_votes_of_two_pages_do_not_mix(tmp_path):
    ada = exported(tmp_path / "ada.json")
    for changed in ({"title": "other"}, {"fingerprint": fingerprint(COLS, ROWS, TITLE)}, {"pairs": 4}):
        other = exported(tmp_path / "other.json", "Bob", **changed)
        message = f"{other}: expected votes on "
        assert_refused(lambda other=other: hardmine.load_reviews(ada, other), ValueError, message)
        assert_refused(lambda other=other: hardmine.load_reviews(ada, other), ValueError, str(ada))


def test_one_reviewer_does_not_vote_twice_on_a_pair(tmp_path):
    ada = exported(tmp_path / "ada.json")
    later = exported(tmp_path / "later.json", cast=[("different", 2)])
    message = f"{later}: expected one vote of 'Ada' on the pair (4294967294, 0), got 'different' after 'unsure' in {ada}"
    assert_refused(lambda: hardmine.load_reviews(ada, later), ValueError, message)


def test_fingerprints_tell_pages_apart():
    pages = [
        ([0, 1], [2, 3], "a"), ([1, 0], [3, 2], "a"), ([0, 1], [2, 3], "b"), ([0], [2], "a"), ([0, 2], [1, 3], "a"),
        ([], [], ""), ([2, 3], [0, 1], "a"), ([0, 1], [2, 3], "a\ud800"), ([0, 0], [0, 0], "a"), ([0], [0], "\0" * 16 + "a"),
    ]  # fmt: skip
    assert len({fingerprint(*page) for page in pages}) == len(pages)
    assert_refused(lambda: fingerprint([0, 1, 2], [3], "a"), ValueError, "cols: expected 3 numbers, as many as rows, got 1")
    assert fingerprint(np.array([0, 1], np.int32), [2, 3], "a") == fingerprint([0, 1], (2, 3), "a")
