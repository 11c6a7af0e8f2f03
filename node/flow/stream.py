"""The stream of one process's batches, from a seed: rows of the kernels, with the numbers that answers brought.

With the same seed, accounts, markets and prices the same commands come in the same order. Where cancels name orders by
the node's numbers their rows depend on the answers, and wait for them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from breakwater.v1 import common_pb2
from node.client.column_bytes import ColumnAnswer, batch_bytes
from node.flow.cast import MODEL_RATE
from node.flow.habits import MOST_ROWS, habits_of
from node.flow.kernels.chance import BASE, NOW
from node.flow.kernels.rows import ARCHETYPES, BY_ARCHETYPE, FORGOTTEN
from node.flow.known import GONE, UNANSWERED, KnownOrders
from node.flow.settings import Part

_TREND_S: Final = 2.0
# How soon a shortfall of commands is made up for, and how far the arrivals may be steered for it.
_STEER_S: Final = 2.0
_LEAST_STEER, _MOST_STEER = 0.7, 2.0
# Cancels that wait for the answers to their orders; the oldest beyond these are given up.
_WAITING: Final = 20_000
_MARKET: Final = common_pb2.ORDER_KIND_MARKET
# Fields of `CancelBookOrders`: where the number goes.
_ORDER: Final = 2


class Parcel(NamedTuple):
    """A batch to be: its body, columns in the order of the fields, ids where its rows make orders, and when each row
    arrived (s of the model)."""

    body: str
    columns: np.ndarray
    ids: np.ndarray
    arrived_s: np.ndarray

    @property
    def rows(self) -> int:
        """Commands in it."""
        return self.columns.shape[1]

    def encoded(self, key: bytes, venue: int) -> bytes:
        """Its `CommandBatch`."""
        return batch_bytes(key, venue, self.body, self.columns)


class Ends(NamedTuple):
    """Orders whose time is over: columns of their cancels but for the numbers, ids, when (s of the model)."""

    columns: np.ndarray
    ids: np.ndarray
    arrived_s: np.ndarray


class Made(NamedTuple):
    """What one look at the model gave: ends, new orders (or none), and the time it reached."""

    ends: Ends
    orders: Parcel
    reached_s: float


class Prices:
    """The path every process follows, ticks by market and step; before the first step and after the last it stands."""

    def __init__(self, ticks: np.ndarray, step_s: float) -> None:
        """Also finds how much the markets usually move."""
        self._ticks, self._step_s = ticks, step_s
        self._back = max(1, round(_TREND_S / step_s))
        logs = np.log(ticks.astype(np.float64))
        moves = logs[:, self._back :] - logs[:, : -self._back]
        usual = np.sqrt((moves**2).mean(axis=1)) if moves.size else np.zeros(len(ticks))
        self._usual = np.maximum(usual, 1e-6)

    def at(self, time_s: float) -> tuple[np.ndarray, np.ndarray]:
        """Prices at this time after the start, and how they moved in the seconds before, in usual moves."""
        step = min(max(0, int(time_s / self._step_s)), self._ticks.shape[1] - 1)
        now, before = self._ticks[:, step], self._ticks[:, max(0, step - self._back)]
        return np.ascontiguousarray(now), np.log(now / before) / self._usual


class FlowStream:
    """Batches one after the other. Times are seconds of the model since its start."""

    def __init__(self, part: Part, ticks: np.ndarray) -> None:
        """`ticks` are the prices of the part's file."""
        self.rate = part.settings.rate_of_one or MODEL_RATE
        self.prices = Prices(ticks, part.step_s)
        self.known = KnownOrders()
        # Cancels whose orders were gone before they were sent: nobody in their place would send them.
        self.spared = 0
        self.most_rows = MOST_ROWS
        self._blind = part.settings.blind
        self._habits = habits_of(part, np.ascontiguousarray(ticks[:, 0]), self.rate)
        self._base = float(self._habits.state.clock[BASE])
        fields = self._habits.rows.cancels.shape[0]
        self._waiting = Ends(np.zeros((fields, 0), dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0))
        self._given_up = 0

    def compile(self) -> None:
        """Runs the kernel for no time at all, so that it is compiled before the clock starts."""
        self.next(-1.0, self.most_rows, 0.0)

    def next(self, until_s: float, most: int, price_s: float) -> Made:
        """What arrives up to a time, at most so many rows; `price_s` is the time whose prices hold for it."""
        habits, rows = self._habits, self._habits.rows
        self._steer()
        centre, trend = self.prices.at(price_s)
        reached_s = habits.run(habits.traits, habits.state, rows, centre, trend, until_s, most)
        places, cancels = (int(count) for count in rows.written)
        ends = Ends(rows.cancels[:, :cancels].copy(), rows.cancel_ids[:cancels].copy(), rows.cancel_s[:cancels].copy())
        columns, ids = rows.places[:, :places].copy(), rows.place_ids[:places].copy()
        body = {"book": "place_orders", "isolated": "open_positions", "versioned": "change_positions"}[habits.kind]
        return Made(ends, Parcel(body, columns, ids, rows.place_s[:places].copy()), reached_s)

    def _steer(self) -> None:
        """Brings the arrivals back to the rate: cancels follow their orders later, or are spared."""
        clock, counts = self._habits.state.clock, self._habits.state.counts
        made = int(counts[BY_ARCHETYPE : BY_ARCHETYPE + ARCHETYPES].sum()) - self.spared
        behind = clock[NOW] - made / self.rate
        clock[BASE] = self._base * min(_MOST_STEER, max(_LEAST_STEER, 1.0 + behind / _STEER_S))

    def answered(self, parcel: Parcel, answer: ColumnAnswer) -> None:
        """Learns the numbers of orders."""
        if self._blind or not len(parcel.ids):
            return
        columns = answer.columns
        if self._habits.kind == "versioned" or answer.rows != len(parcel.ids):
            return
        remaining = columns["remaining_lots"] if self._habits.kind == "book" else parcel.ids[:0]
        self.known.answered(parcel.ids, columns["reference"], columns["status"], remaining)

    def lost(self, parcel: Parcel) -> None:
        """Nobody will say what became of it."""
        if len(parcel.ids):
            self.known.lost(parcel.ids)

    def made(self) -> tuple[list[int], int]:
        """Rows made so far by archetype; orders nobody will cancel, because there was no room to remember them."""
        counts = self._habits.state.counts
        return counts[BY_ARCHETYPE : BY_ARCHETYPE + ARCHETYPES].tolist(), int(counts[FORGOTTEN]) + self._given_up

    def inventory(self) -> np.ndarray:
        """What makers believe to hold, lots by maker and market; to be corrected by who knows better."""
        held: np.ndarray = self._habits.state.inventory
        return held

    def ended(self, ends: Ends) -> list[Parcel]:
        """Cancels, and closes of positions, of orders that may still be there; those nobody answered to yet wait."""
        none = np.zeros(0, dtype=np.int64)
        if self._blind:
            return [Parcel("cancel_book_orders", ends.columns, none, ends.arrived_s)] if len(ends.ids) else []
        columns = np.concatenate((self._waiting.columns, ends.columns), axis=1)
        ids = np.concatenate((self._waiting.ids, ends.ids))
        arrived_s = np.concatenate((self._waiting.arrived_s, ends.arrived_s))
        numbers = self.known.numbers(ids)
        later = np.flatnonzero(numbers == UNANSWERED)
        self._given_up += max(0, len(later) - _WAITING)
        later = later[-_WAITING:]
        self._waiting = Ends(columns[:, later], ids[later], arrived_s[later])
        self.spared += int(np.count_nonzero(numbers == GONE))
        now = np.flatnonzero(numbers > 0)
        if not len(now):
            return []
        if self._habits.kind == "book":
            columns = columns[:, now]
            columns[_ORDER] = numbers[now]
            return [Parcel("cancel_book_orders", columns, none, arrived_s[now])]
        return self._closes(columns[0, now], numbers[now], self.known.filled(ids[now]), arrived_s[now])

    def _closes(
        self, accounts: np.ndarray, numbers: np.ndarray, filled: np.ndarray, arrived_s: np.ndarray
    ) -> list[Parcel]:
        """Of isolated positions: what was filled is closed at the mark, what rests is taken back."""
        none = np.zeros(0, dtype=np.int64)
        parcels = []
        for body, which in (("cancel_orders", ~filled), ("close_positions", filled)):
            if which.any():
                nothing = np.zeros(int(which.sum()), dtype=np.int64)
                columns = [accounts[which], numbers[which], nothing]
                if body == "close_positions":
                    columns = [*columns[:2], nothing + _MARKET, nothing]
                parcels.append(Parcel(body, np.stack(columns), none, arrived_s[which]))
        return parcels
