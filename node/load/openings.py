"""Accounts for simulated people: batches of openings, each number learnt from its answer."""

import numpy as np

from breakwater.v1 import commands_pb2 as cmd
from node.load.asks import ROWS_MAX, Answers, Ask


def openings(account: np.ndarray) -> list[Ask]:
    """An account for every place of the column, which takes the numbers as they are answered."""
    asks = []
    for start in range(0, len(account), ROWS_MAX):
        part = account[start : start + ROWS_MAX]

        def learn(answers: Answers, part: np.ndarray = part) -> None:
            part[:] = answers.reference

        asks.append(Ask("open_accounts", cmd.OpenAccounts(count=len(part)), learn))
    return asks
