"""A naive market that settles as lazily as the contracts do: it says whether the rulebook's pure functions are theirs.

It keeps every pending order and every version for ever, works in seconds, and refuses in no particular order.
"""

from copy import deepcopy
from dataclasses import dataclass, field

from actors.rulebooks import perennial, perennial_orders, perennial_versions
from actors.rulebooks.perennial import NOTHING, MarketRules, ProtocolRules, RiskRules, Totals
from actors.rulebooks.perennial_versions import Accumulators, Controller, FeeSplit, Interval
from actors.units import PPM


@dataclass
class Pending:
    """A target and the fees of the orders that led to it, pinned to a time."""

    time_s: int = 0
    target: Totals = NOTHING
    fee_atoms: int = 0
    keeper_atoms: int = 0


@dataclass
class Queue:
    """A settled position and what is pending behind it, of the market or of one account."""

    time_s: int = 0
    settled: Totals = NOTHING
    latest_id: int = 0
    pending: list[Pending] = field(default_factory=lambda: [Pending()])

    @property
    def current_id(self) -> int:
        return len(self.pending) - 1

    def due(self, until_s: int) -> list[Pending]:
        """What settles up to a time, ending with the position held there; fees come once."""
        ready = [order for order in self.pending[self.latest_id + 1 :] if order.time_s <= until_s]
        last_s = ready[-1].time_s if ready else self.time_s
        if last_s < until_s:
            ready.append(Pending(until_s, ready[-1].target if ready else self.settled))
        return ready

    def settle(self, order: Pending) -> None:
        is_next = self.latest_id < self.current_id and order is self.pending[self.latest_id + 1]
        self.latest_id += is_next
        self.time_s, self.settled = order.time_s, order.target

    def begin(self, now_s: int) -> Pending:
        """The order of this version, with the target so far; a new one where there is none yet."""
        last = self.pending[-1]
        if now_s > last.time_s:
            target = self.settled if self.latest_id == self.current_id else last.target
            self.pending.append(Pending(now_s, target))
        return self.pending[-1]


@dataclass
class Account:
    """One account: its queue, its money and the time it is locked until."""

    queue: Queue = field(default_factory=Queue)
    collateral_atoms: int = 0
    protection_s: int = 0


@dataclass
class State:
    """All that an update changes, and a refused one leaves."""

    market: Queue = field(default_factory=Queue)
    accounts: dict[str, Account] = field(default_factory=dict)
    controller: Controller = field(default_factory=Controller)
    versions: dict[int, Accumulators] = field(default_factory=lambda: {0: Accumulators()})
    price_ticks: int = 0
    fees: FeeSplit = field(default_factory=lambda: FeeSplit(0, 0, 0, 0))
    residue_e12: int = 0
    balance_atoms: int = 0


class Refused(Exception):
    """Why an update is not taken."""


class Twin:
    """One market under one set of parameters, taking the steps of a scenario."""

    def __init__(self, risk: RiskRules, market: MarketRules, protocol: ProtocolRules) -> None:
        self.risk, self.market, self.protocol = risk, market, protocol
        self.oracle: dict[int, int] = {}
        self.latest_s = self.now_s = 0
        self.state = State()

    def set_oracle(self, time_s: int, price_ticks: int, now_s: int) -> None:
        """A valid version, and the slot that orders are pinned to from here on."""
        self.oracle[time_s] = price_ticks
        self.latest_s, self.now_s = time_s, now_s

    def update(
        self, sender: str, name: str, target: tuple[int | None, ...], collateral_atoms: int | None, protect: bool
    ) -> str | None:
        """Settles, then changes target and collateral; the reason where it is refused and nothing happened.

        A side that is None stays as it is, a collateral that is None goes out whole.
        """
        before = deepcopy(self.state)
        try:
            self._update(sender, name, target, collateral_atoms, protect)
        except Refused as refusal:
            self.state = before
            return str(refusal)
        return None

    def _settle(self, account: Account) -> None:
        state = self.state
        for order in state.market.due(self.latest_s):
            price_ticks = self.oracle.get(order.time_s)
            if price_ticks is None:
                order.target, order.fee_atoms, price_ticks = state.market.settled, 0, state.price_ticks
            interval = Interval(state.price_ticks, price_ticks, (order.time_s - state.market.time_s) * 1_000)
            step = perennial_versions.accumulate(
                state.versions[state.market.time_s],
                state.controller,
                state.market.settled,
                order.target,
                order.fee_atoms,
                interval,
                self.market,
                self.risk,
            )
            split = perennial_versions.split_fees(step.market_fee_atoms, order.keeper_atoms, self.market, self.protocol)
            state.fees = FeeSplit(*map(sum, zip(state.fees, split, strict=True)))
            state.residue_e12 += step.residue_e12
            state.versions[order.time_s] = step.accumulators
            state.controller, state.price_ticks = step.controller, price_ticks
            state.market.settle(order)
        for order in account.queue.due(self.latest_s):
            if order.time_s not in self.oracle:
                order.target, order.fee_atoms = account.queue.settled, 0
            self._settle_account(account, order)

    def _settle_account(self, account: Account, order: Pending) -> None:
        versions = self.state.versions
        settled = perennial_versions.settle_account(
            versions[account.queue.time_s], versions[order.time_s], account.queue.settled
        )
        account.collateral_atoms += settled.amount_atoms - order.fee_atoms - order.keeper_atoms
        self.state.residue_e12 += settled.remainder_e12
        account.queue.settle(order)

    def _update(
        self, sender: str, name: str, target: tuple[int | None, ...], collateral_atoms: int | None, protect: bool
    ) -> None:
        account = self.state.accounts.setdefault(name, Account())
        self._settle(account)
        if collateral_atoms is None:
            collateral_atoms = -account.collateral_atoms
        own, all_ = account.queue.begin(self.now_s), self.state.market.begin(self.now_s)
        new = Totals(*(old if lots is None else lots for old, lots in zip(own.target, target, strict=True)))
        if not new.is_single_sided:
            raise Refused("not single sided")
        effect = perennial_orders.order_effect(all_.target, own.target, new, self.risk.virtual_taker_lots)
        fee_atoms = perennial_orders.position_fee_floor_atoms(
            effect, self.state.price_ticks, self.risk, self.market.closed
        )
        all_.target, own.target = perennial_orders.totals_after(all_.target, own.target, new), new
        for order in (own, all_):
            order.fee_atoms += fee_atoms
            order.keeper_atoms += perennial_orders.settlement_fee_atoms(effect, self.market)
        account.collateral_atoms += collateral_atoms
        protected = protect and account.protection_s <= account.queue.time_s
        if protected:
            account.protection_s = self.now_s
        self._check(account, effect, collateral_atoms, protected, sender == name)
        self.state.balance_atoms += collateral_atoms
        if self.state.balance_atoms < 0:
            raise Refused("the market has no such funds")

    def _requirement(self, position: Totals) -> int:
        return perennial.requirement_floor_atoms(
            position.magnitude_lots,
            self.state.price_ticks,
            self.risk.maintenance_ppm,
            self.risk.min_maintenance_atoms,
        )

    def _check(
        self,
        account: Account,
        effect: perennial_orders.OrderEffect,
        collateral_atoms: int,
        protected: bool,
        is_owner: bool,
    ) -> None:
        queue, after = account.queue, self.state.market.pending[-1].target
        waiting = queue.pending[queue.latest_id + 1 :]
        free_atoms = account.collateral_atoms - sum(order.fee_atoms + order.keeper_atoms for order in waiting)
        if protected:
            self._check_liquidation(account, free_atoms, collateral_atoms)
        if (self.now_s - self.latest_s) * 1_000 >= self.risk.stale_after_ms:
            raise Refused("stale")
        if perennial_orders.is_refused_as_closed(effect, self.market):
            raise Refused("closed")
        if perennial_orders.is_over_maker_limit(after, self.risk):
            raise Refused("maker limit")
        if protected:
            return
        if not is_owner and not (effect.is_empty and free_atoms == 0 and collateral_atoms > 0):
            raise Refused("not the owner")
        if queue.current_id > queue.latest_id + self.market.max_pending:
            raise Refused("too many pending")
        for position in (queue.settled, *(order.target for order in waiting)):
            if not perennial.is_collateralised(free_atoms, self._requirement(position)):
                raise Refused("requirement")
        if account.protection_s > queue.time_s and not effect.is_empty:
            raise Refused("locked")
        if perennial_orders.is_below_efficiency(effect, after, self.risk, self.market):
            raise Refused("efficiency")
        if perennial_orders.leaves_socialised(effect, after, self.market):
            raise Refused("socialised")
        if collateral_atoms < 0 and free_atoms < 0:
            raise Refused("collateral")

    def _check_liquidation(self, account: Account, free_atoms: int, collateral_atoms: int) -> None:
        requirement_atoms = self._requirement(account.queue.settled)
        fee_atoms = perennial.liquidation_fee_floor_atoms(
            requirement_atoms,
            self.risk.liquidation_fee_ppm,
            self.risk.min_liquidation_fee_atoms,
            self.risk.max_liquidation_fee_atoms,
            exact=True,
        )
        limit_atoms = perennial.reward_limit_atoms(fee_atoms, account.collateral_atoms, 0, exact=True)
        if account.queue.pending[-1].target != NOTHING:
            raise Refused("not a full close")
        if not perennial.is_liquidatable(free_atoms - collateral_atoms, requirement_atoms):
            raise Refused("not liquidatable")
        if -collateral_atoms > min(limit_atoms, self.state.balance_atoms):
            raise Refused("reward")

    def dust_e12(self) -> int:
        """Money that is nobody's yet: the balance less all fees, and less all accounts once each is settled to here."""
        state = deepcopy(self)
        for account in state.state.accounts.values():
            state._settle(account)
        owed_atoms = sum(state.state.fees) + sum(one.collateral_atoms for one in state.state.accounts.values())
        return (state.state.balance_atoms - owed_atoms) * PPM - state.state.residue_e12
