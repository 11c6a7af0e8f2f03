"""Single bits turned in the files of a store, and what a start and an audit make of it."""

from __future__ import annotations

import os
import random
import shutil
import struct
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg

from cluster.journal import Frame, Journal, JournalCorrupted, SqliteJournal, StoreFailed
from cluster.journal.postgres import PostgresJournal
from cluster.journal.sqlite_reader import JOURNAL_NAME, PAGE_BYTES
from cluster.snapshots import SnapshotStore
from tests.postgresql_server import KillableServer, database_of

FRAMES = 24
_BODY_BYTES = 6_000
_WINDOW = 24
_PG_PAGE = 8192
_RELATIONS = ("journal", "journal_pkey", "lease", "toast")
_COLUMNS = ("payload", "hash", "prev_hash")


@dataclass(frozen=True, slots=True)
class Flip:
    """One bit: where it was, which frame's content it was in (0: none's), and what came of it.

    `verdict` is "detected", "harmless", or what must never be: a sentence.
    """

    where: str
    height: int
    verdict: str
    said: str


@dataclass(frozen=True, slots=True)
class Target:
    """A bit to turn: byte offset in a file and bit of it; `height` is the frame whose content it is in, or 0."""

    offset: int
    bit: int
    height: int
    column: str = ""

    def turn(self, path: Path) -> None:
        """Turn it, in place and on the disk."""
        with path.open("r+b") as file:
            file.seek(self.offset)
            (byte,) = file.read(1)
            file.seek(self.offset)
            file.write(bytes([byte ^ 1 << self.bit]))
            file.flush()
            os.fsync(file.fileno())


def write_frames(journal: Journal, seed: int) -> list[Frame]:
    """Frames whose bytes can be found again in a file: no two windows are alike."""
    chance, frames, tip = random.Random(seed), [], journal.tip()
    epoch = journal.take_lease()
    for _ in range(FRAMES):
        frames.append(tip.next_frame(epoch, chance.randbytes(_BODY_BYTES)))
        journal.append(frames[-1])
        tip = frames[-1].tip
    return frames


def in_frames(files: dict[str, bytes], frames: list[Frame], chance: random.Random) -> tuple[str, Target]:
    """A bit of some frame's payload or hashes, with the name of the file it is in."""
    while True:
        frame, column = chance.choice(frames), chance.choice(_COLUMNS)
        content: bytes = getattr(frame, column)
        start = chance.randrange(len(content) - _WINDOW + 1)
        for name, file in files.items():
            place = file.find(content[start : start + _WINDOW])
            if place >= 0:
                return name, Target(place + chance.randrange(_WINDOW), chance.randrange(8), frame.height, column)


def anywhere(files: dict[str, bytes], chance: random.Random) -> tuple[str, Target]:
    """A bit of any byte of the files."""
    place = chance.randrange(sum(map(len, files.values())))
    for name, file in files.items():
        if place < len(file):
            return name, Target(place, chance.randrange(8), 0)
        place -= len(file)
    raise AssertionError("past the last file")


def looked_at(open_journal: Callable[[], Journal], frames: list[Frame]) -> tuple[str, str]:
    """What a start and an audit say: the verdict, and the words."""
    try:
        with closing(open_journal()) as journal:
            journal.take_lease(force=True)
            journal.verify()
            if list(journal.frames()) != frames:
                return "other frames were read than written, and nobody said so", ""
            journal.append(frames[-1].tip.next_frame(journal.epoch, b"and on"))
            return "harmless", ""
    except (JournalCorrupted, StoreFailed) as refusal:
        return "detected", str(refusal)


def judged(where: str, target: Target, verdict: str, said: str) -> Flip:
    """A flip with its verdict: content of a frame has to be detected, and the frame named."""
    if target.height and verdict == "harmless":
        verdict = f"a bit of the {target.column} of frame {target.height} was turned and nobody noticed"
    elif target.height and not any(f"height {height}:" in said for height in _named(target)):
        verdict = f"frame {target.height} was damaged and not named: {said}"
    return Flip(where, target.height, verdict, said)


def _named(target: Target) -> tuple[int, ...]:
    """Frames that may be named: a hash is stored twice, in its frame and as the one before of the next."""
    at = target.height
    return {"payload": (at,), "hash": (at, at + 1), "prev_hash": (at - 1, at)}[target.column]


# SQLite


def sqlite_flips(folder: Path, seed: int, count: int, content: bool) -> Iterator[Flip]:
    """Turn `count` bits, one after the other, each in a journal that was whole: in frames, or anywhere."""
    with closing(SqliteJournal.open(folder / "whole", holder="damage")) as journal:
        frames = write_frames(journal, seed)
    whole = (folder / "whole" / JOURNAL_NAME).read_bytes()
    chance = random.Random(seed)
    for number in range(count):
        files = {JOURNAL_NAME: whole}
        _, target = in_frames(files, frames, chance) if content else anywhere(files, chance)
        directory = folder / f"flip-{number}"
        directory.mkdir()
        (directory / JOURNAL_NAME).write_bytes(whole)
        target.turn(directory / JOURNAL_NAME)
        verdict = looked_at(lambda: SqliteJournal.open(directory, holder="damage"), frames)  # noqa: B023
        yield judged(_sqlite_place(whole, target), target, *verdict)
        shutil.rmtree(directory)


def _sqlite_place(whole: bytes, target: Target) -> str:
    page, inside = divmod(target.offset, PAGE_BYTES)
    if target.height:
        return f"page {page + 1}, {target.column} of frame {target.height}"
    header = 100 if page == 0 else 0
    if inside < header:
        return f"page 1, file header, byte {inside}"
    body = whole[page * PAGE_BYTES : (page + 1) * PAGE_BYTES]
    kind, cells, content = body[header], *struct.unpack_from(">HH", body, header + 3)
    if kind not in {2, 5, 10, 13}:
        return f"page {page + 1}, overflow page, byte {inside}"
    pointers_end = header + (12 if kind in {2, 5} else 8) + 2 * cells
    part = "free space" if pointers_end <= inside < content else "cells" if inside >= content else "header"
    return f"page {page + 1}, b-tree page, {part}"


# PostgreSQL


def postgresql_flips(server: KillableServer, seed: int, count: int, content: bool) -> Iterator[Flip]:
    """Turn one bit in each of `count` copies of a journal while the server is down: its files hold everything then."""
    url = server.new_database()
    with closing(PostgresJournal.open(url, holder="damage")) as journal:
        frames = write_frames(journal, seed)
    copies = [f"{database_of(url)}_{number}" for number in range(count)]
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        for copy in copies:
            connection.execute(f"CREATE DATABASE {copy} TEMPLATE {database_of(url)} STRATEGY file_copy")
    paths = {copy: _relations(server, copy) for copy in copies}
    server.stop()
    chance = random.Random(seed)
    targets: dict[str, tuple[str, Target, str]] = {}
    for copy in copies:
        files = {name: path.read_bytes() for name, path in paths[copy].items()}
        name, target = in_frames(files, frames, chance) if content else anywhere(files, chance)
        target.turn(paths[copy][name])
        targets[copy] = name, target, _postgresql_place(name, files[name], target)
    server.start()
    for copy in copies:
        _, target, where = targets[copy]
        address = url.replace(f"/{database_of(url)}?", f"/{copy}?")
        verdict = looked_at(lambda: PostgresJournal.open(address, holder="damage"), frames)  # noqa: B023
        yield judged(where, target, *verdict)
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        for copy in copies:
            connection.execute(f"DROP DATABASE {copy} WITH (FORCE)")


def _relations(server: KillableServer, database: str) -> dict[str, Path]:
    with psycopg.connect(server.conninfo(database), autocommit=True) as connection:
        row = connection.execute("SELECT reltoastrelid::regclass::text FROM pg_class WHERE oid = 'journal'::regclass")
        (toast,) = row.fetchone() or ("",)
    return {name: server.file_of(database, toast if name == "toast" else name) for name in _RELATIONS}


def _postgresql_place(name: str, whole: bytes, target: Target) -> str:
    page, inside = divmod(target.offset, _PG_PAGE)
    place = f"{name}, page {page}"
    if target.height:
        return f"{place}, {target.column} of frame {target.height}"
    body = whole[page * _PG_PAGE : (page + 1) * _PG_PAGE]
    lower, upper, special = struct.unpack_from("<HHH", body, 12)
    if inside < 24:
        return f"{place}, page header, byte {inside}"
    if inside < lower:
        return f"{place}, line pointer"
    if inside < upper:
        return f"{place}, free space"
    if inside >= special:
        return f"{place}, special space"
    for number in range(24, lower, 4):
        (pointer,) = struct.unpack_from("<I", body, number)
        begins, length = pointer & 0x7FFF, pointer >> 17
        if begins <= inside < begins + length:
            header = 8 if name == "journal_pkey" else body[begins + 22]
            return f"{place}, {'header of a row' if inside - begins < header else 'row'}"
    return f"{place}, between two rows"


# Snapshots


def snapshot_flips(folder: Path, seed: int, count: int) -> Iterator[Flip]:
    """Turn bits of the newest of two snapshots: it must be passed over, and named."""
    chance, notices = random.Random(seed), list[str]()
    parts = {f"shard/{number}": chance.randbytes(4_000) for number in range(3)} | {"carry": b"outbox"}
    store = SnapshotStore(folder / "snapshots", notice=notices.append)
    store.write(1, bytes(32), parts)
    newest = folder / "snapshots" / store.write(2, bytes(32), parts)
    files = {path.name: path.read_bytes() for path in sorted(newest.iterdir())}
    for _ in range(count):
        name, target = anywhere(files, chance)
        target.turn(newest / name)
        notices.clear()
        found = store.latest()
        detected = found is not None and found.height == 1 and len(notices) == 1 and newest.name in notices[0]
        verdict = "detected" if detected else f"a bit of {name} was turned and the snapshot was taken"
        yield Flip(f"{name}, byte {target.offset}", 2, verdict, notices[0] if notices else "")
        (newest / name).write_bytes(files[name])
