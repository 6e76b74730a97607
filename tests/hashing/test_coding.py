"""Every construction's own parameters: matrices, minimum weights, distances of all pairs."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from hardmine.hashing.coding import (
    catalogue,
    codebook,
    column_search,
    cyclic,
    hadamard,
    kerdock,
    levenshtein,
    linear,
    quasi_cyclic,
)
from hardmine.hashing.coding.bounds import plotkin
from hardmine.hashing.coding.code import juxtaposed
from hardmine.hashing.coding.fields import PRIMITIVE, binary_powers, prime_power, residues

NO_RECIPE = {92, 116, 156, 172, 184, 188}  # below 200: Williamson's and others


def min_distance(words):
    """Of all pairs, by a product of signs."""
    signs = 1 - 2 * words.astype(np.float32)
    product = signs @ signs.T
    np.fill_diagonal(product, -np.inf)
    return int((words.shape[1] - product.max()) / 2)


def all_words(code):
    return code.words(np.arange(code.size))


# fields


@pytest.mark.parametrize("r", PRIMITIVE)
def test_the_polynomials_are_primitive(r):
    assert len(np.unique(binary_powers(r))) == 2**r - 1 == binary_powers(r).max()


def test_prime_powers():
    primes = [p for p in range(2, 130) if all(p % q for q in range(2, p))]
    powers = {p**e: (p, e) for p in primes for e in range(1, 8) if p**e < 130}
    assert {q: prime_power(q) for q in range(130) if prime_power(q)} == powers


@pytest.mark.parametrize(("p", "e"), [(3, 1), (7, 1), (3, 2), (5, 2), (3, 3), (3, 5), (7, 3), (5, 4)])
def test_half_of_a_field_are_squares(p, e):
    character = residues(p, e)
    assert character[0] == 0
    assert (character == 1).sum() == (character == -1).sum() == (p**e - 1) // 2


# Hadamard matrices


@pytest.mark.parametrize("order", [1, 2, *range(4, 201, 4), 244, 344, 512, 1252, 2188])
def test_hadamard_matrices(order):
    if order in NO_RECIPE:
        assert hadamard.recipe(order) is None
        return
    matrix = hadamard.rows(order, np.arange(order)).astype(np.float64)
    assert set(np.unique(matrix)) <= {-1, 1}
    np.testing.assert_array_equal(matrix @ matrix.T, order * np.eye(order))
    np.testing.assert_array_equal(hadamard.rows(order, np.array([order - 1, 0])), matrix[[order - 1, 0]])


def test_recipes():
    assert hadamard.recipe(28)[0] == "paley1" and hadamard.recipe(28)[1] == 27
    assert hadamard.recipe(52)[:2] == ("paley2", 25)
    assert hadamard.recipe(40)[0] == "product"
    assert all(hadamard.recipe(order) is None for order in (0, 3, 6, 10, 92))


@pytest.mark.parametrize("order", [2, 4, 8, 12, 20, 28, 36, 52, 64, 96, 100])
def test_signed_hadamard_codes(order):
    code = hadamard.signed(order)
    words = all_words(code)
    assert words.shape == (2 * order, order) == (code.size, code.bits)
    assert min_distance(words) == code.distance == order // 2
    np.testing.assert_array_equal(words[1::2], 1 - words[::2])
    assert set(words[-2:].sum(axis=1)) == {0, order}, "the constant words come last"
    constant = (words[::2] == words[0]).all(axis=0).sum()
    assert constant == (1 if order & (order - 1) == 0 else 0), "only Sylvester's rows of one sign have a dead bit"
    assert min_distance(code.punctured(order - 1).words(np.arange(code.size))) >= order // 2 - 1


# Levenshtein


def test_levenshtein_codes_meet_plotkin_s_bound():
    for words in range(2, 45):
        for bits in range(1, 70):
            code = levenshtein.levenshtein(words, bits)
            if plotkin(words, bits) * 2 <= bits:
                assert code is None
            elif code is not None:
                found = code.words(np.arange(words))
                assert found.shape == (words, bits)
                assert min_distance(found) >= code.distance == plotkin(words, bits)
    for (words, bits), d in {(10, 32): 17, (10, 64): 35, (21, 64): 33, (10, 128): 70, (20, 96): 50, (50, 4096): 2089}.items():
        assert levenshtein.levenshtein(words, bits).distance == d


# linear codes


def test_walsh_hadamard_is_the_sum_over_parities(rng):
    values = rng.integers(-9, 9, (3, 16))
    u = np.arange(16)
    signs = 1 - 2 * linear.parity(u[:, None] & u).astype(int)
    np.testing.assert_array_equal(linear.walsh_hadamard(values), values @ signs)


@pytest.mark.parametrize("dimension", [1, 3, 8, 9, 20, 40])
def test_words_are_parities(dimension, rng):
    columns, messages = rng.integers(0, 1 << dimension, 50), rng.integers(0, 1 << dimension, 30)
    direct = [[(int(u) & int(g)).bit_count() % 2 for g in columns] for u in messages]
    np.testing.assert_array_equal(linear.combine(columns, dimension, messages), direct)


def test_weights_are_those_of_the_words(rng):
    columns = rng.integers(0, 1 << 9, 40)
    words = linear.combine(columns, 9, np.arange(1 << 9))
    np.testing.assert_array_equal(linear.weights(columns, 9), words.sum(axis=1))
    assert linear.min_weight(columns, 9) == words[1:].sum(axis=1).min()


def as_set(words):
    return {bytes(word) for word in words}


@hypothesis.given(st.integers(2, 7), st.integers(8, 20), st.booleans(), st.integers(0, 2**32))
def test_the_all_one_word_becomes_message_one(dimension, bits, planted, seed):
    rng = np.random.default_rng(seed)
    generator = np.concatenate([rng.integers(0, 2, (dimension - 1, bits)), rng.integers(0, 2, (1, bits)) | planted])
    columns = linear.from_generator(rng.permutation(generator))
    words = linear.combine(columns, dimension, np.arange(1 << dimension))
    new, found = linear.with_all_one_first(columns, dimension)
    again = linear.combine(new, dimension, np.arange(1 << dimension))
    assert found == words.all(axis=1).any()
    assert as_set(again) == as_set(words)
    if found:
        assert again[1].all()
        free = (1 not in new) or len(set(new)) == 1 << (dimension - 1)
        assert free, "a column that is the same in all words of even number, though there is a way without"


def test_shortened_codes_are_the_words_that_begin_with_zeros(rng):
    columns = rng.integers(1, 1 << 8, 30)
    words = linear.combine(columns, 8, np.arange(1 << 8))
    kept = linear.shortened(columns, 8, 1)
    assert as_set(linear.combine(kept, 7, np.arange(1 << 7))) == as_set(words[words[:, 0] == 0][:, 1:])
    assert len(linear.shortened(columns, 8, 3)) == 27


def test_subcodes_are_subcodes():
    columns, _ = linear.with_all_one_first(next(f for f in cyclic.bch(6) if f.dimension == 16).columns(16), 16)
    some = linear.subcode(columns, 16, 10)
    assert some.min() > 0 and linear.combine(some, 10, np.array([1])).all()
    assert as_set(linear.combine(some, 10, np.arange(1 << 10))) <= as_set(linear.combine(columns, 16, np.arange(1 << 16)))


# families

BCH = """16,5,8 16,7,6 16,11,4 32,6,16 32,11,12 32,16,8 64,7,32 64,10,28 64,16,24 64,18,22 128,15,56 128,22,48 256,13,120
256,21,112 512,10,256 512,19,240 1024,11,512 1024,16,496"""


@pytest.mark.parametrize("parameters", BCH.split())
def test_extended_bch_codes(parameters, rng):
    bits, dimension, distance = map(int, parameters.split(","))
    family = next(f for f in cyclic.bch(bits.bit_length() - 1) if f.dimension == dimension)
    assert (family.bits, family.distance) == (bits, distance)
    columns = family.columns(dimension)
    assert len(columns) == bits
    if dimension <= 19:
        assert linear.min_weight(columns, dimension) == distance
    else:
        words = linear.combine(columns, dimension, rng.integers(1, 1 << dimension, 20_000))
        assert words.sum(axis=1).min() >= distance
    assert linear.with_all_one_first(columns, dimension)[1]


@pytest.mark.parametrize("r", [4, 5, 6, 7, 8])
def test_shortened_bch_codes(r):
    for family in cyclic.bch(r):
        for dimension in {min(12, family.dimension), min(5, family.dimension)}:
            columns = family.columns(dimension)
            assert len(columns) == family.bits - (family.dimension - dimension)
            assert linear.min_weight(columns, dimension) >= family.distance


def test_golay_code():
    columns = cyclic.quadratic_residue(23).columns(12)
    counts = np.bincount(linear.weights(columns, 12), minlength=25)
    assert {w: int(c) for w, c in enumerate(counts) if c} == {0: 1, 8: 759, 12: 2576, 16: 759, 24: 1}


@pytest.mark.parametrize("q", cyclic.RESIDUE_DISTANCES)
def test_quadratic_residue_codes(q, rng):
    family = cyclic.quadratic_residue(q)
    columns = family.columns(family.dimension)
    assert len(columns) == q + 1 == 2 * family.dimension
    words = linear.combine(columns, family.dimension, rng.integers(1, 1 << family.dimension, 20_000))
    assert words.sum(axis=1).min() >= family.distance
    assert (words.sum(axis=1) % 4 == 0).all(), "doubly even"
    if q == 47:  # a word of 8 would have at most 4 ones in one half of the rows' systematic forms
        rows = linear.combine(columns, 24, 1 << np.arange(24))
        for half in (slice(24), slice(24, 48)):
            assert lightest(systematic(rows, half), 4) == 12


def systematic(rows, half):
    """The same code with the identity in half of its bits."""
    rows = np.concatenate([rows[:, half], np.delete(rows, np.r_[half], axis=1)], axis=1)
    for i in range(len(rows)):
        pivot = i + rows[i:, i].argmax()
        rows[[i, pivot]] = rows[[pivot, i]]
        others = rows[:, i].astype(bool) & (np.arange(len(rows)) != i)
        rows[others] ^= rows[i]
    np.testing.assert_array_equal(rows[:, : len(rows)], np.eye(len(rows)))
    return rows


def lightest(rows, most):
    """The smallest weight of a sum of up to `most` rows."""
    best, level = rows.shape[1], [(-1, np.zeros(rows.shape[1], np.uint8))]
    for _ in range(most):
        level = [(j, word ^ rows[j]) for i, word in level for j in range(i + 1, len(rows))]
        best = min(best, min(int(word.sum()) for _, word in level))
    return best


@pytest.mark.parametrize(("r", "terms"), [(11, 1), (13, 1), (16, 1), (11, 2), (12, 2)])
def test_duals_of_bch_codes(r, terms, rng):
    family = cyclic.dual_bch(r, terms)
    columns = family.columns(family.dimension)
    assert len(columns) == 2**r and family.dimension == 1 + terms * r
    if terms == 1:
        assert linear.min_weight(columns, family.dimension) == family.distance == 2 ** (r - 1)
    else:
        words = linear.combine(columns, family.dimension, rng.integers(2, 1 << family.dimension, 3000))
        assert family.distance <= words.sum(axis=1).min() < 2 ** (r - 1)


@pytest.mark.parametrize("key", quasi_cyclic.COLUMNS)
def test_quasi_cyclic_table(key):
    bits, dimension = key
    columns = quasi_cyclic.stored(bits, dimension)
    assert len(columns) == bits
    assert linear.min_weight(columns, dimension) == quasi_cyclic.COLUMNS[key][0]
    for family in quasi_cyclic.families():
        if family.dimension == dimension and family.bits - bits in (0, 1):
            assert linear.min_weight(family.columns(dimension), dimension) == family.distance


@pytest.mark.parametrize("r", [3, 5])
def test_kerdock_codes(r):
    code = kerdock.kerdock(r)
    words = all_words(code)
    assert (code.bits, code.size, code.distance) == {3: (16, 256, 6), 5: (64, 4096, 28)}[r]
    assert min_distance(words) == code.distance
    np.testing.assert_array_equal(words[1::2], 1 - words[::2])
    assert set(words[-2:].sum(axis=1)) == {0, code.bits}
    assert words[::2].any(axis=0).all() and not words[::2].all(axis=0).any(), "no bit is the same in all even words"


@pytest.mark.parametrize("r", [7, 9])
def test_large_kerdock_codes(r, rng):
    code = kerdock.kerdock(r)
    assert (code.bits, code.size, code.distance) == {7: (256, 65536, 120), 9: (1024, 2**20, 496)}[r]
    assert min_distance(code.words(rng.choice(code.size, 4000, replace=False))) >= code.distance
    first = code.words(np.array([12345]))
    distances = np.concatenate([(code.words(part) ^ first).sum(axis=1) for part in np.split(np.arange(65536), 16)])
    assert np.sort(distances)[:2].tolist() == [0, code.distance]


# columns searched, codes side by side


@pytest.mark.parametrize(
    ("bits", "dimension", "d"), [(24, 7, 10), (32, 7, 14), (40, 7, 18), (33, 6, 16), (20, 8, 7), (36, 8, 16)]
)
def test_column_search_reaches_the_best_known(bits, dimension, d):
    found, columns = column_search.search(bits, dimension, d, seed=0)
    assert found == d == linear.min_weight(columns, dimension)
    np.testing.assert_array_equal(columns, column_search.search(bits, dimension, d, seed=0)[1])


def test_column_search_stops_at_its_budget():
    found, columns = column_search.search(30, 6, 30, seed=1, steps=50)
    assert found == linear.min_weight(columns, 6) <= 15
    assert not np.array_equal(columns, column_search.search(30, 6, 30, seed=2, steps=50)[1])


def test_griesmer():
    assert [column_search.griesmer(*p) for p in [(7, 3), (8, 4), (15, 4), (16, 5), (24, 12), (5, 5)]] == [4, 4, 8, 8, 8, 1]


@hypothesis.given(st.integers(1, 300), st.integers(1, 11))
def test_linear_codes_keep_their_promise(bits, dimension):
    for whole in (False, True):
        code = catalogue.linear(bits, dimension, whole)
        k = code.size.bit_length() - 1
        assert code.bits == bits == len(code.columns) and code.distance == catalogue.distance(bits, dimension)
        assert k == dimension or (whole and k > dimension)
        if k <= 14:
            assert linear.min_weight(code.columns, k) >= code.distance
        assert (code.distance > 0) == (bits >= dimension)


def test_codes_side_by_side():
    one, two = hadamard.signed(4), hadamard.signed(12)
    code = juxtaposed([(one, 2), (two, 1)])
    assert (code.bits, code.size, code.distance, code.paired) == (20, 8, 10, True)
    assert code.construction == "2 x ±Hadamard(4) + ±Hadamard(12)"
    np.testing.assert_array_equal(code.words(np.arange(8))[:, 4:8], one.words(np.arange(8)))
    assert min_distance(all_words(code)) >= 10


@pytest.mark.parametrize(("words", "bits"), [(20_000, 300), (1000, 777), (300, 92), (5000, 200), (70_000, 256), (3000, 1500)])
def test_large_codes_keep_their_promise(words, bits, rng):
    code = codebook.best_code(words, bits, seed=0)
    found = code.words(rng.choice(words, min(words, 4000), replace=False))
    assert found.shape[1] == bits == code.bits and code.size >= words
    assert min_distance(found) >= code.distance > bits / 4
