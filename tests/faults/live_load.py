"""Clients of a live node: a bounded load of several threads, every attempt of it recorded.

A client sends one request at a time and sends it again, same key and same body, until it is answered or refused for
good, to the next door where one is silent. Some requests are sent again after their answer, which must be the same, and
some keys with another body, which must be refused. A publisher keeps prices coming, so that a node started again opens.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, NamedTuple, Self

import grpc

from breakwater.v1 import answers_pb2 as answers
from breakwater.v1 import commands_pb2 as commands
from breakwater.v1 import refusals_pb2 as refusals
from breakwater.v1 import trading_pb2 as trading
from cluster.history import Recorder
from node.client import Client
from node.client.errors import refused_of
from tests.faults.live_process import PATIENCE_S, POLL_S, NotInTime

TWILIGHT, MARGIN_TRADE = 1, 2
BTC_USD = 100_000
# Ticks of 1 USD and of 0.1 USD.
PRICES: Final = {TWILIGHT: BTC_USD, MARGIN_TRADE: 10 * BTC_USD}
PUBLISHERS: Final = {TWILIGHT: (1, 2, 3), MARGIN_TRADE: (1, 2, 3, 11, 12, 13)}
DEPOSIT_ATOMS: Final = 1_000_000_000
_TICK_S = 0.5
_ATTEMPT_S = 3.0
_PAUSES_S = (0.02, 0.05, 0.1, 0.2)
# Of orders, deposits, withdrawals and cancels.
_WEIGHTS = (40, 20, 15, 10)
_REQUESTS_MAX = 20_000
# Refusals that pass by themselves; everything else is an answer.
_PASSING: Final = frozenset(
    (
        refusals.REFUSAL_UNAVAILABLE,
        refusals.REFUSAL_INTERNAL,
        refusals.REFUSAL_RESUMING,
        refusals.REFUSAL_READ_ONLY,
        refusals.REFUSAL_FENCED,
        refusals.REFUSAL_RATE_LIMITED,
        refusals.REFUSAL_VALIDATOR_LAGGING,
    )
)
_LIMIT, _GOOD_TILL_CANCELLED, _EXPIRE_MAKER = 2, 1, 1


class Ack(NamedTuple):
    """An acknowledgement as it arrived: when (monotonic seconds), from which door, at which height."""

    at_s: float
    door: str
    height: int


@dataclass(frozen=True)
class Told:
    """What doors refused, by name, and how often nobody answered."""

    refused: dict[str, int]
    silent: int


class Load:
    """Clients at the doors of one node or several. Inside the `with` they work; leaving it ends them and waits."""

    def __init__(
        self,
        doors: Sequence[str],
        key: str,
        principal: int,
        clients: int = 4,
        seed: int = 1,
        pause_s: float = 0.02,
    ) -> None:
        """`doors` are addresses that lead to one journal; `key` belongs to `principal` and may do everything."""
        self.recorder = Recorder()
        self.doors = list(doors)
        self.acks: list[Ack] = []
        self.refused: dict[tuple[str, str], int] = {}
        self.silent: dict[str, int] = {}
        self.broken: list[BaseException] = []
        self.principal = principal
        self.key = key
        self.pause_s = pause_s
        self.stopping = threading.Event()
        self._guard = threading.Lock()
        people = [_Trader(self, f"client {number}", seed * 1_000 + number) for number in range(clients)]
        workers = [_Publisher(self, "publisher", seed * 1_000 + 999), *people]
        self._threads = [threading.Thread(target=self._guarded, args=(one,), daemon=True) for one in workers]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends the clients after the attempt under way; raises what broke one of them."""
        self.stopping.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)
        if self.broken:
            raise self.broken[0]

    def acknowledged(self, more: int = 1, doors: Sequence[str] = (), patience_s: float = PATIENCE_S) -> float:
        """Waits for so many further acknowledgements (of these doors only); seconds until the last of them."""
        begun_s = time.monotonic()
        while time.monotonic() - begun_s < patience_s:
            if self.broken:
                raise self.broken[0]
            later = self.acks_since(begun_s, doors)
            if len(later) >= more:
                return later[more - 1].at_s - begun_s
            time.sleep(POLL_S)
        raise NotInTime(f"waited {patience_s:.0f} s for {more} acknowledgements; told meanwhile: {self.told()}")

    def acks_since(self, moment_s: float, doors: Sequence[str] = ()) -> list[Ack]:
        """Acknowledgements after a moment (of these doors only)."""
        with self._guard:
            return [ack for ack in self.acks if ack.at_s > moment_s and (not doors or ack.door in doors)]

    def longest_gap_s(self, begin_s: float, end_s: float) -> float:
        """The longest time without an acknowledgement between two moments."""
        with self._guard:
            inside = [ack.at_s for ack in self.acks if begin_s < ack.at_s < end_s]
        return max(later - earlier for earlier, later in itertools.pairwise([begin_s, *sorted(inside), end_s]))

    def told(self, door: str = "") -> Told:
        """What a door (or all of them) said so far that was no acknowledgement."""
        with self._guard:
            found: dict[str, int] = {}
            for (at, name), count in self.refused.items():
                if not door or at == door:
                    found[name] = found.get(name, 0) + count
            return Told(found, sum(count for at, count in self.silent.items() if not door or at == door))

    def note(self, door: str, outcome: answers.BatchOutcome | None, refusal: str = "") -> None:
        """A client was answered, refused, or (neither) heard nothing."""
        with self._guard:
            if outcome is not None:
                self.acks.append(Ack(time.monotonic(), door, outcome.height))
            elif refusal:
                self.refused[door, refusal] = self.refused.get((door, refusal), 0) + 1
            else:
                self.silent[door] = self.silent.get(door, 0) + 1

    def _guarded(self, worker: _Worker) -> None:
        try:
            worker.run()
        except BaseException as error:
            self.broken.append(error)
        finally:
            worker.close()


class _Worker:
    """One thread: a connection to every door, and the way of a request to its answer."""

    def __init__(self, load: Load, name: str, seed: int) -> None:
        self.load = load
        self.name = name
        self.chance = random.Random(seed)
        self._clients: dict[str, Client] = {}
        self._door = self.chance.randrange(len(load.doors))
        self._sent = 0
        self._prefix = b"%08x" % self.chance.getrandbits(32)

    def run(self) -> None:
        """Until the load stops."""

    def close(self) -> None:
        """Closes the connections."""
        for client in self._clients.values():
            client.close()

    def batch(self, venue: int, **body: object) -> commands.CommandBatch:
        """A batch under a key of its own."""
        self._sent += 1
        key = b"%s/%s/%d" % (self.name.encode(), self._prefix, self._sent)
        return commands.CommandBatch(request_key=key, venue=venue, **body)  # type: ignore[arg-type]

    def send(
        self, batch: commands.CommandBatch, attempts: int = 0, patience_s: float = PATIENCE_S
    ) -> answers.BatchOutcome | None:
        """Sends until it is answered; None where it was refused for good, or nobody answered in time or attempts."""
        deadline_s = time.monotonic() + patience_s
        for attempt in itertools.count(1):
            outcome, is_final = self._attempt(batch)
            if not is_final:
                self._door = (self._door + 1) % len(self.load.doors)
            if is_final or attempt == attempts or self.load.stopping.is_set() or time.monotonic() > deadline_s:
                return outcome
            self.load.stopping.wait(_PAUSES_S[min(attempt, len(_PAUSES_S)) - 1])
        raise AssertionError("unreachable")

    def _attempt(self, batch: commands.CommandBatch) -> tuple[answers.BatchOutcome | None, bool]:
        """One call; the answer, and whether there is no point in asking again."""
        load, door = self.load, self.load.doors[self._door]
        if door not in self._clients:
            self._clients[door] = Client(door, load.key)
        number = load.recorder.invoke(self.name, batch, load.principal)
        try:
            request = trading.SubmitBatchRequest(batch=batch)
            outcome = self._clients[door].trading.SubmitBatch(request, timeout=_ATTEMPT_S).outcome
        except grpc.RpcError as error:
            return None, self._failed(number, door, error)
        load.recorder.ok(number, outcome)
        load.note(door, outcome)
        return outcome, True

    def _failed(self, number: int, door: str, error: grpc.RpcError) -> bool:
        """Writes down how a call failed; whether it failed for good."""
        refused = refused_of(error)
        if refused is None:
            self.load.recorder.unknown(number)
            self.load.note(door, None)
            return False
        refusal = refusals.Refusal.Value(f"REFUSAL_{refused.refusal}")
        self.load.recorder.fail(number, refusal)
        self.load.note(door, None, refused.refusal)
        return refusal not in _PASSING


class _Publisher(_Worker):
    def run(self) -> None:
        """Prices of both venues, around where they were, twice a second; a lost one is not sent again."""
        while not self.load.stopping.wait(_TICK_S):
            now_ms = time.time_ns() // 1_000_000
            for venue, publishers in PUBLISHERS.items():
                price = PRICES[venue] + self.chance.randint(-5, 5)
                count = len(publishers)
                ticks = commands.Ticks(
                    market=[1] * count,
                    publisher=publishers,
                    price_ticks=[price] * count,
                    published_ms=[now_ms] * count,
                )
                self.send(self.batch(venue, ticks=ticks), attempts=1)


class _Trader(_Worker):
    """Two accounts, money on both, then whatever chance says."""

    def run(self) -> None:
        accounts = {venue: self._account(venue) for venue in PRICES}
        if not all(accounts.values()):
            return
        acts = (self._order, self._deposit, self._withdraw, self._cancel)
        for _ in range(_REQUESTS_MAX):
            if self.load.stopping.wait(self.load.pause_s):
                return
            (act,) = self.chance.choices(acts, _WEIGHTS)
            batch = act(accounts)
            outcome = self.send(batch)
            if outcome is not None and self.chance.random() < 0.1:
                self._once_more(batch, outcome)

    def _account(self, venue: int) -> int:
        """A new account with money on it; 0 where the load ended before."""
        opened = self.send(self.batch(venue, open_accounts=commands.OpenAccounts(count=1)))
        if opened is None:
            return 0
        account = opened.reference[0]
        deposits = commands.Deposits(account=[account], amount_atoms=[DEPOSIT_ATOMS])
        return account if self.send(self.batch(venue, deposits=deposits)) is not None else 0

    def _deposit(self, accounts: dict[int, int]) -> commands.CommandBatch:
        venue = self.chance.choice(list(accounts))
        amount = self.chance.randint(1, 1_000_000)
        return self.batch(venue, deposits=commands.Deposits(account=[accounts[venue]], amount_atoms=[amount]))

    def _withdraw(self, accounts: dict[int, int]) -> commands.CommandBatch:
        venue = self.chance.choice(list(accounts))
        amount = self.chance.randint(1, 1_000)
        return self.batch(venue, withdrawals=commands.Withdrawals(account=[accounts[venue]], amount_atoms=[amount]))

    def _order(self, accounts: dict[int, int]) -> commands.CommandBatch:
        """Up to three limit orders around the price, some of which meet."""
        count = self.chance.randint(1, 3)
        sides = [self.chance.choice((-1, 1)) for _ in range(count)]
        limits = [PRICES[MARGIN_TRADE] + self.chance.randint(-500, 500) for _ in range(count)]
        nothing = [0] * count
        orders = commands.PlaceOrders(
            account=[accounts[MARGIN_TRADE]] * count,
            market=[1] * count,
            side=sides,
            kind=[_LIMIT] * count,
            size_lots=[self.chance.randint(20, 100) for _ in range(count)],
            limit_ticks=limits,
            time_in_force=[_GOOD_TILL_CANCELLED] * count,
            flags=nothing,
            self_trade=[_EXPIRE_MAKER] * count,
            trigger=nothing,
            trigger_ticks=nothing,
            client_order_id=nothing,
        )
        return self.batch(MARGIN_TRADE, place_orders=orders)

    def _cancel(self, accounts: dict[int, int]) -> commands.CommandBatch:
        """All orders of the account."""
        account = accounts[MARGIN_TRADE]
        cancels = commands.CancelBookOrders(account=[account], order=[0], client_order_id=[0], market=[0])
        return self.batch(MARGIN_TRADE, cancel_book_orders=cancels)

    def _once_more(self, batch: commands.CommandBatch, outcome: answers.BatchOutcome) -> None:
        """The same again gives the same answer; another body under the key is refused."""
        again = self.send(batch)
        assert again is None or again == outcome, f"{batch.request_key!r}: answered {outcome}, then {again}"
        other = commands.CommandBatch(request_key=batch.request_key, venue=TWILIGHT)
        other.open_accounts.count = 1_000
        if self.load.stopping.is_set():
            return
        assert self.send(other) is None, f"{batch.request_key!r} was taken with another body"
