"""Desks and the coordinator live without Numba, and what kernels do beside them Python does to the same bytes."""

import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import event_rows, pending_events, row_order
from actors.event_rows import EVENT_COLUMNS, FIRST_FIELD, Piece, event_bytes
from actors.pending_events import EventPart, strung_together
from actors.row_order import order_of
from cluster.replica import Replica
from cluster.transport.inline import InlineTransport
from cluster.transport.transport import Call
from tests.golden.journals import play, stored

ROOT = Path(__file__).resolve().parents[2]
CELLS = st.one_of(st.integers(0, 3), st.sampled_from((127, 128, 1 << 14, (1 << 63) - 1, -1, -(1 << 63))))
BODIES = st.integers(1, 90)
KEYS = st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 2), st.integers(0, 2)), max_size=40)
STANDING = ("oracle", "coordinator", "backstop", "insurance", "versions")
LIFE = """
import pickle, sys
from cluster.placement import even
from cluster.transport.actor_host import ActorHost
for name, calls in pickle.load(open(sys.argv[1], "rb")).items():
    host = ActorHost(name, even(1))
    assert all(host.apply(call) == answer for call, answer in calls), name
    assert "numba" not in sys.modules, f"{name} loaded Numba"
print("lived")
"""


@st.composite
def event_tables(draw: st.DrawFn) -> np.ndarray:
    count = draw(st.integers(0, 6))
    rows = np.zeros((count, draw(st.integers(FIRST_FIELD, EVENT_COLUMNS))), dtype=np.int64)
    for row in rows:
        row[:] = [draw(BODIES if column == event_rows.BODY else CELLS) for column in range(rows.shape[1])]
    return rows


@given(event_tables(), st.integers(0, 5))
def test_events_are_the_same_bytes_with_kernels_and_without(rows: np.ndarray, number: int) -> None:
    piece = Piece(number, b"\x22\x02ab" if number else b"")
    if number:
        rows = rows if rows.shape[1] > FIRST_FIELD + 5 else np.zeros((len(rows), EVENT_COLUMNS), dtype=np.int64)
        rows[:, FIRST_FIELD + number - 1] = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(event_rows, "_FEW_ROWS", -1)
        data, sizes = event_bytes(rows, piece)
        patch.setattr(event_rows, "has_kernels", lambda: False)
        plain, plain_sizes = event_bytes(rows, piece)
    assert data.tobytes() == plain.tobytes() and sizes.tolist() == plain_sizes.tolist()


@given(KEYS)
def test_the_order_is_the_same_with_kernels_and_without(table: list[tuple[int, ...]]) -> None:
    keys = np.array(table, dtype=np.int64).reshape(-1, 3).T
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_order, "_FEW_ROWS", 0)
        for has_kernels in (True, False):
            patch.setattr(row_order, "has_kernels", lambda has_kernels=has_kernels: has_kernels)
            found.append(order_of(keys))
    expected = sorted(range(len(table)), key=table.__getitem__)
    for order in (*found, order_of(keys)):
        assert (list(range(len(table))) if order is None else order.tolist()) == expected


@given(st.permutations(range(9)), st.lists(st.binary(max_size=30), min_size=9, max_size=9), st.integers(1, 8))
def test_events_stand_in_their_places_with_kernels_and_without(places: list[int], told: list[bytes], cut: int) -> None:
    parts = [EventPart.of(places[:cut], told[:cut]), EventPart.of(places[cut:], told[cut:])]
    expected = [event for _, event in sorted(zip(places, told, strict=True))]
    for has_kernels in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pending_events, "has_kernels", lambda has_kernels=has_kernels: has_kernels)
            data, sizes = strung_together(parts)
        assert data.tobytes() == b"".join(expected)
        assert sizes.tolist() == list(map(len, expected))


class Listening(InlineTransport):
    """Keeps the calls of actors that work few rows a block, and what they answered."""

    def __init__(self) -> None:
        super().__init__(1)
        self.heard: dict[str, list[tuple[bytes, bytes]]] = {}

    def call(self, calls: Sequence[Call]) -> list[bytes]:
        answers = super().call(calls)
        for call, answer in zip(calls, answers, strict=True):
            if call.actor.split("/")[0] in STANDING:
                self.heard.setdefault(call.actor, []).append((bytes(call.payload), bytes(answer)))
        return answers


def test_who_works_few_rows_lives_without_numba(tmp_path: Path) -> None:
    lives: dict[str, list[tuple[bytes, bytes]]] = {}
    for journal in stored():
        transport = Listening()
        play(Replica(transport=transport), journal.blocks, journal.voided)
        lives |= transport.heard
    assert {name.split("/")[0] for name in lives} == set(STANDING)
    (tmp_path / "calls").write_bytes(pickle.dumps(lives))
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'gen'}"}
    command = [sys.executable, "-c", LIFE, str(tmp_path / "calls")]
    lived = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert lived.stdout == "lived\n", lived.stderr
