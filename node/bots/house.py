"""The house bot's process: a bot on every bot-run venue of one node, over loopback, under an ordinary key.

It is a child of `up`, so that it can neither slow nor kill the node; it yields to everybody else on the machine, and
ends when its standard input does. Run as `python -m node.bots.house`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

import grpc
import orjson

from breakwater.v1 import answers_pb2, common_pb2, parameters_pb2
from node.bots.house_orders import KEY_NAME, HouseOrders
from node.bots.intents import Intent
from node.bots.making import BOT_RUN, BotSettings
from node.bots.session import BotSession
from node.bots.tally import is_win
from node.client import AsyncClient, RefusedError
from node.guards.key_file import write_private
from node.logs import logger

FILE_NAME: Final = "house_bot.json"
# What the faucet gives a liquidator in dev mode, in whole units of the venue's asset; a keeper needs nothing.
FUNDS: Final = 1_000_000
_PARALLEL: Final = 8
_SCAN_S: Final = 2.0
_STATUS_S: Final = 1.0
_FIRST_PAUSE_S: Final = 2.0
_LONGEST_PAUSE_S: Final = 60.0
_NICENESS: Final = 5

_log = logger("house-bot")


class MissingAccount(Exception):
    """A venue for which the house bot has nothing to trade with; the text says what to do about it."""


class House:
    """Looks for bot-run venues and keeps a bot on each."""

    def __init__(self, client: AsyncClient, orders: HouseOrders) -> None:
        """Nothing is asked yet."""
        self._client, self._orders = client, orders
        self._path = Path(orders.data_dir) / FILE_NAME
        self._lives: dict[int, asyncio.Task[None]] = {}
        self._sessions: dict[int, BotSession] = {}
        self._reasons: dict[int, str] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`: a venue listed later gets its bot when it is seen."""
        while not stop.is_set():
            try:
                for venue in await self._client.venues():
                    if venue.rulebook in BOT_RUN and venue.venue not in self._lives:
                        self._lives[venue.venue] = asyncio.create_task(self._live(venue, stop))
            except (RefusedError, grpc.aio.AioRpcError) as error:
                _log.warning("cannot list venues", reason=_reason(error))
            await _pause(stop, _SCAN_S)
        await asyncio.gather(*self._lives.values(), return_exceptions=True)

    def status(self) -> dict[str, Any]:
        """Venue -> what its bot did and what keeps it from more."""
        return {
            str(venue): {
                "working": venue in self._sessions,
                "reason": self._reasons.get(venue, ""),
                **self._numbers(venue),
            }
            for venue in sorted(self._lives)
        }

    def _numbers(self, venue: int) -> dict[str, Any]:
        session = self._sessions.get(venue)
        if session is None:
            return {}
        tally = session.tally
        return {
            "height": session.height,
            "below": session.below,
            "wins": tally.wins,
            "rewards_atoms": tally.rewards_atoms,
            "refusals": sum(tally.refusals.values()),
        }

    async def _live(self, venue: parameters_pb2.VenueParameters, stop: asyncio.Event) -> None:
        """One venue's bot; whatever ends it, it is tried again, later every time."""
        pause_s, number = _FIRST_PAUSE_S, venue.venue
        while not stop.is_set():
            begun_s = time.monotonic()
            try:
                account = await self._account(venue)
                session = BotSession(self._client, number, account, BotSettings(), _PARALLEL, _Logs(number))
                self._sessions[number] = session
                self._reasons.pop(number, None)
                _log.info("works", venue=number, name=venue.name, account=account)
                await session.run(stop)
            except Exception as error:
                self._sessions.pop(number, None)
                reason = _reason(error)
                if self._reasons.get(number) != reason:
                    _log.warning("rests", venue=number, reason=reason)
                self._reasons[number] = reason
            lived_long = time.monotonic() - begun_s > _LONGEST_PAUSE_S
            pause_s = _FIRST_PAUSE_S if lived_long else min(2 * pause_s, _LONGEST_PAUSE_S)
            await _pause(stop, pause_s)

    async def _account(self, venue: parameters_pb2.VenueParameters) -> int:
        """The configured account, or in dev mode that of the last time or a new one, funded where it needs money."""
        number = venue.venue
        account = self._orders.accounts.get(str(number)) or await self._own_account(number)
        if self._orders.dev and venue.rulebook == common_pb2.RULEBOOK_SPIN:
            view = await self._client.account(account, number)
            funds = FUNDS * 10**venue.asset_decimals
            if view.ratio.equity_atoms < funds // 2:
                await self._client.faucet(account, funds, number)
        return account

    async def _own_account(self, venue: int) -> int:
        if not self._orders.dev:
            raise MissingAccount(
                f"venue {venue} has no house bot: open and fund an account under a key with the roles liquidator and "
                f"trader, put the key into {KEY_NAME} and start with --house-bot-account {venue}=ACCOUNT"
            )
        account = self._known().get(str(venue), 0)
        if account and await self._exists(account, venue):
            return account
        account = await self._client.open_account(venue)
        # Read again: another venue's account may have been written meanwhile.
        known = {**self._known(), str(venue): account}
        write_private(self._path, orjson.dumps(known, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE))
        return account

    async def _exists(self, account: int, venue: int) -> bool:
        try:
            return (await self._client.account(account, venue)).exists
        except RefusedError as error:
            if error.refusal == "UNKNOWN_ACCOUNT":
                return False
            raise

    def _known(self) -> dict[str, int]:
        try:
            content = orjson.loads(self._path.read_bytes())
        except (FileNotFoundError, orjson.JSONDecodeError):
            return {}
        return content if isinstance(content, dict) else {}


class _Logs:
    """What a bot does, as lines of the node's log: wins one by one, refusals only as a number."""

    def __init__(self, venue: int) -> None:
        self._venue = venue

    def listed(self, height: int, accounts: int) -> None:
        _log.info("listed", venue=self._venue, height=height, accounts=accounts)

    def answered(self, intent: Intent, outcome: answers_pb2.CommandOutcome, latency_ms: float) -> None:
        if is_win(intent, outcome):
            _log.info(
                "won",
                venue=self._venue,
                target=intent.concerns[0],
                market=intent.market,
                lots=outcome.filled_lots,
                reward_atoms=outcome.amount_atoms,
                height=outcome.height,
            )

    def broken(self, reason: str) -> None:
        _log.warning("broken", venue=self._venue, reason=reason)


def _reason(error: BaseException) -> str:
    text = error.details() if isinstance(error, grpc.aio.AioRpcError) else str(error)
    return " ".join((text or type(error).__name__).split())


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


async def _tell(house: House) -> None:
    """A line of status every second."""
    while True:
        line = orjson.dumps(house.status(), option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
        await asyncio.sleep(_STATUS_S)


async def _main(orders: HouseOrders) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)

    def wait_for_the_end() -> None:
        sys.stdin.buffer.read()
        loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    async with AsyncClient(orders.address, orders.api_key) as client:
        house = House(client, orders)
        telling = asyncio.create_task(_tell(house))
        try:
            await house.run(stop)
        finally:
            telling.cancel()


if __name__ == "__main__":
    os.nice(_NICENESS)
    asyncio.run(_main(HouseOrders.of(sys.stdin.buffer.readline())))
    # The thread that waits for the end of the input may hold its lock, which an orderly exit would want.
    sys.stdout.flush()
    os._exit(0)
