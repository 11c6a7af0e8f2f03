"""Several writers on one stream while its server is killed: what each was told, held against what is stored.

A writer appends bodies that name themselves. Where the outcome of one is unknown it resumes, and sends the same body
again only where the tip says that it is not in. So no body may be in the journal twice, none that was acknowledged may
be missing, and none that was refused for certain may be there.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe
from multiprocessing.synchronize import Event

from cluster.journal import Fenced, Frame, FrameNotAppended, LeaseHeld, OutcomeUnknown, StoreFailed, Tip
from cluster.journal.postgres import PostgresJournal
from tests.postgresql_server import KillableServer

ACKNOWLEDGED_A_KILL = 20
_HURRY_MS = 300
_PATIENCE_S = 60.0


@dataclass(slots=True)
class Toll:
    """What the writers were told, by body."""

    acknowledged: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)
    refused: set[bytes] = field(default_factory=set)
    takeovers: int = 0
    doubts: int = 0
    kills: int = 0

    def is_enough(self) -> bool:
        """Whether enough was appended, and taken over, for one more kill."""
        return len(self.acknowledged) > ACKNOWLEDGED_A_KILL * (self.kills + 1) and self.takeovers > self.kills + 1


def torture(server: KillableServer, seed: int, writers: int, kills: int, seconds_between: float) -> tuple[str, Toll]:
    """Let writers compete and kill every process of the server now and then; returns the URL and what was said.

    On a slow machine it takes longer: between two kills writers do what they are there for.
    """
    url = f"{server.new_database()}&lease_ttl_ms={_HURRY_MS}"
    PostgresJournal.open(url, holder="first").close()
    spawn = multiprocessing.get_context("spawn")
    stop = spawn.Event()
    children, pipes = [], []
    for number in range(writers):
        ours, theirs = spawn.Pipe(duplex=False)
        child = spawn.Process(target=_write, args=(url, f"{seed}/{number}", stop, theirs), daemon=True)
        child.start()
        theirs.close()
        children.append(child)
        pipes.append(ours)
    chance = random.Random(seed)
    toll = Toll()
    try:
        for _ in range(kills):
            _listen(pipes, toll, seconds_between * (0.5 + chance.random()), toll.is_enough)
            server.kill9()
            server.start()
            toll.kills += 1
        _listen(pipes, toll, seconds_between, toll.is_enough)
    finally:
        stop.set()
        _listen(pipes, toll, 0.0, lambda: False)
        for child in children:
            child.join(_PATIENCE_S)
            if child.exitcode is None:
                child.kill()
                child.join()
    assert [child.exitcode for child in children] == [0] * writers, "a writer failed: its error is above"
    return url, toll


def judge(frames: list[Frame], toll: Toll) -> list[str]:
    """Everything that was lost, doubled, or is there although it was refused; nothing when all is well."""
    stored = Counter(frame.payload for frame in frames)
    places = {frame.payload: (frame.height, frame.hash) for frame in frames}
    faults = [f"{body!r} is in the journal {times} times" for body, times in stored.items() if times > 1]
    for body, place in toll.acknowledged.items():
        if places.get(body) != place:
            faults.append(f"{body!r} was acknowledged at {place[0]} and is at {places.get(body, ('no height',))[0]}")
    faults += [f"{body!r} was refused for certain and is in the journal" for body in toll.refused & stored.keys()]
    return faults


def _listen(pipes: list[Pipe], toll: Toll, seconds: float, is_enough: Callable[[], bool]) -> None:
    """For so long, then with patience until there is enough; not beyond the end of the last writer."""
    begun_s = time.monotonic()
    while pipes:
        passed_s = time.monotonic() - begun_s
        if passed_s >= seconds and (is_enough() or passed_s >= seconds + _PATIENCE_S):
            return
        for pipe in multiprocessing.connection.wait(pipes, 0.1):
            assert isinstance(pipe, Pipe)
            try:
                word, body, place = pipe.recv()
            except EOFError:
                pipes.remove(pipe)
                continue
            if word == "acknowledged":
                toll.acknowledged[body] = place
            elif word == "refused":
                toll.refused.add(body)
            elif word == "doubt":
                toll.doubts += 1
            else:
                toll.takeovers += 1


def _write(url: str, name: str, stop: Event, said: Pipe) -> None:
    """Take the lease whenever it can be had, sometimes by force, and append until it is lost."""
    writer = _Writer(url, name, stop, said)
    while not stop.is_set():
        with suppress(Fenced, LeaseHeld, StoreFailed):
            writer.reign()
        time.sleep(writer.chance.random() * 0.05)


class _Writer:
    def __init__(self, url: str, name: str, stop: Event, said: Pipe) -> None:
        self._url = url
        self._name = name
        self._stop = stop
        self._said = said
        self._number = 0
        self.chance = random.Random(name)

    def reign(self) -> None:
        """From a lease to its loss. A body whose fate is unknown then is never sent again."""
        journal = PostgresJournal.open(self._url, holder=self._name, notice=lambda text: None)
        try:
            journal.take_lease(force=self.chance.random() < 0.3)
            self._said.send(("takeover", b"", None))
            tip = journal.tip()
            while not self._stop.is_set():
                self._number += 1
                tip = self._bring_in(journal, tip, b"%s/%d " % (self._name.encode(), self._number))
        finally:
            journal.close()

    def _bring_in(self, journal: PostgresJournal, tip: Tip, body: bytes) -> Tip:
        """Append one body: once more whenever it is known that it is not in yet. Returns the new tip."""
        body += bytes(self.chance.randrange(12_000))
        while not self._stop.is_set():
            frame = tip.next_frame(journal.epoch, body)
            try:
                journal.append(frame)
                tip = frame.tip
            except (FrameNotAppended, Fenced):
                self._said.send(("refused", body, None))
                raise
            except OutcomeUnknown:
                self._said.send(("doubt", body, None))
                tip = self._resumed(journal)
            if tip.hash == frame.hash:
                self._said.send(("acknowledged", body, (frame.height, frame.hash)))
                break
        return tip

    def _resumed(self, journal: PostgresJournal) -> Tip:
        while True:
            try:
                return journal.resume()
            except StoreFailed:
                if self._stop.is_set():
                    raise
                time.sleep(0.05)
