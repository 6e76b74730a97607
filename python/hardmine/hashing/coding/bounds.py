"""Proved upper bounds on the minimum distance of a number of words of a length.

A(K, d) is the largest number of words of K bits that differ pairwise in at least d. Every bound here is a theorem, used with
four simple ones: A(K, d) = A(K + 1, d + 1) for odd d (a parity bit); A(K, d) <= A(L, d) for K <= L (constant bits);
A(K, d) <= 2 A(K - 1, d) (the words that begin with the commoner bit); A(K, d) <= A(K - 1, d - 1) (a bit dropped).
"""

from __future__ import annotations

from hardmine.hashing.coding.delsarte import WORDS


def upper_bound(words: int, bits: int) -> int:
    """The smallest of the bounds of Plotkin, Hamming and Delsarte; one word is as far from the others as can be."""
    if words == 1:
        return bits
    return min(plotkin(words, bits), hamming(words, bits), delsarte(words, bits))


def plotkin(words: int, bits: int) -> int:
    """Plotkin's bound, of all the words and of as many as must agree in their first s bits, for every s."""
    best = bits
    while words > 1 and bits:
        even, odd = _mean_distance(words, bits) & ~1, (_mean_distance(words, bits + 1) & ~1) - 1
        best = min(best, max(even, odd))
        words, bits = -(-words // 2), bits - 1
    return best


def _mean_distance(words: int, bits: int) -> int:
    """The largest mean distance of all pairs, rounded down: a bit adds the most if half of the words have it."""
    return bits * (words // 2) * (-(-words // 2)) * 2 // (words * (words - 1))


def hamming(words: int, bits: int) -> int:
    """The sphere-packing bound: balls of radius t about the words are disjoint if the distance is 2t + 1."""
    if bits > 16 * words.bit_length():
        return bits  # Plotkin's is smaller here; these integers would have thousands of digits
    best = 0
    for length, odd in ((bits, 1), (bits - 1, 2)):  # an even distance has one bit to spare
        t, ball, layer = 0, 1, 1
        while t < length and words * ball <= 1 << length:
            best = max(best, 2 * t + odd)
            t += 1
            layer = layer * (length - t + 1) // t
            ball += layer
    return min(best, bits)


def delsarte(words: int, bits: int) -> int:
    """The linear programming bound, from the table of values for the lengths nearby."""
    best = bits
    for table_bits, (least, *most) in WORDS.items():
        for i, limit in enumerate(most):
            if limit >= words:
                continue
            d = least + 2 * i
            for length, distance in ((table_bits, d), (table_bits - 1, d - 1)):
                surplus = bits - length
                # Fix as many of the surplus bits as leave enough words, and drop the others.
                fixed = min(surplus, ((words - 1) // limit).bit_length() - 1)
                best = min(best, distance - 1 + (surplus - fixed if surplus > 0 else 0))
    return best
