"""When a call is sent again. Reads and commands with a request key are safe to repeat; nothing else is."""

from __future__ import annotations

import time
from typing import Final

import grpc

from node.client.errors import RefusedError, may_ask_again, refused_of

_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0


class Attempts:
    """The attempts of one call within its time."""

    def __init__(self, timeout_s: float) -> None:
        """The clock starts now."""
        self._deadline_s = time.monotonic() + timeout_s
        self._pause_s = _FIRST_PAUSE_S

    @property
    def remaining_s(self) -> float:
        """Time left, at least a moment so that the last attempt fails by itself."""
        return max(0.001, self._deadline_s - time.monotonic())

    def pause_after(self, error: grpc.RpcError) -> float:
        """Seconds to wait before the call is repeated; raises RefusedError or the error when it must not be."""
        if may_ask_again(error) and self.remaining_s > self._pause_s:
            pause_s, self._pause_s = self._pause_s, min(2 * self._pause_s, _LONGEST_PAUSE_S)
            return pause_s
        raise refused(error) from error


def refused(error: grpc.RpcError) -> RefusedError | grpc.RpcError:
    """The refusal an error carries, or the error itself."""
    return refused_of(error) or error
