"""What clients saw, and whether the journal agrees: every acknowledgement is in it with its result, once, in order.

A `Recorder` writes down when a request was sent and what came of it: acknowledged, refused for good, or unknown (no
answer, or one that says nothing). `check` holds that against the re-executed journal: invariants 3, 5, 6 of the design.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from threading import Lock

from blake3 import blake3

from breakwater.v1 import answers_pb2 as answers
from breakwater.v1 import commands_pb2 as commands
from breakwater.v1 import refusals_pb2 as refusals
from cluster.archiver import split_outcomes
from cluster.journal import FIRST_HEIGHT, ReadableJournal
from cluster.recovery import replay
from cluster.replica import Replica

# After these a request may still be in the journal: the node stopped, did not know, or no longer is the one to write.
SAYS_NOTHING = frozenset((refusals.REFUSAL_UNAVAILABLE, refusals.REFUSAL_INTERNAL, refusals.REFUSAL_FENCED))
# A batch refused whole by one of these is not taken: its key is free, as if it had never come.
_NOT_TAKEN = frozenset(range(refusals.REFUSAL_BAD_REQUEST_KEY, refusals.REFUSAL_EMPTY_BATCH + 1))


class Ending(StrEnum):
    """How an attempt ended for the client."""

    OK = "ok"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request sent once. `body` names all of the batch but its expiry and its sender; times are of one clock, ns.

    `answer` is the acknowledged BatchOutcome, serialised; `refusal` why it was refused, 0 where nobody said.
    """

    number: int
    client: str
    principal: int
    key: bytes
    body: bytes
    sent_ns: int
    ended_ns: int = 0
    ending: Ending = Ending.UNKNOWN
    height: int = 0
    answer: bytes = b""
    refusal: int = 0

    @property
    def request(self) -> "Request":
        """What retries have in common."""
        return self.principal, self.key, self.body


Request = tuple[int, bytes, bytes]


@dataclass(frozen=True, slots=True)
class JournaledBlock:
    """A block of the journal with what re-execution answered, batch by batch."""

    height: int
    batches: Sequence[commands.CommandBatch]
    outcomes: Sequence[answers.BatchOutcome]


def body_name(batch: commands.CommandBatch) -> bytes:
    """Names what a batch asks for: all of it but what the node may have filled in, its expiry and its principal."""
    copy = commands.CommandBatch()
    copy.CopyFrom(batch)
    copy.ClearField("expires_ms")
    copy.ClearField("principal")
    return blake3(copy.SerializeToString(deterministic=True)).digest()


class Recorder:
    """Writes down what clients send and are told, from any thread.

    No two moments of one recorder are equal, so what happened first is earlier; recorders of several processes may be
    put together where `now_ns` is a clock they share (the default is, on one machine).
    """

    def __init__(self, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._now_ns = now_ns
        self._guard = Lock()
        self._last_ns = -1
        self._attempts: list[Attempt] = []

    def invoke(self, client: str, batch: commands.CommandBatch, principal: int | None = None) -> int:
        """A batch is about to be sent; the number of the attempt. `principal`: where the batch does not say its own."""
        sender = batch.principal if principal is None else principal
        body = body_name(batch)
        with self._guard:
            number = len(self._attempts)
            self._attempts.append(Attempt(number, client, sender, batch.request_key, body, self._moment()))
            return number

    def ok(self, number: int, outcome: answers.BatchOutcome) -> None:
        """The attempt was acknowledged at the height of its outcome."""
        serialised = outcome.SerializeToString(deterministic=True)
        self._end(number, ending=Ending.OK, height=outcome.height, answer=serialised)

    def fail(self, number: int, refusal: int) -> None:
        """The attempt was refused and reached no block; where the refusal says nothing for sure it is unknown."""
        ending = Ending.UNKNOWN if refusal in SAYS_NOTHING else Ending.FAIL
        self._end(number, ending=ending, refusal=refusal)

    def unknown(self, number: int) -> None:
        """Nobody answered."""
        self._end(number, ending=Ending.UNKNOWN)

    def attempts(self) -> list[Attempt]:
        """Everything so far, in the order it was sent; attempts under way are unknown."""
        with self._guard:
            return list(self._attempts)

    def _end(self, number: int, **ended: object) -> None:
        with self._guard:
            attempt = self._attempts[number]
            assert not attempt.ended_ns, f"attempt {number} of {attempt.client} ended twice"
            self._attempts[number] = replace(attempt, ended_ns=self._moment(), **ended)  # type: ignore[arg-type]

    def _moment(self) -> int:
        self._last_ns = max(self._now_ns(), self._last_ns + 1)
        return self._last_ns


def save(path: Path, attempts: Iterable[Attempt]) -> None:
    """Writes a history as JSON lines; bytes are hexadecimal."""
    with path.open("w") as file:
        for attempt in attempts:
            fields = {name: _plain(value) for name, value in asdict(attempt).items()}
            file.write(json.dumps(fields) + "\n")


def load(path: Path) -> list[Attempt]:
    """Reads what `save` wrote. Raises ValueError naming the line that is no attempt."""
    attempts = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            fields = json.loads(line)
            for name in ("key", "body", "answer"):
                fields[name] = bytes.fromhex(fields[name])
            attempts.append(Attempt(**{**fields, "ending": Ending(fields["ending"])}))
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{path.name} line {number} is no attempt of a client: {error}") from error
    return attempts


def _plain(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else value


def journal_blocks(journal: ReadableJournal, replica: Replica | None = None) -> Iterator[JournaledBlock]:
    """The journal's blocks, executed again from the first one, or from where `replica` stands.

    Raises ReplayMismatch, JournalCorrupted, BlockFailed.
    """
    runner = replica or Replica()
    for replayed in replay(journal, runner, max(FIRST_HEIGHT, runner.state.height + 1)):
        yield JournaledBlock(replayed.frame.height, list(replayed.block.batches), split_outcomes(replayed.result))


def check(history: Iterable[Attempt], blocks: Iterable[JournaledBlock]) -> list[str]:
    """What clients were told that the journal does not bear out; empty where all is well.

    An attempt acknowledged is in the journal at that height with that answer. A key is taken once. A request of which
    every attempt was refused is not taken; one of unknown fate may be or not. A request sent after another was
    acknowledged has the greater height.
    """
    attempts = list(history)
    journal = _Journal(blocks)
    faults = journal.taken_twice()
    for attempt in attempts:
        if attempt.ending is Ending.OK:
            faults += journal.misses(attempt)
    return faults + _refused_but_taken(attempts, journal) + _out_of_order(attempts, journal)


class _Journal:
    """Where requests appear, and what each appearance came to."""

    def __init__(self, blocks: Iterable[JournaledBlock]) -> None:
        self._seen: dict[Request, dict[int, list[answers.BatchOutcome]]] = {}
        self._taken: dict[tuple[int, bytes], list[int]] = {}
        self.taken_at: dict[Request, int] = {}
        for block in blocks:
            for batch, outcome in zip(block.batches, block.outcomes, strict=True):
                self._note(block.height, batch, outcome)

    def _note(self, height: int, batch: commands.CommandBatch, outcome: answers.BatchOutcome) -> None:
        request = (batch.principal, batch.request_key, body_name(batch))
        self._seen.setdefault(request, {}).setdefault(height, []).append(outcome)
        if any(refusal not in _NOT_TAKEN for refusal in outcome.refusal):
            self._taken.setdefault(request[:2], []).append(height)
            self.taken_at.setdefault(request, height)

    def taken_twice(self) -> list[str]:
        """Keys with more than one effect."""
        return [
            f"principal {principal} key {_shown(key)}: taken {len(heights)} times, at heights {heights}"
            for (principal, key), heights in self._taken.items()
            if len(heights) > 1
        ]

    def misses(self, attempt: Attempt) -> list[str]:
        """What of an acknowledgement the journal does not show."""
        there = self._seen.get(attempt.request, {})
        found = there.get(attempt.height, [])
        if not found:
            where = f"at heights {sorted(there)}" if there else "nowhere"
            return [f"{_named(attempt)}: acknowledged at height {attempt.height}, the journal has it {where}"]
        told = answers.BatchOutcome.FromString(attempt.answer)
        if told in found:
            return []
        return [f"{_named(attempt)}: at height {attempt.height} {_difference(told, found[0])}"]


def _refused_but_taken(attempts: Sequence[Attempt], journal: _Journal) -> list[str]:
    """Requests that had an effect though every attempt at them was refused for good."""
    refused: dict[Request, Attempt] = {}
    open_ended: set[Request] = set()
    for attempt in attempts:
        if attempt.ending is Ending.FAIL:
            refused[attempt.request] = attempt
        else:
            open_ended.add(attempt.request)
    return [
        f"{_named(attempt)}: refused {refusals.Refusal.Name(attempt.refusal)}, "
        f"but taken at height {journal.taken_at[request]}"
        for request, attempt in refused.items()
        if request in journal.taken_at and request not in open_ended
    ]


def _out_of_order(attempts: Sequence[Attempt], journal: _Journal) -> list[str]:
    """Requests first sent after another was acknowledged whose height is not greater than that one's."""
    first_sent: dict[Request, Attempt] = {}
    for attempt in attempts:
        known = first_sent.setdefault(attempt.request, attempt)
        if attempt.sent_ns < known.sent_ns:
            first_sent[attempt.request] = attempt
    acknowledged = sorted(
        (attempt for attempt in attempts if attempt.ending is Ending.OK), key=lambda attempt: attempt.ended_ns
    )
    faults, highest, index = [], None, 0
    for sent in sorted(first_sent.values(), key=lambda attempt: attempt.sent_ns):
        while index < len(acknowledged) and acknowledged[index].ended_ns < sent.sent_ns:
            if highest is None or acknowledged[index].height > highest.height:
                highest = acknowledged[index]
            index += 1
        height = journal.taken_at.get(sent.request)
        if highest is not None and height is not None and height <= highest.height:
            faults.append(
                f"{_named(sent)}: at height {height}, but sent after {_named(highest)} "
                f"was acknowledged at height {highest.height}"
            )
    return faults


def _difference(told: answers.BatchOutcome, found: answers.BatchOutcome) -> str:
    """The first column that was acknowledged otherwise than it is in the journal."""
    for field in told.DESCRIPTOR.fields:
        ours, theirs = getattr(told, field.name), getattr(found, field.name)
        if ours != theirs:
            shown = [str(value) if field.name == "height" else str(list(value)) for value in (ours, theirs)]
            return f"{field.name} was acknowledged as {shown[0]}, the journal gives {shown[1]}"
    raise AssertionError("the answers are equal")


def _named(attempt: Attempt) -> str:
    return f"client {attempt.client} key {_shown(attempt.key)}"


def _shown(key: bytes) -> str:
    """A key as people read it: text where it is text."""
    return key.decode() if key.isascii() and key.decode().isprintable() else key.hex()
