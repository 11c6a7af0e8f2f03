"""Words read from and written to bytes at any place, and protobuf's varints by means of them, for compiled code.

Little-endian, as the processors are that this runs on. Nobody checks bounds: a word takes 8 bytes (or 4) from its place
on, whatever of it counts.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from actors.compiling import inlined, kernel

WORD_BYTES: Final = 8
# A varint of 64 bits.
VARINT_BYTES_MAX: Final = 10

_VARINT_BITS: Final = 7
_VARINT_MORE: Final = 128
_VARINT_MASK: Final = 127
# 7-bit groups that fit one word.
_WORD_GROUPS_END: Final = np.uint64(1 << 56)
_MORE_OF_ALL: Final = np.uint64(0x8080808080808080)


def _place_of(context: Any, builder: Any, array_type: Any, array: Any, place: Any, bits: int) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [place]), ir.IntType(bits).as_pointer())


@intrinsic
def load_u32(_context: Any, data: Any, place: Any) -> tuple[Any, Callable[..., Any]]:
    """The 4 bytes from a place of an uint8 array on."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_place_of(context, builder, signature.args[0], args[0], args[1], 32), align=1)

    return types.uint32(data, types.int64), write


@intrinsic
def load_u64(_context: Any, data: Any, place: Any) -> tuple[Any, Callable[..., Any]]:
    """The 8 bytes from a place of an uint8 array on."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_place_of(context, builder, signature.args[0], args[0], args[1], 64), align=1)

    return types.uint64(data, types.int64), write


@intrinsic
def store_u64(_context: Any, data: Any, place: Any, value: Any) -> tuple[Any, Callable[..., Any]]:
    """Overwrites the 8 bytes from a place of an uint8 array on."""

    def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[2], _place_of(context, builder, signature.args[0], args[0], args[1], 64), align=1)
        return context.get_dummy_value()

    return types.void(data, types.int64, types.uint64), write


@intrinsic
def bit_length(_context: Any, value: Any) -> tuple[Any, Callable[..., Any]]:
    """Bits of an uint64 without its leading zeros."""

    def write(_: Any, builder: Any, _signature: Any, args: Any) -> Any:
        zeros = builder.ctlz(args[0], ir.Constant(ir.IntType(1), 0))
        return builder.sub(ir.Constant(ir.IntType(64), 64), zeros)

    return types.int64(types.uint64), write


@inlined
def varint_size(value: np.uint64) -> np.int64:
    """Bytes of a varint."""
    return max(np.int64(1), (bit_length(value) + _VARINT_BITS - 1) // _VARINT_BITS)


@inlined
def put_varint(data: np.ndarray, place: np.int64, value: np.uint64) -> np.int64:
    """Writes a varint and returns where it ends; up to WORD_BYTES behind it may be overwritten."""
    if value >= _WORD_GROUPS_END:
        return _put_long(data, place, value)
    size = varint_size(value)
    # Groups of 7 bits are moved apart to bytes: halves, then quarters, then eighths.
    spread = (value & np.uint64(0x0FFFFFFF)) | ((value & np.uint64(0x00FFFFFFF0000000)) << np.uint64(4))
    spread = (spread & np.uint64(0x00003FFF00003FFF)) | ((spread & np.uint64(0x0FFFC0000FFFC000)) << np.uint64(2))
    spread = (spread & np.uint64(0x007F007F007F007F)) | ((spread & np.uint64(0x3F803F803F803F80)) << np.uint64(1))
    goes_on = (np.uint64(1) << np.uint64(8 * (size - 1))) - np.uint64(1)
    store_u64(data, place, spread | (_MORE_OF_ALL & goes_on))
    return place + size


@kernel
def _put_long(data: np.ndarray, place: np.int64, value: np.uint64) -> np.int64:
    while value > np.uint64(_VARINT_MASK):
        data[place] = np.uint8(value & np.uint64(_VARINT_MASK)) | np.uint8(_VARINT_MORE)
        value = value >> np.uint64(_VARINT_BITS)
        place += 1
    data[place] = np.uint8(value)
    return place + 1


@inlined
def copy_bytes(target: np.ndarray, place: np.int64, source: np.ndarray, begin: np.int64, end: np.int64) -> np.int64:
    """Copies bytes, a word at a time, the last word over the one before; returns where they end in the target."""
    size = end - begin
    if size < WORD_BYTES:
        for byte in range(size):
            target[place + byte] = source[begin + byte]
        return place + size
    for offset in range(0, size - WORD_BYTES, WORD_BYTES):
        store_u64(target, place + offset, load_u64(source, begin + offset))
    store_u64(target, place + size - WORD_BYTES, load_u64(source, end - WORD_BYTES))
    return place + size
