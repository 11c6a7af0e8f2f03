"""Orders that must be refused: every run shows that a mistake is answered and changes nothing."""

import numpy as np

from breakwater.v1 import common_pb2 as com
from node.load.asks import Ask
from node.load.books.markets import Markets
from node.load.books.orders import order_ask

EVERY_BLOCKS = 23
_UNKNOWN_ACCOUNT = 1 << 33
_FAR_TIMES = 3


class BookMischief:
    """One bad batch every EVERY_BLOCKS blocks, the faults in turn."""

    def __init__(self, markets: Markets) -> None:
        self._markets = markets

    def act(self, block: int, account: int, price_ticks: np.ndarray) -> list[Ask]:
        """A few bad orders in the name of this account, around the first market's price."""
        if block % EVERY_BLOCKS:
            return []
        price = int(price_ticks[0])
        good = {
            "account": account,
            "market": int(self._markets.number[0]),
            "side": 1,
            "size_lots": int(self._markets.lots(np.array(0), np.array(50_000_000), np.array(price))),
            "kind": com.ORDER_KIND_LIMIT,
            "limit_ticks": price,
        }
        rows = [{**good, **fault} for fault in self._faults(block // EVERY_BLOCKS, price)]
        columns = {name: np.array([row[name] for row in rows], np.int64) for name in good}
        return [
            order_ask(
                columns["account"],
                columns["market"],
                columns["side"],
                columns["size_lots"],
                kind=columns["kind"],
                limit_ticks=columns["limit_ticks"],
            )
        ]

    def _faults(self, turn: int, price: int) -> list[dict[str, int]]:
        return [
            [{"size_lots": 0}, {"side": 0}, {"limit_ticks": price * _FAR_TIMES}],
            [{"account": _UNKNOWN_ACCOUNT}, {"market": 7_777}, {"limit_ticks": 1 << 40}],
            [{"kind": 99}, {"size_lots": (1 << 44) + 1}, {"limit_ticks": 0}],
        ][turn % 3]
