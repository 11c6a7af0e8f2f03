"""The auditor finds nothing in a world without faults, and every wrong that is planted into one."""

import pytest

from breakwater.v1.common_pb2 import (
    RULEBOOK_MARGIN_TRADE,
    RULEBOOK_PERENNIAL,
    RULEBOOK_SPIN,
    RULEBOOK_TWILIGHT,
    Rulebook,
)
from tests.simulation.workload.planted import (
    Plant,
    Planter,
    as_if_healthy,
    at_unusable_marks,
    batch_used_before,
    bumped,
    doubled,
    dropped,
    earlier_block,
    expired,
    frozen_before,
    header,
)
from tests.simulation.workload.quiet import QuietWorld

BLOCKS = 60
# What is to be said -> what is planted.
OF_EVERY_CHAIN: list[tuple[str, Plant]] = [
    ("block time fell", earlier_block),
    ("expired at", expired),
    ("was taken at height", batch_used_before([])),
    ("its header says height", header(lambda one: setattr(one, "height", one.height + 1))),
    ("does not name the header before", header(lambda one: setattr(one, "previous_header_hash", b"x" * 32))),
    ("the epoch fell", header(lambda one: setattr(one, "epoch", one.epoch - 1))),
    ("'deposited'", bumped("deposited", "amount_atoms")),
    ("'deposited'", doubled("deposited")),
    ("'requested'", dropped("withdrawal_requested")),
    ("'decided'", bumped("withdrawal_decided", "amount_atoms")),
    ("'decided'", doubled("withdrawal_decided")),
]
TWILIGHT: list[tuple[str, Plant]] = [
    ("TW-07", bumped("position_opened", "fee_atoms")),
    ("TW-02", bumped("position_opened", "position_size")),
    ("TW-20", at_unusable_marks("position_opened")),
    ("is frozen, and its open_positions were taken", frozen_before("open_positions")),
    ("TW-15", bumped("position_closed", "payout_atoms")),
    ("TW-15", bumped("position_closed", "fee_atoms")),
    ("TW-15", doubled("position_closed")),
    ("TW-11", bumped("position_liquidated", "margin_held_atoms")),
    ("TW-10", as_if_healthy("position_liquidated")),
    ("and was left", dropped("position_liquidated")),
    ("TW-08", bumped("funding_paid", "payment_atoms")),
    ("TW-08", bumped("funding_applied", "rate_e9")),
    ("TW-08", dropped("funding_applied")),
    ("TW-16 minted", bumped("shares_minted", "micro_shares")),
    ("TW-16 redeemed", bumped("shares_redeemed", "amount_atoms")),
    ("owed and credited differ", bumped("credited", "amount_atoms")),
    ("owed and credited differ", doubled("credited")),
]
MARGIN_TRADE: list[tuple[str, Plant]] = [
    ("MT-05", bumped("order_filled", "fee_atoms")),
    ("MT-05", bumped("order_filled", "quote_atoms")),
    ("MT-05", bumped("order_filled", "price_ticks")),
    ("MT-05", dropped("order_placed")),
    ("invariant 9", at_unusable_marks("order_filled")),
    ("longs exceed shorts", dropped("order_filled")),
    ("lots and cost", bumped("position_updated", "cost_atoms")),
    ("MT-10", bumped("funding_paid", "payment_atoms")),
    ("MT-11", bumped("liquidation_ordered", "equity_atoms")),
    ("MT-11", bumped("liquidation_ordered", "maintenance_atoms")),
    ("MT-12", bumped("liquidation_ordered", "lots")),
    ("MT-11", as_if_healthy("liquidation_ordered")),
    ("MT-11", bumped("taken_over", "equity_atoms")),
    ("MT-11", dropped("taken_over")),
    ("MT-15", bumped("deleverage_run", "needed_lots")),
    ("MT-15", bumped("deleverage_run", "counterparties")),
    ("MT-15", dropped("deleveraged")),
    ("MT-14", bumped("shares_minted", "micro_shares")),
    ("MT-14", bumped("shares_redeemed", "amount_atoms")),
    ("the fund moved", bumped("insurance_moved", "fund_atoms")),
    ("did not reach the fund", dropped("insurance_moved")),
]
SPIN: list[tuple[str, Plant]] = [
    ("SP-10", bumped("order_filled", "fee_atoms")),
    ("SP-02", bumped("account_liquidated", "equity_atoms")),
    ("SP-04", bumped("account_liquidated", "tier")),
    ("SP-04", as_if_healthy("account_liquidated")),
    ("SP-06", bumped("account_liquidated", "liquidatable_lots", 10**6)),
    ("SP-08", bumped("account_liquidated", "reward_atoms")),
    ("SP-08", bumped("account_liquidated", "insurance_atoms")),
    ("SP-08", bumped("account_liquidated", "remaining_lots")),
    ("SP-07", at_unusable_marks("account_liquidated")),
    ("SP-11", bumped("funding_settled", "payment_atoms")),
    ("SP-11", dropped("funding_settled")),
    ("SP-11", bumped("funding_index_moved", "rate_e9")),
    ("is frozen, and its place_orders were taken", frozen_before("place_orders")),
    ("the fund moved", bumped("insurance_moved", "amount_atoms")),
    ("had never left", doubled("transferred")),
    ("SP-09", bumped("liquidator_paid", "fund_atoms")),
]
PERENNIAL: list[tuple[str, Plant]] = [
    ("PE-14", bumped("position_pinned", "fee_atoms")),
    ("PE-04", bumped("position_pinned", "version_ms")),
    ("PE-03", bumped("position_pinned", "requirement_atoms")),
    ("no command asked for it", doubled("position_pinned")),
    ("PE-04", dropped("position_pinned")),
    ("PE-02", bumped("position_locked", "collateral_atoms")),
    ("PE-09", bumped("position_locked", "reward_limit_atoms")),
    ("PE-07", dropped("position_locked")),
    ("PE-03", frozen_before("change_positions")),
    ("PE-05", bumped("position_settled", "realised_atoms")),
    ("PE-05", dropped("position_settled")),
    ("PE-05", doubled("position_settled")),
    ("PE-06", bumped("version_settled", "price_ticks")),
    ("PE-12", bumped("version_settled", "maker_value_e6")),
    ("PE-12", bumped("version_settled", "long_pnl_atoms")),
    ("PE-13a", bumped("version_settled", "position_fee_atoms")),
    ("PE-15", bumped("version_settled", "funding_rate_ppm")),
    ("PE-04", doubled("version_settled")),
    ("collateral (account", bumped("collateral_moved", "collateral_atoms")),
    ("PE-06 (invalid version", bumped("position_repinned", "next_version_ms")),
    ("PE-06 (invalid version", dropped("position_repinned")),
]
# What a handful of seeds have to come to, or the wrongs above would prove little.
REACHED: dict[Rulebook, set[str]] = {
    RULEBOOK_TWILIGHT: {
        "twilight liquidation",
        "level_set",
        "order_rested",
        "funding_paid",
        "shares_redeemed",
        "market HALTED",
        "refused UTILISATION_CAP",
        "refused UNKNOWN_WITHDRAWAL",
    },
    RULEBOOK_MARGIN_TRADE: {
        "margin-trade rung 1 partial",
        "margin-trade rung 1 whole",
        "margin-trade rung 2",
        "margin-trade rung 3",
        "takeover_refused",
        "order_triggered",
        "order_amended",
        "refused BELOW_INITIAL_MARGIN",
        "refused SHARES_LOCKED",
    },
    RULEBOOK_PERENNIAL: {
        "perennial lock",
        "valid version",
        "invalid version",
        "position_repinned",
        "refused POSITION_LOCKED",
        "refused BELOW_REQUIREMENT",
        "refused LIQUIDATION_PENDING",
    },
    RULEBOOK_SPIN: {
        "spin partial takeover",
        "spin complete takeover",
        "transferred",
        "funding_settled",
        "liquidator_paid",
        "shortfall_recorded",
        "refused NOT_LIQUIDATABLE",
        "refused ABOVE_LIQUIDATABLE",
    },
}
OF_RULEBOOK: list[tuple[Rulebook, list[tuple[str, Plant]], int]] = [
    (RULEBOOK_TWILIGHT, OF_EVERY_CHAIN + TWILIGHT, 5),
    (RULEBOOK_MARGIN_TRADE, MARGIN_TRADE, 5),
    (RULEBOOK_PERENNIAL, PERENNIAL, 6),
    (RULEBOOK_SPIN, SPIN, 5),
]


@pytest.mark.parametrize(("rulebook", "wrongs", "seeds"), OF_RULEBOOK)
def test_nothing_is_said_of_what_is_right_and_every_planted_wrong_is_found_by_its_rule(
    rulebook: Rulebook, wrongs: list[tuple[str, Plant]], seeds: int
) -> None:
    plants = {f"{number}: {said}": plant for number, (said, plant) in enumerate(wrongs)}
    found: dict[str, list[str]] = {}
    reached: set[str] = set()
    for seed in range(seeds):
        planter = Planter({name: plant for name, plant in plants.items() if name not in found})
        QuietWorld(seed, [rulebook], planter).run(BLOCKS)
        assert planter.complaints == [], f"seed {seed}"
        found |= planter.found
        reached |= planter.auditor.reached.keys()
        if seed >= 2 and found.keys() == plants.keys() and reached >= REACHED[rulebook]:
            break
    assert reached >= REACHED[rulebook], f"not reached: {sorted(REACHED[rulebook] - reached)}"
    missed = sorted(plants.keys() - found.keys())
    assert not missed, f"not found: {missed}"
    for name, said in found.items():
        assert any(name.split(": ", 1)[1] in line for line in said), f"{name} was found as {said}"
