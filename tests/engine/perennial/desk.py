"""The version desks of a venue: debts, liquidations, changes, repayments, then the versions due (PE-03 to PE-17)."""

from dataclasses import dataclass
from typing import Any

from actors.rulebooks import perennial, perennial_orders, versions
from actors.rulebooks.perennial import Totals
from breakwater.v1 import common_pb2, events_pb2
from tests.engine.perennial.state import (
    KINDS,
    NOTHING,
    SIDES,
    Market,
    Op,
    Pinned,
    VersionLeg,
    VersionSight,
    added,
    version_sights,
)
from tests.engine.perennial.versions import settle_versions
from tests.engine.state import DONE, REFUSED, Block, R, Refusal, State

DESK = 10
KEEP = ALL = -1
EVERYTHING = -(1 << 63)
PENDING = common_pb2.OUTCOME_STATUS_PENDING


def version_desks(state: State, block: Block) -> None:
    """M(h): every market, every block; their legs are the next block's."""
    for sight in version_sights(state, block):
        for market in sight.parameters:
            Desk(sight, market).run()


@dataclass
class Cost:
    """What an order of an account comes to at the moment it is pinned."""

    effect: perennial_orders.OrderEffect
    after: Totals
    fee: int
    settlement_fee: int


class Desk:
    """One market's call; events and legs are numbered in the order they come."""

    def __init__(self, sight: VersionSight, number: int) -> None:
        self.sight, self.number, self.block = sight, number, sight.block
        self.market: Market = sight.market(number)
        self.rules, self.risk = sight.rules(number), sight.risk(number)
        self.terms = sight.parameters[number].perennial
        self.collateral: dict[int, int] = {}
        self.count = 0
        mark = self.block.marks[sight.venue, number]
        seen_ms = max(self.block.time_ms, mark.published_ms)
        # The first slot later than the block and than the price that can be seen already, never before one asked for.
        slot_ms = (seen_ms // self.terms.version_ms + 1) * self.terms.version_ms
        self.slot_ms = max([slot_ms, *self.market.requested])

    def run(self) -> None:
        for _, account, owed in sorted(debt for debt in self.sight.own.debts if debt[0] == self.number):
            self._owes(account, owed)
        work = (self._liquidate, self._change, self._repay)
        mine = [op for op in self.sight.own.ops if op.market == self.number]
        for op in sorted(mine, key=lambda op: (op.rank, op.index)):
            work[op.rank](op)
        settle_versions(self)

    # ------------------------------------------------------------------ saying and posting

    def key(self) -> tuple[int, int, int, int]:
        place, self.count = self.count, self.count + 1
        return DESK, self.sight.venue << 32 | self.number, place, 0

    def say(self, account: int, **body: Any) -> None:
        self.sight.say(self.key(), account, self.number, **body)

    def leg(self, op: Op, leg: int, account: int, kind: int, **more: int) -> None:
        self.sight.own.outbox.append(VersionLeg(0, op.index, self.number, leg, account, kind, **more))

    def refuse(self, op: Op, why: Refusal, account: int, held: int) -> None:
        """The event names whose command it was; what was held goes back."""
        assert op.index not in self.block.outcomes, f"command {op.index} is answered twice"
        self.block.outcomes[op.index] = (REFUSED, why.code, why.required, why.actual, 0, 0, 0, 0, 0)
        refused = events_pb2.CommandRefused(
            command=op.index, refusal=why.code, required=why.required, actual=why.actual
        )
        self.say(account, command_refused=refused)
        if held > 0:
            self.leg(op, 0, account, KINDS.VERSION_LEG_KIND_RELEASE, free=held, held=-held)

    # ------------------------------------------------------------------ debts

    def _owes(self, account: int, owed: int) -> None:
        """What a shard found, absolute: more is recorded, less was paid by the account itself."""
        known = self.market.debts.get(account, 0)
        if owed > known:
            self.market.debts[account] = owed
            body = events_pb2.ShortfallRecorded(amount_atoms=owed - known, shortfall_atoms=self._shortfall())
            self.say(account, shortfall_recorded=body)
        self._lower(account, account, owed)

    def _lower(self, account: int, payer: int, owed: int) -> None:
        known = self.market.debts.get(account, 0)
        if owed >= known:
            return
        self.market.debts[account] = owed
        if not owed:
            del self.market.debts[account]
        body = events_pb2.ShortfallRepaid(
            payer=payer, amount_atoms=known - owed, debt_atoms=owed, shortfall_atoms=self._shortfall()
        )
        self.say(account, shortfall_repaid=body)

    def _shortfall(self) -> int:
        return sum(self.market.debts.values())

    def _repay(self, op: Op) -> None:
        payer, amount, debt = op.command.account, op.command["amount_atoms"], self.market.debts.get(op.account, 0)
        # As the contracts did: a stranger pays the whole of it.
        in_part = self.sight.exact and payer != op.account and amount < debt
        if amount > debt or in_part:
            self.refuse(op, Refusal(R.REFUSAL_NOTHING_TO_REPAY, debt, amount), payer, amount)
            return
        self.market.balance += amount
        kind = KINDS.VERSION_LEG_KIND_REPAID
        self.leg(op, 0, op.account, kind, collateral=amount, counterparty=payer)
        self.leg(op, 1, payer, kind, held=-amount, counterparty=op.account)
        self.block.answer(op.command, DONE, amount=amount)
        self._lower(op.account, payer, debt - amount)

    # ------------------------------------------------------------------ what orders cost and need

    def standing(self, op: Op) -> int:
        """Collateral of the account: what its shard said with its first op, then what this call did."""
        assert op.sizes == self.market.size_of(op.account), f"{op} is not what the desk knows"
        return self.collateral.setdefault(op.account, op.standing)

    def cost(self, account: int, sizes: Totals) -> Cost:
        """Fees of the moment, on everything pending (PE-14)."""
        before, old = self.market.pending_totals, self.market.last_sizes(account)
        effect = perennial_orders.order_effect(before, old, sizes, self.risk.virtual_taker_lots)
        after = added([before, sizes, Totals(*(-lots for lots in old))])
        fee = perennial_orders.position_fee_floor_atoms(effect, self.market.price, self.risk, self.rules.closed)
        return Cost(effect, after, fee, perennial_orders.settlement_fee_atoms(effect, self.rules))

    def requirement(self, sizes: list[Totals]) -> int:
        """Of the largest of these positions at the last valid price (PE-01)."""
        needs = [
            perennial.requirement_floor_atoms(
                max(one), self.market.price, self.risk.maintenance_ppm, self.risk.min_maintenance_atoms
            )
            for one in sizes
        ]
        return max(needs)

    def why_no_price(self, needed: bool) -> Refusal | None:
        """PE-04."""
        if not self.market.valid_ms:
            return Refusal(R.REFUSAL_NO_VERSION, 1, 0) if needed else None
        age_ms = self.slot_ms - self.market.valid_ms
        stale = age_ms >= self.risk.stale_after_ms
        return Refusal(R.REFUSAL_STALE_VERSION, self.risk.stale_after_ms, age_ms) if stale else None

    def pin(self, account: int, sizes: Totals, cost: Cost, is_liquidation: bool) -> None:
        """A second order in the same version replaces the sizes; fees add up (PE-04)."""
        fee, settlement_fee = cost.fee, cost.settlement_fee
        for order in [order for order in self.market.of(account) if order.version_ms == self.slot_ms]:
            self.market.pinned.remove(order)
            fee, settlement_fee = fee + order.fee, settlement_fee + order.settlement_fee
        self.market.pinned.append(Pinned(account, self.slot_ms, sizes, fee, settlement_fee, is_liquidation))

    # ------------------------------------------------------------------ liquidations

    def _liquidate(self, op: Op) -> None:
        """PE-07 to PE-09."""
        why = self._why_not_liquidated(op)
        if why is not None:
            self.refuse(op, why, op.command.account, 0)
            return
        collateral, settled, cost = self.standing(op), self.market.size_of(op.account), self.cost(op.account, NOTHING)
        left, needed, limit, reward = self._rewards(op)
        self.collateral[op.account] = collateral - reward
        self.market.balance -= reward
        kind, liquidator = KINDS.VERSION_LEG_KIND_REWARD, op.command.account
        self.leg(op, 0, op.account, kind, collateral=-reward, counterparty=liquidator)
        self.leg(op, 1, liquidator, kind, free=reward, counterparty=op.account)
        self.pin(op.account, NOTHING, cost, is_liquidation=True)
        body = events_pb2.PositionLocked(
            liquidator=liquidator,
            version_ms=self.slot_ms,
            kind=next((side + 1 for side in range(SIDES) if settled[side]), 0),
            lots=max(settled),
            price_ticks=self.market.price,
            price_version_ms=self.market.valid_ms,
            collateral_atoms=left,
            requirement_atoms=needed,
            reward_limit_atoms=limit,
            reward_atoms=reward,
            fee_atoms=cost.fee,
            settlement_fee_atoms=cost.settlement_fee,
            reward_asked_atoms=self._asked(op, limit)[1],
        )
        self.say(op.account, position_locked=body)
        self.block.answer(op.command, PENDING, reference=self.slot_ms, amount=reward)

    def _rewards(self, op: Op) -> tuple[int, int, int, int]:
        """(collateral after all fees, requirement, the most there may be, what it is)."""
        collateral, cost = self.standing(op), self.cost(op.account, NOTHING)
        fees = self.market.fees_of(op.account) + cost.fee + cost.settlement_fee
        needed = self.requirement([self.market.size_of(op.account)])
        least, most = self.risk.min_liquidation_fee_atoms, self.risk.max_liquidation_fee_atoms
        rate, exact = self.risk.liquidation_fee_ppm, self.sight.exact
        bare = perennial.liquidation_fee_floor_atoms(needed, rate, least, most, exact)
        limit = min(self.market.balance, perennial.reward_limit_atoms(bare, collateral, fees, exact))
        return collateral - fees, needed, limit, self._asked(op, limit)[0]

    def _asked(self, op: Op, limit: int) -> tuple[int, int]:
        """The reward, and what was asked for where that was cut (version 2)."""
        asked = op.command["reward_atoms"]
        if asked > limit and versions.in_force(self.sight.terms) >= 2 and not self.sight.exact:
            return limit, asked
        return limit if asked == ALL else asked, 0

    def _why_not_liquidated(self, op: Op) -> Refusal | None:
        locked_ms = self.market.locked_ms(op.account)
        if locked_ms:
            return Refusal(R.REFUSAL_LIQUIDATION_PENDING, locked_ms, self.block.time_ms)
        if (why := self.why_no_price(needed=True)) is not None:
            return why
        left, needed, limit, reward = self._rewards(op)
        if max(left, 0) >= needed:
            return Refusal(R.REFUSAL_NOT_LIQUIDATABLE, needed, left)
        return Refusal(R.REFUSAL_REWARD_ABOVE_LIMIT, limit, reward) if reward > limit else None

    # ------------------------------------------------------------------ changes

    def _change(self, op: Op) -> None:
        collateral, kept = self.standing(op), self.market.last_sizes(op.account)
        asked = [op.command[name] for name in ("maker_lots", "long_lots", "short_lots")]
        sizes = Totals(*(old if lots == KEEP else lots for lots, old in zip(asked, kept, strict=True)))
        moved = op.command["collateral_atoms"]
        if moved == EVERYTHING:
            moved = -max(0, collateral)
        cost = self.cost(op.account, sizes)
        fees = self.market.fees_of(op.account) + cost.fee + cost.settlement_fee
        left = collateral + moved - fees
        # An order of the same version gives its sizes up to this one.
        others = [
            order.sizes
            for order in self.market.of(op.account)
            if cost.effect.is_empty or order.version_ms != self.slot_ms
        ]
        needed = self.requirement([self.market.size_of(op.account), *others, sizes])
        named = any(lots != KEEP for lots in asked)
        why = self._why_not_frozen(op, cost) or self._why_not_changed(
            op.account, sizes, named, moved, cost, left, needed
        )
        if why is not None:
            self.refuse(op, why, op.account, op.command["collateral_atoms"])
            return
        self.collateral[op.account] = collateral + moved
        self.market.balance += moved
        into, out = max(0, moved), max(0, -moved)
        self.leg(op, 0, op.account, KINDS.VERSION_LEG_KIND_MOVED, collateral=moved, free=out, held=-into)
        if cost.effect.is_empty:
            self.block.answer(op.command, DONE, amount=moved)
        else:
            self._say_pinned(op, sizes, cost, left, needed)
        self._lower(op.account, op.account, max(0, -self.collateral[op.account]))

    def _why_not_frozen(self, op: Op, cost: Cost) -> Refusal | None:
        """Version 2: who is frozen got here to reduce."""
        frozen = self.sight.account(op.account).frozen
        return Refusal(R.REFUSAL_ACCOUNT_FROZEN, 0, op.account) if frozen and cost.effect.increases_position else None

    def _say_pinned(self, op: Op, sizes: Totals, cost: Cost, left: int, needed: int) -> None:
        self.pin(op.account, sizes, cost, is_liquidation=False)
        body = events_pb2.PositionPinned(
            version_ms=self.slot_ms,
            maker_lots=sizes.maker_lots,
            long_lots=sizes.long_lots,
            short_lots=sizes.short_lots,
            fee_atoms=cost.fee,
            settlement_fee_atoms=cost.settlement_fee,
            collateral_atoms=left,
            requirement_atoms=needed,
            price_ticks=self.market.price,
        )
        self.say(op.account, position_pinned=body)
        self.block.answer(op.command, PENDING, reference=self.slot_ms, amount=cost.fee + cost.settlement_fee)

    def _why_not_changed(
        self, account: int, sizes: Totals, named: bool, moved: int, cost: Cost, left: int, needed: int
    ) -> Refusal | None:
        """In the order of docs/perennial.md."""
        effect, empty = cost.effect, cost.effect.is_empty
        if (why := self.why_no_price(needed=not empty)) is not None:
            return why
        if empty and moved >= 0 and not self.sight.exact:
            return self._why_not_locked(account, empty, named, moved)
        grown = sum(max(0, lots) for lots in (effect.maker_lots, effect.long_lots, effect.short_lots))
        if self.rules.closed and grown:
            return Refusal(R.REFUSAL_MARKET_CLOSED, 0, grown)
        if cost.after.maker_lots > self.risk.maker_limit_lots:
            return Refusal(R.REFUSAL_MAKER_LIMIT, self.risk.maker_limit_lots, cost.after.maker_lots)
        if sum(lots > 0 for lots in sizes) > 1:
            return Refusal(R.REFUSAL_NOT_SINGLE_SIDED, 1, sum(lots > 0 for lots in sizes))
        why = None if empty else self._why_not_pinned(account)
        why = why or self._why_not_locked(account, empty, named, moved)
        return why or self._why_not_paid(cost, moved, left, needed)

    def _why_not_pinned(self, account: int) -> Refusal | None:
        """PE-04."""
        versions = len({*self.market.requested, self.slot_ms})
        if versions > self.terms.max_pending_versions:
            return Refusal(R.REFUSAL_TOO_MANY_PENDING_VERSIONS, self.terms.max_pending_versions, versions)
        own = len({self.slot_ms, *(order.version_ms for order in self.market.of(account))})
        return (
            Refusal(R.REFUSAL_TOO_MANY_PENDING, self.terms.max_pending, own) if own > self.terms.max_pending else None
        )

    def _why_not_locked(self, account: int, empty: bool, named: bool, moved: int) -> Refusal | None:
        """PE-08: a size that is named, be it the one that is pinned; the contracts asked whether one moves."""
        locked_ms = self.market.locked_ms(account)
        if locked_ms and (not empty if self.sight.exact else named):
            return Refusal(R.REFUSAL_POSITION_LOCKED, locked_ms, self.block.time_ms)
        if locked_ms and moved < 0 and not self.sight.exact:
            return Refusal(R.REFUSAL_COLLATERAL_LOCKED, locked_ms, self.block.time_ms)
        return None

    def _why_not_paid(self, cost: Cost, moved: int, left: int, needed: int) -> Refusal | None:
        """PE-03, PE-13, PE-17; what leaves may not leave a debt either, whatever is required."""
        if max(left, 0) < needed or (moved < 0 and left < 0):
            return Refusal(R.REFUSAL_BELOW_REQUIREMENT, needed, left)
        if perennial_orders.is_below_efficiency(cost.effect, cost.after, self.risk, self.rules):
            efficiency = cost.after.efficiency_floor_ppm
            return Refusal(R.REFUSAL_EFFICIENCY_LIMIT, self.risk.efficiency_limit_ppm, efficiency)
        if perennial_orders.leaves_socialised(cost.effect, cost.after, self.rules):
            return Refusal(R.REFUSAL_MARKET_SOCIALISED, cost.after.net_lots, cost.after.maker_lots)
        if -moved > max(0, self.market.balance):
            return Refusal(R.REFUSAL_INSUFFICIENT_MARKET_FUNDS, -moved, self.market.balance)
        return self._why_not_in_range(cost)

    def _why_not_in_range(self, cost: Cost) -> Refusal | None:
        """What grows must leave every side below 2^56 atoms, in a market that is owed less than 2^58."""
        effect = cost.effect
        if max(effect.maker_lots, effect.long_lots, effect.short_lots) <= 0:
            return None
        worth = max(cost.after) * self.market.price // 10**6
        if worth >= 1 << 56:
            return Refusal(R.REFUSAL_OVERFLOW, 1 << 56, worth)
        owed = sum(self.market.debts.values())
        return Refusal(R.REFUSAL_OVERFLOW, 1 << 58, owed) if owed >= 1 << 58 else None
