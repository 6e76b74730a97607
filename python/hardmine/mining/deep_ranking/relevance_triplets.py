"""Triplets by relevance: the sampling law of Deep Ranking, from a weighted reservoir of each category.

Queries are drawn by how relevant the rest of their category is to them, positives by their relevance to the query, negatives
from the category or from outside it. Images are seen once, and a category keeps a fixed number of them (see
`weighted_reservoir.py`); where it has discarded some, weights undo what the reservoir does to the law.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardmine import _arguments, _arrays, _labels
from hardmine._arrays import ArrayLike, FloatRows, IntArray, Ints
from hardmine._random import uniform
from hardmine.mining.deep_ranking.relevance import CELLS, Given, check_pairwise, check_relevance, split
from hardmine.mining.deep_ranking.weighted_reservoir import WeightedReservoir

CLOCK, CATEGORY, QUERY, POSITIVE, KIND, NEGATIVE, OTHER_CATEGORY, OTHER_IMAGE = range(64, 72)  # streams of random numbers


class RelevanceTripletSampler:
    """Sample triplets online, by the relevance of images to one another within their category.

    Parameters
    ----------
    capacity : int
        Images that a category keeps, at least 2.
    out_of_class_ratio : float
        The share of negatives that come from other categories, 0 to 1; the others are of the query's category.
    pairwise_relevance : callable or array of shape (m, m), optional
        The relevance of two images, at least 0. A callable receives two int64 arrays of ids and returns a matrix of shape
        (len(a), len(b)); the rows and columns of an array are ids. By default it is the dot product of the embeddings that
        `update` is given, or 0 where that is negative.
    positive_cap : float, optional
        T_p: more relevance than this makes a positive no likelier.
    negative_margin : float
        T_r: how much less relevant to the query a negative of its category is than the positive, at the least.
    seed : int
        Of all random numbers.
    max_tries : int
        Draws of a triplet before it is given up.

    Attributes
    ----------
    draws : int
        Triplets drawn so far. Triplet i is a function of the seed, the reservoir and i: set it back to draw the same again.
    redrawn, given_up : int
        Draws repeated because the query had no positive or no negative that is allowed, and triplets given up after
        `max_tries` of them.

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind or value.

    Notes
    -----
    With r_ij the relevance of i and j, and w_i the sum of r_ij over the other images of the category, the law [1]_ is: a query
    i with probability proportional to w_i; a positive j of its category to min(T_p, r_ij); a negative k of its category to
    min(T_p, r_ik) among those with r_ij - r_ik >= T_r, or any image of another category. A draw without an allowed image is
    repeated, query and positive too, its kind of negative kept. Repetition favours queries that have negatives: the law of
    in-class triplets is the one above, given that there is one.

    While a category fits into its reservoir the law is exact. Of larger ones, the reservoir is a weighted sample without
    replacement [2]_, and each image in it stands for 1 / p others, p the probability that it stayed. The weight of a query,
    w_i / p_i, then has the mean w_i over seeds, as min(T_p, r_ij) / p_j has for a pair; shares of such sums are off by about
    1 / capacity. For a category much larger than its reservoir w / p is nearly the same for all that stayed, which is the
    paper's rule: a uniform draw of the query, and of a positive that is accepted with probability r_ij / w_j (whatever T_p
    is, there). Images of other categories are drawn by the number of images each has seen, evenly among those that stayed.

    O(n capacity) relevances for a call of `sample`; memory above the reservoirs is a few matrices of 32 MiB. A sampler can be
    pickled if its callable can.

    References
    ----------
    .. [1] Wang et al., "Learning fine-grained image similarity with deep ranking", 2014.
    .. [2] Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006.

    Examples
    --------
    >>> import numpy as np
    >>> from hardmine import RelevanceTripletSampler
    >>> sampler = RelevanceTripletSampler(capacity=100, out_of_class_ratio=0.0)
    >>> x = np.array([[1.0, 0.0], [0.9, 0.1], [0.1, 0.9], [0.0, 1.0]], np.float32)
    >>> sampler.update([10, 11, 12, 13], ["cat"] * 4, embeddings=x)
    >>> query, positive, negative = sampler.sample(1000)
    >>> sorted(set(zip(query.tolist(), positive.tolist(), negative.tolist())))[:3]
    [(10, 11, 12), (11, 10, 12), (11, 10, 13)]
    """

    def __init__(
        self,
        capacity: int,
        *,
        out_of_class_ratio: float,
        pairwise_relevance: Callable[[Ints, Ints], ArrayLike] | ArrayLike | None = None,
        positive_cap: float | None = None,
        negative_margin: float = 0.0,
        seed: int = 0,
        max_tries: int = 100,
    ) -> None:
        self.capacity = _arguments.positive("capacity", capacity)
        if self.capacity < 2:
            raise ValueError(f"capacity: expected at least 2, a query and a positive, got {capacity}")
        self.out_of_class_ratio = _number("out_of_class_ratio", out_of_class_ratio, most=1.0)
        self.positive_cap = math.inf if positive_cap is None else _number("positive_cap", positive_cap)
        if self.positive_cap == 0:
            raise ValueError("positive_cap: expected more than 0, got 0")
        self.negative_margin = _number("negative_margin", negative_margin)
        self.seed = _arguments.whole("seed", seed)
        self.max_tries = _arguments.positive("max_tries", max_tries)
        self._pairwise = check_pairwise(pairwise_relevance)
        self.draws = self.redrawn = self.given_up = 0
        self._reservoirs: dict[Any, WeightedReservoir] = {}
        self._whole: set[Any] = set()  # categories whose totals were summed over one call
        self._width = 0
        self._torch = False

    @property
    def reservoirs(self) -> dict[Any, Ints]:
        """The ids that each category keeps, in the order in which they rang; copies."""
        return {name: reservoir.ids.copy() for name, reservoir in self._reservoirs.items()}

    def update(
        self, ids: ArrayLike, categories: ArrayLike, relevance: ArrayLike | None = None, embeddings: ArrayLike | None = None
    ) -> None:
        """Show images to their categories' reservoirs, each once.

        Parameters
        ----------
        ids : array of shape (n,), integers of at least 0
            Never an id that was shown before. `sample` returns tensors if the last `ids` were one.
        categories : array of shape (n,), integers or strings
            The category of each image. Any integer is an ordinary one (see `Filter`).
        relevance : array of shape (n,), optional
            The total relevance of each image within its whole category, at least 0 (see `relevance.total_relevance`). If None,
            it is summed over the images of this call: then a category must come whole in one call.
        embeddings : array of shape (n, d), any float dtype, optional
            Where relevance is a dot product, and only there. Those of the images that stay are kept, as float32.

        Raises
        ------
        TypeError, ValueError, RuntimeError
            For an argument of the wrong kind or value; also if a category whose totals were summed comes again, or an image of
            a reservoir is shown again (one that was discarded is no longer known).

        Notes
        -----
        The reservoirs do not depend on how images are spread over calls, nor on their order. O(n log n) time and O(capacity)
        for each category of the call, beside the totals.
        """
        images = _arrays.integers("ids", ids)
        if len(images) and images.min() < 0:
            raise ValueError(f"ids: expected at least 0, got {images.min()}")
        limit = self._ids_below()
        if len(images) and images.max() >= limit:
            raise ValueError(f"ids: expected 0 to {limit - 1}, rows of pairwise_relevance, got {images.max()}")
        labels = _labels.labels("categories", categories, len(images), "ids")
        rows = self._check_rows(embeddings, len(images))
        totals = None if relevance is None else check_relevance("relevance", relevance, (len(images),))
        order = np.argsort(images, kind="stable")  # sums in the order of ids, so that they do not depend on that of the call
        same = order[1:][np.diff(images[order]) == 0]
        if len(same):
            raise ValueError(f"ids: expected each image once, got {images[same[0]]} twice")
        names, places = np.unique(labels[order], return_inverse=True)
        parts = [order[part] for part in split(places.reshape(-1))]
        for name, part in zip(names.tolist(), parts):
            known = self._reservoirs.get(name)
            if known is not None and (totals is None or name in self._whole):
                raise ValueError(
                    f"relevance: expected totals in every call that shows category {name!r}, got None in one of them"
                )
            again = np.empty(0, np.int64) if known is None else np.intersect1d(known.ids, images[part])
            if len(again):
                raise ValueError(f"ids: expected each image once, got {again[0]} again")
        weights = [self._pairwise.totals(images[part], rows, part) if totals is None else totals[part] for part in parts]
        for name, part, weight in zip(names.tolist(), parts, weights):
            empty = WeightedReservoir(np.empty(0, np.int64), np.empty(0), None)
            reservoir = self._reservoirs.setdefault(name, empty)
            kept = reservoir.add(images[part], weight, capacity=self.capacity, seed=self.seed, stream=CLOCK)
            if rows is not None:
                reservoir.keep(kept, rows, part)
        self._whole.update(names.tolist() if totals is None else ())
        self._torch = _arrays.device_of(ids)
        self._width = self._width if rows is None else rows.width

    def sample(self, n: int) -> tuple[IntArray, IntArray, IntArray]:
        """Draw triplets.

        Parameters
        ----------
        n : int
            Triplets to draw.

        Returns
        -------
        query, positive, negative : arrays of shape (n,), int64
            Ids. Fewer than n if draws were given up: see `given_up`.

        Raises
        ------
        TypeError, ValueError
            For an argument of the wrong kind or value; also if no category has two images and relevance above 0, or there is
            only one category to draw negatives of other categories from.
        """
        wanted = _arguments.positive("n", n, _arrays.MOST_ROWS)
        # In an order of their names, so that draws do not depend on which category came first.
        reservoirs = [r for _, r in sorted(self._reservoirs.items(), key=lambda item: (str(type(item[0])), item[0]))]
        totals = np.array([r.total if len(r.ids) > 1 and r.weights.any() else 0.0 for r in reservoirs])
        if not totals.any():
            raise ValueError("sample: expected a category with two images of relevance above 0, got none")
        if self.out_of_class_ratio > 0 and len(reservoirs) < 2:
            raise ValueError(
                "sample: expected a second category for negatives, or an out_of_class_ratio of 0, got one category"
            )
        step = max(1, CELLS // max(len(r.ids) for r in reservoirs))
        found = np.full((wanted, 3), -1, np.int64)
        redrawn = given_up = 0
        for first in range(0, wanted, step):
            pending = np.arange(first, min(first + step, wanted))
            for attempt in range(self.max_tries):
                found[pending] = self._draw(reservoirs, totals, self.draws + pending, attempt)
                pending = pending[found[pending, 2] < 0]
                if len(pending) == 0:
                    break
                redrawn += len(pending) * (attempt + 1 < self.max_tries)
            given_up += len(pending)
        self.draws, self.redrawn, self.given_up = self.draws + wanted, self.redrawn + redrawn, self.given_up + given_up
        found = found[found[:, 2] >= 0]
        query, positive, negative = (_arrays.like(column, self._torch) for column in np.ascontiguousarray(found.T))
        return query, positive, negative

    def _draw(self, reservoirs: list[WeightedReservoir], totals: NDArray[np.float64], numbers: Ints, attempt: int) -> Ints:
        """One draw of each triplet: ids, the last of them -1 where there is no such triplet."""
        found = np.full((len(numbers), 3), -1, np.int64)
        outside = uniform(self.seed, KIND, numbers, 0) < self.out_of_class_ratio
        category = _pick(totals, uniform(self.seed, CATEGORY, numbers, attempt))
        for part in split(category):
            r = reservoirs[category[part[0]]]
            random = [uniform(self.seed, stream, numbers[part], attempt) for stream in (QUERY, POSITIVE, NEGATIVE)]
            kept = r.inclusion()
            query = _pick(r.weights / kept, random[0])
            different, which = np.unique(query, return_inverse=True)
            relevance = self._pairwise.between(r.ids, r.rows, different)[which.reshape(-1)]
            weights = np.minimum(relevance, self.positive_cap) / kept
            slots = np.arange(len(part))
            weights[slots, query] = 0
            positive = _pick(weights, random[1])
            exists = weights[slots, positive] > 0
            allowed = relevance[slots, positive][:, None] - relevance >= self.negative_margin
            allowed[slots, positive] = False
            weights[~allowed] = 0
            negative = _pick(weights, random[2])
            inside = np.where(weights[slots, negative] > 0, r.ids[negative], -1)
            found[part] = np.stack([r.ids[query], r.ids[positive], np.where(exists, inside, -1)], axis=1)
            found[part[outside[part] & exists], 2] = 0  # drawn below, for all categories at once
        slots = np.flatnonzero(outside & (found[:, 2] >= 0))
        found[slots, 2] = self._draw_outside(reservoirs, category[slots], numbers[slots], attempt)
        return found

    def _draw_outside(self, reservoirs: list[WeightedReservoir], own: Ints, numbers: Ints, attempt: int) -> Ints:
        """An image of another category for each: the category by the images it has seen, then any that stayed."""
        seen = np.array([r.seen for r in reservoirs])
        ends = np.cumsum(seen)
        place = (uniform(self.seed, OTHER_CATEGORY, numbers, attempt) * (ends[-1] - seen[own])).astype(np.int64)
        place += np.where(place >= ends[own] - seen[own], seen[own], 0)  # step over the category's own images
        other = np.searchsorted(ends, place, side="right")
        sizes = np.array([len(r.ids) for r in reservoirs])
        image = (uniform(self.seed, OTHER_IMAGE, numbers, attempt) * sizes[other]).astype(np.int64)
        ids: Ints = np.concatenate([r.ids for r in reservoirs])[(np.cumsum(sizes) - sizes)[other] + image]
        return ids

    def _ids_below(self) -> float:
        source = self._pairwise.source if isinstance(self._pairwise, Given) else None
        return len(source) if isinstance(source, np.ndarray) else math.inf

    def _check_rows(self, embeddings: ArrayLike | None, count: int) -> FloatRows | None:
        if isinstance(self._pairwise, Given):
            if embeddings is not None:
                raise ValueError("embeddings: expected None beside pairwise_relevance, got an array")
            return None
        if embeddings is None:
            raise ValueError("embeddings: expected an array, or pairwise_relevance, got neither")
        rows = FloatRows("embeddings", embeddings)
        if rows.count != count:
            raise ValueError(f"embeddings: expected {count} rows, one for each id, got {rows.count}")
        if self._width not in (0, rows.width):
            raise ValueError(f"embeddings: expected rows of {self._width} numbers as before, got {rows.width}")
        rows.check_finite()
        return rows


def _pick(weights: NDArray[np.float64], random: NDArray[np.float64]) -> Ints:
    """An index with probability proportional to its weight, of one row for all or a row for each; if all are 0, any."""
    ends = np.cumsum(weights, axis=-1)
    target = np.minimum(random * ends[..., -1], np.nextafter(ends[..., -1], 0))  # below the last end, whatever the rounding
    if weights.ndim == 1:
        index: Ints = np.searchsorted(ends, target, side="right")
    else:
        index = np.minimum((ends <= target[:, None]).sum(axis=1), weights.shape[1] - 1)
    return index


def _number(name: str, value: Any, most: float = math.inf) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name}: expected a number, got {type(value).__name__}")
    if not (math.isfinite(value) and 0 <= value <= most):
        raise ValueError(f"{name}: expected {'at least 0' if most == math.inf else f'0 to {most:g}'} and finite, got {value}")
    return float(value)
