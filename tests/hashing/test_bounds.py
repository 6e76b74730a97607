"""Upper bounds on the minimum distance, the table of linear programming values proved anew, and how near to them codes come.

``python tests/hashing/test_bounds.py`` prints the table of `hardmine.hashing.coding.delsarte`. Let a code have even
distances, d or more. If f(x) = 1 + sum f_k K_k(x), with K_k the Krawtchouk polynomials and all f_k >= 0, is at most 0 at
x = d, d + 2, ..., then the code has at most f(0) words (Delsarte 1973). HiGHS finds such an f nearly; in fractions it is
made one exactly.
"""

import itertools
import math
import os
from fractions import Fraction

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from hardmine.hashing.centers import hash_centers
from hardmine.hashing.coding.bounds import delsarte, hamming, plotkin, upper_bound
from hardmine.hashing.coding.delsarte import WORDS

LENGTHS = [*range(4, 130), *(n + i for n in [*range(132, 257, 4), *range(288, 513, 32), 768, 1024] for i in (0, 1))]
CHECKED = LENGTHS if os.environ.get("HYPOTHESIS_PROFILE") == "deep" else [*LENGTHS[:126], *LENGTHS[126::5]]
MOST_WORDS = 2**24


def krawtchouk(n):
    """K_k(x) for k = 0 .. n // 2 and even x, exactly, [x // 2][k]; for even x the other half repeats them."""
    rows = []
    for x in range(0, n + 1, 2):
        row = [1, n - 2 * x]
        for k in range(1, n // 2):
            row.append(((n - 2 * x) * row[k] - (n - k + 1) * row[k - 1]) // (k + 1))
        rows.append(row[: n // 2 + 1])
    return rows


def certified(n, d, table):
    """A proved upper bound on the number of words of n bits, even distances of d or more; None if none is found."""
    optimize = pytest.importorskip("scipy.optimize")
    sizes = table[0]  # K_k(0), the number of words of weight k
    rows = table[d // 2 :]
    scaled = np.array([[row[k] / sizes[k] for k in range(1, len(sizes))] for row in rows])
    found = optimize.linprog(np.ones(scaled.shape[1]), A_ub=scaled, b_ub=-np.ones(len(rows)), method="highs")
    if found.status != 0:
        return None
    f = [Fraction(max(0, round(v * 2**60)), 2**60) / sizes[k + 1] for k, v in enumerate(found.x)]  # from here on exact
    worst = max(1 + sum(f_k * value for f_k, value in zip(f, row[1:]) if f_k) for row in rows)
    lowered = 1 - max(worst, Fraction(0))  # f - worst is feasible; divided by this it begins with 1 again
    if lowered <= Fraction(1, 2):
        return None
    f = [f_k / lowered for f_k in f]
    assert all(f_k >= 0 for f_k in f)
    assert all(1 + sum(f_k * value for f_k, value in zip(f, row[1:]) if f_k) <= 0 for row in rows)
    return math.floor(1 + sum(f_k * size for f_k, size in zip(f, sizes[1:])))


def derive(n):
    """A row of the table: the smallest distance, and the numbers of words from it up to n / 2."""
    table, values = krawtchouk(n), []
    for d in range(n // 4 * 2, 1, -2):
        value = certified(n, d, table)
        if value is None or value > MOST_WORDS:
            break
        values.append(value)
    return (n // 4 * 2 - 2 * (len(values) - 1), *reversed(values))


def test_krawtchouk():
    for n in (4, 9, 16):
        for x in range(0, n + 1, 2):
            for k in range(n // 2 + 1):
                direct = sum((-1) ** j * math.comb(x, j) * math.comb(n - x, k - j) for j in range(k + 1))
                assert krawtchouk(n)[x // 2][k] == direct


@pytest.mark.parametrize("n", CHECKED)
def test_the_table_is_proved(n):
    least, *values = WORDS[n]
    table = krawtchouk(n)
    for i, value in enumerate(values):
        proved = certified(n, least + 2 * i, table)
        assert proved is not None and 0.999 * value < proved <= value


def test_the_table_is_whole():
    assert list(WORDS) == LENGTHS
    for n, (least, *values) in WORDS.items():
        assert least % 2 == 0 and least + 2 * (len(values) - 1) == n // 4 * 2
        assert values == sorted(values, reverse=True) and values[0] <= MOST_WORDS


CERTIFICATES = {  # (bits, d): no more words than this
    (16, 7): 50,
    (24, 11): 75,
    (24, 9): 551,
    (32, 15): 99,
    (32, 13): 628,
    (32, 16): 64,
    (48, 24): 96,
    (48, 23): 147,
    (48, 21): 586,
    (64, 33): 22,
    (64, 34): 17,
    (64, 36): 9,
    (64, 31): 195,
    (64, 29): 675,
    (64, 27): 6618,
    (128, 65): 44,
    (128, 62): 850,
    (128, 59): 3416,
    (32, 18): 9,
    (16, 9): 6,
}


@pytest.mark.parametrize(("bits", "d"), CERTIFICATES)
def test_certificates(bits, d):
    assert upper_bound(CERTIFICATES[bits, d] + 1, bits) < d
    even = (bits, d) if d % 2 == 0 else (bits + 1, d + 1)
    if even[1] <= even[0] // 2:
        least, *values = WORDS[even[0]]
        assert values[(even[1] - least) // 2] <= CERTIFICATES[bits, d]


@pytest.mark.parametrize(
    ("words", "bits", "bound"),
    [
        (38, 12, 5),
        (200, 12, 3),
        (1000, 12, 2),
        (4096, 12, 1),
        (38, 16, 7),
        (196, 16, 6),
        (365, 16, 5),
        (4096, 16, 2),
        (196, 24, 10),
        (365, 24, 9),
        (4096, 24, 8),
        (5994, 24, 7),
        (21841, 24, 6),
        (80, 32, 15),
        (200, 32, 14),
        (1000, 32, 12),
        (4096, 32, 11),
        (21841, 32, 10),
        (100, 48, 23),
        (365, 48, 22),
        (555, 48, 21),
        (4096, 48, 19),
        (21841, 48, 18),
        (200, 64, 30),
        (555, 64, 29),
        (4096, 64, 28),
        (5994, 64, 27),
        (21841, 64, 26),
        (20, 96, 50),
        (200, 96, 47),
        (1000, 96, 44),
        (21841, 96, 42),
        (38, 128, 65),
        (365, 128, 63),
        (1000, 128, 61),
        (21841, 128, 58),
        (1000, 256, 126),
        (10000, 256, 121),
        (100000, 256, 119),
    ],
)
def test_known_bounds(words, bits, bound):
    assert upper_bound(words, bits) == bound


@pytest.mark.parametrize("bits", range(1, 26))
def test_plotkin_is_the_textbook_bound(bits):
    for d in range(2, bits + 1, 2):
        if 2 * d > bits:
            most = 2 * (d // (2 * d - bits))
        elif 2 * d == bits:
            most = 4 * d
        else:
            continue
        assert plotkin(most, bits) >= d > plotkin(most + 1, bits)


def test_hamming_is_the_sphere_packing_bound():
    assert hamming(16, 7) == 3  # perfect codes
    assert hamming(17, 7) < 3
    assert hamming(4096, 23) == 7
    assert hamming(4097, 23) < 7
    assert hamming(4096, 24) == 8
    assert hamming(2**40, 60) < 60  # integers of any size


def largest(bits, d):
    """A(bits, d) by trying, the zero word among them."""
    words = [w for w in range(1, 1 << bits) if w.bit_count() >= d]

    def grow(count, allowed):
        best = count
        for i, w in enumerate(allowed):
            if count + len(allowed) - i <= best:
                break
            best = max(best, grow(count + 1, [v for v in allowed[i + 1 :] if (v ^ w).bit_count() >= d]))
        return best

    return grow(1, words)


@pytest.mark.parametrize("bits", range(1, 6))
def test_against_all_codes_of_few_bits(bits):
    for d in range(1, bits + 1):
        most = largest(bits, d)
        for words in range(1, most + 1):
            assert upper_bound(words, bits) >= d
        if most < 1 << bits:
            assert upper_bound(most + 1, bits) < d, "tight up to five bits"


def test_bounds_hold_for_codes_that_exist():
    best_known = {(9, 4): 20, (10, 4): 40, (11, 4): 72, (12, 4): 144, (16, 6): 256, (17, 6): 256, (24, 8): 4096, (20, 8): 256}
    for (bits, d), words in best_known.items():
        assert upper_bound(words, bits) >= d
        assert delsarte(words, bits) >= d


def test_bounds_are_monotone():
    for words, bits in itertools.product([2, 3, 17, 100, 1000, 12345, 10**6], [20, 31, 64, 100, 150, 300, 5000, 65536]):
        bound = upper_bound(words, bits)
        assert upper_bound(words + 1, bits) <= bound <= upper_bound(words, bits + 1) <= bound + 1 + (bound < bits)
    assert upper_bound(1, 77) == 77 == upper_bound(2, 77)
    assert upper_bound(2**20, 20) == 1


# what hash_centers reaches


def smallest_and_mean(codes, bits, block=1000):
    signs = np.unpackbits(codes, axis=1, count=bits).astype(np.float32) * 2 - 1
    smallest, total = bits, 0.0
    for i in range(0, len(codes), block):
        part = (bits - signs[i : i + block] @ signs.T) / 2
        total += part.sum(dtype=np.float64)
        part[np.arange(len(part)), i + np.arange(len(part))] = bits
        smallest = min(smallest, int(part.min()))
    return smallest, total / max(1, len(codes) * (len(codes) - 1))


REQUIRED = """10,16,8 10,32,17 10,64,35 21,64,33 100,16,6 100,24,10 100,32,14 100,48,22 100,64,32 100,128,64 200,48,22
200,64,29 365,64,28 1000,32,12 1000,48,20 1000,64,28 1000,128,58 4096,64,28 10000,64,24 10000,128,56 100000,64,22"""
OPTIMAL = """10,16 10,32 10,64 21,64 100,16 100,24 100,32 100,64 100,128 200,48 1000,24 1000,32 1000,48 1000,64 4096,64"""


@pytest.mark.parametrize("case", REQUIRED.split())
def test_distances_reached(case):
    n_classes, bits, required = map(int, case.split(","))
    centers = hash_centers(n_classes, bits)
    assert required <= centers.min_distance <= centers.upper_bound
    assert centers.codes.shape == (n_classes, bits // 8) and centers.codes.dtype == np.uint8
    if n_classes <= 10_000:
        smallest, mean = smallest_and_mean(centers.codes, bits)
        assert smallest == centers.min_distance
        assert mean == pytest.approx(centers.mean_distance, rel=1e-9)
    if n_classes >= 100:
        assert abs(np.unpackbits(centers.codes, axis=1).mean(axis=0) - 0.5).max() < 0.05


@pytest.mark.parametrize("case", OPTIMAL.split())
def test_optimal(case):
    assert hash_centers(*map(int, case.split(","))).optimal


def test_not_optimal():
    centers = hash_centers(200, 64)
    assert not centers.optimal and (centers.min_distance, centers.upper_bound) == (29, 30)


@pytest.mark.slow
@hypothesis.given(st.integers(1, 3000), st.integers(12, 400), st.booleans(), st.integers(0, 3))
def test_any_number_of_words(n_classes, bits, multi_label, seed):
    centers = hash_centers(n_classes, bits, multi_label=multi_label, seed=seed)
    assert centers.codes.shape == (n_classes, -(-bits // 8))
    assert not np.unpackbits(centers.codes, axis=1)[:, bits:].any(), "padding is zero"
    assert 1 <= centers.min_distance <= centers.upper_bound == upper_bound(n_classes, bits)
    if n_classes > 1:
        assert centers.min_distance == smallest_and_mean(centers.codes, bits)[0]


if __name__ == "__main__":
    for length in LENGTHS:
        print(f"    {length}: {derive(length)},")
