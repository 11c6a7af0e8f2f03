"""Who waits for a block: clients whose batches are in it, or the driver who asked for it."""

from collections.abc import Sequence
from typing import Protocol

from actors.sealing.batches import key_digest
from breakwater.v1 import admin_pb2 as admin
from breakwater.v1 import refusals_pb2 as refusals
from cluster.answer import Answer
from cluster.archiver import Answered, Archiver
from cluster.chain_state import ChainState
from cluster.commit import BlockResult
from cluster.refused import Refused
from cluster.sequencer import SealOrder, Sequencer, Waiting, body_hash

Answers = Sequence[Answer]


class Job(Protocol):
    """The block under way, for whoever waits for it."""

    def batches(self) -> list[bytes]:
        """What is in the block, serialised."""

    def answer(self, result: BlockResult, answers: Answers) -> list[Answered]:
        """The block is durable and executed: everybody has an answer; what the archive keeps of them."""

    def refuse(self, refused: Refused, sequencer: Sequencer) -> None:
        """The block is not and will not be: it had no effect."""

    def put_back(self, sequencer: Sequencer) -> None:
        """The block is not in the journal: what was in it goes into the next one."""

    def done(self, sequencer: Sequencer) -> None:
        """The answers can be looked up."""


class LiveJob:
    """Batches of clients, in the order of arrival."""

    def __init__(self, entries: Sequence[Waiting]) -> None:
        self._entries = entries

    def batches(self) -> list[bytes]:
        """What is in the block, serialised."""
        return [entry.serialised for entry in self._entries]

    def answer(self, result: BlockResult, answers: Answers) -> list[Answered]:
        """See `Job`."""
        mine = list(zip(self._entries, answers[: len(self._entries)], strict=True))
        for entry, answer in mine:
            entry.answer.set_result(answer)
        return [(entry.key, entry.body_hash, answer) for entry, answer in mine]

    def refuse(self, refused: Refused, sequencer: Sequencer) -> None:
        """See `Job`."""
        for entry in self._entries:
            sequencer.done(entry)
            entry.answer.set_exception(refused)

    def put_back(self, sequencer: Sequencer) -> None:
        """See `Job`."""
        sequencer.put_back(self._entries)

    def done(self, sequencer: Sequencer) -> None:
        """See `Job`."""
        for entry in self._entries:
            sequencer.done(entry)


class SealJob:
    """A driver's block."""

    def __init__(self, order: SealOrder) -> None:
        self._order = order
        self.request = order.request

    def batches(self) -> list[bytes]:
        """What the driver wants in it, serialised."""
        return [batch.SerializeToString(deterministic=True) for batch in self.request.batches]

    def answered_before(self, archiver: Archiver, state: ChainState) -> bool:
        """Answers at once what was sealed before, in the words of then, or cannot be sealed."""
        request, answer = self.request, self._order.answer
        known = [archiver.outcome(key_digest(batch.principal, batch.request_key)) for batch in request.batches]
        for batch, entry in zip(request.batches, known, strict=True):
            if entry is not None and entry[0] != body_hash(batch):
                answer.set_exception(Refused(refusals.REFUSAL_REQUEST_KEY_REUSED, 0, entry[1].height))
                return True
        if known and all(known):
            answer.set_result(_repeat([entry[1] for entry in known if entry], archiver, state))
            return True
        if request.block_time_ms < state.block_time_ms:
            answer.set_exception(Refused(refusals.REFUSAL_EXPIRED, state.block_time_ms, request.block_time_ms))
            return True
        return False

    def answer(self, result: BlockResult, answers: Answers) -> list[Answered]:
        """See `Job`."""
        requested = list(self.request.batches)
        mine = answers[: len(requested)]
        outcomes = [answer.outcome() for answer in mine]
        self._order.answer.set_result(
            admin.SealBlockResponse(
                height=result.height, outcomes=outcomes, header=result.header, outbox_pending=result.outbox_rows > 0
            )
        )
        return [
            (key_digest(batch.principal, batch.request_key), body_hash(batch), answer)
            for batch, answer in zip(requested, mine, strict=True)
        ]

    def refuse(self, refused: Refused, sequencer: Sequencer) -> None:
        """See `Job`."""
        if not self._order.answer.done():
            self._order.answer.set_exception(refused)

    def put_back(self, sequencer: Sequencer) -> None:
        """See `Job`."""
        sequencer.put_back_order(self._order)

    def done(self, sequencer: Sequencer) -> None:
        """See `Job`."""


def _repeat(answers: Answers, archiver: Archiver, state: ChainState) -> admin.SealBlockResponse:
    archiver.flush()
    height = answers[0].height
    stored = archiver.archive.header(height)
    response = admin.SealBlockResponse(
        height=height, outcomes=[answer.outcome() for answer in answers], repeated_batches=True
    )
    if stored is not None:
        response.header.ParseFromString(stored.header)
    response.outbox_pending = height == state.height and state.has_legs()
    return response
