"""What a bot says: lines for people, a summary, metrics; and the texts it writes into its calls."""

from typing import Any

import grpc
import pytest
from prometheus_client import generate_latest

from breakwater.v1 import answers_pb2, common_pb2, refusals_pb2
from node.bots.bot_metrics import BotMetrics
from node.bots.errands import Errands, decimal_text, refusal_number
from node.bots.intents import WHOLE_REWARD, Liquidate, Unwind
from node.bots.tally import BotTally
from node.cli.botting import line_of
from node.client import RefusedError
from node.guards.decimals import size_lots, size_text
from tests.bots.worlds import (
    PERENNIAL_VENUE,
    SPIN_VENUE,
    perennial_market,
    perennial_venue,
    refused,
    spin_market,
    spin_venue,
)

TAKEOVER = Liquidate(1, 7, 2, 890, WHOLE_REWARD, 13_350)
CLOSE = Liquidate(2, 8, 1, 0, 1_500_000, 1_500_000)
ORDER = Unwind(3, 2, -1, 890, 990)
WON = answers_pb2.CommandOutcome(
    height=12, status=common_pb2.OUTCOME_STATUS_LIQUIDATED, filled_lots=890, price_ticks=1_000, amount_atoms=13_350
)
PINNED = answers_pb2.CommandOutcome(height=13, status=common_pb2.OUTCOME_STATUS_PENDING, amount_atoms=5)
ABOVE = refused(refusals_pb2.REFUSAL_ABOVE_LIQUIDATABLE, 400, 890)
LOST = answers_pb2.CommandOutcome()
PART = answers_pb2.CommandOutcome(
    height=14, status=common_pb2.OUTCOME_STATUS_PARTIALLY_FILLED, filled_lots=400, price_ticks=995
)


def test_a_line_says_what_was_won_or_why_not() -> None:
    assert line_of(TAKEOVER, WON) == "won account 7 in market 2: 890 lots at 1000 ticks, reward 13350 atoms, height 12"
    assert line_of(CLOSE, PINNED) == "won account 8 in market 1: reward 5 atoms, height 13"
    said = "refused account 7 in market 2, 890 lots: ABOVE_LIQUIDATABLE, required 400, actual 890"
    assert line_of(TAKEOVER, ABOVE) == said
    assert line_of(TAKEOVER, LOST) == "lost the answer to account 7 in market 2, 890 lots"
    assert line_of(ORDER, PART) == "unwinding in market 2: 400 of 890 lots at 995 ticks"


def test_a_summary_counts_everything_once() -> None:
    tally = BotTally()
    for number, (intent, outcome) in enumerate(
        [(TAKEOVER, WON), (CLOSE, PINNED), (TAKEOVER, ABOVE), (TAKEOVER, LOST), (ORDER, PART)], 1
    ):
        tally.answered(intent, outcome, float(number))
    summary = tally.summary()
    assert (summary["calls"], summary["wins"], summary["lost"], summary["refusals"]) == (
        5,
        2,
        1,
        {"ABOVE_LIQUIDATABLE": 1},
    )
    assert (summary["rewards_atoms"], summary["taken_lots"], summary["unwound_lots"]) == (13_355, 890, 400)
    assert (summary["latency_p50_ms"], summary["latency_p99_ms"]) == (3.0, 5.0)


def test_metrics_name_the_venue_and_the_reason() -> None:
    metrics = BotMetrics()
    metrics.watch(3, {"height": lambda: 17.0})
    metrics.answered(3, TAKEOVER, WON, 20.0)
    metrics.answered(3, TAKEOVER, ABOVE, 30.0)
    metrics.listed(3)
    metrics.broken(3)
    text = generate_latest(metrics.registry).decode()
    for line in (
        'breakwater_bot_wins_total{venue="3"} 1.0',
        'breakwater_bot_rewards_atoms_total{venue="3"} 13350.0',
        'breakwater_bot_refusals_total{refusal="ABOVE_LIQUIDATABLE",venue="3"} 1.0',
        'breakwater_bot_lists_total{venue="3"} 1.0',
        'breakwater_bot_breaks_total{venue="3"} 1.0',
        'breakwater_bot_height{venue="3"} 17.0',
        'breakwater_bot_answer_seconds_count{venue="3"} 2.0',
    ):
        assert line in text


def test_sizes_are_written_as_the_door_reads_them() -> None:
    for step_e9 in (1, 1_000, 100_000, 10**9):
        for lots in (1, 10, 999, 123_456):
            text = decimal_text(lots, step_e9)
            assert text == size_text(lots, step_e9)
            assert size_lots(text, step_e9) == lots


def test_refusals_come_back_as_numbers() -> None:
    assert refusal_number("LIQUIDATOR_RATIO") == refusals_pb2.REFUSAL_LIQUIDATOR_RATIO
    assert refusal_number("OF_A_LATER_NODE") == refusals_pb2.REFUSAL_UNSPECIFIED


class Recorder:
    """Stands for AsyncClient and keeps what it was asked."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self._error = error

    async def liquidate(self, *words: Any) -> answers_pb2.CommandOutcome:
        self.asked.append(words)
        if self._error is not None:
            raise self._error
        return WON

    async def place_order(self, *words: Any, **more: Any) -> answers_pb2.CommandOutcome:
        self.asked.append((*words, more["reduce_only"], more["time_in_force"], more["venue"]))
        return PART


async def test_calls_say_sizes_and_rewards_in_units() -> None:
    node: Any = Recorder()
    errands = Errands(node, SPIN_VENUE, 5)
    errands.learn_terms(spin_venue(), [spin_market(2)])
    await errands.carry(TAKEOVER)
    await errands.carry(ORDER)
    await errands.carry(Unwind(4, 2, 1, 10, 0))
    assert node.asked == [
        (5, 7, "0.89", 2, SPIN_VENUE, None),
        (5, "short", "0.89", "990", 2, True, "ioc", SPIN_VENUE),
        (5, "long", "0.01", None, 2, True, "ioc", SPIN_VENUE),
    ]
    keeper: Any = Recorder()
    errands = Errands(keeper, PERENNIAL_VENUE, 5)
    venue = perennial_venue()
    venue.asset_decimals = 6
    errands.learn_terms(venue, [perennial_market(1)])
    await errands.carry(CLOSE)
    await errands.carry(Liquidate(5, 8, 1, 0, 0, 0))
    assert keeper.asked == [(5, 8, None, 1, PERENNIAL_VENUE, "1.5"), (5, 8, None, 1, PERENNIAL_VENUE, "0")]


async def test_refusals_and_lost_answers_are_outcomes() -> None:
    refusal = RefusedError("ABOVE_LIQUIDATABLE", 400, 890, "", grpc.StatusCode.FAILED_PRECONDITION)
    lost = grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata())
    for error, expected in ((refusal, ABOVE), (lost, LOST)):
        node: Any = Recorder(error)
        errands = Errands(node, SPIN_VENUE, 5)
        errands.learn_terms(spin_venue(), [spin_market(2)])
        assert await errands.carry(TAKEOVER) == expected
    with pytest.raises(ZeroDivisionError):
        faulty: Any = Recorder(ZeroDivisionError())
        errands = Errands(faulty, SPIN_VENUE, 5)
        errands.learn_terms(spin_venue(), [spin_market(2)])
        await errands.carry(TAKEOVER)
