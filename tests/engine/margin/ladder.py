"""Scan and ladder of cross accounts, a round at a time (MT-11 to MT-16)."""

from typing import NamedTuple

from actors.risk.adl import Candidate
from actors.units import PPM, PRICE_BOUND
from breakwater.v1 import batches_pb2, events_pb2
from tests.engine.margin.backstop import Demands, Desk, Offered
from tests.engine.margin.books import cancel_op, deleverage_market, order_op, work_books
from tests.engine.margin.health import Standing, cumulative_shares, notional, standing
from tests.engine.margin.settle import settle_legs
from tests.engine.margin.state import LADDER, LADDER_BIT, LADDER_FLAG, PLACE, REDUCE_ONLY, VAULT, BookOrder, Sight
from tests.engine.margin.take import order_done
from tests.engine.state import R, Refusal, stamp

LADDER_PHASE, QUEUED = 7, 99
LIQUIDATABLE, BACKSTOP, VAULT_RUNG, WRITTEN_OFF = 1, 2, 3, 4
RATIO_BOUND = 1 << 62


class Below(NamedTuple):
    """An account the scan reports."""

    venue: int
    account: int
    rung: int
    standing: Standing

    @property
    def ratio(self) -> int:
        """equity / MM in 2^-30, floor; what the coordinator orders by."""
        equity, required = self.standing.equity, self.standing.maintenance
        if required == 0:
            return RATIO_BOUND if equity >= 0 else -RATIO_BOUND
        return max(-RATIO_BOUND, min(RATIO_BOUND, (equity << 30) // required))


def rung_of(sight: Sight, account: int, now: Standing) -> int:
    if account == VAULT:
        return VAULT_RUNG if now.equity < now.maintenance else 0
    if now.equity * sight.rules.backstop_denominator < now.maintenance * sight.rules.backstop_numerator:
        return BACKSTOP
    return LIQUIDATABLE if now.equity < now.maintenance else 0


def scan(sight: Sight, round_: int) -> list[Below]:
    """Who is below which rung, what books must know of accounts, the vault as the backstop sees it."""
    _remember(sight)
    found = []
    for account in sight.accounts():
        now = standing(sight, account)
        rung, memory = rung_of(sight, account, now), sight.own.ladder.get(account)
        if now.equity >= now.maintenance:
            if memory:
                memory.waiting = False
            continue
        unusable = [market for market in now.required if not sight.usable(market)]
        if unusable and (rung > LIQUIDATABLE or len(unusable) == len(now.required)):
            if not (memory and memory.waiting):
                _tell_waiting(sight, account, rung, now, unusable[0], round_)
            sight.own.memory(account).waiting = True
            continue
        if memory:
            memory.waiting = False
        if rung == LIQUIDATABLE and is_quiet(sight, account, now):
            continue
        found.append(Below(sight.venue, account, rung, now))
    _cap(sight)
    _show_vault(sight)
    return found


def _remember(sight: Sight) -> None:
    """Acts of earlier blocks and cooldowns that are over are forgotten; a partial that was filled starts one."""
    for account, memory in sight.own.ladder.items():
        if memory.acted_height != sight.block.height:
            memory.acted_height = memory.acted_rung = 0
        if memory.cooldown_until_ms <= sight.block.time_ms:
            memory.cooldown_until_ms = memory.kept_equity = memory.kept_maintenance = 0
        if memory.sent and memory.filled:
            now = standing(sight, account)
            memory.cooldown_until_ms = sight.block.time_ms + sight.rules.cooldown_ms
            memory.kept_equity, memory.kept_maintenance = now.equity, now.maintenance
        memory.sent = memory.filled = False


def is_quiet(sight: Sight, account: int, now: Standing) -> bool:
    """In a cooldown and not worse off, or tried everywhere in this block (MT-12)."""
    memory = sight.own.ladder.get(account)
    if memory is None:
        return False
    cooling = memory.cooldown_until_ms and sight.rules.partial_liquidation
    if cooling and now.equity * memory.kept_maintenance >= memory.kept_equity * now.maintenance:
        return True
    if memory.acted_height != sight.block.height or memory.acted_rung != LIQUIDATABLE:
        return False
    return all(_tried(sight, account, market) for market in now.required if sight.usable(market))


def _tried(sight: Sight, account: int, market: int) -> bool:
    return sight.own.tried.get((account, market)) == sight.block.height


def _tell_waiting(sight: Sight, account: int, rung: int, now: Standing, market: int, round_: int) -> None:
    body = events_pb2.LadderQueued(
        rung=rung,
        reason=events_pb2.QUEUE_REASON_MARKET,
        equity_atoms=now.equity,
        maintenance_atoms=now.maintenance,
    )
    key = (LADDER_PHASE, QUEUED, (1 << 53) + account, sight.venue << 8 | round_)
    sight.say(key, account, market, ladder_queued=body)


def _cap(sight: Sight) -> None:
    """Of failing accounts a row a market with orders, of others where they have reduce-only ones (MT-02)."""
    sight.own.caps = {}
    live = [order for order in sight.own.orders.values() if order.rests]
    for account in sorted({order.account for order in live}):
        fails = standing(sight, account).free < 0
        for market in sight.markets:
            mine = [order for order in live if (order.account, order.market) == (account, market)]
            if any(fails or order.reduces_only for order in mine):
                sight.own.caps[market, account] = (sight.lots(account, market), int(fails))


def _show_vault(sight: Sight) -> None:
    now = standing(sight, VAULT)
    sight.own.backstop.vault = batches_pb2.VaultState(
        venue=sight.venue,
        cash_atoms=sight.account(VAULT).free,
        equity_atoms=now.equity,
        initial_margin_atoms=now.initial,
        maintenance_atoms=now.maintenance,
        gross_notional_atoms=now.gross,
        positions=[
            batches_pb2.VaultPosition(
                market=market, lots=held.lots, mark_ticks=sight.mark(market), quote_atoms_per_tick_lot=sight.k(market)
            )
            for market, held in sight.held(VAULT)
        ],
    )


class Round:
    """One venue's part of a round: what was ordered by sequence, then its desks."""

    def __init__(self, sight: Sight, round_: int, offered: set[tuple[int, int]]) -> None:
        self.sight = sight
        self.round_ = round_
        self.offered = offered
        self.offers: list[Offered] = []
        self.demands: Demands = []

    def act(self, sequence: int, below: Below) -> None:
        """The action of the account's rung."""
        if (below.venue, below.account) in self.offered and below.standing.equity < 0:
            self._write_off(below)
        elif below.rung == LIQUIDATABLE:
            self._reduce(sequence, below)
        else:
            self._offer(sequence, below)

    def work_desks(self) -> None:
        """Books, then the backstop where somebody is offered; their legs settle."""
        sight = self.sight
        legs = work_books(sight, self.round_, every=False)
        if self.offers:
            desk = Desk(sight, self.round_)
            desk.book_dues()
            desk.take_offers(self.offers)
            self.offered |= {(sight.venue, offer.account) for offer in self.offers}
            legs += desk.legs
            self.demands = desk.demands
        settle_legs(sight, legs, self.round_)

    def deleverage(self) -> None:
        """What the backstop demands of the other side, market by market; settled as well."""
        legs, demands = [], self.demands
        for market in sorted({market for _, market, *_ in demands}):
            mine = [(sequence, account, *rest) for sequence, where, account, *rest in demands if where == market]
            candidates = self._candidates(market, demands)
            legs += deleverage_market(self.sight, market, mine, candidates, self.round_)
        settle_legs(self.sight, legs, self.round_)

    def _note(self, account: int, rung: int) -> None:
        memory = self.sight.own.memory(account)
        memory.acted_height, memory.acted_rung = self.sight.block.height, rung

    def _write_off(self, below: Below) -> None:
        loss = -below.standing.equity
        self.sight.account(below.account).free += loss
        self.sight.own.backstop.owe(batches_pb2.CROSS_DUE_KIND_WRITE_OFF, loss)
        self._note(below.account, WRITTEN_OFF)

    def _cancel(self, sequence: int, below: Below, orders: list[BookOrder]) -> None:
        why = Refusal(R.REFUSAL_BEING_LIQUIDATED, 0, below.rung)
        for place, order in enumerate(orders, 1):
            del self.sight.own.orders[order.number]
            if order.rests:
                self.sight.own.ops.append(cancel_op(order, LADDER_BIT | sequence))
            order_done(self.sight, (LADDER_PHASE, self.round_, sequence, place), order, why)

    def _reduce(self, sequence: int, below: Below) -> None:
        """Rung 1: the largest requirement among the usable markets that were not tried in this block."""
        sight, account, now = self.sight, below.account, below.standing
        memory = sight.own.memory(account)
        acted = memory.acted_height == sight.block.height
        open_to_it = [
            market for market in now.required if sight.usable(market) and not (acted and _tried(sight, account, market))
        ]
        if not open_to_it:
            return
        market = max(open_to_it, key=lambda one: (now.required[one], -one))
        held = sight.own.positions[account, market]
        size = abs(held.lots)
        lots = self._lots(below, size, notional(sight, market, held.lots))
        shares = cumulative_shares(now.equity, list(now.required.values()))
        share = dict(zip(now.required, shares, strict=True))[market]
        quote = held.lots * sight.mark(market) * sight.k(market) - share
        part = -(-quote * lots // size)
        increasing = [order for order in sight.own.orders_of(account) if _increases(sight, order)]
        self._cancel(sequence, below, increasing)
        number = (sight.block.height << 20) + LADDER_BIT + (self.round_ % 8 << 16) + sequence % (1 << 16)
        side = -1 if held.lots > 0 else 1
        limit = _limit(held.lots, quote, sight.k(market))
        order = BookOrder(number, account, market, side, limit, lots, lots, 2, REDUCE_ONLY | LADDER_FLAG, 1, 0)
        sight.own.ops.append(order_op(order, LADDER, sequence, PLACE, bankruptcy=part))
        partial = lots < size
        body = events_pb2.LiquidationOrdered(
            order=number,
            equity_atoms=now.equity,
            maintenance_atoms=now.maintenance,
            mark=stamp(sight.block.marks[sight.venue, market]),
            position_lots=held.lots,
            lots=lots,
            limit_ticks=limit,
            bankruptcy_quote_atoms=part,
            is_partial=partial,
            cooldown_until_ms=sight.block.time_ms + sight.rules.cooldown_ms if partial else 0,
            round=self.round_,
            cancelled_orders=len(increasing),
        )
        sight.say((LADDER_PHASE, self.round_, sequence, 0), account, market, liquidation_ordered=body)
        self._note(account, LIQUIDATABLE)
        memory.sent = partial

    def _lots(self, below: Below, size: int, worth: int) -> int:
        """All, or a fifth (up) of a position above the threshold outside a cooldown (MT-12, MT-18)."""
        rules, memory = self.sight.rules, self.sight.own.memory(below.account)
        if memory.cooldown_until_ms and rules.partial_liquidation:
            return size
        if not rules.partial_liquidation or worth <= rules.partial_threshold_atoms:
            return size
        return -(-size * rules.partial_fraction_ppm // PPM)

    def _offer(self, sequence: int, below: Below) -> None:
        """Rungs 2 and 3: everything is cancelled, the account goes whole."""
        sight, account, now = self.sight, below.account, below.standing
        self._cancel(sequence, below, sight.own.orders_of(account))
        lots = {market: held.lots for market, held in sight.held(account)}
        self.offers.append(Offered(sequence, account, now.equity, now.required, lots))
        self._note(account, below.rung)

    def _candidates(self, market: int, demands: Demands) -> list[Candidate]:
        """Who stands opposite a demand with equity above zero; the equity is shared over those markets by MM."""
        sight, found = self.sight, []
        sides = {(where, 1 if lots > 0 else -1) for _, where, _, lots, _ in demands}
        for account in sight.accounts():
            now = standing(sight, account)
            opposite = [where for where, held in sight.held(account) if (where, -1 if held.lots > 0 else 1) in sides]
            if market in opposite and now.equity > 0:
                held = sight.own.positions[account, market]
                budget = now.equity * now.required[market] // sum(now.required[where] for where in opposite)
                found.append(Candidate(account, held.lots, held.cost, now.equity, budget))
        return found


def _increases(sight: Sight, order: BookOrder) -> bool:
    """Would raise the position, stands where there is none, or is a trigger that may open."""
    if not order.rests:
        return not order.reduces_only
    lots = sight.lots(order.account, order.market)
    return lots == 0 or (lots * order.side > 0 and not order.reduces_only)


def _limit(lots: int, quote: int, k: int) -> int:
    """Where the account's share is used up: a sell up, a buy down."""
    if lots > 0:
        return max(1, -(-quote // (lots * k)))
    return min(PRICE_BOUND - 1, -quote // (-lots * k))
