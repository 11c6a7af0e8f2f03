"""What must hold after every block, read off the naive engine's state and the block's events."""

from collections import Counter

from breakwater.v1 import events_pb2, refusals_pb2
from tests.engine.book import liquidatable
from tests.engine.naive import NaiveEngine, NaiveResult
from tests.engine.state import LIQUIDATED, REFUSED, RESTING, usable


def breaches(engine: NaiveEngine, result: NaiveResult) -> list[str]:
    """Every invariant the block broke, in words; empty when all hold."""
    return [
        *_money(engine),
        *_pools(engine),
        *_ladder(engine),
        *_answers(engine, result),
    ]


def _money(engine: NaiveEngine) -> list[str]:
    """Conservation to the atom; no balance below zero; what is held is held for something."""
    state, found = engine.state, []
    found += [
        f"venue {venue} is {off} atoms off" for venue in sorted(state.pools) if (off := engine.imbalance(venue)) != 0
    ]
    moving = Counter(dict.fromkeys(state.accounts, 0))
    for order in state.orders.values():
        moving[order.venue, order.account] += order.margin
    for leg in state.outbox:
        moving[leg.venue, leg.account] -= leg.held
    for key, account in state.accounts.items():
        if account.free < 0 or account.held < 0 or min(account.withdrawals.values(), default=1) < 1:
            found.append(f"account {key} has free {account.free}, held {account.held}, {account.withdrawals}")
        if account.held != moving[key]:
            found.append(f"account {key} holds {account.held} for {moving[key]}")
    return found


def _pools(engine: NaiveEngine) -> list[str]:
    """The pool's inventory mirrors the traders; it owes and is owed nothing while it has a NAV."""
    state, found = engine.state, []
    coming = [leg.position for leg in state.outbox if leg.position is not None]
    for venue, pool in state.pools.items():
        inventory: Counter[tuple[int, int, str]] = Counter()
        positions = [held for held in [*state.positions.values(), *coming] if held.venue == venue]
        for position in positions:
            inventory[position.market, position.side, "size"] += position.size
            inventory[position.market, position.side, "entry"] += position.entry_value
        for market, totals in pool.totals.items():
            counted = (totals.long_size, totals.short_size, totals.long_entry, totals.short_entry)
            there = tuple(inventory[market, side, what] for what in ("size", "entry") for side in (1, -1))
            if counted != there:
                found.append(f"pool {venue} counts {counted} in market {market}, the traders have {there}")
        if pool.margin != sum(position.margin_held for position in positions):
            found.append(f"pool {venue} counts {pool.margin} of trader margin")
        if min(pool.nav, pool.shortfall, pool.deficit, *pool.shares.values(), 0) < 0:
            found.append(f"pool {venue} is below zero: {pool}")
        if pool.nav and (pool.claims or pool.shortfall):
            found.append(f"pool {venue} has a NAV beside claims or shortfall: {pool}")
    return found


def _ladder(engine: NaiveEngine) -> list[str]:
    """After the ladder nobody at a usable mark is liquidatable, so nobody's equity is below zero."""
    found = []
    for position in engine.state.positions.values():
        mark = engine.block.marks[position.venue, position.market]
        if usable(mark) and liquidatable(engine.state, position, mark.mark_ticks):
            found.append(f"position {position.number} is left at {mark.mark_ticks}: {position}")
    return found


def _answers(engine: NaiveEngine, result: NaiveResult) -> list[str]:
    """Every command has one answer; a refusal has exactly one event and nothing else speaks of its command."""
    found, made, refused = [], set(), []
    for serialised in result.events:
        event = events_pb2.Event.FromString(serialised)
        body = event.WhichOneof("body")
        if body == "command_refused":
            refused.append(event.command_refused.command)
        elif body in ("position_opened", "order_rested"):
            order = event.position_opened.position or event.order_rested.order
            if order >> 20 == result.height:
                made.add(order & ((1 << 20) - 1))
    answered = {index for index, outcome in result.outcomes.items() if outcome[0] == REFUSED}
    if sorted(refused) != sorted(answered):
        found.append(f"refused {sorted(answered)}, said {sorted(refused)}")
    if made & answered:
        found.append(f"commands {sorted(made & answered)} were refused and yet made something")
    if sorted(result.outcomes) != list(range(len(result.outcomes))):
        found.append(f"answers are missing: {sorted(result.outcomes)}")
    for index, (status, refusal, *_) in result.outcomes.items():
        if (status == REFUSED) != (refusal != refusals_pb2.REFUSAL_UNSPECIFIED) or status > LIQUIDATED:
            found.append(f"command {index} is answered {status} with refusal {refusal}")
        if status == RESTING and (result.height << 20 | index) not in engine.state.orders:
            found.append(f"command {index} rests nowhere")
    return found
