"""What must hold after every block on Margin Trade venues, read off the naive engine's state and the block's events."""

from collections import Counter

from breakwater.v1 import events_pb2, refusals_pb2
from tests.engine.margin.health import standing
from tests.engine.margin.ladder import LIQUIDATABLE, is_quiet, rung_of
from tests.engine.margin.state import LADDER_BIT, VAULT, Sight, sights
from tests.engine.naive import NaiveEngine, NaiveResult
from tests.engine.state import REFUSED

L = events_pb2


def cross_breaches(engine: NaiveEngine, result: NaiveResult) -> list[str]:
    """Every invariant the block broke, in words; empty when all hold."""
    parsed = [L.Event.FromString(serialised) for serialised in result.events]
    found = _answers(parsed, result)
    for sight in sights(engine.state, engine.block):
        queued = {event.account for event in parsed if event.HasField("ladder_queued") and event.venue == sight.venue}
        where = f"venue {sight.venue}"
        found += [f"{where}: {breach}" for breach in (*_money(engine, sight), *_books(sight), *_rungs(sight, queued))]
    return found


def _money(engine: NaiveEngine, sight: Sight) -> list[str]:
    """Conservation to the atom; longs are shorts; funds are not negative; what is held is on its way to the vault."""
    own, found = sight.own, []
    if off := engine.cross_imbalance(own):
        found.append(f"{off} atoms off")
    net: Counter[int] = Counter()
    for (_, market), held in own.positions.items():
        net[market] += held.lots
    for leg in own.outbox:
        net[leg.market] += leg.lots
    found += [f"market {market} is {lots} lots long" for market, lots in net.items() if lots]
    backstop = own.backstop
    if min(backstop.fees, backstop.fund, backstop.shortfall, backstop.high) < 0:
        found.append(f"below zero: {backstop}")
    moving = Counter(dict.fromkeys(sight.accounts(), 0))
    for leg in own.outbox:
        if leg.kind in (L.CROSS_LEG_KIND_MINTED, L.CROSS_LEG_KIND_RELEASE):
            moving[leg.account] += leg.amount
    found += [
        f"account {number} holds {sight.account(number).held} for {moving[number]}"
        for number in sight.accounts()
        if sight.account(number).held != moving[number]
    ]
    return found


def _books(sight: Sight) -> list[str]:
    """With the legs on their way, the orders the accounts know of are those that rest, lot by lot; none is crossed."""
    own, found = sight.own, []
    known = {order.number: order.remaining for order in own.orders.values() if order.rests}
    for leg in own.outbox:
        if leg.kind == L.CROSS_LEG_KIND_FILL and leg.order in known:
            known[leg.order] -= abs(leg.lots)
        elif leg.kind == L.CROSS_LEG_KIND_GONE:
            known.pop(leg.order, None)
    resting = {order.order: order.lots for book in own.books.values() for order in book.matching.everything()}
    left = {number: lots for number, lots in known.items() if lots > 0}
    if left != resting:
        found.append(f"orders known {left}, resting {resting}")
    for market, book in own.books.items():
        bids, asks = book.matching.sides[1], book.matching.sides[-1]
        if bids and asks and bids[0].price >= asks[0].price:
            found.append(f"market {market} is crossed")
    if any(order.account == VAULT or order.number & LADDER_BIT for order in own.orders.values()):
        found.append("an order of the vault or the ladder rests")
    return found


def _rungs(sight: Sight, queued: set[int]) -> list[str]:
    """Who is below a rung was acted on in vain, cools down, waits for a market, or was queued."""
    found = []
    for account in sight.accounts():
        now, memory = standing(sight, account), sight.own.ladder.get(account)
        rung = rung_of(sight, account, now)
        if not rung or account in queued or (memory and memory.waiting):
            continue
        if rung != LIQUIDATABLE or not is_quiet(sight, account, now):
            found.append(f"account {account} is left on rung {rung}: {now}")
    return found


def _answers(parsed: list[L.Event], result: NaiveResult) -> list[str]:
    """Every command has one answer; a refusal has exactly one event."""
    refused = sorted(event.command_refused.command for event in parsed if event.HasField("command_refused"))
    answered = sorted(index for index, outcome in result.outcomes.items() if outcome[0] == REFUSED)
    found = [] if refused == answered else [f"refused {answered}, said {refused}"]
    if sorted(result.outcomes) != list(range(len(result.outcomes))):
        found.append(f"answers are missing: {sorted(result.outcomes)}")
    silent = [
        index
        for index, (status, refusal, *_) in result.outcomes.items()
        if status == REFUSED and refusal == refusals_pb2.REFUSAL_UNSPECIFIED
    ]
    return [*found, *(f"command {index} is refused without a reason" for index in silent)]
