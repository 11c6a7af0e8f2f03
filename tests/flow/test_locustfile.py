"""examples/locustfile.py: it uses our public client alone, and its users work, on a stub of Locust's."""

import ast
import random
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from node.client import Client
from node.server import NodeServer
from tests.api import margin_scene
from tests.api.conftest import config_of
from tests.docs.printing import ROOT

PATH = ROOT / "examples" / "locustfile.py"
PUBLIC = {"node.client"}


class _Requests:
    """What users tell Locust."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def fire(self, **told: Any) -> None:
        self.told.append(told)


class User:
    """As much of Locust's as the file uses."""

    host = ""

    def __init__(self, requests: _Requests) -> None:
        self.environment = types.SimpleNamespace(events=types.SimpleNamespace(request=requests))


@pytest.fixture
def locustfile(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """The file, run with stubs of Locust and of the patch for its greenlets."""

    def task(work: Callable[..., None]) -> Callable[..., None]:
        return work

    locust: Any = types.ModuleType("locust")
    locust.User, locust.task, locust.between = User, task, lambda least, most: (least, most)
    patch: Any = types.ModuleType("grpc.experimental.gevent")
    patch.init_gevent = lambda: None
    import grpc.experimental

    monkeypatch.setitem(sys.modules, "locust", locust)
    monkeypatch.setitem(sys.modules, "grpc.experimental.gevent", patch)
    monkeypatch.setattr(grpc.experimental, "gevent", patch, raising=False)
    module = types.ModuleType("locustfile")
    exec(compile(PATH.read_text(encoding="utf-8"), str(PATH), "exec"), module.__dict__)
    return module


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeServer]:
    server = NodeServer(config_of(tmp_path_factory.mktemp("locust")))
    server.start()
    with Client(server.address, server.dev_keys["dev"]) as client:
        margin_scene.steady_marks(client, {1: margin_scene.PRICE_TICKS})
    yield server
    server.stop()


def test_it_stands_on_the_public_client_alone() -> None:
    imported = set()
    for part in ast.walk(ast.parse(PATH.read_text(encoding="utf-8"))):
        if isinstance(part, ast.ImportFrom):
            imported.add(part.module or "")
        elif isinstance(part, ast.Import):
            imported |= {name.name for name in part.names}
    ours = {name for name in imported if name.partition(".")[0] in ("node", "cluster", "actors", "breakwater")}
    assert ours == PUBLIC
    others = {name for name in imported - ours if name.partition(".")[0] not in sys.stdlib_module_names}
    assert others == {"grpc.experimental.gevent", "locust"}


def test_makers_and_takers_trade_and_tell_locust_so(
    locustfile: types.ModuleType, node: NodeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BREAKWATER_API_KEY", node.dev_keys["dev"])
    monkeypatch.setattr(User, "host", node.address)
    random.seed(1)
    requests = _Requests()
    maker, taker = locustfile.Maker(requests), locustfile.Taker(requests)
    for user in (maker, taker):
        user.on_start()
    for _ in range(12):
        maker.move()
        taker.take()
    told = {one["name"] for one in requests.told}
    assert {"quote", "cancel", "take"} <= told
    assert all(one["response_time"] > 0 for one in requests.told)
    fine = [one for one in requests.told if one["exception"] is None]
    assert len(fine) > 0.7 * len(requests.told)
    # The taker met the maker's quotes; both ways, so that positions may be closed again by now.
    assert list(maker.client.trades())
    # A refusal is told as a failure with its reason, and ends nothing.
    assert taker.told("take", taker.client.place_order, taker.account, "long", "0.0000001") is None
    assert "OFF_LOT" in str(requests.told[-1]["exception"])
    for user in (maker, taker):
        user.on_stop()
