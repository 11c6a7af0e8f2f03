"""One Twilight venue on one shard: accounts, positions, resting opens, and what the block told of the markets."""

from actors.ledger.account_images import RowsOfAccounts, chained_rows
from actors.ledger.account_marks import AccountMarks, Int64Array
from actors.ledger.account_views import balances_view
from actors.ledger.accounts import Accounts
from actors.ledger.isolated_positions import IsolatedPositions, Position, RestingOpens
from actors.ledger.table import Owned, StagingLog, Table
from actors.risk.tradable import is_usable, why_not_tradable
from actors.rulebooks import twilight
from actors.sinks import Refused
from actors.units import SHORT
from actors.ways import Way
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import parameters_pb2 as parameters


class IsolatedBook:
    """State of a venue on a shard. `way` says where kernels give way to the scalar rulebook."""

    def __init__(self, venue: int, log: StagingLog, way: Way) -> None:
        self.venue = venue
        self.way = way
        self.touched = AccountMarks()
        self.accounts = Accounts(log, self.touched)
        self.positions = IsolatedPositions(log, self.touched, self.accounts.table)
        self.orders = RestingOpens(log, self.touched, self.accounts.table)
        self.terms = parameters.VenueParameters()
        self.halt_age_ms: dict[int, int] = {}
        self.marks: dict[int, common.Mark] = {}
        self.rates_e9: dict[int, int] = {}

    @property
    def rules(self) -> parameters.TwilightParameters:
        """The venue's parameters in force."""
        return self.terms.twilight

    def mark_stamp(self, market: int) -> events.MarkStamp:
        """The mark a decision was made on."""
        mark = self.marks[market]
        return events.MarkStamp(mark_ticks=mark.mark_ticks, version=mark.version, age_ms=mark.age_ms)

    def usable_markets(self) -> list[int]:
        """Markets whose mark may be acted on, ascending."""
        return [market for market in sorted(self.marks) if is_usable(self.marks[market])]

    def why_not_tradable(self, market: int) -> Refused | None:
        """Why nothing may be opened or closed at this market's mark, or None."""
        return why_not_tradable(self.marks[market], self.halt_age_ms.get(market, 0))

    def maintenance_e9(self, side: int, entry_value: int, initial_margin: int, market: int) -> int:
        """MM at the funding rate in force (TW-04), 1e-9 atoms."""
        paid = twilight.funding_paid_e9(side, self.rates_e9.get(market, 0))
        return twilight.maintenance_margin_e9(
            side, entry_value, initial_margin, self.rules.maintenance_ratio_e9, self.rules.taker_fee_e9, paid
        )

    def threshold_ticks(self, row: Position) -> int:
        """The mark that liquidates the position (TW-06)."""
        return twilight.liquidation_threshold_ticks(
            row.side, row.position_size, row.entry_value_atoms, row.margin_held_atoms, row.maintenance_e9
        )

    def with_maintenance(self, row: Position) -> Position:
        """The row with maintenance and threshold of the rate and parameters in force."""
        maintenance = self.maintenance_e9(row.side, row.entry_value_atoms, row.initial_margin_atoms, row.market)
        row = row._replace(maintenance_e9=maintenance)
        return row._replace(threshold_ticks=self.threshold_ticks(row))

    def rows_of_account(self, account: int) -> list[tuple[Table, list[int], int | None]]:
        """What the account's digest covers beside its own row."""
        return [
            (self.positions.table, self.positions.of_account(account), None),
            (self.orders.table, self.orders.of_account(account), None),
            (self.accounts.withdrawals, self.accounts.withdrawals_of(account), None),
        ]

    def rows_of_accounts(self, accounts: Int64Array, slots: Int64Array) -> list[RowsOfAccounts]:
        """The same of many accounts in these slots."""
        withdrawals = self.accounts.withdrawals
        return [
            chained_rows(self.positions.table, self.positions.chains(), slots),
            chained_rows(self.orders.table, self.orders.chains(), slots),
            chained_rows(withdrawals, self.accounts.withdrawal_chains(), slots),
        ]

    def sums(self) -> tuple[int, ...]:
        """A row of `VenueSums`."""
        sums = self.accounts.sums
        return (
            self.venue,
            sums.free,
            sums.held,
            self.positions.margin_atoms,
            sums.pending,
            sums.deposited,
            sums.withdrawn,
            len(self.positions),
        )

    def view(self, account: int) -> batches.AccountView:
        """The account as a reader sees it; `exists` is false where there is none."""
        view = balances_view(self, account)
        if not view.exists:
            return view
        for position in self.positions.of_account(account):
            view.positions.append(self._position_view(position))
        view.margin_atoms = sum(position.margin_held_atoms for position in view.positions)
        for order in self.orders.of_account(account):
            row = self.orders.read(order)
            view.orders.add(
                order=order,
                market=row.market,
                side=common.SIDE_LONG if row.side > 0 else common.SIDE_SHORT,
                limit_ticks=row.limit_ticks,
                margin_atoms=row.margin_atoms,
                leverage_hundredths=row.leverage_hundredths,
            )
        return view

    def _position_view(self, position: int) -> batches.PositionView:
        row = self.positions.read(position)
        mark = self.marks[row.market].mark_ticks
        is_never = row.side == SHORT and row.threshold_ticks == twilight.NEVER_SHORT
        terms = twilight.liquidation_terms(
            row.side, row.position_size, row.entry_value_atoms, row.margin_held_atoms, mark, row.maintenance_e9
        )
        bankruptcy_value = twilight.bankruptcy_value_atoms(row.side, row.entry_value_atoms, row.initial_margin_atoms)
        return batches.PositionView(
            position=position,
            market=row.market,
            side=common.SIDE_LONG if row.side > 0 else common.SIDE_SHORT,
            entry_ticks=row.entry_ticks,
            entry_value_atoms=row.entry_value_atoms,
            position_size=row.position_size,
            initial_margin_atoms=row.initial_margin_atoms,
            margin_held_atoms=row.margin_held_atoms,
            leverage_hundredths=row.leverage_hundredths,
            maintenance_atoms=terms.maintenance_atoms,
            liquidation_ticks=0 if is_never else row.threshold_ticks,
            mark_ticks=mark,
            upnl_atoms=twilight.upnl_half_away_atoms(row.side, row.position_size, row.entry_value_atoms, mark),
            equity_atoms=terms.equity_atoms,
            stop_loss_ticks=row.stop_loss,
            take_profit_ticks=row.take_profit,
            close_limit_ticks=row.close_limit,
            bankruptcy_ticks=row.position_size // bankruptcy_value if bankruptcy_value > 0 else 0,
        )

    def dumped_bytes(self) -> int:
        """How long `dump` is, in all."""
        return self.accounts.dumped_bytes() + self.positions.table.dumped_bytes() + self.orders.table.dumped_bytes()

    def dump(self) -> list[bytes]:
        """Tables of rows: accounts, withdrawals, positions, orders."""
        return [*self.accounts.dump(), self.positions.dump(), self.orders.dump()]

    def fill(self, dumped: list[bytes], owned: Owned) -> None:
        """Takes the owned rows of a dump."""
        self.accounts.fill(dumped[:2], owned)
        self.positions.fill(dumped[2], owned)
        self.orders.fill(dumped[3], owned)
