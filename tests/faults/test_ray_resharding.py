"""Buckets moved on Ray while shards die: before, while and after they are given rows; the roots stay the same."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from cluster.crash_points import VARIABLE
from cluster.host import Host
from cluster.placement import load
from tests.cluster.story import PATIENCE_S, config, seal, story, until_validated
from tests.waiting import wait

pytestmark = [pytest.mark.ray, pytest.mark.soak]

NEAR = range(1, 9)  # the buckets the story's accounts are in


class Scene(NamedTuple):
    """A node, what it noticed, its directory, and the file that says where a process of it is to die."""

    host: Host
    noticed: list[str]
    directory: Path
    crash_at: Path


@pytest.fixture(scope="module", params=["ray", "lane"])
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One node whose shards have standbys, for all tests of this file, which play the story's blocks in turn."""
    directory, noticed = tmp_path_factory.mktemp("ray"), []  # type: ignore[var-annotated]
    crash_at = tmp_path_factory.mktemp("crash") / "point"
    settings = config(directory, transport=request.param, shards=2, actor_standbys="shards", notice=noticed.append)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, f"@{crash_at}")
        with closing(Host.open(settings)) as host:
            yield Scene(host, noticed, directory, crash_at)


def step(scene: Scene) -> None:
    """The next block of the story, with its roots."""
    block = story().blocks[scene.host.height()]
    response = seal(scene.host, block)
    assert (response.header.events_root, response.header.state_root) == story().roots[block.height - 1]


def kill(scene: Scene, shard: int) -> None:
    pid, node = scene.host.shard_places()[f"shard/{shard}"]
    assert pid != os.getpid() and node
    os.kill(pid, signal.SIGKILL)


def move(scene: Scene, to: int) -> None:
    """Every bucket with an account that is elsewhere."""
    state = scene.host._engine.state
    going = [bucket for bucket in NEAR if state.owners.of_bucket[bucket] != to]
    done = scene.host.move_buckets(going, to).result(PATIENCE_S)
    assert (done.buckets, done.height) == (len(going), scene.host.height())
    assert load(scene.directory, state.shards) == state.owners


def test_a_shard_is_killed_right_before_a_move_and_right_after(scene: Scene) -> None:
    for _ in range(2):
        step(scene)
    kill(scene, 0)
    move(scene, 1)
    step(scene)
    move(scene, 0)
    for shard in (1, 0):
        kill(scene, shard)
    step(scene)


@pytest.mark.parametrize("point", ["actor:shard/0:snapshot", "actor:shard/0:restore", "actor:shard/1:restore"])
def test_a_shard_dies_in_the_middle_of_a_move(scene: Scene, point: str) -> None:
    # A standby is given states too, and dies at the same points: let it be over with that.
    supervisor = scene.host._engine.supervisor
    wait(lambda: {"shard/0", "shard/1"} <= set(supervisor.standby_names()), supervisor.degraded)
    scene.crash_at.write_text(point)
    move(scene, 1 - scene.host._engine.state.owners.of_bucket[1])
    assert not scene.crash_at.exists()
    step(scene)


def test_after_a_move_a_standby_follows_the_new_state_and_takes_over(scene: Scene) -> None:
    move(scene, 1 - scene.host._engine.state.owners.of_bucket[1])
    supervisor = scene.host._engine.supervisor
    wait(lambda: {"shard/0", "shard/1"} <= set(supervisor.standby_names()), supervisor.degraded)
    step(scene)
    for shard in (0, 1):
        kill(scene, shard)
    step(scene)
    assert {f"actor shard/{shard} is gone; its standby has taken over" for shard in (0, 1)} <= set(scene.noticed)


def test_a_shard_is_added_and_killed(scene: Scene) -> None:
    done = scene.host.add_shards(1, empty=False)
    assert (done.shards, done.buckets) == (3, 341)
    step(scene)
    kill(scene, 2)
    step(scene)
    held = scene.host.shards().result(PATIENCE_S)
    assert sum(size.accounts for size in held) == 8 and all(size.buckets for size in held)


def test_the_rest_of_the_story_is_as_if_nothing_had_happened(scene: Scene) -> None:
    move(scene, 2)
    while scene.host.height() < len(story().blocks):
        step(scene)
    until_validated(scene.host)


def test_a_restart_keeps_the_placement(scene: Scene, tmp_path: Path) -> None:
    """Of a copy made while the node runs, as a crash leaves it; with fewer shards buckets are spread evenly."""
    owners = scene.host._engine.state.owners
    views = scene.host.accounts(1, list(NEAR)).result(PATIENCE_S)
    shutil.copytree(scene.directory, tmp_path / "copy")
    for shards, kept in ((3, True), (2, False)):
        with closing(Host.open(config(tmp_path / "copy", shards=shards))) as host:
            assert (host._engine.state.owners == owners) == kept
            assert host.height() == len(story().blocks)
            assert host._engine.state.events_root == story().results[-1].events_root
            assert host.accounts(1, list(NEAR)).result(PATIENCE_S) == views
