"""What docs/operating.md shows of backup, restore, failover, upgrade and shards is done in order, on three machines."""

import shlex
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import orjson
import pytest

from node.client import Client
from tests.docs.machines import Machine, until_it_answers
from tests.docs.printing import ROOT
from tests.docs.test_commands import fences
from tests.postgresql_server import server

PAGE = ROOT / "docs" / "operating.md"
MACHINES = ("first", "second", "third")


def steps() -> Iterator[tuple[str, list[str]]]:
    """Every command of the page's runnable fences with the machine it is for."""
    for text in fences(PAGE, "console", runnable=True):
        name = ""
        for line in text.splitlines():
            if line.startswith("# on the "):
                name = line.split()[3]
            else:
                assert line.startswith("$ ") and name in MACHINES, line
                yield name, shlex.split(line[2:])


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[dict[str, Machine]]:
    """Two machines with one journal on PostgreSQL, and a third with a journal of its own."""
    with ExitStack() as stack:
        journal = stack.enter_context(server()).new_database()
        found = {}
        for name in MACHINES:
            environment = {} if name == "third" else {"BREAKWATER_JOURNAL": journal}
            found[name] = stack.enter_context(Machine(tmp_path / name, tmp_path / "backups", environment))
        nodes = [f"127.0.0.1:{found[name].ports[7400]}" for name in ("first", "second")]
        for machine in found.values():
            machine.name_nodes(nodes)
        yield found


@pytest.mark.slow
def test_the_life_of_a_node_can_be_lived(machines: dict[str, Machine]) -> None:
    ran = []
    opened = 0
    for name, words in steps():
        machine = machines[name]
        if words[0] == "sudo":
            machine.systemctl(*words[2:])
        elif words[1] != "warm":  # it would take the kernels from under other tests
            assert words[0] == "breakwater"
            done = until_it_answers(machine, words[1:])
            assert done.returncode == 0, f"{name}: {shlex.join(words)}: {done.stderr.decode()}{machine.log()}"
        if words[1:2] == ["backup"] and not opened:
            opened = open_account(machines["first"])
        ran.append(words[1] if words[0] == "breakwater" else words[2])
    assert {"start", "stop", "health", "status", "backup", "verify-backup", "audit", "restore", "shards"} <= set(ran)
    assert balance(machines["first"], opened) == 7


def open_account(machine: Machine) -> int:
    """An account of a key that is bound to what it opens, after the first backup; through the gateway."""
    with client_of(machine, "trader", 7500) as client:
        account = client.open_account()
        client.faucet(account, 7)
        return account


def balance(machine: Machine, account: int) -> int:
    """What the same key has at the end, on a node that took over twice."""
    with client_of(machine, "trader", 7400) as client:
        return client.account(account).free_atoms


def client_of(machine: Machine, role: str, port: int) -> Client:
    """A client under a key of dev mode."""
    key = orjson.loads((machine.data / "dev_keys.json").read_bytes())[role]
    return Client(f"127.0.0.1:{machine.ports[port]}", key, 60.0)
