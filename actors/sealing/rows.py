"""Checks of the rows of a batch, column by column: the first that fails names the refusal."""

from collections.abc import Callable

import numpy as np

from actors.columns import among, array
from actors.sealing.directory import FIRST_ACCOUNT, MAX_VALIDATOR_LAG, Venue
from breakwater.v1 import parameters_pb2 as parameters
from breakwater.v1 import refusals_pb2 as refusals


class RowChecks:
    """Collects refusals of rows; a row keeps its first."""

    def __init__(self, count: int) -> None:
        self.refusal = np.zeros(count, dtype=np.int64)
        self.required = np.zeros(count, dtype=np.int64)
        self.actual = np.zeros(count, dtype=np.int64)

    def refuse_where(self, bad: np.ndarray, refusal: int, required: int | np.ndarray, actual: int | np.ndarray) -> None:
        """Refuses the rows of the mask that stand so far."""
        if not bad.any():
            return
        first = bad & (self.refusal == 0)
        if first.any():
            self.refusal[first] = refusal
            self.required[first] = np.broadcast_to(np.asarray(required), bad.shape)[first]
            self.actual[first] = np.broadcast_to(np.asarray(actual), bad.shape)[first]

    def accepted(self) -> np.ndarray:
        """Rows that stand, ascending."""
        return np.flatnonzero(self.refusal == 0)

    def refused(self) -> np.ndarray:
        """Rows that do not, ascending."""
        return np.flatnonzero(self.refusal)

    def known_account(self, account: np.ndarray, venue: Venue) -> None:
        """UNKNOWN_ACCOUNT."""
        bad = (account < FIRST_ACCOUNT) | (account >= venue.next_account)
        self.refuse_where(bad, refusals.REFUSAL_UNKNOWN_ACCOUNT, venue.next_account, account)

    def known_market(self, market: np.ndarray, venue: Venue, where: np.ndarray | bool = True) -> None:
        """UNKNOWN_MARKET."""
        known = among(market, venue.markets)
        self.refuse_where(~known & where, refusals.REFUSAL_UNKNOWN_MARKET, len(venue.markets), market)

    def positive(self, value: np.ndarray, where: np.ndarray | bool = True) -> None:
        """NOT_POSITIVE."""
        self.refuse_where((value <= 0) & where, refusals.REFUSAL_NOT_POSITIVE, 1, value)

    def not_negative(self, value: np.ndarray) -> None:
        """NOT_POSITIVE below 0."""
        self.refuse_where(value < 0, refusals.REFUSAL_NOT_POSITIVE, 0, value)

    def below(self, value: np.ndarray, bound: int | np.ndarray, where: np.ndarray | bool = True) -> None:
        """OVERFLOW at the bound and above."""
        self.refuse_where((value >= bound) & where, refusals.REFUSAL_OVERFLOW, bound, value)

    def one_of(self, value: np.ndarray, allowed: tuple[int, ...], refusal: int) -> None:
        """The named refusal for anything else; required is the highest allowed."""
        self.refuse_where(~among(value, allowed), refusal, max(allowed), value)

    def validator_keeps_up(self, lag: int, where: np.ndarray | bool = True) -> None:
        """VALIDATOR_LAGGING for every row of the mask."""
        if lag > MAX_VALIDATOR_LAG:
            rows = np.broadcast_to(np.asarray(where), self.refusal.shape)
            self.refuse_where(rows, refusals.REFUSAL_VALIDATOR_LAGGING, MAX_VALIDATOR_LAG, lag)


def market_numbers(
    market: np.ndarray, venue: Venue, number_of: Callable[[parameters.MarketParameters], int]
) -> np.ndarray:
    """A number of every row's market; 0 where the market is unknown, which is refused before it is read."""
    known = sorted(venue.markets)
    if not known:
        return np.zeros(len(market), dtype=np.int64)
    numbers = array([number_of(venue.markets[one]) for one in known])
    place = np.minimum(np.searchsorted(array(known), market), len(known) - 1)
    return np.where(array(known)[place] == market, numbers[place], 0)
