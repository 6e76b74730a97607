"""Hash centers: a code word for each class, far apart; votes, assignments and matchings that use them.

How far apart the nearest two centers are decides how many bits of a code may be wrong before it lies nearer to a foreign
center. Classical codes reach far more than random words; `coding` holds them, and here the best is chosen, measured with the
Hamming engine and compared with a proved bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from hardmine import _arguments, _arrays
from hardmine._arrays import ArrayLike, ByteArray, Floats, IntArray
from hardmine.hashing.codes import MOST_BITS
from hardmine.search.neighbors import DistanceArray
from hardmine.search.topk import topk

Codes: TypeAlias = NDArray[np.uint8]
Method: TypeAlias = Literal["best", "csq", "bernoulli", "rejection"]
METHODS: tuple[str, ...] = get_args(Method)
BLOCK = 1 << 22  # numbers voted over in one go


@dataclass(frozen=True, eq=False, repr=False)
class HashCenters:
    """One code word for each class, and how far apart they are.

    Attributes
    ----------
    codes : array of shape (n_classes, ceil(bits / 8)), uint8
        The centers, packed as `pack` does.
    bits : int
        Bits of a center.
    min_distance : int
        The smallest Hamming distance of two centers, measured (`bits` for a single class). A code with at most
        ``(min_distance - 1) // 2`` wrong bits is nearest to its own center.
    mean_distance : float
        The mean distance of all pairs, exact. It is n_classes bits / (2 (n_classes - 1)) if every bit is half ones, and less
        otherwise: it measures the balance of the bits and says nothing about the smallest distance.
    upper_bound : int
        No n_classes words of so many bits are farther apart than this: the smallest of the bounds of Plotkin, Hamming and
        Delsarte, all proved.
    construction : str
        Where the words come from.
    """

    codes: Codes
    bits: int
    min_distance: int
    mean_distance: float
    upper_bound: int
    construction: str

    def __repr__(self) -> str:
        return (
            f"HashCenters(codes={_arrays.outline(self.codes)}, bits={self.bits}, min_distance={self.min_distance}, "
            f"upper_bound={self.upper_bound}, mean_distance={self.mean_distance:.3f}, construction={self.construction!r})"
        )

    @property
    def optimal(self) -> bool:
        """Whether `min_distance` equals `upper_bound`: provably nothing is better."""
        return self.min_distance == self.upper_bound

    def signs(self) -> Floats:
        """Return the centers as a float32 array of shape (n_classes, bits), +1 where a bit is set and -1 elsewhere.

        Returns
        -------
        array of shape (n_classes, bits), float32
            Targets for a loss on real outputs, of which `pack` makes codes again.
        """
        return _signs(self.codes, self.bits)


def _signs(codes: Codes, bits: int) -> Floats:
    return np.unpackbits(codes, axis=1, count=bits).astype(np.float32) * np.float32(2) - np.float32(1)


def hash_centers(
    n_classes: int, bits: int, *, method: Method = "best", multi_label: bool = False, seed: int = 0
) -> HashCenters:
    """Choose a center for each class, as far apart as codes of that length are known to reach.

    Parameters
    ----------
    n_classes, bits : int
        Up to 2**bits classes, 1 to 65,536 bits.
    method : {"best", "csq", "bernoulli", "rejection"}
        The best known construction, or, to reproduce papers, the rows of Sylvester's Hadamard matrix (random words where
        they do not suffice) [1]_, random words, or random words that are refused if too near to earlier ones [2]_. Those three
        may give two classes the same center.
    multi_label : bool
        Whether centers will be voted over (`semantic_centers`). Single labels get words in complementary pairs (h, ~h)
        where the code has them, so that every bit is exactly half ones; votes get one word of each pair, because h and ~h
        would cancel.
    seed : int
        Of every random choice: the same arguments give the same centers on every machine.

    Returns
    -------
    HashCenters
        The centers, their measured distances and what is provably not to be surpassed.

    Raises
    ------
    TypeError, ValueError
        For an argument of the wrong kind or value; if there are fewer than n_classes words of so many bits.

    Notes
    -----
    ``method="best"`` compares Levenshtein codes, which meet Plotkin's bound; ±Hadamard matrices of Sylvester, Paley and their
    products; extended BCH and quadratic residue codes (Golay's); Kerdock and Nordstrom-Robinson codes; a table of
    quasi-cyclic codes; any of them shortened, punctured and side by side; and, up to 512 classes and where something can
    still be won, a search over the columns of a linear code with a fixed budget. All pairs of the chosen words are then
    compared, O(n_classes^2 bits), for up to 131,072 classes of 64 bits or 65,536 of 256; more get linear codes, where the
    distances of pairs are weights of words, which one Walsh-Hadamard transform gives exactly.

    References
    ----------
    .. [1] Yuan et al., "Central similarity quantization", 2020, algorithm 1.
    .. [2] Hoe et al., "One loss for all", 2021 (OrthoHash).

    Examples
    --------
    >>> import hardmine
    >>> centers = hardmine.hash_centers(100, 32)
    >>> centers.min_distance, centers.upper_bound, centers.optimal
    (14, 14, True)
    >>> hardmine.hash_centers(100, 32, method="csq").min_distance < 12
    True
    """
    # Loaded when called: half of what hardmine's import would take, for this one function.
    from hardmine.hashing.coding import published
    from hardmine.hashing.coding.bounds import upper_bound
    from hardmine.hashing.coding.chosen import mean_distance, min_distance, write
    from hardmine.hashing.coding.codebook import best_code
    from hardmine.hashing.coding.selection import choose

    n_classes = _arguments.positive("n_classes", n_classes, _arrays.MOST_ROWS)
    bits = _arguments.positive("bits", bits)
    if bits > MOST_BITS:
        raise ValueError(f"bits: expected 1 to {MOST_BITS}, got {bits}")
    if n_classes > 1 << bits:
        raise ValueError(f"n_classes: expected at most 2**bits = {1 << bits}, got {n_classes}")
    _arguments.one_of("method", method, METHODS)
    if not isinstance(multi_label, (bool, np.bool_)):
        raise TypeError(f"multi_label: expected True or False, got {type(multi_label).__name__}")
    seed = _arguments.whole("seed", seed)
    rng = np.random.default_rng(seed)
    if method == "best":
        code = best_code(n_classes, bits, seed)
        chosen = write(code, choose(code, n_classes, rng, bool(multi_label)))
    else:
        chosen = write(published.code(method, n_classes, bits, rng), np.arange(n_classes))
    return HashCenters(
        codes=chosen.codes,
        bits=bits,
        min_distance=min_distance(chosen),
        mean_distance=mean_distance(chosen),
        upper_bound=upper_bound(n_classes, bits),
        construction=chosen.code.construction,
    )


def _check_centers(centers: HashCenters | ArrayLike) -> tuple[Codes, int]:
    """The codes of centers, and their bits: all of their bytes, padding included, if they come without HashCenters."""
    if isinstance(centers, HashCenters):
        return centers.codes, centers.bits
    rows = _arrays.CodeRows("centers", centers)
    if rows.count == 0:
        raise ValueError(f"centers: expected at least one center, got shape ({rows.count}, {rows.width})")
    return rows.take_all(), rows.bits


def semantic_centers(centers: HashCenters | ArrayLike, label_matrix: ArrayLike, *, seed: int = 0) -> ByteArray:
    """Vote a center for each sample of several labels: every bit as most of the centers of its classes have it.

    Parameters
    ----------
    centers : HashCenters or packed codes of shape (n_classes, bytes), uint8
        One for each class; `hash_centers` with ``multi_label=True`` makes them for this.
    label_matrix : array of shape (n, n_classes), bool, integers or floats
        A row for each sample; what is not zero is a label. Each row needs one.
    seed : int
        Of the random word that decides where a vote is a tie: about half of the bits for two labels.

    Returns
    -------
    array of shape (n, bytes), uint8
        Packed codes; a tensor if `label_matrix` is one.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        For arrays of the wrong kind or shape, for NaN, and for a row without a label, which is named.

    Notes
    -----
    Ties are broken by one random word for all rows, as CSQ's code does [1]_: the result is a function of the set of labels and
    the seed, not of the row. A draw for each row would put noise on the same targets. O(n n_classes bits) time, in blocks of
    64 MiB.

    References
    ----------
    .. [1] Yuan et al., "Central similarity quantization", 2020, section 3.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> centers = np.array([[0b11110000], [0b11001100], [0b10101010]], np.uint8)
    >>> voted = hardmine.semantic_centers(centers, [[1, 0, 0], [1, 1, 1]])
    >>> [format(code, "08b") for code in voted[:, 0]]
    ['11110000', '11101000']
    """
    codes, bits = _check_centers(centers)
    labels = _arrays.to_numpy("label_matrix", label_matrix)
    if labels.dtype.kind not in "biuf":
        raise TypeError(f"label_matrix: expected booleans or numbers, got {labels.dtype}")
    if labels.ndim != 2 or labels.shape[1] != len(codes):
        raise ValueError(f"label_matrix: expected shape (n, {len(codes)}), a column for each center, got shape {labels.shape}")
    tie = np.random.default_rng(_arguments.whole("seed", seed)).integers(0, 2, 8 * codes.shape[1], dtype=np.uint8)[:bits]
    signs = _signs(codes, bits)
    voted = np.empty((len(labels), codes.shape[1]), np.uint8)
    step = max(1, BLOCK // max(len(codes), bits))
    for first in range(0, len(labels), step):
        block = labels[first : first + step]
        if block.dtype.kind == "f" and np.isnan(block).any():
            row = first + int(np.isnan(block).any(axis=1).argmax())
            raise ValueError(f"label_matrix: expected numbers, got NaN in row {row}")
        has = block != 0
        if not has.any(axis=1).all():
            row = first + int(has.any(axis=1).argmin())
            raise ValueError(f"label_matrix: expected a label in every row, got none in row {row}")
        votes = has.astype(np.float32) @ signs  # sums of +-1, exact
        voted[first : first + step] = np.packbits(np.where(votes == 0, tie, votes > 0), axis=1)
    return _arrays.like(voted, _arrays.device_of(label_matrix))


def assign_centers(
    codes: ArrayLike, centers: HashCenters | ArrayLike, *, threads: int | None = None
) -> tuple[IntArray, DistanceArray]:
    """Find the nearest center of each code: the class it decodes to.

    Parameters
    ----------
    codes : array of shape (n, bytes), uint8
        Packed codes of as many bits as the centers.
    centers : HashCenters or packed codes of shape (n_classes, bytes), uint8
        Where to look.
    threads : int, optional
        See `topk`.

    Returns
    -------
    indices, distances : arrays of shape (n,), int64 and int32
        The center, the lower one of two as near, and its Hamming distance; tensors if `codes` is one.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As `topk`.

    Notes
    -----
    O(n n_classes bits) time; memory as `topk`.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> indices, distances = hardmine.assign_centers(np.array([[7], [240]], np.uint8), np.array([[0], [255]], np.uint8))
    >>> indices.tolist(), distances.tolist()
    ([0, 0], [3, 4])
    """
    rows, bits = _check_centers(centers)
    given = _arrays.CodeRows("codes", codes)
    if given.width != rows.shape[1]:
        shape = (given.count, given.width)
        raise ValueError(f"codes: expected rows of {rows.shape[1]} bytes like centers, got shape {shape}")
    distances, indices = topk(codes, rows, 1, metric="hamming", bits=bits, threads=threads)
    return indices[:, 0], distances[:, 0]


def assign_classes(centers: HashCenters | ArrayLike, similarity: ArrayLike) -> IntArray:
    """Match classes with centers, one to one: similar classes get near centers, the minimum distance stays.

    Parameters
    ----------
    centers : HashCenters or packed codes of shape (n_centers, bytes), uint8
        As many as there are classes, or more.
    similarity : array of shape (n_classes, n_classes) or (n_classes, n_centers)
        A symmetric matrix is the similarity between classes; any other is the score of each class for each center.

    Returns
    -------
    array of shape (n_classes,), int64
        The center of each class, each center once; a tensor if `similarity` is one.

    Raises
    ------
    ImportError
        Without SciPy.
    TypeError, ValueError, RuntimeError
        For an array of the wrong kind or shape, and for NaN or infinity.

    Notes
    -----
    Scores are a linear assignment, solved exactly: the largest total. Similarities are a quadratic assignment: the sum of
    similarity times distance over all pairs is to be small. No way to its optimum is known but trying, so this is a good
    local one: the Frank-Wolfe method from a fixed random start, then the best exchanges of two classes while one helps.
    O(n_centers^3) time for each of up to 30 steps, seconds for 1,000 centers; O(n_centers^2) memory. No randomness is left:
    the same input gives the same result.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> centers = np.array([[0], [255], [1]], np.uint8)
    >>> hardmine.assign_classes(centers, np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]])).tolist()  # the first two are alike
    [0, 2, 1]
    >>> hardmine.assign_classes(centers, np.array([[0.5, 0.9, 0.1], [0.1, 0.8, 0.2]])).tolist()  # 0.5 + 0.8 is the most
    [0, 1]
    """
    from hardmine.hashing.coding import matching  # loaded when called, as in hash_centers

    codes, bits = _check_centers(centers)
    scores = _arrays.to_numpy("similarity", similarity)
    if scores.dtype.kind not in "biuf":
        raise TypeError(f"similarity: expected real numbers, got {scores.dtype}")
    count = len(codes)
    if scores.ndim != 2 or scores.shape[1] not in (len(scores), count) or not 1 <= len(scores) <= count:
        raise ValueError(f"similarity: expected shape (n, n) or (n, {count}), n from 1 to {count}, got shape {scores.shape}")
    scores = scores.astype(np.float64)
    if not np.isfinite(scores).all():
        row = int(np.isfinite(scores).all(axis=1).argmin())
        raise ValueError(f"similarity: expected finite numbers, got NaN or infinity in row {row}")
    between_classes = len(scores) == scores.shape[1] and np.array_equal(scores, scores.T)
    if not between_classes and scores.shape[1] != count:
        raise ValueError(f"similarity: expected a symmetric matrix or {count} columns, got neither in shape {scores.shape}")
    matched = matching.quadratic(scores, _signs(codes, bits)) if between_classes else matching.linear(scores)
    return _arrays.like(matched, _arrays.device_of(similarity))
