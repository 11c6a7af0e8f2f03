"""A node's engine in this process: a driver's blocks, a live node's answers, the gate, restarts, kill -9."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from actors.chain.receipt import check_receipt, make_receipt
from actors.chain.roots import header_hash
from breakwater.v1 import admin_pb2 as admin
from breakwater.v1 import blocks_pb2 as blocks
from breakwater.v1 import refusals_pb2 as refusals
from cluster.archive import Archive
from cluster.host import CommittedBlock, Host, Refused, outcome_key
from cluster.journal import LeaseHeld
from cluster.signing import verify
from tests.building import LONG, Maker, parsed
from tests.cluster.story import HOUR_MS, PATIENCE_S, config, play, request, seal, story
from tests.waiting import wait

ROOT = Path(__file__).resolve().parents[2]
# Once this much of the story is played a venue trades.
STARTED = 4


@contextmanager
def opened(directory: Path, **options: Any) -> Iterator[Host]:
    with closing(Host.open(config(directory, **options))) as host:
        yield host


def why(answer: "Future[Any]") -> tuple[str, int, int]:
    """The refusal a future must hold."""
    with pytest.raises(Refused) as caught:
        answer.result(PATIENCE_S)
    name = refusals.Refusal.Name(caught.value.refusal).removeprefix("REFUSAL_")
    return name, caught.value.required, caught.value.actual


def test_a_driver_s_blocks_have_the_roots_of_a_replica(tmp_path: Path) -> None:
    heard: list[CommittedBlock] = []
    with opened(tmp_path, shards=3) as host:
        host.subscribe(heard.append)
        assert play(host) == story().roots
        assert host.height() == len(story().blocks)
        views = host.accounts(1, [2, 99, 8]).result(PATIENCE_S).accounts
        assert [(view.account, view.exists) for view in views] == [(2, True), (99, False), (8, True)]
        assert host.pool(1, [1]).result(PATIENCE_S).holdings[0].micro_shares == 5 * 10**11 - 10**9
        assert [market.symbol for market in host.markets(1)] == ["BTC-PERP-1"]
        mark = host.mark(1, 1)
        assert mark is not None and mark.mark_ticks == 51_300
        assert host.funding_rate_e9(1, 1) != 0
        wait(lambda: len(heard) == len(story().blocks))
        assert [block.height for block in heard] == list(range(1, len(heard) + 1))
        assert [block.events for block in heard] == [result.events for result in story().results]
        assert host.status().state == admin.NODE_STATE_READY


def test_a_batch_sealed_before_gets_its_answer_of_then_and_no_new_block(tmp_path: Path) -> None:
    with opened(tmp_path) as host:
        first = [seal(host, block) for block in story().blocks[:STARTED]]
        again = seal(host, story().blocks[2])
        assert again.repeated_batches
        assert (again.height, again.outcomes, again.header) == (3, first[2].outcomes, first[2].header)
        assert host.height() == STARTED
    with opened(tmp_path, shards=1) as host:
        assert seal(host, story().blocks[1]).outcomes == first[1].outcomes
        assert host.height() == STARTED
        assert play(host, STARTED + 1) == story().roots[STARTED:]


def test_block_time_never_goes_back(tmp_path: Path) -> None:
    with opened(tmp_path) as host:
        play(host, last=STARTED)
        late = request(story().blocks[0])
        late.ClearField("batches")
        last_ms = story().blocks[STARTED - 1].block_time_ms
        assert why(host.seal(late)) == ("EXPIRED", last_ms, late.block_time_ms)
        assert host.height() == STARTED


def test_the_same_history_on_other_shard_counts_and_across_restarts_has_the_same_roots(tmp_path: Path) -> None:
    roots = []
    for place, shards in enumerate((2, 4, 1, 3)):
        with opened(tmp_path, shards=shards, validator=place == 0) as host:
            roots += play(host, 4 * place + 1, 4 * place + 4)
            epoch = host.status().epoch
        assert epoch == place + 1
    assert roots == story().roots[:16]


def test_snapshots_are_taken_on_demand_every_so_many_blocks_and_at_the_end(tmp_path: Path) -> None:
    with opened(tmp_path, snapshot_every=3) as host:
        play(host, last=5)
        assert host.status().snapshot_height == 3
        assert host.take_snapshot().result(PATIENCE_S) == 5
        play(host, 6, 7)
    heights = sorted(int(path.name[:20]) for path in (tmp_path / "snapshots").iterdir())
    assert heights == [5, 6, 7]


def test_one_node_a_data_directory(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(LeaseHeld):
        Host.open(config(tmp_path))


def test_every_block_is_signed_and_a_receipt_of_it_holds(tmp_path: Path) -> None:
    signed: dict[int, bytes] = {}
    with opened(tmp_path, validator_shards=3) as host:
        host.subscribe_signed(signed.__setitem__)
        play(host)
        wait(lambda: len(signed) == len(story().blocks))
        wait(lambda: host.status().validated_height == len(story().blocks))
        key, venue = host.validator_public_key, host.venues()[0]
        for height, signature in signed.items():
            stored = host.archive.header(height)
            assert stored is not None and stored.signature == signature
            assert verify(key, header_hash(stored.header), signature)
        (height, index), *_ = [
            (result.height, event.index)
            for result in story().results
            for event in parsed(result)
            if event.HasField("position_liquidated")
        ]
        stored = host.archive.header(height)
        assert stored is not None and stored.signature is not None
        header = blocks.SignedHeader(header=stored.header, signature=stored.signature)
        made = make_receipt([event.bytes for event in host.archive.events(height)], index, header, venue)
        assert check_receipt(made, key, verify).ok


class Live(Maker):
    """A client of a live node, whose block time is the clock's; prices of its market stay fresh over any pause."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = time.time_ns() // 1_000_000

    def start(self, host: Host) -> None:
        """A venue with a price."""
        for batch in self.genesis(source_fresh_ms=HOUR_MS):
            host.submit(batch).result(PATIENCE_S)
        self.price(host)
        host.submit(self.amounts("liquidity_deposits", a1=10**8)).result(PATIENCE_S)

    def price(self, host: Host) -> None:
        self.now_ms = time.time_ns() // 1_000_000
        assert not any(host.submit(self.ticks(50_000)).result(PATIENCE_S).refusal)


def test_a_live_node_answers_a_key_once_and_repeats_it_for_ever(tmp_path: Path) -> None:
    live = Live()
    with opened(tmp_path, driver_mode=False) as host:
        live.start(host)
        opening = live.opens((2, LONG, 10**6, 1_000))
        answers = [host.submit(opening) for _ in range(3)]
        outcome = answers[0].result(PATIENCE_S).outcome()
        assert [answer.result(PATIENCE_S).outcome() for answer in answers] == [outcome] * 3
        other = live.opens((2, LONG, 2 * 10**6, 1_000))
        other.request_key = opening.request_key
        assert why(host.submit(other))[0] == "REQUEST_KEY_REUSED"
        opening.expires_ms += 1  # the door may fill the expiry in anew
        assert host.submit(opening).result(PATIENCE_S).outcome() == outcome
        wait(lambda: not host.accounts(1, [2]).result(PATIENCE_S).accounts[0].held_atoms)
        (position,) = host.accounts(1, [2]).result(PATIENCE_S).accounts[0].positions
        assert position.position == outcome.reference[0]
    with opened(tmp_path, driver_mode=False, shards=1) as host:
        assert host.submit(opening).result(PATIENCE_S).outcome() == outcome
        assert why(host.submit(other)) == ("REQUEST_KEY_REUSED", 0, outcome.height)
        assert len(host.accounts(1, [2]).result(PATIENCE_S).accounts[0].positions) == 1


def test_after_a_restart_opens_wait_for_a_fresh_price(tmp_path: Path) -> None:
    live = Live()
    with opened(tmp_path, driver_mode=False) as host:
        assert host.status().state == admin.NODE_STATE_READY  # a new node has nobody to protect
        live.start(host)
    with opened(tmp_path, driver_mode=False, resume_grace_ms=HOUR_MS) as host:
        assert host.status().state == admin.NODE_STATE_RESUMING
        assert why(host.submit(live.opens((2, LONG, 10**6, 1_000)))) == ("RESUMING", 0, 0)
        assert not any(host.submit(live.amounts("deposits", a2=5)).result(PATIENCE_S).refusal)
        assert host.status().state == admin.NODE_STATE_RESUMING
        live.price(host)
        assert host.status().state == admin.NODE_STATE_RESUMING  # the grace time runs
    with opened(tmp_path, driver_mode=False, resume_grace_ms=150) as host:
        assert host.status().state == admin.NODE_STATE_RESUMING
        live.price(host)
        wait(lambda: host.status().state == admin.NODE_STATE_READY)
        assert not any(host.submit(live.opens((2, LONG, 10**6, 1_000))).result(PATIENCE_S).refusal)


def test_a_paused_node_takes_only_what_takes_risk_away(tmp_path: Path) -> None:
    live = Live()
    with opened(tmp_path, driver_mode=False) as host:
        live.start(host)
        host.pause(True)
        assert host.status().state == admin.NODE_STATE_PAUSED
        refused = [live.opens((2, LONG, 10**6, 1_000)), live.amounts("withdrawals", a2=5), live.closes(2, 1)]
        assert {why(host.submit(batch))[0] for batch in refused} == {"UNAVAILABLE"}
        live.price(host)
        cancel = live.batch("cancel_orders", account=[2], order=[0], kind=[0])
        assert not any(host.submit(cancel).result(PATIENCE_S).refusal)
        host.pause(False)
        assert not any(host.submit(refused[0]).result(PATIENCE_S).refusal)


def test_a_full_queue_refuses_and_a_closing_node_answers_everybody(tmp_path: Path) -> None:
    maker = Maker()
    with opened(tmp_path, max_queue_batches=2) as host:  # a driver's node takes nothing from the queue
        waiting = [host.submit(maker.amounts("deposits", a1=1)) for _ in range(2)]
        assert why(host.submit(maker.amounts("deposits", a1=1))) == ("RATE_LIMITED", 2, 2)
        assert host.status().queued_batches == 2
    assert [why(answer)[0] for answer in waiting] == ["UNAVAILABLE", "UNAVAILABLE"]


def test_an_idle_live_node_makes_a_block_now_and_then(tmp_path: Path) -> None:
    live = Live()
    with opened(tmp_path, driver_mode=False, heartbeat_ms=50, validator=False) as host:
        live.start(host)
        before = host.height()
        wait(lambda: host.height() >= before + 3)


CHILD = """
import sys, time
from pathlib import Path
from cluster.host import Host
from tests.cluster.story import config, seal, story
host = Host.open(config(Path(sys.argv[1]), shards=2, snapshot_every=4))
for block in story().blocks[host.height():]:
    print(seal(host, block).height, flush=True)
print("done", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("acknowledged", [3, 7, 11])
def test_everything_acknowledged_outlives_kill_9(tmp_path: Path, acknowledged: int) -> None:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'gen'}"}
    command = [sys.executable, "-c", CHILD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment) as child:
        assert child.stdout is not None
        heard = 0
        while heard < acknowledged:
            heard = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        heard = max([heard, *(int(line) for line in child.stdout.read().split() if line.isdigit())])
    with opened(tmp_path, shards=3) as host:
        height = host.height()
        assert height >= heard >= acknowledged
        for block in story().blocks[:heard]:
            if block.batches:
                assert seal(host, block).repeated_batches
        assert play(host, height + 1) == story().roots[height:]
    with closing(Archive(tmp_path)) as archive:
        assert archive.tip() == len(story().blocks)
        for block in story().blocks:
            for batch in block.batches:
                assert archive.outcome(outcome_key(batch.principal, batch.request_key)) is not None
