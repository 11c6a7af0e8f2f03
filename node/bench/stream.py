"""Orders a second down one stream of columns into Margin Trade: risk-checked, executed, durable when they are answered.

The node is a process of its own with its journal on disk, the feeder is another, and they share the processors. Floors
of the same run: the same stream into a server that has neither risk nor book nor journal; the bare matching kernel on
a like flow; and the journal alone, given the same bytes. The peer is an engine with a server and a journal.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from breakwater.v1 import commands_pb2 as cmd
from cluster.journal import SqliteJournal
from cluster.transport import TRANSPORTS
from node.bench.feeder import PUBLISHERS, Fed, Orders, feed
from node.bench.matching import kernel_ns
from node.bench.mixed_flow import CASH_ATOMS, MARK_TICKS, REFUSED_MAX, STEP_ROWS, MixedFlow
from node.bench.peers import http_engine
from node.bench.peers.environments import MATCHING_ENGINE, NoPeer
from node.bench.program import Program, running
from node.bench.table import Row
from node.bench.timing import percentile, times_ms
from node.client import Client
from node.margin_presets import MARGIN_TRADE_VENUE

REACH: Final = 500_000.0
ACCOUNTS: Final = 1_000
# In one process a second shard only divides the work; on two processors more than two help nobody.
SHARDS: Final = {"inline": 1, "lane": 2, "ray": 2}
_OPEN_ROWS: Final = 50_000
_ECHO: Final = "bare gRPC echo of the columns"


def rows(directory: Path, quick: bool) -> Iterator[Row]:
    """The floors first; then the node over every transport, with its validator and without."""
    seconds = 2.0 if quick else 6.0
    with running("node.bench.echo", (), directory / "stream-echo.log") as program:
        echo = feed(Orders(address=program.facts["address"], key="", publish=False, seconds=seconds))
    kernel, journal = 1e9 / kernel_ns(20 if quick else 100), _journal_per_s(directory, 20 if quick else 100)
    peer = _peer(directory, seconds)
    for transport in TRANSPORTS:
        for validator in (True, False):
            fed, name = _fed(directory, transport, validator, seconds), _name(transport, validator)
            yield Row(name, fed.per_s, "orders/s", REACH, _ECHO, echo.per_s)
            if not validator:
                continue
            yield Row(f"{name}, a step of {STEP_ROWS:,}, p50", fed.p50_ms, "ms", None, f"{_ECHO}, p50", echo.p50_ms)
            yield Row(f"{name}, a step of {STEP_ROWS:,}, p99", fed.p99_ms, "ms", None, f"{_ECHO}, p99", echo.p99_ms)
            if transport == TRANSPORTS[0]:
                yield Row(f"{name}, beside the book", fed.per_s, "orders/s", None, "bare matching kernel", kernel)
                yield Row(f"{name}, beside the disk", fed.per_s, "orders/s", None, "journal appends alone", journal)
                yield Row(f"{name}, beside {MATCHING_ENGINE.name}", fed.per_s, "orders/s", None, *peer)


def _peer(directory: Path, seconds: float) -> tuple[str, float | None]:
    """The nearest to a node that can be installed without us, as the reference of a row."""
    try:
        per_s = http_engine.operations_per_s(directory, seconds)
    except NoPeer as reason:
        return f"{MATCHING_ENGINE.title}: {reason}", None
    return f"{MATCHING_ENGINE.title}, HTTP, fsync", per_s


def _name(transport: str, validator: bool) -> str:
    return f"column stream, {transport}{'' if validator else ', no validator'}"


def _fed(directory: Path, transport: str, validator: bool, seconds: float) -> Fed:
    with streaming_node(directory, transport, SHARDS[transport], validator) as program:
        fed = feed(orders_for(program, seconds=seconds))
    assert fed.refused <= REFUSED_MAX * fed.commands, f"{fed.refused} of {fed.commands} commands refused"
    return fed


def orders_for(program: Program, **more: float) -> Orders:
    """What a feeder needs to know of a node made by `streaming_node`."""
    address, key = program.facts["address"], program.facts["dev_keys"]["dev"]
    return Orders(address=address, key=key, accounts=ACCOUNTS, **more)  # type: ignore[arg-type]


@contextmanager
def streaming_node(directory: Path, transport: str, shards: int, validator: bool = True) -> Iterator[Program]:
    """A node with one market of Margin Trade, a price, and funded accounts from 1 on."""
    name = f"stream-{transport}-{shards}{'' if validator else '-alone'}"
    settings = directory / f"{name}.toml"
    lines = ('margin_trade = "BTC"', 'spin = ""', 'perennial = ""', f"validator = {str(validator).lower()}")
    settings.write_text("\n".join(lines), encoding="utf-8")
    where = ("--transport", transport, "--shards", str(shards), "--data", str(directory / name))
    arguments = ("up", "--dev", "--json", "--no-house-bot", "--port", "0", *where, "--config", str(settings))
    with running("node.cli", arguments, directory / f"{name}.log") as program:
        with Client(program.facts["address"], program.facts["dev_keys"]["dev"]) as client:
            fund(client, ACCOUNTS)
        yield program


def fund(client: Client, accounts: int) -> None:
    """A price of every publisher, then accounts with CASH_ATOMS each."""
    now_ms = time.time_ns() // 1_000_000
    client.publish([(1, source, MARK_TICKS, now_ms) for source in PUBLISHERS], venue=MARGIN_TRADE_VENUE)
    for first in range(0, accounts, _OPEN_ROWS):
        opened = client.open_accounts(min(_OPEN_ROWS, accounts - first), venue=MARGIN_TRADE_VENUE)
        deposits = cmd.Deposits(account=opened, amount_atoms=[CASH_ATOMS] * len(opened))
        client.submit_batch(cmd.CommandBatch(venue=MARGIN_TRADE_VENUE, deposits=deposits))


def _journal_per_s(directory: Path, repeats: int) -> float:
    """Orders a second that can be made durable, a frame of one step's bytes after the other."""
    payload = os.urandom(MixedFlow(range(1, ACCOUNTS + 1)).orders(0).nbytes)
    journal = SqliteJournal.open(directory / "stream-journal", holder="bench")
    try:
        epoch = journal.take_lease()
        tip = journal.tip()

        def append() -> None:
            nonlocal tip
            frame = tip.next_frame(epoch, payload)
            journal.append(frame)
            tip = frame.tip

        return STEP_ROWS / percentile(times_ms(append, repeats), 50) * 1_000
    finally:
        journal.close()
