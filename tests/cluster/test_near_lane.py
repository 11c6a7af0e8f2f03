"""A lane between two processes of one machine: who is let in, what travels, what waits, and how an end is seen."""

import os
import signal
import socket as sockets
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from multiprocessing import get_context
from multiprocessing.connection import Connection
from subprocess import run
from typing import Any

import pytest

from cluster.placement import even
from cluster.topology import shard_name
from cluster.transport.lane_host import LaneHost
from cluster.transport.lane_socket import METHODS, OVER_LANES, ActorFailed, Request, pack_owners
from cluster.transport.near_lane import NearDoor, NearSocket
from cluster.transport.transport import ActorLost
from tests.cluster.story import PATIENCE_S
from tests.cluster.test_lane import LET_GO, TESTED, Slow, shard_call
from tests.striking import strike

# More than the kernel keeps for a socket nobody reads.
LARGE = 20 << 20


@pytest.fixture(autouse=True)
def more_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, byte in TESTED.items():
        monkeypatch.setitem(METHODS, name, byte)


def _open() -> NearDoor:
    return Slow(shard_name(0), even(1)).open_near(os.getpid())


@pytest.fixture
def socket() -> Iterator[NearSocket]:
    with closing(NearSocket("shard/0", _open(), PATIENCE_S)) as made:
        yield made


def ask(socket: NearSocket, method: str, *arguments: bytes) -> bytes:
    return answer(socket, socket.send(method, arguments))


def answer(socket: NearSocket, request: Request) -> bytes:
    deadline_s = time.monotonic() + PATIENCE_S
    while not socket.wait(request):
        assert time.monotonic() < deadline_s
    return request.answer("shard/0")


def test_an_actor_answers_as_it_would_here(socket: NearSocket) -> None:
    here = LaneHost(shard_name(0), even(1))
    assert ask(socket, "restore", pack_owners(even(1)), here.snapshot()) == b""
    assert ask(socket, "apply", shard_call(1)) == here.apply(shard_call(1))
    assert ask(socket, "query", b"") == here.query(b"")
    assert ask(socket, "replay", shard_call(2), shard_call(3)) == b""
    here.replay(shard_call(2), shard_call(3))
    assert ask(socket, "snapshot") == here.snapshot()


def test_what_an_actor_raises_comes_back_and_the_actor_lives_on(socket: NearSocket) -> None:
    with pytest.raises(ActorFailed, match="actor shard/0 failed: ArithmeticError: no such sum") as failed:
        ask(socket, "fail")
    assert "in _fail" in failed.value.__notes__[0]
    assert ask(socket, "say", b"on") == b"on"


def test_requests_are_carried_out_in_their_order_and_late_answers_are_nobodys(socket: NearSocket) -> None:
    given_up = socket.send("hold", [])
    assert not socket.wait(given_up)
    LET_GO.set()
    assert ask(socket, "say", b"next") == b"next"
    LET_GO.clear()
    assert ask(socket, "said") == b"held next"


def test_large_messages_travel_though_neither_end_reads_at_first(socket: NearSocket) -> None:
    words = [os.urandom(LARGE), os.urandom(LARGE)]
    requests = [socket.send("say", [word]) for word in words]
    assert [answer(socket, request) for request in reversed(requests)] == words[::-1]


def test_what_waits_for_one_is_sent_while_another_is_waited_for() -> None:
    sockets_of = {name: NearSocket(name, _open(), PATIENCE_S) for name in ("shard/0", "shard/1")}
    asked: list[tuple[Any, Request]] = []
    for name, one in sockets_of.items():
        process = type("Process", (), {"actor": name, "socket": one})()
        asked += [(process, one.send("say", [os.urandom(LARGE), b"0.1"])), (process, one.send("say", [name.encode()]))]
    answers = OVER_LANES.get(asked, PATIENCE_S)
    assert answers is not None and answers[1::2] == [b"shard/0", b"shard/1"]
    for one in sockets_of.values():
        one.close()


def test_a_stranger_is_sent_away_unheard() -> None:
    """Another process of the same user; the node comes in after it."""
    door = _open()
    knock = (
        "import socket, sys\n"
        "knocking = socket.socket(socket.AF_UNIX)\n"
        f"knocking.connect({door.address!r})\n"
        f"knocking.settimeout({PATIENCE_S})\n"
        "try:\n"
        "    knocking.sendall(bytes(100))\n"
        "    print(knocking.recv(1))\n"
        "except ConnectionError:\n"
        "    print(b'')\n"
    )
    stranger = run([sys.executable, "-c", knock], capture_output=True, text=True, timeout=2 * PATIENCE_S, check=True)
    assert stranger.stdout.strip() == "b''"
    with closing(NearSocket("shard/0", door, PATIENCE_S)) as socket:
        assert ask(socket, "say", b"heard") == b"heard"
    with pytest.raises(ActorLost, match="actor shard/0 is gone"):  # the door is shut behind the node
        NearSocket("shard/0", door, PATIENCE_S)


def test_the_node_speaks_to_nobody_but_the_actor() -> None:
    with sockets.socket(sockets.AF_UNIX) as impostor:
        impostor.bind("")
        impostor.listen()
        door = NearDoor(impostor.getsockname(), os.getpid() + 1)
        with pytest.raises(ActorLost, match=f"process {os.getpid()} of user .* does, not {os.getpid() + 1}"):
            NearSocket("shard/0", door, PATIENCE_S)


def _serve_alone(pipe: Connection, node_pid: int) -> None:
    pipe.send(Slow(shard_name(0), even(1)).open_near(node_pid))
    threading.Event().wait()


class Away:
    """A lane's other end in a process of its own."""

    def __init__(self, actor: str) -> None:
        spawning = get_context("spawn")
        here, there = spawning.Pipe()
        self.actor = actor
        self.process = spawning.Process(target=_serve_alone, args=(there, os.getpid()), daemon=True)
        self.process.start()
        assert here.poll(PATIENCE_S)
        self.socket = NearSocket(actor, here.recv(), PATIENCE_S)

    def strike(self, how: signal.Signals) -> None:
        assert self.process.pid is not None
        strike(self.process.pid, how)


def test_a_killed_process_is_lost_at_once_while_another_works(socket: NearSocket) -> None:
    killed = Away("shard/1")
    working: Any = type("Working", (), {"actor": "shard/0", "socket": socket})()
    requests = [(working, socket.send("hold", [])), (killed, killed.socket.send("hold", []))]
    assert OVER_LANES.get(requests, 0.05) is None
    killed.strike(signal.SIGKILL)
    with pytest.raises(ActorLost, match="actor shard/1 is gone"):
        OVER_LANES.get(requests, PATIENCE_S)
    LET_GO.set()
    assert answer(socket, requests[0][1]) == b"held"
    LET_GO.clear()
    killed.process.join(PATIENCE_S)
    with pytest.raises(ActorLost, match="actor shard/1 is gone"):
        OVER_LANES.get([(killed, killed.socket.send("say", [b"anybody?"]))], PATIENCE_S)
    killed.socket.close()
    with pytest.raises(ActorLost):
        killed.socket.send("say", [b"closed"])
    assert killed.socket.is_broken()


def test_whoever_is_stopped_is_not_waited_for_while_he_is_sent_to() -> None:
    """The stall rule decides what becomes of him, so nobody may hang in the sending."""
    stopped = Away("shard/0")
    stopped.strike(signal.SIGSTOP)
    begun_s = time.monotonic()
    request = stopped.socket.send("say", [bytes(LARGE)])
    assert OVER_LANES.get([(stopped, request)], 0.1) is None
    assert time.monotonic() - begun_s < PATIENCE_S / 2
    stopped.strike(signal.SIGCONT)
    assert len(answer(stopped.socket, request)) == LARGE
    stopped.strike(signal.SIGKILL)
    stopped.socket.close()
