"""What arrived and waits for a block: batches with the futures of their answers, in the order of arrival.

A request key that is on its way, or was answered before, is recognised here: the same body joins or repeats the answer,
another body is refused. The registry holds the same line inside the state.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Condition
from typing import Any

from blake3 import blake3

from actors.rulebooks.versions import newest
from actors.sealing.batches import key_digest
from breakwater.v1 import admin_pb2 as admin
from breakwater.v1 import commands_pb2 as commands
from breakwater.v1 import refusals_pb2 as refusals
from cluster.answer import Answer
from cluster.refused import Refused

_PAUSE_OF_ARRIVALS_S = 0.0004
_LONGEST_GATHERING_S = 0.004


@dataclass(slots=True)
class Waiting:
    """A batch in the queue; `serialised` is what goes into the journal."""

    batch: commands.CommandBatch
    serialised: bytes
    key: bytes
    body_hash: bytes
    answer: "Future[Answer]"

    def join(self, body: bytes) -> "Future[Answer]":
        """The answer for whoever sends the same again; another body under the key is refused."""
        if body == self.body_hash:
            return self.answer
        answered = self.answer.done() and self.answer.exception() is None
        height = self.answer.result().height if answered else 0
        return _failed(Refused(refusals.REFUSAL_REQUEST_KEY_REUSED, 0, height))


@dataclass(slots=True)
class SealOrder:
    """A block a driver asked for."""

    request: admin.SealBlockRequest
    answer: "Future[admin.SealBlockResponse]"


@dataclass(slots=True)
class Chore:
    """Something the pipeline thread does between two blocks; `give_up` is told when it never will."""

    work: Callable[[], None]
    give_up: Callable[[Exception], None]


def do_chores(chores: Sequence[Chore]) -> None:
    """Between two blocks: does them all."""
    for chore in chores:
        chore.work()


def give_up_chores(chores: Sequence[Chore]) -> None:
    """There is no telling when they could be done: says so to whoever waits."""
    for chore in chores:
        chore.give_up(Refused(refusals.REFUSAL_UNAVAILABLE))


def body_hash(batch: commands.CommandBatch, serialised: bytes | None = None) -> bytes:
    """Names what a batch asks for: all of it but its expiry, which the door may have filled in.

    That is the second field of the message, so it is left out of the bytes.
    """
    data = memoryview(serialised or batch.SerializeToString(deterministic=True))
    begin = len(commands.CommandBatch(request_key=batch.request_key).SerializeToString())
    end = begin + len(commands.CommandBatch(expires_ms=batch.expires_ms).SerializeToString())
    hasher = blake3(data[:begin])
    hasher.update(data[end:])
    return hasher.digest()


def _unknown_logic(batch: commands.CommandBatch) -> Refused | None:
    """A version of a rulebook's logic above the newest there is here.

    It must not reach the journal: what a program knows is no part of the state, and may decide nothing inside a block.
    """
    wanted = batch.create_venue.parameters if batch.HasField("create_venue") else batch.set_parameters.venue
    known = newest(wanted.rulebook) if wanted.logic_version else 0
    if not 0 < known < wanted.logic_version:
        return None
    return Refused(refusals.REFUSAL_PARAMETER_OUT_OF_BOUNDS, known, wanted.logic_version)


def _uncancellable() -> "Future[Any]":
    """A caller that goes away does not take its command back: it may be in a block already."""
    future: Future[Any] = Future()
    future.set_running_or_notify_cancel()
    return future


def _failed(error: Exception) -> "Future[Any]":
    future: Future[Any] = Future()
    future.set_exception(error)
    return future


def _repeated(is_same_body: bool, answer: Answer) -> "Future[Answer]":
    if not is_same_body:
        return _failed(Refused(refusals.REFUSAL_REQUEST_KEY_REUSED, 0, answer.height))
    future: Future[Answer] = Future()
    future.set_result(answer)
    return future


class Sequencer:
    """The queue in front of the pipeline. `lookup` finds (body hash, answer) of a key answered before."""

    def __init__(self, max_batches: int, lookup: Callable[[bytes], tuple[bytes, Answer] | None]) -> None:
        self._max_batches = max_batches
        self._lookup = lookup
        self._waiting: deque[Waiting] = deque()
        self._in_flight: dict[bytes, Waiting] = {}
        self._orders: deque[SealOrder] = deque()
        self._chores: deque[Chore] = deque()
        self._answered = 0
        self._taken = 0  # into the last block that had any
        self._closed: Exception | None = None
        self.changed = Condition()
        self.gate: Callable[[commands.CommandBatch], Refused | None] = lambda batch: None

    def queued(self) -> int:
        """Batches that wait."""
        return len(self._waiting)

    def submit(self, batch: commands.CommandBatch) -> "Future[Answer]":
        """Queues a batch; the future is done when its block is durable and executed."""
        key = key_digest(batch.principal, batch.request_key)
        serialised = batch.SerializeToString(deterministic=True)
        body = body_hash(batch, serialised)
        while True:
            answered = self._answered
            known = self._lookup(key)
            if known is not None:
                return _repeated(known[0] == body, known[1])
            with self.changed:
                waiting = self._in_flight.get(key)
                if waiting is None and self._answered != answered:
                    continue  # somebody was answered since the look-up; it may have been this key
                return waiting.join(body) if waiting else self._enqueue(batch, serialised, key, body)

    def _enqueue(self, batch: commands.CommandBatch, serialised: bytes, key: bytes, body: bytes) -> "Future[Answer]":
        refused = self._closed or _unknown_logic(batch) or self.gate(batch)
        if refused is None and len(self._waiting) >= self._max_batches:
            refused = Refused(refusals.REFUSAL_RATE_LIMITED, self._max_batches, len(self._waiting))
        if refused is not None:
            return _failed(refused)
        waiting = Waiting(batch, serialised, key, body, _uncancellable())
        self._waiting.append(waiting)
        self._in_flight[key] = waiting
        self.changed.notify_all()
        return waiting.answer

    def order(self, request: admin.SealBlockRequest) -> "Future[admin.SealBlockResponse]":
        """Queues a driver's block."""
        order = SealOrder(request, _uncancellable())
        unknown = next(filter(None, map(_unknown_logic, request.batches)), None)
        with self.changed:
            if refused := self._closed or unknown:
                return _failed(refused)
            self._orders.append(order)
            self.changed.notify_all()
        return order.answer

    def put_back(self, entries: Sequence[Waiting]) -> None:
        """What was taken for a block that is not in the journal goes into the next one, before everything else."""
        with self.changed:
            self._waiting.extendleft(reversed(entries))
            self.changed.notify_all()

    def put_back_order(self, order: SealOrder) -> None:
        """The same of a driver's block."""
        with self.changed:
            self._orders.appendleft(order)
            self.changed.notify_all()

    def refuse_waiting(self, error: Exception) -> None:
        """Everybody who waits for a block is told that there is none now; others may come."""
        with self.changed:
            waiting, self._waiting = list(self._waiting), deque()
            for entry in waiting:
                self._in_flight.pop(entry.key, None)
        for entry in waiting:
            entry.answer.set_exception(error)

    def between_blocks(self, chore: Chore) -> None:
        """Queues something the pipeline thread does between two blocks."""
        with self.changed:
            if self._closed:
                chore.give_up(self._closed)
                return
            self._chores.append(chore)
            self.changed.notify_all()

    def take_chores(self) -> list[Chore]:
        """All chores that wait."""
        with self.changed:
            chores, self._chores = list(self._chores), deque()
            return chores

    def take_order(self) -> SealOrder | None:
        """The next driver's block."""
        with self.changed:
            return self._orders.popleft() if self._orders else None

    def take_batches(self, max_rows: int, rows_of: Callable[[commands.CommandBatch], int]) -> list[Waiting]:
        """What goes into the next block: as many batches as fit, at least one, in the order of arrival."""
        taken: list[Waiting] = []
        rows = 0
        with self.changed:
            while self._waiting:
                rows += rows_of(self._waiting[0].batch)
                if taken and rows > max_rows:
                    break
                taken.append(self._waiting.popleft())
        self._taken = len(taken) or self._taken
        return taken

    def wait_for_work(self, timeout_s: float) -> bool:
        """Waits until something is queued; False when nothing came in time."""
        with self.changed:
            return self.changed.wait_for(lambda: bool(self._waiting or self._orders or self._chores), timeout=timeout_s)

    def gather(self) -> None:
        """Waits until nothing comes for a moment, if several batches went into the last block.

        Clients who were answered together ask again together. A block each would cost them more than this wait, and
        the door could hardly hand them in beside it: it needs the interpreter, which a sleep leaves to it.
        """
        if self._taken < 2:
            return
        end_s, queued = time.monotonic() + _LONGEST_GATHERING_S, -1
        while queued != self.queued() and time.monotonic() < end_s:
            queued = self.queued()
            # Not on the condition: this thread would wake at every arrival, and take the interpreter from the next one.
            time.sleep(_PAUSE_OF_ARRIVALS_S)

    def done(self, waiting: Waiting) -> None:
        """The batch was answered."""
        with self.changed:
            self._in_flight.pop(waiting.key, None)
            self._answered += 1

    def fail_all(self, error: Exception) -> None:
        """Nothing more will be sealed: who waits is told, and so is everybody who still comes."""
        with self.changed:
            self._closed = error
            chores, self._chores = list(self._chores), deque()
            waiting, self._waiting = list(self._waiting), deque()
            orders, self._orders = list(self._orders), deque()
            in_flight, self._in_flight = list(self._in_flight.values()), {}
        for chore in chores:
            chore.give_up(error)
        futures: list[Future[Any]] = [entry.answer for entry in waiting + in_flight]
        for future in futures + [order.answer for order in orders]:
            if not future.done():
                future.set_exception(error)
