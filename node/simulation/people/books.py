"""Who trades on order books, Margin Trade's and Spin's: makers who quote around the mark, traders who take."""

from __future__ import annotations

from typing import Final, NamedTuple

from breakwater.v1 import batches_pb2, commands_pb2, common_pb2, parameters_pb2
from cluster.simulator.faults import Chaos
from cluster.simulator.workload import Reader
from node.simulation.people.person import Person, Row
from node.simulation.venues import Listed

ORDER_COLUMNS: Final = (
    "account",
    "market",
    "side",
    "kind",
    "size_lots",
    "limit_ticks",
    "time_in_force",
    "flags",
    "self_trade",
    "trigger",
    "trigger_ticks",
    "client_order_id",
)
_CANCELS: Final = ("account", "market", "order", "client_order_id")
_AMENDS: Final = ("account", "order", "client_order_id", "size_lots", "limit_ticks")
_MARKET: Final = common_pb2.ORDER_KIND_MARKET
_LIMIT: Final = common_pb2.ORDER_KIND_LIMIT
_GTC, _IOC, _FOK = 1, 2, 3
_POST_ONLY, _REDUCE_ONLY = 1, 2
_E9: Final = 10**9


class Terms(NamedTuple):
    """What a trader reads of a market, whichever rulebook it has."""

    k: int
    leverage: int
    step_lots: int
    max_order_lots: int


def terms_of(market: parameters_pb2.MarketParameters) -> Terms:
    """Of a Margin Trade or Spin market."""
    if market.HasField("margin_trade"):
        rules = market.margin_trade
        return Terms(rules.quote_atoms_per_tick_lot, rules.tiers[0].max_leverage, 1, rules.max_order_lots)
    spin = market.spin
    leverage = _E9 // spin.collateral_ratio_e9
    return Terms(spin.quote_atoms_per_tick_lot, leverage, spin.step_lots, spin.max_order_lots)


def free_atoms(view: batches_pb2.AccountView) -> int:
    """About what an account may still use for orders."""
    if view.HasField("ratio"):
        ratio = view.ratio
        needed = ratio.position_collateral_atoms + ratio.order_collateral_atoms + ratio.reserved_atoms
        return max(0, ratio.equity_atoms - needed)
    return max(0, view.cross.free_margin_atoms)


def lots_held(view: batches_pb2.AccountView, market: int) -> int:
    """Signed."""
    held = view.ratio.positions if view.HasField("ratio") else view.cross.positions
    return sum(one.lots for one in held if one.market == market)


def live_orders(view: batches_pb2.AccountView) -> list[batches_pb2.CrossOrderView]:
    """Resting and waiting."""
    return list(view.ratio.orders if view.HasField("ratio") else view.cross.orders)


class BookPerson(Person):
    """Somebody with accounts on a venue of books."""

    def __init__(self, name: str, principal: int, seed: int, chaos: Chaos, listed: Listed, accounts: list[int]) -> None:
        super().__init__(name, principal, listed.number, seed, chaos)
        self._accounts = accounts
        self._terms = {number: terms_of(market) for number, market in sorted(listed.markets.items())}
        self._is_spin = listed.rulebook == common_pb2.RULEBOOK_SPIN

    def _marks(self, reader: Reader) -> dict[int, int]:
        """Of the markets that have one."""
        marks = {number: reader.mark(self.venue, number) for number in self._terms}
        return {number: mark.mark_ticks for number, mark in marks.items() if mark is not None and mark.mark_ticks}

    def _order(self, account: int, market: int, side: int, lots: int, limit: int, **other: int) -> Row:
        """A row of a limit order, good till cancelled, unless `other` says otherwise."""
        terms = self._terms[market]
        size = max(terms.step_lots, min(lots, terms.max_order_lots) // terms.step_lots * terms.step_lots)
        fields = {
            "account": account,
            "market": market,
            "side": side,
            "kind": _LIMIT,
            "size_lots": size,
            "limit_ticks": limit,
            "time_in_force": _GTC,
            **other,
        }
        return [fields.get(name, 0) for name in ORDER_COLUMNS]


class BookMaker(BookPerson):
    """Takes its quotes back and quotes anew around the mark; its accounts own the depth of the books."""

    def act(self, reader: Reader) -> list[commands_pb2.CommandBatch]:
        """Every other time: new quotes, a few levels a side."""
        marks = self._marks(reader) if self.chance(0.6) else {}
        views = reader.accounts(self.venue, self._accounts) if marks else None
        if views is None:
            return []
        rows = [
            row for view in views.accounts for market, mark in marks.items() for row in self._quotes(view, market, mark)
        ]
        zeros = [0] * len(self._accounts)
        batches = []
        if self.chance(0.8):
            batches.append(
                self.batch(
                    "cancel_book_orders", account=self._accounts, market=zeros, order=zeros, client_order_id=zeros
                )
            )
        return [*batches, *self.rows("place_orders", ORDER_COLUMNS, rows)]

    def _quotes(self, view: batches_pb2.AccountView, market: int, mark: int) -> list[Row]:
        terms = self._terms[market]
        rows: list[Row] = []
        equity = view.ratio.equity_atoms if self._is_spin else view.cross.equity_atoms
        depth = max(1, equity * self.random.choice((1, 2, 4)) // (4 * mark * terms.k))
        for level in range(1, self.random.choice((2, 4))):
            gap = max(1, mark * level * self.random.choice((1, 2, 5)) // 2_000)
            rows += [self._order(view.account, market, side, depth, max(1, mark - side * gap)) for side in (1, -1)]
        return rows


class BookTrader(BookPerson):
    """Takes with much leverage, reduces, waits with triggers, amends, cancels, changes leverage, moves collateral."""

    def act(self, reader: Reader) -> list[commands_pb2.CommandBatch]:
        """A few orders, and now and then something about those there are."""
        marks = self._marks(reader)
        views = reader.accounts(self.venue, self._accounts) if marks else None
        if views is None or not views.accounts:
            return []
        batches = []
        if self.chance(0.7):
            rows = []
            for view in self.random.choices(views.accounts, k=self.random.choice((1, 2, 4))):
                market = self.random.choice(sorted(marks))
                rows.append(self._any_order(view, market, marks[market]))
            batches += self.rows("place_orders", ORDER_COLUMNS, rows)
        if self.chance(0.3):
            batches += self._about_orders(views, marks)
        if self.chance(0.1):
            batches += self._of_rulebook(views)
        return batches

    def _any_order(self, view: batches_pb2.AccountView, market: int, mark: int) -> Row:
        held, terms = lots_held(view, market), self._terms[market]
        if held and self.chance(0.2):
            side, lots = (-1 if held > 0 else 1), max(1, abs(held) * self.random.choice((1, 2, 4)) // 2)
            return self._order(view.account, market, side, lots, 0, kind=_MARKET, time_in_force=0, flags=_REDUCE_ONLY)
        side = self.random.choice((1, -1))
        spend = self.random.choice((10, 50, 80, 90, 95, 101))
        lots = free_atoms(view) * spend // 100 * terms.leverage // (mark * terms.k)
        if not lots and not self.chance(0.1):
            lots = abs(held) // 2 + 1
            side = -1 if held > 0 else 1
        kind = self.random.randrange(8)
        if kind < 2:
            return self._order(view.account, market, side, lots * 9 // 10, 0, kind=_MARKET, time_in_force=0)
        if kind == 2 and held:
            return self._trigger(view.account, market, held, mark)
        slip = mark * self.random.choice((0, 1, 10, 30)) // 1_000
        crossing = max(1, mark + side * slip)
        if kind == 3:
            return self._order(view.account, market, side, lots, max(1, mark - side * slip), flags=_POST_ONLY)
        client = self.random.choice((0, 0, self.random.randint(1, 5)))
        time, prevention = self.random.choice((_GTC, _GTC, _IOC, _FOK)), self.random.choice((0, 1, 2, 3))
        return self._order(
            view.account,
            market,
            side,
            lots,
            crossing,
            time_in_force=time,
            self_trade=prevention,
            client_order_id=client,
        )

    def _trigger(self, account: int, market: int, held: int, mark: int) -> Row:
        side, kind = (-1 if held > 0 else 1), self.random.choice((1, 2))
        away = max(1, mark * self.random.choice((2, 10)) // 1_000)
        level = max(1, mark + (side if kind == 1 else -side) * away)
        shape = {"kind": _MARKET, "time_in_force": _IOC, "flags": self.random.choice((0, _REDUCE_ONLY))}
        return self._order(account, market, side, abs(held), 0, trigger=kind, trigger_ticks=level, **shape)

    def _about_orders(self, views: batches_pb2.AccountViews, marks: dict[int, int]) -> list[commands_pb2.CommandBatch]:
        live = [(view.account, order) for view in views.accounts for order in live_orders(view)]
        if not live or self.chance(0.1):
            return self.rows("cancel_book_orders", _CANCELS, [[self.random.choice(self._accounts), 0, 0, 0]])
        account, order = self.random.choice(live)
        if self.chance(0.5):
            return self.rows("cancel_book_orders", _CANCELS, [[account, 0, order.order, 0]])
        step = self._terms[order.market].step_lots
        sizes = (order.size_lots - step, order.size_lots, order.size_lots + step, 2 * order.size_lots)
        limit = self.random.choice((0, order.limit_ticks, marks.get(order.market, 0)))
        return self.rows("amend_orders", _AMENDS, [[account, order.order, 0, max(1, self.random.choice(sizes)), limit]])

    def _of_rulebook(self, views: batches_pb2.AccountViews) -> list[commands_pb2.CommandBatch]:
        """Leverage where there is leverage; collateral between accounts where there are subaccounts."""
        account = self.random.choice(self._accounts)
        if not self._is_spin:
            market = self.random.choice(sorted(self._terms))
            most = self._terms[market].leverage
            leverage = self.random.choice((1, most // 2, most, most, most + 1))
            return [self.batch("set_leverage", account=[account], market=[market], leverage=[leverage])]
        other = self.random.choice(self._accounts)
        worth = sum(view.ratio.withdrawable_atoms for view in views.accounts if view.account == account)
        amount = max(1, self.random.choice((worth // 2, worth, worth + 1)))
        return [self.batch("transfers", account=[account], to_account=[other], amount_atoms=[amount])]
