"""Calls to the desks: pools, order books, backstops, insurance and version desks, each with its own rows.

In the ladder only desks with work are called; in M(h) books with operations, and all of them where the block takes a
root; every other desk always.
"""

from collections.abc import Callable, Generator
from typing import Any, NamedTuple

import numpy as np
from google.protobuf.message import Message

from actors.column_bytes import columns_parts, field_parts
from actors.columns import (
    RowGatherer,
    array,
    join,
    pick,
    row_count,
    rows,
    sort_rows,
    sorted_columns,
    split_by,
    split_columns,
)
from actors.wide_messages import read_message
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters
from cluster.block_run import BlockRun, Parts
from cluster.chain_state import Key
from cluster.topology import BOOK_RULEBOOKS, backstop_name, book_name, insurance_name, pool_name, versions_name
from cluster.transport.transport import Call


class DeskReplies(NamedTuple):
    """What the desks of one fan-out said; events and outcomes are gathered already."""

    pools: list[batches.DeskReply]
    books: list[batches.BookReply]
    backstops: list[batches.BackstopReply]
    insurances: list[batches.InsuranceReply]
    version_desks: list[batches.VersionReply]

    def cross_legs(self) -> list[batches.CrossLegs]:
        """Legs of books, backstops and insurance desks."""
        return [reply.legs for replies in (self.books, self.backstops, self.insurances) for reply in replies]

    def demands(self) -> batches.DeleverageDemands:
        """Who has to be closed against the other side."""
        demands = join(batches.DeleverageDemands(), (reply.demands for reply in self.backstops))
        return sort_rows(demands, "sequence", "market")


Fan = Generator[list[Call], list[bytes], DeskReplies]


class _Fan:
    """One fan-out to desks in the making."""

    def __init__(self, run: BlockRun) -> None:
        self._run = run
        self._calls: list[Call] = []
        self._kinds: list[Any] = []

    def add(self, name: str, kind: Any, call: Any, **columns: Parts) -> None:
        """A call to a desk; `kind` parses its reply, `columns` are fields of the call that are serialised already."""
        fields = [part for field, held in columns.items() if held for part in field_parts(call, field, held)]
        self._calls.append(Call(name, b"".join([call.SerializeToString(), *fields])))
        self._kinds.append(kind)

    def go(self) -> Fan:
        """Calls them all at once and gathers what they say."""
        run, replies = self._run, DeskReplies([], [], [], [], [])
        if not self._calls:
            return replies
        answers = yield self._calls
        for call, kind, answer in zip(self._calls, self._kinds, answers, strict=True):
            reply = read_message(kind, answer)
            run.take(reply)
            if run.root:
                run.state.digests[call.actor] = reply.digest
            replies[_PLACES[kind]].append(reply)
            if kind is batches.BookReply:
                run.take_tops(reply.tops)
        return replies


# Where the replies of a kind are kept.
_PLACES: dict[Any, int] = {
    batches.DeskReply: 0,
    batches.BookReply: 1,
    batches.BackstopReply: 2,
    batches.InsuranceReply: 3,
    batches.VersionReply: 4,
}


def match_and_account(run: BlockRun, shards: list[batches.ShardReply]) -> Fan:
    """M(h): what admission staged, and what is still owed to a desk, to every desk it concerns."""
    fan = _Fan(run)
    liquidity = join(batches.LiquidityOps(), (reply.liquidity for reply in shards))
    closes = join(batches.CloseOps(), (reply.closes for reply in shards))
    opens = join(batches.OpenOps(), (reply.opens for reply in shards))
    by_venue = _by_venue(run)
    for venue in run.state.venue_list():
        mine = by_venue(venue.venue)
        if venue.rulebook == common.RULEBOOK_TWILIGHT:
            call = _pool_call(run, venue.venue, mine, closes, opens, liquidity)
            fan.add(pool_name(venue.venue), batches.DeskReply, call)
        elif venue.rulebook == common.RULEBOOK_MARGIN_TRADE:
            backstop = _backstop_call(run, venue, mine, 0)
            backstop.liquidity.CopyFrom(mine(liquidity))
            backstop.insurance.CopyFrom(mine(run.sealed.insurance))
            backstop.account = True
            fan.add(backstop_name(venue.venue), batches.BackstopReply, backstop)
        elif venue.rulebook == common.RULEBOOK_SPIN:
            fan.add(insurance_name(venue.venue), batches.InsuranceReply, _insurance_call(run, venue, mine))
    _add_books(run, fan, 0, every=run.root)
    _add_version_desks(run, fan, join(batches.VersionOps(), (reply.version_ops for reply in shards)))
    run.dues = batches.CrossDues()
    return fan.go()


def carry_out_round(run: BlockRun, shards: list[batches.ShardReply], ladder_round: int) -> Fan:
    """The desks' part of a round: cancels and ladder orders at the books, offers at the backstops."""
    fan = _Fan(run)
    offers = join(batches.Offers(), (reply.offers for reply in shards))
    positions = join(batches.OfferPositions(), (reply.offer_positions for reply in shards))
    by_venue = _by_venue(run)
    for venue in run.state.venue_list():
        mine = by_venue(venue.venue)
        offered = mine(offers)
        if row_count(offered):
            call = _backstop_call(run, venue, mine, ladder_round)
            call.offers.CopyFrom(sort_rows(offered, "sequence"))
            call.offer_positions.CopyFrom(sort_rows(mine(positions), "sequence", "market"))
            fan.add(backstop_name(venue.venue), batches.BackstopReply, call)
            run.dues = _without(run.dues, venue.venue)
    _add_books(run, fan, ladder_round, every=False)
    return fan.go()


def deleverage(
    run: BlockRun, demands: batches.DeleverageDemands, shards: list[batches.ShardReply], ladder_round: int
) -> Fan:
    """Rung 3: the books close the demands against the other side (MT-15)."""
    fan = _Fan(run)
    candidates = join(batches.DeleverageCandidates(), (reply.deleverage_candidates for reply in shards))
    for key in sorted(set(zip(demands.venue, demands.market, strict=True))):
        call = _book_call(run, key, ladder_round)
        call.demands.CopyFrom(_of_market(demands, key))
        call.candidates.CopyFrom(_of_market(candidates, key))
        fan.add(book_name(*key), batches.BookReply, call)
    return fan.go()


_Pick = Callable[[Any], Any]


def _by_venue(run: BlockRun) -> Callable[[int], _Pick]:
    """Picks a venue's rows of a column message; all of them where there is one venue only."""
    only = len(run.state.venues) == 1

    def rows_of(venue: int) -> _Pick:
        def mine(message: Any) -> Any:
            if only or not row_count(message):
                return message
            return pick(message, np.flatnonzero(array(message.venue) == venue))

        return mine

    return rows_of


def _pool_call(
    run: BlockRun,
    venue: int,
    mine: Callable[[Any], Any],
    closes: batches.CloseOps,
    opens: batches.OpenOps,
    liquidity: batches.LiquidityOps,
) -> batches.DeskCall:
    return batches.DeskCall(
        header=run.header(pool_name(venue)),
        changes=run.sealed.changes,
        marks=run.marked.marks,
        funding=run.funding,
        seizures=mine(run.seizures),
        closes=mine(closes),
        liquidity=mine(liquidity),
        opens=mine(opens),
        account=True,
    )


def _backstop_call(
    run: BlockRun, venue: parameters.VenueParameters, mine: Callable[[Any], Any], ladder_round: int
) -> batches.BackstopCall:
    return batches.BackstopCall(
        header=run.header(backstop_name(venue.venue)),
        venue=venue,
        marks=[run.marks[key] for key in sorted(run.marks) if key[0] == venue.venue],
        dues=mine(run.dues),
        vault=run.vaults.get(venue.venue),
        round=ladder_round,
    )


def _insurance_call(
    run: BlockRun, venue: parameters.VenueParameters, mine: Callable[[Any], Any]
) -> batches.InsuranceCall:
    return batches.InsuranceCall(
        header=run.header(insurance_name(venue.venue)),
        venue=venue,
        dues=mine(run.dues),
        claims=sort_rows(mine(run.claims), "command", "sequence", "account"),
        deposits=mine(run.sealed.insurance),
    )


def _add_version_desks(run: BlockRun, fan: _Fan, ops: batches.VersionOps) -> None:
    """Every version desk in every block: a version's time comes without anybody asking."""
    venues = {number for number, venue in run.state.venues.items() if venue.rulebook == common.RULEBOOK_PERENNIAL}
    if not venues:
        return
    by_market, debts = split_by(ops, "venue", "market"), split_by(run.debts, "venue", "market")
    for key in sorted(key for key in run.state.markets if key[0] in venues):
        venue = run.state.venues[key[0]]
        call = batches.VersionCall(
            header=run.header(versions_name(*key)), venue=venue, market=run.state.markets[key], mark=run.marks[key]
        )
        if key in by_market:
            call.ops.CopyFrom(sort_rows(by_market[key], "class", "command"))
        if key in debts:
            call.debts.CopyFrom(sort_rows(debts[key], "account"))
        fan.add(versions_name(*key), batches.VersionReply, call)


def _book_call(run: BlockRun, key: Key, ladder_round: int) -> batches.BookCall:
    return batches.BookCall(
        header=run.header(book_name(*key)),
        venue=run.state.venues[key[0]],
        market=run.state.markets[key],
        mark=run.marks[key],
        round=ladder_round,
    )


def _add_books(run: BlockRun, fan: _Fan, ladder_round: int, every: bool) -> None:
    """The books with operations, or every book; what was waiting for them is theirs now."""
    ops = _by_market(batches.OrderOps, run.order_ops.matrix())
    ordered = sorted_columns(batches.PositionCaps, run.caps.matrix(), "venue", "market", "account", "fails")
    caps = _by_market(batches.PositionCaps, ordered)
    long_lots = _long_lots(run.open_interest) if ops else {}
    books = (key for key in sorted(run.state.markets) if _has_book(run, key[0]))
    for key in books if every else sorted(ops):
        call, columns = _book_call(run, key, ladder_round), {}
        if key in ops:
            columns["ops"] = columns_parts(batches.OrderOps, ops[key])
            if key in caps:
                columns["caps"] = columns_parts(batches.PositionCaps, caps[key])
            call.open_interest_lots = long_lots.get(key, 0)
        fan.add(book_name(*key), batches.BookReply, call, **columns)
    run.order_ops = RowGatherer(batches.OrderOps)


def _by_market(kind: type[Message], columns: np.ndarray) -> dict[Key, np.ndarray]:
    return {(venue, market): mine for (venue, market), mine in split_columns(kind, columns, "venue", "market").items()}


def _long_lots(open_interest: batches.OpenInterest) -> dict[Key, int]:
    """By market: what all shards say together."""
    lots: dict[Key, int] = {}
    for venue, market, long_lots, _ in rows(open_interest):
        lots[venue, market] = lots.get((venue, market), 0) + long_lots
    return lots


def _has_book(run: BlockRun, venue: int) -> bool:
    return run.state.venues[venue].rulebook in BOOK_RULEBOOKS


def _of_market(message: Any, key: Key) -> Any:
    if not row_count(message):
        return message
    mine = (array(message.venue) == key[0]) & (array(message.market) == key[1])
    return message if mine.all() else pick(message, np.flatnonzero(mine))


def _without(dues: batches.CrossDues, venue: int) -> batches.CrossDues:
    """Dues that are still to be told."""
    return pick(dues, np.flatnonzero(array(dues.venue) != venue)) if row_count(dues) else dues
