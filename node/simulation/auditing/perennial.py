"""Perennial: orders pinned, locked and settled by version, collateral and balances, worked out anew (PE-01 to PE-17).

What a desk does in a block reaches accounts in the next: first what ops moved, at the values shards had, then what
versions settled.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from typing import Any, Final

from breakwater.v1 import batches_pb2, events_pb2
from node.simulation.auditing.perennial_desk import Market, Order, Owed, realise
from node.simulation.auditing.perennial_market import (
    NOTHING,
    Interval,
    Rules,
    Sizes,
    order_fees_atoms,
    requirement_atoms,
    step,
)
from node.simulation.auditing.seen import MILLION, Seen, Told

_EVERYTHING: Final = -(1 << 63)
_KEEP: Final = -1


class PerennialBook:
    """One venue."""

    def __init__(self, venue: int) -> None:
        self.venue = venue
        self.markets: dict[int, Market] = {}
        # Free and held balances together.
        self.cash_atoms: Counter[int] = Counter()
        self._rules: dict[int, Rules] = {}
        self._told: dict[tuple[int, str], deque[events_pb2.Event]] = {}

    def block(self, seen: Seen) -> list[str]:
        """See `Auditor`."""
        self._rules = {key[1]: one.perennial for key, one in seen.markets.items() if key[0] == self.venue}
        self._told = {}
        for event in seen.of_venue(self.venue):
            self._told.setdefault((event.market, event.WhichOneof("body") or ""), deque()).append(event)
        faults = []
        for number in sorted(self._rules):
            market = self.markets.setdefault(number, Market())
            faults += [f"market {number}: {fault}" for fault in self._settle(number, market)]
        self._money(seen)
        for number, market in sorted(self.markets.items()):
            found = [*self._ops(seen, number, market), *self._versions(seen, number, market)]
            found += self._sums(seen, number, market)
            faults += [f"market {number}: {fault}" for fault in found]
        return faults

    def _money(self, seen: Seen) -> None:
        for _, columns, row, _ in seen.taken("deposits", self.venue):
            self.cash_atoms[columns.account[row]] += columns.amount_atoms[row]
        for event in self._told.get((0, "withdrawal_requested"), ()):
            self.cash_atoms[event.account] -= event.withdrawal_requested.amount_atoms
        for event in self._told.get((0, "withdrawal_decided"), ()):
            if not event.withdrawal_decided.confirmed:
                self.cash_atoms[event.account] += event.withdrawal_decided.amount_atoms

    # ------------------------------------------------------------------ what the last block owed

    def _settle(self, number: int, market: Market) -> Iterator[str]:
        """Ops at the values shards had, then the new ones, then the orders of versions: each told as it is (PE-05)."""
        wanted: Counter[tuple[int, ...]] = Counter()
        for owed in sorted(market.ops, key=lambda one: one.command):
            self.cash_atoms[owed.account] += owed.cash_atoms
            if owed.is_change or owed.collateral_atoms:
                row = market.row(owed.account)
                realise(row, market.shard_values)
                row.collateral_atoms += owed.collateral_atoms
                wanted[owed.account, owed.collateral_atoms, row.collateral_atoms, owed.counterparty] += 1
        told: Counter[tuple[int, ...]] = Counter()
        for event in self._told.get((number, "collateral_moved"), ()):
            body = event.collateral_moved
            told[event.account, body.amount_atoms, body.collateral_atoms, body.counterparty] += 1
        if wanted != told:
            yield f"collateral (account, moved, after, counterparty) {_differ(told, wanted)}"
        market.shard_values = market.values
        wanted, told = Counter(), Counter()
        for owed in market.versions:
            wanted[self._settled(market, owed)] += 1
        for event in self._told.get((number, "position_settled"), ()):
            one = event.position_settled
            numbers = (one.lots, one.collateral_atoms, one.realised_atoms, one.fee_atoms, one.settlement_fee_atoms)
            told[event.account, one.version_ms, one.valid, one.kind, *numbers, one.is_liquidation] += 1
        if wanted != told:
            yield f"PE-05: settled (account, version, valid, kind, lots, collateral, ...) {_differ(told, wanted)}"
        market.ops, market.versions, market.moved = [], [], Counter()

    def _settled(self, market: Market, owed: Owed) -> tuple[int, ...]:
        """An order of a version reaches its account: realised at its values, fees charged, new sizes."""
        order, row = owed.order, market.row(owed.account)
        assert order is not None, "a version settles orders"
        realised = realise(row, owed.values)
        row.collateral_atoms -= order.fee_atoms + order.settlement_fee_atoms
        row.sizes = order.sizes
        side = next((one for one, lots in enumerate(order.sizes) if lots), None)
        row.basis_e6 = 0 if side is None else owed.values[side]
        kind = 0 if side is None else side + 1
        numbers = (max(order.sizes), row.collateral_atoms, realised, order.fee_atoms, order.settlement_fee_atoms)
        return (owed.account, owed.version_ms, owed.valid, kind, *numbers, order.is_liquidation)

    # ------------------------------------------------------------------ what commands do at the desk

    def _ops(self, seen: Seen, number: int, market: Market) -> Iterator[str]:
        """Liquidations, then changes, then repayments, each kind by command."""
        for _, columns, row, told in seen.taken("liquidations", self.venue):
            if columns.market[row] == number:
                who = columns.account[row], columns.target[row]
                yield from self._liquidate(seen, number, market, who, told.command)
        for _, columns, row, told in seen.taken("change_positions", self.venue):
            if columns.market[row] == number:
                yield from self._change(seen, number, market, columns, row, told)
        for _, columns, row, told in seen.taken("shortfall_repayments", self.venue):
            if columns.market[row] == number:
                payer, debtor, amount = columns.account[row], columns.debtor[row], columns.amount_atoms[row]
                market.balance_atoms += amount
                market.moved[debtor] += amount
                market.ops.append(Owed(debtor, amount, counterparty=payer, command=told.command))
                market.ops.append(Owed(payer, cash_atoms=-amount, command=told.command))
        for kind in ("position_pinned", "position_locked"):
            for event in self._told.get((number, kind), ()):
                yield f"account {event.account}: {kind} is told, no command asked for it"

    def _next_ms(self, seen: Seen, number: int, market: Market) -> int:
        """PE-04: the first slot after now and after the price that was seen, behind those asked for already."""
        width = self._rules[number].version_ms
        mark = seen.marks.get((self.venue, number))
        known = max(seen.now_ms, mark.published_ms if mark is not None else 0)
        asked = [at for orders in market.pending.values() for at in orders]
        return max([known // width * width + width, *asked])

    def _pop(self, number: int, kind: str) -> events_pb2.Event | None:
        told = self._told.get((number, kind))
        return told.popleft() if told else None

    def _liquidate(self, seen: Seen, number: int, market: Market, who: tuple[int, int], command: int) -> Iterator[str]:
        """PE-07 to PE-09; `who`: liquidator and liquidated."""
        liquidator, account = who
        event, rules = self._pop(number, "position_locked"), self._rules[number]
        if event is None or (event.account, event.position_locked.liquidator) != (account, liquidator):
            yield f"PE-07: account {account} was liquidated, {event} is told"
            return
        body, sizes = event.position_locked, market.settled.get(account, NOTHING)
        if market.locked_ms(account):
            yield f"PE-08: account {account} was liquidated while locked until {market.locked_ms(account)}"
        fees = order_fees_atoms(market.targets(), market.target(account), NOTHING, market.price_ticks, rules)
        left = market.standing_atoms(account) - market.pending_fees_atoms(account) - sum(fees)
        required = requirement_atoms(sizes, market.price_ticks, rules)
        told = (body.lots, body.price_ticks, body.collateral_atoms, body.requirement_atoms)
        ours = (max(sizes), market.price_ticks, left, required)
        yield from _unlike("PE-02 (lots, price, collateral, requirement)", account, told, ours)
        told_fees = (body.fee_atoms, body.settlement_fee_atoms, body.version_ms)
        yield from _unlike("PE-14 (fees, version)", account, told_fees, (*fees, self._next_ms(seen, number, market)))
        if max(left, 0) >= required:
            yield f"PE-02: account {account} was healthy, {left} atoms for {required}, and liquidated"
        whole = max(required * rules.liquidation_fee_ppm // MILLION, rules.min_liquidation_fee_atoms)
        limit = min(whole, rules.max_liquidation_fee_atoms, max(left, 0), market.balance_atoms)
        if body.reward_limit_atoms != limit or not 0 <= body.reward_atoms <= limit:
            yield f"PE-09: a reward of {body.reward_atoms} of {body.reward_limit_atoms} atoms, {limit} is the limit"
        market.moved[account] -= body.reward_atoms
        market.balance_atoms -= body.reward_atoms
        market.ops.append(Owed(account, -body.reward_atoms, counterparty=liquidator, command=command))
        market.ops.append(Owed(liquidator, cash_atoms=body.reward_atoms, command=command))
        self._wait(market, account, body.version_ms, NOTHING, fees, is_liquidation=True)

    def _wait(
        self,
        market: Market,
        account: int,
        at_ms: int,
        sizes: Sizes,
        fees: tuple[int, int],
        is_liquidation: bool = False,
    ) -> None:
        """A second order of a version replaces the sizes; fees add up (PE-04)."""
        orders = market.pending.setdefault(account, {})
        before = orders.get(at_ms, Order(sizes, 0, 0, False))
        paid = (before.fee_atoms + fees[0], before.settlement_fee_atoms + fees[1])
        orders[at_ms] = Order(sizes, *paid, is_liquidation)

    def _change(self, seen: Seen, number: int, market: Market, columns: Any, row: int, told: Told) -> Iterator[str]:
        """PE-01, PE-03, PE-04, PE-08, PE-13, PE-14."""
        account, rules, current = columns.account[row], self._rules[number], market.target(columns.account[row])
        asked = (columns.maker_lots[row], columns.long_lots[row], columns.short_lots[row])
        sizes = Sizes(*(old if lots == _KEEP else lots for old, lots in zip(current, asked, strict=True)))
        moved, standing = columns.collateral_atoms[row], market.standing_atoms(account)
        moved = -max(standing, 0) if moved == _EVERYTHING else moved
        fees = order_fees_atoms(market.targets(), current, sizes, market.price_ticks, rules)
        left = standing + moved - market.pending_fees_atoms(account) - sum(fees)
        yield from self._allowed(market, account, asked, moved)
        if sizes != current:
            yield from self._pin(seen, number, account, sizes, fees, left)
        elif told.amount_atoms != moved:
            yield f"account {account} is answered {told.amount_atoms} atoms moved, not {moved}"
        elif moved < 0 and (left < 0 or left < self._required(number, market, account, 0, current)):
            yield f"PE-03: account {account} took {-moved} atoms out and has {left}"
        market.moved[account] += moved
        market.balance_atoms += moved
        market.ops.append(Owed(account, moved, cash_atoms=-moved, is_change=True, command=told.command))

    def _allowed(self, market: Market, account: int, asked: tuple[int, ...], moved: int) -> Iterator[str]:
        locked_ms = market.locked_ms(account)
        if locked_ms and (any(lots != _KEEP for lots in asked) or moved < 0):
            yield f"PE-08: account {account} changed {asked} and moved {moved} atoms, locked until {locked_ms}"
        if -moved > market.balance_atoms:
            yield f"PE-17: account {account} took {-moved} atoms, the market has {market.balance_atoms}"

    def _required(self, number: int, market: Market, account: int, at_ms: int, sizes: Sizes) -> int:
        """PE-03: of the settled and every pending position; an order of the same version gives its sizes up."""
        others = [order.sizes for at, order in market.pending.get(account, {}).items() if at != at_ms]
        positions = [market.settled.get(account, NOTHING), *others, sizes]
        return max(requirement_atoms(one, market.price_ticks, self._rules[number]) for one in positions)

    def _pin(
        self, seen: Seen, number: int, account: int, sizes: Sizes, fees: tuple[int, int], left: int
    ) -> Iterator[str]:
        event, market, rules = self._pop(number, "position_pinned"), self.markets[number], self._rules[number]
        if event is None or event.account != account:
            yield f"PE-04: account {account} changed its sizes, {event} is told"
            return
        body, at_ms = event.position_pinned, self._next_ms(seen, number, market)
        required, current = self._required(number, market, account, at_ms, sizes), market.target(account)
        told = (body.version_ms, body.maker_lots, body.long_lots, body.short_lots)
        yield from _unlike("PE-04 (version, sizes)", account, told, (at_ms, *sizes))
        told = (body.fee_atoms, body.settlement_fee_atoms, body.collateral_atoms, body.requirement_atoms)
        yield from _unlike("PE-14, PE-03 (fees, collateral, requirement)", account, told, (*fees, left, required))
        if max(left, 0) < required:
            yield f"PE-03: account {account} pinned {sizes} with {left} atoms, {required} are required"
        after = market.targets().moved(current, sizes)
        grows = any(new > old for new, old in zip(sizes, current, strict=True))
        if sum(sizes) != max(sizes) or after.makers > rules.maker_limit_lots or (rules.closed and grows):
            yield f"PE-01, PE-13: account {account} pinned {sizes}, the market would have {after}"
        if at_ms - market.valid_ms >= rules.stale_after_ms:
            yield f"PE-04: account {account} pinned at {at_ms}, the last valid version is {market.valid_ms}"
        self._wait(market, account, body.version_ms, sizes, fees)
        if len(market.pending[account]) > rules.max_pending:
            yield f"PE-04: account {account} waits for {len(market.pending[account])} versions"

    # ------------------------------------------------------------------ versions

    def _versions(self, seen: Seen, number: int, market: Market) -> Iterator[str]:
        """Every version that settled, by its own arithmetic; and none that could have was passed over (PE-04)."""
        for event in self._told.get((number, "version_settled"), ()):
            yield from self._timely(seen, number, market, event.version_settled)
            yield from self._step(seen, number, market, event.version_settled)
        mark, rules = seen.marks.get((self.venue, number)), self._rules[number]
        # The first that waits holds back all later ones.
        for at_ms in sorted({at for orders in market.pending.values() for at in orders})[:1]:
            published = mark.published_ms if mark is not None and seen.is_usable(self.venue, number) else -1
            if at_ms <= min(published, seen.now_ms) and published <= at_ms + rules.grace_ms:
                yield f"PE-05: version {at_ms} has a price of {published} and waits"

    def _timely(self, seen: Seen, number: int, market: Market, body: events_pb2.VersionSettled) -> Iterator[str]:
        rules, at_ms = self._rules[number], body.version_ms
        if at_ms <= market.settled_ms or at_ms % rules.version_ms:
            yield f"PE-04: version {at_ms} settled after {market.settled_ms}"
        mark = seen.marks[self.venue, number]
        if body.valid:
            seen_ms = mark.published_ms if seen.is_usable(self.venue, number) else -1
            if not at_ms <= min(seen_ms, seen.now_ms) or seen_ms > at_ms + rules.grace_ms:
                yield f"PE-04: version {at_ms} settled by a price of {seen_ms} at {seen.now_ms}"
        elif seen.now_ms <= at_ms + rules.grace_ms:
            yield f"PE-06: version {at_ms} was invalid at {seen.now_ms}, before its grace was over"
        price = mark.mark_ticks if body.valid else market.price_ticks
        if body.price_ticks != price:
            yield f"PE-06: version {at_ms} settled at {body.price_ticks}, not {price}"

    def _step(self, seen: Seen, number: int, market: Market, body: events_pb2.VersionSettled) -> Iterator[str]:
        """PE-05, PE-06, PE-10, PE-12 to PE-15."""
        rules, at_ms, before = self._rules[number], body.version_ms, market.totals
        if not body.valid:
            yield from self._repin(seen, number, market, at_ms)
        due = [account for account in sorted(market.pending) if at_ms in market.pending[account]]
        orders = [(account, _taken(market, account, at_ms, body.valid)) for account in due]
        fees = sum(order.fee_atoms for _, order in orders)
        is_first = market.settled_ms == 0
        elapsed_ms = 0 if is_first else at_ms - market.settled_ms
        from_ticks = body.price_ticks if is_first else market.price_ticks
        interval = Interval(from_ticks, body.price_ticks, elapsed_ms, market.rate_ppm, market.skew_ppm)
        found = step(market.values, before, market.totals, fees, interval, rules)
        settlement = sum(order.settlement_fee_atoms for _, order in orders)
        market.values, market.rate_ppm, market.skew_ppm = found.values, found.rate_ppm, found.skew_ppm
        market.fees_atoms += sum(found.fees_atoms) + settlement
        market.price_ticks, market.settled_ms = body.price_ticks, at_ms
        market.valid_ms = at_ms if body.valid else market.valid_ms
        for account, order in orders:
            owed = Owed(account, version_ms=at_ms, valid=body.valid, order=order, values=market.values)
            market.versions.append(owed)
        yield from _version_faults(body, market, found.fees_atoms, found.profits_atoms, settlement, len(orders))

    def _repin(self, seen: Seen, number: int, market: Market, at_ms: int) -> Iterator[str]:
        """PE-06, PE-08: an invalid version voids no liquidation: close and lock move to the next version."""
        for account, orders in sorted(market.pending.items()):
            if at_ms not in orders or not orders[at_ms].is_liquidation:
                continue
            order = orders.pop(at_ms)
            next_ms = self._next_ms(seen, number, market)
            orders[next_ms] = order
            event = self._pop(number, "position_repinned")
            moved = event.position_repinned if event is not None and event.account == account else None
            told = (moved.version_ms, moved.next_version_ms) if moved is not None else (0, 0)
            yield from _unlike("PE-06 (invalid version, where the lock moves)", account, told, (at_ms, next_ms))

    def _sums(self, seen: Seen, number: int, market: Market) -> Iterator[str]:
        """What the desk says it has."""
        sums = seen.view.state.version_sums.get((self.venue, number))
        if sums is None:
            return
        told = (sums.balance_atoms, sums.fees_atoms, sums.maker_lots, sums.long_lots, sums.short_lots)
        ours = (market.balance_atoms, market.fees_atoms, *market.totals)
        if told != ours:
            yield f"PE-17: balance, fees, sizes are {told}, not {ours}"

    def compare(self, seen: Seen, view: batches_pb2.AccountView) -> list[str]:
        """An account as the node shows it."""
        faults, cash = [], view.free_atoms + view.held_atoms
        if cash != self.cash_atoms[view.account]:
            faults.append(f"account {view.account} has {cash} atoms, not {self.cash_atoms[view.account]}")
        shown = {one.market: (one.kind, one.lots, one.collateral_atoms) for one in view.versioned}
        for number, market in self.markets.items():
            row = market.rows.get(view.account)
            ours = (0, 0, 0)
            if row is not None:
                side = next((one for one, lots in enumerate(row.sizes) if lots), -1)
                ours = (side + 1, max(row.sizes), row.collateral_atoms + row.earned_atoms(market.shard_values))
            if shown.get(number, (0, 0, 0)) != ours:
                faults.append(f"account {view.account} market {number} is {shown.get(number)}, not {ours}")
        return faults

    def compare_venue(self, seen: Seen, brought_atoms: int) -> list[str]:
        """Conservation by these books: balances of accounts and markets, and what is on its way (invariant 1)."""
        due = sum(owed.cash_atoms for market in self.markets.values() for owed in market.ops)
        holds = sum(self.cash_atoms.values()) + due + sum(market.balance_atoms for market in self.markets.values())
        return [] if holds == brought_atoms else [f"{holds} atoms are held, {brought_atoms} were brought and not taken"]


def _version_faults(
    body: events_pb2.VersionSettled,
    market: Market,
    fees: tuple[int, int, int],
    profits: tuple[int, int, int],
    settlement: int,
    settled: int,
) -> Iterator[str]:
    at = f"version {body.version_ms}"
    told = (body.maker_lots, body.long_lots, body.short_lots, body.settled)
    if told != (*market.totals, settled):
        yield f"PE-05: {at} leaves sizes, orders settled {told}, not {(*market.totals, settled)}"
    told = (body.maker_value_e6, body.long_value_e6, body.short_value_e6, body.funding_rate_ppm)
    if told != (*market.values, market.rate_ppm):
        yield f"PE-12, PE-15: {at} has values, rate {told}, not {(*market.values, market.rate_ppm)}"
    told_fees = (body.position_fee_atoms, body.funding_fee_atoms, body.interest_fee_atoms, body.settlement_fee_atoms)
    if told_fees != (*fees, settlement):
        yield f"PE-13a: {at} keeps fees {told_fees}, not {(*fees, settlement)}"
    told_profits = (body.maker_pnl_atoms, body.long_pnl_atoms, body.short_pnl_atoms)
    if told_profits != profits:
        yield f"PE-12: {at} has profits {told_profits}, not {profits}"


def _taken(market: Market, account: int, at_ms: int, valid: bool) -> Order:
    """The account's order leaves what is pending; at an invalid version it is void (PE-06)."""
    orders = market.pending[account]
    order = orders.pop(at_ms)
    sizes = market.settled.get(account, NOTHING)
    if not orders:
        del market.pending[account]
    if not valid:
        return Order(sizes, 0, order.settlement_fee_atoms, False)
    market.totals = market.totals.moved(sizes, order.sizes)
    market.settled[account] = order.sizes
    return order


def _unlike(what: str, account: int, told: tuple[int, ...], ours: tuple[int, ...]) -> Iterator[str]:
    if told != ours:
        yield f"{what} of account {account} are {told}, not {ours}"


def _differ(told: Counter[tuple[int, ...]], wanted: Counter[tuple[int, ...]]) -> str:
    return f"told {sorted((told - wanted).elements())}, not {sorted((wanted - told).elements())}"
