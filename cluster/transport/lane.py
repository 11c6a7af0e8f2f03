"""Actors on Ray, spoken to directly: Ray makes, places, finds and ends their processes, a socket to each carries calls.

Addresses and public keys are exchanged through Ray, whose token only the node and its workers know
(docs/transports.md). A socket that breaks is the end of its process for us, whatever broke it: a call it never got
cannot be told from one whose answer was lost, so it is ended and another takes its place.
"""

import os
from collections.abc import Callable
from typing import Any

import zmq

from cluster.placement import Owners
from cluster.transport.gathering import Wire, gather
from cluster.transport.lane_host import LaneHost
from cluster.transport.lane_socket import OVER_LANES, Door, Keys, Lane, LaneSocket, Request, pack_owners
from cluster.transport.near_lane import IS_AT_HAND, NearDoor, NearSocket
from cluster.transport.ray import RayProcess, RayTransport, this_address, this_node

# Both ends prove their keys at once; on a machine that is busy with everybody's start it takes its time.
_GREETING_S = 10.0


def _open_lane(host: LaneHost, node_key: bytes, node: str, node_pid: int) -> Door | NearDoor:
    """In the actor's process: opens its lane where the node, on this Ray node, reaches it."""
    is_near = IS_AT_HAND and this_node() == node
    return host.open_near(node_pid) if is_near else host.open_lane(node_key, this_address())


class LaneProcess(RayProcess):
    """One process of an actor and the socket to it, which is connected before the first question."""

    wire: Wire = OVER_LANES

    def __init__(
        self,
        actor: str,
        handle: Any,
        stall_s: float,
        owners: Callable[[], Owners],
        context: "zmq.Context[Any]",
        keys: Keys,
    ) -> None:
        super().__init__(actor, handle, stall_s, owners)
        self._context = context
        self._keys = keys
        self._door = self.within(_open_lane, keys.public, this_node(), os.getpid())
        self._socket: Lane | None = None

    @property
    def socket(self) -> Lane:
        """Connected, once the process is up. Raises ActorLost."""
        if self._socket is None:
            (door,) = gather([(self, self._door)], self._stall_s, RayProcess.wire)
            patience_s = max(self._stall_s, _GREETING_S)
            if isinstance(door, NearDoor):
                self._socket = NearSocket(self.actor, door, patience_s)
            else:
                self._socket = LaneSocket(self._context, self._keys, self.actor, door, patience_s)
        return self._socket

    def ask(self, method: str, *arguments: Any) -> Request:
        """See `RayProcess`. Raises ActorLost."""
        return self.socket.send(method, [pack_owners(one) if isinstance(one, Owners) else one for one in arguments])

    def end(self) -> None:
        """See `RayProcess`."""
        super().end()
        if self._socket is not None:
            self._socket.close()


class LaneTransport(RayTransport):
    """See `RayTransport`. The node's key pair is made with it."""

    host = LaneHost
    wire: Wire = OVER_LANES

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._context: zmq.Context[Any] = zmq.Context()
        self._keys = Keys.fresh()

    def _process(self, actor: str, handle: Any) -> RayProcess:
        return LaneProcess(actor, handle, self._stall_s, lambda: self._owners, self._context, self._keys)

    def close(self) -> None:
        """Ends every actor, and the sockets."""
        super().close()
        self._context.destroy(linger=0)
