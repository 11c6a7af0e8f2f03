"""The node's end of a lane: one socket to one process of an actor; to another machine with CURVE keys on both ends.

A key pair is made anew for every process and kept nowhere. The node knows the actor's key from Ray and talks to nobody
else under its address; the actor serves the node's key and nobody else (`cluster.transport.lane_host`).
"""

import json
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from threading import Lock
from typing import Any, NamedTuple

import zmq
from zmq.utils.monitor import recv_monitor_message

from cluster.placement import Owners
from cluster.transport.gathering import Asked
from cluster.transport.transport import ActorLost

# A request begins with its number and a byte for the method, an answer with the same number and one of the last two.
# What is said stands behind it in the same piece of the message, since every piece costs; long answers have their own.
NUMBER_BYTES = 8
HEAD_BYTES = NUMBER_BYTES + 1
METHODS = {"apply": b"a", "query": b"q", "snapshot": b"s", "restore": b"r", "replay": b"p"}
DONE, FAILED = b"+", b"-"
LONG_BYTES = 1 << 20
# No message is larger, protobuf's own limit: a stranger who announces more before he shows a key is cut off.
MAX_MESSAGE_BYTES = 2 << 30
# So long is the moment after which whoever waits for an answer looks whether the process is still there.
MOMENT_MS = 5
_CONNECTED = zmq.EVENT_HANDSHAKE_SUCCEEDED
_NOBODY = zmq.EVENT_CONNECT_RETRIED | zmq.EVENT_CLOSED
_STRANGER = zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH
_BROKEN = zmq.EVENT_DISCONNECTED | _NOBODY | _STRANGER


class ActorFailed(Exception):
    """An actor raised this while it carried out what it was asked; it lives on. Its traceback is a note of it."""


class Keys(NamedTuple):
    """A CURVE key pair, as text of 40 characters each."""

    public: bytes
    secret: bytes

    @classmethod
    def fresh(cls) -> "Keys":
        """A pair nobody has seen."""
        return cls(*zmq.curve_keypair())


class Door(NamedTuple):
    """Where an actor's process serves its lane, and the public key it proves there; told through Ray."""

    endpoint: str
    public: bytes


class Request:
    """One request on its way, and the message that came back."""

    def __init__(self, number: bytes) -> None:
        self.number = number
        self.back: list[bytes] = []

    def answer(self, actor: str) -> bytes:
        """What came back. Raises ActorFailed."""
        head = self.back[0]
        body = self.back[1] if len(self.back) > 1 else head[HEAD_BYTES:]
        if head[NUMBER_BYTES:HEAD_BYTES] == DONE:
            return body
        kind, text, traceback = json.loads(body)
        error = ActorFailed(f"actor {actor} failed: {kind}: {text}")
        error.add_note(traceback)
        raise error


def pack_owners(owners: Owners) -> bytes:
    """A placement, to travel beside parts of a cut."""
    return json.dumps([owners.shards, *owners.of_bucket]).encode()


def unpack_owners(packed: bytes) -> Owners:
    """What `pack_owners` packed."""
    shards, *of_bucket = json.loads(packed)
    return Owners(shards, tuple(of_bucket))


class Lane(ABC):
    """Requests are numbered and answered in their order. One thread uses it at a time; any thread may close it."""

    def __init__(self, actor: str) -> None:
        self._actor = actor
        self._using = Lock()
        self._sent = 0
        self._open: deque[Request] = deque()

    @property
    @abstractmethod
    def is_closed(self) -> bool:
        """Whether it was closed from this end."""

    def send(self, method: str, arguments: Sequence[bytes]) -> Request:
        """Sends a request. Raises ActorLost where nobody is there any more."""
        with self._using:
            if self.is_closed:
                raise ActorLost(self._actor)
            self._sent += 1
            request = Request(self._sent.to_bytes(NUMBER_BYTES, "little"))
            self._post(request.number, METHODS[method], arguments)
            self._open.append(request)
            return request

    def wait(self, request: Request) -> bool:
        """Waits a moment for what comes back; whether it is there.

        What comes back for an earlier request, for which nobody waits any more, is taken off the way.
        """
        while not request.back:
            with self._using:
                if self.is_closed or not self._receive():
                    return False
        return True

    def _take(self, back: list[bytes]) -> None:
        """Something came back."""
        request = self._open.popleft()
        assert back[0].startswith(request.number), f"actor {self._actor} answers what it was not asked"
        request.back = back

    def push(self) -> None:
        """Sends on what there was no room for, where that is not done elsewhere."""
        with self._using:
            if not self.is_closed:
                self._push()

    def is_broken(self) -> bool:
        """Whether nobody is at the other end any more."""
        with self._using:
            return self.is_closed or self._is_broken()

    def close(self) -> None:
        """Whatever is still on its way is nobody's."""
        with self._using:
            if not self.is_closed:
                self._close()

    @abstractmethod
    def _post(self, number: bytes, method: bytes, arguments: Sequence[bytes]) -> None:
        """Puts a request on its way. Raises ActorLost."""

    @abstractmethod
    def _push(self) -> None: ...

    @abstractmethod
    def _receive(self) -> bool:
        """Takes what comes back within a moment; whether anything whole did."""

    @abstractmethod
    def _is_broken(self) -> bool: ...

    @abstractmethod
    def _close(self) -> None: ...


class LaneSocket(Lane):
    """A lane to an actor on another machine."""

    def __init__(self, context: "zmq.Context[Any]", keys: Keys, actor: str, door: Door, patience_s: float) -> None:
        """Connects and waits until both ends have proved their keys. Raises ActorLost."""
        super().__init__(actor)
        self._socket = socket = context.socket(zmq.DEALER)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.SNDHWM, 0)
        socket.setsockopt(zmq.RCVHWM, 0)
        socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
        socket.setsockopt(zmq.RCVTIMEO, MOMENT_MS)
        socket.setsockopt(zmq.RECONNECT_IVL, -1)  # whoever is gone is not met again at this address
        socket.curve_publickey, socket.curve_secretkey = keys
        socket.curve_serverkey = door.public
        self._monitor = socket.get_monitor_socket(_CONNECTED | _BROKEN)
        socket.connect(door.endpoint)
        event = recv_monitor_message(self._monitor)["event"] if self._monitor.poll(int(1000 * patience_s)) else 0
        if event != _CONNECTED:
            self.close()
            if event & _NOBODY:
                raise ActorLost(actor)
            why = "does not prove its key" if event else f"does not answer for {patience_s:g} s"
            raise ActorLost(actor, how=f"{why} at {door.endpoint}")

    @property
    def is_closed(self) -> bool:
        """See `Lane`."""
        return self._socket.closed

    def _post(self, number: bytes, method: bytes, arguments: Sequence[bytes]) -> None:
        first, rest = b"".join(arguments[:1]), arguments[1:]
        try:
            self._socket.send_multipart([number + method + first, *rest], zmq.NOBLOCK)
        except zmq.Again as error:
            raise ActorLost(self._actor) from error

    def _push(self) -> None:
        """ZeroMQ's thread does that."""

    def _receive(self) -> bool:
        try:
            self._take(self._socket.recv_multipart())
        except zmq.Again:
            return False
        return True

    def _is_broken(self) -> bool:
        return bool(self._monitor.poll(0))

    def _close(self) -> None:
        self._socket.disable_monitor()
        self._monitor.close(0)
        self._socket.close(0)


class LaneCalls:
    """Answers travel on sockets; a request is known by what its socket made of it. See `Wire`."""

    def get(self, requests: Sequence[Asked], timeout_s: float) -> list[Any] | None:
        """See `Wire`."""
        until_s = time.monotonic() + timeout_s
        for process, request in requests:
            while not process.socket.wait(request):
                late = self.late(requests)
                for owes in late:
                    owes.socket.push()
                lost = [owes.actor for owes in late if owes.socket.is_broken()]
                if lost:
                    raise ActorLost(lost[0], lost[1:])
                if time.monotonic() >= until_s:
                    return None
        return [request.answer(process.actor) for process, request in requests]

    def late(self, requests: Sequence[Asked]) -> list[Any]:
        """See `Wire`."""
        return [process for process, request in requests if not request.back]


OVER_LANES = LaneCalls()
