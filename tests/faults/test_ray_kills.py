"""Kill -9 of every process of a node on Ray, one after the other, while blocks are driven: the roots stay the same."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from threading import Timer

import pytest

from cluster.host import Host
from tests.cluster.story import PATIENCE_S, config, play, seal, step, story

pytestmark = [pytest.mark.ray, pytest.mark.slow]

SHARDS = 2
# Longer than a busy machine takes to tell of a death: by then who is gone would count as one who does nothing.
STALL_MS = 20_000
# What must be a process of its own, whatever else is.
REMOTE = ("coordinator", "pool/1", "shard/0", "shard/1")


@pytest.fixture(scope="module", params=["ray", pytest.param("lane", marks=pytest.mark.soak)])
def node(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Host, list[str], Path]]:
    """One node on an embedded cluster for all tests of this file, which play the story's blocks in turn."""
    directory = tmp_path_factory.mktemp("ray")
    noticed: list[str] = []
    settings = config(
        directory,
        transport=request.param,
        shards=SHARDS,
        stall_ms=STALL_MS,
        snapshot_every=6,
        notice=noticed.append,
    )
    with closing(Host.open(settings)) as host:
        yield host, noticed, directory


def kill(host: Host, actor: str) -> None:
    """Ends the actor's process at once."""
    status = host.status()
    pids = dict(zip(status.actors, status.actor_pids, strict=True))
    assert pids[actor] != os.getpid()
    os.kill(pids[actor], signal.SIGKILL)


def test_every_actor_may_be_killed_between_two_blocks(node: tuple[Host, list[str], Path]) -> None:
    host, noticed, _ = node
    for _ in range(3):
        step(host)
    status = host.status()
    away = {name for name, pid in zip(status.actors, status.actor_pids, strict=True) if pid != os.getpid()}
    assert away >= set(REMOTE)
    for actor in REMOTE:
        kill(host, actor)
        step(host)
    # The coordinator is called when somebody is below a rung: in the last of these blocks.
    assert [actor for actor in REMOTE if not any(f"actor {actor} is gone" in line for line in noticed)] == []


def test_actors_may_be_killed_while_a_block_is_under_way(node: tuple[Host, list[str], Path]) -> None:
    host, _, _ = node
    for place, actor in enumerate(("shard/1", "pool/1", "shard/0", "shard/1")):
        height = host.height() + 1
        timer = Timer(0.0005 * (place + 1), kill, (host, actor))
        timer.start()
        response = seal(host, story().blocks[height - 1])
        timer.join()
        assert (response.header.events_root, response.header.state_root) == story().roots[height - 1]


def test_all_of_them_at_once_and_the_validator_too(node: tuple[Host, list[str], Path]) -> None:
    host, noticed, _ = node
    height = host.height()
    assert host._validator is not None
    assert host._validator.wait_for(height, PATIENCE_S), host._validator.fault
    os.kill(validator_pid(host), signal.SIGKILL)
    for actor in REMOTE:
        kill(host, actor)
    assert play(host, height + 1) == story().roots[height:]
    assert host._validator.wait_for(host.height(), PATIENCE_S), host._validator.fault
    assert any("the validator is gone" in line for line in noticed)
    assert not host.status().stopped_because


def validator_pid(host: Host) -> int:
    """The validator is no actor of the pipeline, so the node's status does not name it: its process is the one left."""
    status = host.status()
    known = set(status.actor_pids) | {os.getpid()}
    named = [pid for pid, line in ray_workers().items() if pid not in known and "ValidatorHost" in line]
    assert len(named) == 1, named
    return named[0]


def ray_workers() -> dict[int, str]:
    """Processes below this one with their command lines; some end while they are looked at."""
    import psutil

    found = {}
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            found[child.pid] = " ".join(child.cmdline())
    return found


def wait_for_signature(host: Host, height: int) -> None:
    """Until the archive has the height's signature, which it is given after the block: validators work behind."""
    deadline = time.monotonic() + PATIENCE_S
    while (stored := host.archive.header(height)) is None or stored.signature is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_nothing_was_lost_on_the_way_and_every_block_is_signed(node: tuple[Host, list[str], Path]) -> None:
    host, _, directory = node
    assert host.height() == len(story().blocks)
    wait_for_signature(host, host.height())
    for result in story().results:
        stored = host.archive.header(result.height)
        assert stored is not None and stored.signature is not None
        assert [event.bytes for event in host.archive.events(result.height)] == result.events
    heights = {int(path.name[:20]) for path in (directory / "snapshots").iterdir()}
    assert {6, 12} <= heights
