"""Calls to an order book by hand: operations by name, replies read back as rows and events."""

from collections.abc import Iterable
from typing import Any

from actors.order_book import OrderBook
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import parameters_pb2 as parameters
from tests.actors.calling import Caller, pending_list, table

VENUE, MARKET, K = 3, 2, 10
PLACE, CANCEL, AMEND = (
    batches.ORDER_OP_KIND_PLACE,
    batches.ORDER_OP_KIND_CANCEL,
    batches.ORDER_OP_KIND_AMEND,
)
GTC, IOC, FOK = common.TIME_IN_FORCE_GTC, common.TIME_IN_FORCE_IOC, common.TIME_IN_FORCE_FOK
POST_ONLY, REDUCE_ONLY, MARKET_ORDER, LADDER, UNWINDING = 1, 2, 4, 8, 16
CANCELS, VAULT_CLASS, LADDER_CLASS, TRIGGERS, COMMANDS = range(5)
CLASS_OF = {CANCEL: CANCELS}
BUY, SELL = 1, -1


def market(**rules: int) -> parameters.MarketParameters:
    """A market with round fees: maker 0.01%, taker 0.1%, liquidation 1%."""
    numbers = {
        "quote_atoms_per_tick_lot": K,
        "maker_fee_e9": 100_000,
        "taker_fee_e9": 1_000_000,
        "liquidation_fee_e9": 10_000_000,
        "open_interest_cap_lots": 1_000_000,
        "impact_notional_atoms": 1_000,
        "unwind_depth_ppm": 500_000,
        **rules,
    }
    return parameters.MarketParameters(
        venue=VENUE, market=MARKET, version=7, margin_trade=parameters.MarginTradeMarket(**numbers)
    )


def spin_market(**rules: int) -> parameters.MarketParameters:
    """A Spin market with the rulebook's fees: taker 0.08%, maker -0.04%."""
    numbers = {"quote_atoms_per_tick_lot": K, "maker_fee_e9": -400_000, "taker_fee_e9": 800_000, **rules}
    return parameters.MarketParameters(venue=VENUE, market=MARKET, version=7, spin=parameters.SpinMarket(**numbers))


def place(command: int, account: int, side: int, price: int, size: int, **more: int) -> dict[str, int]:
    """A new order; its number is the command's unless named."""
    row = {"command": command, "order": command + 1, "account": account, "kind": PLACE, "side": side}
    return {**row, "price_ticks": price, "size_lots": size, "time_in_force": GTC, **more}


def amend(command: int, order: int, account: int, price: int, size: int, expected: int, **more: int) -> dict[str, int]:
    """A resting order is to have `size` lots left, where its shard knew of `expected`."""
    row = {"command": command, "order": order, "account": account, "kind": AMEND, "price_ticks": price}
    return {**row, "size_lots": size, "expected_lots": expected, **more}


def cancel(command: int, order: int, account: int) -> dict[str, int]:
    return {"command": command, "order": order, "account": account, "kind": CANCEL}


def order_ops(rows: Iterable[dict[str, int]]) -> batches.OrderOps:
    """The columns of these rows; what is not named is 0, the class follows the kind."""
    names = [field.name for field in batches.OrderOps.DESCRIPTOR.fields]
    listed = [{"class": CLASS_OF.get(row["kind"], COMMANDS), "venue": VENUE, "market": MARKET, **row} for row in rows]
    return table(batches.OrderOps, *(tuple(row.get(name, 0) for name in names) for row in listed))


class Book(Caller):
    """An order book and its market."""

    def __init__(self, policy: int = common.DELEVERAGE_POLICY_QUEUE, **rules: int) -> None:
        super().__init__(OrderBook(VENUE, MARKET), batches.BookReply)
        self.venue = parameters.VenueParameters(
            venue=VENUE, margin_trade=parameters.MarginTradeParameters(deleverage_policy=policy)
        )
        self.market = market(**rules)

    def work(self, *ops: dict[str, int], caps: Iterable[tuple[int, int, int]] = (), **more: Any) -> Any:
        """One block's call; caps are (account, position, fails)."""
        return self.block(
            venue=self.venue,
            market=self.market,
            ops=order_ops(ops),
            caps=table(batches.PositionCaps, *((VENUE, MARKET, *row) for row in caps)),
            **more,
        )

    def deleverage(
        self, demands: list[tuple[int, int, int]], candidates: list[tuple[int, int, int, int, int]], mark: int
    ) -> Any:
        """Demands (account, lots, quote) by sequence against candidates (account, lots, cost, equity, budget)."""
        return self.block(
            venue=self.venue,
            market=self.market,
            mark=common.Mark(venue=VENUE, market=MARKET, mark_ticks=mark, version=4),
            round=2,
            demands=table(
                batches.DeleverageDemands,
                *((sequence, VENUE, MARKET, *row) for sequence, row in enumerate(demands)),
            ),
            candidates=table(batches.DeleverageCandidates, *((VENUE, MARKET, *row) for row in candidates)),
        )

    def view(self, levels: int = 10) -> Any:
        query = batches.BookQuery(levels=levels).SerializeToString()
        return batches.BookView.FromString(self.actor.query(query))

    def resting(self) -> list[tuple[int, int]]:
        """(signed price, lots) of all levels: bids above zero."""
        view = self.view(1_000)
        bids = zip(view.bids.price_ticks, view.bids.lots, strict=True)
        asks = zip(view.asks.price_ticks, view.asks.lots, strict=True)
        return [*bids, *((-price, lots) for price, lots in asks)]


class SpinBook(Book):
    """An order book of a Spin market."""

    def __init__(self, **rules: int) -> None:
        super().__init__()
        self.venue = parameters.VenueParameters(venue=VENUE, spin=parameters.SpinParameters())
        self.market = spin_market(**rules)


def told(reply: Any, kind: str) -> list[Any]:
    """The events of one kind, heads and all."""
    found = [events.Event.FromString(body) for body in pending_list(reply.events)]
    return [event for event in found if event.WhichOneof("body") == kind]


def answers(reply: Any) -> list[tuple[int, str, int, int, int, int]]:
    """(command, status, price, amount, filled, remaining) of each answer."""
    rows = reply.outcomes
    columns = (rows.command, rows.status, rows.price_ticks, rows.amount_atoms, rows.filled_lots, rows.remaining_lots)
    names = common.OutcomeStatus.Name
    return [(row[0], names(row[1]).removeprefix("OUTCOME_STATUS_"), *row[2:]) for row in zip(*columns, strict=True)]


def legs(reply: Any, kind: int) -> list[tuple[int, int, int, int]]:
    """(account, order, lots, quote) of the legs of one kind."""
    rows = reply.legs
    columns = zip(rows.kind, rows.account, rows.order, rows.lots, rows.quote_atoms, strict=True)
    return [row[1:] for row in columns if row[0] == kind]
