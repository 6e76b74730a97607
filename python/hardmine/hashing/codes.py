"""Binary codes as packed bytes: what `metric="hamming"` compares."""

from __future__ import annotations

import numpy as np

from hardmine import _arguments, _arrays
from hardmine._arrays import ArrayLike, BoolArray, ByteArray

MOST_BITS = 8 * _arrays.MOST_CODE_BYTES
BLOCK = 1 << 24  # numbers looked at in one go


def pack(x: ArrayLike) -> ByteArray:
    """Pack rows of signs or bits, eight to a byte: a bit is set where ``x > 0``.

    Booleans, 0/1, -1/+1 and real outputs of a network all become the codes one expects. Bit i of a row is bit ``7 - i % 8``
    of byte ``i // 8``, the order of `numpy.packbits`; the last byte is filled up with zeros.

    Parameters
    ----------
    x : array of shape (n, bits), any real dtype
        NumPy, torch (CPU) or anything with DLPack or ``__array__``; 1 to 65,536 bits.

    Returns
    -------
    array of shape (n, ceil(bits / 8)), uint8
        A tensor if `x` is one.

    Raises
    ------
    TypeError, ValueError
        If `x` is not a matrix of real numbers, has too many columns or holds NaN.

    Notes
    -----
    O(n bits) time; memory above the codes is a block of 16 MiB.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> hardmine.pack(np.array([[0.9, -0.2, 0.1, -1.0]]))
    array([[160]], dtype=uint8)
    """
    values = _arrays.rows_of("x", x)
    if _arrays.is_torch(values):
        values = _arrays.to_numpy("x", values)
    if values.dtype.kind not in "biuf":
        raise TypeError(f"x: expected real numbers or booleans, got {values.dtype}")
    if len(values.shape) != 2 or not 1 <= values.shape[1] <= MOST_BITS:
        raise ValueError(f"x: expected an array of shape (rows, 1 to {MOST_BITS} bits), got shape {values.shape}")
    n, bits = values.shape
    codes = np.empty((n, -(-bits // 8)), np.uint8)
    step = max(1, BLOCK // bits)
    for first in range(0, n, step):
        block = np.asarray(values[first : first + step])
        if block.dtype.kind == "f" and np.isnan(block).any():
            raise ValueError(f"x: expected numbers, got NaN in row {first + int(np.isnan(block).any(axis=1).argmax())}")
        codes[first : first + step] = np.packbits(block > 0, axis=1)
    return _arrays.like(codes, _arrays.device_of(x))


def unpack(codes: ArrayLike, bits: int) -> BoolArray:
    """Unpack the first `bits` bits of each code: the inverse of `pack`.

    Parameters
    ----------
    codes : array of shape (n, ceil(bits / 8)), uint8
        As `pack` returns them.
    bits : int
        Bits that count; the rest of the last byte is padding.

    Returns
    -------
    array of shape (n, bits), bool
        A tensor if `codes` is one.

    Raises
    ------
    TypeError, ValueError
        If `codes` are not rows of bytes, or `bits` does not belong to their width.

    Notes
    -----
    O(n bits) time; no memory above the result.

    Examples
    --------
    >>> import numpy as np, hardmine
    >>> hardmine.unpack(np.array([[160]], np.uint8), 4)
    array([[ True, False,  True, False]])
    """
    rows = _arrays.CodeRows("codes", codes, _arguments.positive("bits", bits))
    unpacked = np.unpackbits(rows.take_all(), axis=1, count=rows.bits).view(np.bool_)
    return _arrays.like(unpacked, rows.torch)
