"""A bot's life against a node that is only pretended: it lists once, follows, starts over, and ends when it must."""

import asyncio
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from breakwater.v1 import answers_pb2, batches_pb2, common_pb2, liquidation_pb2, parameters_pb2
from node.bots.intents import Intent
from node.bots.making import BotSettings
from node.bots.session import BotSession
from node.client import RefusedError
from tests.bots.worlds import SPIN_VENUE, block, cash, mark, position, spin_market, spin_venue, taken_over

BOT, ANN = 1, 2
WAIT_S = 60.0


def refusal(name: str, required: int = 0) -> RefusedError:
    """As the client raises it."""
    return RefusedError(name, required, 0, "", grpc.StatusCode.FAILED_PRECONDITION)


class PretendedNode:
    """Answers what AsyncClient answers: a listing, then the blocks put into `changes`, and `calls` that are settled."""

    def __init__(self) -> None:
        self.changes: asyncio.Queue[liquidation_pb2.StreamStandingsResponse | Exception] = asyncio.Queue()
        self.height = 1
        self.lists = 0
        self.asked_from: list[int] = []
        self.liquidations: list[tuple[int, str | None]] = []
        self.orders: list[tuple[str, str]] = []
        self.answer: Callable[[], answers_pb2.CommandOutcome] = lambda: taken_over(self.height + 1, 890)
        self.rows = [position(ANN, 1_000, 1_000_000), cash(ANN, 30_000)]

    async def venues(self) -> list[parameters_pb2.VenueParameters]:
        return [spin_venue()]

    async def list_markets(self, venue: int) -> list[parameters_pb2.MarketParameters]:
        return [spin_market()]

    async def account(self, account: int, venue: int) -> batches_pb2.AccountView:
        return batches_pb2.AccountView(account=account, ratio=batches_pb2.RatioView(cash_atoms=10**9))

    async def standings(self, venue: int) -> liquidation_pb2.ListStandingsResponse:
        self.lists += 1
        told = block(self.height, self.rows, [mark(1_000)])
        return liquidation_pb2.ListStandingsResponse(height=told.height, rows=told.rows, marks=told.marks)

    async def stream_standings(
        self, from_height: int, venue: int
    ) -> AsyncIterator[liquidation_pb2.StreamStandingsResponse]:
        self.asked_from.append(from_height)
        while True:
            change = await self.changes.get()
            if isinstance(change, Exception):
                raise change
            yield change

    async def liquidate(
        self, account: int, target: int, size: str | None, market: int, venue: int, reward: str | None
    ) -> answers_pb2.CommandOutcome:
        self.liquidations.append((target, size))
        await asyncio.sleep(0)
        return self.answer()

    async def place_order(self, account: int, side: str, size: str, limit: str | None, market: int, **more: Any) -> Any:
        assert more["reduce_only"] and more["time_in_force"] == "ioc"
        self.orders.append((side, size))
        return answers_pb2.CommandOutcome(status=common_pb2.OUTCOME_STATUS_FILLED, height=9, filled_lots=890)


class Ears:
    """Remembers what a session says."""

    def __init__(self) -> None:
        self.outcomes: list[answers_pb2.CommandOutcome] = []
        self.reasons: list[str] = []
        self.listings: list[int] = []

    def listed(self, height: int, accounts: int) -> None:
        self.listings.append(accounts)

    def answered(self, intent: Intent, outcome: answers_pb2.CommandOutcome, latency_ms: float) -> None:
        assert latency_ms >= 0
        self.outcomes.append(outcome)

    def broken(self, reason: str) -> None:
        self.reasons.append(reason)


def session_on(node: Any, ears: Ears, parallel: int = 4) -> BotSession:
    """A Spin liquidator."""
    return BotSession(node, SPIN_VENUE, BOT, BotSettings(), parallel, ears)


async def until(true: Callable[[], bool]) -> None:
    """Waits for something to become true."""
    async with asyncio.timeout(WAIT_S):
        while not true():  # noqa: ASYNC110  # what is waited for sets no event
            await asyncio.sleep(0.005)


async def test_it_lists_once_follows_from_the_next_height_calls_and_flattens() -> None:
    node, ears, stop = PretendedNode(), Ears(), asyncio.Event()
    session = session_on(node, ears)
    life = asyncio.create_task(session.run(stop))
    await until(lambda: len(ears.outcomes) == 1)
    assert node.liquidations == [(ANN, "0.89")]
    assert (node.lists, node.asked_from, ears.listings) == (1, [2], [2])
    await node.changes.put(block(2, [position(ANN, 110, 110_000), cash(ANN, 7_750)]))
    await node.changes.put(block(3, [position(BOT, 890, 890_000), cash(BOT, 10**9 + 13_350)]))
    await until(lambda: len(node.orders) == 1)
    assert node.orders == [("short", "0.89")]
    stop.set()
    await life
    assert node.lists == 1
    summary = session.tally.summary()
    assert (summary["wins"], summary["taken_lots"], summary["unwound_lots"]) == (1, 890, 890)


async def test_told_that_changes_are_gone_it_lists_again_and_goes_on() -> None:
    node, ears, stop = PretendedNode(), Ears(), asyncio.Event()
    session = session_on(node, ears)
    life = asyncio.create_task(session.run(stop))
    await until(lambda: node.asked_from == [2])
    node.height, node.rows = 40, [cash(ANN, 1)]
    await node.changes.put(refusal("SLOW_CONSUMER", 10))
    await until(lambda: node.asked_from == [2, 41])
    stop.set()
    await life
    assert (node.lists, session.tally.relists, session.tally.reconnects) == (2, 2, 0)
    assert len(ears.reasons) == 1


async def test_a_node_that_is_away_is_waited_for() -> None:
    class AwayAtFirst(PretendedNode):
        async def standings(self, venue: int) -> liquidation_pb2.ListStandingsResponse:
            answer = await super().standings(venue)
            if self.lists < 3:
                raise refusal("UNAVAILABLE")
            return answer

    node, ears, stop = AwayAtFirst(), Ears(), asyncio.Event()
    session = session_on(node, ears)
    life = asyncio.create_task(session.run(stop))
    await until(lambda: len(ears.outcomes) == 1)
    stop.set()
    await life
    assert session.tally.reconnects == len(ears.reasons) == 2


@pytest.mark.parametrize("name", ["NOT_ALLOWED", "UNAUTHENTICATED", "WRONG_RULEBOOK"])
async def test_what_will_never_be_allowed_ends_it(name: str) -> None:
    class Strict(PretendedNode):
        async def standings(self, venue: int) -> liquidation_pb2.ListStandingsResponse:
            raise refusal(name)

    with pytest.raises(RefusedError, match=name):
        await session_on(Strict(), Ears()).run(asyncio.Event())


async def test_once_works_off_what_there_is_and_ends() -> None:
    node, ears = PretendedNode(), Ears()
    node.rows += [position(3, 1_000, 1_000_000), cash(3, 20_000), cash(4, 5)]
    async with asyncio.timeout(WAIT_S):
        await session_on(node, ears, parallel=1).run(asyncio.Event(), once=True)
    # The worst first, one call at a time, each account once.
    assert node.liquidations == [(3, "1"), (ANN, "0.89")]
    assert (node.asked_from, node.orders) == ([], [])


async def test_a_refusal_is_counted_by_reason_and_its_number_is_asked_for() -> None:
    node, ears = PretendedNode(), Ears()
    answers = iter([refusal("ABOVE_LIQUIDATABLE", 400)])

    def answer() -> answers_pb2.CommandOutcome:
        for error in answers:
            raise error
        return taken_over(2, 400)

    node.answer = answer
    async with asyncio.timeout(WAIT_S):
        session = session_on(node, ears)
        await session.run(asyncio.Event(), once=True)
    assert node.liquidations == [(ANN, "0.89"), (ANN, "0.4")]
    assert session.tally.summary()["refusals"] == {"ABOVE_LIQUIDATABLE": 1}


async def test_no_more_calls_are_out_than_allowed() -> None:
    gate = asyncio.Event()

    class Slow(PretendedNode):
        async def liquidate(self, *args: Any) -> answers_pb2.CommandOutcome:
            outcome = await super().liquidate(*args)
            await gate.wait()
            return outcome

    node, ears, stop = Slow(), Ears(), asyncio.Event()
    for account in range(3, 9):
        node.rows += [position(account, 1_000, 1_000_000), cash(account, 30_000)]
    session = session_on(node, ears, parallel=3)
    life = asyncio.create_task(session.run(stop))
    await until(lambda: node.asked_from == [2])
    await node.changes.put(block(2))
    await until(lambda: session.height == 2)
    assert len(node.liquidations) == session.calls == 3
    gate.set()
    await until(lambda: len(ears.outcomes) == 7)
    stop.set()
    await life


async def test_a_venue_without_bots_is_refused_with_a_sentence() -> None:
    class Twilight(PretendedNode):
        async def venues(self) -> list[parameters_pb2.VenueParameters]:
            venue = spin_venue()
            venue.rulebook = common_pb2.RULEBOOK_TWILIGHT
            return [venue]

    with pytest.raises(ValueError, match="twilight"):
        await session_on(Twilight(), Ears()).run(asyncio.Event())
    with pytest.raises(RefusedError, match="UNKNOWN_VENUE"):
        other: Any = SimpleNamespace(venues=Twilight().venues)
        await BotSession(other, 9, BOT, BotSettings(), 1, Ears()).run(asyncio.Event())
