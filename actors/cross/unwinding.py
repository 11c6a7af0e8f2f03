"""The vault sells what it took over, a step at a time (MT-14): one reduce-only IOC order a market whose step is due."""

from actors.cross.book import VAULT, CrossBook
from actors.cross.orders import OrderEntry
from actors.ledger.book_orders import REDUCE_ONLY, BookOrder
from actors.ledger.book_orders import UNWINDING as UNWINDING_FLAG
from actors.orders.checks import UNWINDING
from actors.risk.unwind import UnwindRules, unwind_order
from actors.units import PPM
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common


def unwinding_number(height: int, market: int) -> int:
    """Numbers the vault's order of a block in a market; commands stay below, the ladder's orders above."""
    return (height << 20) + (1 << 19) - 1 - market


def unwind_vault(entry: OrderEntry) -> None:
    """Orders of account 0 in usable markets. They never rest, so they are in no table; their fills come as legs."""
    book = entry.book
    if not book.owns_vault:
        return
    for market in book.positions.of_account(VAULT):
        lots = book.positions.lots(VAULT, market)
        if lots and book.is_usable(market):
            _unwind(entry, market, lots)


def _unwind(entry: OrderEntry, market: int, lots: int) -> None:
    book = entry.book
    rules = _unwind_rules(book, market)
    last_ms = book.unwound_ms.get(market, 0)
    # A shard does not see the depth: it asks as if there were enough, and the book cuts to its part of what is there.
    deep_enough = abs(lots) * PPM
    wanted = unwind_order(lots, book.block_time_ms, last_ms, book.mark_ticks(market), deep_enough, rules)
    if wanted is None:
        return
    order = BookOrder(
        account=VAULT,
        market=market,
        side=wanted.side,
        limit=wanted.limit_ticks,
        size=wanted.lots,
        remaining=wanted.lots,
        time_in_force=common.TIME_IN_FORCE_IOC,
        flags=REDUCE_ONLY | UNWINDING_FLAG,
        self_trade=common.SELF_TRADE_PREVENTION_EXPIRE_MAKER,
        client_id=0,
    )
    book.log.note(_set_step, book, market, book.unwound_ms.get(market))
    _set_step(book, market, book.block_time_ms)
    entry.note_admitted(order, 0)
    number = unwinding_number(book.height, market)
    entry.send(batches.ORDER_OP_KIND_PLACE, UNWINDING, -1, number, order)


def _unwind_rules(book: CrossBook, market: int) -> UnwindRules:
    rules = book.markets[market].margin_trade
    return UnwindRules(
        rules.unwind_step_ms,
        rules.unwind_fraction_ppm,
        rules.unwind_full_lots,
        rules.unwind_depth_ppm,
        rules.unwind_slippage_ppm,
    )


def _set_step(book: CrossBook, market: int, time_ms: int | None) -> None:
    """When the vault last sold here; None takes the memory off."""
    if time_ms is None:
        book.unwound_ms.pop(market, None)
    else:
        book.unwound_ms[market] = time_ms
