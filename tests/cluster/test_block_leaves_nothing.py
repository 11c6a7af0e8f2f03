"""What a block was worked with is gone with it: processes that look for cycles rarely would keep block after block."""

import gc
from collections.abc import Iterator

import pytest

from actors.columns import Rows
from actors.sinks import AnswerSink, EventSink
from breakwater.v1 import common_pb2 as common
from cluster.replica import Replica
from tests.golden.journals import Journal, play, stored

OF_A_BLOCK = (Rows, EventSink, AnswerSink)
TRADES = {
    common.RULEBOOK_TWILIGHT: "open_positions",
    common.RULEBOOK_MARGIN_TRADE: "place_orders",
    common.RULEBOOK_SPIN: "place_orders",
    common.RULEBOOK_PERENNIAL: "change_positions",
}


@pytest.fixture
def _no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def journal_of(rulebook: "common.Rulebook") -> Journal:
    """The shortest golden journal in which somebody trades under it."""

    def trades(journal: Journal) -> bool:
        batches = [batch for block in journal.blocks for batch in block.batches]
        venues = {batch.venue for batch in batches if batch.create_venue.parameters.rulebook == rulebook}
        return any(batch.venue in venues and batch.HasField(TRADES[rulebook]) for batch in batches)

    return min(filter(trades, stored()), key=lambda journal: len(journal.blocks))


@pytest.mark.usefixtures("_no_collector")
@pytest.mark.parametrize("rulebook", TRADES)
def test_no_block_waits_for_the_collector_of_cycles(rulebook: "common.Rulebook") -> None:
    journal, replica = journal_of(rulebook), Replica()
    left = sum(isinstance(found, OF_A_BLOCK) for found in gc.get_objects())
    play(replica, journal.blocks, journal.voided)
    found = sum(isinstance(found, OF_A_BLOCK) for found in gc.get_objects())
    assert found == left, f"{found - left} of {len(journal.blocks)} blocks' sinks are still there"
