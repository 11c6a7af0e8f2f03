"""What a driver needs of the people it drives: accounts, money, and what they ask for at every price."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from breakwater.v1 import events_pb2 as evt
from node.load.asks import Ask
from node.load.custody import Custody


class Groups(NamedTuple):
    """Account numbers of a population: who trades, who answers for it, and who backs the vault."""

    traders: list[int]
    liquidity: list[int]
    backers: list[int]


class People(Protocol):
    """A population. The same seed, prices, answers and events give the same asks, in the same order."""

    custody: Custody

    @property
    def groups(self) -> Groups:
        """Who is who."""

    @property
    def accounts(self) -> list[int]:
        """Every account of the population, ascending."""

    def open_accounts(self) -> list[Ask]:
        """First block of the people."""

    def deposit(self) -> list[Ask]:
        """Second block."""

    def fill_pool(self) -> list[Ask]:
        """Third block."""

    def act(self, block: int, prices_ticks: Sequence[int]) -> list[Ask]:
        """What everybody asks for at price step `block` (from 1), one price a market."""

    def happened(self, events: Iterable[evt.Event]) -> None:
        """Learn from a block's events."""
