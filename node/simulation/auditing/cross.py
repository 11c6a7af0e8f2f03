"""Cross margin on books, Margin Trade's and Spin's alike: cash and positions kept from events, fees worked out anew.

Fills at the desks of a block reach accounts in the next, those inside a ladder at once. What is held for LP deposits
counts as cash.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from breakwater.v1 import batches_pb2, common_pb2, events_pb2
from node.simulation.auditing.resting import RestingBook
from node.simulation.auditing.seen import E9, LONG, Seen, ceil_div

VAULT: Final = 0
# No fill at all at such a mark; a market that only reduces still lets owners reduce.
_CLOSED: Final = (common_pb2.MARK_STATE_NONE, common_pb2.MARK_STATE_HALTED, common_pb2.MARK_STATE_TRIPPED)


class Terms(NamedTuple):
    """What fees and values of a market follow from."""

    k: int
    maker_fee_e9: int
    taker_fee_e9: int
    liquidation_fee_e9: int


@dataclass
class Holding:
    """Lots and what they cost, both signed."""

    lots: int = 0
    cost_atoms: int = 0


@dataclass
class Account:
    """Cash and positions by market."""

    cash_atoms: int = 0
    holdings: dict[int, Holding] = field(default_factory=dict)

    def held(self, market: int) -> Holding:
        """The position there, empty where there is none."""
        return self.holdings.setdefault(market, Holding())

    def lots(self, market: int) -> int:
        """Signed."""
        return self.holdings[market].lots if market in self.holdings else 0

    def move(self, market: int, lots: int, quote_atoms: int) -> None:
        """Closes first, then opens; what closes releases floor(cost * closed / lots) (block.md: Realising)."""
        held = self.held(market)
        if held.lots and held.lots * lots < 0:
            closed = min(abs(lots), abs(held.lots)) * (1 if lots > 0 else -1)
            proceeds = quote_atoms * closed // lots
            released = held.cost_atoms * -closed // held.lots
            self.cash_atoms += -proceeds - released
            held.lots, held.cost_atoms = held.lots + closed, held.cost_atoms - released
            lots, quote_atoms = lots - closed, quote_atoms - proceeds
        held.lots, held.cost_atoms = held.lots + lots, held.cost_atoms + quote_atoms

    @property
    def net_atoms(self) -> int:
        """Cash less cost: what no rounding of a realisation moves."""
        return self.cash_atoms - sum(held.cost_atoms for held in self.holdings.values())


@dataclass
class Due:
    """What reaches an account with the next block."""

    account: int
    market: int = 0
    lots: int = 0
    quote_atoms: int = 0
    cash_atoms: int = 0
    fee_atoms: int = 0


class CrossBook(ABC):
    """One venue. What a rulebook adds is in `rule`, `begin`, `end`."""

    fees_rule = "MT-05"

    def __init__(self, venue: int) -> None:
        self.venue = venue
        self.accounts: dict[int, Account] = {}
        # Trading fees that have reached the desk, and the insurance fund and shortfall as its events tell.
        self.fees_atoms = 0
        self.fund_atoms = 0
        self.shortfall_atoms = 0
        self.due: list[Due] = []
        self.terms: dict[int, Terms] = {}
        self._doubts: dict[tuple[int, int], str] = {}
        self.resting: dict[int, RestingBook] = {}

    def account(self, number: int) -> Account:
        """The account's books."""
        return self.accounts.setdefault(number, Account())

    def block(self, seen: Seen) -> list[str]:
        """See `Auditor`."""
        self.terms = self.read_terms(seen)
        for due in self.due:
            self.settle(due)
        self.due = []
        for _, columns, row, _ in seen.taken("deposits", self.venue):
            self.account(columns.account[row]).cash_atoms += columns.amount_atoms[row]
        faults = self.begin(seen)
        for event in seen.of_venue(self.venue):
            faults += self._event(seen, event)
        faults += [*self.end(seen), *self._doubts.values()]
        self._doubts = {}
        return faults

    @abstractmethod
    def read_terms(self, seen: Seen) -> dict[int, Terms]:
        """Of every market of the venue."""

    def begin(self, seen: Seen) -> list[str]:
        """Before the events of a block, when what was due has settled."""
        return []

    def end(self, seen: Seen) -> list[str]:
        """After them."""
        return []

    def rule(self, seen: Seen, event: events_pb2.Event) -> list[str]:
        """An event that only this rulebook has."""
        return []

    def settle(self, due: Due) -> None:
        """What was due arrives."""
        account = self.account(due.account)
        if due.lots:
            account.move(due.market, due.lots, due.quote_atoms)
        account.cash_atoms += due.cash_atoms - due.fee_atoms
        self.fees_atoms += due.fee_atoms

    def _event(self, seen: Seen, event: events_pb2.Event) -> list[str]:
        account, market = event.account, event.market
        match event.WhichOneof("body"):
            case "withdrawal_requested":
                self.account(account).cash_atoms -= event.withdrawal_requested.amount_atoms
                return self.paid_out(seen, account)
            case "withdrawal_decided" if not event.withdrawal_decided.confirmed:
                self.account(account).cash_atoms += event.withdrawal_decided.amount_atoms
            case "order_placed":
                return self._book(market).place(event.order_placed, account, seen.height)
            case "order_amended":
                return self._book(market).amend(event.order_amended)
            case "order_armed":
                self._book(market).arm(event.order_armed)
            case "order_done":
                return self._book(market).done(event.order_done)
            case "order_filled":
                return self._fill(seen, event)
            case "position_updated":
                return self._updated(event)
            case _:
                return self.rule(seen, event)
        return []

    def _book(self, market: int) -> RestingBook:
        return self.resting.setdefault(market, RestingBook())

    def paid_out(self, seen: Seen, account: int) -> list[str]:
        """A withdrawal left: what must hold after it."""
        return []

    def fails_margin(self, seen: Seen, number: int) -> bool:
        """Whether its resting orders may only reduce in this block; never where the rulebook's book does not ask."""
        return False

    def is_settled_now(self, body: events_pb2.OrderFilled) -> bool:
        """Fills inside a ladder settle in their block."""
        return body.is_liquidation and not body.is_unwinding

    def _fill(self, seen: Seen, event: events_pb2.Event) -> list[str]:
        """One side of a trade: its quote, its fee, its place in the book."""
        body, terms = event.order_filled, self.terms[event.market]
        side = 1 if body.side == LONG else -1
        quote = body.lots * body.price_ticks * terms.k
        faults = self._beyond_caps(seen, event, side) if body.is_maker else []
        faults += self._book(event.market).fill(body) if body.is_maker else []
        fee = self._fee(event, side, quote)
        told, ours = (body.quote_atoms, body.fee_atoms, body.liquidation_fee_atoms), (quote, *fee)
        if told != ours:
            faults.append(f"{self.fees_rule}: order {body.order}: quote, fee, liquidation fee {told}, not {ours}")
        mark = seen.marks.get((self.venue, event.market))
        if mark is None or mark.state in _CLOSED:
            faults.append(f"order {body.order} was filled at a mark that may not be used (invariant 9)")
        lots, paid = side * body.lots, side * body.quote_atoms
        due = Due(event.account, event.market, lots, paid, -body.liquidation_fee_atoms, body.fee_atoms)
        if self.is_settled_now(body):
            self.settle(due)
        else:
            self.due.append(due)
        return faults

    def _beyond_caps(self, seen: Seen, event: events_pb2.Event, side: int) -> list[str]:
        """An order that rested when its account was found to fail margin fills only what reduces the position."""
        body, number, market = event.order_filled, event.account, event.market
        if self.is_settled_now(body) or self._book(market).height_of(body.order) in (None, seen.height):
            return []
        here = [due.lots for due in self.due if (due.account, due.market) == (number, market)]
        position = self.account(number).lots(market) + sum(here)
        if body.lots <= -side * position or not self.fails_margin(seen, number):
            return []
        return [f"MT-02: account {number} fails margin and fills {side * body.lots} lots on a position of {position}"]

    def _fee(self, event: events_pb2.Event, side: int, quote_atoms: int) -> tuple[int, int]:
        """Trading fee and liquidation fee of a fill, both rounded up; a maker's may be a rebate."""
        body, terms = event.order_filled, self.terms[event.market]
        if body.is_maker:
            return ceil_div(quote_atoms * terms.maker_fee_e9, E9), 0
        if self.is_settled_now(body):
            return 0, self.liquidation_fee_atoms(event, side, quote_atoms)
        return ceil_div(quote_atoms * terms.taker_fee_e9, E9), 0

    def liquidation_fee_atoms(self, event: events_pb2.Event, side: int, quote_atoms: int) -> int:
        """Of a ladder's order."""
        return 0

    def _updated(self, event: events_pb2.Event) -> list[str]:
        """A position as its shard tells it after settling; in a round of the ladder twice, and the last one counts."""
        body, held = event.position_updated, self.account(event.account).held(event.market)
        key = event.account, event.market
        self._doubts.pop(key, None)
        if (body.lots, body.cost_atoms) != (held.lots, held.cost_atoms):
            told, ours = (body.lots, body.cost_atoms), (held.lots, held.cost_atoms)
            self._doubts[key] = f"account {key[0]} market {key[1]}: lots and cost are {told}, not {ours}"
        return []

    def equity_atoms(self, seen: Seen, number: int, held_atoms: int = 0) -> int:
        """Cash and uPnL at the marks; a gain where the mark may not be used counts as zero (MT-01, SP-02)."""
        account = self.account(number)
        equity = account.cash_atoms - held_atoms
        for market, held in account.holdings.items():
            if held.lots:
                gain = held.lots * seen.mark_ticks(self.venue, market) * self.terms[market].k - held.cost_atoms
                equity += gain if seen.is_usable(self.venue, market) else min(0, gain)
        return equity

    def notional_atoms(self, seen: Seen, number: int) -> dict[int, int]:
        """By market, at the marks."""
        return {
            market: abs(held.lots) * seen.mark_ticks(self.venue, market) * self.terms[market].k
            for market, held in sorted(self.account(number).holdings.items())
            if held.lots
        }

    def fund_moved(self, event: events_pb2.Event) -> list[str]:
        """The insurance fund: every move adds up, and it is never below zero (MT-16a, SP-09)."""
        body = event.insurance_moved
        self.fund_atoms += body.amount_atoms
        if body.fund_atoms == self.fund_atoms >= 0:
            return []
        return [f"the fund moved by {body.amount_atoms} to {body.fund_atoms} atoms, not to {self.fund_atoms}"]

    def compare(self, seen: Seen, view: batches_pb2.AccountView) -> list[str]:
        """An account as the node shows it."""
        shown = view.ratio if view.HasField("ratio") else view.cross
        ours = self.account(view.account)
        lots = {one.market: (one.lots, one.cost_atoms) for one in shown.positions if one.lots}
        mine = {market: (held.lots, held.cost_atoms) for market, held in ours.holdings.items() if held.lots}
        faults = []
        if shown.cash_atoms + view.held_atoms != ours.cash_atoms:
            cash = shown.cash_atoms + view.held_atoms
            faults.append(f"account {view.account} has {cash} atoms of cash, not {ours.cash_atoms}")
        if lots != mine:
            faults.append(f"account {view.account} holds {lots}, not {mine} (lots, cost by market)")
        return faults

    def in_all_atoms(self) -> int:
        """Cash less cost of everybody, and what is due, fees on their way among it (invariant 1)."""
        due = sum(one.cash_atoms - one.quote_atoms for one in self.due)
        return sum(account.net_atoms for account in self.accounts.values()) + due

    def unbalanced(self) -> list[str]:
        """Longs are shorts, market by market, what is due included (invariant 2)."""
        net: Counter[int] = Counter()
        for account in self.accounts.values():
            for market, held in account.holdings.items():
                net[market] += held.lots
        for due in self.due:
            net[due.market] += due.lots
        return [f"market {market}: longs exceed shorts by {lots} lots" for market, lots in net.items() if lots]
