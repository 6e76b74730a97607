"""What reviewers say of pairs and classes, and what becomes of it: removed, kept, or not yet decided."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from hardmine import _arguments, _arrays
from hardmine._arrays import ArrayLike, Ints
from hardmine.overlap.naming import Classes

VOTES = ("unsure", "different", "same")  # of two votes of one reviewer on one thing the later here counts
Rule: TypeAlias = Literal["any", "majority", "unanimous"] | int
RULES = ("any", "majority", "unanimous")
REMOVE, KEEP, PENDING = "remove", "keep", "pending"


class Votes(NamedTuple):
    """Votes one after another; each is on a pair or on a class."""

    reviewers: NDArray[np.str_]
    votes: NDArray[np.int8]  # places in VOTES
    pairs: Ints  # places among the candidates, -1: on a class
    classes: Ints  # numbers of classes, -1: on a pair

    def and_then(self, later: Votes) -> Votes:
        """These and later ones; of a reviewer's votes on one pair or class the last one stays."""
        both = Votes._make(np.concatenate([before, after]) for before, after in zip(self, later))
        newest = np.arange(len(both.votes))[::-1]
        _, who = np.unique(both.reviewers, return_inverse=True)
        keys = np.stack([who.reshape(-1), both.pairs, both.classes], axis=1)[newest]
        _, last = np.unique(keys, axis=0, return_index=True)
        kept = np.sort(newest[last])
        return Votes._make(part[kept] for part in both)

    def on_classes(self, numbers: Ints, class_of_pairs: Ints) -> tuple[Ints, Ints]:
        """(vote, place in `numbers`) of each vote that speaks of one of these classes, itself or by a pair."""
        of, on_pair = self.classes.copy(), self.pairs >= 0
        of[on_pair] = class_of_pairs[self.pairs[on_pair]]
        return _placed(of, numbers)

    def on_rows(self, numbers: Ints, train_rows: Ints, class_of: Ints | None) -> tuple[Ints, Ints]:
        """The same of training rows: votes on their pairs, and on the class they are of."""
        of, on_pair = np.full(len(self.votes), -1), self.pairs >= 0
        of[on_pair] = train_rows[self.pairs[on_pair]]
        votes, places = _placed(of, numbers)
        if class_of is None or on_pair.all():
            return votes, places
        by_class = np.argsort(class_of[numbers], kind="stable")
        ranked, about = class_of[numbers][by_class], np.flatnonzero(~on_pair)
        low, high = (np.searchsorted(ranked, self.classes[about], side) for side in ("left", "right"))
        count = high - low
        within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        rows = by_class[np.repeat(low, count) + within]
        return np.concatenate([votes, np.repeat(about, count)]), np.concatenate([places, rows])

    def counts(self, votes: Ints, places: Ints, size: int) -> Ints:
        """How many reviewers say which of VOTES of each of `size` things, (size, 3); a reviewer says one of each."""
        _, who = np.unique(self.reviewers, return_inverse=True)
        keys, at = np.unique(np.stack([places, who.reshape(-1)[votes]], axis=1), axis=0, return_inverse=True)
        said = np.full(len(keys), -1, np.int64)
        np.maximum.at(said, at.reshape(-1), self.votes[votes].astype(np.int64))
        counted = np.zeros((size, len(VOTES)), np.int64)
        np.add.at(counted, (keys[:, 0], said), 1)
        return counted


NO_VOTES = Votes(np.zeros(0, "U1"), np.zeros(0, np.int8), np.zeros(0, np.int64), np.zeros(0, np.int64))


def check_rule(rule: Any) -> Rule:
    """A rule by its name, or how many reviewers must say "same", or raise."""
    if isinstance(rule, str) or rule is None:
        _arguments.one_of("rule", rule, RULES)
        return cast(Rule, rule)
    return _arguments.positive("rule", rule)


def decisions(counts: Ints, rule: Rule | None) -> NDArray[np.str_]:
    """What a rule makes of the counts of votes, (size, 3): "remove", "keep", or "pending" where nobody has decided.

    Reviewers who are unsure abstain. Without a rule the evidence itself decides, and all are removed.
    """
    if rule is None:
        return np.full(len(counts), REMOVE)
    _, different, same = counts.T
    if rule == "any":
        agreed = same > 0
    elif rule == "majority":
        agreed = same > different
    elif rule == "unanimous":
        agreed = (same > 0) & (different == 0)
    else:
        agreed = same >= rule
    return np.where(same + different == 0, PENDING, np.where(agreed, REMOVE, KEEP))


def check_votes(
    reviewer: ArrayLike | str,
    votes: ArrayLike | str,
    pairs: ArrayLike | None,
    labels: ArrayLike | None,
    places: Any,
    classes: Classes | None,
) -> Votes:
    """New votes; `places` finds pairs of (training row, evaluation row) among the candidates. Raises for any that is wrong."""
    if (pairs is None) == (labels is None):
        raise TypeError(f"pairs: expected either pairs or labels, got {'neither' if pairs is None else 'both'}")
    if labels is None:
        on_pairs: Ints = places(pairs)
        on_classes = np.full(len(on_pairs), -1)
    else:
        if classes is None:
            raise ValueError("labels: expected train_labels in the report, got None")
        on_classes = classes.numbers("labels", labels)
        on_pairs = np.full(len(on_classes), -1)
    given = [_words(name, value, len(on_pairs)) for name, value in (("reviewer", reviewer), ("votes", votes))]
    good = np.isin(given[1], VOTES)
    if not good.all():
        raise ValueError(f"votes: expected same, different or unsure, got {given[1][~good][0]!s}")
    said = (given[1][:, None] == np.array(VOTES)).argmax(axis=1).astype(np.int8)
    return Votes(given[0], said, on_pairs, on_classes)


def _words(name: str, value: ArrayLike | str, size: int) -> NDArray[np.str_]:
    words = np.asarray(value) if isinstance(value, str) else _arrays.to_numpy(name, value)
    if words.size == 0:
        words = words.astype(str)
    if words.dtype.kind == "O" and all(isinstance(word, str) for word in words.flat):
        words = words.astype(str)
    if words.dtype.kind != "U":
        raise TypeError(f"{name}: expected strings, got {words.dtype}")
    if words.shape not in ((), (size,)):
        raise ValueError(f"{name}: expected one string or {size}, one for each vote, got shape {words.shape}")
    return np.broadcast_to(words, size)


def _placed(values: Ints, numbers: Ints) -> tuple[Ints, Ints]:
    """(i, place of ``values[i]`` in `numbers`) of the values that are among the numbers."""
    order = np.argsort(numbers)
    place = np.searchsorted(numbers[order], values)
    found = np.flatnonzero(place < len(numbers))
    found = found[numbers[order][place[found]] == values[found]]
    return found, order[place[found]]
