"""What may become an order: the refusals every venue with order books gives, in their order, and the way to the book.

Everything an order is checked against is bound once a block and market (`MarketRules`); an order is a `BookOrder` that
is not in the tables yet. Margin is each rulebook's own: it extends `OrderChecks`.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple, Protocol

from actors.columns import RowGatherer
from actors.ledger.book_orders import MARKET_ORDER, REDUCE_ONLY, BookOrder
from actors.orders.book import OrderedBook
from actors.orders.caps import AddedCaps
from actors.orders.carried import CarriedColumns
from actors.risk.tradable import halt_age_in_force_ms, why_not_tradable
from actors.rulebooks import margin_trade
from actors.sinks import Refused
from actors.units import INT64_MAX, LONG, POSITION_LOTS_BOUND, PPM, PRICE_BOUND, SHORT, TOTAL_BOUND, div_ceil, div_floor
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters
from breakwater.v1 import refusals_pb2 as refusals

# Classes of work at a book (OrderOps).
UNWINDING, TRIGGER, COMMAND = 1, 3, 4
# An order's number is the height of its block, then its command in so many bits.
COMMAND_BITS = 20
_NO_MARK = common.Mark(state=common.MARK_STATE_NONE)


class OrderSums(Protocol):
    """A position's row with the sums over its resting orders that are not reduce-only."""

    @property
    def market(self) -> int: ...

    @property
    def lots(self) -> int: ...

    @property
    def buy_lots(self) -> int: ...

    @property
    def buy_value(self) -> int: ...

    @property
    def sell_lots(self) -> int: ...

    @property
    def sell_value(self) -> int: ...


class MarketRules(NamedTuple):
    """One market as orders meet it: `refused` is why nothing may be traded, `reduces_only` that only reducing may.

    k is `quote_atoms_per_tick_lot`.
    """

    mark_ticks: int
    k: int
    refused: Refused | None
    reduces_only: bool
    age_ms: int
    lowest_ticks: int
    highest_ticks: int
    min_notional_atoms: int
    max_order_lots: int
    buy_protection_ticks: int
    sell_protection_ticks: int

    def protection_ticks(self, side: int) -> int:
        """The worst price of a market order."""
        return self.buy_protection_ticks if side > 0 else self.sell_protection_ticks


def market_rules(
    book: OrderedBook, market: int, rules: parameters.MarginTradeMarket | parameters.SpinMarket
) -> MarketRules:
    """Binds a market's parameters and mark. The band is around the oracle price, or the mark where there is none."""
    terms, mark = book.markets[market], book.marks.get(market, _NO_MARK)
    reduces_only = mark.state == common.MARK_STATE_REDUCE_ONLY
    age_ms = halt_age_in_force_ms(terms.halted, terms.oracle.halt_age_ms)
    oracle = mark.index_ticks or mark.mark_ticks
    return MarketRules(
        book.mark_ticks(market),
        book.k(market),
        None if reduces_only else why_not_tradable(mark, age_ms),
        reduces_only,
        mark.age_ms,
        div_ceil(oracle * (PPM - rules.price_band_ppm), PPM),
        div_floor(oracle * (PPM + rules.price_band_ppm), PPM),
        rules.min_notional_atoms,
        rules.max_order_lots,
        min(PRICE_BOUND - 1, margin_trade.protection_price_ticks(LONG, mark.mark_ticks, rules.market_protection_ppm)),
        margin_trade.protection_price_ticks(SHORT, mark.mark_ticks, rules.market_protection_ppm),
    )


def why_market_stops(book: OrderedBook, market: int) -> Refused | None:
    """What a market that may not be used says: MARKET_REDUCE_ONLY, NO_MARK, MARKET_HALTED or MARKET_TRIPPED."""
    mark, terms = book.marks.get(market, _NO_MARK), book.markets[market]
    if mark.state == common.MARK_STATE_REDUCE_ONLY:
        return Refused(refusals.REFUSAL_MARKET_REDUCE_ONLY, 0, mark.age_ms)
    return why_not_tradable(mark, halt_age_in_force_ms(terms.halted, terms.oracle.halt_age_ms))


def only_reduces(order: BookOrder, row: OrderSums) -> bool:
    """Reduce-only, or beside what rests on its side not above the opposite position."""
    if order.flags & REDUCE_ONLY:
        return True
    resting = row.buy_lots if order.side > 0 else row.sell_lots
    return margin_trade.increasing_lots(row.lots, order.side, resting + order.remaining) == 0


class OrderChecks(ABC):
    """One block's orders of a venue on a shard, one after the other on the state the last one left."""

    book: OrderedBook

    def __init__(
        self, book: OrderedBook, ops: RowGatherer[batches.OrderOps], caps: RowGatherer[batches.PositionCaps]
    ) -> None:
        self.book = book
        self.caps = AddedCaps(book, caps)
        self.carried = CarriedColumns()
        self._ops = ops
        self._rules: dict[int, MarketRules] = {}
        self._traders: dict[int, Refused | None] = {}
        self.max_orders = book.max_orders
        # The account's sum stays below TOTAL_BOUND where every market's stays below its share.
        self.market_share_atoms = TOTAL_BOUND // max(1, len(book.markets))

    @abstractmethod
    def rules_of(self, market: int) -> MarketRules:
        """Binds the market's rules."""

    @abstractmethod
    def rung_acted(self, account: int) -> int:
        """What BEING_LIQUIDATED names: how far the account's liquidation went in this block; 0 without one."""

    @abstractmethod
    def lend(self) -> None:
        """Hands what is carried along with orders to the columns, which a kernel is about to work on."""

    @abstractmethod
    def enter(self, work_class: int, command: int, number: int, order: BookOrder) -> Refused | None:
        """Checks an order of lots and price and sends it to the book, or says why not."""

    def rules(self, market: int) -> MarketRules:
        """The market's rules, bound at the first question."""
        found = self._rules.get(market)
        if found is None:
            found = self._rules[market] = self.rules_of(market)
        return found

    def why_not_trader(self, account: int) -> Refused | None:
        """ACCOUNT_FROZEN, then BEING_LIQUIDATED (MT-12); neither changes while orders come in."""
        if account not in self._traders:
            self._traders[account] = self._why_not_trader(account)
        return self._traders[account]

    def _why_not_trader(self, account: int) -> Refused | None:
        if self.book.accounts.is_frozen(account):
            return Refused(refusals.REFUSAL_ACCOUNT_FROZEN, 0, account)
        rung = self.rung_acted(account)
        return Refused(refusals.REFUSAL_BEING_LIQUIDATED, 0, rung) if rung else None

    def why_not_new(self, order: BookOrder) -> Refused | None:
        """Whatever a new order or trigger is refused for before its numbers are read."""
        account, orders = order.account, self.book.orders
        rules = self._rules.get(order.market) or self.rules(order.market)
        if refused := self.why_not_trader(account) or rules.refused:
            return refused
        live = orders.count(account)
        if live >= self.max_orders:
            return Refused(refusals.REFUSAL_TOO_MANY_ORDERS, self.max_orders, live)
        used = order.client_id and orders.by_client(account, order.client_id)
        return Refused(refusals.REFUSAL_CLIENT_ORDER_ID_USED, 0, used) if used else None

    def why_not_numbers(self, order: BookOrder, row: OrderSums) -> Refused | None:
        """OVERFLOW, MIN_NOTIONAL, TOO_FAR_FROM_ORACLE: what lots and price alone decide."""
        rules = self._rules.get(order.market) or self.rules(order.market)
        _, _, _, limit, _, lots, _, flags, *_ = order
        mark_ticks, k, *_ = rules
        if refused := self._why_too_large(order, row, mark_ticks, k):
            return refused
        is_market = flags & MARKET_ORDER
        price = mark_ticks if is_market else limit
        notional = lots * price * k
        if notional < rules.min_notional_atoms and not flags & REDUCE_ONLY:
            return Refused(refusals.REFUSAL_MIN_NOTIONAL, rules.min_notional_atoms, notional)
        if is_market or rules.lowest_ticks <= price <= rules.highest_ticks:
            return None
        edge = rules.highest_ticks if price > rules.highest_ticks else rules.lowest_ticks
        return Refused(refusals.REFUSAL_TOO_FAR_FROM_ORACLE, edge, price)

    def _why_too_large(self, order: BookOrder, row: OrderSums, mark_ticks: int, k: int) -> Refused | None:
        """OVERFLOW: position and orders of a market, and of all markets, stay in the range kernels are exact in."""
        held, added = abs(row.lots), order.remaining
        lots = held + row.buy_lots + row.sell_lots + added
        if lots >= POSITION_LOTS_BOUND:
            return Refused(refusals.REFUSAL_OVERFLOW, POSITION_LOTS_BOUND, lots)
        per_lot, share = mark_ticks * k, self.market_share_atoms
        at_mark = lots * per_lot
        at_limits = held * per_lot + row.buy_value + row.sell_value + added * order.limit * k
        if at_mark < share and at_limits < share:
            return None
        value = max(at_mark, at_limits)
        positions = self.book.positions
        others = [market for market in positions.of_account(order.account) if market != order.market]
        value += sum(self._largest_value_atoms(positions.read(order.account, market)) for market in others)
        return Refused(refusals.REFUSAL_OVERFLOW, TOTAL_BOUND, min(value, INT64_MAX)) if value >= TOTAL_BOUND else None

    def _largest_value_atoms(self, row: OrderSums) -> int:
        """Position and orders of a row, all at the mark or the orders at their limits, whichever is more."""
        per_lot = self.book.mark_ticks(row.market) * self.book.k(row.market)
        position = abs(row.lots) * per_lot
        return position + max((row.buy_lots + row.sell_lots) * per_lot, row.buy_value + row.sell_value)

    def why_not_reducing(self, order: BookOrder, row: OrderSums) -> Refused | None:
        """MARKET_REDUCE_ONLY: beside what rests, an order that could open is not taken (MT-08)."""
        rules = self.rules(order.market)
        if not rules.reduces_only or only_reduces(order, row):
            return None
        return Refused(refusals.REFUSAL_MARKET_REDUCE_ONLY, 0, rules.age_ms)

    def why_not_reduce_only(self, order: BookOrder, row: OrderSums) -> Refused | None:
        """REDUCE_ONLY: such an order closes at most the position."""
        if not order.flags & REDUCE_ONLY:
            return None
        may_reduce = max(0, -order.side * row.lots)
        refused = Refused(refusals.REFUSAL_REDUCE_ONLY, may_reduce, order.remaining)
        return refused if order.remaining > may_reduce else None

    def send(self, kind: int, work_class: int, command: int, number: int, order: BookOrder, expected: int = 0) -> None:
        """One operation for the book; expected is what an amend's sender knew to remain, lots."""
        account, market, side, limit, _, remaining, time_in_force, flags, self_trade, client_id, _, _ = order
        words = (time_in_force, flags, self_trade, client_id, 0)
        place = (self.book.venue, market, account, kind, side, limit, remaining, expected)
        self._ops.add(work_class, command, number, *place, *words)
