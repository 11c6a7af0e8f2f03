"""The backstop's book: fees, insurance fund, shortfall, LP shares with their locks, the vault as it was shown last.

The vault's cash and positions are no part of it: they are the row of account 0, on the shard that holds it. What is
kept of them (the last `VaultState`, the marks of the last block) answers reads and prices a deleveraging at the mark
of the block before.
"""

from actors.backing.holdings import Holdings
from actors.rulebooks import margin_trade
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import parameters_pb2 as parameters
from breakwater.v1 import snapshots_pb2 as snapshots


class BackstopBook:
    """State of one backstop. Amounts in atoms; none of the three funds is ever negative."""

    def __init__(self, venue: int) -> None:
        self.venue = venue
        self.terms = parameters.VenueParameters()
        self.fees_atoms = 0
        self.fund_atoms = 0
        self.shortfall_atoms = 0
        self.deposited_atoms = 0
        self.high_nav_atoms = 0
        self.holdings = Holdings()
        self.now_ms = 0
        self.vault = batches.VaultState(venue=venue)
        self.marks: dict[int, common.Mark] = {}
        self.published = events.VaultUpdated()

    def see_vault(self, vault: batches.VaultState) -> None:
        """Takes the vault as its shard saw it after a scan; a copy, for LP moves and takeovers change it."""
        self.vault.CopyFrom(vault)

    def see_marks(self, marks: list[common.Mark]) -> None:
        """Takes the marks of a block that is done: they are the marks before for the next one, and change no more."""
        self.marks = {mark.market: mark for mark in marks if mark.venue == self.venue}

    def sums(self) -> batches.BackstopSums:
        """The backstop's part of the conservation equation."""
        return batches.BackstopSums(
            venue=self.venue,
            fees_atoms=self.fees_atoms,
            fund_atoms=self.fund_atoms,
            shortfall_atoms=self.shortfall_atoms,
            micro_shares=self.holdings.total,
            deposited_atoms=self.deposited_atoms,
        )

    def figures(self) -> events.VaultUpdated:
        """What is published after a block."""
        return events.VaultUpdated(
            nav_marked_atoms=self.vault.equity_atoms,
            cash_atoms=self.vault.cash_atoms,
            gross_notional_atoms=self.vault.gross_notional_atoms,
            maintenance_atoms=self.vault.maintenance_atoms,
            micro_shares=self.holdings.total,
            fund_atoms=self.fund_atoms,
            shortfall_atoms=self.shortfall_atoms,
            fees_atoms=self.fees_atoms,
            positions=len(self.vault.positions),
        )

    def view(self, height: int, accounts: list[int]) -> batches.BackstopView:
        """The backstop as a reader sees it, with the holdings asked for; their worth is rounded down."""
        nav, total = self.vault.equity_atoms, self.holdings.total
        view = batches.BackstopView(
            height=height,
            venue=self.venue,
            sums=self.sums(),
            vault=self.vault,
            nav_marked_atoms=nav,
            high_nav_atoms=self.high_nav_atoms,
        )
        for account in accounts:
            held = self.holdings.of_account(account)
            locked, until_ms = self.holdings.locked(account, self.now_ms)
            view.holdings.add(
                account=account,
                micro_shares=held,
                locked_micro_shares=locked,
                locked_until_ms=until_ms,
                value_atoms=margin_trade.redeem_floor_atoms(held, total, nav),
            )
        return view

    def save(self) -> bytes:
        """Canonical."""
        state = snapshots.BackstopState(
            venue=self.terms,
            fees_atoms=self.fees_atoms,
            fund_atoms=self.fund_atoms,
            shortfall_atoms=self.shortfall_atoms,
            deposited_atoms=self.deposited_atoms,
            high_nav_atoms=self.high_nav_atoms,
            shares=self.holdings.save(),
            published=self.published,
            marks=[self.marks[market] for market in sorted(self.marks)],
            vault=self.vault,
            block_time_ms=self.now_ms,
        )
        return state.SerializeToString(deterministic=True)

    def load(self, body: bytes) -> None:
        """Takes what `save` gave."""
        saved = snapshots.BackstopState.FromString(body)
        self.terms.CopyFrom(saved.venue)
        self.fees_atoms, self.fund_atoms = saved.fees_atoms, saved.fund_atoms
        self.shortfall_atoms, self.deposited_atoms = saved.shortfall_atoms, saved.deposited_atoms
        self.high_nav_atoms = saved.high_nav_atoms
        self.holdings.load(saved.shares)
        self.published.CopyFrom(saved.published)
        self.now_ms = saved.block_time_ms
        self.vault.CopyFrom(saved.vault)
        self.marks = {mark.market: mark for mark in saved.marks}
