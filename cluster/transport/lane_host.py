"""The actor's end of a lane: a thread that serves one socket, and opens it to one key alone.

Everything an actor is asked comes through the socket, so it is carried out in the order it was sent. Ray's own thread
stays free; the process is started, found and ended through Ray as any other.
"""

import json
import os
import signal
import socket as sockets
import traceback
from collections.abc import Callable
from threading import Thread
from typing import Any

import zmq
from zmq.auth.thread import ThreadAuthenticator

from cluster.placement import Owners
from cluster.transport import near_lane
from cluster.transport.actor_host import ActorHost
from cluster.transport.lane_socket import (
    DONE,
    FAILED,
    HEAD_BYTES,
    LONG_BYTES,
    MAX_MESSAGE_BYTES,
    METHODS,
    NUMBER_BYTES,
    Door,
    Keys,
    unpack_owners,
)

# Who proves a key that is not the node's, or none, is turned away before a word of his is read.
_DOMAIN = "lane"


class _OnlyOne:
    """Knows one client."""

    def __init__(self, public: bytes) -> None:
        self._public = public

    def callback(self, domain: str, key: bytes) -> bool:
        """Whether this key may come in."""
        return key == self._public


class LaneHost(ActorHost):
    """One actor, alone in its process, reached through a lane."""

    def __init__(self, name: str, owners: Owners) -> None:
        super().__init__(name, owners)
        self._methods: dict[bytes, Callable[..., bytes | None]] = {
            METHODS["apply"]: self.apply,
            METHODS["query"]: self.query,
            METHODS["snapshot"]: lambda nothing: self.snapshot(),
            METHODS["restore"]: lambda owners, *parts: self.restore(unpack_owners(owners), *parts),
            METHODS["replay"]: self.replay,
        }

    def open_lane(self, node_key: bytes, address: str) -> Door:
        """Begins to serve whoever proves this public key, at a free port of this address of the machine."""
        keys = Keys.fresh()
        context: zmq.Context[Any] = zmq.Context()
        self._door_keeper = door_keeper = ThreadAuthenticator(context)
        door_keeper.configure_curve_callback(_DOMAIN, _OnlyOne(node_key))
        door_keeper.start()
        socket = context.socket(zmq.ROUTER)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.SNDHWM, 0)
        socket.setsockopt(zmq.RCVHWM, 0)
        socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)  # without its keeper the door is shut, not open
        socket.zap_domain = _DOMAIN.encode()
        socket.curve_server = True
        socket.curve_publickey, socket.curve_secretkey = keys
        socket.bind(f"tcp://{address}:*")
        endpoint = socket.getsockopt(zmq.LAST_ENDPOINT).decode()
        Thread(target=self._serve, args=(socket,), name="lane", daemon=True).start()
        return Door(endpoint, keys.public)

    def open_near(self, node_pid: int) -> near_lane.NearDoor:
        """Begins to serve this process of the same machine and user, and no other."""
        listener = near_lane.listen()
        Thread(target=self._serve_near, args=(listener, node_pid), name="lane", daemon=True).start()
        return near_lane.NearDoor(listener.getsockname(), os.getpid())

    def _serve_near(self, listener: sockets.socket, node_pid: int) -> None:
        """As `_serve`, until nobody asks any more."""
        try:
            with near_lane.admit(listener, node_pid) as connection:
                while True:
                    number, method, arguments = near_lane.next_request(connection)
                    near_lane.reply(connection, number, *self._carry_out(method, arguments))
        except (EOFError, ConnectionError):
            return
        except BaseException:
            os.kill(os.getpid(), signal.SIGKILL)

    def _serve(self, socket: "zmq.Socket[bytes]") -> None:
        """One request after the other. What is no fault of the request ends the process, which the node sees."""
        try:
            while True:
                peer, first, *rest = socket.recv_multipart()
                number, method = first[:NUMBER_BYTES], first[NUMBER_BYTES:HEAD_BYTES]
                how, answer = self._carry_out(method, [first[HEAD_BYTES:], *rest])
                head = number + how
                socket.send_multipart([peer, head, answer] if len(answer) > LONG_BYTES else [peer, head + answer])
        finally:
            os.kill(os.getpid(), signal.SIGKILL)

    def _carry_out(self, method: bytes, arguments: list[bytes]) -> tuple[bytes, bytes]:
        try:
            return DONE, self._methods[method](*arguments) or b""
        except Exception as error:
            return FAILED, json.dumps([type(error).__name__, str(error), traceback.format_exc()]).encode()
