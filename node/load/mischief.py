"""Orders that must be refused: every run shows that a mistake is answered and changes nothing."""

import numpy as np

from breakwater.v1 import commands_pb2 as cmd
from breakwater.v1 import common_pb2 as com
from node.load.asks import Ask, column_ask, ignore

EVERY_BLOCKS = 23
_UNKNOWN_ACCOUNT = 1 << 33


class Mischief:
    """One bad batch every EVERY_BLOCKS blocks, the faults in turn."""

    def __init__(self, market: int, margin_cap_atoms: int) -> None:
        self._market, self._cap_atoms = market, margin_cap_atoms

    def act(self, block: int, account: int) -> list[Ask]:
        """A few bad opens, or a close of somebody else's position, in the name of this account."""
        if block % EVERY_BLOCKS:
            return []
        if block // EVERY_BLOCKS % 4 == 0:
            return [
                column_ask(
                    "close_positions",
                    cmd.ClosePositions,
                    ignore,
                    account=[account],
                    position=[1],
                    kind=[com.ORDER_KIND_MARKET],
                    level_ticks=[0],
                )
            ]
        good = {
            "account": account,
            "market": self._market,
            "side": 1,
            "kind": com.ORDER_KIND_MARKET,
            "margin_atoms": 50_000,
            "leverage_hundredths": 300,
            "limit_ticks": 0,
        }
        rows = [{**good, **fault} for fault in self._faults(block // EVERY_BLOCKS)]
        columns = {name: np.array([row[name] for row in rows], np.int64) for name in good}
        return [column_ask("open_positions", cmd.OpenPositions, ignore, **columns)]

    def _faults(self, turn: int) -> list[dict[str, int]]:
        return [
            [{"leverage_hundredths": 5_100}, {"margin_atoms": 0}, {"side": 0}],
            [{"account": _UNKNOWN_ACCOUNT}, {"market": 7_777}, {"margin_atoms": self._cap_atoms + 1}],
            [{"leverage_hundredths": 0}, {"kind": 99}, {"margin_atoms": -5}],
        ][turn % 3]
