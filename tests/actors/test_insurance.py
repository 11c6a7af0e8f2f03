"""The insurance desk: dues of both signs, deposits, claims in their order, and where every atom went (SP-08, SP-09)."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.insurance import Insurance
from actors.rulebooks import spin
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import parameters_pb2 as parameters
from tests.actors.calling import Caller, pending_list, table
from tests.building import bodies, refused

VENUE, MARKET, OTHER_VENUE = 4, 6, 5
FEES, FUNDING = batches.CROSS_DUE_KIND_TRADING_FEES, batches.CROSS_DUE_KIND_FUNDING
SHARE, REWARD, DEFICIT = (
    batches.INSURANCE_CLAIM_KIND_SHARE,
    batches.INSURANCE_CLAIM_KIND_REWARD,
    batches.INSURANCE_CLAIM_KIND_DEFICIT,
)
TARGET, LIQUIDATOR = 70, 90
SETTLING = -1
ROWS = {"dues": batches.CrossDues, "deposits": batches.InsuranceRows, "claims": batches.InsuranceClaims}
Row = tuple[int, ...]


class Desk(Caller):
    """An insurance desk and its venue."""

    def __init__(self, fund: int = 0) -> None:
        super().__init__(Insurance(VENUE), batches.InsuranceReply)
        self.venue = parameters.VenueParameters(venue=VENUE, version=2, spin=parameters.SpinParameters())
        if fund:
            self.work(deposits=[(0, VENUE, fund)])

    def work(self, **rows: list[Row]) -> Any:
        """One block's call."""
        return self.block(venue=self.venue, **{name: table(ROWS[name], *listed) for name, listed in rows.items()})

    def view(self) -> batches.InsuranceView:
        return batches.InsuranceView.FromString(self.actor.query(b""))


def share(command: int, amount: int) -> Row:
    return command, 0, VENUE, TARGET, MARKET, SHARE, amount, TARGET


def reward(command: int, amount: int, liquidator: int = LIQUIDATOR) -> Row:
    return command, 1, VENUE, liquidator, MARKET, REWARD, amount, TARGET


def deficit(command: int, amount: int, account: int = TARGET) -> Row:
    return command, 2 if command >= 0 else 0, VENUE, account, 0, DEFICIT, amount, 0


def cash(reply: Any) -> list[tuple[int, int]]:
    """(account, amount) of the legs, all of which are cash."""
    assert set(reply.legs.kind) <= {events.CROSS_LEG_KIND_CASH}
    return list(zip(reply.legs.account, reply.legs.amount_atoms, strict=True))


def moves(reply: Any) -> list[tuple[str, int, int]]:
    """(reason, amount, fund after) of every move of the fund."""
    names = events.InsuranceReason.Name
    found = bodies(pending_list(reply.events), "insurance_moved")
    return [
        (names(body.reason).removeprefix("INSURANCE_REASON_"), body.amount_atoms, body.fund_atoms) for body in found
    ]


def test_sp_10_fees_rise_and_rebates_lower_them_below_zero_if_need_be() -> None:
    desk = Desk()
    reply = desk.work(dues=[(VENUE, FEES, 9), (VENUE, FEES, -20), (OTHER_VENUE, FEES, 1_000)])
    assert reply.sums.fees_atoms == -11
    assert desk.work(dues=[(VENUE, FEES, 15)]).sums.fees_atoms == 4
    assert not pending_list(reply.events)


def test_sp_11_the_funding_pot_is_signed_and_apart_from_fees() -> None:
    desk = Desk()
    assert desk.work(dues=[(VENUE, FUNDING, -7), (VENUE, FEES, 2)]).sums.funding_atoms == -7
    sums = desk.work(dues=[(VENUE, FUNDING, 8)]).sums
    assert (sums.funding_atoms, sums.fees_atoms, sums.fund_atoms) == (1, 2, 0)


@pytest.mark.parametrize("kind", [batches.CROSS_DUE_KIND_LIQUIDATION_FEES, batches.CROSS_DUE_KIND_WRITE_OFF])
def test_dues_no_spin_venue_has_stop_the_block(kind: int) -> None:
    with pytest.raises(AssertionError, match="no Spin venue"):
        Desk().work(dues=[(VENUE, kind, 1)])


def test_operators_feed_the_fund_in_command_order_up_to_the_bound_of_the_venue() -> None:
    desk = Desk()
    reply = desk.work(deposits=[(5, VENUE, 1 << 59), (3, VENUE, 1 << 59), (4, OTHER_VENUE, 9)])
    assert refused(reply.outcomes) == [(5, "VENUE_TOTAL", 1 << 60, 1 << 60)]
    assert moves(reply) == [("OPERATOR", 1 << 59, 1 << 59)]
    assert dict(zip(reply.outcomes.command, reply.outcomes.status, strict=True))[3] == common.OUTCOME_STATUS_DONE
    keys = list(zip(reply.events.phase, reply.events.a, reply.events.b, reply.events.c, strict=True))
    assert keys == [(10, VENUE << 32, 0, 0), (10, VENUE << 32, 1, 0)]
    (event,) = bodies(pending_list(reply.events), "command_refused")
    assert (event.command, event.actual) == (5, 1 << 60)
    assert reply.sums.deposited_atoms == reply.sums.fund_atoms == 1 << 59


def test_sp_08_the_share_of_a_liquidation_raises_the_fund() -> None:
    desk = Desk()
    reply = desk.work(claims=[share(3, 40)])
    assert moves(reply) == [("LIQUIDATION_SHARE", 40, 40)]
    event = events.Event.FromString(pending_list(reply.events)[0])
    assert (event.venue, event.market, event.account) == (VENUE, MARKET, TARGET)
    assert not reply.legs.leg
    assert desk.view().shares_atoms == 40


@pytest.mark.parametrize(("fund", "paid"), [(0, 0), (29, 29), (30, 30), (31, 30)])
def test_sp_09_the_fund_tops_up_a_reward_as_far_as_it_goes(fund: int, paid: int) -> None:
    desk = Desk(fund)
    reply = desk.work(claims=[reward(3, 30)])
    assert cash(reply) == ([(LIQUIDATOR, paid)] if paid else [])
    (told,) = bodies(pending_list(reply.events), "liquidator_paid")
    assert (told.target, told.fund_atoms, told.shortfall_atoms) == (TARGET, paid, 30 - paid)
    assert (reply.sums.fund_atoms, reply.sums.unpaid_rewards_atoms) == (fund - paid, 30 - paid)
    assert reply.sums.shortfall_atoms == 0


@pytest.mark.parametrize(("fund", "paid"), [(0, 0), (29, 29), (30, 30), (31, 30)])
def test_sp_09_a_deficit_is_made_good_whole_and_what_the_fund_lacks_is_shortfall(fund: int, paid: int) -> None:
    desk = Desk(fund)
    reply = desk.work(claims=[deficit(3, 30)])
    assert cash(reply) == [(TARGET, 30)]
    shortfalls = [
        (body.amount_atoms, body.shortfall_atoms) for body in bodies(pending_list(reply.events), "shortfall_recorded")
    ]
    assert shortfalls == ([(30 - paid, 30 - paid)] if paid < 30 else [])
    assert (reply.sums.fund_atoms, reply.sums.shortfall_atoms) == (fund - paid, 30 - paid)
    assert desk.view().deficits_atoms == paid


def test_the_order_of_claims_decides_who_is_paid() -> None:
    """By command, then sequence, then account, however the rows came; settling's come first."""
    claims = [deficit(9, 50), reward(9, 50), share(8, 20), reward(7, 60, liquidator=91), deficit(SETTLING, 30, 71)]
    expected = [
        ("DEFICIT", -30, 70),
        ("REWARD", -60, 10),
        ("LIQUIDATION_SHARE", 20, 30),
        ("REWARD", -30, 0),
    ]
    answers = set()
    for order in range(20):
        random.Random(order).shuffle(claims)
        reply = Desk(100).work(claims=claims)
        assert moves(reply) == expected
        assert cash(reply) == [(71, 30), (91, 60), (LIQUIDATOR, 30), (TARGET, 50)]
        assert (reply.sums.unpaid_rewards_atoms, reply.sums.shortfall_atoms) == (20, 50)
        answers.add(reply.SerializeToString(deterministic=True))
    assert len(answers) == 1


def test_what_comes_in_a_block_pays_the_claims_of_that_block() -> None:
    reply = Desk().work(deposits=[(8, VENUE, 10)], claims=[deficit(SETTLING, 10)])
    assert [move[0] for move in moves(reply)] == ["OPERATOR", "DEFICIT"]
    assert (reply.sums.fund_atoms, reply.sums.shortfall_atoms) == (0, 0)


def test_legs_of_claims_have_keys_of_their_own() -> None:
    claims = [deficit(SETTLING, 1, account) for account in (8, 5, 1 << 45)]
    claims += [reward(2, 1), deficit(2, 1), reward(3, 1)]
    legs = Desk(100).work(claims=claims).legs
    keys = list(zip(legs.venue, getattr(legs, "class"), legs.command, legs.market, legs.leg, strict=True))
    assert keys == sorted(set(keys))
    assert [key[1:] for key in keys] == [
        *((2, -1, 0, account) for account in (5, 8, 1 << 45)),
        *((2, 2, 0, 1), (2, 2, 0, 2), (2, 3, 0, 1)),
    ]


def test_claims_of_nothing_and_of_other_venues_are_none() -> None:
    other = (1, 0, OTHER_VENUE, TARGET, MARKET, DEFICIT, 9, 0)
    reply = Desk(5).work(claims=[share(1, 0), reward(1, 0), deficit(1, 0), other])
    assert not pending_list(reply.events)
    assert not reply.legs.leg
    assert reply.sums.fund_atoms == 5


@pytest.mark.parametrize("claim", [share(1, -1), (1, 0, VENUE, TARGET, MARKET, 0, 5, 0)])
def test_a_claim_that_cannot_be_stops_the_block(claim: Row) -> None:
    with pytest.raises(AssertionError, match="claim"):
        Desk(5).work(claims=[claim])


def test_a_liquidation_pays_what_the_rulebook_says() -> None:
    """The desk works claim by claim; `fund_payments_of` says what they come to together (SP-09)."""
    for fund in range(0, 60, 3):
        for owed in range(0, 30, 5):
            for debt in range(0, 30, 5):
                expected = spin.fund_payments_of(fund, owed, debt)
                sums = Desk(fund).work(claims=[deficit(1, debt), reward(1, owed)]).sums
                assert sums.fund_atoms == fund - expected.reward_atoms - expected.deficit_atoms
                assert sums.unpaid_rewards_atoms == expected.reward_shortfall_atoms
                assert sums.shortfall_atoms == expected.deficit_shortfall_atoms


AMOUNTS = st.integers(1, 200)
CLAIMS = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from((SHARE, REWARD, DEFICIT)), AMOUNTS), unique_by=lambda row: row[:2]
)
BLOCKS = st.lists(
    st.tuples(
        st.lists(st.tuples(st.sampled_from((FEES, FUNDING)), st.integers(-500, 500)), max_size=4),
        st.lists(AMOUNTS, max_size=2),
        CLAIMS,
        st.dictionaries(st.integers(1, 5), AMOUNTS, max_size=3),
    ),
    max_size=6,
)
MADE = {SHARE: share, REWARD: reward, DEFICIT: deficit}


@settings(max_examples=150)
@given(BLOCKS)
def test_the_fund_is_never_negative_and_every_atom_is_explained(blocks: list[Any]) -> None:
    """What the desk holds and gave to accounts is what it was given; its events alone rebuild the fund."""
    desk, given_atoms, told_fund, told_shortfall = Desk(), 0, 0, 0
    for dues, deposits, claims, settled in blocks:
        rows = [MADE[kind](command, amount) for command, kind, amount in claims]
        rows += [deficit(SETTLING, amount, account) for account, amount in settled.items()]
        reply = desk.work(
            dues=[(VENUE, *due) for due in dues],
            deposits=[(command, VENUE, amount) for command, amount in enumerate(deposits)],
            claims=rows,
        )
        given_atoms += sum(amount for _, amount in dues) + sum(deposits)
        given_atoms += sum(amount for _, kind, amount in claims if kind == SHARE)
        given_atoms -= sum(amount for _, amount in cash(reply))
        for _, amount, fund in moves(reply):
            told_fund += amount
            assert told_fund == fund >= 0
        told_shortfall += sum(body.amount_atoms for body in bodies(pending_list(reply.events), "shortfall_recorded"))
        sums = reply.sums
        assert (sums.fund_atoms, sums.shortfall_atoms) == (told_fund, told_shortfall)
        assert sums.fees_atoms + sums.funding_atoms + sums.fund_atoms - sums.shortfall_atoms == given_atoms
        owed = sum(row[6] for row in rows if row[5] in (REWARD, DEFICIT))
        assert sum(amount for _, amount in cash(reply)) == owed - sum(
            body.shortfall_atoms for body in bodies(pending_list(reply.events), "liquidator_paid")
        )
    view = desk.view()
    assert view.sums.deposited_atoms + view.shares_atoms - view.rewards_atoms - view.deficits_atoms == told_fund


def test_a_repeated_call_is_answered_alike_and_books_nothing_twice() -> None:
    desk = Desk(50)
    reply = desk.work(claims=[reward(1, 20)], dues=[(VENUE, FEES, 3)])
    desk.height -= 1
    assert desk.work(claims=[reward(1, 20)], dues=[(VENUE, FEES, 3)]) == reply
    assert (desk.view().sums.fund_atoms, desk.view().sums.fees_atoms) == (30, 3)


def test_a_restored_desk_is_the_same_bytes_and_goes_on_alike() -> None:
    desk = Desk(50)
    desk.work(
        dues=[(VENUE, FEES, -3), (VENUE, FUNDING, -8)],
        claims=[share(1, 9), reward(2, 40), deficit(3, 30), reward(4, 5)],
    )
    cut, twin = desk.actor.snapshot(), Desk()
    twin.actor.restore([cut])
    twin.height = desk.height
    assert twin.actor.snapshot() == cut
    assert twin.actor.digest() == desk.actor.digest()
    assert twin.view() == desk.view()
    replies = [one.work(claims=[share(1, 7), deficit(2, 9)]) for one in (desk, twin)]
    assert replies[0] == replies[1]
    assert (replies[0].sums.shortfall_atoms, replies[0].sums.unpaid_rewards_atoms) == (13, 5)


def test_the_digest_names_the_state_and_not_the_height() -> None:
    desk = Desk(50)
    before = desk.actor.digest()
    assert desk.work().digest == before
    assert desk.work(dues=[(VENUE, FEES, 1)]).digest != before
