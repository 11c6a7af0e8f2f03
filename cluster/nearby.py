"""What concerns an account at a block beside its own row and events: orders that wait at version desks, what it did to
others as a liquidator, versions its markets settled.
"""

from collections.abc import Iterable, Mapping

from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import events_pb2 as events

Desks = Mapping[int, batches.VersionView]


def add_pending(view: batches.AccountView, desks: Desks) -> None:
    """Puts the account's pending orders and lock into its rows; a market in which it has nothing else gets one."""
    rows = {row.market: row for row in view.versioned}
    for market, desk in sorted(desks.items()):
        mine = [order for order in desk.pending if order.account == view.account]
        if not mine:
            continue
        row = rows.get(market) or view.versioned.add(
            market=market, price_ticks=desk.record.price_ticks, version_ms=desk.record.version_ms
        )
        row.pending.extend(mine)
        row.locked_version_ms = next((order.version_ms for order in mine if order.is_liquidation), 0)


def events_nearby(told: Iterable[events.Event], venue: int, account: int, markets: Iterable[int]) -> list[events.Event]:
    """Of all events of a block those that stand in others' names: takeovers and closes by the account, versions."""
    versioned = set(markets)
    return [event for event in told if event.venue == venue and _is_near(event, account, versioned)]


def _is_near(event: events.Event, account: int, versioned: set[int]) -> bool:
    if event.HasField("version_settled"):
        return event.market in versioned
    if event.account == account:
        return False
    kind = str(event.WhichOneof("body"))
    return kind in ("account_liquidated", "position_locked") and getattr(event, kind).liquidator == account
