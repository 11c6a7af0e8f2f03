"""An engine turned by hand over stores that fail when they are told to, in one thread and without a clock."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from breakwater.v1 import admin_pb2 as admin
from breakwater.v1 import answers_pb2 as answers
from breakwater.v1 import commands_pb2 as commands
from cluster.answer import Answer
from cluster.engine import Engine
from cluster.engine_settings import EngineSettings
from cluster.journal import Frame, FrameNotAppended, Journal, OutcomeUnknown, StoreFailed, Tip
from cluster.lanes import Lanes
from cluster.placement import even
from cluster.poison import LocalTrial
from cluster.replica import read_accounts
from cluster.stores import DirectoryStores
from cluster.supervisor import Supervisor
from cluster.transport.inline import InlineTransport
from cluster.void import recover_past_poison
from tests.building import Maker

T = TypeVar("T")
SHARDS = 2


class DirectLane:
    """Does the work at once."""

    def submit(self, work: Callable[[], T]) -> "Future[T]":
        future: Future[T] = Future()
        try:
            future.set_result(work())
        except Exception as error:
            future.set_exception(error)
        return future

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing to end."""


class TroubledJournal:
    """A journal that refuses, forgets or falls silent when told to; all else is the real one."""

    def __init__(self, inner: Journal) -> None:
        self._inner = inner
        self.full = False
        self.silent = False
        self.lose_answer = ""  # "in" or "out": whether the frame is in when the answer is lost

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def append(self, frame: Frame) -> None:
        if self.full:
            raise FrameNotAppended(frame.height, "no space is left")
        lost, self.lose_answer = self.lose_answer, ""
        if lost == "out":
            raise OutcomeUnknown(frame.height, "the connection is gone")
        self._inner.append(frame)
        if lost == "in":
            raise OutcomeUnknown(frame.height, "the connection is gone")

    def frames(self, from_height: int | None = None) -> Iterator[Frame]:
        if self.silent:
            raise StoreFailed("nobody answers")
        return self._inner.frames(from_height)

    def resume(self) -> Tip:
        if self.silent:
            raise StoreFailed("nobody answers")
        return self._inner.resume()


class TroubledStores(DirectoryStores):
    """A data directory whose journal is troubled."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir, "a test", lambda text: None)
        self.journal: TroubledJournal

    def open_journal(self, verify_after: Tip) -> Journal:
        self.journal = TroubledJournal(super().open_journal(verify_after))
        return self.journal


class Turned:
    """A live engine and its clients, on a clock that only the test moves."""

    def __init__(self, data_dir: Path, **settings: Any) -> None:
        self.maker = Maker()
        self.notices: list[str] = []
        self.stores = TroubledStores(data_dir)
        recovered = recover_past_poison(self.stores, SHARDS, LocalTrial, self.notices.append)
        self.engine = Engine(
            EngineSettings(resume_grace_ms=0, notice=self.notices.append, **settings),
            recovered,
            even(SHARDS),
            Supervisor(InlineTransport(SHARDS), self.notices.append),
            Lanes(DirectLane(), DirectLane()),
            lambda: self.maker.now_ms,
        )

    @property
    def journal(self) -> TroubledJournal:
        """The engine's journal."""
        return self.stores.journal

    @property
    def node_state(self) -> "admin.NodeState":
        """How the node says it is."""
        return self.engine.node_state()[0]

    def send(self, *batches: commands.CommandBatch) -> "list[Future[Answer]]":
        """Hands batches in; nothing happens before the next turn."""
        return [self.engine.sequencer.submit(batch) for batch in batches]

    def turn(self, times: int = 1, step_ms: int = 100) -> None:
        """Turns, a moment apart."""
        for _ in range(times):
            self.engine.turn()
            self.maker.now_ms += step_ms

    def do(self, *batches: commands.CommandBatch) -> list[answers.BatchOutcome]:
        """Hands in, turns until answered."""
        futures = self.send(*batches)
        self.turn()
        return [future.result(0).outcome() for future in futures]

    def start(self) -> None:
        """A venue with a price and somebody's money."""
        self.do(*self.maker.genesis())
        self.do(self.maker.ticks(50_000), self.maker.amounts("liquidity_deposits", a1=10**8))
        self.turn(2)

    def deposited(self, account: int) -> int:
        """Lifetime deposits of an account, as a reader sees them at the last block."""
        engine = self.engine
        return read_accounts(engine.supervisor, engine.state, 1, [account]).accounts[0].deposited_atoms

    def close(self) -> None:
        """Lets the stores go."""
        self.engine.finish()
        self.engine.close()
