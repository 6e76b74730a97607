"""Which words of a code become centers: those that leave every bit half ones.

Complementary pairs do so exactly. They are wrong where centers are voted over: h and its complement cancel, and in a linear
code with the all-one word the majority of three words a, b, c is as near to a + b + c + 1 as to themselves. Then one word of
each pair is taken, of a linear code those of a subcode without the all-one word.
"""

from __future__ import annotations

import numpy as np

from hardmine._arrays import Floats, Ints
from hardmine.hashing.coding.code import Bits, Code

ROUNDS = 200
SAMPLE = 64  # words looked at in a round on each side
MOST_SPARE = 2048  # words that may be exchanged for chosen ones
MOST_BITS = 1 << 22  # of the words that are made for it; more of them balance by themselves, and sums would be rounded


def choose(code: Code, count: int, rng: np.random.Generator, multi_label: bool) -> Ints:
    """The numbers of `count` words."""
    if code.paired and not multi_label:
        pairs = _draw(code.size // 2, -(-count // 2), rng)
        return (2 * pairs[:, None] + np.arange(2)).reshape(-1)[:count]
    if code.paired:
        lower = _draw(code.size // 2, min(count, code.size // 2), rng) * 2
        upper = _draw(code.size // 2, count - len(lower), rng) * 2 + 1
        return np.concatenate([lower, upper])
    spare = min(code.size - count, MOST_SPARE, MOST_BITS // code.bits - count)
    numbers = _draw(code.size, count + max(0, spare), rng)
    return numbers if spare <= 0 else numbers[_balanced(_signs(code.words(numbers)), count, rng)]


def _draw(size: int, count: int, rng: np.random.Generator) -> Ints:
    """Distinct numbers below `size` in random order, the last one (a constant word) only if all are wanted."""
    if count < size:
        size -= 1
    return rng.choice(size, count, replace=False) if count else np.empty(0, np.int64)


def _signs(words: Bits) -> Floats:
    return 1 - 2 * words.astype(np.float32)


def _balanced(signs: Floats, count: int, rng: np.random.Generator) -> Ints:
    """Which `count` of the rows to take: from the first ones on, exchanges that lower the sum of the squared column sums.

    Of many pairs the best one is exchanged in each round, unless that would put one bit farther off than any was.
    """
    order = np.arange(len(signs))
    total = signs[:count].sum(axis=0)
    looked_at = 2 * SAMPLE * signs.shape[1]
    for _ in range(min(ROUNDS, MOST_BITS * 8 // looked_at)):
        if np.abs(total).max() <= count % 2:
            break
        old = rng.integers(0, count, SAMPLE)
        new = rng.integers(count, len(signs), min(SAMPLE, len(signs) - count))
        x, y = signs[order[old]], signs[order[new]]
        # |total - x + y|^2 - |total|^2 but for a constant; sums of small integers, exact in float32
        change = (y @ total)[None, :] - (x @ total)[:, None] - x @ y.T
        i, j = np.unravel_index(change.argmin(), change.shape)
        moved = total + y[j] - x[i]
        if change[i, j] < -signs.shape[1] and np.abs(moved).max() <= np.abs(total).max():
            total = moved
            order[[old[i], new[j]]] = order[[new[j], old[i]]]
    return order[:count]
