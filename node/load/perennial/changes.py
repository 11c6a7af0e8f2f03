"""Columns of position changes as simulated people send them."""

import numpy as np

from breakwater.v1 import commands_pb2 as cmd
from node.load.asks import Ask, Learn, column_ask, ignore

KEEP = -1
EVERYTHING = -(1 << 63)

Column = np.ndarray | int


def change_ask(
    account: np.ndarray,
    market: np.ndarray,
    *,
    maker_lots: Column = KEEP,
    long_lots: Column = KEEP,
    short_lots: Column = KEEP,
    collateral_atoms: Column = 0,
    learn: Learn = ignore,
) -> Ask:
    """One change a row; a single number stands for every row. Collateral is positive into the market."""
    columns: dict[str, Column] = {
        "market": market,
        "maker_lots": maker_lots,
        "long_lots": long_lots,
        "short_lots": short_lots,
        "collateral_atoms": collateral_atoms,
    }
    filled = {name: np.broadcast_to(np.asarray(column), account.shape) for name, column in columns.items()}
    return column_ask("change_positions", cmd.ChangePositions, learn, account=account, **filled)
