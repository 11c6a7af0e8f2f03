"""Writes the golden journals anew: `python -m tests.golden.make_golden` from the root of the repository.

Only for a change of behaviour or layout that is wanted and said in its commit: nobody's old journal replays after it.
The streams are those of `tests/properties`, of venues of each rulebook, chosen so that together they meet every event
and nearly every refusal a block can hold; they are stored, so later changes of the generators do not change them.
"""

import json
from collections.abc import Iterator

from breakwater.v1 import commands_pb2 as commands
from cluster.replica import Replica
from tests.golden.journals import BLOCKS, ROOTS, pack, play, summary
from tests.properties.margin_streams import MarginStream
from tests.properties.perennial_streams import PerennialStream
from tests.properties.spin_streams import SpinStream
from tests.properties.streams import Play, Stream

SEEDS = (14, 0, 9, 23, 30, 13)
BLOCKS_EACH = 40
# A book, partials, stalls, a vault at its margin, caps, a crowd whose debts nobody can carry.
MARGIN_SEEDS = (22, 5, 14, 75, 18, 113)
MARGIN_BLOCKS_EACH = 34
# A run on a market's money, locks beside collateral that would leave, floors above caps, rewards beyond their limit.
PERENNIAL_SEEDS = (109, 73, 114, 118)
PERENNIAL_BLOCKS_EACH = 40
# Hours of funding with takeovers and transfers; a crash with many liquidators.
SPIN_SEEDS = (25, 10)
SPIN_BLOCKS_EACH = 26


def main() -> None:
    """Plays the streams and writes both files."""
    blocks: list[commands.BlockInput] = []
    journals = []
    streams: list[tuple[int, Iterator[Play]]] = [(seed, Stream(seed).play(BLOCKS_EACH)) for seed in SEEDS]
    streams += [(seed, MarginStream(seed).play(MARGIN_BLOCKS_EACH)) for seed in MARGIN_SEEDS]
    streams += [(seed, PerennialStream(seed).play(PERENNIAL_BLOCKS_EACH)) for seed in PERENNIAL_SEEDS]
    streams += [(seed, SpinStream(seed).play(SPIN_BLOCKS_EACH)) for seed in SPIN_SEEDS]
    for seed, stream in streams:
        plays = list(stream)
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
