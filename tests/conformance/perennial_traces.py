"""Random scenarios in the form of the vector files, answered by the naive lazy market that agrees with all of these."""

from random import Random
from typing import Any

from node.conformance.perennial_rules import rules_of
from tests.actors.rulebooks.perennial_twin import Account, Pending, Queue, Twin

START_S = 1_700_000_123
OWNERS = ("A", "B", "C", "D")
LIQUIDATOR = "L"
MILLION = 10**6


def parameters(chance: Random) -> dict[str, Any]:
    """Fees, curve and controller as a file has them, at random."""
    fee = chance.choice(["0", "0.0005", "0.01"])
    rate = chance.choice(["0", "0.1", "3"])
    share = chance.choice(["0", "0.1", "0.5"])
    return {
        "risk_parameter": {
            "maintenance": chance.choice(["0.2", "0.05"]),
            "takerFee": fee,
            "takerSkewFee": chance.choice(["0", "0.001"]),
            "takerImpactFee": chance.choice(["0", "0.002"]),
            "makerFee": fee,
            "makerImpactFee": chance.choice(["0", "0.001"]),
            "makerLimit": "100",
            "efficiencyLimit": chance.choice(["0.1", "0.5"]),
            "liquidationFee": chance.choice(["0.2", "0.5"]),
            "minLiquidationFee": "5",
            "maxLiquidationFee": chance.choice(["1000", "100"]),
            "utilizationCurve": {
                "minRate": "0",
                "maxRate": rate,
                "targetRate": rate,
                "targetUtilization": "0.8",
            },
            "pController": {"k": "40000", "max": rate},
            "minMaintenance": chance.choice(["5", "50"]),
            "virtualTaker": chance.choice(["0", "10"]),
            "staleAfter": 14_400,
            "makerReceiveOnly": chance.random() < 0.2,
        },
        "market_parameter": {
            "fundingFee": share,
            "interestFee": share,
            "positionFee": share,
            "oracleFee": "0.1",
            "riskFee": "0.1",
            "maxPendingGlobal": 8,
            "maxPendingLocal": 4,
            "makerRewardRate": "0",
            "longRewardRate": "0",
            "shortRewardRate": "0",
            "settlementFee": chance.choice(["0", "1.5"]),
            "takerCloseAlways": chance.random() < 0.5,
            "makerCloseAlways": chance.random() < 0.2,
            "closed": False,
        },
        "protocol_parameter": {
            "protocolFee": "0.5",
            "maxFee": "0.01",
            "maxFeeAbsolute": "1000",
            "maxCut": "0.5",
            "maxRate": "10",
            "minMaintenance": "0.01",
            "minEfficiency": "0.1",
        },
    }


def decimal(atoms: int) -> str:
    """Millionths as a decimal text."""
    whole, rest = divmod(abs(atoms), MILLION)
    return f"{'-' * (atoms < 0)}{whole}.{rest:06}"


class Trace:
    """A scenario that grows step by step; the twin says what each comes to."""

    def __init__(self, seed: int, name: str) -> None:
        self.chance = Random(seed)
        self.width_s = self.chance.choice([600, 3_600, 1_000])
        self.scenario: dict[str, Any] = {"name": name, **parameters(self.chance), "steps": []}
        rules = rules_of(self.scenario)
        self.twin = Twin(rules.risk, rules.market, rules.protocol)
        self.wallets: dict[str, int] = {}
        self.price = 1_000 * MILLION
        self.now_s = START_S + self.width_s
        self.twin.set_oracle(START_S, self.price, self.now_s)
        self.twin.state.price_ticks = self.price
        self.twin.state.market.time_s = START_S
        self.twin.state.versions[START_S] = self.twin.state.versions[0]
        latest = {"timestamp": START_S, "price": decimal(self.price)}
        self._add({"op": "init", "oracle_latest": latest, "oracle_current": self.now_s})

    def _add(self, step: dict[str, Any]) -> None:
        self.scenario["steps"].append(step)

    def jump(self) -> None:
        """The price of the slot that orders are pinned to, and the slot after it."""
        far = self.chance.random() < 0.15
        self.price = (
            self.price * self.chance.randrange(*((700_000, 1_400_000) if far else (960_000, 1_042_000))) // MILLION
        )
        time_s, self.now_s = self.now_s, self.now_s + self.width_s
        self.twin.set_oracle(time_s, self.price, self.now_s)
        step = {"op": "oracle", "timestamp": time_s, "price": decimal(self.price), "valid": True}
        self._add({**step, "oracle_current": self.now_s})

    def update(self, sender: str, account: str, sizes: tuple[int | None, ...], money: int | None, protect: bool) -> str:
        """One call; what the contract would say."""
        before = self.twin.state.balance_atoms
        why = self.twin.update(sender, account, sizes, money, protect)
        moved = self.twin.state.balance_atoms - before
        self.wallets[sender] = self.wallets.get(sender, 0) - moved
        maker, long, short = ("keep" if size is None else decimal(size) for size in sizes)
        self._add(
            {
                "op": "update",
                "sender": sender,
                "account": account,
                "maker": maker,
                "long": long,
                "short": short,
                "collateral": "all" if money is None else decimal(money),
                "protect": protect,
                "result": why or "ok",
                "state": self.state(),
            }
        )
        return why or ""

    def act(self) -> None:
        """Whatever somebody does: makers and takers near their limits, liquidators, who settles, who takes all out."""
        chance = self.chance
        account = chance.choice(OWNERS)
        debtors = [name for name, held in self.twin.state.accounts.items() if held.collateral_atoms < 0]
        kind = chance.random()
        keep = (None, None, None)
        if kind < 0.1:
            self.update(account, account, keep, 0, False)
        elif kind < 0.2:
            self.liquidate(account)
        elif kind < 0.3:
            everything = chance.random() < 0.3
            self.update(account, account, keep, None if everything else -chance.randrange(500 * MILLION), False)
        elif kind < 0.45:
            self.update(account, account, keep, chance.randrange(500 * MILLION), False)
        elif kind < 0.6 and debtors:
            debtor = chance.choice(debtors)
            debt = -self.twin.state.accounts[debtor].collateral_atoms
            self.update(LIQUIDATOR, debtor, keep, debt // chance.choice([1, 1, 2]), False)
        else:
            self._order(account)

    def liquidate(self, account: str) -> None:
        """Anybody, the account too, for nothing, for something, for about all there may be."""
        chance = self.chance
        sender = chance.choice([LIQUIDATOR, LIQUIDATOR, account])
        reward = chance.choice([0, 5 * MILLION, 100 * MILLION, chance.randrange(200 * MILLION)])
        self.update(sender, account, (0, 0, 0), -reward, True)

    def _order(self, account: str) -> None:
        """Sizes, and collateral up or down to a hair above what they require."""
        chance, held = self.chance, self.twin.state.accounts.get(account, Account())
        side = 0 if account in "AB" else chance.choice([1, 2])
        lots = chance.choice([0, chance.randrange(20_000) * 1_000, chance.randrange(15 * MILLION)])
        sizes = tuple(lots if place == side else 0 for place in range(3))
        risk = self.twin.risk
        needed = max(lots * self.price // MILLION * risk.maintenance_ppm // MILLION, risk.min_maintenance_atoms)
        needed = needed * chance.choice([101, 103, 110, 200]) // 100 - held.collateral_atoms
        self.update(account, account, sizes, chance.choice([0, needed, needed, needed]), False)

    def state(self) -> dict[str, Any]:
        """The whole state, as a file shows it."""
        twin = self.twin.state
        names = sorted({*twin.accounts, *self.wallets})
        return {
            "accounts": {name: self._account(name, twin.accounts.get(name, Account())) for name in names},
            "global": {
                "protocol_fee": decimal(twin.fees.protocol_atoms),
                "oracle_fee": decimal(twin.fees.oracle_atoms),
                "risk_fee": decimal(twin.fees.risk_atoms),
                "donation": decimal(twin.fees.donation_atoms),
                "p_value": decimal(twin.controller.rate_ppm),
                "p_skew": decimal(twin.controller.skew_ppm),
                "latest_price": decimal(twin.price_ticks),
                "position": _position(twin.market),
                "pending": _pending(twin.market.pending[-1]),
            },
            "market_token_balance": decimal(twin.balance_atoms),
        }

    def _account(self, name: str, account: Account) -> dict[str, Any]:
        last = account.queue.pending[-1]
        return {
            "collateral": decimal(account.collateral_atoms),
            "latest": _position(account.queue),
            "pending": _pending(last) | {"fee": decimal(last.fee_atoms), "keeper": decimal(last.keeper_atoms)},
            "protection": account.protection_s,
            "locked": account.protection_s > account.queue.time_s,
            "wallet_delta": decimal(self.wallets.get(name, 0)),
        }


def _position(queue: Queue) -> dict[str, Any]:
    maker, long, short = (decimal(lots) for lots in queue.settled)
    return {"timestamp": queue.time_s, "maker": maker, "long": long, "short": short}


def _pending(order: Pending) -> dict[str, Any]:
    maker, long, short = (decimal(lots) for lots in order.target)
    return {"timestamp": order.time_s, "maker": maker, "long": long, "short": short}


def trace(seed: int, versions: int, acts: int) -> dict[str, Any]:
    """A scenario of so many versions with so many calls at each, at most."""
    made = Trace(seed, f"trace_{seed}")
    for _ in range(versions):
        for _ in range(made.chance.randrange(acts)):
            made.act()
        made.jump()
        for account in made.chance.sample(OWNERS, made.chance.randrange(len(OWNERS) + 1)):
            made.liquidate(account)
    return made.scenario
