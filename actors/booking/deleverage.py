"""Deleveraging at the book: demands are closed against the other side, in this market only (MT-15).

The policy shares every demand out first; then the orders of everybody deleveraged leave the book, and the runs are
told with their counterparties by rank. The legs of a demand cancel exactly, lots and quotes.
"""

import numpy as np

from actors.booking.terms import BookTerms
from actors.booking.words import LEG_CLASS
from actors.booking.work import cancel_accounts
from actors.columns import RowGatherer, matrix, rows, sort_rows
from actors.event_rows import event_list, places
from actors.matching.book import MatchingBook
from actors.pending_events import KEYS, pending_bytes
from actors.risk.adl import Policy
from actors.risk.adl_kernels import Allocated, Columns, deleverage_columns
from actors.sinks import LADDER, LADDER_DELEVERAGE
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events

_LEG = events.CROSS_LEG_KIND_DELEVERAGED
# Rows of the candidates' matrix: account, lots, cost, equity, budget.
_CANDIDATE_COLUMNS = slice(2, 7)


class Deleveraging:
    """One call's demands in one market."""

    def __init__(self, book: MatchingBook, terms: BookTerms, mark: common.Mark, trades: int) -> None:
        self._book = book
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
    ) -> tuple[bytes, batches.CrossLegs]:
        """Works the demands by sequence against the same candidates, whose budgets and lots run down.

        The events are serialised `PendingEvents`.
        """
        chosen = Policy(policy or common.DELEVERAGE_POLICY_QUEUE)
        listed = [row for row in rows(sort_rows(demands, "sequence", "account")) if row[2] == self._market.market]
        answers = self._share(listed, candidates, chosen)
        deleveraged = sorted({account for answer in answers for account in answer.account.tolist()})
        cancelled = cancel_accounts(self._book, self._terms, deleveraged, self._trades)
        here = places(len(cancelled.events), self._market.venue, self._market.market)
        self._bodies += event_list(cancelled.events, here)
        for demand, answer in zip(listed, answers, strict=True):
            self._tell(demand, answer, chosen, ladder_round)
        legs = batches.CrossLegs.FromString(cancelled.legs)
        legs.MergeFrom(self._numbered(len(legs.leg)))
        return self._events(ladder_round), legs

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
        return deleverage_columns(asked, columns, self._mark.mark_ticks, k, policy)

    def _tell(self, demand: tuple[int, ...], answer: Allocated, policy: Policy, ladder_round: int) -> None:
        sequence, _, _, account, _, _ = demand
        figures = answer.figures
        stamp = events.MarkStamp(mark_ticks=self._mark.mark_ticks, version=self._mark.version, age_ms=self._mark.age_ms)
        body = events.DeleverageRun(
            policy=policy.value,  # type: ignore[arg-type]
            needed_lots=figures.needed_lots,
            taken_lots=figures.taken_lots,
            needed_atoms=figures.needed_atoms,
            taken_atoms=figures.taken_atoms,
            overshoot_atoms=figures.overshoot_atoms,
            closed_profit_atoms=figures.closed_profit_atoms,
            largest_haircut_ppm=figures.largest_haircut_ppm,
            quote_atoms=answer.total_quote_atoms,
            mark=stamp,
            counterparties=len(answer.account),
            round=ladder_round,
        )
        self._emit(account, deleverage_run=body)
        by_rank = np.argsort(answer.rank, kind="stable")
        columns = (answer.account, answer.lots, answer.quote_atoms, answer.haircut_atoms, answer.rank)
        taken = list(zip(*(column[by_rank].tolist() for column in columns), strict=True))
        for other, lots, quote, haircut, rank in taken:
            part = events.Deleveraged(
                liquidated_account=account, lots=lots, quote_atoms=quote, haircut_atoms=haircut, rank=rank
            )
            self._emit(other, deleveraged=part)
            self._leg(sequence, other, lots, quote)
        if taken:
            self._leg(sequence, account, -sum(row[1] for row in taken), -sum(row[2] for row in taken))

    def _emit(self, account: int, **body: object) -> None:
        head = {"venue": self._market.venue, "market": self._market.market, "account": account}
        event = events.Event(**head, **body)  # type: ignore[arg-type]
        self._bodies.append(event.SerializeToString(deterministic=True))

    def _leg(self, sequence: int, account: int, lots: int, quote: int) -> None:
        head = (LEG_CLASS, sequence, self._market.market, len(self._legs), self._market.venue, account, _LEG)
        self._legs.add(*head, 0, lots, quote, 0, 0, 0, 0)

    def _numbered(self, first: int) -> batches.CrossLegs:
        """The legs of the runs, counted on from those of the cancelled orders."""
        legs = self._legs.message()
        legs.leg[:] = [first + leg for leg in legs.leg]
        return legs

    def _events(self, ladder_round: int) -> bytes:
        count, desk = len(self._bodies), self._market.venue << 32 | self._market.market
        keys = np.empty((KEYS, count), dtype=np.int64)
        keys[0], keys[1], keys[2], keys[3] = LADDER, ladder_round, LADDER_DELEVERAGE + desk, np.arange(count)
        return pending_bytes(keys, b"".join(self._bodies), list(map(len, self._bodies)))
