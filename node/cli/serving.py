"""`up`, `status`, `warm`: the node in the foreground, what it says of itself, and its kernels compiled beforehand."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli import up_options as options
from node.cli.connection import DEFAULT_DATA, AddressOption, ApiKeyOption, DataOption, connected
from node.cli.output import EXIT_NO, EXIT_USAGE, JsonOption, Refusal, complain, end, put_facts, put_json, put_line
from node.cli.signals import stop_on_signals

if TYPE_CHECKING:
    from node.server import NodeServer

_LOOK_S = 1.0


def up(
    data: DataOption = DEFAULT_DATA,
    host: options.Host = None,
    port: options.Port = None,
    shards: options.Shards = None,
    transport: options.Transport = None,
    address: options.Address = None,
    driver: options.Driver = False,
    dev: options.Dev = False,
    metrics_port: options.MetricsPort = None,
    actor_standbys: options.ActorStandbys = None,
    place: options.Place = None,
    journal: options.Journal = None,
    snapshots: options.Snapshots = None,
    journal_keep_blocks: options.JournalKeepBlocks = None,
    take_over: options.TakeOver = False,
    validate_rows_every: options.ValidateRowsEvery = None,
    standby: options.Standby = False,
    config: options.Config = None,
    house_bot: options.HouseBot = True,
    house_bot_account: options.HouseBotAccount = None,
    house_bot_key: options.HouseBotKey = None,
    as_json: JsonOption = False,
) -> None:
    """Run a node in the foreground until it is interrupted."""
    from cluster.garbage import collect_rarely
    from node.config import load_config
    from node.load.compiled import forget_stale, is_compiled
    from node.server import NodeServer

    settings = load_config(
        config,
        data_dir=data,
        host=host,
        port=port,
        shards=shards,
        transport=transport,
        ray_address=address,
        driver_mode=driver or None,
        dev=dev or None,
        metrics_port=metrics_port,
        actor_standbys=actor_standbys,
        place=place or None,
        follow=standby or None,
        journal=journal,
        snapshots=snapshots,
        journal_keep_blocks=journal_keep_blocks,
        take_over=take_over or None,
        validate_rows_every=validate_rows_every,
    )
    accounts = _house_accounts(house_bot_account or [])
    forget_stale()
    if not is_compiled():
        complain(
            "kernels are compiled when they are first used, about a minute in all: `breakwater warm` does it ahead",
            as_json=False,
        )
    server = NodeServer(settings)
    server.start()
    collect_rarely()
    try:
        # Only now: Ray sets handlers of its own while it starts.
        with stop_on_signals() as stop, _house(server, house_bot, house_bot_key, accounts) as house:
            _announce(server, house, as_json)
            stopped_because = _serve(server, stop)
    finally:
        server.stop()
    if stopped_because:
        complain(f"the node stopped: {stopped_because}", as_json=False)
        end(EXIT_NO)


def status(
    address: AddressOption = None,
    api_key: ApiKeyOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """What a running node says of itself."""
    from breakwater.v1 import admin_pb2
    from node.report.plain import plain

    with connected(address, api_key, data) as client:
        facts = plain(client.admin.GetStatus(admin_pb2.GetStatusRequest()))
    if as_json:
        put_json(facts)
        return
    gateway = facts.pop("gateway", None) or {}
    actors = zip(facts.pop("actors"), [*facts.pop("actor_pids"), *[0] * 1_024], strict=False)
    rows = [(name.replace("_", " "), str(value)) for name, value in facts.items() if value != ""]
    rows.append(("actors", ", ".join(f"{name} ({pid})" if pid else name for name, pid in actors)))
    rows += [(f"gateway {name.replace('_', ' ')}", _words(value)) for name, value in gateway.items()]
    put_facts("Node", rows)


def _words(value: Any) -> str:
    return "; ".join(value) if isinstance(value, list) else str(value)


def warm(
    if_changed: Annotated[
        bool, typer.Option("--if-changed", help="Only where it was not done for this version on this processor.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Compile the kernels afresh, so that the first block of a node does not wait for it."""
    from node.load.compiled import forget_compiled, is_compiled, mark_compiled

    facts: dict[str, Any] = {"blocks": 0, "commands": 0, "venues": [], "wall_s": 0.0}
    if not (if_changed and is_compiled()):
        from node.load.rehearsal import rehearse

        forget_compiled()
        facts = rehearse()
        mark_compiled()
    if as_json:
        put_json(facts)
    elif facts["blocks"]:
        put_line(f"kernels are compiled: {facts['blocks']} blocks in {facts['wall_s']:.1f} s")
    else:
        put_line("kernels are compiled already")


def _house_accounts(words: list[str]) -> dict[str, int]:
    from node.bots.house_orders import accounts_of

    try:
        return accounts_of(words)
    except ValueError as error:
        raise Refusal(str(error), EXIT_USAGE) from error


@contextmanager
def _house(server: "NodeServer", wanted: bool, key: str | None, accounts: dict[str, int]) -> Iterator[str]:
    """The house bot beside the node, while it is entered; yields in a few words how it is."""
    from node.bots.house_child import HouseBot
    from node.bots.house_orders import KEY_NAME, HouseOrders, loopback
    from node.guards.dev_keys import DEV
    from node.logs import logger

    config = server.config
    key = key or server.dev_keys.get(DEV)
    if not wanted:
        yield "off"
    elif config.driver_mode:
        yield "off: a driver seals the blocks"
    elif key is None:
        words = f"off: {KEY_NAME} holds no key of the roles liquidator and trader"
        logger("house-bot").warning("off", missing=f"{KEY_NAME}, and --house-bot-account VENUE=ACCOUNT")
        yield words
    else:
        orders = HouseOrders(loopback(server.address), key, str(config.data_dir), config.dev, accounts)
        house = HouseBot(orders, server.metrics.registry)
        house.start()
        try:
            yield "on"
        finally:
            house.stop()


def _announce(server: "NodeServer", house: str, as_json: bool) -> None:
    import os

    config = server.config
    facts: dict[str, Any] = {
        "address": server.address,
        "pid": os.getpid(),
        "data_dir": str(config.data_dir),
        "height": server.host.height(),
        "shards": config.shards,
        "transport": config.transport,
        "driver_mode": config.driver_mode,
        "dev": config.dev,
        "house_bot": house,
        "validator_key": server.host.validator_public_key.hex(),
        "dev_keys": server.dev_keys,
    }
    if as_json:
        put_json(facts)
        return
    keys = facts.pop("dev_keys")
    rows = [(name.replace("_", " "), str(value)) for name, value in facts.items()]
    rows += [(f"key {name}", text) for name, text in keys.items()]
    put_facts("Breakwater is serving", rows)


def _serve(server: "NodeServer", stop: threading.Event) -> str:
    """Wait for a signal, or for the host to stop by itself; answers why in that case."""
    while not stop.wait(_LOOK_S):
        stopped_because = server.host.stopped_because
        if stopped_because and not server.host.is_fenced:  # one that was fenced goes on telling its clients
            return stopped_because
    return ""
