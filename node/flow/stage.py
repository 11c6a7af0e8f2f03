"""What a load needs before it starts, made through the API: prices, accounts with money, LPs, a bot."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from breakwater.v1 import commands_pb2, common_pb2, parameters_pb2
from node.client import Client, RefusedError
from node.flow.cast import MODEL_RATE, cast_of, funds_of, kind_of, unit_atoms
from node.flow.prices import from_files, jump_diffusion, steps_of
from node.flow.scenery import tick_rows
from node.flow.settings import LoadError, LoadSettings, Market
from node.lots import lot_size_e9
from node.margin_presets import SCALES

_E9: Final = 10**9
_USABLE: Final = (common_pb2.MARK_STATE_FRESH, common_pb2.MARK_STATE_STALE)
_PRICE_S: Final = 20.0
_AGAIN_S: Final = 0.3
_OPENED_AT_ONCE: Final = 10_000
_PROVIDERS: Final = 4
# In units of size: what LPs bring together at first, what a bot has.
_POOL_UNITS: Final = 1_000_000
_BOT_UNITS: Final = 100_000
_WITH_POOL: Final = (common_pb2.RULEBOOK_TWILIGHT, common_pb2.RULEBOOK_MARGIN_TRADE)
_WITH_BOTS: Final = (common_pb2.RULEBOOK_SPIN, common_pb2.RULEBOOK_PERENNIAL)
# A tick and a lot of Perennial are 1e-6, whatever the market.
_VERSIONED_LOT_E9: Final = 1_000


@dataclass(frozen=True)
class Surroundings:
    """What a load is given beside its settings: how many markets, prices from files at a speed, whether to publish."""

    markets: int = 1
    prices: Path | None = None
    speed: float = 1.0
    publish: bool = True


@dataclass(frozen=True)
class Stage:
    """What was found and made. `accounts` are those of the traders, in order."""

    venue: parameters_pb2.VenueParameters
    markets: tuple[Market, ...]
    publishers: tuple[tuple[int, ...], ...]
    prices: np.ndarray
    accounts: tuple[int, ...]
    providers: tuple[int, ...]
    provide_atoms: int
    bot: int


def set_stage(client: Client, settings: LoadSettings, around: Surroundings) -> Stage:
    """Raises LoadError for what the node does not have, RefusedError for what it does not allow."""
    if client.status().driver_mode:
        raise LoadError("the node is in driver mode: it seals no block of its own, and takes no load")
    venue = _venue(client, settings.venue)
    if settings.blind and kind_of(venue.rulebook) == "isolated":
        raise LoadError("--blind needs client order ids, and a venue of isolated positions has none")
    found = list(client.list_markets(settings.venue))[: around.markets]
    if len(found) < around.markets:
        raise LoadError(f"venue {settings.venue} has {len(found)} markets, not {around.markets}")
    path = _path(client, found, settings, around)
    publishers = tuple(tuple(source.publisher for source in one.oracle.sources) for one in found)
    _price(client, settings.venue, found, publishers if around.publish else (), path[:, 0])
    accounts = _open(client, settings.venue, settings.accounts)
    _fund(client, settings, venue, accounts)
    unit = unit_atoms(venue.asset_decimals)
    providers = _providers(client, venue, unit) if venue.rulebook in _WITH_POOL else []
    bot = _bot(client, venue, unit) if venue.rulebook in _WITH_BOTS else 0
    return Stage(
        venue,
        tuple(_market(one) for one in found),
        publishers if around.publish else (),
        path,
        tuple(accounts),
        tuple(providers),
        unit * _POOL_UNITS // 100,
        bot,
    )


def _venue(client: Client, number: int) -> parameters_pb2.VenueParameters:
    venues = client.venues()
    for venue in venues:
        if venue.venue == number:
            return venue
    known = ", ".join(f"{venue.venue} ({venue.name})" for venue in venues) or "none"
    raise LoadError(f"the node has no venue {number}, it has: {known}")


def _market(rules: parameters_pb2.MarketParameters) -> Market:
    """What the flow needs of a market's parameters, whichever its rulebook."""
    number, symbol, tick_e9 = rules.market, rules.symbol, rules.tick_size_e9
    if rules.HasField("margin_trade"):
        book = rules.margin_trade
        return Market(number, symbol, tick_e9, book.lot_size_e9, book.quote_atoms_per_tick_lot, book.max_order_lots)
    if rules.HasField("spin"):
        spin = rules.spin
        most = min(spin.max_order_lots, spin.max_position_lots)
        return Market(number, symbol, tick_e9, lot_size_e9(rules), spin.quote_atoms_per_tick_lot, most)
    if rules.HasField("perennial"):
        # A lot at a tick is 1e-12 of the quote, which has atoms of 1e-6.
        return Market(number, symbol, tick_e9, _VERSIONED_LOT_E9, 1e-6, rules.perennial.maker_limit_lots // 50)
    return Market(number, symbol, tick_e9, _E9, 1, 0)


def _path(
    client: Client,
    markets: Sequence[parameters_pb2.MarketParameters],
    settings: LoadSettings,
    around: Surroundings,
) -> np.ndarray:
    start = [_start_ticks(client, one) for one in markets]
    steps = steps_of(settings.seconds)
    if around.prices is not None:
        return from_files(around.prices, start, steps, around.speed)
    return jump_diffusion(start, steps, settings.seed)


def _start_ticks(client: Client, market: parameters_pb2.MarketParameters) -> int:
    """Where the market stands; where it has no price yet, about what its asset costs."""
    with suppress(RefusedError):
        mark = client.mark(market.market, market.venue).mark
        if mark.mark_ticks:
            return mark.mark_ticks
    asset = market.symbol.partition("-")[0]
    if asset not in SCALES:
        raise LoadError(f"market {market.market} ({market.symbol}) has no price yet: publish one first")
    return max(2, round(SCALES[asset].price_usdc * _E9 / market.tick_size_e9))


def _price(
    client: Client,
    venue: int,
    markets: Sequence[parameters_pb2.MarketParameters],
    publishers: tuple[tuple[int, ...], ...],
    start: np.ndarray,
) -> None:
    """Waits for marks that may be traded on; with publishers after telling them the first price."""
    numbers = tuple(one.market for one in markets)
    deadline_s = time.monotonic() + _PRICE_S
    while True:
        if publishers:
            client.publish(tick_rows(numbers, publishers, start), venue)
        marks = [client.mark(number, venue).mark for number in numbers]
        # A mark of the median of three needs a second price to be near it.
        unusable = [mark for mark in marks if mark.state not in _USABLE]
        if not unusable:
            return
        if time.monotonic() > deadline_s or not publishers:
            state = common_pb2.MarkState.Name(unusable[0].state).removeprefix("MARK_STATE_")
            raise LoadError(f"market {unusable[0].market} of venue {venue} has no usable mark, it is {state}")
        time.sleep(_AGAIN_S)


def _open(client: Client, venue: int, count: int) -> list[int]:
    opened: list[int] = []
    while len(opened) < count:
        opened += client.open_accounts(min(_OPENED_AT_ONCE, count - len(opened)), venue)
    return opened


def _fund(
    client: Client, settings: LoadSettings, venue: parameters_pb2.VenueParameters, accounts: Sequence[int]
) -> None:
    """Gives each process's accounts what its cast needs."""
    rows = (settings.rate or MODEL_RATE * settings.processes) * settings.seconds
    for share in shares_of(accounts, settings.processes):
        atoms = funds_of(cast_of(share), venue.asset_decimals, rows / len(accounts))
        _deposit(client, settings.venue, share, atoms.tolist())


def shares_of(accounts: Sequence[int], processes: int) -> list[Sequence[int]]:
    """The accounts of each process, in a row, as even as it goes."""
    bounds = [len(accounts) * number // processes for number in range(processes + 1)]
    return [accounts[begin:end] for begin, end in pairwise(bounds)]


def _deposit(client: Client, venue: int, accounts: Sequence[int], atoms: Sequence[int]) -> None:
    """As the custodian; who is not takes from the faucet of dev mode, one account after the other."""
    try:
        for at in range(0, len(accounts), _OPENED_AT_ONCE):
            rows = slice(at, at + _OPENED_AT_ONCE)
            deposits = commands_pb2.Deposits(account=accounts[rows], amount_atoms=atoms[rows])
            client.submit_batch(commands_pb2.CommandBatch(venue=venue, deposits=deposits))
    except RefusedError as error:
        if error.refusal != "NOT_ALLOWED":
            raise
        for account, amount in zip(accounts, atoms, strict=True):
            client.faucet(account, amount, venue)


def _providers(client: Client, venue: parameters_pb2.VenueParameters, unit: int) -> list[int]:
    """LPs with money, of which the first bring what a pool needs to begin with."""
    accounts = _open(client, venue.venue, _PROVIDERS)
    _deposit(client, venue.venue, accounts, [2 * unit * _POOL_UNITS] * len(accounts))
    for account in accounts:
        client.deposit_liquidity(account, unit * _POOL_UNITS // len(accounts), venue.venue)
    return accounts


def _bot(client: Client, venue: parameters_pb2.VenueParameters, unit: int) -> int:
    (account,) = _open(client, venue.venue, 1)
    _deposit(client, venue.venue, [account], [unit * _BOT_UNITS])
    return account
