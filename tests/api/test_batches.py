"""Columns over the channel: shape, size, and the rows of the answer."""

import pytest

from breakwater.v1 import answers_pb2, commands_pb2, common_pb2, refusals_pb2
from node.client import Client
from tests.api.conftest import LIMITS
from tests.api.refusing import Refusal, refusal_of


def deposits(accounts: list[int], amounts: list[int], venue: int = 1) -> commands_pb2.CommandBatch:
    return commands_pb2.CommandBatch(
        venue=venue, deposits=commands_pb2.Deposits(account=accounts, amount_atoms=amounts)
    )


def test_every_row_is_answered_in_its_place(dev: Client) -> None:
    first, second = dev.open_accounts(2)
    outcome = dev.submit_batch(deposits([first, second + 1_000_000, second, first], [5, 6, 0, 7]))
    assert list(outcome.refusal) == [
        0,
        refusals_pb2.REFUSAL_UNKNOWN_ACCOUNT,
        refusals_pb2.REFUSAL_NOT_POSITIVE,
        0,
    ]
    done, refused = common_pb2.OUTCOME_STATUS_DONE, common_pb2.OUTCOME_STATUS_REFUSED
    assert list(outcome.status) == [done, refused, refused, done]
    assert (outcome.required[1], outcome.actual[1]) == (second + 1, second + 1_000_000)
    assert (outcome.required[2], outcome.actual[2]) == (1, 0)
    lengths = {len(getattr(outcome, field.name)) for field in answers_pb2.BatchOutcome.DESCRIPTOR.fields[1:]}
    assert lengths == {4}
    assert dev.account(first).free_atoms == 12
    assert dev.account(second).free_atoms == 0


@pytest.mark.parametrize(
    ("batch", "refusal"),
    [
        (deposits([1, 2], [5]), Refusal("RAGGED_COLUMNS", 2, 1, "deposits.amount_atoms")),
        (deposits([1], [5, 5, 5]), Refusal("RAGGED_COLUMNS", 1, 3, "deposits.amount_atoms")),
        (deposits([], []), Refusal("EMPTY_BATCH", 1, 0, "deposits")),
        (commands_pb2.CommandBatch(venue=1), Refusal("EMPTY_BATCH", 1, 0, "body")),
        (
            deposits([1] * (LIMITS.batch_rows + 1), [1] * (LIMITS.batch_rows + 1)),
            Refusal("BATCH_TOO_LARGE", LIMITS.batch_rows, LIMITS.batch_rows + 1, "deposits"),
        ),
        (
            commands_pb2.CommandBatch(venue=1, open_accounts=commands_pb2.OpenAccounts(count=(1 << 32) - 1)),
            Refusal("BATCH_TOO_LARGE", LIMITS.batch_rows, (1 << 32) - 1, "open_accounts"),
        ),
        (deposits([1], [5], venue=77), Refusal("UNKNOWN_VENUE", 4, 77, "")),
    ],
    ids=["ragged short", "ragged long", "no rows", "no body", "too many rows", "too many accounts", "venue"],
)
def test_a_batch_is_refused_whole(dev: Client, batch: commands_pb2.CommandBatch, refusal: Refusal) -> None:
    assert refusal_of(lambda: dev.submit_batch(batch)) == refusal


@pytest.mark.parametrize("body", ["validator_progress", "void_command"])
def test_no_client_sends_what_only_the_node_says(dev: Client, body: str) -> None:
    batch = commands_pb2.CommandBatch(venue=1)
    getattr(batch, body).SetInParent()
    assert refusal_of(lambda: dev.submit_batch(batch)) == Refusal("NOT_ALLOWED", 0, 0, body)


def test_the_largest_batch_is_taken(dev: Client) -> None:
    account = dev.open_account()
    outcome = dev.submit_batch(deposits([account] * LIMITS.batch_rows, [1] * LIMITS.batch_rows))
    assert not any(outcome.refusal)
    assert dev.account(account).free_atoms == LIMITS.batch_rows


def test_the_principal_is_the_nodes_to_write(dev: Client) -> None:
    batch = commands_pb2.CommandBatch(
        request_key=b"whose is it", principal=4_000_000_000, venue=1, open_accounts=commands_pb2.OpenAccounts(count=1)
    )
    outcome = dev.submit_batch(batch)
    assert dev.outcome(b"whose is it") == outcome
