"""What must be refused on a Perennial venue: every run shows that a mistake is answered and changes nothing."""

import numpy as np

from breakwater.v1 import commands_pb2 as cmd
from node.load.asks import Ask, column_ask, ignore
from node.load.perennial.changes import change_ask
from node.load.perennial.knowledge import VersionedKnowledge
from node.load.perennial.markets import VersionedMarkets

EVERY_BLOCKS = 23
_UNKNOWN_MARKET = 7_777
_TOO_MUCH_ATOMS = 1 << 50
_LITTLE_ATOMS = 1_000_000
_MOST = 3


class VersionedMischief:
    """A bad batch every EVERY_BLOCKS blocks, and attempts to get out of a lock."""

    def __init__(self, markets: VersionedMarkets) -> None:
        self._markets = markets
        # The prices of the block before: those of the latest version, where it has settled.
        self._before = np.zeros(markets.count, np.int64)

    def act(
        self, block: int, account: int, other: int, known: VersionedKnowledge, price_ticks: np.ndarray
    ) -> list[Ask]:
        """In the name of the first account against the other, and of whoever is about to be locked."""
        asks = self._locked(known)
        self._before = price_ticks
        if block % EVERY_BLOCKS == 0:
            asks += [self._sizes(account), self._liquidations(account, other)]
        return asks

    def _sizes(self, account: int) -> Ask:
        """Two-sided, below zero, more than anybody may, in a market there is not, without money for it."""
        market = int(self._markets.number[0])
        return change_ask(
            np.full(5, account),
            np.array([market, market, market, _UNKNOWN_MARKET, market]),
            maker_lots=np.array([0, 0, 1 << 42, 0, -1]),
            long_lots=np.array([1_000_000, -2, 0, 1_000_000, -1]),
            short_lots=np.array([1_000_000, 0, 0, 0, -1]),
            collateral_atoms=np.array([0, 0, 0, 0, _TOO_MUCH_ATOMS]),
        )

    def _liquidations(self, account: int, other: int) -> Ask:
        """Somebody who is most likely well, and a market there is not."""
        market = int(self._markets.number[0])
        return _liquidate([account, account], [other, other], [market, _UNKNOWN_MARKET])

    def _locked(self, known: VersionedKnowledge) -> list[Ask]:
        """Who must be locked in this very block closes and withdraws: liquidations come first (docs/perennial.md)."""
        who, place = known.below(self._before)
        if not len(who):
            return []
        who, place = who[:_MOST], place[:_MOST]
        market = self._markets.number[place]
        return [
            change_ask(who, market, maker_lots=0, long_lots=0, short_lots=0),
            change_ask(who, market, collateral_atoms=-_LITTLE_ATOMS),
        ]


def _liquidate(account: list[int], target: list[int], market: list[int]) -> Ask:
    rows = len(account)
    columns = {"account": account, "target": target, "market": market, "lots": [0] * rows, "reward_atoms": [-1] * rows}
    return column_ask("liquidations", cmd.Liquidations, ignore, **columns)
