"""Damage to what a dead node left: a torn tail, flipped bits in journal and snapshot, and a real start on each.

The journal as such is tried at every byte and on both stores by tests/cluster/damage_campaign.py, which runs here too.
"""

from __future__ import annotations

import random
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np

from cluster.journal.sqlite_reader import PAGE_BYTES, log_path
from tests.faults.live_load import Load
from tests.faults.live_node import PRINCIPAL, LiveNode, NodeSettings
from tests.faults.live_process import ProcessEnded
from tests.faults.verdict import Amount, Report, judge

TITLE = "starts on damaged stores"
COLUMNS = ("damage", "starts", "served with everything acknowledged", "refused naming the height", "blocks")
_SNAPSHOT_EVERY = 20
_HEADER_BYTES, _PAGE_HEADER_BYTES = 32, 24
_STRIDE = _PAGE_HEADER_BYTES + PAGE_BYTES

Damage = Callable[[Path, random.Random], str]


def run(folder: Path, amount: Amount) -> list[Report]:
    """What one node left is damaged in copies, one damage each."""
    report = Report(TITLE, COLUMNS)
    folder.mkdir(parents=True, exist_ok=True)
    origin, load = _dead_node(folder)
    _starts(report, folder, origin, load, ("torn last frame", _tear, True, amount.of(1, 8)))
    _starts(report, folder, origin, load, ("bit in the journal", _flip_journal, False, amount.of(1, 8)))
    _starts(report, folder, origin, load, ("bit in the newest snapshot", _flip_snapshot, True, amount.of(1, 4)))
    return [report]


def _dead_node(folder: Path) -> tuple[Path, Load]:
    """A node that died with a last frame in the journal that nobody was told of."""
    told = folder / "crash-at"
    settings = NodeSettings(folder / "origin", snapshot_every=_SNAPSHOT_EVERY)
    with LiveNode(settings, folder / "origin.log") as node:
        node.start(BREAKWATER_CRASH_AT=f"@{told}")
        with Load([node.address], node.key(), PRINCIPAL) as load:
            load.acknowledged(150)
            told.write_text("node:appended#1")
            code = node.wait_exit()
            assert code == -signal.SIGKILL, f"the node was to die and ended with code {code}: {node.last_words()}"
    return settings.data_dir, load


def _starts(report: Report, folder: Path, origin: Path, load: Load, case: tuple[str, Damage, bool, int]) -> None:
    """So many starts on copies with one kind of damage, which must serve all of the history, or must be refused."""
    name, damage, must_serve, times = case
    served, refused, blocks = 0, 0, 0
    for number in range(times):
        copy = folder / f"{damage.__name__.strip('_')}-{number}"
        shutil.copytree(origin, copy)
        log_path(copy).with_name(log_path(copy).name.removesuffix("-wal") + "-shm").unlink(missing_ok=True)
        where = f"{name}, {damage(copy, random.Random(number))}"
        with LiveNode(NodeSettings(copy, snapshot_every=0), copy.with_suffix(".log")) as node:
            try:
                node.start()
            except ProcessEnded:
                words = node.last_words()
                named = node.exit_code() == 1 and "corrupted at height" in words
                refused += named
                if must_serve or not named:
                    report.blame(where, [f"the node ended with code {node.exit_code()}: {words}"])
                continue
            node.stop()
        verdict = judge(load, node.journal())
        report.blame(where, verdict.faults if must_serve else ["the node started on it"])
        served += not verdict.faults
        blocks = verdict.blocks
    report.row(name, times, served, refused, blocks or "-")


def _last_transaction(log: Path) -> tuple[int, int]:
    """Where the pages of the log's last transaction begin and end."""
    raw = np.frombuffer(log.read_bytes(), np.uint8)
    count = (len(raw) - _HEADER_BYTES) // _STRIDE
    pages = raw[_HEADER_BYTES : _HEADER_BYTES + count * _STRIDE].reshape(count, _STRIDE)
    current = (pages[:, 8:16] == raw[16:24]).all(axis=1)  # pages of an older log may lie behind the end
    commits = np.flatnonzero(current & (pages[:, 4:8].any(axis=1)))
    begin, end = int(commits[-2]) + 1, int(commits[-1]) + 1
    return _HEADER_BYTES + begin * _STRIDE, _HEADER_BYTES + end * _STRIDE


def _tear(copy: Path, chance: random.Random) -> str:
    """Cuts the log somewhere in the last frame, which was written and never acknowledged."""
    begin, end = _last_transaction(log_path(copy))
    at = chance.randrange(begin + 1, end)
    with log_path(copy).open("r+b") as file:
        file.truncate(at)
    return f"cut {end - at} bytes before the end"


def _flip_journal(copy: Path, chance: random.Random) -> str:
    """Flips a bit of the log, in pages that whole ones follow."""
    begin, _ = _last_transaction(log_path(copy))
    return _flip(log_path(copy), chance.randrange(_HEADER_BYTES, begin), chance)


def _flip_snapshot(copy: Path, chance: random.Random) -> str:
    """Flips a bit of a part of the newest snapshot."""
    newest = max((copy / "snapshots").iterdir())
    part = chance.choice(sorted(path for path in newest.rglob("*") if path.is_file() and path.stat().st_size))
    return _flip(part, chance.randrange(part.stat().st_size), chance)


def _flip(path: Path, at: int, chance: random.Random) -> str:
    bit = chance.randrange(8)
    with path.open("r+b") as file:
        file.seek(at)
        old = file.read(1)[0]
        file.seek(at)
        file.write(bytes([old ^ (1 << bit)]))
    return f"bit {bit} of byte {at} of {path.name}"
