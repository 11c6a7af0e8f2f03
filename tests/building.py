"""Blocks by hand: batches under new keys, a chain that seals them, and what came of it, read back by name."""

from collections.abc import Iterable
from typing import Any

from actors.ways import Way
from breakwater.v1 import commands_pb2 as commands
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import parameters_pb2 as parameters
from breakwater.v1 import refusals_pb2 as refusals
from cluster.commit import BlockResult
from cluster.replica import Replica
from tests.properties.venues import market_parameters, venue_parameters

START_MS = 1_760_001_000_000  # a whole minute, no full hour
SECOND_MS = 1_000
LONG, SHORT = 1, -1
MARKET, LIMIT, STOP_LOSS, TAKE_PROFIT = 1, 2, 3, 4


def venue(number: int = 1, safe: bool = False, **rules: int) -> parameters.VenueParameters:
    """A Twilight venue of the preset `seed` or `safe`, with these rules altered."""
    made = venue_parameters(number, safe)
    for name, value in rules.items():
        setattr(made.twilight, name, value)
    return made


def market(
    number: int = 1, venue: int = 1, weights: tuple[int, ...] = (1,), **oracle: int
) -> parameters.MarketParameters:
    """A market of one publisher, number 1, with these oracle parameters altered."""
    made = market_parameters(venue, number, weights=weights)
    for name, value in oracle.items():
        setattr(made.oracle, name, value)
    return made


class Maker:
    """Makes batches under new request keys; `now_ms` is the block time they are meant for."""

    def __init__(self) -> None:
        self.now_ms = START_MS
        self._made = 0

    def batch(self, body: str, /, venue: int = 1, **columns: Any) -> commands.CommandBatch:
        """A batch of one kind of command; columns are lists, other fields values or messages."""
        self._made += 1
        made = commands.CommandBatch(
            request_key=b"key/%d" % self._made, expires_ms=self.now_ms + 60 * SECOND_MS, venue=venue, principal=1
        )
        target = getattr(made, body)
        target.SetInParent()
        for name, value in columns.items():
            if isinstance(value, list):
                getattr(target, name).extend(value)
            elif hasattr(value, "CopyFrom"):
                getattr(target, name).CopyFrom(value)
            else:
                setattr(target, name, value)
        return made

    def ticks(self, price_ticks: int, market: int = 1, venue: int = 1, publisher: int = 1) -> commands.CommandBatch:
        """One price, published now."""
        return self.batch(
            "ticks",
            venue,
            market=[market],
            publisher=[publisher],
            price_ticks=[price_ticks],
            published_ms=[self.now_ms],
        )

    def opens(self, *rows: tuple[int, int, int, int]) -> commands.CommandBatch:
        """Market opens: (account, side, margin_atoms, leverage_hundredths)."""
        account, side, margin, leverage = (list(column) for column in zip(*rows, strict=True))
        count = len(account)
        return self.batch(
            "open_positions",
            account=account,
            market=[1] * count,
            side=side,
            kind=[MARKET] * count,
            margin_atoms=margin,
            leverage_hundredths=leverage,
            limit_ticks=[0] * count,
        )

    def rests(self, account: int, side: int, margin: int, leverage: int, limit_ticks: int) -> commands.CommandBatch:
        """One limit open."""
        made = self.opens((account, side, margin, leverage))
        made.open_positions.kind[0], made.open_positions.limit_ticks[0] = LIMIT, limit_ticks
        return made

    def closes(self, account: int, position: int, kind: int = MARKET, level_ticks: int = 0) -> commands.CommandBatch:
        """One close, or one level of a position."""
        return self.batch(
            "close_positions", account=[account], position=[position], kind=[kind], level_ticks=[level_ticks]
        )

    def amounts(self, body: str, **amounts: int) -> commands.CommandBatch:
        """Deposits, withdrawals and LP deposits: account numbers written as a2=5."""
        accounts = [int(name[1:]) for name in amounts]
        return self.batch(body, account=accounts, amount_atoms=list(amounts.values()))

    def genesis(
        self, accounts: int = 8, terms: parameters.VenueParameters | None = None, **oracle: int
    ) -> list[commands.CommandBatch]:
        """One venue, one market, some accounts, each with a bitcoin but the first, which has ten."""
        numbers = list(range(1, accounts + 1))
        return [
            self.batch("create_venue", parameters=terms or venue()),
            self.batch("create_market", parameters=market(**oracle)),
            self.batch("open_accounts", count=accounts),
            self.batch("deposits", account=numbers, amount_atoms=[10**9] + [10**8] * (accounts - 1)),
        ]


class Chain(Maker):
    """A replica and the blocks sealed on it, kept so that they can be played elsewhere."""

    def __init__(self, shards: int = 1, way: Way = Way.BY_COLUMNS) -> None:
        super().__init__()
        self.replica = Replica(shards, way)
        self.blocks: list[commands.BlockInput] = []

    def seal(
        self, *batches: commands.CommandBatch, step_ms: int = SECOND_MS, root: bool = True, voided: Iterable[int] = ()
    ) -> BlockResult:
        """One block; the clock moves on after it, so that what is made next is meant for the next block."""
        block = commands.BlockInput(
            height=self.replica.state.height + 1, block_time_ms=self.now_ms, batches=batches, root=root
        )
        self.blocks.append(block)
        self.now_ms += step_ms
        return self.replica.apply(block, voided=voided)

    def start(self, price_ticks: int = 50_000, pool_atoms: int = 5 * 10**8, **terms: Any) -> BlockResult:
        """Genesis, a price and an LP; afterwards the market trades."""
        self.seal(*self.genesis(**terms))
        return self.seal(self.ticks(price_ticks), self.amounts("liquidity_deposits", a1=pool_atoms))


def parsed(result: BlockResult | Iterable[bytes]) -> list[events.Event]:
    """The block's events."""
    serialised = result.events if isinstance(result, BlockResult) else result
    return [events.Event.FromString(event) for event in serialised]


def bodies(result: BlockResult | Iterable[bytes], kind: str) -> list[Any]:
    """Bodies of one kind, in order."""
    return [getattr(event, kind) for event in parsed(result) if event.WhichOneof("body") == kind]


def refused(outcomes: Any) -> list[tuple[int, str, int, int]]:
    """(command, refusal without its prefix, required, actual) of what was refused, by command."""
    rows = zip(outcomes.command, outcomes.refusal, outcomes.required, outcomes.actual, strict=True)
    return sorted(
        (command, refusals.Refusal.Name(refusal).removeprefix("REFUSAL_"), required, actual)
        for command, refusal, required, actual in rows
        if refusal
    )
