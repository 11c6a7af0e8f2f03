"""One block on a replica and on the naive engine: where the two differ, if they do."""

from itertools import zip_longest

from google.protobuf.message import Message

from breakwater.v1.batches_pb2 import Outcomes
from breakwater.v1.commands_pb2 import BlockInput
from breakwater.v1.events_pb2 import Event
from cluster.replica import Replica
from tests.engine.naive import NaiveResult
from tests.engine.state import Outcome

Roots = tuple[bytes, bytes]


def apply_and_compare(
    replica: Replica, block: BlockInput, voided: tuple[int, ...], naive: NaiveResult, where: str
) -> Roots:
    """Runs the block on the replica; asserts the naive engine's events, answers and views. Returns the two roots."""
    result = replica.apply(block, voided=voided)
    for index, (ours, theirs) in enumerate(zip_longest(naive.events, result.events, fillvalue=b"")):
        assert ours == theirs, (
            f"{where} event {index}: naive {Event.FromString(ours)} pipeline {Event.FromString(theirs)}"
        )
    assert answers(result.outcomes) == naive.outcomes, where
    for expected, shown in zip_longest(expected_views(naive), views(replica, naive)):
        assert expected == shown, f"{where}: naive {expected} pipeline {shown}"
    return result.events_root, result.state_root


def answers(outcomes: Outcomes) -> dict[int, Outcome]:
    """The columns by command, in the naive engine's shape."""
    columns = (
        outcomes.status,
        outcomes.refusal,
        outcomes.required,
        outcomes.actual,
        outcomes.reference,
        outcomes.price_ticks,
        outcomes.amount_atoms,
    )
    return dict(zip(outcomes.command, zip(*columns, strict=True), strict=True))


def views(replica: Replica, naive: NaiveResult) -> list[Message]:
    """What the replica shows of every account and pool the naive engine knows."""
    shown: list[Message] = []
    for pool in naive.pools:
        accounts = [view.account for view in naive.accounts if view.venue == pool.venue]
        found = replica.accounts(pool.venue, accounts)
        assert found.height == naive.height
        shown += found.accounts
        view = replica.pool(pool.venue, [holding.account for holding in pool.holdings])
        # A market's totals may be there or not before its first position and after its last.
        open_totals = [totals for totals in view.totals if totals.positions]
        del view.totals[:]
        view.totals.extend(open_totals)
        shown.append(view)
    return shown


def expected_views(naive: NaiveResult) -> list[Message]:
    """The same of the naive engine, in the same order."""
    expected: list[Message] = []
    for pool in naive.pools:
        expected += [view for view in naive.accounts if view.venue == pool.venue]
        expected.append(pool)
    return expected
