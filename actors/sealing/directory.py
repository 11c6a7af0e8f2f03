"""What the registry knows of the node: venues, markets, account numbers, switches."""

from dataclasses import dataclass, field

from breakwater.v1 import parameters_pb2 as parameters

FIRST_ACCOUNT = 1
# Opens and withdrawals stop when the validator is further behind than this many blocks.
MAX_VALIDATOR_LAG = 1_000


@dataclass(slots=True)
class Venue:
    """One venue: parameters in force, markets by number, the next account number, lifetime deposits in atoms.

    `owners` names the owner of every subaccount; who is not in it is an account of its own (SP-01).
    """

    terms: parameters.VenueParameters
    markets: dict[int, parameters.MarketParameters] = field(default_factory=dict)
    next_account: int = FIRST_ACCOUNT
    deposited_atoms: int = 0
    owners: dict[int, int] = field(default_factory=dict)

    def owner_of(self, account: int) -> int:
        """Whose account it is: an account that is nobody's subaccount."""
        return self.owners.get(account, account)


@dataclass(slots=True)
class Directory:
    """All of it. `pending` holds (effective_ms, parameters) of changes that wait for their notice time.

    `pending_markets` holds the same of markets by (venue, market); of either only what raises margins is read.
    """

    venues: dict[int, Venue] = field(default_factory=dict)
    pending: list[tuple[int, parameters.VenueParameters]] = field(default_factory=list)
    pending_markets: dict[tuple[int, int], tuple[int, parameters.MarketParameters]] = field(default_factory=dict)
    dead_men: dict[tuple[int, int], int] = field(default_factory=dict)
    validated_height: int = 0
    has_validator: bool = False
    block_time_ms: int = 0

    def validator_lag(self, height: int) -> int:
        """Blocks the validator is behind; 0 while none ever reported."""
        return height - self.validated_height if self.has_validator else 0
