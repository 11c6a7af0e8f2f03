"""A history written by hand: one venue, one market, one publisher; every block on the naive engine and on replicas."""

from breakwater.v1.commands_pb2 import BlockInput, CommandBatch
from breakwater.v1.events_pb2 import Event
from cluster.replica import Replica
from tests.engine.invariants import breaches
from tests.engine.naive import NaiveEngine, NaiveResult
from tests.engine.state import MARKET, Outcome, Pool
from tests.properties.comparison import apply_and_compare
from tests.properties.venues import START_MS, market_parameters, venue_parameters

VENUE = 1
ONE_MARKET = 1
PUBLISHER = 1


class Script:
    """Seals blocks of hand-made batches; whatever is asked for is asked by account of the one venue."""

    def __init__(
        self, shards: tuple[int, ...] = (1, 4), safe: bool = False, accounts: int = 6, funding_ms: int = 3_600_000
    ) -> None:
        self.engine = NaiveEngine()
        self.replicas = [Replica(count) for count in shards]
        self.time_ms = START_MS
        self.height = 0
        self._keys = 0
        market = market_parameters(VENUE, ONE_MARKET, weights=(1,))
        market.oracle.funding_interval_ms = funding_ms
        self.block(
            self.batch("create_venue"),
            self.batch("create_market"),
            self.batch("open_accounts"),
            venue=venue_parameters(VENUE, safe, 10**6),
            market=market,
            accounts=accounts,
        )

    @property
    def pool(self) -> Pool:
        return self.engine.state.pools[VENUE]

    def batch(self, body: str, /, **columns: object) -> CommandBatch:
        """A batch under a new key that never expires in a script's time."""
        self._keys += 1
        batch = CommandBatch(request_key=b"%d" % self._keys, expires_ms=self.time_ms + 80_000_000, venue=VENUE)
        getattr(batch, body).SetInParent()
        for name, value in columns.items():
            if isinstance(value, list):
                getattr(getattr(batch, body), name).extend(value)
            else:
                setattr(getattr(batch, body), name, value)
        return batch

    def block(
        self,
        *batches: CommandBatch,
        price: int = 0,
        step_ms: int = 1_000,
        venue: object = None,
        market: object = None,
        accounts: int = 0,
    ) -> NaiveResult:
        """Seals one block; a price is published before the batches. Everything that must hold is asserted."""
        self.height += 1
        self.time_ms += step_ms
        sealed = list(batches)
        if venue is not None:
            sealed[0].create_venue.parameters.CopyFrom(venue)  # type: ignore[arg-type]
            sealed[1].create_market.parameters.CopyFrom(market)  # type: ignore[arg-type]
            sealed[2].open_accounts.count = accounts
        if price:
            columns = {"market": [ONE_MARKET], "publisher": [PUBLISHER], "price_ticks": [price]}
            sealed.insert(0, self.batch("ticks", **columns, published_ms=[self.time_ms]))
        block = BlockInput(height=self.height, block_time_ms=self.time_ms, batches=sealed, root=True)
        result = self.engine.apply(block)
        assert not breaches(self.engine, result), f"height {self.height}"
        roots = {apply_and_compare(replica, block, (), result, f"height {self.height}") for replica in self.replicas}
        assert len(roots) <= 1, f"height {self.height}: roots differ by shard count"
        return result

    def deposit(self, account: int, atoms: int) -> CommandBatch:
        return self.batch("deposits", account=[account], amount_atoms=[atoms])

    def provide(self, account: int, atoms: int) -> CommandBatch:
        return self.batch("liquidity_deposits", account=[account], amount_atoms=[atoms])

    def redeem(self, account: int, micro_shares: int) -> CommandBatch:
        return self.batch("liquidity_withdrawals", account=[account], micro_shares=[micro_shares])

    def open(
        self, account: int, side: int, margin: int, leverage: int = 5_000, kind: int = MARKET, limit: int = 0
    ) -> CommandBatch:
        return self.batch(
            "open_positions",
            account=[account],
            market=[ONE_MARKET],
            side=[side],
            kind=[kind],
            margin_atoms=[margin],
            leverage_hundredths=[leverage],
            limit_ticks=[limit],
        )

    def close(self, account: int, position: int, kind: int = MARKET, level: int = 0) -> CommandBatch:
        return self.batch("close_positions", account=[account], position=[position], kind=[kind], level_ticks=[level])

    def number(self, command: int) -> int:
        """What a command of the last block is numbered."""
        return self.height << 20 | command


def said(result: NaiveResult, body: str) -> list[Event]:
    """The events of one kind."""
    return [event for event in map(Event.FromString, result.events) if event.HasField(body)]  # type: ignore[arg-type]


def answer(result: NaiveResult, command: int) -> Outcome:
    """What became of a command."""
    return result.outcomes[command]
