"""How long it takes from the block in which somebody falls below maintenance until the position is gone or well again.

Time is block time. An episode begins with the first block at whose mark or version the account may be liquidated, and
ends with the first one after which it has no position left or is above its maintenance; both in one block is zero.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import NamedTuple


class Spread(NamedTuple):
    """Of all episodes that ended, ms; `open` never did."""

    times: int
    median_ms: int
    p90_ms: int
    worst_ms: int
    open: int


class Episodes:
    """Keys are what a rulebook liquidates: an account, or an account in a market, or a position."""

    def __init__(self) -> None:
        self._began_ms: dict[Hashable, int] = {}
        self.lasted_ms: list[int] = []

    @property
    def open(self) -> list[Hashable]:
        """Who is below now, in the order in which they fell."""
        return list(self._began_ms)

    def begin(self, key: Hashable, time_ms: int) -> None:
        """Below; who was already stays since then."""
        self._began_ms.setdefault(key, time_ms)

    def end(self, key: Hashable, time_ms: int) -> None:
        """Gone, or well again."""
        self.lasted_ms.append(time_ms - self._began_ms.pop(key))

    def look(self, below: Iterable[Hashable], time_ms: int, still: Callable[[Hashable], bool]) -> None:
        """A block that leaves these below; of the others who was below, `still` says who is not out of it yet."""
        now = set()
        for key in below:
            now.add(key)
            self.begin(key, time_ms)
        for key in self.open:
            if key not in now and not still(key):
                self.end(key, time_ms)

    def spread(self) -> Spread:
        """Median and ninth decile are the smallest that so many do not exceed."""
        ranked = sorted(self.lasted_ms)

        def at(percent: int) -> int:
            return ranked[max(0, -(-len(ranked) * percent // 100) - 1)] if ranked else 0

        return Spread(len(ranked), at(50), at(90), ranked[-1] if ranked else 0, len(self._began_ms))
