"""The mixed flow of columns and its feeder: what is sent, what is cancelled, what is counted."""

from pathlib import Path

import numpy as np
import pytest

from actors.columns import from_matrix
from breakwater.v1 import common_pb2, orders_pb2
from breakwater.v1.commands_pb2 import CancelBookOrders, PlaceOrders
from node.bench import run
from node.bench.feeder import Fed, Orders, feed
from node.bench.mixed_flow import LAG, MARK_TICKS, MixedFlow, Wire
from node.bench.program import running

ROWS = 1_000
ACCOUNTS = range(1, 101)


@pytest.fixture(scope="module")
def flow() -> MixedFlow:
    """A small one."""
    return MixedFlow(ACCOUNTS, markets=(1, 2), rows=ROWS)


def test_the_flow_is_mixed_as_it_says(flow: MixedFlow) -> None:
    orders = from_matrix(PlaceOrders, flow.orders(0))
    cancels = from_matrix(CancelBookOrders, flow.cancels(LAG, np.arange(len(orders.account)) + 1))
    crossing = np.asarray(orders.time_in_force) == common_pb2.TIME_IN_FORCE_IOC
    assert (int((~crossing).sum()), len(cancels.order), int(crossing.sum())) == (600, 300, 100)
    away = (MARK_TICKS - np.asarray(orders.limit_ticks)) * np.asarray(orders.side)
    assert (away[crossing] == -1_000).all()
    assert (away[~crossing] > 0).all()
    assert set(orders.account) <= set(ACCOUNTS)
    assert set(orders.market) == {1, 2}


def test_only_deep_orders_are_cancelled_and_each_once(flow: MixedFlow) -> None:
    orders = from_matrix(PlaceOrders, flow.orders(3))
    cancels = from_matrix(CancelBookOrders, flow.cancels(3 + LAG, np.arange(len(orders.account)) + 1))
    places = np.asarray(cancels.order) - 1
    assert len(set(cancels.order)) == 300
    assert (np.abs(np.asarray(orders.limit_ticks)[places] - MARK_TICKS) >= 2_000).all()
    assert list(cancels.account) == np.asarray(orders.account)[places].tolist()
    assert list(cancels.market) == np.asarray(orders.market)[places].tolist()


def test_a_refused_order_is_not_cancelled_with_all_of_its_account(flow: MixedFlow) -> None:
    assert set(flow.cancels(LAG, np.zeros(700, dtype=np.int64))[2].tolist()) == {1}


def test_the_flow_is_drawn_from_its_seed(flow: MixedFlow) -> None:
    assert (MixedFlow(ACCOUNTS, (1, 2), ROWS).orders(7) == flow.orders(7)).all()
    assert (MixedFlow(ACCOUNTS, (1, 2), ROWS, seed=6).orders(7) != flow.orders(7)).any()


def test_the_wire_carries_the_same_under_keys_of_its_own(flow: MixedFlow) -> None:
    wire, references = Wire(flow, venue=9), np.arange(700) + 5
    sent = [wire.place_orders(step) for step in (LAG, LAG + 32)] + [wire.cancels(LAG, references)]
    placed, again, cancelled = (orders_pb2.StreamOrdersRequest.FromString(one).batch for one in sent)
    assert placed.place_orders == again.place_orders == from_matrix(PlaceOrders, flow.orders(LAG))
    assert cancelled.cancel_book_orders == from_matrix(CancelBookOrders, flow.cancels(LAG, references))
    assert len({placed.request_key, again.request_key, cancelled.request_key}) == 3
    assert placed.venue == cancelled.venue == 9


def test_a_feeder_counts_what_an_echo_answers(tmp_path: Path) -> None:
    with running("node.bench.echo", (), tmp_path / "log") as program:
        fed = feed(Orders(address=program.facts["address"], key="", publish=False, rows=ROWS, warm_s=0.05, seconds=0.3))
    assert fed.commands > 0
    assert fed.commands % 100 == 0
    assert fed.refused == 0
    assert 0.3 <= fed.seconds < 60
    assert fed.per_s == fed.commands / fed.seconds
    assert 0 < fed.p50_ms <= fed.p99_ms


def test_a_feeder_says_why_it_failed() -> None:
    with pytest.raises(ChildProcessError, match=r"the feeder ended with 1: .*UNAVAILABLE"):
        feed(Orders(address="127.0.0.1:1", key="", publish=False, rows=ROWS))


def test_fed_is_a_rate() -> None:
    assert Fed(100, 0.5, 0, 1.0, 2.0, 3.0).per_s == 200


def test_pieces_have_names(tmp_path: Path) -> None:
    with pytest.raises(run.UnknownPiece, match="there is no piece 'books': stream, "):
        next(run.rows(tmp_path, quick=True, only=["books"]))
    rows = list(run.rows(tmp_path, quick=True, only=["scan"]))
    assert [row.unit for row in rows] == ["ms"] * 2
    assert not list(tmp_path.iterdir())
