"""Standbys and stalled processes on Ray: what tests/cluster/test_standbys.py shows in one process, with real ones."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from cluster.host import Host
from tests import striking
from tests.cluster.story import config, step, story
from tests.waiting import wait

pytestmark = [pytest.mark.ray, pytest.mark.slow]

# Twelve times as long a process may take to start.
STALL_MS = 4_000
DOES_NOTHING = f"has not answered for {STALL_MS / 1_000:g} s and does nothing"
ACTORS = {"coordinator", "pool/1", "shard/0", "shard/1"}


@pytest.fixture(scope="module", params=["ray", pytest.param("lane", marks=pytest.mark.soak)])
def node(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Host, list[str]]]:
    """One node with a standby for everybody, for all tests of this file, which play the story's blocks in turn."""
    noticed: list[str] = []
    directory = tmp_path_factory.mktemp("ray")
    settings = config(
        directory,
        transport=request.param,
        actor_standbys="all",
        stall_ms=STALL_MS,
        snapshot_every=5,
        notice=noticed.append,
    )
    with closing(Host.open(settings)) as host:
        yield host, noticed


def await_standbys(host: Host) -> None:
    """Until everybody could be replaced at once."""
    supervisor = host._engine.supervisor
    wait(lambda: set(supervisor.standby_names()) == ACTORS, supervisor.degraded)


@contextmanager
def no_further_standbys(host: Host) -> Iterator[None]:
    """Whoever takes over meanwhile has no standby of its own before this is left, however long that takes."""
    standbys, left = host._engine.supervisor._standbys, Event()
    assert standbys is not None
    make = standbys._crew.follower

    def make_later(actor: str) -> Any:
        left.wait()
        return make(actor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(standbys._crew, "follower", make_later)
        try:
            yield
        finally:
            left.set()


def strike(host: Host, actor: str, how: signal.Signals) -> int:
    """A signal to the actor's process, which is returned."""
    pid = host._engine.supervisor.pids()[actor]
    assert pid != os.getpid()
    striking.strike(pid, how)
    return pid


def test_whoever_is_killed_its_standby_takes_over(node: tuple[Host, list[str]]) -> None:
    host, noticed = node
    for _ in range(3):
        step(host)
    for actor in ("shard/0", "pool/1", "shard/1"):
        await_standbys(host)
        strike(host, actor, signal.SIGKILL)
        step(host)
        # A busy machine may tell of a death so late that who is gone counts as one who does nothing.
        ways = {f"actor {actor} {how}; its standby has taken over" for how in ("is gone", DOES_NOTHING)}
        assert ways & set(noticed)
    assert not any("rebuilding" in line for line in noticed)


def test_a_stopped_process_is_ended_and_its_standby_takes_over(node: tuple[Host, list[str]]) -> None:
    host, noticed = node
    await_standbys(host)
    pid = strike(host, "shard/0", signal.SIGSTOP)
    step(host)
    assert f"actor shard/0 {DOES_NOTHING}; its standby has taken over" in noticed
    wait(lambda: not Path(f"/proc/{pid}").exists(), lambda: f"{pid} is still there")


def test_without_a_standby_a_stopped_process_is_made_again(node: tuple[Host, list[str]]) -> None:
    host, noticed = node
    supervisor = host._engine.supervisor
    await_standbys(host)
    with no_further_standbys(host):
        for actor in ("shard/1", "coordinator"):
            strike(host, actor, signal.SIGKILL)
        step(host)
        assert "shard/1" not in supervisor.standby_names()
        strike(host, "shard/1", signal.SIGSTOP)
        step(host)
    assert any(f"shard/1 {DOES_NOTHING}; rebuilding it" in line for line in noticed)


def test_the_rest_of_the_story_and_the_roots_are_as_if_nothing_had_happened(node: tuple[Host, list[str]]) -> None:
    host, _ = node
    while host.height() < len(story().blocks):
        step(host)
    await_standbys(host)
    assert host._engine.supervisor.degraded() == []
