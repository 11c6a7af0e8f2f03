"""The way to the node survives its death: the same request goes out again, to a node started again."""

from pathlib import Path
from typing import Any

import grpc
import pytest

from breakwater.v1 import admin_pb2
from node.client import RefusedError
from node.load import link as link_module
from node.load.child import ChildError, ChildSettings, NodeChild
from node.load.driver import ReplayError
from node.load.link import RESTARTS_MAX, NodeLink

REQUEST = admin_pb2.SealBlockRequest(block_time_ms=7)


class Lost(grpc.RpcError):
    """What a call on a broken connection raises."""

    def __init__(self, code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE) -> None:
        super().__init__()
        self._code = code

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return "gone"

    def trailing_metadata(self) -> tuple[()]:
        return ()


class FakeChild:
    """A node process that never was."""

    def __init__(self) -> None:
        self.alive = False
        self.starts = 0

    def start(self) -> str:
        self.alive = True
        self.starts += 1
        return f"127.0.0.1:{self.starts}"

    def stop(self) -> None:
        self.alive = False

    def dev_key(self, role: str) -> str:
        return f"key of {role}"


class FakeNode:
    """Stands in for the client; `script` says what each SealBlock raises, None for an answer."""

    def __init__(self, child: FakeChild, script: list[Exception | None], dies: bool) -> None:
        self.child, self.script, self.dies = child, script, dies
        self.seen: list[tuple[str, admin_pb2.SealBlockRequest]] = []

    def client(self, address: str, api_key: str, timeout_s: float) -> Any:
        node = self

        class Client:
            class admin:
                @staticmethod
                def SealBlock(request: admin_pb2.SealBlockRequest, timeout: float) -> admin_pb2.SealBlockResponse:
                    return node.seal(address, request)

            @staticmethod
            def close() -> None: ...

        assert api_key == "key of dev"
        return Client

    def seal(self, address: str, request: admin_pb2.SealBlockRequest) -> admin_pb2.SealBlockResponse:
        self.seen.append((address, request))
        error = self.script.pop(0)
        if error is not None:
            self.child.alive = not self.dies
            raise error
        return admin_pb2.SealBlockResponse(height=9)


def _link(monkeypatch: pytest.MonkeyPatch, script: list[Exception | None], dies: bool) -> tuple[NodeLink, FakeNode]:
    child = FakeChild()
    node = FakeNode(child, script, dies)
    monkeypatch.setattr(link_module, "Client", node.client)
    monkeypatch.setattr(link_module, "_PAUSE_S", 0.001)
    return NodeLink(child), node  # type: ignore[arg-type]


def test_a_dead_node_is_started_again_and_asked_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    link, node = _link(monkeypatch, [Lost(), Lost(), None], dies=True)
    with link:
        assert link.seal(REQUEST).height == 9
    assert link.restarts == 2
    assert node.seen == [("127.0.0.1:1", REQUEST), ("127.0.0.1:2", REQUEST), ("127.0.0.1:3", REQUEST)]
    assert not node.child.alive


def test_a_node_that_recovers_by_itself_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    recovering = RefusedError("UNAVAILABLE", 0, 0, "", grpc.StatusCode.UNAVAILABLE)
    link, node = _link(monkeypatch, [recovering, Lost(grpc.StatusCode.DEADLINE_EXCEEDED), None], dies=False)
    with link:
        assert link.seal(REQUEST).height == 9
    assert (link.restarts, len(node.seen)) == (0, 3)


def test_a_refusal_ends_the_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = RefusedError("WRONG_MODE", 1, 0, "driver_mode", grpc.StatusCode.FAILED_PRECONDITION)
    link, node = _link(monkeypatch, [refused], dies=False)
    with link, pytest.raises(ReplayError, match="the node refused: WRONG_MODE"):
        link.seal(REQUEST)
    assert len(node.seen) == 1


def test_a_node_that_dies_again_and_again_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    link, _ = _link(monkeypatch, [Lost() for _ in range(RESTARTS_MAX + 1)], dies=True)
    with link, pytest.raises(ReplayError, match=f"died {RESTARTS_MAX + 1} times"):
        link.seal(REQUEST)


def test_a_node_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ["/bin/sh", "-c", "echo 'data directory x is in use by 7' >&2; exit 1"]
    monkeypatch.setattr(ChildSettings, "command", lambda self: command)
    child = NodeChild(ChildSettings(tmp_path / "data", 1, "inline", tmp_path / "node.log"))
    with pytest.raises(ChildError, match="ended with code 1 before it served: data directory x is in use by 7"):
        child.start()


def test_the_address_of_a_process_that_died_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "node.json").write_text('{"address": "127.0.0.1:1", "pid": 1}')
    monkeypatch.setattr(ChildSettings, "command", lambda self: ["/bin/sh", "-c", "sleep 60"])
    monkeypatch.setattr("node.load.child.START_TIMEOUT_S", 0.3)
    child = NodeChild(ChildSettings(tmp_path, 1, "inline", tmp_path / "node.log"))
    with pytest.raises(ChildError, match="did not serve"):
        child.start()
    assert not child.alive
