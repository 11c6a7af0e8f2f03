"""`book`, `trades`: depth and trades of a market with an order book."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli import steps
from node.cli.connection import (
    BOOK_VENUE,
    DEFAULT_DATA,
    AddressOption,
    ApiKeyOption,
    BookVenueOption,
    DataOption,
    MarketOption,
    connected,
)
from node.cli.output import JsonOption, put_json, put_table

if TYPE_CHECKING:
    from breakwater.v1 import batches_pb2, markets_pb2, parameters_pb2

_LOOK_BACK_BLOCKS = 1_000


def book(
    levels: Annotated[int, typer.Option(min=1, max=1_000, help="Levels a side.")] = 10,
    market: MarketOption = 1,
    venue: BookVenueOption = BOOK_VENUE,
    address: AddressOption = None,
    api_key: ApiKeyOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """The depth of a book: asks above, bids below, the best in the middle."""
    from node.report.plain import plain

    with connected(address, api_key, data) as client:
        rules = steps.market_of(client, venue, market)
        view = client.depth(market, levels, venue)
    if as_json:
        put_json(plain(view))
        return
    asks, bids = _rows("ask", view.asks, rules), _rows("bid", view.bids, rules)
    last = steps.price(view.last_ticks, rules)
    title = f"{rules.symbol} at height {view.height}, last {last}, {view.trades:,} trades"
    put_table(title, ("side", "price", "size", "orders"), [*reversed(asks), *bids])


def trades(
    from_height: Annotated[int, typer.Option(min=0, help="From this height on; 0: the last 1,000 blocks.")] = 0,
    count: Annotated[int, typer.Option(min=1, max=100_000, help="The newest so many.")] = 50,
    market: MarketOption = 1,
    venue: BookVenueOption = BOOK_VENUE,
    address: AddressOption = None,
    api_key: ApiKeyOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """The newest trades of a market, oldest first."""
    from collections import deque

    from node.report.plain import plain

    with connected(address, api_key, data) as client:
        rules = steps.market_of(client, venue, market)
        begin = from_height or max(0, client.depth(market, 1, venue).height - _LOOK_BACK_BLOCKS)
        newest = deque(client.trades(market, begin, venue), count)
    if as_json:
        put_json({"venue": venue, "market": market, "trades": [plain(trade) for trade in newest]})
        return
    columns = ("trade", "height", "time", "side", "price", "size", "why")
    put_table(f"{rules.symbol} trades", columns, (_trade_row(trade, rules) for trade in newest))


def _rows(
    side: str, levels: "batches_pb2.BookLevels", market: "parameters_pb2.MarketParameters"
) -> list[tuple[str, ...]]:
    found = zip(levels.price_ticks, levels.lots, levels.orders, strict=True)
    return [(side, steps.price(ticks, market), steps.size(lots, market), str(orders)) for ticks, lots, orders in found]


def _trade_row(trade: "markets_pb2.Trade", market: "parameters_pb2.MarketParameters") -> tuple[Any, ...]:
    from node.report.amounts import utc

    why = "liquidation" if trade.is_liquidation else "unwinding" if trade.is_unwinding else ""
    return (
        str(trade.trade),
        str(trade.height),
        utc(trade.block_time_ms),
        "buy" if trade.side == 1 else "sell",
        steps.price(trade.price_ticks, market),
        steps.size(trade.lots, market),
        why,
    )
