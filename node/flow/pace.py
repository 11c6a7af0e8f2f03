"""When batches are due: the model's clock laid on the wall's, and what is given up where the node does not keep up."""

from __future__ import annotations


class Pace:
    """An open loop. Due times do not wait for answers; only what is hopelessly late is skipped, and counted.

    Times are seconds of the monotonic clock; `skipped_s` is how much of the plan was given up.
    """

    def __init__(self, start_s: float, rate: float, patience_s: float) -> None:
        """`rate` is what is planned, commands a second; 0: there is no plan, a batch is due when there is room."""
        self._start_s, self._rate, self._patience_s = start_s, rate, patience_s
        self.skipped_s = 0.0
        self._unsent = 0.0

    @property
    def unsent(self) -> int:
        """Commands that were planned for the time given up."""
        return round(self._unsent)

    def due_s(self, model_s: float, now_s: float) -> float:
        """When what the model made up to this time is due."""
        return self._start_s + self.skipped_s + model_s if self._rate else now_s

    def price_s(self, model_s: float, now_s: float) -> float:
        """The time since the start whose prices hold for it."""
        return self.skipped_s + model_s if self._rate else now_s - self._start_s

    def settle(self, due_s: float, now_s: float) -> float:
        """The due time of a batch that can be sent now: its own, or now where that is too long ago.

        The time between is given up: nothing is made for it, and what it would have been is counted as unsent.
        """
        if not self._rate:
            return now_s
        behind_s = now_s - due_s
        if behind_s <= self._patience_s:
            return due_s
        self.skipped_s += behind_s
        self._unsent += behind_s * self._rate
        return now_s

    def give_up(self, from_s: float, to_s: float) -> None:
        """Nothing of what was due between these was sent."""
        if self._rate and to_s > from_s:
            self._unsent += (to_s - from_s) * self._rate
