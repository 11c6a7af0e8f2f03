"""A node over lanes: processes are killed between blocks, within them and stopped; the roots stay those of the story.

Over Ray's own calls: test_ray_kills.py and test_ray_standbys.py, which the soak runs over lanes too.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Timer

import pytest

from cluster.crash_points import VARIABLE
from cluster.host import Host
from tests import striking
from tests.cluster.story import PATIENCE_S, config, step, story, until_validated

pytestmark = [pytest.mark.ray, pytest.mark.slow]

# Twelve times as long a process may take to start.
STALL_MS = 4_000
SHARDS = {"shard/0", "shard/1"}


@pytest.fixture(scope="module")
def crash_at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file that says where a process of the node is to die."""
    path = tmp_path_factory.mktemp("crash") / "point"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, f"@{path}")
        yield path


@pytest.fixture(scope="module")
def node(crash_at: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Host, list[str]]]:
    """One node whose shards have standbys, for all tests of this file, which play the story's blocks in turn."""
    noticed: list[str] = []
    settings = config(
        tmp_path_factory.mktemp("lane"),
        transport="lane",
        actor_standbys="shards",
        stall_ms=STALL_MS,
        snapshot_every=6,
        notice=noticed.append,
    )
    with closing(Host.open(settings)) as host:
        yield host, noticed


def await_standbys(host: Host) -> None:
    """Until every shard could be replaced at once."""
    supervisor, deadline_s = host._engine.supervisor, time.monotonic() + PATIENCE_S
    while set(supervisor.standby_names()) != SHARDS:
        assert time.monotonic() < deadline_s, supervisor.degraded()
        time.sleep(0.02)


def strike(host: Host, actor: str, how: signal.Signals = signal.SIGKILL) -> None:
    pid = host._engine.supervisor.pids()[actor]
    assert pid != os.getpid()
    striking.strike(pid, how)


def test_an_actor_killed_between_two_blocks_is_rebuilt(node: tuple[Host, list[str]]) -> None:
    host, noticed = node
    assert host.status().transport == "lane"
    for _ in range(3):
        step(host)
    strike(host, "pool/1")
    step(host)
    assert any("actor pool/1 is gone; rebuilding it from the cut and 3 calls" in line for line in noticed)


def test_a_standby_takes_over_from_a_shard_that_dies_within_a_call(
    node: tuple[Host, list[str]], crash_at: Path
) -> None:
    host, noticed = node
    for point in ("actor:shard/0:before", "actor:shard/1:after"):
        await_standbys(host)
        crash_at.write_text(point, encoding="ascii")
        step(host)
        assert not crash_at.exists(), f"nobody came to {point}"
    taken_over = [line for line in noticed if line.endswith("is gone; its standby has taken over")]
    assert taken_over == [f"actor {shard} is gone; its standby has taken over" for shard in sorted(SHARDS)]


def test_actors_killed_at_any_moment_of_a_block_change_nothing(node: tuple[Host, list[str]]) -> None:
    host, _ = node
    for place, actor in enumerate(("pool/1", "shard/0", "shard/1")):
        timer = Timer(0.001 * (place + 1), strike, (host, actor))
        timer.start()
        step(host)
        timer.join()


def test_a_stopped_process_is_ended_and_replaced(node: tuple[Host, list[str]]) -> None:
    host, noticed = node
    await_standbys(host)
    strike(host, "shard/1", signal.SIGSTOP)
    step(host)
    # By its standby, or from the cut where the machine was too busy for the standby to follow.
    assert any(
        line.startswith(f"actor shard/1 has not answered for {STALL_MS / 1_000:g} s and does nothing; ")
        for line in noticed
    )


def test_the_rest_of_the_story_is_as_if_nothing_had_happened(node: tuple[Host, list[str]]) -> None:
    host, _ = node
    while host.height() < len(story().blocks):
        step(host)
    until_validated(host)
    assert host.accounts(1, [2]).result(PATIENCE_S).height == host.height()
    assert not host.status().stopped_because
