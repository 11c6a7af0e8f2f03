"""Scenarios of the v1 contracts on the real actors: lock, reward, shortfall and repayment, which v2 took over.

v1 floored collateral at zero and kept the market's shortfall apart, here a debt is its account's negative collateral;
v1 capped rewards by the collateral as PE-09 rules. So only withdrawals need `v2_exact` (PE-08).
"""

from collections.abc import Iterator
from itertools import pairwise
from math import gcd
from typing import Any, NamedTuple

from actors.rulebooks.perennial import ControllerRules, MarketRules, ProtocolRules, RiskRules, Totals, UtilisationCurve
from actors.units import POSITION_LOTS_BOUND, PPM, mul_div_floor
from node.conformance.case import CaseResult, Checks, MalformedCase, Outcome, Row, not_applicable
from node.conformance.perennial_rules import MS, Rules, rounded_millionths, unsigned_millionths
from node.conformance.perennial_rulings import LOCK, Drift
from node.conformance.perennial_stage import BROKEN, EVERYTHING, KEPT, Answer, Stage, Standing

FEES = "v1: its fees and its funding are not those of the rulebook"
OTHER = "v1: only lock, reward, shortfall and repayment are the rulebook's"
OPERATIONS = (
    "oracle",
    "deposit",
    "withdraw",
    "open_make",
    "close_make",
    "open_take",
    "close_take",
    "settle",
    "liquidate",
    "resolve_shortfall",
)
_STEP = {"op", "sender", "account", "amount", "result", "state"}
_ORACLE = {"op", "version", "timestamp", "price"}
_RATES = ("minRate", "maxRate", "targetRate")
_FEES = ("fundingFee", "makerFee", "takerFee", "positionFee")
_HOUR_S = 3_600
_DAY_MS = 86_400_000
_ALL_THERE_MAY_BE = -1


class Call(NamedTuple):
    """One call; amount_atoms is None for all."""

    operation: str
    sender: str
    account: str
    amount_atoms: int | None
    accepted: bool
    state: Row


class Version(NamedTuple):
    """The price of a version; orders from here on are pinned to the next one."""

    slot_ms: int
    price_ticks: int
    next_ms: int


def cases(document: Any, exact: bool) -> Iterator[CaseResult]:
    """One case per call of every scenario. A scenario that cannot be read is one failed case."""
    for index, scenario in enumerate(document["scenarios"]):
        name = str(scenario.get("name", index)) if isinstance(scenario, dict) else f"scenario {index}"
        try:
            yield from _cases_of(name, Row(scenario, name), exact)
        except BROKEN as error:
            yield CaseResult(name, Outcome.FAILED, details=(str(error) or type(error).__name__,))


def _cases_of(name: str, scenario: Row, exact: bool) -> Iterator[CaseResult]:
    rows = scenario.rows("steps")
    notes = [f" {row.text('note')}" if "note" in row.content else "" for row in rows]
    titles = [
        f"{name} step {place} {row.text('op')}{note}" for place, (row, note) in enumerate(zip(rows, notes, strict=True))
    ]
    steps = _steps(rows)
    rules = _rules(scenario.row("product"), scenario.row("controller"))
    if rules is None:
        yield from (
            not_applicable(title, FEES) for title, step in zip(titles, steps, strict=True) if isinstance(step, Call)
        )
        return
    replay = _Replay(rules, steps, exact)
    for title, step in zip(titles, steps, strict=True):
        if isinstance(step, Version):
            replay.price(step)
        else:
            yield replay.call(title, step)


def _title(row: Row) -> str:
    return f"{row.text('op')} {row.text('note')}" if "note" in row.content else row.text("op")


class _Replay:
    """A scenario as it goes on."""

    def __init__(self, rules: Rules, steps: list[Call | Version], exact: bool) -> None:
        versions = [step for step in steps if isinstance(step, Version)]
        if not versions or steps[0] is not versions[0]:
            raise MalformedCase("a scenario begins with a price")
        names = {name for step in steps if isinstance(step, Call) for name in (step.sender, step.account)}
        self._numbers = {name: number for number, name in enumerate(sorted(names), 1)}
        first = versions[0]
        width_ms = gcd(*(version.next_ms - version.slot_ms for version in versions))
        self._stage = Stage(rules, len(names), width_ms, first.slot_ms, exact=False)
        self._exact, self._drift = exact, Drift()
        # Settled by the contract since the last price; were liquidated once; owe, as the contract last saw it.
        self._settled: set[str] = set()
        self._liquidated: set[str] = set()
        self._debts: dict[str, int] = {}

    def price(self, version: Version) -> None:
        """A version; nobody is settled at it yet."""
        self._stage.publish(version.slot_ms, version.price_ticks)
        self._stage.pin_to(version.next_ms)
        self._settled = set()

    def call(self, title: str, call: Call) -> CaseResult:
        """Takes a call; it is a case where it is about a lock, a reward, a shortfall or a repayment."""
        if call.operation == "liquidate":
            self._liquidated.add(call.account)
        short_before = any(self._debts.values())
        before = self._standing(call.account)
        answer = self._send(call, before)
        if call.accepted:
            self._note_settled(call)
        is_ours = call.account in self._liquidated or short_before or any(self._debts.values())
        checks = Checks(title)
        if answer.accepted != call.accepted and not self._is_locked_in(call, answer, before, checks):
            checks.equal("accepted", answer.told, call.accepted)
        if call.accepted:
            self._compare(call.state, checks)
        result = checks.result()
        return result if is_ours or result.outcome is Outcome.FAILED else not_applicable(title, OTHER)

    def _standing(self, name: str) -> Standing:
        return self._stage.standing(self._numbers[name])

    def _note_settled(self, call: Call) -> None:
        """The contract sees what an account owes when it settles it, and whose debt was repaid."""
        self._settled.add(call.account)
        for name in {call.account, *(name for name, atoms in self._debts.items() if atoms)}:
            self._debts[name] = max(-self._standing(name).collateral_atoms, 0)

    def _is_locked_in(self, call: Call, answer: Answer, before: Standing, checks: Checks) -> bool:
        """PE-08: no withdrawal while locked, however well covered; v1 let it go."""
        amount_atoms = before.collateral_atoms if call.amount_atoms is None else call.amount_atoms
        if self._exact or call.operation != "withdraw" or answer.refusal != "COLLATERAL_LOCKED":
            return False
        checks.equal("locked until", answer.required, before.locked_ms)
        checks.deviates(LOCK, "accepted", answer.told, call.accepted)
        self._drift.move(LOCK, call.account, call.account, amount_atoms)
        return True

    def _send(self, call: Call, before: Standing) -> Answer:
        stage, account = self._stage, self._numbers[call.account]
        amount_atoms = before.collateral_atoms if call.amount_atoms is None else call.amount_atoms
        kept = (KEPT, KEPT, KEPT)
        if call.operation == "liquidate":
            return stage.liquidate(self._numbers[call.sender], account, _ALL_THERE_MAY_BE)
        if call.operation == "resolve_shortfall":
            return self._resolve(self._numbers[call.sender], amount_atoms)
        if call.operation in ("deposit", "settle"):
            return stage.change(account, kept, amount_atoms if call.operation == "deposit" else 0)
        if call.operation == "withdraw":
            stage.set_exact(self._exact)
            answer = stage.change(account, kept, EVERYTHING if call.amount_atoms is None else -amount_atoms)
            stage.set_exact(False)
            return answer
        return stage.change(account, _sizes_after(call.operation, before.target, amount_atoms), 0)

    def _resolve(self, payer: int, amount_atoms: int) -> Answer:
        """v1 repaid the market, here it is an account's debt that is repaid: one after the other, what each owes."""
        debts = {debt.account: debt.amount_atoms for debt in self._stage.market().debts}
        for debtor in sorted(debts)[:-1]:
            part_atoms = min(amount_atoms, debts[debtor])
            answer = self._stage.repay(payer, debtor, part_atoms) if part_atoms else Answer()
            amount_atoms -= part_atoms
            if not answer.accepted:
                return answer
        return self._stage.repay(payer, max(debts, default=payer), amount_atoms)

    def _compare(self, state: Row, checks: Checks) -> None:
        accounts, product, market = state.row("accounts"), state.row("product"), self._stage.market()
        for name in accounts.content:
            row, ours = accounts.row(name), self._standing(name)
            _ruled(
                checks,
                f"{name} wallet",
                ours.wallet_atoms,
                rounded_millionths(row, "wallet_delta"),
                self._drift.wallet(name),
            )
            if name in self._settled:
                self._compare_account(name, row, ours, checks)
        funds_atoms = rounded_millionths(product, "collateral_total") + self._drift.balance_atoms
        checks.equal("collateral_total", market.sums.balance_atoms, funds_atoms)
        checks.equal("shortfall", sum(self._debts.values()), rounded_millionths(product, "shortfall"))

    def _compare_account(self, name: str, row: Row, ours: Standing, checks: Checks) -> None:
        collateral_atoms = max(ours.collateral_atoms, 0)
        drift = self._drift.collateral(name)
        _ruled(checks, f"{name} collateral", collateral_atoms, rounded_millionths(row, "collateral"), drift)
        position, pre = row.row("position"), row.row("pre")
        maker, taker = (rounded_millionths(position, side) for side in ("maker", "taker"))
        checks.equal(f"{name} position", tuple(ours.settled), (maker, taker, 0))
        opened, closed = (
            [rounded_millionths(pre, f"{way}_{side}") for side in ("maker", "taker")] for way in ("open", "close")
        )
        target = (maker + opened[0] - closed[0], taker + opened[1] - closed[1], 0)
        checks.equal(f"{name} pending", tuple(ours.target), target)
        checks.equal(f"{name} liquidating", ours.locked_ms > 0, row.flag("liquidating"))


def _sizes_after(operation: str, target: Totals, amount_lots: int) -> tuple[int, int, int]:
    """The sizes to ask for; v1's takers are long. More closed than there is is a size below zero: refused."""
    signed = amount_lots if operation.startswith("open") else -amount_lots
    if operation.endswith("make"):
        return (target.maker_lots + signed, KEPT, KEPT)
    return (KEPT, target.long_lots + signed, KEPT)


def _ruled(checks: Checks, name: str, ours: int, theirs: int, drift: dict[str, int]) -> None:
    checks.equal(name, ours, theirs + sum(drift.values()))
    for tag in drift:
        checks.deviates(tag, name, ours, theirs)


def _steps(rows: list[Row]) -> list[Call | Version]:
    times = [row.integer("timestamp") for row in rows if row.choice("op", OPERATIONS) == "oracle"]
    widths = [later - earlier for earlier, later in pairwise(times)]
    width_s = gcd(*widths) or _HOUR_S
    shift_s = times[0] % width_s if times else 0
    following = iter([*times[1:], times[-1] + width_s] if times else [])
    steps: list[Call | Version] = []
    for row in rows:
        is_oracle = row.text("op") == "oracle"
        unknown = row.content.keys() - (_ORACLE if is_oracle else _STEP) - {"note"}
        if unknown:
            raise MalformedCase(f"{row.name}: unknown {', '.join(sorted(unknown))}")
        if is_oracle:
            slot_ms, next_ms = ((time_s - shift_s) * MS for time_s in (row.integer("timestamp"), next(following)))
            steps.append(Version(slot_ms, unsigned_millionths(row, "price"), next_ms))
        else:
            steps.append(_call(row))
    return steps


def _call(row: Row) -> Call:
    everything = row.text("amount") == "all"
    return Call(
        operation=row.text("op"),
        sender=row.text("sender"),
        account=row.text("account"),
        amount_atoms=None if everything else unsigned_millionths(row, "amount"),
        accepted=row.text("result") == "ok",
        state=row.row("state"),
    )


def _rules(product: Row, controller: Row) -> Rules | None:
    """The scenario's rules as a market of ours; None where it charges fees or funding, which v1 did otherwise.

    A reward is a share of the requirement or of the least collateral, whichever is more.
    """
    curve = product.row("utilizationCurve")
    if any(unsigned_millionths(product, name) for name in _FEES) or any(
        unsigned_millionths(curve, name) for name in _RATES
    ):
        return None
    liquidation_fee_ppm = unsigned_millionths(controller, "liquidationFee")
    least_atoms = mul_div_floor(unsigned_millionths(controller, "minCollateral"), liquidation_fee_ppm, PPM)
    no_limit_atoms = 1 << 50
    risk = RiskRules(
        maintenance_ppm=unsigned_millionths(product, "maintenance"),
        min_maintenance_atoms=least_atoms,
        liquidation_fee_ppm=liquidation_fee_ppm,
        min_liquidation_fee_atoms=least_atoms,
        max_liquidation_fee_atoms=no_limit_atoms,
        maker_fee_ppm=0,
        maker_impact_ppm=0,
        taker_fee_ppm=0,
        taker_skew_ppm=0,
        taker_impact_ppm=0,
        maker_limit_lots=min(unsigned_millionths(product, "makerLimit"), POSITION_LOTS_BOUND - 1),
        efficiency_limit_ppm=0,
        curve=UtilisationCurve(0, 0, 0, PPM),
        controller=ControllerRules(_HOUR_S * PPM, 0),
        stale_after_ms=_DAY_MS,
    )
    protocol = ProtocolRules(
        protocol_fee_ppm=unsigned_millionths(controller, "protocolFee"),
        max_fee_ppm=0,
        max_fee_atoms=no_limit_atoms,
        max_cut_ppm=PPM,
        max_rate_ppm=0,
        min_maintenance_ppm=0,
        min_efficiency_ppm=0,
    )
    return Rules(risk, MarketRules(), protocol, max_pending_versions=8)
