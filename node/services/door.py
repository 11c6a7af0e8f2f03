"""What every service stands on: the host behind the door, and the way of a command from a request to its answer."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, cast

import numpy as np

from breakwater.v1 import answers_pb2, batches_pb2, commands_pb2, common_pb2, parameters_pb2, refusals_pb2
from cluster.answer import Answer
from cluster.host import Host
from cluster.host import Refused as HostRefused
from node.config import NodeConfig
from node.feeds.block_feed import BlockFeed
from node.feeds.standings import StandingsFeed
from node.guards import numbers
from node.guards.auth import KeyRing, current_caller
from node.guards.batches import check_rights, check_shape
from node.guards.opened import OPENING
from node.guards.refusals import BATCH_REFUSALS, Refused, clamped
from node.metrics import Metrics
from node.services.awaiting import Wakings

# Rulebooks whose markets are order books, and those that leave liquidations to bots.
WITH_BOOKS: Final = (common_pb2.RULEBOOK_MARGIN_TRADE, common_pb2.RULEBOOK_SPIN)
WITH_BOTS: Final = (common_pb2.RULEBOOK_PERENNIAL, common_pb2.RULEBOOK_SPIN)

_REFUSED = common_pb2.OUTCOME_STATUS_REFUSED
_FINISH_S: Final = 5.0

Result = TypeVar("Result")


@dataclass
class Door:
    """Shared by the services of one node."""

    host: Host
    config: NodeConfig
    keys: KeyRing
    feed: BlockFeed
    standings: StandingsFeed
    metrics: Metrics
    version: str
    started_s: float = field(default_factory=time.monotonic)
    wakings: Wakings = field(default_factory=Wakings)
    unfinished: set[asyncio.Task[Any]] = field(default_factory=set)

    async def command(
        self, key: answers_pb2.RequestKey, venue: int, from_faucet: bool = False, **body: Any
    ) -> answers_pb2.CommandOutcome:
        """Sends one row (named by its body) and answers its outcome; raises the refusal that met it."""
        batch = commands_pb2.CommandBatch(request_key=key.key, expires_ms=key.expires_ms, venue=venue, **body)
        outcome = (await self.submit(batch, from_faucet)).outcome()
        if outcome.status[0] == _REFUSED:
            raise Refused(outcome.refusal[0], outcome.required[0], outcome.actual[0])
        return first_row(outcome)

    async def submit(self, batch: commands_pb2.CommandBatch, from_faucet: bool = False) -> Answer:
        """Sends a batch of the caller and answers for its rows. The faucet's deposit needs no custodian.

        Raises WRONG_MODE where a driver seals the blocks, what the caller may not send, what never reached a block, and
        the refusal of a batch as a whole.
        """
        caller = current_caller()
        if self.config.driver_mode:
            raise Refused(refusals_pb2.REFUSAL_WRONG_MODE, 0, 1, "driver_mode")
        check_shape(batch, self.config.limits)
        check_rights(batch, caller, from_faucet)
        batch.principal = caller.principal
        if not batch.request_key:
            batch.request_key = uuid.uuid4().bytes
        if not batch.expires_ms:
            batch.expires_ms = time.time_ns() // 1_000_000 + self.config.limits.key_life_ms
        begun_s = time.perf_counter()
        answer = await self.wakings.of(self.host.submit(batch))
        self._count(answer, time.perf_counter() - begun_s)
        _raise_if_whole(answer)
        if batch.WhichOneof("body") in OPENING:
            await self.bind_opened(batch, answer.outcome())
        return answer

    async def bind_opened(self, batch: commands_pb2.CommandBatch, outcome: answers_pb2.BatchOutcome) -> None:
        """Binds accounts that a batch opened to the key it came with, also when it is asked again after a crash."""
        if batch.WhichOneof("body") not in OPENING:
            return
        caller = current_caller()
        opened = [
            account for account, status in zip(outcome.reference, outcome.status, strict=True) if status != _REFUSED
        ]
        if opened and not caller.accounts.every:
            await self.keys.bind(caller, batch.venue, min(opened), max(opened))

    def venue(self, venue: int) -> parameters_pb2.VenueParameters:
        """Parameters of a venue; raises UNKNOWN_VENUE."""
        venues = self.host.venues()
        for parameters in venues:
            if parameters.venue == venue:
                return parameters
        raise Refused(refusals_pb2.REFUSAL_UNKNOWN_VENUE, len(venues), venue, "venue")

    def venue_of(self, venue: int, *rulebooks: common_pb2.Rulebook) -> parameters_pb2.VenueParameters:
        """Parameters of a venue that must follow one of these rulebooks; raises UNKNOWN_VENUE or WRONG_RULEBOOK.

        WRONG_RULEBOOK names the first of them.
        """
        parameters = self.venue(venue)
        if parameters.rulebook not in rulebooks:
            raise Refused(refusals_pb2.REFUSAL_WRONG_RULEBOOK, rulebooks[0], parameters.rulebook, "venue")
        return parameters

    def book_market(self, venue: int, market: int) -> parameters_pb2.MarketParameters:
        """Parameters of a market with an order book; raises UNKNOWN_VENUE, WRONG_RULEBOOK or UNKNOWN_MARKET."""
        self.venue_of(venue, *WITH_BOOKS)
        return self.market(venue, market)

    def market(self, venue: int, market: int) -> parameters_pb2.MarketParameters:
        """Parameters of a market; raises UNKNOWN_VENUE or UNKNOWN_MARKET."""
        markets = self.markets(venue)
        for parameters in markets:
            if parameters.market == market:
                return parameters
        raise Refused(refusals_pb2.REFUSAL_UNKNOWN_MARKET, len(markets), market, "market")

    def markets(self, venue: int) -> list[parameters_pb2.MarketParameters]:
        """Parameters of every market of a venue; raises UNKNOWN_VENUE."""
        self.venue(venue)
        return self.host.markets(venue)

    async def account(self, venue: int, account: int) -> batches_pb2.AccountViews:
        """An account of the caller at the end of a block; raises UNKNOWN_VENUE, NOT_ALLOWED, UNKNOWN_ACCOUNT."""
        self.venue(venue)
        current_caller().require_account(venue, account)
        numbers.identity(account, "account")
        views: batches_pb2.AccountViews = await asyncio.wrap_future(self.host.accounts(venue, [account]))
        if not views.accounts or not views.accounts[0].exists:
            raise Refused(refusals_pb2.REFUSAL_UNKNOWN_ACCOUNT, 0, account, "account")
        return views

    def begin(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Begins work that may outlive the call it belongs to; a node that stops waits for it."""
        task = asyncio.create_task(work)
        self.unfinished.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self.unfinished.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, so that an answer nobody waits for is not complained of

    async def close(self) -> None:
        """Waits, a few seconds at most, for the work that outlived its calls."""
        if self.unfinished:
            await asyncio.wait(self.unfinished, timeout=_FINISH_S)

    def _count(self, answer: Answer, seconds: float) -> None:
        refused = int(np.count_nonzero(answer.status == _REFUSED))
        self.metrics.answered(answer.rows - refused, refused, seconds)


def first_row(outcome: answers_pb2.BatchOutcome) -> answers_pb2.CommandOutcome:
    """The first row of a batch's answer."""
    return answers_pb2.CommandOutcome(
        height=outcome.height,
        command=outcome.command[0],
        status=cast(common_pb2.OutcomeStatus, outcome.status[0]),
        refusal=cast(refusals_pb2.Refusal, outcome.refusal[0]),
        required=outcome.required[0],
        actual=outcome.actual[0],
        reference=outcome.reference[0],
        price_ticks=outcome.price_ticks[0],
        amount_atoms=outcome.amount_atoms[0],
        # Answers archived before there were order books have no such columns.
        filled_lots=outcome.filled_lots[0] if outcome.filled_lots else 0,
        remaining_lots=outcome.remaining_lots[0] if outcome.remaining_lots else 0,
    )


def unsequenced(rows: int, refused: HostRefused) -> Answer:
    """The answer, in every row, to a batch of a stream that reached no block."""
    nothing = [0] * rows
    outcome = answers_pb2.BatchOutcome(
        height=0,
        command=nothing,
        status=[_REFUSED] * rows,
        refusal=[refused.refusal] * rows,
        required=[clamped(refused.required)] * rows,
        actual=[clamped(refused.actual)] * rows,
        reference=nothing,
        price_ticks=nothing,
        amount_atoms=nothing,
        filled_lots=nothing,
        remaining_lots=nothing,
    )
    return Answer.of(outcome)


def _raise_if_whole(answer: Answer) -> None:
    """A batch refused as a whole says so in every row: one error says it better."""
    if answer.rows and answer.status[0] == _REFUSED and int(answer.refusal[0]) in BATCH_REFUSALS:
        outcome = answer.outcome()
        raise Refused(outcome.refusal[0], outcome.required[0], outcome.actual[0])
