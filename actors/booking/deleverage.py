"""Deleveraging at the book: demands are closed against the other side, in this market only (MT-15).

The policy shares every demand out first; then the orders of everybody deleveraged leave the book, and the runs are
told with their counterparties by rank. The legs of a demand cancel exactly, lots and quotes.
"""

from collections.abc import Iterator

import numpy as np

from actors.booking.terms import BookTerms
from actors.booking.words import LEG_CLASS
from actors.booking.work import BookWork
from actors.column_bytes import columns_bytes
from actors.columns import RowGatherer, matrix, rows, sort_rows
from actors.event_rows import ACCOUNT, BODY, EVENT_COLUMNS, FIRST_FIELD, MARKET, VENUE, body_number, event_list
from actors.pending_events import KEYS, pending_bytes
from actors.risk.adl import Policy
from actors.risk.adl_kernels import Allocated, Columns, deleverage_columns, deleverage_judged
from actors.sinks import LADDER, LADDER_DELEVERAGE
from actors.ways import Way
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events

_LEG = events.CROSS_LEG_KIND_DELEVERAGED
_LEG_NUMBER = 3
_DELEVERAGED_BODY = body_number("deleveraged")
# Rows of the candidates' matrix: account, lots, cost, equity, budget.
_CANDIDATE_COLUMNS = slice(2, 7)


class Deleveraging:
    """One call's demands in one market."""

    def __init__(self, work: BookWork, terms: BookTerms, mark: common.Mark, trades: int, way: Way) -> None:
        self._work = work
        self._way = way
        self._terms = terms
        self._market = terms.market
        self._mark = mark
        self._trades = trades
        self._bodies: list[bytes] = []
        self._legs = RowGatherer(batches.CrossLegs)

    def run(
        self,
        demands: batches.DeleverageDemands,
        candidates: batches.DeleverageCandidates,
        policy: "common.DeleveragePolicy",
        ladder_round: int,
    ) -> tuple[bytes, bytes]:
        """Works the demands by sequence against the same candidates, whose budgets and lots run down.

        Answers `PendingEvents` and `CrossLegs`, serialised.
        """
        chosen = Policy(policy or common.DELEVERAGE_POLICY_QUEUE)
        listed = [row for row in rows(sort_rows(demands, "sequence", "account")) if row[2] == self._market.market]
        answers = self._share(listed, candidates, chosen)
        deleveraged = sorted({account for answer in answers for account in answer.account.tolist()})
        self._work.cancel_accounts(self._terms, deleveraged, self._trades)
        self._bodies += self._work.told_events()
        self._legs.add_columns(self._work.told_legs())
        if listed:
            self._tell(listed, answers, chosen, ladder_round)
        return self._events(ladder_round), self._numbered()

    def _share(
        self, listed: list[tuple[int, ...]], candidates: batches.DeleverageCandidates, policy: Policy
    ) -> list[Allocated]:
        k = self._market.quote_atoms_per_tick_lot
        per_lot = self._mark.mark_ticks * k
        told = matrix(candidates)
        here = (told[0] == self._market.venue) & (told[1] == self._market.market)
        columns = Columns(*np.ascontiguousarray(told[_CANDIDATE_COLUMNS][:, here]))
        # What the account cannot pay itself is what the quote asks beyond the mark.
        asked = [(account, lots, quote, max(0, quote - lots * per_lot)) for _, _, _, account, lots, quote in listed]
        share = deleverage_judged if self._way.liquidates_by_row else deleverage_columns
        return share(asked, columns, self._mark.mark_ticks, k, policy)

    def _tell(self, listed: list[tuple[int, ...]], answers: list[Allocated], policy: Policy, ladder_round: int) -> None:
        """Of each demand the run, then its counterparties by rank; the legs likewise, the liquidated account's last."""
        counts = np.array([len(answer.account) for answer in answers], dtype=np.int64)
        columns = (np.concatenate(column) for column in zip(*(answer[:5] for answer in answers), strict=True))
        other, lots, quote, haircut, rank = columns
        demand = np.repeat(np.arange(counts.size), counts)
        by_rank = np.lexsort((rank, demand))
        other, lots, quote, haircut, rank = (column[by_rank] for column in (other, lots, quote, haircut, rank))
        sequences, _, _, accounts, _, _ = np.array(listed, dtype=np.int64).T
        rows = np.zeros((demand.size, EVENT_COLUMNS), dtype=np.int64)
        rows[:, VENUE], rows[:, MARKET] = self._market.venue, self._market.market
        rows[:, BODY], rows[:, ACCOUNT] = _DELEVERAGED_BODY, other
        parts = np.stack([accounts[demand], lots, quote, haircut, rank])
        rows[:, FIRST_FIELD : FIRST_FIELD + len(parts)] = parts.T
        told = event_list(rows)
        runs = self._runs(accounts.tolist(), answers, policy, ladder_round)
        ends = np.cumsum(counts)
        for run, begin, end in zip(runs, (ends - counts).tolist(), ends.tolist(), strict=True):
            self._bodies += [run, *told[begin:end]]
        self._add_legs(sequences, accounts, counts, np.stack([other, lots, quote]))

    def _runs(
        self, accounts: list[int], answers: list[Allocated], policy: Policy, ladder_round: int
    ) -> Iterator[bytes]:
        """One message told again and again: all that differs is written anew."""
        event = events.Event(venue=self._market.venue, market=self._market.market)
        run, mark = event.deleverage_run, self._mark
        run.mark.CopyFrom(events.MarkStamp(mark_ticks=mark.mark_ticks, version=mark.version, age_ms=mark.age_ms))
        run.policy, run.round = policy.value, ladder_round  # type: ignore[assignment]
        for account, answer in zip(accounts, answers, strict=True):
            figures = answer.figures
            event.account = account
            run.needed_lots, run.taken_lots = figures.needed_lots, figures.taken_lots
            run.needed_atoms, run.taken_atoms = figures.needed_atoms, figures.taken_atoms
            run.overshoot_atoms, run.closed_profit_atoms = figures.overshoot_atoms, figures.closed_profit_atoms
            run.largest_haircut_ppm, run.quote_atoms = figures.largest_haircut_ppm, answer.total_quote_atoms
            run.counterparties = len(answer.account)
            yield event.SerializeToString(deterministic=True)

    def _add_legs(self, sequences: np.ndarray, accounts: np.ndarray, counts: np.ndarray, parts: np.ndarray) -> None:
        """`parts`: account, lots, quote of every counterparty; who was liquidated gives what they take together."""
        ends = np.cumsum(counts)
        closed = np.flatnonzero(counts)
        sums = [np.add.reduceat(column, (ends - counts)[closed]) if closed.size else column for column in parts[1:]]
        own = np.stack([accounts[closed], *(-column for column in sums)])
        whole = np.insert(parts, ends[closed], own, axis=1)
        legs = np.zeros((len(batches.CrossLegs.DESCRIPTOR.fields), whole.shape[1]), dtype=np.int64)
        legs[:5] = np.array([LEG_CLASS, 0, self._market.market, 0, self._market.venue])[:, None]
        legs[1] = np.repeat(sequences, counts + (counts > 0))
        legs[5], legs[6], legs[8], legs[9] = whole[0], _LEG, whole[1], whole[2]
        self._legs.add_columns(legs)

    def _numbered(self) -> bytes:
        """The legs, serialised: those of the runs are counted on from those of the cancelled orders."""
        legs = self._legs.matrix()
        legs[_LEG_NUMBER] = np.arange(legs.shape[1])
        return columns_bytes(batches.CrossLegs, legs)

    def _events(self, ladder_round: int) -> bytes:
        count, desk = len(self._bodies), self._market.venue << 32 | self._market.market
        keys = np.empty((KEYS, count), dtype=np.int64)
        keys[0], keys[1], keys[2], keys[3] = LADDER, ladder_round, LADDER_DELEVERAGE + desk, np.arange(count)
        return pending_bytes(keys, b"".join(self._bodies), list(map(len, self._bodies)))
