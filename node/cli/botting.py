"""`bot`: a liquidation bot of a Spin venue, or the keeper of a Perennial one, under an ordinary key."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.connection import (
    DEFAULT_DATA,
    SPIN_VENUE,
    AccountOption,
    AddressOption,
    ApiKeyOption,
    BotVenueOption,
    DataOption,
    addresses,
    endpoint,
    tls_credentials,
)
from node.cli.output import EXIT_USAGE, JsonOption, Refusal, errors, put_facts, put_json, put_line

if TYPE_CHECKING:
    from breakwater.v1 import answers_pb2
    from node.bots.bot_metrics import BotMetrics
    from node.bots.intents import Intent
    from node.bots.session import BotSession
    from node.bots.spin_mind import SpinSettings
    from node.client import AsyncClient

_E9 = 10**9
_PARALLEL = 8


def bot(
    account: AccountOption,
    venue: BotVenueOption = SPIN_VENUE,
    parallel: Annotated[int, typer.Option(min=1, max=256, help="Calls without an answer at once.")] = _PARALLEL,
    unwind: Annotated[
        bool, typer.Option("--unwind/--no-unwind", help="Spin: flatten what was taken over, reduce-only.")
    ] = True,
    hold: Annotated[int, typer.Option(min=0, help="Spin: atoms of notional a market that need not be flattened.")] = 0,
    least_ratio: Annotated[
        float, typer.Option(min=1.0, max=1_000.0, help="Spin: own margin ratio stays above this; never below 1.")
    ] = 1.25,
    reward: Annotated[
        str | None,
        typer.Option(help="Perennial: the most to ask for, in the venue's asset; without it all that may be."),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Work off who may be liquidated now, then end.")] = False,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="End after so many seconds.")] = None,
    metrics_port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Serve Prometheus metrics on loopback; 0 takes a free port.")
    ] = None,
    address: AddressOption = None,
    api_key: ApiKeyOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Liquidate whom the venue's rules give up, until it is interrupted; several bots may race."""
    from node.bots.spin_mind import SpinSettings

    settings = SpinSettings(least_ratio_e9=round(least_ratio * _E9), unwind=unwind, hold_atoms=hold)
    where = endpoint(address, api_key, data)
    try:
        facts = asyncio.run(
            _run(where, venue, account, settings, reward, parallel, once, seconds, metrics_port, as_json)
        )
    except ValueError as error:
        raise Refusal(str(error), EXIT_USAGE) from error
    if as_json:
        put_json(facts)
        return
    refusals = facts.pop("refusals")
    rows = [(name.replace("_", " "), str(value)) for name, value in facts.items()]
    rows += [(f"refused {name}", str(count)) for name, count in refusals.items()]
    put_facts("Bot", rows)


async def _run(
    where: tuple[str, str],
    venue: int,
    account: int,
    spin: SpinSettings,
    reward: str | None,
    parallel: int,
    once: bool,
    seconds: float | None,
    metrics_port: int | None,
    as_json: bool,
) -> dict[str, Any]:
    from node.bots.keeper_mind import KeeperSettings
    from node.bots.making import BotSettings
    from node.bots.session import BotSession
    from node.client import AsyncClient

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if seconds is not None:
        loop.call_later(seconds, stop.set)
    metrics = _metrics() if metrics_port is not None else None
    async with AsyncClient(addresses(where[0]), where[1], credentials=tls_credentials()) as client:
        settings = BotSettings(spin, KeeperSettings(await _atoms(client, venue, reward)))
        listener = Teller(venue, metrics, put_line if not as_json else None)
        session = BotSession(client, venue, account, settings, parallel, listener)
        ended = _serve(metrics, metrics_port, venue, session)
        try:
            await session.run(stop, once)
        finally:
            ended()
    return {"venue": venue, "account": account, "height": session.height, **session.tally.summary()}


async def _atoms(client: AsyncClient, venue: int, text: str | None) -> int | None:
    """An amount in the venue's asset as atoms; raises ValueError for what is none."""
    if text is None:
        return None
    decimals = next((one.asset_decimals for one in await client.venues() if one.venue == venue), 0)
    try:
        atoms = Decimal(text).scaleb(decimals)
    except InvalidOperation:
        raise ValueError(f"--reward is no amount: {text!r}") from None
    if not atoms.is_finite() or atoms < 0 or atoms != int(atoms):
        raise ValueError(f"--reward is no amount of {decimals} decimals: {text!r}")
    return int(atoms)


def _metrics() -> BotMetrics:
    from node.bots.bot_metrics import BotMetrics

    return BotMetrics()


def _serve(metrics: BotMetrics | None, port: int | None, venue: int, session: BotSession) -> Callable[[], None]:
    """Serves the metrics where they are asked for; answers what ends that."""
    if metrics is None or port is None:
        return lambda: None
    metrics.watch(
        venue,
        {"height": lambda: session.height, "below": lambda: session.below, "calls": lambda: session.calls},
    )
    address, ended = metrics.serve(port)
    errors().print(f"metrics on http://{address}/metrics")
    return ended


class Teller:
    """Tells people line by line, and the metrics."""

    def __init__(self, venue: int, metrics: BotMetrics | None, put: Callable[[str], None] | None) -> None:
        """`put` takes the lines; None: none are made."""
        self._venue, self._metrics, self._put = venue, metrics, put

    def listed(self, height: int, accounts: int) -> None:
        """All accounts were listed."""
        if self._metrics is not None:
            self._metrics.listed(self._venue)
        self._line(f"height {height}: {accounts} accounts")

    def answered(self, intent: Intent, outcome: answers_pb2.CommandOutcome, latency_ms: float) -> None:
        """A call has its answer."""
        if self._metrics is not None:
            self._metrics.answered(self._venue, intent, outcome, latency_ms)
        self._line(line_of(intent, outcome))

    def broken(self, reason: str) -> None:
        """The way to the node broke."""
        if self._metrics is not None:
            self._metrics.broken(self._venue)
        errors().print(f"breakwater: {reason}", markup=False, soft_wrap=True)

    def _line(self, text: str) -> None:
        if self._put is not None:
            self._put(text)


def line_of(intent: Intent, outcome: answers_pb2.CommandOutcome) -> str:
    """One line for people: what was won, or why not."""
    from breakwater.v1 import common_pb2
    from node.bots.intents import Liquidate
    from node.bots.tally import is_win
    from node.client.errors import refusal_name

    if isinstance(intent, Liquidate):
        subject = f"account {intent.target} in market {intent.market}"
        wanted = f", {intent.lots} lots" if intent.lots else ""
    else:
        subject, wanted = f"unwinding in market {intent.market}", f", {intent.lots} lots"
    if is_win(intent, outcome):
        lots = f"{outcome.filled_lots} lots at {outcome.price_ticks} ticks, " if outcome.filled_lots else ""
        return f"won {subject}: {lots}reward {outcome.amount_atoms} atoms, height {outcome.height}"
    if outcome.refusal:
        numbers = f"required {outcome.required}, actual {outcome.actual}"
        return f"refused {subject}{wanted}: {refusal_name(outcome.refusal)}, {numbers}"
    if outcome.status == common_pb2.OUTCOME_STATUS_UNSPECIFIED:
        return f"lost the answer to {subject}{wanted}"
    return f"{subject}: {outcome.filled_lots} of {intent.lots} lots at {outcome.price_ticks} ticks"
