"""Margin Trade's last rung: who is deleveraged, in which order, and that nobody is spared or pays too much (MT-15)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from breakwater.v1 import common_pb2, events_pb2
from node.simulation.auditing.cross import CrossBook
from node.simulation.auditing.seen import Seen

_ONE: Final = 1 << 20
_CAP: Final = 1 << 30


class _Stand(NamedTuple):
    """A position as a round of the ladder found it."""

    lots: int
    score: int


class _Run(NamedTuple):
    """A run under way: whose position, what it needs, and who gave how much so far (account, lots, quote)."""

    account: int
    market: int
    body: events_pb2.DeleverageRun
    parts: list[tuple[int, int, int]]


class DeleverageBook:
    """Runs of one block; `book` is the venue's."""

    def __init__(self, book: CrossBook) -> None:
        self._book = book
        self._run: _Run | None = None
        self._round = 0
        self._stands: dict[tuple[int, int], _Stand] = {}
        self._faults: list[str] = []
        # Of the round: who had a demand, by market; who has nothing left; runs that ended early, and who could have
        # gone on.
        self._demanded: set[tuple[int, int]] = set()
        self._emptied: set[int] = set()
        self._unmet: list[tuple[_Run, list[int]]] = []

    def take(self, seen: Seen, event: events_pb2.Event) -> list[str]:
        """A run begins, or goes on."""
        if event.HasField("deleveraged"):
            return self._part(seen, event)
        self._close()
        body = event.deleverage_run
        if body.round != self._round:
            self._end_round()
            self._round = body.round
            self._stands = dict(self._standings(seen))
        self._run = _Run(event.account, event.market, body, [])
        self._demanded.add((event.account, event.market))
        lots = abs(self._book.account(event.account).lots(event.market))
        if body.needed_lots != lots or not seen.is_usable(self._book.venue, event.market):
            return [f"MT-15: account {event.account} needs {body.needed_lots} lots closed, it has {lots}"]
        return []

    def _standings(self, seen: Seen) -> Iterator[tuple[tuple[int, int], _Stand]]:
        """Everybody's positions with r1 * r2, on the state the round found; who has no equity is no candidate."""
        for number, account in self._book.accounts.items():
            equity = self._book.equity_atoms(seen, number)
            notional = self._book.notional_atoms(seen, number)
            for market, held in account.holdings.items():
                if held.lots and equity > 0:
                    value, cost = notional[market], held.cost_atoms
                    gain = _ratio(value, cost) if held.lots > 0 else _ratio(max(0, -cost), value)
                    yield (number, market), _Stand(held.lots, gain * _ratio(value, equity))

    def _part(self, seen: Seen, event: events_pb2.Event) -> list[str]:
        """One counterparty: on the other side, no more than it has, and never below zero after it."""
        run, body, number = self._run, event.deleveraged, event.account
        if run is None or run.account != body.liquidated_account or run.market != event.market:
            return [f"MT-15: account {number} was deleveraged for {body.liquidated_account} outside a run"]
        account, closed = self._book.account(number), self._book.account(run.account)
        before, faults = self._book.equity_atoms(seen, number), []
        held = account.lots(run.market)
        if held * body.lots >= 0 or abs(body.lots) > abs(held):
            faults.append(f"MT-15: account {number} holds {held} lots and is deleveraged by {body.lots}")
        account.move(run.market, body.lots, body.quote_atoms)
        closed.move(run.market, -body.lots, -body.quote_atoms)
        after = self._book.equity_atoms(seen, number)
        if before <= 0 or after < 0:
            faults.append(f"MT-15: account {number} went from {before} to {after} atoms of equity by being deleveraged")
        if after <= 0:
            self._emptied.add(number)
        run.parts.append((number, body.lots, body.quote_atoms))
        return faults + self._out_of_turn(run, number)

    def _out_of_turn(self, run: _Run, number: int) -> list[str]:
        """By queue the highest score goes first, ties by account."""
        if run.body.policy != common_pb2.DELEVERAGE_POLICY_QUEUE or len(run.parts) < 2:
            return []
        previous = run.parts[-2][0]
        first, second = (self._stands.get((one, run.market)) for one in (previous, number))
        if first is None or second is None or (-first.score, previous) <= (-second.score, number):
            return []
        return [f"MT-15: account {previous} of score {first.score} was before {number} of {second.score}"]

    def _close(self) -> None:
        """A run is over: what its parts came to is what it tells, and nobody with a higher score was passed over."""
        run, self._run = self._run, None
        if run is None:
            return
        ours = (sum(abs(part[1]) for part in run.parts), abs(sum(part[2] for part in run.parts)), len(run.parts))
        told = (run.body.taken_lots, abs(run.body.quote_atoms), run.body.counterparties)
        if ours != told:
            self._faults.append(f"MT-15: lots, quote, counterparties {ours} are told as {told}")
        if run.body.policy == common_pb2.DELEVERAGE_POLICY_QUEUE and run.parts:
            self._faults += self._passed_over(run)
        if ours[0] < run.body.needed_lots and run.body.needed_atoms == 0:
            self._unmet.append((run, self._with_room(run)))

    def _with_room(self, run: _Run) -> list[int]:
        """Who still stands on the other side. Only closing that costs nobody anything leaves room to all of them."""
        side = self._book.account(run.account).lots(run.market)
        here = {number for number, market in self._stands if market == run.market}
        stands = sorted(here - self._emptied)
        return [number for number in stands if self._book.account(number).lots(run.market) * side < 0]

    def _end_round(self) -> None:
        """Nobody is left undeleveraged beside somebody who could close it, who has no demand of its own there."""
        for run, could in self._unmet:
            spared = [number for number in could if (number, run.market) not in self._demanded]
            if spared:
                taken, needed = run.body.taken_lots, run.body.needed_lots
                told = f"account {run.account} was closed by {taken} of {needed} lots"
                self._faults.append(f"MT-15: {told}, though accounts {spared} are on the other side")
        self._demanded, self._emptied, self._unmet = set(), set(), []

    def _passed_over(self, run: _Run) -> Iterator[str]:
        """Only where closing costs nobody anything is nobody without the means for it."""
        taken = {part[0] for part in run.parts}
        last = self._stands.get((run.parts[-1][0], run.market))
        if last is None or run.body.taken_atoms > 0:
            return
        side = run.parts[-1][1]
        for (number, market), stand in sorted(self._stands.items()):
            could = market == run.market and stand.lots * side < 0 and number not in taken and number != run.account
            if could and stand.score > last.score and self._book.account(number).lots(market):
                yield f"MT-15: account {number} of score {stand.score} was passed over for one of {last.score}"

    def end(self) -> list[str]:
        """Nothing goes on beyond the block."""
        self._close()
        self._end_round()
        self._round, self._stands = 0, {}
        faults, self._faults = self._faults, []
        return faults


def _ratio(numerator: int, divisor: int) -> int:
    """In 2^-20, capped at 2^30."""
    return _CAP if divisor <= 0 else min(_CAP, numerator * _ONE // divisor)
