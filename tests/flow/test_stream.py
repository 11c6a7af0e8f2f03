"""The streams of batches: the same for the same seed, with the shares, tails and lives they are said to have."""

import numpy as np
import pytest

from breakwater.v1 import commands_pb2, common_pb2
from node.flow.cast import SIZE_INDEX, cast_of
from node.flow.kernels.rows import NAMES
from node.flow.stream import Prices
from tests.flow.parts import PRICE, answer_to, joined, parcels_at, parcels_of, part_of, stream_of
from tests.flow.test_kernels import hill

BOOKS = common_pb2.RULEBOOK_MARGIN_TRADE
RESTING, FILLED = common_pb2.OUTCOME_STATUS_RESTING, common_pb2.OUTCOME_STATUS_FILLED
ACCOUNT, MARKET, SIDE, SIZE, LIMIT, TIME, FLAGS, CLIENT = 0, 1, 2, 4, 5, 6, 7, 11
IOC = common_pb2.TIME_IN_FORCE_IOC


@pytest.fixture(scope="module")
def placed() -> np.ndarray:
    """The orders of ten seconds, after the first."""
    return joined(parcels_of(stream_of(part_of()), 10.0), "place_orders")


@pytest.mark.parametrize("rulebook", [BOOKS, common_pb2.RULEBOOK_PERENNIAL])
def test_a_seed_makes_the_same_bytes_and_another_process_or_seed_others(rulebook: int) -> None:
    def encoded(**changes: int) -> list[bytes]:
        parcels = parcels_of(stream_of(part_of(rulebook, **changes)), 0.3)
        return [one.encoded(b"key", 2) for one in parcels]

    first = encoded()
    assert len(first) > 20 and first == encoded()
    assert first != encoded(seed=2)
    assert first != encoded(worker=1)
    for batch in first:
        assert commands_pb2.CommandBatch.FromString(batch).venue == 2


def test_rate_and_shares_are_those_of_the_plan() -> None:
    stream = stream_of(part_of())
    parcels = parcels_of(stream, 20.0)
    rows = sum(one.rows for one in parcels)
    assert rows == pytest.approx(20 * 20_000, rel=0.05)
    orders = joined(parcels, "place_orders")
    cancels = joined(parcels, "cancel_book_orders").shape[1]
    takers = int((orders[TIME] == IOC).sum())
    assert cancels / rows == pytest.approx(0.44, abs=0.04)
    assert takers / rows == pytest.approx(0.10, abs=0.02)
    made, forgotten = stream.made()
    assert forgotten == 0 and sum(made) == rows
    shares = dict(zip(NAMES, np.array(made) / rows, strict=True))
    assert shares["maker"] == pytest.approx(0.5, abs=0.05)
    assert shares["noise"] == pytest.approx(0.43, abs=0.05)
    assert shares["momentum"] == pytest.approx(0.05, abs=0.02)


def test_sizes_have_fat_tails_and_whales_the_same_way(placed: np.ndarray) -> None:
    is_noise = (placed[FLAGS] == 0) & (placed[TIME] != IOC)
    sizes = placed[SIZE, is_noise].astype(float)
    assert hill(sizes, len(sizes) // 50) == pytest.approx(SIZE_INDEX, rel=0.1)
    cast = cast_of(range(1, 401))
    whales = set(cast.accounts[cast.first[3] :].tolist())
    sides = placed[SIDE, np.isin(placed[ACCOUNT], list(whales))]
    # Pieces of a parent order follow one another: the side changes less often than it would by chance.
    assert len(sides) > 50
    assert (np.diff(sides) != 0).mean() < 0.2


def test_depths_are_a_power_law_on_the_right_side_of_the_price(placed: np.ndarray) -> None:
    rests = (placed[FLAGS] == 0) & (placed[TIME] != IOC)
    away_ppm = (PRICE - placed[LIMIT, rests]) * placed[SIDE, rests] / PRICE * 1e6
    assert away_ppm.min() >= 49 and away_ppm.max() <= 40_051
    # Beyond 200 ppm * (u^-1 - 1): half of them within 200 ppm, one in a hundred beyond 19,800.
    assert np.median(away_ppm - 50) == pytest.approx(200, rel=0.05)
    assert (away_ppm > 19_850).mean() == pytest.approx(0.01, rel=0.3)
    takes = placed[TIME] == IOC
    assert ((placed[LIMIT, takes] - PRICE) * placed[SIDE, takes] > 0).all()


def test_every_cancel_names_an_order_of_its_account_once_and_after_it_was_placed() -> None:
    parcels = parcels_of(stream_of(part_of()), 8.0)
    owner: dict[int, int] = {}
    for parcel in parcels:
        if parcel.body == "place_orders":
            owner.update(zip(parcel.columns[CLIENT].tolist(), parcel.columns[ACCOUNT].tolist(), strict=True))
    cancels = joined(parcels, "cancel_book_orders")
    named = cancels[3].tolist()
    assert len(set(named)) == len(named) > 10_000
    assert [owner[number] for number in named] == cancels[0].tolist()


def test_lives_have_the_mean_they_are_said_to_have() -> None:
    stream = stream_of(part_of(rate=2_000.0, branching=0.0))
    parcels = parcels_of(stream, 60.0)
    born: dict[int, float] = {}
    lives = []
    for parcel in parcels:
        if parcel.body == "place_orders":
            resting = (parcel.columns[FLAGS] == 0) & (parcel.columns[TIME] != IOC)
            born |= dict(zip(parcel.ids[resting].tolist(), parcel.arrived_s[resting].tolist(), strict=True))
        else:
            gone = zip(parcel.columns[3].tolist(), parcel.arrived_s.tolist(), strict=True)
            lives += [when - born[number] for number, when in gone if number in born and born[number] < 20]
    # The median of a Pareto law of index 1.5 that begins at 1 s is 2^(1/1.5) s.
    assert min(lives) >= 1.0
    assert np.median(lives) == pytest.approx(2 ** (1 / 1.5), rel=0.1)


def test_makers_keep_their_inventory_within_its_limit_and_quote_only_what_brings_it_back() -> None:
    stream = stream_of(part_of(accounts=64))
    traits = stream._habits.traits
    widest = 0.0
    for window in range(1, 398):
        parcels_at(stream, window * 0.02)
        widest = max(widest, float(np.abs(stream.inventory() / traits.inventory_limit).max()))
    assert 0.05 < widest <= 1.0
    for side in (1, -1):
        stream.inventory()[:] = 1_000 * side * traits.inventory_limit
        parcels = parcels_at(stream, (400 - 2 * side) * 0.02)
        quotes = joined(parcels, "place_orders")
        assert set(quotes[SIDE, quotes[FLAGS] == 1].tolist()) == {-side}


def test_cancels_by_number_wait_for_the_answer_and_are_spared_where_nothing_rests() -> None:
    stream = stream_of(part_of(blind=False, rate=2_000.0))
    orders = [one for one in parcels_of(stream, 3.0) if one.body == "place_orders"]
    assert all(one.body == "place_orders" for one in parcels_of(stream_of(part_of(blind=False)), 0.5))
    known: dict[int, int] = {}
    for number, parcel in enumerate(orders):
        first = 1 + 10_000 * number
        if number % 2:
            stream.answered(parcel, answer_to(parcel, FILLED, first, remaining=0))
        else:
            stream.answered(parcel, answer_to(parcel, RESTING, first))
            known |= {first + row: account for row, account in enumerate(parcel.columns[ACCOUNT].tolist())}
    parcels = parcels_at(stream, 3.05)
    cancels = joined(parcels, "cancel_book_orders")
    assert cancels.shape[1] > 100 and stream.spared > 100
    assert (cancels[3] == 0).all()
    assert [known[number] for number in cancels[2].tolist()] == cancels[0].tolist()


def test_orders_nobody_knows_about_are_not_cancelled() -> None:
    stream = stream_of(part_of(blind=False, rate=2_000.0))
    for parcel in parcels_of(stream, 3.0):
        stream.lost(parcel)
    parcels = parcels_at(stream, 3.05)
    assert all(one.body == "place_orders" for one in parcels)


def test_isolated_positions_are_closed_and_what_rests_is_taken_back() -> None:
    stream = stream_of(part_of(common_pb2.RULEBOOK_TWILIGHT, blind=False, rate=2_000.0))
    opens = [one for one in parcels_of(stream, 3.0) if one.body == "open_positions"]
    for number, parcel in enumerate(opens):
        status = FILLED if number % 2 else RESTING
        stream.answered(parcel, answer_to(parcel, status, 1 + 10_000 * number))
    parcels = parcels_at(stream, 3.05)
    closed, cancelled = joined(parcels, "close_positions"), joined(parcels, "cancel_orders")
    assert {(number // 10_000) % 2 for number in closed[1].tolist()} == {1}
    assert {(number // 10_000) % 2 for number in cancelled[1].tolist()} == {0}
    assert (closed[2] == common_pb2.ORDER_KIND_MARKET).all() and (cancelled[2] == 0).all()


def test_positions_of_versions_hold_one_side_and_move_their_collateral_once() -> None:
    changes = joined(parcels_of(stream_of(part_of(common_pb2.RULEBOOK_PERENNIAL)), 5.0), "change_positions")
    assert ((changes[2:5] > 0).sum(axis=0) <= 1).all()
    first = np.unique(changes[:2], axis=1, return_index=True)[1]
    assert (changes[5, first] > 0).all()
    assert (changes[5] > 0).sum() == len(first)
    # Makers provide, others take: no account does both.
    makers, takers = set(changes[0, changes[2] > 0]), set(changes[0, (changes[3] > 0) | (changes[4] > 0)])
    assert makers and takers and not makers & takers


def test_momentum_follows_the_trend() -> None:
    part = part_of(rate=20_000.0, markets=1)
    stream = stream_of(part)
    rising = np.linspace(PRICE, 1.02 * PRICE, 50).astype(np.int64)[None, :]
    stream.prices = Prices(rising, 0.1)
    cast = cast_of(part.accounts)
    followers = cast.accounts[cast.first[2] : cast.first[3]]
    orders = joined([one for at in range(1, 200) for one in parcels_at(stream, at * 0.02, 4.0)], "place_orders")
    sides = orders[SIDE, np.isin(orders[ACCOUNT], followers)]
    assert len(sides) > 500
    # One usual move up: a buy with probability 1 / (1 + exp(-2)).
    assert (sides > 0).mean() == pytest.approx(0.88, abs=0.05)
