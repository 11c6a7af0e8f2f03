"""Columns of orders as simulated people send them."""

import numpy as np

from breakwater.v1 import commands_pb2 as cmd
from node.load.asks import Ask, Learn, column_ask, ignore

REDUCE_ONLY = 2

Column = np.ndarray | int


def order_ask(
    account: np.ndarray,
    market: np.ndarray,
    side: np.ndarray,
    size_lots: np.ndarray,
    *,
    kind: Column,
    limit_ticks: Column = 0,
    time_in_force: Column = 0,
    flags: Column = 0,
    trigger: Column = 0,
    trigger_ticks: Column = 0,
    learn: Learn = ignore,
) -> Ask:
    """One order a row; a single number stands for every row."""
    columns: dict[str, Column] = {
        "market": market,
        "side": side,
        "kind": kind,
        "size_lots": size_lots,
        "limit_ticks": limit_ticks,
        "time_in_force": time_in_force,
        "flags": flags,
        "self_trade": 0,
        "trigger": trigger,
        "trigger_ticks": trigger_ticks,
        "client_order_id": 0,
    }
    filled = {name: np.broadcast_to(np.asarray(column), account.shape) for name, column in columns.items()}
    return column_ask("place_orders", cmd.PlaceOrders, learn, account=account, **filled)


def cancel_ask(account: np.ndarray, market: Column = 0) -> Ask:
    """Everything these accounts have in these markets (0: in all)."""
    none = np.zeros(len(account), np.int64)
    return column_ask(
        "cancel_book_orders",
        cmd.CancelBookOrders,
        ignore,
        account=account,
        market=np.broadcast_to(np.asarray(market), account.shape),
        order=none,
        client_order_id=none,
    )
