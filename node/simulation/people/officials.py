"""Who runs a venue: the custodian who credits and pays out, and the operator who changes, halts, freezes, pays in."""

from __future__ import annotations

from typing import Final

from breakwater.v1 import answers_pb2, batches_pb2, commands_pb2, common_pb2, parameters_pb2
from cluster.simulator.faults import Chaos
from cluster.simulator.workload import Reader
from node.simulation.people.person import Person
from node.simulation.venues import Listed

_DECISIONS: Final = ("account", "withdrawal", "confirm")
_AMOUNTS: Final = ("account", "amount_atoms")
_WITH_FUND: Final = (common_pb2.RULEBOOK_MARGIN_TRADE, common_pb2.RULEBOOK_SPIN)


class Custodian(Person):
    """Deposits for whoever is short of money, withdrawals, and what became of them outside."""

    def __init__(self, name: str, principal: int, seed: int, chaos: Chaos, listed: Listed, accounts: int) -> None:
        super().__init__(name, principal, listed.number, seed, chaos)
        self._accounts = list(range(1, accounts + 1))
        self._deposits_atoms = listed.deposits_atoms
        self._decided: list[list[int]] = []

    def act(self, reader: Reader) -> list[commands_pb2.CommandBatch]:
        """At most one of each."""
        views = reader.accounts(self.venue, self._accounts) if self.chance(0.6) else None
        if views is None:
            return []
        return [*self._deposit(views), *self._withdraw(views), *self._decide(views)]

    def _deposit(self, views: batches_pb2.AccountViews) -> list[commands_pb2.CommandBatch]:
        broke = [view.account for view in views.accounts if worth_atoms(view) < min(self._deposits_atoms) // 4]
        if not broke or self.chance(0.4):
            return []
        rows = [[account, self._amount(account)] for account in broke[:3]]
        if self.chance(0.05):
            rows.append([len(self._accounts) + 50, 5])
        return self.rows("deposits", _AMOUNTS, rows)

    def _amount(self, account: int) -> int:
        usual = self._deposits_atoms[account - 1] if account <= len(self._deposits_atoms) else self._deposits_atoms[-1]
        return usual // self.random.choice((1, 2)) + self.random.randint(0, 9)

    def _withdraw(self, views: batches_pb2.AccountViews) -> list[commands_pb2.CommandBatch]:
        if self.chance(0.6):
            return []
        view = self.random.choice(views.accounts)
        most = may_leave_atoms(view)
        amount = max(1, self.random.choice((most // 10, most // 2, most, most + 1)))
        return self.rows("withdrawals", _AMOUNTS, [[view.account, amount]])

    def _decide(self, views: batches_pb2.AccountViews) -> list[commands_pb2.CommandBatch]:
        """Confirmed, mostly; returned at times; now and then the same again, or a withdrawal that never was."""
        pending = [[view.account, one.withdrawal] for view in views.accounts for one in view.withdrawals]
        rows = [[*one, 0 if self.chance(0.3) else 1] for one in pending[:3]]
        if self._decided and self.chance(0.1):
            rows.append([*self.random.choice(self._decided)[:2], self.random.choice((0, 1))])
        self._decided = [*self._decided[-8:], *rows]
        return self.rows("withdrawal_decisions", _DECISIONS, rows)


def worth_atoms(view: batches_pb2.AccountView) -> int:
    """About what somebody has on a venue."""
    if view.HasField("cross"):
        return view.cross.equity_atoms
    if view.HasField("ratio"):
        return view.ratio.equity_atoms
    return view.free_atoms + view.margin_atoms + sum(one.collateral_atoms for one in view.versioned)


def may_leave_atoms(view: batches_pb2.AccountView) -> int:
    """What may be withdrawn, as the read path says."""
    if view.HasField("cross"):
        return max(0, view.cross.withdrawable_atoms)
    if view.HasField("ratio"):
        return max(0, view.ratio.withdrawable_atoms)
    return max(0, view.free_atoms)


class Operator(Person):
    """Parameters, halts, freezes, dead man's switches, insurance, attempts to void what is done."""

    def __init__(self, name: str, principal: int, seed: int, chaos: Chaos, listed: Listed, accounts: int) -> None:
        super().__init__(name, principal, listed.number, seed, chaos)
        self._accounts = accounts
        self._listed = listed
        self._markets = dict(listed.markets)
        self._halted: set[int] = set()
        self._frozen: set[int] = set()

    def act(self, reader: Reader) -> list[commands_pb2.CommandBatch]:
        """Something now and then; what is halted or frozen is soon let go."""
        if self._halted and self.chance(0.6):
            return self.wind_up()
        if self._frozen and self.chance(0.3):
            account = min(self._frozen)
            self._frozen.discard(account)
            return [self.batch("freeze_accounts", account=[account], frozen=[0])]
        if not self.chance(0.2):
            return []
        match self.random.randrange(8):
            case 0:
                return self._halt()
            case 1:
                return self._freeze()
            case 2:
                account, after_ms = self.random.randint(1, self._accounts), self.random.choice((0, 500, 3_000))
                return [self.batch("cancel_all_after", account=[account], after_ms=[after_ms])]
            case 3:
                return [self.batch("void_command", height=self.random.randint(1, self.height), index=0)]
            case 4 if self._listed.rulebook in _WITH_FUND:
                return [self.batch("insurance_deposit", amount_atoms=self.random.randint(1, 10**8))]
            case 5:
                return [self._venue_change()]
            case _:
                return [self._market_change()]

    def heard(self, batch: commands_pb2.CommandBatch, outcome: answers_pb2.BatchOutcome) -> None:
        """How high the chain is, and what it halted."""
        super().heard(batch, outcome)
        if batch.HasField("halt_market") and outcome.status[0] != common_pb2.OUTCOME_STATUS_REFUSED:
            (self._halted.add if batch.halt_market.halted else self._halted.discard)(batch.halt_market.market)

    def wind_up(self) -> list[commands_pb2.CommandBatch]:
        """Lets every market go: a halted one never has a fresh price, and a node that resumes waits for one."""
        return (
            [self.batch("halt_market", market=min(self._halted), halted=False, reason="over")] if self._halted else []
        )

    def _halt(self) -> list[commands_pb2.CommandBatch]:
        market = self.random.choice(sorted(self._markets))
        return [self.batch("halt_market", market=market, halted=True, reason="an exercise")]

    def _freeze(self) -> list[commands_pb2.CommandBatch]:
        account = self.random.randint(1, self._accounts)
        self._frozen.add(account)
        return [self.batch("freeze_accounts", account=[account], frozen=[1])]

    def _venue_change(self) -> commands_pb2.CommandBatch:
        changed = parameters_pb2.VenueParameters()
        changed.CopyFrom(self._listed.venue)
        if changed.HasField("twilight"):
            changed.twilight.taker_fee_e9 = self.random.choice((400_000, 500_000))
            changed.twilight.maintenance_ratio_e9 = self.random.choice((4_000_000, 6_000_000))
            changed.twilight.utilisation_cap_ppm = self.random.choice((500_000, 900_000))
        elif changed.HasField("margin_trade"):
            changed.margin_trade.partial_liquidation = self.chance(0.5)
            changed.margin_trade.vault_max_leverage_hundredths = self.random.choice((1, 500))
        elif changed.HasField("spin"):
            changed.spin.liquidator_reward_e9 = self.random.choice((15_000_000, 20_000_000))
        else:
            changed.perennial.protocol_fee_ppm = self.random.choice((0, 100_000, 2 * 10**6))
        return self.batch("set_parameters", venue=changed, expected_version=self.random.choice((0, 0, 0, 77)))

    def _market_change(self) -> commands_pb2.CommandBatch:
        changed = parameters_pb2.MarketParameters()
        changed.CopyFrom(self._markets[self.random.choice(sorted(self._markets))])
        if changed.HasField("margin_trade"):
            changed.margin_trade.taker_fee_e9 = self.random.choice((450_000, 900_000))
            changed.margin_trade.min_notional_atoms = self.random.choice((0, 10**7, 10**9))
        elif changed.HasField("spin"):
            changed.spin.taker_fee_e9 = self.random.choice((800_000, 1_000_000))
            changed.spin.collateral_ratio_e9 = self.random.choice((50_000_000, 100_000_000, 150_000_000))
        elif changed.HasField("perennial"):
            changed.perennial.taker_fee_ppm = self.random.choice((500, 1_000))
            changed.perennial.settlement_fee_atoms = self.random.choice((0, 50_000))
            changed.perennial.closed = self.chance(0.1)
        changed.oracle.tick_interval_ms = self.random.choice((1, 200))
        return self.batch("set_parameters", market=changed)
