"""What may become an order of a Spin venue: after what every venue checks, the margin ratio and the largest position.

Accounts are carried: the equity and collateral of one are summed when it is first asked in the block, then changed by
what is admitted.
"""

from typing import NamedTuple

from actors.columns import RowGatherer
from actors.ledger.book_orders import REDUCE_ONLY, BookOrder
from actors.ledger.ratio_positions import RatioPosition
from actors.orders.carried import FIRST as LEFT
from actors.orders.carried import SECOND as WHOLE
from actors.orders.carried import THIRD as REST
from actors.orders.checks import COMMAND_BITS, MarketRules, OrderChecks, market_rules, only_reduces
from actors.orders.worst_prices import drawn_in_ticks
from actors.ratio.book import RatioBook
from actors.ratio.health import (
    MarketTerms,
    Terms,
    counted_order,
    counted_orders,
    health,
    orders_collateral_e9,
    required_ceil_atoms,
)
from actors.ratio.losses import is_failing, live_losses_atoms, order_loss_ceil_atoms
from actors.rulebooks import spin
from actors.sinks import Refused
from actors.units import E9
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import refusals_pb2 as refusals


class _Carried:
    """An account while orders come in: `left` is equity less what its orders may lose, `losses` that by order.

    `is_lent`: left and collateral are in the columns, where runs of a kernel carry them on.
    """

    __slots__ = ("collateral_e9", "is_lent", "left", "losses")

    def __init__(self, equity: int, collateral_e9: int) -> None:
        self.collateral_e9 = collateral_e9
        self.left = equity
        self.losses: dict[int, int] = {}
        self.is_lent = False

    def lose(self, number: int, atoms: int) -> None:
        """The order may lose so much from here on."""
        self.left += self.losses.get(number, 0) - atoms
        self.losses[number] = atoms


class Change(NamedTuple):
    """An order that is to be taken in, in the place of `before` where it is an amend; `row` is without it."""

    number: int
    order: BookOrder
    row: RatioPosition
    before: BookOrder | None = None


class OrderEntry(OrderChecks):
    """One block's orders of a venue on a shard, one after the other on the state the last one left.

    `tiers`: accounts that were liquidated in this block, which enter nothing.
    """

    book: RatioBook

    def __init__(
        self,
        book: RatioBook,
        ops: RowGatherer[batches.OrderOps],
        caps: RowGatherer[batches.PositionCaps],
        tiers: dict[int, int],
    ) -> None:
        super().__init__(book, ops, caps)
        self.terms = Terms(book)
        self.tiers = tiers
        self._accounts: dict[int, _Carried] = {}

    def rules_of(self, market: int) -> MarketRules:
        """Binds the market's rules."""
        return market_rules(self.book, market, self.book.markets[market].spin)

    def rung_acted(self, account: int) -> int:
        """The tier in which the account was liquidated in this block, 0 where it was not."""
        return self.tiers.get(account, 0)

    def enter(self, work_class: int, command: int, number: int, order: BookOrder) -> Refused | None:
        """Checks an order of lots and price and sends it to the book, or says why not."""
        row = self.book.positions.read(order.account, order.market)
        refused = self.why_not_numbers(order, row) or self.why_not_reducing(order, row)
        refused = refused or self.why_not_reduce_only(order, row)
        bounded = refused or self.bounded(Change(number, order, row))
        if isinstance(bounded, Refused):
            return bounded
        self.book.add_order(number, bounded)
        self.note_admitted(number, bounded, row)
        self.send(batches.ORDER_OP_KIND_PLACE, work_class, command, number, bounded)
        return None

    def bounded(self, change: Change) -> BookOrder | Refused:
        """MARGIN_RATIO, then POSITION_CAP; an order that only reduces is taken at any Mr, its worst price drawn in."""
        order, terms, carried = change.order, self.terms[change.order.market], self._carried(change.order.account)
        loss = order_loss_ceil_atoms(order, terms)
        loses_more = not change.before or loss > order_loss_ceil_atoms(change.before, terms)
        left = carried.left + carried.losses.get(change.number, 0)
        if only_reduces(order, change.row):
            return self._drawn_in(order, left, terms) if loses_more else order
        needed_e9 = carried.collateral_e9 + self._added_e9(change, terms)
        adds = loses_more or needed_e9 > carried.collateral_e9
        if adds and not spin.may_open(left - loss, needed_e9):
            return Refused(refusals.REFUSAL_MARGIN_RATIO, required_ceil_atoms(needed_e9), left - loss)
        return self._why_position_too_large(change, terms) or order

    def _drawn_in(self, order: BookOrder, left_atoms: int, terms: MarketTerms) -> BookOrder:
        """A fill at the worst price may use up what is left, fee included, but no more."""
        mark = terms.mark_ticks
        if order.side * (order.limit - mark) <= 0:
            return order
        value = max(order.limit, mark) * order.remaining * terms.k
        left = left_atoms - spin.trading_fee_ceil_atoms(value, terms.taker_fee_e9)
        return order._replace(limit=drawn_in_ticks(order, left, mark, terms.k))

    def _added_e9(self, change: Change, terms: MarketTerms) -> int:
        """What the order adds to the collateral, in 1e-9 atoms: at its limit, a sale below the mark at the mark."""
        order, book = change.order, self.book
        price = order.limit if order.side > 0 else max(order.limit, terms.mark_ticks)
        if not change.before and order.side * change.row.lots >= 0 and not book.way.trades_by_row:
            return spin.collateral_atoms_e9(order.remaining, price, terms.k, terms.collateral_e9)
        now = book.positions.read(order.account, order.market)
        others = counted_orders(book, order.account, order.market, terms.mark_ticks)
        after = [other for other in others if other.order_id != change.number]
        after.append(spin.Order(change.number, order.side, order.remaining, price))
        needed = spin.order_collateral_atoms_e9(now.lots, after, terms.k, terms.collateral_e9)
        return needed - orders_collateral_e9(book, now, terms)

    def _why_position_too_large(self, change: Change, terms: MarketTerms) -> Refused | None:
        """POSITION_CAP: position, reserved lots and the orders of the side, this one included."""
        order, row = change.order, change.row
        if change.before and order.remaining <= change.before.remaining:
            return None
        resting = row.buy_lots if order.side > 0 else row.sell_lots
        largest = order.side * row.lots + row.reserved + resting + order.remaining
        cap = terms.max_position_lots
        return Refused(refusals.REFUSAL_POSITION_CAP, cap, largest) if largest > cap else None

    def note_admitted(self, number: int, order: BookOrder, before: RatioPosition) -> None:
        """The order is in the tables and on its way to the book; `before` is the row as it was."""
        account, terms = order.account, self.terms[order.market]
        carried = self._carried(account)
        carried.lose(number, order_loss_ceil_atoms(order, terms))
        if order.flags & REDUCE_ONLY:
            self.caps.add(account, order.market, self._fails)
        elif only_reduces(order, before):
            return
        elif order.side * before.lots < 0:
            # Some of it reduces: single orders tell.
            carried.collateral_e9 = health(self.book, account, self.terms).collateral_e9
        else:
            counted = counted_order(number, order, terms.mark_ticks)
            price = counted.price_ticks
            carried.collateral_e9 += spin.collateral_atoms_e9(counted.lots, price, terms.k, terms.collateral_e9)

    def note_amended(self, number: int, order: BookOrder) -> None:
        """The order is in the tables as it will be."""
        carried = self._carried(order.account)
        carried.lose(number, order_loss_ceil_atoms(order, self.terms[order.market]))
        carried.collateral_e9 = health(self.book, order.account, self.terms).collateral_e9
        if order.flags & REDUCE_ONLY:
            self.caps.add(order.account, order.market, self._fails)

    def _fails(self, account: int) -> bool:
        return is_failing(self.book, account, self.terms)

    def lend(self) -> None:
        """Hands left and collateral of all accounts to the columns, which a kernel is about to work on."""
        for account, carried in self._accounts.items():
            if not carried.is_lent:
                whole, rest = divmod(carried.collateral_e9, E9)
                amounts = enumerate((carried.left, whole, rest), LEFT)
                carried.is_lent = all(self.carried.lend(column, account, atoms) for column, atoms in amounts)

    def _carried(self, account: int) -> _Carried:
        carried = self._accounts.get(account)
        left, whole, rest = (self.carried.take_over(column, account) for column in (LEFT, WHOLE, REST))
        if carried and not carried.is_lent:
            return carried
        if left is None or whole is None or rest is None:
            standing = health(self.book, account, self.terms)
            carried = self._accounts[account] = _Carried(standing.equity, standing.collateral_e9)
            for number, loss in live_losses_atoms(self.book, account, self.terms).items():
                carried.lose(number, loss)
            return carried
        return self._taken_over(account, carried, left, whole * E9 + rest)

    def _taken_over(self, account: int, carried: _Carried | None, left: int, collateral_e9: int) -> _Carried:
        """Takes an account back from the columns: orders the kernel took in may lose what a new order may."""
        orders, height = self.book.orders, self.book.height
        if carried is None:
            carried = self._accounts[account] = _Carried(left, collateral_e9)
            carried.losses = live_losses_atoms(self.book, account, self.terms)
        for number in orders.of_account(account):
            order = orders.read(number)
            if number >> COMMAND_BITS == height and order.is_resting and number not in carried.losses:
                carried.losses[number] = order_loss_ceil_atoms(order, self.terms[order.market])
        carried.left, carried.collateral_e9, carried.is_lent = left, collateral_e9, False
        return carried
