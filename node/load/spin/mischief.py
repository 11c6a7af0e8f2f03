"""What must be refused on a Spin venue: every run shows that a mistake is answered and changes nothing."""

import numpy as np

from breakwater.v1 import commands_pb2 as cmd
from breakwater.v1 import common_pb2 as com
from node.load.asks import Ask, column_ask, ignore
from node.load.books.markets import Markets
from node.load.books.orders import order_ask

EVERY_BLOCKS = 23
_UNKNOWN_ACCOUNT = 1 << 33
_TOO_MUCH_ATOMS = 1 << 50


class SpinMischief:
    """One bad batch every EVERY_BLOCKS blocks, in turn: orders, liquidations, transfers."""

    def __init__(self, markets: Markets) -> None:
        self._markets = markets

    def act(self, block: int, account: int, other: int, price_ticks: np.ndarray) -> list[Ask]:
        """In the name of the first account; the other belongs to somebody else."""
        turn, rest = divmod(block, EVERY_BLOCKS)
        if rest:
            return []
        return [(self._orders, self._liquidations, self._transfers)[turn % 3](account, other, int(price_ticks[0]))]

    def _orders(self, account: int, other: int, price: int) -> Ask:
        good = int(self._markets.lots(np.array(0), np.array(50_000_000), np.array(price)))
        most = int(self._markets.max_order_lots[0])
        size = np.array([0, good, most, good, good], np.int64)
        limit = np.array([price, price * 3, price, price, 0], np.int64)
        side = np.array([1, 1, 1, 0, -1], np.int64)
        who = np.array([account, account, account, account, _UNKNOWN_ACCOUNT], np.int64)
        market = np.full(5, self._markets.number[0])
        return order_ask(who, market, side, size, kind=com.ORDER_KIND_LIMIT, limit_ticks=limit)

    def _liquidations(self, account: int, other: int, price: int) -> Ask:
        """Nothing, oneself, and somebody who is most likely well."""
        return column_ask(
            "liquidations",
            cmd.Liquidations,
            ignore,
            account=[account] * 3,
            target=[other, account, other],
            market=[int(self._markets.number[0])] * 3,
            lots=[0, 1, 1],
            reward_atoms=[0] * 3,
        )

    def _transfers(self, account: int, other: int, price: int) -> Ask:
        """To somebody else, and more than there is."""
        return column_ask(
            "transfers",
            cmd.Transfers,
            ignore,
            account=[account, account],
            to_account=[other, account],
            amount_atoms=[1_000_000, _TOO_MUCH_ATOMS],
        )
