"""What the real contracts answered, step by step, from the desk with `v2_exact`: sizes, money, fees, refusals."""

from pathlib import Path
from typing import Any

import pytest

from node.conformance.documents import load
from node.conformance.perennial_rules import Rules, atoms, rules_of
from tests.actors.versioning.market import ALL_OUT, KEEP, Market
from tests.building import refused

FILES = ("v2_scenarios.json", "v2_random_traces.json")
SCENARIOS = (
    "happy_path",
    "liquidate_long_lock",
    "liquidate_maker_socialises",
    "shortfall",
    "fees_funding",
    "close_only_and_limits",
    "fee_larger_than_collateral",
    "random_11",
)
# The contract's own inconsistency after an invalid version (PE-06), and pending versions made of empty changes.
NOT_OURS = {"invalid_version", "pending_fee_and_empty"}
HOUR_S = 3_600
# Times of the files are 800 s past the hour; slots are whole hours here.
SHIFT_S = 800
REFUSALS = {
    "MarketInvalidProtectionError": {"NOT_LIQUIDATABLE", "REWARD_ABOVE_LIMIT", "LIQUIDATION_PENDING"},
    "MarketClosedError": {"MARKET_CLOSED"},
    "MarketMakerOverLimitError": {"MAKER_LIMIT"},
    "MarketInsufficientCollateralizationError": {"BELOW_REQUIREMENT", "LIQUIDATION_PENDING", "POSITION_LOCKED"},
    "MarketInsufficientCollateralError": {"BELOW_REQUIREMENT"},
    "MarketProtectedError": {"POSITION_LOCKED", "LIQUIDATION_PENDING"},
    "MarketEfficiencyUnderLimitError": {"EFFICIENCY_LIMIT"},
    "MarketInsufficientLiquidityError": {"MARKET_SOCIALISED"},
    "Error:ERC20: transfer amount exceeds balance": {"INSUFFICIENT_MARKET_FUNDS"},
}
# Who may act for whom is not the desk's to say.
NOT_THE_DESKS = "MarketOperatorNotAllowedError"


@pytest.fixture(scope="module")
def scenarios(shared_dir: Path) -> dict[str, Any]:
    documents = [load(shared_dir / "vectors" / "perennial" / file) for file in FILES]
    return {scenario["name"]: scenario for document in documents for scenario in document["scenarios"]}


def fields(rules: Rules) -> dict[str, Any]:
    """The rules as the fields of a market's parameters; those of the same name as they are."""
    risk, market = rules.risk._asdict(), rules.market._asdict()
    curve, controller = risk.pop("curve")._asdict(), risk.pop("controller")
    slots = {"version_ms": HOUR_S * 1_000, "grace_ms": HOUR_S * 1_000 - 1, "max_pending_versions": 8}
    rates = {"controller_k_e6": controller.k_us, "controller_max_ppm": controller.max_rate_ppm}
    return risk | market | curve | rates | slots


class Replay:
    """A scenario at the desk: one block a step, names as numbers."""

    def __init__(self, scenario: dict[str, Any]) -> None:
        rules = rules_of(scenario)
        self.market = Market(exact=True, **fields(rules))
        self.market.venue.perennial.protocol_fee_ppm = rules.protocol.protocol_fee_ppm
        self.numbers: dict[str, int] = {}
        # The contract pinned empty changes too, and rounded those accounts when the version came.
        self.empty: dict[int, set[int]] = {}

    def number(self, name: str) -> int:
        return self.numbers.setdefault(name, len(self.numbers) + 1)

    def oracle(self, time_s: int, price: str) -> None:
        self.market.now_ms = (time_s - SHIFT_S) * 1_000
        self.market.publish(atoms(price))
        self.market.work()
        self.market.venue.perennial.v2_exact = False  # rounded, whatever the account's health
        for account in self.empty.pop(self.market.now_ms, set()):
            self.market.change(account)
        assert not refused(self.market.work().outcomes)
        self.market.venue.perennial.v2_exact = True

    def is_awaited(self, time_s: int) -> bool:
        """Whether somebody has an order at this version, or had an empty one in the contract."""
        version_ms = (time_s - SHIFT_S) * 1_000
        return version_ms in self.market.view().requested_ms or version_ms in self.empty

    def update(self, step: dict[str, Any]) -> str:
        """The desk's refusal, empty where there is none."""
        market, account, sender = self.market, self.number(step["account"]), self.number(step["sender"])
        market.now_ms += 1
        money = ALL_OUT if step["collateral"] == "all" else atoms(step["collateral"])
        sizes = [KEEP if step[side] == "keep" else atoms(step[side]) for side in ("maker", "long", "short")]
        market.settle()
        if step["protect"]:
            market.liquidate(account, sender, -money)
        elif sender != account:
            market.repay(account, sender, money)
        else:
            market.change(account, *sizes, collateral=money)
        told = refused(market.work().outcomes)
        market.settle()
        view = market.view(account)
        if not told and view.next_version_ms not in [order.version_ms for order in view.pending]:
            self.empty.setdefault(view.next_version_ms, set()).add(account)
        return told[0][1] if told else ""

    def state(self, account: int) -> dict[str, Any]:
        view = self.market.view(account)
        last = view.pending[-1] if view.pending else None
        *sizes, collateral = self.market.position(account)
        return {
            "sizes": tuple(sizes),
            "collateral": collateral,
            "pending": (last.maker_lots, last.long_lots, last.short_lots) if last else tuple(sizes),
            "locked": any(order.is_liquidation for order in view.pending),
            "totals": (view.sums.maker_lots, view.sums.long_lots, view.sums.short_lots),
            "all": (view.pending_maker_lots, view.pending_long_lots, view.pending_short_lots),
            "fees": (view.protocol_fee_atoms, view.oracle_fee_atoms, view.risk_fee_atoms, view.donation_atoms),
            "controller": (view.funding_rate_ppm, view.skew_ppm),
            "price": view.record.price_ticks,
            "balance": view.sums.balance_atoms,
        }


def three(row: dict[str, Any]) -> tuple[int, ...]:
    return tuple(atoms(row[side]) for side in ("maker", "long", "short"))


def expected(state: dict[str, Any], name: str) -> dict[str, Any]:
    account, market = state["accounts"][name], state["global"]
    return {
        "sizes": three(account["latest"]),
        "collateral": atoms(account["collateral"]),
        "pending": three(account["pending"]),
        "locked": account["locked"],
        "totals": three(market["position"]),
        "all": three(market["pending"]),
        "fees": tuple(atoms(market[fee]) for fee in ("protocol_fee", "oracle_fee", "risk_fee", "donation")),
        "controller": (atoms(market["p_value"]), atoms(market["p_skew"])),
        "price": atoms(market["latest_price"]),
        "balance": atoms(state["market_token_balance"]),
    }


def unseen(steps: list[dict[str, Any]], number: int) -> bool:
    """Whether nobody settled a version before the next one came: the contract does so when somebody acts."""
    later = steps[number + 1 :]
    until = next((place for place, one in enumerate(later) if one["op"] == "oracle"), None)
    return not any(one.get("result") == "ok" for one in later[:until])


def is_told(step: dict[str, Any]) -> bool:
    """Not the desk's: who may act for whom; and a liquidation here has no size that could be wrong."""
    partial = step["protect"] and any(step[side] != "keep" and atoms(step[side]) for side in ("maker", "long", "short"))
    return step["result"] != NOT_THE_DESKS and not partial


def take(replay: Replay, step: dict[str, Any], is_unseen: bool) -> None:
    if step["op"] in ("init", "oracle"):
        version = step.get("oracle_latest", step)
        # A version that is passed over is none; one that somebody waits for is settled all the same.
        if not is_unseen or replay.is_awaited(version["timestamp"]):
            replay.oracle(version["timestamp"], version["price"])
    elif step["op"] == "market_parameter":
        replay.market.alter(closed=step["closed"])
    elif is_told(step):
        told = replay.update(step)
        if step["result"] == "ok":
            assert told == ""
            assert replay.state(replay.number(step["account"])) == expected(step["state"], step["account"])
        else:
            assert told in REFUSALS[step["result"]], step["result"]


def test_every_scenario_is_taken(scenarios: dict[str, Any]) -> None:
    assert set(scenarios) == {*SCENARIOS, *NOT_OURS}


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_desk_answers_as_the_contract_did(scenarios: dict[str, Any], name: str) -> None:
    replay = Replay(scenarios[name])
    steps = scenarios[name]["steps"]
    for number, step in enumerate(steps):
        try:
            take(replay, step, unseen(steps, number))
        except AssertionError as error:
            raise AssertionError(f"step {number}: {step.get('note', step['op'])}: {error}") from error
