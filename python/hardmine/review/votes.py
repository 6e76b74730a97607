"""Votes as a review page exports them: JSON, of one reviewer a file, read back with every field checked.

The page's script (template/votes.js) writes this form and refuses the same files; a fingerprint of what a page lists keeps the
votes of two pages apart.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardmine import _arrays
from hardmine._arrays import ArrayLike, Ints

VOTES = ("same", "different", "unsure")
FORMAT, VERSION = "hardmine review", 1
KINDS = {str: "a string", int: "an integer", list: "a list", dict: "an object"}


@dataclass(frozen=True, eq=False, repr=False)
class Reviews:
    """The votes of one or several reviewers on the pairs of one page; its length is the number of votes.

    Attributes
    ----------
    rows, cols : array of shape (v,), int64
        Vote i is on the pair of row ``rows[i]`` and row ``cols[i]``. A pair comes once for each reviewer who voted on it, and
        not at all if nobody did.
    votes : array of shape (v,), str
        "same", "different" or "unsure".
    reviewer : array of shape (v,), str
        Who cast the vote.
    title : str
        That of the page.
    fingerprint : str
        That of the page's title and pairs: see `hardmine.review.fingerprint`.
    n_pairs : int
        How many pairs the page lists.
    """

    rows: Ints
    cols: Ints
    votes: NDArray[np.str_]
    reviewer: NDArray[np.str_]
    title: str
    fingerprint: str
    n_pairs: int

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        counts = ", ".join(f"{np.count_nonzero(self.votes == vote)} {vote}" for vote in VOTES)
        parts = {"vote": len(self), "reviewer": len(set(self.reviewer.tolist())), "pair": self.n_pairs}
        votes, people, pairs = (f"{count} {name}{'s' * (count != 1)}" for name, count in parts.items())
        return f"Reviews({votes} of {people} on {pairs}: {counts})"


def fingerprint(rows: ArrayLike, cols: ArrayLike, title: str) -> str:
    """Return 32 hexadecimal digits that tell one page from another: a SHA-256 of its title and its pairs in their order.

    Parameters
    ----------
    rows, cols : array of shape (p,), int
        The pairs as `write_page` was given them.
    title : str
        And its title.

    Returns
    -------
    str
        What `Reviews.fingerprint` is for votes on that page.

    Raises
    ------
    TypeError, ValueError
        For other arrays than these.

    Examples
    --------
    >>> from hardmine.review import fingerprint
    >>> fingerprint([0, 1], [2, 3], "a page") == fingerprint([1, 0], [3, 2], "a page")
    False
    """
    sides = [_arrays.integers(name, side).astype("<i8") for name, side in (("rows", rows), ("cols", cols))]
    if len(sides[0]) != len(sides[1]):
        raise ValueError(f"cols: expected {len(sides[0])} numbers, as many as rows, got {len(sides[1])}")
    told = hashlib.sha256(len(sides[0]).to_bytes(8, "little"))  # so that rows, cols and title end where they do
    for part in (*(side.tobytes() for side in sides), title.encode("utf-8", "surrogatepass")):
        told.update(part)
    return told.hexdigest()[:32]


def load_reviews(*paths: str | os.PathLike[str]) -> Reviews:
    """Read the votes that reviewers exported from one review page.

    Parameters
    ----------
    *paths : str or path
        JSON files that "Export votes" of the page wrote: as many as there are, of one reviewer or of several.

    Returns
    -------
    Reviews
        All votes, file by file in the order given; of each file in the page's order. A vote that two files of one reviewer
        have in common comes once.

    Raises
    ------
    FileNotFoundError, ValueError
        For a file that is not there or that no page wrote, with the file, the entry and the field named; for files of
        different pages; and where one reviewer votes differently on one pair (an older export beside a newer one).

    Notes
    -----
    O(votes) time and memory. Nothing here decides what the votes mean for a pair.

    Examples
    --------
    >>> import json, pathlib, tempfile, hardmine
    >>> from hardmine.review import fingerprint
    >>> exported = {"format": "hardmine review", "version": 1, "title": "a page", "pairs": 2, "reviewer": "Ada",
    ...             "fingerprint": fingerprint([0, 1], [2, 3], "a page"), "votes": [{"row": 1, "col": 3, "vote": "same"}]}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "ada.json")
    ...     written = path.write_text(json.dumps(exported))
    ...     reviews = hardmine.load_reviews(path)
    >>> reviews
    Reviews(1 vote of 1 reviewer on 2 pairs: 1 same, 0 different, 0 unsure)
    >>> reviews.rows.tolist(), reviews.cols.tolist(), reviews.votes.tolist(), reviews.reviewer.tolist()
    ([1], [3], ['same'], ['Ada'])
    """
    if not paths:
        raise TypeError("paths: expected at least one file, got none")
    cast: dict[tuple[str, int, int], str] = {}
    origin: dict[tuple[str, int, int], Path] = {}
    first: _Export | None = None
    for path in map(Path, paths):
        export = _read(path)
        first = first or export
        if export.page != first.page:
            raise ValueError(
                f"{path}: expected votes on {_told(first.page)} as in {first.path}, got those of {_told(export.page)}"
            )
        for (row, col), vote in export.votes.items():
            key = (export.reviewer, row, col)
            if cast.setdefault(key, vote) != vote:
                raise ValueError(
                    f"{path}: expected one vote of {export.reviewer!r} on the pair ({row}, {col}), got {vote!r} after "
                    f"{cast[key]!r} in {origin[key]}; load the newer file alone"
                )
            origin.setdefault(key, path)
    assert first is not None
    columns = list(zip(*cast)) or [(), (), ()]
    return Reviews(
        np.array(columns[1], np.int64), np.array(columns[2], np.int64),
        np.array(list(cast.values()), str), np.array(columns[0], str), *first.page,
    )  # fmt: skip


@dataclass(frozen=True)
class _Export:
    path: Path
    page: tuple[str, str, int]  # title, fingerprint, pairs
    reviewer: str
    votes: dict[tuple[int, int], str]


def _read(path: Path) -> _Export:
    expected = f"{path}: expected votes that a review page exported"
    if not path.is_file():
        raise FileNotFoundError(f"{expected}, got {'a folder' if path.is_dir() else 'no such file'}")
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:  # of bytes that are no text, and of text that is no JSON
        raise ValueError(f"{expected}, got something else ({error})") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"{expected}, got other JSON")
    if _field(f"{path}: ", content, "version", int) != VERSION:
        raise ValueError(f"{path}: version: expected {VERSION}, got {content['version']}; a newer hardmine reads it")
    title = _field(f"{path}: ", content, "title", str)
    told = _field(f"{path}: ", content, "fingerprint", str)
    if len(told) != 32 or set(told) - set("0123456789abcdef"):
        raise ValueError(f"{path}: fingerprint: expected 32 hexadecimal digits, got {told!r}")
    pairs = _number(f"{path}: ", content, "pairs")
    reviewer = _field(f"{path}: ", content, "reviewer", str).strip()
    if not reviewer:
        raise ValueError(f"{path}: reviewer: expected a name, got {content['reviewer']!r}")
    votes: dict[tuple[int, int], str] = {}
    for place, entry in enumerate(_field(f"{path}: ", content, "votes", list)):
        where = f"{path}: votes[{place}]"
        if not isinstance(entry, dict):
            raise ValueError(f"{where}: expected an object, got {_shown(entry)}")
        pair = _number(f"{where}.", entry, "row"), _number(f"{where}.", entry, "col")
        vote = _field(f"{where}.", entry, "vote", str)
        if vote not in VOTES:
            raise ValueError(f"{where}.vote: expected one of {', '.join(VOTES)}, got {_shown(vote)}")
        if pair in votes:
            raise ValueError(f"{where}: expected each pair once, got {pair} again")
        votes[pair] = vote
    if len(votes) > pairs:
        raise ValueError(f"{path}: votes: expected at most {pairs}, one for each pair of the page, got {len(votes)}")
    return _Export(path, (title, told, pairs), reviewer, votes)


def _told(page: tuple[str, str, int]) -> str:
    return f"{_shown(page[0])} ({page[2]} pairs, fingerprint {page[1]})"


def _field(where: str, entry: dict[str, Any], name: str, kind: type) -> Any:
    """The value of a field; a bool is no integer."""
    if name not in entry:
        raise ValueError(f"{where}{name}: expected {KINDS[kind]}, got no such field")
    if type(entry[name]) is not kind:
        raise ValueError(f"{where}{name}: expected {KINDS[kind]}, got {_shown(entry[name])}")
    return entry[name]


def _number(where: str, entry: dict[str, Any], name: str) -> int:
    number: int = _field(where, entry, name, int)
    if not 0 <= number <= _arrays.MOST_ROWS:
        raise ValueError(f"{where}{name}: expected a number from 0 to {_arrays.MOST_ROWS}, got {number}")
    return number


def _shown(value: object) -> str:
    """A value in a message: short, whatever the file holds."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
