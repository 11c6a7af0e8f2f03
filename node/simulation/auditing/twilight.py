"""Twilight: positions and money kept from the events alone, each number worked out anew (TW-02 to TW-15).

What a desk decides in a block reaches accounts in the next: `_owed` is what must be credited then, and `_opened` what
becomes positions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from breakwater.v1 import batches_pb2, common_pb2, events_pb2, parameters_pb2
from node.simulation.auditing.seen import LONG, Seen
from node.simulation.auditing.twilight_pool import PoolBook
from node.simulation.auditing.twilight_rules import (
    Held,
    close_payment,
    fee_atoms,
    funding_rate_e9,
    is_liquidatable,
    maintenance_e9,
    meets,
    payment_atoms,
)

_COMMAND_BITS: Final = 20
_LIMIT: Final = common_pb2.ORDER_KIND_LIMIT
_REDEMPTION: Final = events_pb2.LEG_KIND_REDEMPTION
_CREDITS: Final = (events_pb2.LEG_KIND_PAYOUT, events_pb2.LEG_KIND_CLAIM, _REDEMPTION)
_CLOSED: Final = (common_pb2.OUTCOME_STATUS_FILLED, common_pb2.OUTCOME_STATUS_LIQUIDATED)


class TwilightBook:
    """One venue."""

    def __init__(self, venue: int) -> None:
        self.venue = venue
        self.pool = PoolBook(venue)
        # Free, held and margin of an account together, and its positions by number.
        self.totals_atoms: Counter[int] = Counter()
        self.positions: dict[int, Held] = {}
        self._rates_e9: dict[int, int] = {}
        self._opened: list[tuple[int, Held]] = []
        self._owed: Counter[tuple[int, int, int, int]] = Counter()
        self._minted: Counter[int] = Counter()
        self._rules = parameters_pb2.TwilightParameters()
        self._sizes: dict[int, list[int]] = {}
        self._crossed: set[int] = set()

    def block(self, seen: Seen) -> list[str]:
        """See `Auditor`."""
        self._rules = seen.venues[self.venue].twilight
        faults = self._settle(seen)
        self._sizes = self._count_sizes()
        self._crossed = {
            columns.position[row]
            for _, columns, row, told in seen.taken("close_positions", self.venue)
            if told.status in _CLOSED
        }
        for _, columns, row, _ in seen.taken("deposits", self.venue):
            self.totals_atoms[columns.account[row]] += columns.amount_atoms[row]
        self.pool.begin(seen, self._rules, self.positions)
        for event in seen.of_venue(self.venue):
            faults += self._event(seen, event)
        faults += self._left(seen)
        return faults + self.pool.compare(seen, self._margin_atoms())

    def compare(self, seen: Seen, view: batches_pb2.AccountView) -> list[str]:
        """An account as the node shows it."""
        faults = []
        told = view.free_atoms + view.held_atoms + view.margin_atoms
        if told != self.totals_atoms[view.account]:
            faults.append(f"account {view.account} has {told} atoms, not {self.totals_atoms[view.account]}")
        shown = {one.position: (one.market, one.entry_ticks, one.margin_held_atoms) for one in view.positions}
        ours = {
            number: (held.market, held.entry_ticks, held.margin_held_atoms)
            for number, held in self.positions.items()
            if held.account == view.account
        }
        if shown != ours:
            faults.append(f"account {view.account} has positions {shown}, not {ours}")
        return faults

    def compare_venue(self, seen: Seen, brought_atoms: int) -> list[str]:
        """Shares by account; and conservation by these books (invariant 1): pending withdrawals are out already."""
        faults, holds = self.pool.compare_shares(seen), self._holds_atoms()
        if holds != brought_atoms:
            faults.append(f"{holds} atoms are held, {brought_atoms} were brought and not taken")
        return faults

    def _holds_atoms(self) -> int:
        """Accounts, what is on its way to them, and the pool; what waits to be paid out is in none."""
        on_the_way = sum(amount * times for (_, _, amount, _), times in self._owed.items())
        fees = sum(held.initial_margin_atoms - held.margin_held_atoms for _, held in self._opened)
        return sum(self.totals_atoms.values()) + on_the_way - fees - sum(self._minted.values()) + self.pool.net_atoms

    def _margin_atoms(self) -> int:
        held = sum(position.margin_held_atoms for position in self.positions.values())
        return held + sum(position.margin_held_atoms for _, position in self._opened)

    def _count_sizes(self) -> dict[int, list[int]]:
        """Position sizes by market, long and short: what the desk counted at the end of the block before (TW-08)."""
        sizes: dict[int, list[int]] = {}
        for held in self.positions.values():
            sizes.setdefault(held.market, [0, 0])[0 if held.side > 0 else 1] += held.size
        return sizes

    def _settle(self, seen: Seen) -> list[str]:
        """What the desk owed since the last block: positions, credits, LP deposits that are gone to the pool."""
        for number, held in self._opened:
            self.positions[number] = held
            self.totals_atoms[held.account] -= held.initial_margin_atoms - held.margin_held_atoms
        for account, amount in self._minted.items():
            self.totals_atoms[account] -= amount
        credited: Counter[tuple[int, int, int, int]] = Counter()
        for event in seen.of_venue(self.venue):
            if event.HasField("credited") and event.credited.kind in _CREDITS:
                body = event.credited
                # Two redemptions alike differ in their command only.
                reference = 0 if body.kind == _REDEMPTION else body.reference
                credited[event.account, body.kind, body.amount_atoms, reference] += 1
                self.totals_atoms[event.account] += body.amount_atoms
        wrong = (self._owed - credited) + (credited - self._owed)
        faults = [f"(account, kind, atoms, reference) {what}: owed and credited differ" for what in sorted(wrong)]
        self._opened, self._owed, self._minted = [], Counter(), Counter()
        return faults

    def _event(self, seen: Seen, event: events_pb2.Event) -> list[str]:
        account = event.account
        match event.WhichOneof("body"):
            case "funding_applied":
                return self._fund(event)
            case "funding_paid":
                return self._pay_funding(seen, event)
            case "withdrawal_requested":
                self.totals_atoms[account] -= event.withdrawal_requested.amount_atoms
            case "withdrawal_decided" if not event.withdrawal_decided.confirmed:
                self.totals_atoms[account] += event.withdrawal_decided.amount_atoms
            case "position_opened":
                return self._open(seen, event)
            case "position_closed":
                return self._close(seen, event)
            case "position_liquidated":
                return self._liquidate(seen, event)
            case "level_set":
                level = event.level_set
                if level.position in self.positions:
                    self.positions[level.position].levels[level.kind] = (level.level_ticks, seen.height)
            case _:
                return self._pool_event(event)
        return []

    def _pool_event(self, event: events_pb2.Event) -> list[str]:
        account = event.account
        match event.WhichOneof("body"):
            case "shares_minted":
                self._minted[account] += event.shares_minted.amount_atoms
                return self.pool.mint(event)
            case "shares_redeemed":
                self._owed[account, _REDEMPTION, event.shares_redeemed.amount_atoms, 0] += 1
                return self.pool.redeem(event)
            case "claim_recorded":
                return self.pool.record_claim(event)
            case "claim_paid":
                paid = event.claim_paid
                self._owed[account, events_pb2.LEG_KIND_CLAIM, paid.amount_atoms, paid.position] += 1
                return self.pool.pay_claim(event)
        return []

    def _fund(self, event: events_pb2.Event) -> list[str]:
        """TW-08: the rate follows from the sizes; every position of the market pays it."""
        body, sizes = event.funding_applied, self._sizes.get(event.market, [0, 0])
        rate = funding_rate_e9(sizes, self._rules.psi)
        self._rates_e9[event.market] = body.rate_e9
        mark = body.mark.mark_ticks
        mine = [held for held in self.positions.values() if held.market == event.market]
        net = sum(payment_atoms(held, mark, rate) for held in mine)
        self.pool.net_atoms += body.net_atoms
        if (body.rate_e9, body.net_atoms) != (rate, net):
            return [f"TW-08: funding at {body.rate_e9} for {body.net_atoms} atoms, not at {rate} for {net}"]
        return []

    def _pay_funding(self, seen: Seen, event: events_pb2.Event) -> list[str]:
        body, held = event.funding_paid, self.positions.get(event.funding_paid.position)
        if held is None:
            return [f"TW-08: position {body.position} paid funding, there is none"]
        payment = payment_atoms(held, seen.mark_ticks(self.venue, held.market), self._rates_e9.get(held.market, 0))
        held.margin_held_atoms -= body.payment_atoms
        self.totals_atoms[held.account] -= body.payment_atoms
        if (body.payment_atoms, body.margin_held_atoms) != (payment, held.margin_held_atoms):
            return [f"TW-08: position {body.position} paid {body.payment_atoms} atoms, not {payment}"]
        return []

    def _open(self, seen: Seen, event: events_pb2.Event) -> list[str]:
        body, mark = event.position_opened, seen.mark_ticks(self.venue, event.market)
        side, rules = (1 if body.side == LONG else -1), self._rules
        value = body.initial_margin_atoms * body.leverage_hundredths // 100
        rested = body.kind == _LIMIT and body.position >> _COMMAND_BITS < seen.height
        fee = fee_atoms(value * mark, mark, rules.maker_fee_e9 if rested else rules.taker_fee_e9)
        left = body.initial_margin_atoms - fee
        held = Held(event.account, event.market, side, mark, value, body.initial_margin_atoms, left)
        faults = []
        told = (body.entry_value_atoms, body.position_size, body.fee_atoms, body.mark.mark_ticks)
        if told != (value, value * mark, fee, mark):
            faults.append(f"TW-02, TW-07: position {body.position} is {told}, not {(value, value * mark, fee, mark)}")
        if not seen.is_usable(self.venue, event.market):
            faults.append(f"TW-20: position {body.position} was opened at a mark that may not be used")
        faults += self.pool.why_not_open(held, self._margin_atoms() + left, fee)
        self._opened.append((body.position, held))
        self.pool.net_atoms += fee
        return faults

    def _taken(self, seen: Seen, event: events_pb2.Event, position: int) -> Held | None:
        """The position that ends now; its margin leaves the account."""
        held = self.positions.pop(position, None)
        if held is not None:
            self.totals_atoms[held.account] -= held.margin_held_atoms
        return held if held is not None and held.account == event.account else None

    def _close(self, seen: Seen, event: events_pb2.Event) -> list[str]:
        body = event.position_closed
        held = self._taken(seen, event, body.position)
        if held is None:
            return [f"TW-15: position {body.position} was closed, there is none of account {event.account}"]
        mark, rules = seen.mark_ticks(self.venue, held.market), self._rules
        rested = body.kind == _LIMIT and body.position not in self._crossed
        upnl, fee, payout = close_payment(held, mark, rules.maker_fee_e9 if rested else rules.taker_fee_e9)
        told = (body.margin_held_atoms, body.upnl_atoms, body.fee_atoms, body.payout_atoms)
        ours, faults = (held.margin_held_atoms, upnl, fee, payout), []
        if told != ours or payout < 0:
            faults.append(f"TW-15: position {body.position} closed as {told}, not {ours}")
        if not seen.is_usable(self.venue, held.market):
            faults.append(f"TW-20: position {body.position} was closed at a mark that may not be used")
        paid = payout - body.claim_atoms
        self._owed[held.account, events_pb2.LEG_KIND_PAYOUT, paid, body.position] += 1
        self.pool.net_atoms += held.margin_held_atoms - paid
        return faults

    def _liquidate(self, seen: Seen, event: events_pb2.Event) -> list[str]:
        """TW-10 to TW-12: only who is at or below MM, or whose close would pay less than nothing."""
        body = event.position_liquidated
        held = self._taken(seen, event, body.position)
        if held is None:
            return [f"TW-11: position {body.position} was liquidated, there is none of account {event.account}"]
        mark = seen.mark_ticks(self.venue, held.market)
        self.pool.net_atoms += held.margin_held_atoms
        faults = []
        if body.margin_held_atoms != held.margin_held_atoms:
            faults.append(f"TW-11: {body.margin_held_atoms} atoms were seized, {held.margin_held_atoms} were held")
        required = maintenance_e9(held, self._rules, self._rates_e9.get(held.market, 0))
        negative = close_payment(held, mark, self._rules.taker_fee_e9)[2] < 0
        if not (is_liquidatable(held, mark, required) if body.round else negative):
            faults.append(f"TW-10: position {body.position} was healthy at {mark} and liquidated")
        if not seen.is_usable(self.venue, held.market):
            faults.append(f"TW-20: position {body.position} was liquidated at a mark that may not be used")
        return faults

    def _left(self, seen: Seen) -> Iterator[str]:
        """TW-10, TW-14: nobody at or below MM is left, no level that the mark meets; but for the queued."""
        queued = {event.ladder_queued.position for event in seen.events if event.HasField("ladder_queued")}
        for number, held in self.positions.items():
            if not seen.is_usable(self.venue, held.market) or number in queued:
                continue
            mark = seen.mark_ticks(self.venue, held.market)
            required = maintenance_e9(held, self._rules, self._rates_e9.get(held.market, 0))
            if is_liquidatable(held, mark, required):
                yield f"TW-10: position {number} may be liquidated at {mark} and was left"
            for kind, (level, since) in held.levels.items():
                if level and since < seen.height and meets(held, kind, level, mark):
                    yield f"TW-14: position {number} has a level {level} that {mark} meets and was left"
