"""Accounts of keys on a node that stands by: whoever opens one on the node it follows keeps it after a take-over.

The door of the node that answers binds an account to the key that opened it, in its own keys.json. A standby has a copy
of that file, and learns from the journal what was opened since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from breakwater.v1 import common_pb2
from cluster.archiver import split_outcomes
from cluster.recovery import Replayed
from node.guards.key_file import KEYS_NAME, KeyTable, update_keys

OPENING = ("open_accounts", "open_subaccounts")
_REFUSED = common_pb2.OUTCOME_STATUS_REFUSED

# Number of the key, venue, first and last account.
Opened = tuple[int, int, int, int]


def opened_in(replayed: Replayed) -> Iterator[Opened]:
    """What keys opened in a block that was executed."""
    if not any(batch.WhichOneof("body") in OPENING for batch in replayed.block.batches):
        return
    for batch, outcome in zip(replayed.block.batches, split_outcomes(replayed.result), strict=True):
        if batch.WhichOneof("body") not in OPENING:
            continue
        rows = zip(outcome.reference, outcome.status, strict=True)
        if accounts := [account for account, status in rows if status != _REFUSED]:
            yield batch.principal, batch.venue, min(accounts), max(accounts)


def keeping_up(data_dir: Path) -> Callable[[Replayed], None]:
    """Binds, in the key file of a directory, what the blocks it is shown opened."""

    def executed(replayed: Replayed) -> None:
        opened = list(opened_in(replayed))

        def change(table: KeyTable) -> None:
            records = {record.principal: record for record in table.records}
            for principal, venue, first, last in opened:
                if principal in records:
                    records[principal].accounts.add(venue, first, last)

        if opened and (data_dir / KEYS_NAME).exists():
            update_keys(data_dir / KEYS_NAME, change)

    return executed
