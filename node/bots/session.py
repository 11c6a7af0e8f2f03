"""A bot's life: list all accounts once, follow the changes, decide on every block, call; start over when it breaks.

Nothing here is privileged: it is the asyncio client under an API key, and the same code runs in `breakwater bot`, in
the house bot of `breakwater up` and in tests.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, Final, Protocol

import grpc

from breakwater.v1 import answers_pb2, liquidation_pb2, parameters_pb2
from node.bots.errands import Errands
from node.bots.intents import Intent, Mind
from node.bots.making import BotSettings, mind_of, watch_of
from node.bots.tally import BotTally
from node.client import AsyncClient, RefusedError

_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 10.0
# A node with a venue makes a block every second: one that is silent for longer may be lost without a word.
_SILENCE_S: Final = 30.0
_TERMS_AGAIN_S: Final = 5.0
_LAST_ANSWERS_S: Final = 5.0
# Asking again will not change these.
_FINAL: Final = frozenset(
    ("UNAUTHENTICATED", "NOT_ALLOWED", "UNKNOWN_VENUE", "UNKNOWN_ACCOUNT", "WRONG_RULEBOOK", "WRONG_MODE", "MALFORMED")
)
# The changes do not reach back so far, or this reader was too slow: listing again is the way on.
_LIST_AGAIN: Final = frozenset(("NOT_FOUND", "SLOW_CONSUMER"))


class Listener(Protocol):
    """Who wants to know what a bot does."""

    def listed(self, height: int, accounts: int) -> None:
        """All accounts were listed."""

    def answered(self, intent: Intent, outcome: answers_pb2.CommandOutcome, latency_ms: float) -> None:
        """A call has its answer; the latency is from the feed it was decided on."""

    def broken(self, reason: str) -> None:
        """The way to the node broke; it is tried again."""


class NobodyListens:
    """A listener for whoever reads the node's own figures."""

    def listed(self, height: int, accounts: int) -> None:
        pass

    def answered(self, intent: Intent, outcome: answers_pb2.CommandOutcome, latency_ms: float) -> None:
        pass

    def broken(self, reason: str) -> None:
        pass


class BotSession:
    """One account on one venue. `run` once."""

    def __init__(
        self,
        client: AsyncClient,
        venue: int,
        account: int,
        settings: BotSettings,
        parallel: int,
        listener: Listener,
    ) -> None:
        """`parallel` is how many calls may be without an answer at once."""
        self.tally = BotTally()
        self.mind: Mind | None = None
        self._client, self._venue, self._account = client, venue, account
        self._settings, self._parallel, self._listener = settings, parallel, listener
        self._errands = Errands(client, venue, account)
        self._tasks: set[asyncio.Task[None]] = set()
        # A fault in a call ends the bot with the next block, instead of leaving it half awake.
        self._fault: BaseException | None = None
        self._learning: asyncio.Task[None] | None = None
        self._fed_s = self._terms_s = 0.0

    @property
    def height(self) -> int:
        """The newest block it knows."""
        return self.mind.height if self.mind is not None else 0

    @property
    def below(self) -> int:
        """How many may be liquidated now."""
        return self.mind.below if self.mind is not None else 0

    @property
    def calls(self) -> int:
        """Calls without an answer."""
        return len(self._tasks)

    async def run(self, stop: asyncio.Event, once: bool = False) -> None:
        """Until `stop`, or with `once` until everybody found at the first look is asked about and answered.

        Raises RefusedError where the node will never let this bot work, ValueError for a venue without bots; with
        `once` whatever keeps it from its work.
        """
        pause_s = _FIRST_PAUSE_S
        try:
            while not stop.is_set():
                heard = self.height
                reason = await self._live(stop, once)
                if reason is None:
                    return
                pause_s = _FIRST_PAUSE_S if self.height > heard else min(2 * pause_s, _LONGEST_PAUSE_S)
                self._listener.broken(reason)
                await _either(stop.wait(), asyncio.sleep(pause_s))
        finally:
            await self._finish()

    async def _live(self, stop: asyncio.Event, once: bool) -> str | None:
        """One connection's life; why it broke, None where it ended as wished."""
        try:
            await self._load()
            if once:
                await self._work_off()
                return None
            await _either(stop.wait(), self._follow())
            return None if stop.is_set() else "the stream ended"
        except RefusedError as error:
            if once or error.refusal in _FINAL:
                raise
            if error.refusal not in _LIST_AGAIN:
                self.tally.reconnects += 1
            return str(error)
        except (grpc.aio.AioRpcError, TimeoutError) as error:
            if once:
                raise
            self.tally.reconnects += 1
            return error.details() or error.code().name if isinstance(error, grpc.aio.AioRpcError) else "silence"

    async def _load(self) -> None:
        """Parameters, every account, and what this one has: it is listed only where it has a position."""
        self._terms_s = time.monotonic()
        venue, markets = await self._terms()
        if self.mind is None:
            self.mind = mind_of(self._account, watch_of(venue, markets), self._settings)
        self._errands.learn_terms(venue, markets)
        self.mind.learn_terms(venue, markets)
        listing = await self._client.standings(self._venue)
        # After the listing: what changes from then on is streamed, and comes to the same.
        own = await self._client.account(self._account, self._venue)
        if own.HasField("ratio") and self._account not in listing.rows.account:
            _add_cash(listing, self._venue, self._account, own.ratio.cash_atoms)
        self._fed_s = time.perf_counter()
        self.mind.begin(listing)
        self.tally.relists += 1
        self._listener.listed(listing.height, len(set(listing.rows.account)))
        self._act()

    async def _terms(self) -> tuple[parameters_pb2.VenueParameters, list[parameters_pb2.MarketParameters]]:
        venues = {venue.venue: venue for venue in await self._client.venues()}
        if self._venue not in venues:
            raise RefusedError("UNKNOWN_VENUE", len(venues), self._venue, "venue", grpc.StatusCode.NOT_FOUND)
        return venues[self._venue], await self._client.list_markets(self._venue)

    async def _follow(self) -> None:
        mind = self.mind
        assert mind is not None, "accounts are listed first"
        changes = self._client.stream_standings(mind.height + 1, self._venue)
        while True:
            async with asyncio.timeout(_SILENCE_S):
                block = await anext(changes, None)
            if block is None:
                return
            self._fed_s = time.perf_counter()
            self._raise_fault()
            mind.take(block)
            self._act()
            if time.monotonic() - self._terms_s > _TERMS_AGAIN_S:
                # Beside the blocks: nobody waits for parameters, which change with a notice.
                self._terms_s = time.monotonic()
                self._learning = asyncio.create_task(self._learn_terms())

    async def _learn_terms(self) -> None:
        assert self.mind is not None, "accounts are listed first"
        try:
            venue, markets = await self._terms()
        except (RefusedError, grpc.aio.AioRpcError):
            return
        self._errands.learn_terms(venue, markets)
        self.mind.learn_terms(venue, markets)

    def _act(self) -> None:
        """Decide as far as there is room for calls: what waits would be decided better on the next block."""
        room = self._parallel - len(self._tasks)
        if room <= 0 or self.mind is None:
            return
        for intent in self.mind.decide(room):
            task = asyncio.create_task(self._carry(intent, self._fed_s))
            self._tasks.add(task)
            task.add_done_callback(self._carried)

    async def _carry(self, intent: Intent, fed_s: float) -> None:
        assert self.mind is not None, "what is carried was decided"
        outcome = await self._errands.carry(intent)
        latency_ms = (time.perf_counter() - fed_s) * 1_000
        self.tally.answered(intent, outcome, latency_ms)
        self.mind.answered(intent, outcome)
        self._listener.answered(intent, outcome, latency_ms)

    def _carried(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            self._fault = self._fault or task.exception()
            self._act()

    async def _work_off(self) -> None:
        while self._tasks:
            await asyncio.wait(set(self._tasks))
            await asyncio.sleep(0)
        self._raise_fault()

    def _raise_fault(self) -> None:
        if self._fault is not None:
            raise self._fault

    async def _finish(self) -> None:
        """The last answers, for a moment."""
        parallel, self._parallel = self._parallel, 0
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=_LAST_ANSWERS_S)
        for task in {*self._tasks, *([self._learning] if self._learning is not None else [])}:
            task.cancel()
        self._parallel = parallel


def _add_cash(listing: liquidation_pb2.ListStandingsResponse, venue: int, account: int, atoms: int) -> None:
    """What an account without a position has: it is in no list, and its next change will tell it."""
    rows = listing.rows
    for column, value in zip(
        (rows.venue, rows.account, rows.market, rows.kind, rows.lots, rows.cost_atoms, rows.basis),
        (venue, account, 0, 0, 0, atoms, 0),
        strict=True,
    ):
        column.append(value)


async def _either(first: Coroutine[Any, Any, Any], second: Coroutine[Any, Any, Any]) -> None:
    """Until one of them is over; the other is cancelled, and what the ended one raised is raised."""
    tasks = {asyncio.create_task(first), asyncio.create_task(second)}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
