"""Mutants of what keeps: journal, request keys, snapshots, recovery."""

from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from typing import Any

import cluster.simulator.storage.journal as simulated
from actors.columns import RowGatherer
from actors.ledger.accounts import Accounts
from actors.registry import Registry
from breakwater.v1 import batches_pb2 as batches
from cluster import recovery, sequencer
from cluster.archiver import Archiver
from cluster.block_maker import BlockMaker
from cluster.chain_state import ChainState
from cluster.jobs import LiveJob
from cluster.journal import Frame, JournalWriter, tail
from cluster.simulator.storage.journal_store import JournalStore
from cluster.snapshotting import Snapshotting
from tests.mutants.mutant import Mutant, constant, instead


def _unfenced(insert: Any) -> Any:
    """The store takes frames of any epoch."""

    def mutated(store: JournalStore, frame: Frame) -> bool:
        store.write(frame)
        store.disk.sync("journal/log")
        return True

    return mutated


def _acknowledges_at_once(submit: Any) -> Any:
    """A frame counts as durable when it was handed over."""

    def mutated(writer: JournalWriter, frame: Frame) -> Future[None]:
        submit(writer, frame)
        done: Future[None] = Future()
        done.set_result(None)
        return done

    return mutated


def _cuts_one_more(settle_tail: Any) -> Any:
    """Where a torn frame is cut, the valid one before it goes too."""

    def mutated(frames: Any, before: Any, anchor: Any) -> Any:
        kept = list(frames)
        settled = settle_tail(kept, before, anchor)
        if settled.cut_from is None or settled.tip.height == before.height:
            return settled
        last = kept[settled.tip.height - before.height - 1]
        tip = tail.Tip(last.height - 1, last.prev_hash, last.epoch)
        return tail.SettledTail(tip, last.height, settled.reason)

    return mutated


@contextmanager
def _no_answers_kept() -> Any:
    """Neither the archive's answers nor the registry's keys are asked: a retry is a new command."""
    with ExitStack() as stack:
        stack.enter_context(constant(Archiver, "outcome", lambda archiver, key: None)())
        stack.enter_context(constant(Registry, "_remember_key", lambda registry, *entry: None)())
        yield


def _any_body(join: Any) -> Any:
    return lambda waiting, body: waiting.answer


def _any_body_again(repeated: Any) -> Any:
    return lambda is_same_body, outcome: repeated(True, outcome)


@contextmanager
def _any_body_goes() -> Any:
    """The same key with another body joins or repeats the first one's answer."""
    with ExitStack() as stack:
        stack.enter_context(instead(sequencer.Waiting, "join", _any_body)())
        stack.enter_context(instead(sequencer, "_repeated", _any_body_again)())
        yield


def _without_keys(save: Any) -> Any:
    def mutated(registry: Registry) -> bytes:
        return registry._state().SerializeToString(deterministic=True)

    return mutated


def _without_pending(fill: Any) -> Any:
    """The column of withdrawals on their way is not restored."""

    def mutated(accounts: Accounts, *dumped: Any) -> None:
        fill(accounts, *dumped)
        restored = accounts.table.keys()
        for account in restored:
            accounts.table.put(account, "pending", 0)

    return mutated


def _with_empty_outbox(load: Any) -> Any:
    def mutated(saved: bytes, owners: Any) -> ChainState:
        state: ChainState = load(saved, owners)
        for outbox in (state.outbox, state.version_outbox):
            outbox.Clear()
        state.cross_outbox = RowGatherer(batches.CrossLegs)
        return state

    return mutated


def _named_one_too_low(take: Any) -> Any:
    """A cut is written under the height of the block before."""

    def mutated(snapshotting: Snapshotting, state: ChainState) -> Any:
        snapshots, write = snapshotting._snapshots, snapshotting._snapshots.write
        snapshots.write = lambda height, *content: write(height - 1, *content)  # type: ignore[method-assign]
        try:
            return take(snapshotting, state)
        finally:
            del snapshots.write

    return mutated


def _one_late(replay: Any) -> Any:
    """Replay begins one block behind the snapshot's next."""

    def mutated(journal: Any, replica: Any, from_height: int, to_height: int | None = None) -> Any:
        return replay(journal, replica, from_height + (from_height > 1), to_height)

    return mutated


def _stays(roll_back: Any) -> Any:
    """A block that is not in the journal stays executed."""
    return lambda maker, height: None


def _drops_what_waits(put_back: Any) -> Any:
    return lambda job, queue: None


@contextmanager
def _tail_cut_too_far() -> Any:
    with instead(simulated, "settle_tail", _cuts_one_more)():
        yield


KEEPING = (
    Mutant(
        "journal",
        "append not fenced",
        "cluster/simulator/storage/journal_store.py: JournalStore.insert",
        "the store takes frames of an epoch that is over",
        instead(JournalStore, "insert", _unfenced),
    ),
    Mutant(
        "journal",
        "acknowledged before durable",
        "cluster/journal/writer.py: JournalWriter.submit",
        "a frame counts as durable when it was handed over",
        instead(JournalWriter, "submit", _acknowledges_at_once),
    ),
    Mutant(
        "journal",
        "hash not checked",
        "cluster/journal/tail.py: content_error",
        "a frame is whole whatever its bytes",
        constant(tail, "content_error", lambda frame: None),
    ),
    Mutant(
        "journal",
        "valid frames cut",
        "cluster/journal/tail.py: _require_torn",
        "an invalid frame is cut with the valid ones behind it",
        constant(tail, "_require_torn", lambda *found: None),
    ),
    Mutant(
        "journal",
        "one frame too many cut",
        "cluster/journal/tail.py: settle_tail",
        "with a torn frame goes the valid one before it",
        _tail_cut_too_far,
    ),
    Mutant(
        "journal",
        "block stays though not appended",
        "cluster/block_maker.py: BlockMaker._roll_back",
        "a block the journal did not take is not rolled back",
        instead(BlockMaker, "_roll_back", _stays),
    ),
    Mutant(
        "journal",
        "batches lost in a rollback",
        "cluster/jobs.py: LiveJob.put_back",
        "batches of a block that is rolled back count as on their way, and are not",
        instead(LiveJob, "put_back", _drops_what_waits),
    ),
    Mutant(
        "dedupe",
        "keys forgotten",
        "cluster/archiver.py: Archiver.outcome, actors/registry.py: Registry._remember_key",
        "a retry is taken for a new command",
        _no_answers_kept,
    ),
    Mutant(
        "dedupe",
        "keys not in the snapshot",
        "actors/registry.py: Registry.save",
        "after a restart the registry knows no key",
        instead(Registry, "save", _without_keys),
    ),
    Mutant(
        "dedupe",
        "another body accepted",
        "cluster/sequencer.py: Waiting.join, _repeated",
        "the same key with another body gets the first one's answer",
        _any_body_goes,
    ),
    Mutant(
        "snapshot",
        "a column missing",
        "actors/ledger/accounts.py: Accounts.fill",
        "withdrawals on their way are restored as nothing",
        instead(Accounts, "fill", _without_pending),
    ),
    Mutant(
        "snapshot",
        "outbox not in the cut",
        "cluster/chain_state.py: ChainState.load",
        "legs that wait are not restored",
        instead(ChainState, "load", _with_empty_outbox),
    ),
    Mutant(
        "snapshot",
        "at the wrong height",
        "cluster/snapshotting.py: Snapshotting.take",
        "a cut is named after the block before",
        instead(Snapshotting, "take", _named_one_too_low),
    ),
    Mutant(
        "recovery",
        "one block late",
        "cluster/recovery.py: replay",
        "replay leaves out the first block behind a snapshot",
        instead(recovery, "replay", _one_late),
    ),
    Mutant(
        "recovery",
        "void ignored",
        "cluster/recovery.py: find_voids",
        "a command that was voided is executed by the next start",
        constant(recovery, "find_voids", lambda frames: {}),
    ),
)
