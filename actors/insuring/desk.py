"""One call's work at the insurance desk: the venue's money, and where its events, answers and legs go."""

from actors.sinks import DESK, NO_COMMAND, EventSink
from actors.venue_desk import VenueDesk
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import events_pb2 as events

# The class of the desk's legs; those of the books are 1, transfers 4 (docs/spin.md).
CLAIMS = 2


class InsuranceBook:
    """State of one desk, atoms. Fees and funding on its way may be below zero, nothing else.

    `shares_atoms` is what liquidations ever paid in, `rewards_atoms` and `deficits_atoms` what the fund ever paid out.
    """

    def __init__(self, venue: int) -> None:
        self.venue = venue
        self.fees_atoms = 0
        self.funding_atoms = 0
        self.fund_atoms = 0
        self.deposited_atoms = 0
        self.shares_atoms = 0
        self.rewards_atoms = 0
        self.deficits_atoms = 0
        self.shortfall_atoms = 0
        self.unpaid_rewards_atoms = 0

    def sums(self) -> batches.InsuranceSums:
        """The desk's part of the conservation equation; asserts that every atom of the fund has a source."""
        came = self.deposited_atoms + self.shares_atoms
        went = self.rewards_atoms + self.deficits_atoms
        assert self.fund_atoms == came - went, f"the fund holds {self.fund_atoms}, {came} came and {went} went"
        return batches.InsuranceSums(
            venue=self.venue,
            fees_atoms=self.fees_atoms,
            fund_atoms=self.fund_atoms,
            shortfall_atoms=self.shortfall_atoms,
            deposited_atoms=self.deposited_atoms,
            funding_atoms=self.funding_atoms,
            unpaid_rewards_atoms=self.unpaid_rewards_atoms,
        )

    def view(self, height: int = 0) -> batches.InsuranceView:
        """The desk as a reader sees it."""
        return batches.InsuranceView(
            height=height,
            sums=self.sums(),
            rewards_atoms=self.rewards_atoms,
            deficits_atoms=self.deficits_atoms,
            shares_atoms=self.shares_atoms,
        )

    def take(self, view: batches.InsuranceView) -> None:
        """The state a view shows."""
        self.fees_atoms, self.funding_atoms = view.sums.fees_atoms, view.sums.funding_atoms
        self.fund_atoms, self.deposited_atoms = view.sums.fund_atoms, view.sums.deposited_atoms
        self.shares_atoms, self.rewards_atoms = view.shares_atoms, view.rewards_atoms
        self.deficits_atoms = view.deficits_atoms
        self.shortfall_atoms = view.sums.shortfall_atoms
        self.unpaid_rewards_atoms = view.sums.unpaid_rewards_atoms


class InsuranceDesk(VenueDesk):
    """A leg has the key of its claim."""

    def __init__(self, book: InsuranceBook, sink: EventSink) -> None:
        super().__init__(book.venue, sink)
        self.book = book

    def pay(self, command: int, sequence: int, account: int, amount_atoms: int) -> None:
        """Cash to an account. A claim of settling has no command: its account keeps the keys of legs apart."""
        leg = account if command == NO_COMMAND else sequence
        head = (CLAIMS, command, 0, leg, self.book.venue, account, events.CROSS_LEG_KIND_CASH)
        self.legs.add(*head, 0, 0, 0, 0, 0, amount_atoms, 0)

    def _key(self, place: int) -> tuple[int, int, int, int]:
        return DESK, self.book.venue << 32, place, 0
