"""Positions and reservations of a Spin venue on one shard.

A position pays the funding it accrued before its lots change (SP-11), so a row knows the index it has paid up to.
A reservation is what a liquidator has set aside for a position it may have to take over (SP-07).
"""

from collections.abc import Callable
from typing import NamedTuple

from actors.ledger.account_marks import Marks
from actors.ledger.position_rows import LOTS, MARKET_BITS, PositionRows
from actors.ledger.row_chains import Chains, RowChains
from actors.ledger.table import Owned, StagingLog, Table, dumped_rows

# What a snapshot keeps of a row: account, market, lots, cost, paid_e9.
KEPT_COLUMNS = 5
# Places of cells in a row.
_PAID, _BUYS, _SELLS, _RESTING = 4, 5, 7, 10
_RESERVATION = ("account", "market", "lots")


class RatioPosition(NamedTuple):
    """One row. lots and cost are signed: a long paid its cost, a short received it.

    paid_e9: the funding index the position has paid up to, in 1e-9 ticks; 0 without lots. Sums over live orders
    that are not reduce-only, a side: lots and value (lots * price * k, a market order at the mark). reserved: lots of
    the account's reservations. resting counts live orders, reduce_only those of them that are reduce-only. owner_slot:
    slot of the account's row.
    """

    account: int
    market: int
    lots: int = 0
    cost: int = 0
    paid_e9: int = 0
    buy_lots: int = 0
    buy_value: int = 0
    sell_lots: int = 0
    sell_value: int = 0
    reserved: int = 0
    resting: int = 0
    reduce_only: int = 0
    owner_slot: int = 0


class RatioPositions(PositionRows[RatioPosition]):
    """There while lots are open, an order rests or lots are reserved."""

    def __init__(
        self,
        log: StagingLog,
        marks: Marks,
        accounts: Table,
        index_e9: Callable[[int], int],
    ) -> None:
        super().__init__(RatioPosition, ("lots", "resting", "reserved"), KEPT_COLUMNS, log, marks, accounts)
        self._index_e9 = index_e9
        # Keys of positions that changed since the block began, those undone since among them.
        self.moved: set[int] = set()

    def move(self, account: int, market: int, lots: int, cost: int) -> None:
        """The position becomes (lots, cost), paid up to the index in force: what it accrued must have been paid."""
        key = self.ensure(account, market)
        self.table.changing(key)[_PAID] = self._index_e9(market) if lots else 0
        self.moved.add(key)
        super().move(account, market, lots, cost)

    def add_to_sums(self, account: int, market: int, side: int, lots: int, value: int, step: int) -> None:
        """Adds to the sums of a side of a row that is there, and `step` to its live orders."""
        row = self.table.changing(account << MARKET_BITS | market)
        first = _BUYS if side > 0 else _SELLS
        row[first] += lots
        row[first + 1] += value
        row[_RESTING] += step

    def is_flat(self, account: int) -> bool:
        """The account has no position in any market."""
        return not any(self.table.cells(self.key(account, market))[LOTS] for market in self.of_account(account))


class Reservations:
    """What liquidators have set aside, by the number of the command that asked (`height << 20 | command`)."""

    def __init__(self, positions: RatioPositions, log: StagingLog, accounts: Table) -> None:
        self._positions = positions
        self._log = log
        self._accounts = accounts
        self._chains = RowChains()
        self.table = Table(_RESERVATION, log)

    def of_account(self, account: int) -> list[int]:
        """Its reservations, ascending."""
        return sorted(map(self.table.key_at, self._chains.slots_of(self._accounts.find_slot(account))))

    def chains(self) -> Chains:
        """The rows of every account by the slot of its own, for kernels; valid until a row comes or goes."""
        return self._chains.columns(self._accounts.slots_made)

    def add(self, number: int, account: int, market: int, lots: int) -> None:
        """Lots of a market, unsigned, count as the account's from here on."""
        self._positions.ensure(account, market)
        self._chains.link(self._accounts.slot(account), self.table.insert(number, account, market, lots))
        self._log.note(self._unlink, account, number)
        self._positions.add(account, market, "reserved", lots)

    def end(self, number: int) -> None:
        """They do not any more. Settling ends reservations; nothing staged does."""
        assert not self._log.is_open, "a reservation ends when its leg settles"
        account, market, lots = self.table.row(number)
        self._unlink(account, number)
        self.table.remove(number)
        self._positions.add(account, market, "reserved", -lots)
        self._positions.drop_if_empty(account, market)

    def _unlink(self, account: int, number: int) -> None:
        self._chains.unlink(self._accounts.slot(account), self.table.slot(number))

    def dump(self) -> bytes:
        """All rows by number."""
        return self.table.dump()

    def fill(self, dumped: bytes, owned: Owned) -> None:
        """Takes the owned rows of a dump."""
        for number, (account, market, lots) in dumped_rows(dumped, len(_RESERVATION), owned):
            self.add(number, account, market, lots)
