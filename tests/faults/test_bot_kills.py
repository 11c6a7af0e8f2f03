"""Kill -9 in the middle of takeovers, locks and versions, on a node of four venues on Ray: the roots stay the same.

The node is a child process with a process for every actor but the smallest. Who dies is killed between two blocks or
while one is under way; at last the node itself.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

import orjson
import pytest

from cluster.audit import audit
from node.client import Client
from node.load.child import ChildSettings, NodeChild
from node.load.link import NodeLink
from tests.cluster.bot_story import bot_story
from tests.cluster.story import request

pytestmark = [pytest.mark.ray, pytest.mark.soak]

SHARDS = 2
THE_NODE = "the node"
# Who dies after a named block, and who while the next is under way.
BETWEEN = {
    "orders pinned": ("versions/4/1",),
    "raced for": ("shard/0", "shard/1"),
    "locked": ("versions/4/1", "shard/0"),
    "repinned": (THE_NODE,),
    "taken whole": ("book/3/1", "shard/1"),
    "closed below zero": ("book/3/1",),
    "repaid in part": ("versions/4/1",),
}
UNDER_WAY = {
    "transfer on its way": "shard/1",
    "first part taken": "shard/0",
    "half taken": "book/3/1",
    "deficit on its way": "shard/1",
}
DELAY_S = 0.003


class Pids:
    """Processes of a node's actors, asked for before anybody dies."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir

    def of(self, *actors: str) -> list[int]:
        """Each in a process of its own, but for the node's."""
        node = orjson.loads((self._data_dir / "node.json").read_bytes())
        key = orjson.loads((self._data_dir / "dev_keys.json").read_bytes())["dev"]
        with Client(node["address"], key) as client:
            status = client.status()
        found = {**dict(zip(status.actors, status.actor_pids, strict=True)), THE_NODE: node["pid"]}
        pids = [found[actor] for actor in actors]
        assert all((pid == node["pid"]) == (actor == THE_NODE) for pid, actor in zip(pids, actors, strict=True))
        return pids


@contextmanager
def killed_meanwhile(pids: list[int]) -> Iterator[None]:
    """Somebody dies while the block under way is worked on."""
    timer = Timer(DELAY_S, lambda: [os.kill(pid, signal.SIGKILL) for pid in pids])
    timer.start()
    yield
    timer.join()


def test_whoever_dies_the_roots_are_those_of_the_undisturbed_run(tmp_path: Path) -> None:
    story, names = bot_story(), {height: name for name, height in bot_story().at.items()}
    child, died = NodeChild(ChildSettings(tmp_path / "data", SHARDS, "ray", tmp_path / "log")), 0
    pids = Pids(tmp_path / "data")
    with NodeLink(child) as link:
        for block, roots in zip(story.blocks, story.roots, strict=True):
            before = names.get(block.height - 1, "")
            victims = pids.of(*BETWEEN.get(before, ()))
            for pid in victims:
                os.kill(pid, signal.SIGKILL)
            meanwhile = pids.of(UNDER_WAY[before]) if before in UNDER_WAY else []
            with killed_meanwhile(meanwhile):
                response = link.seal(request(block))
            died += len(victims) + len(meanwhile)
            assert (response.header.events_root, response.header.state_root) == roots, block.height
        assert link.restarts == 1
    assert died == sum(map(len, BETWEEN.values())) + len(UNDER_WAY)
    report = audit(tmp_path / "data")
    assert (report.violations, report.heights) == ([], len(story.blocks))
    assert report.final_state_root == story.roots[-1][1].hex()
