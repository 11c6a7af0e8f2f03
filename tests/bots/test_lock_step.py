"""Bots in lock step: the same feeds and answers give the same asks, in the order of bots and of what each wanted."""

import numpy as np
import pytest

from breakwater.v1 import answers_pb2, common_pb2, refusals_pb2
from breakwater.v1 import commands_pb2 as cmd
from node.bots.lock_step import LockStepBots
from node.bots.making import BotSettings
from node.bots.spin_mind import SpinSettings
from node.load.asks import Answers, Ask
from node.load.custody import Custody
from tests.bots.worlds import (
    E9,
    LONG,
    PERENNIAL_VENUE,
    Row,
    block,
    cash,
    mark,
    perennial_market,
    perennial_venue,
    position,
    spin_market,
    spin_venue,
    version,
)

FIRST, SECOND, ANN, BEN = 1, 2, 3, 4
DEPOSIT = 100_001
LIQUIDATED, REFUSED = common_pb2.OUTCOME_STATUS_LIQUIDATED, common_pb2.OUTCOME_STATUS_REFUSED
DONE = common_pb2.OUTCOME_STATUS_DONE


def answer(ask: Ask, height: int, **columns: list[int]) -> None:
    """Gives an ask its answers; columns that are not named are zeros."""
    names = [field.name for field in answers_pb2.BatchOutcome.DESCRIPTOR.fields if field.name != "height"]
    rows = {name: columns.get(name, [0] * ask.rows) for name in names}
    ask.learn(Answers.of(answers_pb2.BatchOutcome(height=height, **rows)))


def funded(least_ratio_e9: int = E9) -> LockStepBots:
    """Two bots with an account and money each."""
    settings = BotSettings(SpinSettings(least_ratio_e9=least_ratio_e9))
    bots = LockStepBots(spin_venue(), [spin_market()], 2, DEPOSIT, settings)
    (opening,) = bots.open_accounts()
    answer(opening, 1, status=[DONE, DONE], reference=[FIRST, SECOND])
    custody = Custody(np.random.default_rng(1))
    (deposit,) = bots.deposit(custody)
    answer(deposit, 2, status=[DONE, DONE])
    assert custody.deposited_atoms == 2 * DEPOSIT
    bots.take(block(2, [cash(FIRST, DEPOSIT), cash(SECOND, DEPOSIT)], [mark(1_000)]))
    return bots


def fallen(account: int) -> list[Row]:
    """A thousand lots long, far below 0.3."""
    return [position(account, 1_000, 1_000_000), cash(account, 1_000)]


def wanted(asks: list[Ask]) -> list[tuple[str, list[int], list[int]]]:
    """Body, accounts and lots of each ask."""
    return [
        (ask.field, list(ask.body.account), list(getattr(ask.body, "lots", getattr(ask.body, "size_lots", []))))
        for ask in asks
        if isinstance(ask.body, cmd.Liquidations | cmd.PlaceOrders)
    ]


def test_all_bots_race_for_the_same_and_the_winner_flattens_while_the_other_goes_on() -> None:
    bots = funded()
    asks = bots.act(block(3, fallen(ANN)))
    assert wanted(asks) == [("liquidations", [FIRST], [1_000]), ("liquidations", [SECOND], [1_000])]
    answer(asks[0], 4, status=[LIQUIDATED], filled_lots=[1_000], amount_atoms=[1_000])
    answer(asks[1], 4, status=[REFUSED], refusal=[refusals_pb2.REFUSAL_NOT_LIQUIDATABLE])
    # Block 4 shows the target empty; the lots and the reward come to the winner with block 5.
    assert bots.act(block(4, [position(ANN, 0, 0), cash(ANN, 0)])) == []
    asks = bots.act(block(5, [position(FIRST, 1_000, 1_000_000), cash(FIRST, DEPOSIT + 1_000)]))
    assert wanted(asks) == [("place_orders", [FIRST], [1_000])]
    assert [tally.wins for tally in bots.tallies] == [1, 0]
    assert bots.tallies[0].rewards_atoms == 1_000
    assert bots.tallies[1].refusals == {"NOT_LIQUIDATABLE": 1}


def test_the_second_bot_takes_what_the_first_cannot() -> None:
    bots = funded()
    first, second = bots.act(block(3, [*fallen(ANN), *fallen(BEN)]))
    assert list(first.body.target) == list(second.body.target) == [ANN]
    answer(first, 4, status=[LIQUIDATED], filled_lots=[1_000])
    answer(second, 4, status=[REFUSED], refusal=[refusals_pb2.REFUSAL_NOT_LIQUIDATABLE])
    asks = bots.act(block(4, [position(ANN, 0, 0), cash(ANN, 0)]))
    assert wanted(asks) == [("liquidations", [SECOND], [1_000])]


def test_the_same_story_gives_the_same_asks() -> None:
    def tell() -> list[bytes]:
        bots, said = funded(), []
        for height in range(3, 12):
            rows = fallen(ANN) if height % 3 else [cash(ANN, 90_000), *fallen(BEN)]
            asks = bots.act(block(height, rows, [mark(1_000 - height)]))
            for number, ask in enumerate(asks):
                status = LIQUIDATED if (height + number) % 2 else REFUSED
                answer(ask, height + 1, status=[status] * ask.rows, filled_lots=[10] * ask.rows)
            said += [ask.field.encode() + ask.body.SerializeToString(deterministic=True) for ask in asks]
        return said

    first = tell()
    assert first == tell()
    assert len(first) > 5


def test_keepers_need_no_money_and_ask_for_the_whole_reward() -> None:
    bots = LockStepBots(perennial_venue(), [perennial_market()], 2, 0)
    (opening,) = bots.open_accounts()
    answer(opening, 1, status=[DONE, DONE], reference=[FIRST, SECOND])
    assert bots.deposit(Custody(np.random.default_rng(1))) == []
    rows = [Row(ANN, 1, LONG, 1_000_000, 5)]
    asks = bots.act(block(11, rows, versions=[version(100_000_000)], venue=PERENNIAL_VENUE))
    assert [(ask.field, list(ask.body.account), list(ask.body.reward_atoms)) for ask in asks] == [
        ("liquidations", [FIRST], [-1]),
        ("liquidations", [SECOND], [-1]),
    ]
    answer(asks[0], 12, status=[common_pb2.OUTCOME_STATUS_PENDING], amount_atoms=[5])
    answer(asks[1], 12, status=[REFUSED], refusal=[refusals_pb2.REFUSAL_LIQUIDATION_PENDING])
    assert bots.act(block(12, [Row(ANN, 1, -1, 0, 0, 20_000)], venue=PERENNIAL_VENUE)) == []
    assert (bots.tallies[0].wins, bots.tallies[0].rewards_atoms) == (1, 5)


def test_no_venue_that_liquidates_by_itself_has_bots() -> None:
    venue = spin_venue()
    venue.rulebook = common_pb2.RULEBOOK_TWILIGHT
    with pytest.raises(ValueError, match="twilight"):
        LockStepBots(venue, [], 1, 0)
