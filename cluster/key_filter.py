"""A Bloom filter over request keys: most keys were never answered before, and to know that no file has to be read."""

from collections.abc import Iterable
from mmap import mmap

_BITS_LOG2 = 26  # 8 MB: one new key in a thousand is looked up for nothing at 4 million keys
_PROBES = 4
_BYTES_A_PROBE = 4


class KeyFilter:
    """Says of a 32-byte digest that it was surely never added, or may have been."""

    def __init__(self, digests: Iterable[bytes] = ()) -> None:
        # Zeros the system hands out when they are touched: an empty filter costs no memory and no time.
        self._bits = mmap(-1, 1 << (_BITS_LOG2 - 3))
        for digest in digests:
            self.add(digest)

    def add(self, digest: bytes) -> None:
        """From here on the digest may have been added."""
        for place in self._places(digest):
            self._bits[place >> 3] |= 1 << (place & 7)

    def may_have(self, digest: bytes) -> bool:
        """False: it was never added."""
        return all(self._bits[place >> 3] >> (place & 7) & 1 for place in self._places(digest))

    @staticmethod
    def _places(digest: bytes) -> list[int]:
        """A digest is uniform already, so its parts are the hashes."""
        parts = (digest[start : start + _BYTES_A_PROBE] for start in range(0, _PROBES * _BYTES_A_PROBE, _BYTES_A_PROBE))
        return [int.from_bytes(part, "little") & ((1 << _BITS_LOG2) - 1) for part in parts]
