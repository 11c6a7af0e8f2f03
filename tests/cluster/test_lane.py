"""A lane without Ray: who is let in, in which order it is served, what comes back, and how an end is seen."""

import os
import signal
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import pytest
import zmq
from zmq.utils.monitor import recv_monitor_message

from actors.contract import NO_HASH
from breakwater.v1 import batches_pb2 as batches
from cluster.placement import Owners, even, moved
from cluster.topology import shard_name
from cluster.transport.lane_host import LaneHost
from cluster.transport.lane_socket import (
    METHODS,
    NUMBER_BYTES,
    OVER_LANES,
    ActorFailed,
    Door,
    Keys,
    LaneSocket,
    Request,
    pack_owners,
    unpack_owners,
)
from cluster.transport.transport import ActorLost
from tests.cluster.story import PATIENCE_S

LOOPBACK = "127.0.0.1"
NODE = Keys.fresh()
LET_GO = threading.Event()
# What the actor of these tests can do beside what every actor can.
TESTED = {"say": b"1", "hold": b"2", "fail": b"3", "said": b"4", "what nobody can": b"5"}


@pytest.fixture(scope="module", autouse=True)
def more_methods() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, byte in TESTED.items():
            patch.setitem(METHODS, name, byte)
        yield


@pytest.fixture(scope="module")
def context() -> Iterator["zmq.Context[Any]"]:
    made: zmq.Context[Any] = zmq.Context()
    yield made
    made.destroy(linger=0)


class Slow(LaneHost):
    """An actor that takes its time, and says in which order it was asked."""

    def __init__(self, name: str, owners: Owners) -> None:
        super().__init__(name, owners)
        self._said: list[bytes] = []
        self._methods |= {
            TESTED["say"]: self._say,
            TESTED["hold"]: self._hold,
            TESTED["fail"]: self._fail,
            TESTED["said"]: lambda nothing: b" ".join(self._said),
        }

    def _say(self, word: bytes, after_s: bytes = b"0") -> bytes:
        time.sleep(float(after_s))
        self._said.append(word)
        return word

    def _hold(self, _: bytes) -> bytes:
        return self._say(b"held") if LET_GO.wait(PATIENCE_S) else b""

    def _fail(self, _: bytes) -> bytes:
        raise ArithmeticError("no such sum")


@pytest.fixture(scope="module")
def door() -> Door:
    """An actor's lane in this process."""
    return Slow(shard_name(0), even(1)).open_lane(NODE.public, LOOPBACK)


@pytest.fixture
def socket(context: "zmq.Context[Any]", door: Door) -> Iterator[LaneSocket]:
    with closing(LaneSocket(context, NODE, "shard/0", door, PATIENCE_S)) as made:
        yield made


def answer(socket: LaneSocket, request: Request) -> bytes:
    deadline_s = time.monotonic() + PATIENCE_S
    while not socket.wait(request):
        assert time.monotonic() < deadline_s
    return request.answer("shard/0")


def ask(socket: LaneSocket, method: str, *arguments: bytes) -> bytes:
    return answer(socket, socket.send(method, arguments))


def shard_call(height: int) -> bytes:
    header = batches.CallHeader(height=height, frame_hash=bytes([height] * 32), previous_frame_hash=NO_HASH)
    if height > 1:
        header.previous_height, header.previous_frame_hash = height - 1, bytes([height - 1] * 32)
    return batches.ShardCall(header=header).SerializeToString()


def test_an_actor_answers_through_a_lane_as_it_would_here(socket: LaneSocket) -> None:
    here = LaneHost(shard_name(0), even(1))
    assert ask(socket, "restore", pack_owners(even(1)), here.snapshot()) == b""
    assert ask(socket, "apply", shard_call(1)) == here.apply(shard_call(1))
    assert ask(socket, "apply", shard_call(1)) == here.apply(shard_call(1))
    query = batches.ShardQuery(accounts=batches.AccountQuery(venue=1)).SerializeToString()
    assert ask(socket, "query", query) == here.query(query)
    assert ask(socket, "query", b"") == here.query(b"")
    assert ask(socket, "restore", pack_owners(even(1)), here.snapshot()) == b""
    assert ask(socket, "replay", shard_call(2), shard_call(3)) == b""
    here.replay(shard_call(2), shard_call(3))
    assert ask(socket, "snapshot") == here.snapshot()


def test_a_placement_travels_whole() -> None:
    owners = moved(even(3), [4, 7], 2)
    assert unpack_owners(pack_owners(owners)) == owners


def test_what_an_actor_raises_comes_back_with_its_traceback_and_the_actor_lives_on(socket: LaneSocket) -> None:
    with pytest.raises(ActorFailed, match="actor shard/0 failed: ArithmeticError: no such sum") as failed:
        ask(socket, "fail")
    assert "in _fail" in failed.value.__notes__[0]
    with pytest.raises(ActorFailed, match="KeyError"):
        ask(socket, "what nobody can")
    assert ask(socket, "say", b"on") == b"on"


def test_requests_are_carried_out_in_their_order_and_late_answers_are_nobodys(socket: LaneSocket) -> None:
    given_up = socket.send("hold", [])
    assert not socket.wait(given_up)
    LET_GO.set()
    assert ask(socket, "say", b"next") == b"next"
    LET_GO.clear()
    assert ask(socket, "said").endswith(b"held next")


def test_a_large_message_travels_both_ways(socket: LaneSocket) -> None:
    large = os.urandom(20 << 20)
    assert ask(socket, "say", large) == large


def _knock(context: "zmq.Context[Any]", door: Door, keys: Keys | None, served: bytes) -> tuple[int, bool]:
    """What becomes of a stranger's knock: the event his socket sees, and whether anything comes back."""
    stranger = context.socket(zmq.DEALER)
    stranger.linger = 0
    if keys is not None:
        stranger.curve_publickey, stranger.curve_secretkey = keys
        stranger.curve_serverkey = served
    failures = zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_DISCONNECTED
    monitor = stranger.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | failures)
    try:
        stranger.connect(door.endpoint)
        with suppress(zmq.Again):  # he may have been turned away by now
            stranger.send_multipart([bytes(NUMBER_BYTES) + TESTED["say"] + b"stranger"], zmq.NOBLOCK)
        assert monitor.poll(int(1000 * PATIENCE_S))
        return recv_monitor_message(monitor)["event"], bool(stranger.poll(100))
    finally:
        stranger.disable_monitor()
        monitor.close()
        stranger.close()


def test_a_stranger_is_heard_by_nobody(context: "zmq.Context[Any]", door: Door, socket: LaneSocket) -> None:
    other = Keys.fresh()
    knocks = {
        "no key": _knock(context, door, None, door.public),
        "another key than the node's": _knock(context, door, other, door.public),
        "the node's key for another server": _knock(context, door, NODE, other.public),
        "the node's public key without its secret": _knock(context, door, Keys(NODE.public, other.secret), door.public),
    }
    assert zmq.EVENT_HANDSHAKE_SUCCEEDED not in {event for event, _ in knocks.values()}, knocks
    assert not any(answered for _, answered in knocks.values()), knocks
    assert knocks["another key than the node's"][0] == zmq.EVENT_HANDSHAKE_FAILED_AUTH
    assert b"stranger" not in ask(socket, "said")


def test_the_node_speaks_to_nobody_but_the_actor(context: "zmq.Context[Any]", door: Door) -> None:
    impostor = Door(door.endpoint, Keys.fresh().public)
    with pytest.raises(ActorLost, match=r"actor shard/0 (does not prove its key at tcp://|is gone)"):
        LaneSocket(context, NODE, "shard/0", impostor, PATIENCE_S)
    with socketserver.TCPServer((LOOPBACK, 0), socketserver.BaseRequestHandler, bind_and_activate=False) as nobody:
        nobody.server_bind()  # and never listens: whoever had the address is gone
        address = f"tcp://{LOOPBACK}:{nobody.server_address[1]}"
        with pytest.raises(ActorLost, match="actor shard/0 is gone"):
            LaneSocket(context, NODE, "shard/0", Door(address, door.public), PATIENCE_S)
        nobody.server_activate()  # and never says a word
        with pytest.raises(ActorLost, match=f"actor shard/0 does not answer for 0.2 s at {address}"):
            LaneSocket(context, NODE, "shard/0", Door(address, door.public), 0.2)


def test_every_process_has_keys_of_its_own() -> None:
    doors = [LaneHost("coordinator", even(1)).open_lane(NODE.public, LOOPBACK) for _ in range(2)]
    assert len({door.public for door in doors}) == len({door.endpoint for door in doors}) == 2
    assert all(door.endpoint.startswith(f"tcp://{LOOPBACK}:") for door in doors)


def _serve_alone(pipe: Connection, node_key: bytes) -> None:
    pipe.send(Slow(shard_name(0), even(1)).open_lane(node_key, LOOPBACK))
    threading.Event().wait()


class Away:
    """A lane's other end in a process of its own."""

    def __init__(self, context: "zmq.Context[Any]", actor: str) -> None:
        spawning = get_context("spawn")
        here, there = spawning.Pipe()
        self.actor = actor
        self.process: BaseProcess = spawning.Process(target=_serve_alone, args=(there, NODE.public), daemon=True)
        self.process.start()
        assert here.poll(PATIENCE_S)
        self.socket = LaneSocket(context, NODE, actor, here.recv(), PATIENCE_S)

    def strike(self, how: signal.Signals) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, how)


def test_a_killed_process_is_lost_at_once_while_another_works(context: "zmq.Context[Any]", door: Door) -> None:
    killed = Away(context, "shard/1")
    with closing(LaneSocket(context, NODE, "shard/0", door, PATIENCE_S)) as socket:
        working: Any = type("Working", (), {"actor": "shard/0", "socket": socket})()
        requests = [
            (working, socket.send("hold", [])),
            (killed, killed.socket.send("hold", [])),
        ]
        assert OVER_LANES.get(requests, 0.05) is None
        assert [process.actor for process in OVER_LANES.late(requests)] == ["shard/0", "shard/1"]
        killed.strike(signal.SIGKILL)
        with pytest.raises(ActorLost, match="actor shard/1 is gone"):
            OVER_LANES.get(requests, PATIENCE_S)
        assert [process.actor for process in OVER_LANES.late(requests)] == ["shard/0", "shard/1"]  # it works on
        LET_GO.set()
        assert answer(socket, requests[0][1]) == b"held"
    LET_GO.clear()
    killed.socket.close()
    with pytest.raises(ActorLost):
        killed.socket.send("say", [b"closed"])
    assert killed.socket.is_broken() and not killed.socket.wait(requests[1][1])


def test_a_request_to_whoever_is_gone_is_lost_too(context: "zmq.Context[Any]") -> None:
    away = Away(context, "shard/0")
    with closing(away.socket) as socket:
        away.strike(signal.SIGKILL)
        away.process.join(PATIENCE_S)
        with pytest.raises(ActorLost, match="actor shard/0 is gone"):
            OVER_LANES.get([(away, socket.send("say", [b"anybody?"]))], PATIENCE_S)
