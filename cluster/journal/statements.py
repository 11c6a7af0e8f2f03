"""What a journal says to an SQL store, once for every dialect: `:name` stands for a parameter.

Dialects differ in five words, and in the append: PostgreSQL notes the tip in the lease row with every frame (an update
of a small row), where SQLite does it at checkpoints (its log has checksums of its own, and a page more costs 16 KB).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Final

_FRAME: Final = "height, epoch, prev_hash, hash, payload"
_HELD: Final = "WHERE stream = :stream AND epoch = :epoch"
_PLACEHOLDER: Final = re.compile(r"(?<![:\w]):([a-z_]+)")


@dataclass(frozen=True, slots=True)
class Dialect:
    """The words two stores do not share."""

    integer: str
    blob: str
    now_ms: str
    locked: str
    epoch_of_both: str


SQLITE: Final = Dialect(
    integer="INTEGER",
    blob="BLOB",
    now_ms="CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
    locked="",
    epoch_of_both="MAX(epoch, :tip_epoch)",
)
POSTGRESQL: Final = Dialect(
    integer="BIGINT",
    blob="BYTEA",
    now_ms="CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
    locked="FOR UPDATE",
    epoch_of_both="GREATEST(epoch, :tip_epoch)",
)


@dataclass(frozen=True, slots=True)
class Statements:
    """Every statement of a journal in one dialect; those that change something name the epoch they are made under."""

    tables: tuple[str, ...]
    new_lease: str
    read: str
    read_tip: str
    read_start: str
    read_anchor: str
    read_holder: str
    lock_lease: str
    take: str
    retake: str
    renew: str
    release: str
    anchor: str
    append: str
    fill: str
    keep_cut: str
    cut: str
    cut_before: str
    forget_start: str
    new_start: str

    def spelled(self, placeholder: str) -> Statements:
        """The same with parameters as another driver wants them: `placeholder` is a template of re.sub."""
        words = {one.name: getattr(self, one.name) for one in fields(self)}
        tables = words.pop("tables")
        return Statements(tables, **{name: _PLACEHOLDER.sub(placeholder, text) for name, text in words.items()})


def statements(words: Dialect) -> Statements:
    """All of them in one dialect, with `append` as SQLite has it."""
    frame = (
        f"stream TEXT NOT NULL, height {words.integer} NOT NULL, epoch {words.integer} NOT NULL, "
        f"prev_hash {words.blob} NOT NULL, hash {words.blob} NOT NULL, payload {words.blob} NOT NULL"
    )
    place = f"height {words.integer} NOT NULL, epoch {words.integer} NOT NULL, hash {words.blob} NOT NULL"
    return Statements(
        tables=(
            f"CREATE TABLE IF NOT EXISTS journal ({frame}, PRIMARY KEY (stream, height))",
            f"CREATE TABLE IF NOT EXISTS journal_cut ({frame})",
            f"CREATE TABLE IF NOT EXISTS journal_start (stream TEXT PRIMARY KEY, {place})",
            f"CREATE TABLE IF NOT EXISTS lease (stream TEXT PRIMARY KEY, epoch {words.integer} NOT NULL, "
            f"holder TEXT NOT NULL, anchor_height {words.integer} NOT NULL, anchor_hash {words.blob} NOT NULL, "
            f"seen_ms {words.integer} NOT NULL DEFAULT 0)",
        ),
        new_lease="INSERT INTO lease (stream, epoch, holder, anchor_height, anchor_hash) "
        "VALUES (:stream, 0, '', :height, :hash) ON CONFLICT DO NOTHING",
        read=f"SELECT {_FRAME} FROM journal WHERE stream = :stream AND height >= :height ORDER BY height LIMIT :limit",
        read_tip="SELECT height, hash, epoch FROM journal WHERE stream = :stream ORDER BY height DESC LIMIT 1",
        read_start="SELECT height, hash, epoch FROM journal_start WHERE stream = :stream",
        read_anchor="SELECT anchor_height, anchor_hash FROM lease WHERE stream = :stream",
        read_holder=f"SELECT holder, epoch, {words.now_ms} - seen_ms FROM lease WHERE stream = :stream",
        lock_lease=f"SELECT epoch FROM lease WHERE stream = :stream {words.locked}",
        take=f"UPDATE lease SET epoch = {words.epoch_of_both} + 1, holder = :holder, seen_ms = {words.now_ms}, "
        "anchor_height = :height, anchor_hash = :hash WHERE stream = :stream AND (:force = 1 OR holder = '' "
        f"OR holder = :holder OR {words.now_ms} - seen_ms > :ttl_ms) RETURNING epoch",
        retake=f"UPDATE lease SET epoch = epoch + 1, seen_ms = {words.now_ms} "
        "WHERE stream = :stream AND holder = :holder RETURNING epoch",
        renew=f"UPDATE lease SET seen_ms = {words.now_ms} {_HELD}",
        release=f"UPDATE lease SET holder = '' {_HELD}",
        anchor=f"UPDATE lease SET anchor_height = :height, anchor_hash = :hash {_HELD}",
        append=f"INSERT INTO journal (stream, {_FRAME}) "
        f"SELECT :stream, :height, :epoch, :prev_hash, :hash, :payload FROM lease {_HELD}",
        fill=f"INSERT INTO journal (stream, {_FRAME}) "
        "VALUES (:stream, :height, :of_epoch, :prev_hash, :hash, :payload)",
        keep_cut=f"INSERT INTO journal_cut (stream, {_FRAME}) "
        f"SELECT stream, {_FRAME} FROM journal WHERE stream = :stream AND height >= :height",
        cut="DELETE FROM journal WHERE stream = :stream AND height >= :height",
        cut_before="DELETE FROM journal WHERE stream = :stream AND height <= :height",
        forget_start="DELETE FROM journal_start WHERE stream = :stream",
        new_start="INSERT INTO journal_start (stream, height, epoch, hash) VALUES (:stream, :height, :of_epoch, :hash)",
    )
