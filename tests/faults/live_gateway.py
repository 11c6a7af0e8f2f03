"""A gateway as an operator runs it: `breakwater gateway` in a process of its own, in front of nodes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import grpc

from tests.faults.live_process import LOOPBACK, PATIENCE_S, LiveProcess, breakwater, free_port


class LiveGateway(LiveProcess):
    """One gateway at a time on one port."""

    def __init__(self, nodes: Sequence[str], log: Path) -> None:
        """`nodes` are addresses of nodes. Nothing is started yet."""
        super().__init__(log)
        self._nodes = nodes
        self.address = f"{LOOPBACK}:{free_port()}"

    def start(self) -> Self:
        """Starts the process, until its port takes connections. Raises ProcessEnded, NotInTime."""
        nodes = [word for node in self._nodes for word in ("--node", node)]
        self.begin(breakwater("gateway", "--listen", self.address, *nodes), {})
        self.until(self._listens, f"the gateway of {self.log.name} to listen", PATIENCE_S)
        return self

    def _listens(self) -> bool:
        with grpc.insecure_channel(self.address) as channel:
            try:
                grpc.channel_ready_future(channel).result(timeout=0.5)
            except grpc.FutureTimeoutError:
                return False
        return True
