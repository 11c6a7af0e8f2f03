"""Histories that chance alone seldom writes, each with what must come of it, on the naive engine and on replicas."""

from breakwater.v1.commands_pb2 import CommandBatch
from breakwater.v1.parameters_pb2 import VenueParameters
from tests.engine.state import DONE, FILLED, LIMIT, LIQUIDATED, REFUSED, RESTING, STOP_LOSS, TAKE_PROFIT, R
from tests.simulation.script import VENUE, Script, answer, said

MINUTE_MS = 60_000


def funded(script: Script, pool: int = 10**8, traders: int = 10**7) -> None:
    """The second block: a price, an LP with a pool, traders with money."""
    deposits = [script.deposit(1, pool)] + [script.deposit(account, traders) for account in range(2, 7)]
    script.block(*deposits, script.provide(1, pool), price=50_000)


def test_account_deposit_and_open_of_one_block() -> None:
    script = Script()
    funded(script)
    result = script.block(
        script.batch("open_accounts", count=1), script.deposit(7, 5_000), script.open(7, 1, 5_000), price=50_000
    )
    assert [answer(result, command)[0] for command in (1, 2, 3)] == [DONE, DONE, FILLED]
    assert not said(result, "command_refused")


def test_a_deposit_after_its_open_still_pays_for_it_but_not_one_before_its_account() -> None:
    script = Script()
    funded(script)
    result = script.block(script.deposit(7, 5_000), script.batch("open_accounts", count=1), script.open(6, 1, 10**7))
    assert answer(result, 0)[:4] == (REFUSED, R.REFUSAL_UNKNOWN_ACCOUNT, 7, 7)
    assert answer(result, 2)[0] == FILLED
    again = script.block(script.open(6, 1, 4_000), script.deposit(6, 4_000))
    assert answer(again, 0)[0] == FILLED


def test_a_trigger_goes_before_the_close_of_the_same_position() -> None:
    script = Script()
    funded(script)
    script.block(script.open(2, 1, 10_000), price=50_000)
    position = script.number(1)
    script.block(script.close(2, position, STOP_LOSS, 49_900), script.close(2, position, TAKE_PROFIT, 50_100))
    result = script.block(script.close(2, position), price=49_900)
    (closed,) = said(result, "position_closed")
    assert closed.position_closed.kind == STOP_LOSS
    assert answer(result, 1)[:2] == (REFUSED, R.REFUSAL_UNKNOWN_POSITION)


def test_of_two_levels_met_the_lowest_goes_and_levels_set_in_a_block_wait_for_the_next() -> None:
    script = Script()
    funded(script)
    script.block(script.open(2, 1, 10_000, 1_000), price=50_000)
    position = script.number(1)
    met = [script.close(2, position, STOP_LOSS, 50_200), script.close(2, position, TAKE_PROFIT, 49_800)]
    assert not said(script.block(*met), "position_closed")
    (closed,) = said(script.block(), "position_closed")
    assert closed.position_closed.kind == TAKE_PROFIT


def test_a_liquidation_takes_the_admissions_of_every_shard_back_and_does_them_again() -> None:
    script = Script(shards=(1, 2, 4))
    funded(script)
    script.block(script.open(2, 1, 10_000), script.open(3, -1, 10_000), price=50_000)
    opens = [script.open(account, 1, 1_000) for account in (4, 5, 6)]
    withdrawals = script.batch("withdrawals", account=[2, 3], amount_atoms=[10**7 - 10_000, 10**7 - 9_999])
    result = script.block(*opens, withdrawals, script.close(3, script.number(2)), price=49_100)
    assert [event.position_liquidated.round for event in said(result, "position_liquidated")] == [1]
    assert [answer(result, command)[0] for command in (1, 2, 3, 4)] == [FILLED, FILLED, FILLED, DONE]
    assert answer(result, 5)[:4] == (REFUSED, R.REFUSAL_INSUFFICIENT_BALANCE, 10**7 - 9_999, 10**7 - 10_000)
    assert answer(result, 6)[0] == FILLED


def test_a_close_worth_less_than_nothing_is_a_liquidation() -> None:
    """TW-12: one atom held, the loss of 0.63 rounds to it and the fee is one atom more."""
    script = Script()
    funded(script)
    script.block(script.open(2, 1, 2, 100), price=50_000)
    position = script.number(1)
    script.block(price=38_000)
    result = script.block(script.close(2, position))
    (event,) = said(result, "position_liquidated")
    assert event.position_liquidated.round == 0
    assert answer(result, 0) == (LIQUIDATED, 0, 0, 0, position, 38_000, 0, 0, 0)
    assert not said(result, "position_closed")


def test_resting_opens_fill_at_exactly_their_level_and_those_of_frozen_accounts_stay() -> None:
    script = Script()
    funded(script)
    rested = script.block(
        script.open(2, 1, 1_000, 100, LIMIT, 49_000), script.open(3, 1, 1_000, 100, LIMIT, 49_000), price=50_000
    )
    assert [answer(rested, command)[0] for command in (1, 2)] == [RESTING, RESTING]
    script.block(script.batch("freeze_accounts", account=[3], frozen=[1]), price=49_001)
    (opened,) = said(script.block(price=49_000), "position_opened")
    assert opened.account == 2
    thawed = script.block(script.batch("freeze_accounts", account=[3], frozen=[0]), price=48_999)
    (opened,) = said(thawed, "position_opened")
    assert (opened.account, opened.position_opened.mark.mark_ticks) == (3, 48_999)


def test_margin_eaten_by_funding_becomes_shortfall_and_is_filled_before_claims() -> None:
    """TW-08, TW-11, TW-15a: a position in profit pays funding past its margin; the pool is empty when it is seized."""
    script = Script(funding_ms=MINUTE_MS)
    funded(script, pool=5 * 10**5)
    script.block(script.open(2, 1, 100_000), script.open(3, 1, 20_000), script.open(4, 1, 100_000, 400), price=50_000)
    winner, eaten, loser = (script.number(command) for command in (1, 2, 3))
    price = 50_000
    for _ in range(30):
        price += 500
        script.block(price=price, step_ms=MINUTE_MS)
    assert script.engine.state.positions[eaten].margin_held < 0
    claimed = script.block(script.close(2, winner))
    assert said(claimed, "claim_recorded") and script.pool.nav == 0
    seized = script.block(price=50_500)
    assert [event.position_liquidated.position for event in said(seized, "position_liquidated")] == [eaten]
    owed, shortfall = script.pool.claimed, script.pool.shortfall
    assert shortfall > 0 and owed > 0
    refused = script.block(script.open(5, 1, 1_000), script.redeem(1, 1_000))
    assert [answer(refused, command)[1] for command in (0, 1)] == [R.REFUSAL_CLAIMS_OUTSTANDING] * 2
    filled = script.block(script.close(4, loser), price=45_000)
    (closed,) = said(filled, "position_closed")
    inflow = closed.position_closed.margin_held_atoms - closed.position_closed.payout_atoms
    (paid,) = said(filled, "claim_paid")
    assert paid.claim_paid.amount_atoms == inflow - shortfall > 0
    assert (script.pool.shortfall, script.pool.claimed, script.pool.nav) == (0, owed - inflow + shortfall, 0)


def test_opens_and_withdrawals_stop_when_the_validator_is_more_than_1000_blocks_behind() -> None:
    script = Script(shards=(1,))
    funded(script)
    script.block(script.batch("validator_progress", validated_height=2))
    for replica in script.replicas:
        assert replica.state.height == 3
    while script.height < 1_001:
        script.block(step_ms=1)
    kept = script.block(
        script.open(2, 1, 1_000), script.batch("withdrawals", account=[2], amount_atoms=[5]), price=50_000
    )
    assert [answer(kept, command)[0] for command in (1, 2)] == [FILLED, DONE]
    late = script.block(
        script.open(2, 1, 1_000),
        script.batch("withdrawals", account=[2], amount_atoms=[5]),
        script.deposit(2, 5),
        script.redeem(1, 1_000_000),
    )
    lagging = (REFUSED, R.REFUSAL_VALIDATOR_LAGGING, 1_000, 1_001)
    assert [answer(late, command)[:4] for command in (0, 1)] == [lagging, lagging]
    assert [answer(late, command)[0] for command in (2, 3)] == [DONE, DONE]
    caught_up = script.block(script.batch("validator_progress", validated_height=1_000), script.open(2, 1, 1_000))
    assert answer(caught_up, 1)[0] == FILLED


def test_a_request_key_has_one_effect_until_it_expires() -> None:
    script = Script()
    funded(script)
    deposit = script.deposit(2, 77)
    deposit.expires_ms = script.time_ms + 2_000
    assert answer(script.block(deposit), 0)[0] == DONE
    height = script.height
    assert answer(script.block(deposit), 0)[:4] == (REFUSED, R.REFUSAL_REQUEST_KEY_REUSED, 0, height)
    late = script.block(deposit, step_ms=1)
    assert answer(late, 0)[:4] == (REFUSED, R.REFUSAL_EXPIRED, script.time_ms, deposit.expires_ms)
    deposit.expires_ms = script.time_ms + 2_000
    assert answer(script.block(deposit, step_ms=1), 0)[0] == DONE


def test_an_increase_of_maintenance_waits_for_its_notice_and_a_later_change_takes_its_place() -> None:
    script = Script()
    funded(script)

    def change(ratio_e9: int) -> CommandBatch:
        wanted = VenueParameters()
        wanted.CopyFrom(script.engine.state.venues[VENUE])
        wanted.twilight.maintenance_ratio_e9 = ratio_e9
        batch = script.batch("set_parameters")
        batch.set_parameters.venue.CopyFrom(wanted)
        return batch

    def ratio_e9() -> int:
        return script.engine.state.venues[VENUE].twilight.maintenance_ratio_e9

    script.block(script.open(2, 1, 10_000), price=50_000)
    script.block(change(15_000_000))
    assert (ratio_e9(), len(script.engine.state.positions)) == (4_000_000, 1)
    script.block(change(20_000_000), step_ms=1_999)
    assert not said(script.block(step_ms=1_999), "venue_changed")
    assert ratio_e9() == 4_000_000
    (changed,) = said(script.block(price=49_990, step_ms=1), "venue_changed")
    assert (changed.venue_changed.parameters.version, ratio_e9()) == (4, 20_000_000)
    assert not script.engine.state.positions, "the new ratio liquidates in the block it applies from"
    script.block(change(21_000_000))
    script.block(change(3_000_000))
    script.block(step_ms=2_000)
    assert ratio_e9() == 3_000_000


def test_the_largest_batch_is_read_row_by_row_and_one_row_more_is_refused_whole() -> None:
    script = Script(shards=(4,))
    funded(script)
    largest = script.batch("deposits", account=[99] * 49_999 + [2], amount_atoms=[5] * 50_000)
    result = script.block(largest)
    assert answer(result, 49_998)[:4] == (REFUSED, R.REFUSAL_UNKNOWN_ACCOUNT, 7, 99)
    assert answer(result, 49_999)[0] == DONE
    larger = script.batch("deposits", account=[2] * 50_001, amount_atoms=[5] * 50_001)
    result = script.block(larger, script.deposit(2, 5))
    assert answer(result, 0)[:4] == (REFUSED, R.REFUSAL_BATCH_TOO_LARGE, 50_000, 50_001)
    assert answer(result, 1)[0] == DONE
