"""Array-likes in, the same kind out: the module that knows dtypes, torch, DLPack and memory maps.

The core reads float32 rows of adjacent numbers in place, whatever the distance between rows. Everything else (other
floats, byte orders, strides inside a row) is rounded to float32 once, block by block, so that a memory map or a large
float16 array is never copied whole. What is not in memory at all comes from `sources/`, a block ahead.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from copy import copy
from typing import Any, NamedTuple, TypeAlias, TypeGuard, TypeVar

import numpy as np
from numpy.typing import NDArray

from hardmine import _arguments, _core
from hardmine.sources.kinds import source_of
from hardmine.sources.protocols import SupportsArray, SupportsDLPack, SupportsRows
from hardmine.sources.reading import ahead
from hardmine.sources.shards import InMemory
from hardmine.sources.source import Source
from hardmine.sources.tensors import DeviceTensor, Tensor, on_cpu

Floats: TypeAlias = NDArray[np.float32]
Ints: TypeAlias = NDArray[np.int64]
Number = TypeVar("Number", bound=np.generic)

ArrayLike: TypeAlias = NDArray[Any] | SupportsArray | SupportsDLPack | SupportsRows | Sequence[Any]
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


def device_of(array: object) -> Any:
    """The device of a tensor, which `like` gives results back on; None of anything else."""
    return array.device if is_torch(array) else None


def to_numpy(name: str, array: ArrayLike | float) -> NDArray[Any]:
    """View `array` as NumPy without a copy where that is possible; bfloat16 tensors are converted to float32."""
    if is_torch(array):
        check_tensor(name, array)
        return on_cpu(array)
    if isinstance(array, np.ma.MaskedArray):
        raise TypeError(f"{name}: expected an array without a mask, got a masked array")
    if isinstance(array, np.ndarray):
        return array
    if isinstance(array, Source):
        return array.read(name, 0, len(array))
    if hasattr(array, "__dlpack__") and not hasattr(array, "__array__"):
        there: Any = array
        try:
            return np.from_dlpack(there)
        except (BufferError, RuntimeError) as error:
            raise RuntimeError(f"{name}: expected an array on the CPU, got one NumPy cannot view ({error})") from None
    try:
        return np.asarray(array)
    except ValueError:
        raise ValueError(f"{name}: expected an array, got rows of different lengths") from None


def rows_of(name: str, array: ArrayLike) -> NDArray[Any] | Tensor | Source:
    """An array in memory as it is, a tensor detached, and as a `Source` what is fetched: of files, of a device."""
    if is_torch(array):
        check_tensor(name, array)
        return array.detach() if array.device.type == "cpu" or len(array.shape) != 2 else DeviceTensor(array)
    source = source_of(name, array)
    return to_numpy(name, array) if source is None else source


def check_tensor(name: str, tensor: Tensor) -> None:
    """Raise unless a tensor is a dense one that holds numbers."""
    if str(tensor.layout) != "torch.strided":
        raise TypeError(f"{name}: expected a dense tensor, got layout {tensor.layout}")
    if tensor.device.type == "meta":
        raise RuntimeError(f"{name}: expected a tensor that holds numbers, got one on meta")


class Block(NamedTuple):
    """Rows that follow one another, as the core reads them."""

    first: int  # the number of the first one in the caller's array
    rows: NDArray[Any]
    prepared: _core.PreparedRows | None = None  # what they are as a part of an index


class Rows:
    """A 2-D array-like, seen as blocks of rows that the core can read in place: `FloatRows`, `CodeRows` or an index's."""

    name: str
    torch: Any  # the device of a tensor, None for anything else: what `like` takes
    count: int
    width: int
    item: int  # bytes of a number of a block
    decoded = False  # whether each pass fetches the rows anew
    _array: Any  # as it was given

    @property
    def dtype(self) -> str:
        """Of the rows as they were given."""
        return str(self._array.dtype).removeprefix("torch.")

    def blocks(self, begin: int = 0, end: int | None = None, size: int | None = None) -> Iterator[Block]:
        """Yield the rows from `begin` to `end`: one block without a copy where they can be read in place.

        Others come in blocks of `size` bytes, those of a source (whole chunks, at least one) a block ahead.
        """
        end = self.count if end is None else end
        whole = self._in_place()
        if whole is not None:
            yield Block(begin, whole[begin:end])
            return
        step = max(1, (size or BLOCK_BYTES) // (self.item * self.width))
        if isinstance(self._array, Source):
            # `map` holds no block, as a loop would until its next turn.
            yield from ahead(map(self._block, self._array.blocks(self.name, begin, end, step)))
            return
        for first in range(begin, end, step):
            yield Block(first, self._convert(self._array[first : min(end, first + step)]))

    def take_all(self) -> NDArray[Any]:
        """All rows as one block, converted whole if need be."""
        whole = self._in_place()
        if whole is not None:
            return whole
        if not self.decoded:
            return self._convert(self._array)
        rows: NDArray[Any] = np.empty((self.count, self.width), np.float32 if self.item == 4 else np.uint8)
        for first, block, _ in self.blocks():
            rows[first : first + len(block)] = block
        return rows

    def at(self, numbers: Ints) -> NDArray[Any]:
        """Some rows, as a block of their own."""
        if isinstance(self._array, Source):
            return self._convert(self._array.at(self.name, numbers))
        return self._convert(self._array[like(numbers, device_of(self._array))])

    def only(self, numbers: Ints) -> Rows:
        """Some rows, as rows of their own."""
        part = copy(self)
        part._array, part.count, part.torch, part.decoded = self.at(numbers), len(numbers), None, False
        return part

    def part(self, begin: int, end: int) -> Rows:
        """Rows that follow one another, as rows of their own; nothing is copied."""
        part = copy(self)
        fetched = isinstance(self._array, Source)
        part._array, part.count = self._array.part(begin, end) if fetched else self._array[begin:end], end - begin
        return part

    def overlaps(self, other: NDArray[Any]) -> bool:
        """Whether writing to `other` might change these rows."""
        if isinstance(self._array, Source):
            return self._array.may_share_memory(other)
        whole = self._in_place()
        return whole is not None and np.may_share_memory(whole, other)

    def _block(self, part: tuple[int, NDArray[Any]]) -> Block:
        return Block(part[0], self._convert(part[1]))

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
        self.name, self.torch, self._array = name, device_of(array), rows_of(name, array)
        self.decoded = isinstance(self._array, Source)
        kind = self._array.dtype
        floating = kind.is_floating_point if is_torch(self._array) else kind.kind == "f"
        if self.decoded and self._array.numbers:
            floating = floating or kind.kind in "iu"
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
        if self.decoded or (is_torch(self._array) and str(self._array.dtype) != "torch.float32"):
            return None
        array = to_numpy(self.name, self._array)
        adjacent = array.strides[1] == 4 or self.width == 1
        if array.dtype != np.float32 or not array.dtype.isnative or not array.flags.aligned or not adjacent:
            return None
        return array if array.strides[0] % 4 == 0 else None

    def _convert(self, part: Any) -> Floats:
        if is_torch(part):
            part = on_cpu(part)
        with np.errstate(over="ignore"):  # what overflows is infinite, and reported as such
            rows: Floats = np.require(part, np.float32, ["C_CONTIGUOUS", "ALIGNED"])
        if part.dtype.kind in "iu" and part.dtype.itemsize > 2 and (rows != part.astype(np.float64)).any():
            bad = part[rows != part.astype(np.float64)][0]
            raise ValueError(f"{self.name}: expected integers that float32 holds exactly, got {bad}")
        return rows


class CodeRows(Rows):
    """Rows of packed codes. Padding never counts: rows whose padding is not zero are copied with zeros there."""

    item = 1

    def __init__(self, name: str, array: ArrayLike, bits: int | None = None, else_: str = "hardmine.pack makes them") -> None:
        self.name, self.torch = name, device_of(array)
        rows = rows_of(name, array)
        rows = rows.array if isinstance(rows, InMemory) else rows  # bytes of a file are read where they lie
        self._array: Any = on_cpu(rows) if is_torch(rows) else rows
        self.decoded = isinstance(self._array, Source)
        if self._array.dtype != np.uint8:
            raise TypeError(f"{name}: expected packed codes, uint8, got {self._array.dtype}; {else_}")
        shape = tuple(self._array.shape)
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
        if self.decoded or (self.width > 1 and self._array.strides[1] != 1):
            return None
        padding = 0xFF >> (self.bits - 1) % 8 + 1
        return None if padding and (self._array[:, -1] & padding).any() else self._array

    def _convert(self, part: Any) -> NDArray[np.uint8]:
        rows = np.array(part, order="C")
        rows[:, -1] &= 0xFF << 7 - (self.bits - 1) % 8 & 0xFF
        return rows


def like(array: NDArray[Number], device: Any) -> NDArray[Number] | Tensor:
    """Give a result back as the caller's kind: as a tensor where `device` is one, without a copy on the CPU."""
    if device is None:
        return array
    tensor: Any = sys.modules["torch"].from_numpy(array)
    if device.type == "mps" and array.dtype == np.float64:  # which it lacks
        return tensor  # type: ignore[no-any-return]
    return tensor.to(device)  # type: ignore[no-any-return]


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
