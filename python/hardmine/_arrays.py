"""Array-likes in, the same kind out: the only module that knows dtypes, torch, DLPack and memory maps.

The core reads float32 rows of adjacent numbers in place, whatever the distance between rows. Everything else (other
floats, byte orders, strides inside a row) is rounded to float32 once, block by block, so that a memory map or a large
float16 array is never copied whole.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from copy import copy
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeGuard, TypeVar

import numpy as np
from numpy.typing import NDArray

from hardmine import _arguments, _core

Floats: TypeAlias = NDArray[np.float32]
Ints: TypeAlias = NDArray[np.int64]
Number = TypeVar("Number", bound=np.generic)


class SupportsArray(Protocol):
    """What NumPy can make an array of, a tensor for example."""

    def __array__(self) -> NDArray[Any]: ...


class SupportsDLPack(Protocol):
    """An array of another library."""

    def __dlpack__(self, *, stream: None = None) -> Any: ...
    def __dlpack_device__(self) -> Any: ...


class Tensor(Protocol):
    """A torch tensor, as far as a caller of this library or the library itself needs its type."""

    @property
    def shape(self) -> Any: ...
    @property
    def dtype(self) -> Any: ...
    @property
    def layout(self) -> Any: ...
    @property
    def device(self) -> Any: ...
    def detach(self) -> Tensor: ...
    def resolve_neg(self) -> Tensor: ...
    def float(self) -> Tensor: ...
    def numpy(self) -> NDArray[Any]: ...
    def __array__(self) -> NDArray[Any]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, key: Any) -> Any: ...
    def __add__(self, other: Any) -> Any: ...
    def __sub__(self, other: Any) -> Any: ...
    def __rsub__(self, other: Any) -> Any: ...
    def __mul__(self, other: Any) -> Any: ...
    def __truediv__(self, other: Any) -> Any: ...
    def __lt__(self, other: Any) -> Any: ...
    def __le__(self, other: Any) -> Any: ...
    def __gt__(self, other: Any) -> Any: ...
    def __ge__(self, other: Any) -> Any: ...


ArrayLike: TypeAlias = NDArray[Any] | SupportsArray | SupportsDLPack | Sequence[Any]
# What a function returns is a tensor where its first argument is one.
FloatArray: TypeAlias = Floats | Tensor
RealArray: TypeAlias = NDArray[np.float64] | Tensor
IntArray: TypeAlias = Ints | Tensor
ByteArray: TypeAlias = NDArray[np.uint8] | Tensor
BoolArray: TypeAlias = NDArray[np.bool_] | Tensor

BLOCK_BYTES = 32 << 20  # of a converted block
CHECKED = 1 << 20  # numbers looked at in one go
MOST_CODE_BYTES = 8192
MOST_ROWS = 2**32 - 2


def is_torch(array: object) -> TypeGuard[Tensor]:
    """Whether `array` is a torch tensor; never imports torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(array, torch.Tensor)


def to_numpy(name: str, array: ArrayLike | float) -> NDArray[Any]:
    """View `array` as NumPy without a copy where that is possible; bfloat16 tensors are converted to float32."""
    if is_torch(array):
        check_on_cpu(name, array)
        tensor = array.detach().resolve_neg()
        known = str(tensor.dtype) not in ("torch.bfloat16", "torch.float8_e4m3fn", "torch.float8_e5m2")
        return np.asarray(tensor.numpy() if known else tensor.float().numpy())
    if isinstance(array, np.ma.MaskedArray):
        raise TypeError(f"{name}: expected an array without a mask, got a masked array")
    if isinstance(array, np.ndarray):
        return array
    if hasattr(array, "__dlpack__") and not hasattr(array, "__array__"):
        try:
            return np.from_dlpack(array)
        except (BufferError, RuntimeError) as error:
            raise RuntimeError(f"{name}: expected an array on the CPU, got one NumPy cannot view ({error})") from None
    try:
        return np.asarray(array)
    except ValueError:
        raise ValueError(f"{name}: expected an array, got rows of different lengths") from None


def check_on_cpu(name: str, tensor: Tensor) -> None:
    """Raise unless a tensor is a dense one on the CPU."""
    if str(tensor.layout) != "torch.strided":
        raise TypeError(f"{name}: expected a dense tensor, got layout {tensor.layout}")
    if tensor.device.type != "cpu":
        raise RuntimeError(f"{name}: this build computes on the CPU, got a tensor on {tensor.device}; pass tensor.cpu()")


class Block(NamedTuple):
    """Rows that follow one another, as the core reads them."""

    first: int  # the number of the first one in the caller's array
    rows: NDArray[Any]
    prepared: _core.PreparedRows | None = None  # what they are as a part of an index


class Rows:
    """A 2-D array-like, seen as blocks of rows that the core can read in place: `FloatRows`, `CodeRows` or an index's."""

    name: str
    torch: bool
    count: int
    width: int
    item: int  # bytes of a number of a block
    _array: Any  # as it was given

    @property
    def dtype(self) -> str:
        """Of the rows as they were given."""
        return str(self._array.dtype).removeprefix("torch.")

    def blocks(self, begin: int = 0, end: int | None = None) -> Iterator[Block]:
        """Yield the rows from `begin` to `end`: one block without a copy where they can be read in place."""
        end = self.count if end is None else end
        whole = self._in_place()
        if whole is not None:
            yield Block(begin, whole[begin:end])
            return
        step = max(1, BLOCK_BYTES // (self.item * self.width))
        for first in range(begin, end, step):
            yield Block(first, self._convert(self._array[first : min(end, first + step)]))

    def take_all(self) -> NDArray[Any]:
        """All rows as one block, converted whole if need be."""
        whole = self._in_place()
        return self._convert(self._array) if whole is None else whole

    def at(self, numbers: Ints) -> NDArray[Any]:
        """Some rows, as a block of their own."""
        return self._convert(self._array[like(numbers, is_torch(self._array))])

    def only(self, numbers: Ints) -> Rows:
        """Some rows, as rows of their own."""
        part = copy(self)
        part._array, part.count, part.torch = self.at(numbers), len(numbers), False
        return part

    def part(self, begin: int, end: int) -> Rows:
        """Rows that follow one another, as rows of their own; nothing is copied."""
        part = copy(self)
        part._array, part.count = self._array[begin:end], end - begin
        return part

    def overlaps(self, other: NDArray[Any]) -> bool:
        """Whether writing to `other` might change these rows."""
        whole = self._in_place()
        return whole is not None and np.may_share_memory(whole, other)

    def _in_place(self) -> NDArray[Any] | None:
        raise AssertionError("every kind of rows that is asked says so itself")

    def _convert(self, part: Any) -> NDArray[Any]:
        raise AssertionError("every kind of rows that is asked says so itself")

    def _check_count(self, shape: tuple[int, ...]) -> None:
        if shape[0] > MOST_ROWS:
            raise ValueError(f"{self.name}: expected fewer than 2**32 - 1 rows, got {shape[0]}")
        self.count, self.width = shape


class FloatRows(Rows):
    """Rows of floats of any size, as float32."""

    item = 4

    def __init__(self, name: str, array: ArrayLike) -> None:
        self.name, self.torch = name, is_torch(array)
        if self.torch:
            tensor: Any = array
            check_on_cpu(name, tensor)
            self._array = tensor.detach()
            floating = self._array.dtype.is_floating_point
        else:
            self._array = to_numpy(name, array)
            floating = self._array.dtype.kind == "f"
        shape = tuple(self._array.shape)
        if len(shape) != 2:
            raise ValueError(f"{name}: expected an array of shape (rows, dimensions), got shape {shape}")
        if not floating:
            raise TypeError(f"{name}: expected floating-point numbers, got {self._array.dtype}")
        if shape[1] == 0:
            raise ValueError(f"{name}: expected at least one dimension, got shape {shape}")
        self._check_count(shape)

    def check_finite(self, numbers: Ints | None = None) -> None:
        """Raise for the first row that is not finite; `numbers` are those of the rows in the caller's array."""
        step = max(1, CHECKED // self.width)
        for first, block, _ in self.blocks():
            for start in range(0, len(block), step):
                finite = np.isfinite(block[start : start + step]).all(axis=1)
                if not finite.all():
                    bad = first + start + int(finite.argmin())
                    row = bad if numbers is None else numbers[bad]
                    raise ValueError(f"{self.name}: expected finite numbers, got NaN or infinity in row {row}")

    def _in_place(self) -> Floats | None:
        if self.torch and str(self._array.dtype) != "torch.float32":
            return None
        array = to_numpy(self.name, self._array)
        adjacent = array.strides[1] == 4 or self.width == 1
        if array.dtype != np.float32 or not array.dtype.isnative or not array.flags.aligned or not adjacent:
            return None
        return array if array.strides[0] % 4 == 0 else None

    def _convert(self, part: Any) -> Floats:
        if self.torch:
            part = to_numpy(self.name, part)
        with np.errstate(over="ignore"):  # what overflows is infinite, and reported as such
            return np.require(part, np.float32, ["C_CONTIGUOUS", "ALIGNED"])


class CodeRows(Rows):
    """Rows of packed codes. Padding never counts: rows whose padding is not zero are copied with zeros there."""

    item = 1

    def __init__(self, name: str, array: ArrayLike, bits: int | None = None, else_: str = "hardmine.pack makes them") -> None:
        self.name, self.torch = name, is_torch(array)
        self._array = to_numpy(name, array)
        if self._array.dtype != np.uint8:
            raise TypeError(f"{name}: expected packed codes, uint8, got {self._array.dtype}; {else_}")
        shape = self._array.shape
        if len(shape) != 2 or not 1 <= shape[1] <= MOST_CODE_BYTES:
            raise ValueError(f"{name}: expected an array of shape (rows, 1 to {MOST_CODE_BYTES} bytes), got shape {shape}")
        self._check_count(shape)
        self.bits = self.check_bits(bits)

    def check_bits(self, bits: int | None) -> int:
        """How many bits count, which must belong to the width; None: all."""
        if bits is None:
            return 8 * self.width
        bits = _arguments.positive("bits", bits)
        if -(-bits // 8) != self.width:
            least, most = 8 * self.width - 7, 8 * self.width
            raise ValueError(f"bits: expected {least} to {most} for {self.name} of {self.width} bytes, got {bits}")
        return bits

    def _in_place(self) -> NDArray[np.uint8] | None:
        if self.width > 1 and self._array.strides[1] != 1:
            return None
        padding = 0xFF >> (self.bits - 1) % 8 + 1
        return None if padding and (self._array[:, -1] & padding).any() else self._array

    def _convert(self, part: Any) -> NDArray[np.uint8]:
        rows = np.array(part, order="C")
        rows[:, -1] &= 0xFF << 7 - (self.bits - 1) % 8 & 0xFF
        return rows


def like(array: NDArray[Number], torch_wanted: bool) -> NDArray[Number] | Tensor:
    """Give a result back as the caller's kind, without a copy."""
    if not torch_wanted:
        return array
    tensor: Tensor = sys.modules["torch"].from_numpy(array)
    return tensor


def outline(value: object) -> str:
    """The dtype and shape of an array, for a `repr`; anything else as it is."""
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{value.dtype} {tuple(value.shape)}"
    return repr(value)


def is_output(out: object) -> TypeGuard[NDArray[Any] | Tensor]:
    """Whether `out` can be written to: a NumPy array or a torch tensor."""
    return isinstance(out, np.ndarray) or is_torch(out)


def integers(name: str, array: ArrayLike) -> Ints:
    """A 1-D array of integers as contiguous int64."""
    values = to_numpy(name, array)
    if values.size == 0 and not isinstance(array, np.ndarray):
        values = values.astype(np.int64)  # an empty list has no integers to be told by
    if values.ndim != 1:
        raise ValueError(f"{name}: expected a 1-D array of integers, got shape {values.shape}")
    if values.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected integers, got {values.dtype}")
    return np.ascontiguousarray(values, dtype=np.int64)


def outside(numbers: Ints, least: int, limit: int) -> int | None:
    """The least of the numbers if it is below `least`, the largest if it reaches `limit`, else None.

    What is returned was seen: looked for again, a number that another thread writes over may be gone.
    """
    if len(numbers) == 0:
        return None
    lowest, highest = int(numbers.min()), int(numbers.max())
    return lowest if lowest < least else highest if highest >= limit else None


def thresholds(name: str, value: ArrayLike | float, count: int) -> NDArray[np.float64]:
    """A number, or one for each query, as float64."""
    values = to_numpy(name, value)
    if values.dtype.kind not in "fiu":
        raise TypeError(f"{name}: expected a number or one for each query, got {values.dtype}")
    if values.shape not in ((), (count,)):
        raise ValueError(f"{name}: expected a number or {count} of them, one for each query, got shape {values.shape}")
    if np.isnan(values).any():
        raise ValueError(f"{name}: expected numbers, got NaN")
    return np.broadcast_to(values.astype(np.float64), (count,))


def round_up(values: NDArray[np.float64]) -> Floats:
    """The smallest float32 not below each value: x < value exactly where float32 x < round_up(value)."""
    with np.errstate(over="ignore", under="ignore"):
        rounded = values.astype(np.float32)
        return np.ascontiguousarray(np.where(rounded < values, np.nextafter(rounded, np.float32(np.inf)), rounded))


def round_down(values: NDArray[np.float64]) -> Floats:
    """The largest float32 not above each value."""
    return -round_up(-values)
