"""A lane to an actor on the node's own machine: a kernel socket between two processes, without a thread or a cipher.

Neither end has a secret. The kernel says which process of which user is at the other end, and either speaks only to
the one that Ray named: nobody else can be that process, and what they say goes through nobody else's hands.
"""

import os
import socket
import struct
from collections.abc import Sequence
from typing import NamedTuple

from cluster.transport.lane_socket import MOMENT_MS, NUMBER_BYTES, Lane
from cluster.transport.transport import ActorLost

# Heads: number and method of a request, length of its first argument, how many more; number, how, length of an answer.
_ASKED = struct.Struct(f"<{NUMBER_BYTES}scQI")
_ANSWERED = struct.Struct(f"<{NUMBER_BYTES}scQ")
_LENGTH = struct.Struct("<Q")
_CREDENTIALS = struct.Struct("iii")
_MOMENT = struct.pack("ll", 0, 1_000 * MOMENT_MS)
# So much is asked of the kernel at once.
_PIECE_BYTES = 8 << 20
_PENDING = 8
# Where the kernel does not say who is there, lanes of one machine are those between machines.
IS_AT_HAND = hasattr(socket, "SO_PEERCRED")
_GONE = (BrokenPipeError, ConnectionError)


class NearDoor(NamedTuple):
    """Where an actor's process serves its lane, a name only this machine knows, and its number; told through Ray."""

    address: bytes
    pid: int


def _peer(connection: socket.socket) -> tuple[int, int]:
    """(pid, uid) of the process at the other end, as the kernel noted them when they met."""
    noted = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(noted)
    return pid, uid


def listen() -> socket.socket:
    """A door under a name of the kernel's choice."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("")
    listener.listen(_PENDING)
    return listener


def admit(listener: socket.socket, pid: int) -> socket.socket:
    """Waits for this process of the same user and shuts the door; strangers are sent away before they say a word."""
    with listener:
        while True:
            connection, _ = listener.accept()
            if _peer(connection) == (pid, os.geteuid()):
                return connection
            connection.close()


def next_request(connection: socket.socket) -> tuple[bytes, bytes, list[bytes]]:
    """Number, method and arguments of the next request. Raises EOFError when nobody asks any more."""
    number, method, length, more = _ASKED.unpack(_exactly(connection, _ASKED.size))
    lengths = [length]
    if more:
        lengths += [size for (size,) in _LENGTH.iter_unpack(_exactly(connection, more * _LENGTH.size))]
    return number, method, [_exactly(connection, size) for size in lengths]


def reply(connection: socket.socket, number: bytes, how: bytes, answer: bytes) -> None:
    """Answers a request. Raises OSError where nobody is there any more."""
    connection.sendall(_ANSWERED.pack(number, how, len(answer)) + answer)


def _exactly(connection: socket.socket, count: int) -> bytes:
    pieces = []
    while count:
        piece = connection.recv(min(count, _PIECE_BYTES), socket.MSG_WAITALL)
        if not piece:
            raise EOFError
        pieces.append(piece)
        count -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class NearSocket(Lane):
    """The node's end. See `Lane`. What the kernel has no room for waits here until whoever waits sends it."""

    def __init__(self, actor: str, door: NearDoor, patience_s: float) -> None:
        """Connects and looks who is there. Raises ActorLost."""
        super().__init__(actor)
        self._unsent: list[memoryview] = []
        self._pieces: list[bytes] = []
        self._head: tuple[bytes, bytes] | None = None
        self._missing = _ANSWERED.size
        self._is_gone = False
        self._socket = connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(patience_s)
        try:
            connection.connect(door.address)
        except OSError as error:
            self.close()
            raise ActorLost(actor) from error
        found = _peer(connection)
        if found != (door.pid, os.geteuid()):
            self.close()
            how = f"is not who answers: process {found[0]} of user {found[1]} does, not {door.pid} of {os.geteuid()}"
            raise ActorLost(actor, how=how)
        connection.settimeout(None)
        for moment in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            connection.setsockopt(socket.SOL_SOCKET, moment, _MOMENT)

    @property
    def is_closed(self) -> bool:
        """See `Lane`."""
        return self._socket.fileno() < 0

    def _post(self, number: bytes, method: bytes, arguments: Sequence[bytes]) -> None:
        first, rest = b"".join(arguments[:1]), arguments[1:]
        head = _ASKED.pack(number, method, len(first), len(rest)) + b"".join(_LENGTH.pack(len(one)) for one in rest)
        self._unsent += [memoryview(one) for one in (head, first, *rest) if one]
        self._push()
        if self._is_gone:
            raise ActorLost(self._actor)

    def _push(self) -> None:
        """Sends what waits, for a moment: whoever does not read is waited for no longer."""
        while self._unsent and not self._is_gone:
            try:
                sent = self._socket.sendmsg(self._unsent[:_PENDING])
            except BlockingIOError:
                return
            except _GONE:
                self._is_gone = True
                return
            while self._unsent and sent >= len(self._unsent[0]):
                sent -= len(self._unsent.pop(0))
            if sent:
                self._unsent[0] = self._unsent[0][sent:]
                return

    def _receive(self) -> bool:
        if self._unsent:
            self._push()
        while True:
            if not self._read():
                return False
            said = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            self._pieces.clear()
            if self._head is None:
                number, how, self._missing = _ANSWERED.unpack(said)
                self._head = (number, how)
                continue
            back, self._head, self._missing = [b"".join(self._head), said], None, _ANSWERED.size
            self._take(back)
            return True

    def _read(self) -> bool:
        """Reads what is missing of a head or an answer; whether it is all there after a moment.

        Where something waits to be sent, sending it took the moment.
        """
        patience = socket.MSG_DONTWAIT if self._unsent else socket.MSG_WAITALL
        while self._missing:
            try:
                piece = self._socket.recv(min(self._missing, _PIECE_BYTES), patience)
            except BlockingIOError:
                return False
            except _GONE:
                piece = b""
            if not piece:
                self._is_gone = True
                return False
            self._pieces.append(piece)
            self._missing -= len(piece)
        return True

    def _is_broken(self) -> bool:
        if not self._is_gone:
            try:
                self._is_gone = self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
            except BlockingIOError:
                return False
            except _GONE:
                self._is_gone = True
        return self._is_gone

    def _close(self) -> None:
        self._socket.close()
