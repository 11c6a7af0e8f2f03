"""The compression of BLAKE3 for 16 messages side by side: a block of each in one straight run of vector instructions.

The working array holds one word a lane, row by row: 16 of the message's block, 8 of the chaining value, the block's
length, its flags, and a mask that is 0 where a lane has ended and keeps its value.
"""

from typing import Final

import numpy as np

from actors.compiling import inlined, kernel

LANES: Final = 16
BLOCK_BYTES: Final = 64
BLOCK_WORDS: Final = 16
HASH_WORDS: Final = 8

_CHAINING: Final = BLOCK_WORDS
_LENGTH: Final = _CHAINING + HASH_WORDS
_FLAGS: Final = _LENGTH + 1
_GOES_ON: Final = _FLAGS + 1
_ROWS: Final = _GOES_ON + 1
_CHUNK_START: Final = 1
_CHUNK_END: Final = 2
_ROOT: Final = 8
_ALL_BITS: Final = np.uint32(0xFFFFFFFF)
# The first bits of the square roots of the first eight primes behind the point.
_IV: Final = (
    np.uint32(0x6A09E667),
    np.uint32(0xBB67AE85),
    np.uint32(0x3C6EF372),
    np.uint32(0xA54FF53A),
    np.uint32(0x510E527F),
    np.uint32(0x9B05688C),
    np.uint32(0x1F83D9AB),
    np.uint32(0x5BE0CD19),
)

Words16 = tuple[np.uint32, ...]


def working_array() -> np.ndarray:
    """A working array."""
    return np.zeros(_ROWS * LANES, dtype=np.uint32)


@inlined
def start(work: np.ndarray) -> None:
    """Every lane at the beginning of a message, and ended until it takes its turn."""
    for word in range(HASH_WORDS):
        for lane in range(LANES):
            work[(_CHAINING + word) * LANES + lane] = _IV[word]
    for lane in range(LANES):
        work[_GOES_ON * LANES + lane] = 0


@inlined
def take_turn(work: np.ndarray, lane: np.int64, block: np.int64, left: np.int64) -> None:
    """Length and flags of a lane's block of this number; the message has `left` bytes from it on, none past its end."""
    goes_on = block == 0 or left > 0
    flags = (_CHUNK_START if block == 0 else 0) | (_CHUNK_END | _ROOT if left <= BLOCK_BYTES else 0)
    work[_LENGTH * LANES + lane] = np.uint32(left if left < BLOCK_BYTES else BLOCK_BYTES)
    work[_FLAGS * LANES + lane] = np.uint32(flags)
    work[_GOES_ON * LANES + lane] = _ALL_BITS if goes_on else np.uint32(0)


@inlined
def hash_word(work: np.ndarray, lane: np.int64, word: np.int64) -> np.uint32:
    """A word of a lane's hash when all its blocks are in."""
    return work[(_CHAINING + word) * LANES + lane]


@inlined
def _turned(word: np.uint32, bits: int) -> np.uint32:
    return np.uint32((word >> np.uint32(bits)) | (word << np.uint32(32 - bits)))


@inlined
def _mixed(
    a: np.uint32, b: np.uint32, c: np.uint32, d: np.uint32, x: np.uint32, y: np.uint32
) -> tuple[np.uint32, np.uint32, np.uint32, np.uint32]:
    a = np.uint32(a + b + x)
    d = _turned(np.uint32(d ^ a), 16)
    c = np.uint32(c + d)
    b = _turned(np.uint32(b ^ c), 12)
    a = np.uint32(a + b + y)
    d = _turned(np.uint32(d ^ a), 8)
    c = np.uint32(c + d)
    b = _turned(np.uint32(b ^ c), 7)
    return a, b, c, d


@inlined
def _round(state: Words16, m: Words16) -> Words16:
    """The columns of the state, then its diagonals."""
    v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, v12, v13, v14, v15 = state
    v0, v4, v8, v12 = _mixed(v0, v4, v8, v12, m[0], m[1])
    v1, v5, v9, v13 = _mixed(v1, v5, v9, v13, m[2], m[3])
    v2, v6, v10, v14 = _mixed(v2, v6, v10, v14, m[4], m[5])
    v3, v7, v11, v15 = _mixed(v3, v7, v11, v15, m[6], m[7])
    v0, v5, v10, v15 = _mixed(v0, v5, v10, v15, m[8], m[9])
    v1, v6, v11, v12 = _mixed(v1, v6, v11, v12, m[10], m[11])
    v2, v7, v8, v13 = _mixed(v2, v7, v8, v13, m[12], m[13])
    v3, v4, v9, v14 = _mixed(v3, v4, v9, v14, m[14], m[15])
    return v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, v12, v13, v14, v15


@inlined
def _permuted(m: Words16) -> Words16:
    return m[2], m[6], m[3], m[10], m[7], m[0], m[4], m[13], m[1], m[11], m[12], m[5], m[9], m[14], m[15], m[8]


@inlined
def _rounds(s: Words16, m: Words16) -> Words16:
    """All seven, written out: a loop in the loop over the lanes would keep that from becoming vector instructions."""
    s, m = _round(s, m), _permuted(m)
    s, m = _round(s, m), _permuted(m)
    s, m = _round(s, m), _permuted(m)
    s, m = _round(s, m), _permuted(m)
    s, m = _round(s, m), _permuted(m)
    s, m = _round(s, m), _permuted(m)
    return _round(s, m)


@inlined
def _row(work: np.ndarray, row: int, lane: np.int64) -> np.uint32:
    return work[row * LANES + lane]


@inlined
def _block_of(work: np.ndarray, lane: np.int64) -> Words16:
    one = (_row(work, 0, lane), _row(work, 1, lane), _row(work, 2, lane), _row(work, 3, lane))
    two = (_row(work, 4, lane), _row(work, 5, lane), _row(work, 6, lane), _row(work, 7, lane))
    three = (_row(work, 8, lane), _row(work, 9, lane), _row(work, 10, lane), _row(work, 11, lane))
    return one + two + three + (_row(work, 12, lane), _row(work, 13, lane), _row(work, 14, lane), _row(work, 15, lane))


@inlined
def _keep(work: np.ndarray, word: int, lane: np.int64, new: np.uint32, old: np.uint32) -> None:
    goes_on = _row(work, _GOES_ON, lane)
    work[(_CHAINING + word) * LANES + lane] = np.uint32((new & goes_on) | (old & ~goes_on))


@kernel
def compress(work: np.ndarray) -> None:
    """Takes the loaded blocks into the chaining values. The counter of a single chunk is 0."""
    for lane in range(LANES):
        m = _block_of(work, lane)
        h = (_row(work, 16, lane), _row(work, 17, lane), _row(work, 18, lane), _row(work, 19, lane))
        h2 = (_row(work, 20, lane), _row(work, 21, lane), _row(work, 22, lane), _row(work, 23, lane))
        low = (_IV[0], _IV[1], _IV[2], _IV[3], np.uint32(0), np.uint32(0))
        s = _rounds(h + h2 + low + (_row(work, _LENGTH, lane), _row(work, _FLAGS, lane)), m)
        _keep(work, 0, lane, s[0] ^ s[8], h[0])
        _keep(work, 1, lane, s[1] ^ s[9], h[1])
        _keep(work, 2, lane, s[2] ^ s[10], h[2])
        _keep(work, 3, lane, s[3] ^ s[11], h[3])
        _keep(work, 4, lane, s[4] ^ s[12], h2[0])
        _keep(work, 5, lane, s[5] ^ s[13], h2[1])
        _keep(work, 6, lane, s[6] ^ s[14], h2[2])
        _keep(work, 7, lane, s[7] ^ s[15], h2[3])
