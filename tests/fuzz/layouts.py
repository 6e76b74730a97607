"""The same rows as other arrays: dtypes, strides, byte orders, memory maps, tensors. Each says which float32 rows it holds."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np

try:
    import torch
except ModuleNotFoundError:  # nothing is laid out in tensors then
    torch = None

Rng = np.random.Generator


class _OnlyDlpack:
    """An array of some other library."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()


class _InChunks:
    """An array that is not in memory: fetched by slices, in chunks of three rows."""

    def __init__(self, array: Any) -> None:
        self._array, self.shape, self.dtype, self.chunks = array, array.shape, array.dtype, (3, array.shape[1:])

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, rows: Any) -> Any:
        return self._array[rows]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(self._array, dtype)


def _filled(shape: tuple[int, int], dtype: Any) -> Any:
    """What lies between the rows, and must not be read."""
    return np.full(shape, np.nan if dtype == np.float32 else 85, dtype)


def _in_wider_rows(x: Any) -> Any:
    wide = _filled((len(x), x.shape[1] + 3), x.dtype)
    wide[:, 1:-2] = x
    return wide[:, 1:-2]


def _every_other_number(x: Any) -> Any:
    wide = _filled((len(x), 2 * x.shape[1]), x.dtype)
    wide[:, ::2] = x
    return wide[:, ::2]


def _every_third_row(x: Any) -> Any:
    long = _filled((3 * len(x), x.shape[1]), x.dtype)
    long[::3] = x
    return long[::3]


def _unaligned(x: Any) -> Any:
    memory = np.zeros(x.nbytes + 1, np.uint8)
    rows = memory[1:].view(x.dtype) if x.nbytes == 0 else np.frombuffer(memory, x.dtype, x.size, 1)
    rows = rows.reshape(x.shape)
    rows[...] = x
    return rows


def _memory_map(x: Any) -> Any:
    if x.size == 0:  # nothing to map
        return x
    with tempfile.TemporaryFile() as file:
        rows = np.memmap(file, x.dtype, "w+", shape=x.shape)
    rows[...] = x
    return rows


def _read_only(x: Any) -> Any:
    x.flags.writeable = False
    return x


def _half(x: Any) -> Any:
    return np.clip(x, -65504, 65504).astype(np.float16)


def _double(x: Any) -> Any:
    """Numbers between those of float32 that round to these."""
    return x.astype(np.float64) * (1 + 2.0**-30)


def _negative_view(x: Any) -> Any:
    """A tensor with the negative bit: what its memory holds is not what it means."""
    return torch.complex(torch.zeros(x.shape), -torch.from_numpy(x)).conj().imag


# In each the library is given memory of its own, whose layout shrinking can replace by the first.
FLOATS: dict[str, Callable[[Any], Any]] = {
    "in place": lambda x: x,
    "in wider rows": _in_wider_rows,
    "every other number": _every_other_number,
    "every third row": _every_third_row,
    "rows reversed": lambda x: np.ascontiguousarray(x[::-1])[::-1],
    "numbers reversed": lambda x: np.ascontiguousarray(x[:, ::-1])[:, ::-1],
    "Fortran": np.asfortranarray,
    "one row for all": lambda x: np.broadcast_to(x[:1], x.shape) if len(x) else x,
    "unaligned": _unaligned,
    "read-only": _read_only,
    "big-endian": lambda x: x.astype(">f4"),
    "float16": _half,
    "float64": _double,
    "longdouble": lambda x: x.astype(np.longdouble),
    "memory map": _memory_map,
    "memory map of float16": lambda x: _memory_map(_half(x)),
    "list": lambda x: x.tolist() if x.size else x,
    "DLPack": _OnlyDlpack,
    "in chunks": _InChunks,
}
TENSORS: dict[str, Callable[[Any], Any]] = {
    "tensor": lambda x: torch.from_numpy(x),
    "tensor, transposed": lambda x: torch.from_numpy(np.ascontiguousarray(x.T)).T,
    "tensor of float64": lambda x: torch.from_numpy(_double(x)),
    "tensor of bfloat16": lambda x: torch.from_numpy(x).to(torch.bfloat16).clamp(-3e38, 3e38),
    "tensor with gradient": lambda x: torch.from_numpy(x).requires_grad_(),
    "negative view": _negative_view,
}
if torch is not None:
    FLOATS |= TENSORS

_OF_CODES = ("in place", "every third row", "rows reversed", "numbers reversed", "Fortran", "one row for all")
_OF_CODES += ("read-only", "memory map", "tensor", "tensor, transposed", "DLPack", "in chunks")
CODES = {name: FLOATS[name] for name in _OF_CODES if name in FLOATS}


def draw(rng: Rng, layouts: dict[str, Any] = FLOATS) -> str:
    """Half of the time rows are read in place."""
    return "in place" if rng.random() < 0.5 else str(rng.choice(list(layouts)))


def lay_out(rows: Any, layout: str) -> tuple[Any, Any]:
    """(an array-like, what it holds: float32 rows, or uint8 ones of codes)."""
    laid = FLOATS[layout](np.array(rows, order="C"))
    if torch is not None and isinstance(laid, torch.Tensor):
        return laid, laid.detach().to(torch.uint8 if rows.dtype == np.uint8 else torch.float32).resolve_neg().numpy().copy()
    return laid, rows if isinstance(laid, _OnlyDlpack) else np.array(laid, dtype=rows.dtype, order="C")
