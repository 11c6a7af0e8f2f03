"""When a call is sent again, and to whom. Reads and commands with a request key are safe to repeat; nothing else is."""

from __future__ import annotations

import time
from typing import Final

import grpc

from node.client.channel import Doors
from node.client.errors import RefusedError, may_ask_again, refused_of

_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0
# A moment, so that the last attempt fails by itself.
_LEAST_S: Final = 0.001


class Attempts:
    """The attempts of one call within its time, at one door after the other."""

    def __init__(self, timeout_s: float, doors: Doors) -> None:
        """The clock starts now."""
        self._deadline_s = time.monotonic() + timeout_s
        self._pause_s = _FIRST_PAUSE_S
        self._doors = doors
        self._door = doors.at

    def begin(self) -> float:
        """Seconds the next attempt may take: all that is left, or half of it where another door could be asked then."""
        self._door = self._doors.at
        remaining_s = max(_LEAST_S, self._deadline_s - time.monotonic())
        return remaining_s if len(self._doors) == 1 else max(_LEAST_S, remaining_s / 2)

    def pause_after(self, error: grpc.RpcError) -> float:
        """Seconds to wait before the call is repeated; raises RefusedError or the error when it must not be."""
        remaining_s = self._deadline_s - time.monotonic()
        silent = len(self._doors) > 1 and error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        if (may_ask_again(error) or silent) and remaining_s > self._pause_s:
            turn_after(error, self._doors, self._door)
            pause_s, self._pause_s = self._pause_s, min(2 * self._pause_s, _LONGEST_PAUSE_S)
            return pause_s
        raise refused(error) from error


def turn_after(error: grpc.RpcError, doors: Doors, door: int) -> None:
    """The next call goes to the next door where this one leads nowhere; a node that only refuses stays asked."""
    answered = refused_of(error)
    if answered is None or answered.refusal in ("UNAVAILABLE", "FENCED"):
        doors.turn(door)


def refused(error: grpc.RpcError) -> RefusedError | grpc.RpcError:
    """The refusal an error carries, or the error itself."""
    return refused_of(error) or error
