"""The golden journals: how they are stored, and what playing them gives. Every later version must give the same roots.

They come in sets, which are only ever added to: one as the rulebooks were first released, one for every logic version
after that. A set's blocks are a zlib stream, each a length (4 bytes, big-endian) and a serialised `BlockInput`; height
1 begins the next journal. Its roots say, journal by journal, what each block must come to.
"""

import json
import struct
import sys
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from blake3 import blake3

from breakwater.v1 import commands_pb2 as commands
from cluster.commit import BlockResult
from cluster.replica import Replica

FOLDER = Path(__file__).parent
_LENGTH = struct.Struct(">I")


class Kept(NamedTuple):
    """A set of journals: its two files, and what names their bytes, so that nobody writes them anew unseen."""

    name: str
    blocks: Path
    roots: Path
    digest: str

    def found_digest(self) -> str:
        """The name of the bytes that are there."""
        return blake3(self.blocks.read_bytes() + self.roots.read_bytes()).hexdigest(length=16)


SETS = (
    Kept("first", FOLDER / "journals.bin", FOLDER / "roots.json", "8e2bcd5f467165be8eee7e29316124ad"),
    Kept("logic-2", FOLDER / "logic-2.bin", FOLDER / "logic-2.json", "0a1b8615fa1725776fa077927f0fcae7"),
)


@dataclass(frozen=True)
class Journal:
    """Blocks, the commands an operator voided by height, and what is expected: one row of roots a block."""

    blocks: list[commands.BlockInput]
    voided: dict[int, list[int]]
    expected: dict[str, Any]


def pack(blocks: Iterable[commands.BlockInput]) -> bytes:
    """The bytes of a set's blocks."""
    payloads = [block.SerializeToString(deterministic=True) for block in blocks]
    return zlib.compress(b"".join(_LENGTH.pack(len(payload)) + payload for payload in payloads), 9)


def unpack(packed: bytes) -> Iterator[commands.BlockInput]:
    """The blocks of a set, as `pack` made them."""
    content, place = zlib.decompress(packed), 0
    while place < len(content):
        (length,) = _LENGTH.unpack_from(content, place)
        place += _LENGTH.size + length
        yield commands.BlockInput.FromString(content[place - length : place])


def stored() -> list[Journal]:
    """All golden journals, set by set."""
    return [journal for kept in SETS for journal in stored_in(kept)]


def stored_in(kept: Kept) -> list[Journal]:
    """The journals of one set."""
    expected = json.loads(kept.roots.read_text())["journals"]
    histories: list[list[commands.BlockInput]] = []
    for block in unpack(kept.blocks.read_bytes()):
        if block.height == 1:
            histories.append([])
        histories[-1].append(block)
    assert len(histories) == len(expected)
    return [
        Journal(blocks, {int(height): rows for height, rows in journal["voided"].items()}, journal)
        for blocks, journal in zip(histories, expected, strict=True)
    ]


def play(replica: Replica, blocks: Iterable[commands.BlockInput], voided: dict[int, list[int]]) -> list[BlockResult]:
    """Runs the blocks."""
    return [replica.apply(block, voided=voided.get(block.height, ())) for block in blocks]


def summary(results: Iterable[BlockResult]) -> list[list[str]]:
    """A row a block: events root, state root, and a hash of the answers."""
    return [
        [
            result.events_root.hex(),
            result.state_root.hex(),
            blake3(result.outcomes.SerializeToString(deterministic=True)).hexdigest(length=8),
        ]
        for result in results
    ]


def compare(shards: int) -> str:
    """Plays all journals; the last state root of each. Asserts that every block is as it was."""
    last = []
    for number, journal in enumerate(stored()):
        found = summary(play(Replica(shards), journal.blocks, journal.voided))
        for height, (ours, theirs) in enumerate(zip(found, journal.expected["blocks"], strict=True), 1):
            assert ours == theirs, f"journal {number} height {height}: {ours}, kept as {theirs}"
        last.append([row[1] for row in found if row[1]][-1])
    return " ".join(last)


if __name__ == "__main__":
    print(compare(int(sys.argv[1])))
