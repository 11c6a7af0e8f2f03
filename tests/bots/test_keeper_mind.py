"""What a keeper decides: at the bound of the requirement, on locks, rewards and stale versions."""

from breakwater.v1 import answers_pb2, common_pb2, refusals_pb2
from node.bots.intents import WHOLE_REWARD, Intent, Liquidate
from node.bots.keeper_mind import KeeperMind, KeeperSettings
from node.bots.keeper_watch import KeeperWatch
from tests.bots.worlds import (
    DESK,
    LONG,
    MAKER,
    PERENNIAL_VENUE,
    SHORT,
    Row,
    block,
    perennial_market,
    perennial_venue,
    refused,
    version,
)

BOT, ANN, BEN = 1, 2, 3
UNIT = 10**6
# At 100 the maintenance of one unit is 20.
PRICE = 100 * UNIT
NEEDED = 20 * UNIT


def row(account: int, kind: int, collateral: int, lots: int = UNIT, basis: int = 0) -> Row:
    """A position of one unit."""
    return Row(account, 1, kind, lots, collateral, basis)


def desk(account: int, fees: int = 0, lock_ms: int = 0) -> Row:
    """What the version desk tells."""
    return Row(account, 1, DESK, 0, fees, lock_ms)


def mind_on(*rows: Row, settings: KeeperSettings | None = None, height: int = 11, **market: int) -> KeeperMind:
    """A mind that has seen these rows at the version of 10 s, a second after it."""
    mind = KeeperMind(BOT, KeeperWatch(perennial_venue(), [perennial_market(**market)]), settings)
    mind.begin(block(height, rows, versions=[version(PRICE)], venue=PERENNIAL_VENUE))
    return mind


def asked(intents: list[Intent]) -> list[tuple[int, int]]:
    """Target and reward."""
    return [(one.target, one.reward_atoms) for one in intents if isinstance(one, Liquidate)]


def pending(height: int) -> answers_pb2.CommandOutcome:
    """A close that is pinned."""
    return answers_pb2.CommandOutcome(height=height, status=common_pb2.OUTCOME_STATUS_PENDING, reference=20_000)


def test_pe02_at_the_requirement_nobody_is_liquidated_and_an_atom_below_everybody_is() -> None:
    for kind in (MAKER, LONG, SHORT):
        assert mind_on(row(ANN, kind, NEEDED)).decide() == []
        assert asked(mind_on(row(ANN, kind, NEEDED - 1)).decide()) == [(ANN, WHOLE_REWARD)]
    assert asked(mind_on(row(ANN, LONG, -5)).decide()) == [(ANN, WHOLE_REWARD)]


def test_pe02_pending_fees_are_deducted_and_pending_orders_ignored() -> None:
    assert mind_on(row(ANN, LONG, NEEDED + 7), desk(ANN, fees=7)).decide() == []
    assert asked(mind_on(row(ANN, LONG, NEEDED + 7), desk(ANN, fees=8)).decide()) == [(ANN, WHOLE_REWARD)]


def test_pe10_what_the_side_earned_since_the_last_realisation_counts() -> None:
    mind = mind_on(row(ANN, LONG, NEEDED, basis=-3), row(BEN, SHORT, NEEDED))
    assert mind.decide() == []
    # The values of the next version: longs lose 4 a unit, of which 3 were earned before; shorts gain.
    later = version(PRICE, 20_000, values=(0, -4, 4))
    mind.take(block(12, versions=[later], venue=PERENNIAL_VENUE))
    assert asked(mind.decide()) == [(ANN, WHOLE_REWARD)]


def test_pe02_the_fees_of_the_close_are_deducted() -> None:
    assert mind_on(row(ANN, LONG, NEEDED + 5), settlement_fee_atoms=5).decide() == []
    assert asked(mind_on(row(ANN, LONG, NEEDED + 4), settlement_fee_atoms=5).decide()) == [(ANN, WHOLE_REWARD)]
    # A taker fee of 1% on 100.
    assert mind_on(row(ANN, LONG, NEEDED + UNIT), taker_fee_ppm=10_000).decide() == []
    assert asked(mind_on(row(ANN, LONG, NEEDED + UNIT - 1), taker_fee_ppm=10_000).decide()) == [(ANN, WHOLE_REWARD)]
    assert mind_on(row(ANN, LONG, NEEDED + UNIT - 1), taker_fee_ppm=10_000, closed=True).decide() == []


def test_pe08_a_locked_account_is_left_alone_until_its_close_has_settled() -> None:
    mind = mind_on(row(ANN, LONG, NEEDED - 1), desk(ANN, lock_ms=20_000))
    assert mind.decide() == []
    mind.take(block(12, [desk(ANN)], venue=PERENNIAL_VENUE))
    assert asked(mind.decide()) == [(ANN, WHOLE_REWARD)]


def test_pe08_while_an_answer_is_out_and_until_the_lock_shows_nobody_is_asked_about_twice() -> None:
    mind = mind_on(row(ANN, LONG, NEEDED - 1))
    (intent,) = mind.decide()
    mind.take(block(12, venue=PERENNIAL_VENUE))
    assert mind.decide() == []
    mind.answered(intent, pending(13))
    assert mind.decide() == []
    mind.take(block(13, [desk(ANN, lock_ms=20_000)], venue=PERENNIAL_VENUE))
    assert mind.decide() == []


def test_pe09_the_reward_asked_for_is_the_limit_at_the_most() -> None:
    # The fee is 2 of the requirement of 20; collateral leaves all of it.
    fee = 2 * UNIT
    short_of = row(ANN, LONG, NEEDED - 1)
    (whole,) = mind_on(short_of, settings=KeeperSettings(fee)).decide()
    assert isinstance(whole, Liquidate)
    assert (whole.reward_atoms, whole.worth_atoms) == (WHOLE_REWARD, fee)
    assert asked(mind_on(short_of, settings=KeeperSettings(fee - 1)).decide()) == [(ANN, fee - 1)]
    assert asked(mind_on(short_of, settings=KeeperSettings(0)).decide()) == [(ANN, 0)]
    # Only 500 are left after the fees.
    poor = (row(ANN, LONG, 900), desk(ANN, fees=400))
    assert asked(mind_on(*poor, settings=KeeperSettings(700)).decide()) == [(ANN, 500)]


def test_pe09_a_refused_reward_gives_the_number_to_ask_for() -> None:
    for limit in (30, 0):
        mind = mind_on(row(ANN, LONG, NEEDED - 1), settings=KeeperSettings(1_000))
        (intent,) = mind.decide()
        mind.answered(intent, refused(refusals_pb2.REFUSAL_REWARD_ABOVE_LIMIT, required=limit, actual=1_000))
        assert asked(mind.decide()) == [(ANN, limit)]


def test_pe04_nothing_is_asked_on_a_version_too_old() -> None:
    # The next slot after 69 s is that of 70 s: 60 s after the version, which is too far.
    assert asked(mind_on(row(ANN, LONG, 0), height=59).decide()) == [(ANN, WHOLE_REWARD)]
    assert mind_on(row(ANN, LONG, 0), height=69).decide() == []


def test_the_worst_goes_first_and_the_smaller_number_among_equals() -> None:
    rows = [row(ANN, LONG, NEEDED - 1), row(BEN, SHORT, NEEDED // 2), row(BOT, MAKER, NEEDED // 2)]
    assert [target for target, _ in asked(mind_on(*rows).decide())] == [BOT, BEN, ANN]
    assert [target for target, _ in asked(mind_on(*rows).decide(most=2))] == [BOT, BEN]


def test_without_a_valid_version_nothing_is_known() -> None:
    mind = KeeperMind(BOT, KeeperWatch(perennial_venue(), [perennial_market()]))
    mind.begin(block(11, [row(ANN, LONG, 0)], venue=PERENNIAL_VENUE))
    assert mind.decide() == []


def test_sizes_of_others_move_the_fee_of_a_close() -> None:
    # Alone, a long that leaves takes the skew from 1 to 0 and pays 1% for it; beside a short of its size it makes skew.
    rows = [row(ANN, LONG, NEEDED + UNIT // 2), row(BEN, SHORT, 10 * NEEDED)]
    mind = mind_on(*rows, taker_impact_ppm=10_000)
    assert asked(mind.decide()) == [(ANN, WHOLE_REWARD)]
    mind = mind_on(*rows, taker_impact_ppm=10_000)
    mind.take(block(12, [row(BEN, SHORT, 10 * NEEDED, lots=0)], venue=PERENNIAL_VENUE))
    assert mind.decide() == []
