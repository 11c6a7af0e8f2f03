"""The disk is full while clients work: refused READ_ONLY, reads answered, and on by itself once there is space."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import grpc

from breakwater.v1 import accounts_pb2 as accounts
from breakwater.v1 import admin_pb2 as admin
from cluster.audit import audit
from cluster.journal import open_read_only
from node.client import Client, RefusedError
from tests.faults.live_load import MARGIN_TRADE, Load
from tests.faults.live_node import PRINCIPAL, LiveNode, NodeSettings
from tests.faults.namespaces import NotPermitted, SmallDisk
from tests.faults.verdict import Amount, Report, judge, median_and_worst

TITLE = "full disk under load"
COLUMNS = (
    "full",
    "times",
    "read-only after",
    "ready after freeing",
    "told READ_ONLY",
    "acknowledged",
    "unknown",
    "blocks",
)
_MEGABYTES = 48
# What a journal alone on the disk leaves elsewhere.
_ELSEWHERE = ("archive.sqlite", "archive", "snapshots")


def run(folder: Path, amount: Amount) -> list[Report]:
    """A disk with everything on it, and one with nothing but the journal."""
    report = Report(TITLE, COLUMNS)
    try:
        _campaign(folder / "everything", report, "everything", amount.of(1, 5))
        if amount.whole:
            _campaign(folder / "journal", report, "the journal", amount.of(0, 5))
    except NotPermitted as error:
        report.notes.append(f"skipped: {error}")
    return [report]


def _campaign(folder: Path, report: Report, full: str, times: int) -> None:
    """The disk is filled and freed so many times under one load."""
    data = folder / "disk" / "data"
    data.parent.mkdir(parents=True)
    read_only_s, ready_s = [], []
    with SmallDisk(data.parent, _MEGABYTES) as disk:
        seen = disk.seen(data)
        seen.mkdir()
        if full == "the journal":
            _move_the_rest(folder / "elsewhere", seen)
        settings = NodeSettings(data, inside=disk.inside, seen_at=seen, snapshot_every=50)
        with LiveNode(settings, folder / "node.log") as node:
            node.start()
            with Load([node.address], node.key(), PRINCIPAL) as load:
                for _ in range(times):
                    load.acknowledged(50)
                    read_only_s.append(_fill(node, disk, load, report, full))
                    ready_s.append(_free(node, disk, load))
            node.stop()
        # SQLite resolves links, and /proc/<pid>/root is one that leads out of the namespace.
        kept = Path(shutil.copytree(seen, folder / "kept"))
    verdict = judge(load, open_read_only(kept))
    report.blame(full, [*verdict.faults, *audit(kept).violations])
    report.row(
        full,
        times,
        median_and_worst(read_only_s),
        median_and_worst(ready_s),
        _refusals(load),
        verdict.acknowledged,
        verdict.unknown,
        verdict.blocks,
    )


def _move_the_rest(elsewhere: Path, seen: Path) -> None:
    """Archive and snapshots lie on the large disk, only linked to from the small one."""
    for name in ("archive", "snapshots"):
        (elsewhere / name).mkdir(parents=True)
    for name in _ELSEWHERE:
        (seen / name).symlink_to(elsewhere / name)


def _fill(node: LiveNode, disk: SmallDisk, load: Load, report: Report, full: str) -> float:
    """Fills the disk until the node says it is read-only; it must tell clients so and still answer reads.

    Seconds until it said so. Raises NotInTime where no client is refused READ_ONLY.
    """
    begun_s, before = time.monotonic(), _refusals(load)
    disk.fill()
    status = node.wait_state("READ_ONLY")
    took_s = time.monotonic() - begun_s
    with node.client() as client:
        report.blame(full, [*_unreadable(client), *_unclear_snapshot(client)])
        if not any(status.reasons):
            report.blame(full, ["status says READ_ONLY without a reason"])
    node.until(lambda: _refusals(load) > before, "a client to be refused READ_ONLY")
    return took_s


def _refusals(load: Load) -> int:
    """How often clients were refused READ_ONLY so far."""
    return load.told().refused.get("READ_ONLY", 0)


def _unreadable(client: Client) -> list[str]:
    """Reads that a node on a full disk does not answer."""
    faults = []
    for name, read in (
        ("an account", lambda: client.accounts.GetAccount(accounts.GetAccountRequest(venue=MARGIN_TRADE, account=1))),
        ("the venues", client.venues),
        ("the newest header", client.header),
    ):
        try:
            read()
        except (grpc.RpcError, RefusedError) as error:
            faults.append(f"{name} cannot be read on a full disk: {error}")
    return faults


def _unclear_snapshot(client: Client) -> list[str]:
    """What an operator who asks for a snapshot is told wrongly: it is written, or it is said why not."""
    try:
        client.admin.TakeSnapshot(admin.TakeSnapshotRequest())
    except grpc.RpcError as error:
        said = f"{error.code().name}: {error.details()}"
        return [] if said.startswith("FAILED_PRECONDITION: no snapshot was written: ") else [said]
    return []


def _free(node: LiveNode, disk: SmallDisk, load: Load) -> float:
    """Gives the space back; seconds until the node acknowledged again."""
    begun_s = time.monotonic()
    disk.free()
    node.wait_state("READY", "RESUMING", "DEGRADED")
    load.acknowledged()
    return load.acks_since(begun_s)[0].at_s - begun_s
