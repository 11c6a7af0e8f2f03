"""What a validator re-executes how: a fault in a kernel of liquidations is found at once, one of admission in turn."""

from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from actors.booking import deleverage
from actors.columns import field_names
from actors.cross import rank
from actors.cross.admit_runs import CrossRuns
from actors.risk.adl_kernels import Allocated
from actors.risk.slack_zones import SlackZones
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import commands_pb2 as commands
from cluster.replica import Replica, take_cut
from cluster.transport.inline import InlineTransport
from cluster.validation import Claim, ValidatorFault, ValidatorHost
from node.bench.crowd import Crowd
from node.bench.margin_world import MarginWorld

CROWD, PEOPLE, STEP_ROWS, STEPS = 80, 40, 200, 8
Cut = dict[str, bytes]
Plant = Callable[[pytest.MonkeyPatch], None]


@cache
def crash() -> tuple[Cut, tuple[commands.BlockInput, ...]]:
    """A cut, and two blocks: in the second everybody is below a rung."""
    crowd = Crowd(CROWD)
    crowd.gather()
    return crowd.replica.cut(), crowd.debt_and_fall()


@cache
def flow() -> tuple[Cut, tuple[commands.BlockInput, ...]]:
    """A cut, and blocks of orders and cancels."""
    world = MarginWorld(InlineTransport(1), 1)
    world.found(PEOPLE, STEP_ROWS)
    cut, first = take_cut(world.state, world.transport), len(world.frames)
    for _ in range(STEPS):
        world.step()
    return cut, tuple(commands.BlockInput.FromString(frame.payload) for frame in world.frames[first:])


def claimed(cut: Cut, blocks: Iterable[commands.BlockInput]) -> list[Claim]:
    """What a node says of these blocks, by the kernels as they are now."""
    node, claims = Replica(2), []
    node.restore(cut)
    for block in blocks:
        # What the frame says of the block before is the chain's business, not the validator's.
        payload = block.SerializeToString(deterministic=True)
        result = node.apply(block, payload=payload)
        claims.append(Claim(block.height, payload, blake3(payload).digest(), 0, (), result.header_bytes))
    return claims


def signed(directory: Path, cut: Cut, claims: Iterable[Claim], rows_every: int) -> tuple[list[int], str]:
    """The heights a validator signs, and why it signs no more."""
    host, heights = ValidatorHost(str(directory), 1, rows_every), []
    host.restore(cut)
    for claim in claims:
        try:
            host.validate([claim])
        except ValidatorFault as fault:
            return heights, str(fault)
        heights.append(claim.height)
    return heights, ""


def nobody_in_the_last_zone(patch: pytest.MonkeyPatch) -> None:
    """The scan passes somebody over who is below."""
    scan = SlackZones.scan
    patch.setattr(SlackZones, "scan", lambda *given: scan(*given)[:-1])


def an_atom_of_equity(patch: pytest.MonkeyPatch) -> None:
    """The scan judges everybody below an atom richer."""
    scan = SlackZones.scan

    def richer(*given: Any) -> Any:
        found = scan(*given)
        found[:, 1] += 1
        return found

    patch.setattr(SlackZones, "scan", richer)


def nobody_ranks(patch: pytest.MonkeyPatch) -> None:
    """Nobody is found who could be deleveraged."""
    patch.setattr(rank, "_columns", lambda *given: [])


def shares(patch: pytest.MonkeyPatch) -> None:
    """The first counterparty is told a rank that is not its own."""
    share = deleverage.deleverage_columns

    def other(*given: Any) -> list[Allocated]:
        return [answer._replace(rank=answer.rank + 1) for answer in share(*given)]

    patch.setattr(deleverage, "deleverage_columns", other)
    patch.setattr("actors.risk.adl_kernels.deleverage_columns", other)


def dearer(patch: pytest.MonkeyPatch) -> None:
    """Admission takes every order in a tick higher than it was sent."""
    admit = CrossRuns._admit_rows

    def wrong(first: int, sent: int, cells: Any, *more: Any) -> tuple[int, int]:
        dearer = cells.copy()
        dearer[field_names(batches.OrderRows).index("limit_ticks")] += 1
        return admit(first, sent, dearer, *more)

    patch.setattr(CrossRuns, "_admit_rows", staticmethod(wrong))


@pytest.mark.parametrize("rows_every", [1, 3, 1_000])
@pytest.mark.parametrize("made", [crash, flow])
def test_what_the_kernels_say_is_signed(made: Callable[[], Any], rows_every: int, tmp_path: Path) -> None:
    cut, blocks = made()
    heights, fault = signed(tmp_path, cut, claimed(cut, blocks), rows_every)
    assert (heights, fault) == ([block.height for block in blocks], "")


@pytest.mark.parametrize("plant", [nobody_in_the_last_zone, an_atom_of_equity, nobody_ranks, shares])
def test_a_fault_in_a_kernel_of_liquidations_is_found_in_its_block(
    plant: Plant, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Though the validator has the same kernels, with the same fault; no block of these goes wholly by row."""
    cut, (debt, fall) = crash()
    plant(monkeypatch)
    heights, fault = signed(tmp_path, cut, claimed(cut, (debt, fall)), 1_000)
    assert heights in ([], [debt.height])
    assert fault.startswith(f"height {debt.height if not heights else fall.height}: ")


def test_a_fault_in_a_kernel_of_admission_is_found_by_the_next_block_that_goes_by_row(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Not before: node and validator admit by the same kernel."""
    cut, blocks = flow()
    dearer(monkeypatch)
    claims, every = claimed(cut, blocks), 5
    heights, fault = signed(tmp_path, cut, claims, every)
    caught = next(claim.height for claim in claims if claim.height % every == 0)
    assert heights == list(range(claims[0].height, caught))
    assert fault.startswith(f"height {caught}: ") and "events_root differs" in fault
