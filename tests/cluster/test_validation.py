"""The validator beside the pipeline: it signs what it re-executed, survives its own death, stops at what is wrong."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Semaphore
from typing import Any

import pytest
from blake3 import blake3

from actors.chain.roots import header_hash
from breakwater.v1 import blocks_pb2 as blocks
from cluster import validation
from cluster.replica import Replica
from cluster.signing import verify
from cluster.transport.transport import ActorLost
from cluster.validation import Claim, LocalValidator, ValidatorHost, ValidatorRunner, load_or_make_key
from tests.cluster.story import PATIENCE_S, story


def claims(last: int | None = None) -> list[Claim]:
    """The story's blocks as a node has them."""
    made = []
    for block, result in zip(story().blocks[:last], story().results, strict=False):
        payload = block.SerializeToString(deterministic=True)
        made.append(Claim(block.height, payload, blake3(payload).digest(), 0, (), result.header_bytes))
    return made


class Mortal(LocalValidator):
    """Dies at the calls its owner names, counted over all of its lives."""

    def __init__(self, deaths: set[int], calls: list[str], directory: Path) -> None:
        super().__init__(ValidatorHost, str(directory), 2)
        self._deaths = deaths
        self._calls = calls

    def ask(self, method: str, *arguments: Any) -> Any:
        self._calls.append(method)
        if len(self._calls) in self._deaths:
            raise ActorLost("validator")
        return super().ask(method, *arguments)


class Watch:
    """A runner and what it said."""

    def __init__(self, directory: Path, deaths: set[int]) -> None:
        self.signed: dict[int, bytes] = {}
        self.noticed: list[str] = []
        self.calls: list[str] = []
        self.key = load_or_make_key(directory).public_key
        self.runner = ValidatorRunner(
            lambda: Mortal(deaths, self.calls, directory), None, 0, self._sign, self.noticed.append
        )

    def _sign(self, height: int, signature: bytes) -> None:
        # Again after a death: the same bytes.
        assert self.signed.setdefault(height, signature) == signature


@contextmanager
def watched(directory: Path, *deaths: int) -> Iterator[Watch]:
    watch = Watch(directory, set(deaths))
    try:
        yield watch
    finally:
        watch.runner.close()


def test_every_block_is_signed_with_the_directory_s_key(tmp_path: Path) -> None:
    with watched(tmp_path) as watch:
        for claim in claims():
            watch.runner.submit(claim)
        assert watch.runner.wait_for(len(story().blocks), PATIENCE_S)
        for claim in claims():
            assert verify(watch.key, header_hash(claim.header), watch.signed[claim.height])
        assert not watch.noticed


@pytest.mark.parametrize("deaths", [(1,), (2, 3), (1, 2, 4)])
def test_a_validator_that_dies_is_made_again_and_signs_the_same(tmp_path: Path, deaths: tuple[int, ...]) -> None:
    with watched(tmp_path, *deaths) as watch:
        for claim in claims():
            watch.runner.submit(claim)
            if claim.height % 4 == 0:
                watch.runner.wait_for(claim.height, PATIENCE_S)
        assert watch.runner.wait_for(len(story().blocks), PATIENCE_S)
        assert sorted(watch.signed) == [block.height for block in story().blocks]
        assert len(watch.noticed) == len(deaths)


def test_after_a_cut_a_new_validator_starts_there_even_if_it_dies_while_it_takes_it(tmp_path: Path) -> None:
    replica = Replica(1)
    half = claims(8)
    for claim, block in zip(half, story().blocks, strict=False):
        replica.apply(block, claim.frame_hash)
    deaths: set[int] = set()
    watch = Watch(tmp_path, deaths)
    watch.runner.take_cut(replica.cut(), 8)  # nothing is validated yet: the cut is not taken
    for claim in half:
        watch.runner.submit(claim)
    assert watch.runner.wait_for(8, PATIENCE_S)
    watch.runner.take_cut(replica.cut(), 8)
    assert "restore" not in watch.calls
    dies = len(watch.calls) + 1
    deaths |= {dies, dies + 1, dies + 2}  # the next call, its successor at the cut, and the call after that
    for claim in claims()[8:]:
        watch.runner.submit(claim)
    assert watch.runner.wait_for(len(story().blocks), PATIENCE_S), watch.runner.fault
    assert watch.calls[dies - 1 : dies + 3] == ["validate", "restore", "validate", "restore"]
    assert sorted(watch.signed) == [block.height for block in story().blocks]
    watch.runner.close()


class Slow(LocalValidator):
    """Waits to be let on before every call."""

    def __init__(self, let_on: Semaphore, directory: Path) -> None:
        super().__init__(ValidatorHost, str(directory), 1)
        self._let_on = let_on

    def ask(self, method: str, *arguments: Any) -> Any:
        assert self._let_on.acquire(timeout=PATIENCE_S)
        return super().ask(method, *arguments)


def test_a_node_waits_for_a_validator_that_works_and_is_far_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was owed before the start is no reason; nor does the node wait longer than its pace for one that hangs."""
    monkeypatch.setattr(validation, "MOST_AHEAD", 3)
    monkeypatch.setattr(validation, "_BATCH_BLOCKS", 2)
    monkeypatch.setattr(validation, "PACE_S", 0.0)
    let_on, signed = Semaphore(0), dict[int, bytes]()
    runner = ValidatorRunner(lambda: Slow(let_on, tmp_path), None, 0, signed.__setitem__, print)
    listed = claims()
    runner.owe(listed[:4])
    for claim in listed[4:10]:
        runner.submit(claim)
    assert runner.validated_height == 0
    monkeypatch.setattr(validation, "PACE_S", PATIENCE_S)
    let_on.release(len(listed))
    for claim in listed[10:]:
        runner.submit(claim)
        assert claim.height - runner.validated_height <= 3
    assert runner.wait_for(len(listed), PATIENCE_S), runner.fault
    assert sorted(signed) == [claim.height for claim in listed]
    runner.close()


@pytest.mark.parametrize("field", ["events_root", "state_root", "previous_header_hash"])
def test_a_block_it_does_not_agree_with_stops_it_and_nothing_after_it_is_signed(tmp_path: Path, field: str) -> None:
    with watched(tmp_path) as watch:
        for claim in claims():
            header = blocks.BlockHeader.FromString(claim.header)
            if claim.height == 5:
                setattr(header, field, bytes(32))
            watch.runner.submit(claim._replace(header=header.SerializeToString(deterministic=True)))
        assert not watch.runner.wait_for(len(story().blocks), PATIENCE_S)
        assert "height 5" in watch.runner.fault and field in watch.runner.fault
        assert max(watch.signed, default=0) < 5
    assert any("the validator stopped" in line for line in watch.noticed)
