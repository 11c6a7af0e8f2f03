"""The door over a real channel: single orders, column batches, and how long a node takes from its start to serving.

The node is a process of its own and so is the echo server it is compared with; both meet the same client, which shares
the processors with them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import psutil

from breakwater.v1 import commands_pb2, common_pb2, trading_pb2
from cluster.transport import ON_RAY, TRANSPORTS
from node.bench import echo
from node.bench.load import Load, run_load
from node.bench.program import Program, running
from node.bench.table import Row
from node.client import AsyncClient, Client
from node.client.requests import SideWord, new_key, open_position

IN_FLIGHT = (8, 32)
RATE_REACH = 3_000.0
P50_REACH_MS = {8: 5.0, 32: 12.0}
COLUMNS_REACH = 500_000.0
START_REACH_S = 12.0
COLUMN_ROWS = 1_000
BATCHES = 24
QUICK_BATCHES = 4
_COLUMNS_IN_FLIGHT = 4
_ACCOUNTS = 64
_MARGIN_ATOMS = 10_000
_POOL_ATOMS = 1_000_000_000_000
_ACCOUNT_ATOMS = 1_000_000_000
_PRICE_TICKS = 100_000
_PUBLISHERS = (1, 2, 3)


def rows(directory: Path, quick: bool) -> Iterator[Row]:
    """The echo server first, then a node over every transport."""
    count = 400 if quick else 3_000
    with running("node.bench.echo", (), directory / "echo.log") as program:
        peers = asyncio.run(_echo_loads(program.facts["address"], count))
    for transport in TRANSPORTS:
        yield from _node_rows(directory, transport, count, peers, quick)
    if not quick:
        yield _row_without_validator(directory, "ray")


def _node_rows(directory: Path, transport: str, count: int, peers: dict[int, Load], quick: bool) -> Iterator[Row]:
    arguments, log = _up(directory, transport), directory / f"node-{transport}.log"
    with running("node.cli", arguments, log) as program:
        yield Row(f"start to serving, {transport}, empty", program.start_s, "s", START_REACH_S)
        batches = QUICK_BATCHES if quick else BATCHES
        yield from _load_rows(program, transport, count, peers, batches)
        if transport == "inline":
            yield from _gateway_rows(directory, program, count // 4, batches)
        height = _height(program)
        program.kill()
    if quick and transport in ON_RAY:
        return
    with running("node.cli", arguments, log) as program:
        name = f"start to serving, {transport}, {height:,} blocks after kill -9"
        yield Row(name, program.start_s, "s", START_REACH_S)


def _up(directory: Path, transport: str, *more: str) -> tuple[str, ...]:
    data = str(directory / f"node-{transport}{'-settings' if more else ''}")
    return ("up", "--dev", "--json", "--no-house-bot", "--port", "0", "--transport", transport, "--data", data, *more)


def _row_without_validator(directory: Path, transport: str) -> Row:
    """What the door takes in columns when nobody re-executes the blocks beside it."""
    settings = directory / "no-validator.toml"
    settings.write_text("validator = false\n", encoding="utf-8")
    arguments = _up(directory, transport, "--config", str(settings))
    with running("node.cli", arguments, directory / "node-no-validator.log") as program:
        address, key = program.facts["address"], program.facts["dev_keys"]["dev"]
        columns = asyncio.run(_column_load(address, key, _prepare(address, key), BATCHES))
    return _columns_row(columns, f"{transport}, no validator")


def _columns_row(load: Load, node: str) -> Row:
    title = f"orders in columns of {COLUMN_ROWS:,}, {node}, {_COLUMNS_IN_FLIGHT} in flight"
    return Row(title, load.calls_per_s * COLUMN_ROWS, "orders/s", COLUMNS_REACH)


def _load_rows(program: Program, transport: str, count: int, peers: dict[int, Load], batches: int) -> Iterator[Row]:
    address, key = program.facts["address"], program.facts["dev_keys"]["dev"]
    accounts = _prepare(address, key)
    for in_flight in IN_FLIGHT:
        load = asyncio.run(_order_load(address, key, accounts, count, in_flight))
        peer, title = peers[in_flight], f"single orders, {transport}, {in_flight} in flight"
        yield Row(title, load.calls_per_s, "RPC/s", RATE_REACH, "bare gRPC echo", peer.calls_per_s)
        yield Row(f"{title}, p50", load.p50_ms, "ms", P50_REACH_MS[in_flight], "bare gRPC echo, p50", peer.p50_ms)
        yield Row(f"{title}, p99", load.p99_ms, "ms", None, "bare gRPC echo, p99", peer.p99_ms)
    yield _columns_row(asyncio.run(_column_load(address, key, accounts, batches)), transport)


def _gateway_rows(directory: Path, program: Program, count: int, batches: int) -> Iterator[Row]:
    """The same orders at the node's own door and through a gateway, one after the other."""
    key, door = program.facts["dev_keys"]["dev"], "at the node's own door"
    accounts = _prepare(program.facts["address"], key)
    arguments = ("gateway", "--json", "--node", program.facts["address"], "--listen", "127.0.0.1:0")
    with running("node.cli", arguments, directory / "gateway.log") as gateway:
        addresses = (program.facts["address"], gateway.facts["address"])
        spent_s = -_processor_s(gateway)
        for in_flight in IN_FLIGHT:
            direct, through = (asyncio.run(_order_load(one, key, accounts, count, in_flight)) for one in addresses)
            title = f"single orders through a gateway, {in_flight} in flight"
            yield Row(title, through.calls_per_s, "RPC/s", None, door, direct.calls_per_s)
            yield Row(f"{title}, p50", through.p50_ms, "ms", None, f"{door}, p50", direct.p50_ms)
        spent_s += _processor_s(gateway)
        yield Row("gateway, processor time a single order", spent_s / (len(IN_FLIGHT) * count) * 1e6, "us")
        direct, through = (asyncio.run(_column_load(one, key, accounts, batches)) for one in addresses)
        title = f"orders in columns of {COLUMN_ROWS:,} through a gateway, {_COLUMNS_IN_FLIGHT} in flight"
        rate, peer = through.calls_per_s * COLUMN_ROWS, direct.calls_per_s * COLUMN_ROWS
        yield Row(title, rate, "orders/s", None, door, peer)


def _processor_s(program: Program) -> float:
    times = psutil.Process(program.facts["pid"]).cpu_times()
    return float(times.user + times.system)


def _height(program: Program) -> int:
    """Height of the node now."""
    with Client(program.facts["address"], program.facts["dev_keys"]["dev"]) as client:
        return client.status().height


def _prepare(address: str, key: str) -> list[int]:
    """A price, a pool, funded accounts."""
    with Client(address, key) as client:
        now_ms = time.time_ns() // 1_000_000
        client.publish([(1, publisher, _PRICE_TICKS, now_ms) for publisher in _PUBLISHERS])
        provider = client.open_account()
        client.faucet(provider, _POOL_ATOMS)
        client.deposit_liquidity(provider, _POOL_ATOMS)
        accounts = client.open_accounts(_ACCOUNTS)
        amounts = [_ACCOUNT_ATOMS] * _ACCOUNTS
        deposits = commands_pb2.Deposits(account=accounts, amount_atoms=amounts)
        client.submit_batch(commands_pb2.CommandBatch(venue=1, deposits=deposits))
        return accounts


def _orders(accounts: list[int], count: int) -> Iterator[trading_pb2.OpenPositionRequest]:
    for place in range(count):
        side: SideWord = "long" if place % 2 == 0 else "short"
        yield open_position(1, accounts[place % len(accounts)], 1, side, _MARGIN_ATOMS, "2", None, None)


async def _order_load(address: str, key: str, accounts: list[int], count: int, in_flight: int) -> Load:
    """Market opens, each filled and durable when it is answered; the raw stub raises for a refusal."""
    async with AsyncClient(address, key) as client:
        await run_load(client.trading.OpenPosition, _orders(accounts, in_flight), in_flight)
        return await run_load(client.trading.OpenPosition, list(_orders(accounts, count)), in_flight)


async def _echo_loads(address: str, count: int) -> dict[int, Load]:
    """The same requests to the echo server."""
    async with grpc.aio.insecure_channel(address) as channel:
        say = channel.unary_unary(
            echo.METHOD,
            trading_pb2.OpenPositionRequest.SerializeToString,
            trading_pb2.OpenPositionRequest.FromString,
        )
        loads = {}
        for in_flight in IN_FLIGHT:
            await run_load(say, _orders([1], in_flight), in_flight)
            loads[in_flight] = await run_load(say, list(_orders([1], count)), in_flight)
        return loads


async def _column_load(address: str, key: str, accounts: list[int], batches: int) -> Load:
    async with AsyncClient(address, key) as client:

        async def send(batch: commands_pb2.CommandBatch) -> None:
            outcome = await client.submit_batch(batch)
            refused = list(outcome.status).count(common_pb2.OUTCOME_STATUS_REFUSED)
            assert not refused, f"{refused} of {COLUMN_ROWS} orders refused"

        return await run_load(send, [_columns(accounts) for _ in range(batches)], _COLUMNS_IN_FLIGHT)


def _columns(accounts: list[int]) -> commands_pb2.CommandBatch:
    body = commands_pb2.OpenPositions(
        account=[accounts[place % len(accounts)] for place in range(COLUMN_ROWS)],
        market=[1] * COLUMN_ROWS,
        side=[1 if place % 2 == 0 else -1 for place in range(COLUMN_ROWS)],
        kind=[common_pb2.ORDER_KIND_MARKET] * COLUMN_ROWS,
        margin_atoms=[_MARGIN_ATOMS] * COLUMN_ROWS,
        leverage_hundredths=[200] * COLUMN_ROWS,
        limit_ticks=[0] * COLUMN_ROWS,
    )
    return commands_pb2.CommandBatch(request_key=new_key().key, venue=1, open_positions=body)
