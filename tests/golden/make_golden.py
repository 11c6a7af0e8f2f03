"""Writes the golden journals anew: `python -m tests.golden.make_golden` from the root of the repository.

Only for a change of behaviour or layout that is wanted and said in its commit: nobody's old journal replays after it.
The streams are those of `tests/properties/streams.py`, chosen so that together they meet every event and every refusal
a block can hold; they are stored, so later changes of the generator do not change them.
"""

import json

from breakwater.v1 import commands_pb2 as commands
from cluster.replica import Replica
from tests.golden.journals import BLOCKS, ROOTS, pack, play, summary
from tests.properties.streams import Stream

SEEDS = (14, 0, 9, 23, 30, 13)
BLOCKS_EACH = 40


def main() -> None:
    """Plays the streams and writes both files."""
    blocks: list[commands.BlockInput] = []
    journals = []
    for seed in SEEDS:
        plays = list(Stream(seed).play(BLOCKS_EACH))
        history = [each.block for each in plays]
        voided = {each.block.height: list(each.voided) for each in plays if each.voided}
        journals.append({"seed": seed, "voided": voided, "blocks": summary(play(Replica(), history, voided))})
        blocks += history
    BLOCKS.write_bytes(pack(blocks))
    lines = [json.dumps(journal, sort_keys=True).replace("], [", "],\n  [") for journal in journals]
    ROOTS.write_text('{"journals": [\n' + ",\n".join(lines) + "\n]}\n")
    print(f"{len(blocks)} blocks, {BLOCKS.stat().st_size + ROOTS.stat().st_size} bytes")


if __name__ == "__main__":
    main()
