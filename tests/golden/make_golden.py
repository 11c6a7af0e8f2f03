"""Writes a set of golden journals: `python -m tests.golden.make_golden NAME` from the root of the repository.

Sets are only added, with every new logic version of a rulebook: what is there already is left alone, or nobody's old
journal would be held to its roots. The streams are those of `tests/properties`, chosen for the rules that
changed; they are stored, so later changes of the generators do not change them.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator

from breakwater.v1 import commands_pb2 as commands
from cluster.replica import Replica
from tests.golden.journals import SETS, Kept, pack, play, summary
from tests.golden.raised import RaisedStream
from tests.properties.perennial_streams import PerennialStream
from tests.properties.streams import Play

PERENNIAL_BLOCKS_EACH = 40
# Perennial under its version 2: rewards that are cut, frozen accounts that close; and raised to it in the middle.
PERENNIAL_2_SEEDS = (141, 178)
RAISED_SEEDS = (331, 415)

Streams = Iterable[tuple[int, Iterator[Play]]]


def logic_2() -> Streams:
    """What version 2 of Perennial says otherwise."""
    yield from ((seed, PerennialStream(seed).play(PERENNIAL_BLOCKS_EACH)) for seed in PERENNIAL_2_SEEDS)
    yield from ((seed, RaisedStream(seed).play(PERENNIAL_BLOCKS_EACH)) for seed in RAISED_SEEDS)


# Generators change: what made a set before the newest one is gone, the set is not.
STREAMS: dict[str, Callable[[], Streams]] = {"logic-2": logic_2}


def write(kept: Kept) -> None:
    """Plays the streams of a set and writes its two files."""
    blocks: list[commands.BlockInput] = []
    journals = []
    for seed, stream in STREAMS[kept.name]():
        plays = list(stream)
        history = [each.block for each in plays]
        voided = {each.block.height: list(each.voided) for each in plays if each.voided}
        journals.append({"seed": seed, "voided": voided, "blocks": summary(play(Replica(), history, voided))})
        blocks += history
    kept.blocks.write_bytes(pack(blocks))
    lines = [json.dumps(journal, sort_keys=True).replace("], [", "],\n  [") for journal in journals]
    kept.roots.write_text('{"journals": [\n' + ",\n".join(lines) + "\n]}\n")
    stored_bytes = kept.blocks.stat().st_size + kept.roots.stat().st_size
    print(f"{len(blocks)} blocks, {stored_bytes} bytes; its digest for SETS in journals.py: {kept.found_digest()}")


def main(name: str) -> None:
    """Writes the set of this name, unless it is there."""
    kept = next((one for one in SETS if one.name == name), None)
    if kept is None:
        sys.exit(f"there is no set {name!r}: the sets are {', '.join(one.name for one in SETS)}")
    if kept.blocks.exists() or kept.roots.exists():
        sys.exit(f"the set {name!r} is there already, and golden journals are never written anew: add another set")
    write(kept)


if __name__ == "__main__":
    main(*sys.argv[1:2] or [""])
