"""Operators over the channel: ticks, venues, markets, parameters, halts, pause, snapshots."""

from concurrent.futures import Future

import grpc
import pytest

from actors.rulebooks.versions import newest
from breakwater.v1 import accounts_pb2, admin_pb2, common_pb2, oracle_pb2, parameters_pb2, refusals_pb2
from node.client import Client
from node.presets import perennial_listing, twilight_venue
from node.server import NodeServer
from tests.api.refusing import Refusal, refusal_of
from tests.api.scene import PRICE_TICKS, funded_account, move_mark, now_ms


def venue_of(number: int, name: str, **twilight: int) -> parameters_pb2.VenueParameters:
    venue, _ = twilight_venue()
    venue.venue, venue.name = number, name
    for field, value in twilight.items():
        setattr(venue.twilight, field, value)
    return venue


def market_of(
    venue: int, number: int, symbol: str, tick_size_e9: int = 1_000_000_000
) -> parameters_pb2.MarketParameters:
    _, (market,) = twilight_venue()
    market.venue, market.market, market.symbol, market.tick_size_e9 = venue, number, symbol, tick_size_e9
    return market


def create_venue(client: Client, venue: parameters_pb2.VenueParameters) -> None:
    client.admin.CreateVenue(admin_pb2.CreateVenueRequest(parameters=venue))


def create_market(client: Client, market: parameters_pb2.MarketParameters) -> None:
    client.admin.CreateMarket(admin_pb2.CreateMarketRequest(parameters=market))


def test_a_tick_is_refused_by_name(dev: Client) -> None:
    move_mark(dev, PRICE_TICKS)
    published_ms = now_ms()
    assert dev.publish([(1, 1, PRICE_TICKS, published_ms)]).refusal[0] == 0
    rows = [
        (1, 1, PRICE_TICKS, published_ms),
        (1, 2, PRICE_TICKS, now_ms() - 60_000),
        (1, 2, PRICE_TICKS, now_ms() + 60_000),
        (1, 9, PRICE_TICKS, now_ms()),
        (4, 1, PRICE_TICKS, now_ms()),
        (1, 3, 0, now_ms()),
        (1, 3, -5, now_ms()),
        (1, 3, 1 << 40, now_ms()),
    ]
    names = [
        "STALE_TICK",
        "STALE_TICK",
        "FUTURE_TICK",
        "UNKNOWN_PUBLISHER",
        "UNKNOWN_MARKET",
        "NOT_POSITIVE",
        "NOT_POSITIVE",
        "OVERFLOW",
    ]
    outcome = dev.publish(rows)
    assert [refusals_pb2.Refusal.Name(refusal).removeprefix("REFUSAL_") for refusal in outcome.refusal] == names
    assert (outcome.required[0], outcome.actual[0]) == (published_ms, published_ms)


def test_a_stream_of_ticks_is_answered_in_order(dev: Client) -> None:
    def batches() -> object:
        for number in range(20):
            ticks = {"market": [1], "publisher": [1], "price_ticks": [PRICE_TICKS], "published_ms": [now_ms() + number]}
            yield oracle_pb2.PublishTicksRequest(venue=1, ticks=ticks)
        yield oracle_pb2.PublishTicksRequest(venue=1, ticks={"market": [1, 1], "publisher": [1]})
        yield oracle_pb2.PublishTicksRequest(venue=7, ticks=ticks)

    *good, ragged, elsewhere = dev.publish_stream(batches())
    assert [outcome.height for outcome in good] == sorted(outcome.height for outcome in good)
    assert [len(outcome.refusal) for outcome in good] == [1] * 20
    assert list(ragged.refusal) == [refusals_pb2.REFUSAL_RAGGED_COLUMNS] * 2
    assert (ragged.height, ragged.required[0], ragged.actual[0]) == (0, 2, 1)
    assert list(elsewhere.refusal) == [refusals_pb2.REFUSAL_UNKNOWN_VENUE]


def test_a_venue_and_its_market_are_listed(dev: Client) -> None:
    create_venue(dev, venue_of(5, "fifth"))
    create_market(dev, market_of(5, 1, "BTC-CENT", 10_000_000))
    assert [venue.name for venue in dev.venues()] == ["twilight", "margin-trade", "spin", "perennial", "fifth"]
    assert [market.symbol for market in dev.list_markets(5)] == ["BTC-CENT"]
    assert dev.mark(1, venue=5).mark.state == common_pb2.MARK_STATE_NONE
    account = dev.open_account(venue=5)
    dev.faucet(account, 1_000_000, venue=5)
    refusal = refusal_of(lambda: dev.open_position(account, "long", 1_000, "2", venue=5))
    assert refusal == Refusal("NO_MARK", 1, 0, "")
    assert refusal_of(lambda: dev.estimate_liquidation("long", 1_000, "2", venue=5)).name == "NO_MARK"
    refusal = refusal_of(lambda: create_venue(dev, venue_of(6, "fifth")))
    assert refusal == Refusal("NAME_TAKEN", 0, 5, "")


@pytest.mark.parametrize(
    ("twilight", "refusal"),
    [
        ({"utilisation_cap_ppm": 1_000_001}, Refusal("PARAMETER_OUT_OF_BOUNDS", 1_000_000, 1_000_001, "")),
        ({"psi": 0}, Refusal("PARAMETER_OUT_OF_BOUNDS", 1, 0, "")),
    ],
    ids=str,
)
def test_parameters_have_bounds(dev: Client, twilight: dict[str, int], refusal: Refusal) -> None:
    assert refusal_of(lambda: create_venue(dev, venue_of(9, "ninth", **twilight))) == refusal
    change = admin_pb2.ChangeParametersRequest(venue=venue_of(1, "twilight", **twilight))
    assert refusal_of(lambda: dev.admin.ChangeParameters(change)) == refusal


def test_parameters_change_from_a_version(dev: Client) -> None:
    version = dev.venues()[0].version
    wanted = venue_of(1, "twilight", margin_cap_atoms=9_000_000)
    change = admin_pb2.ChangeParametersRequest(venue=wanted, expected_version=version + 5)
    assert refusal_of(lambda: dev.admin.ChangeParameters(change)) == Refusal(
        "UNKNOWN_VERSION", version, version + 5, ""
    )
    change.expected_version = version
    dev.admin.ChangeParameters(change)
    assert (dev.venues()[0].version, dev.venues()[0].twilight.margin_cap_atoms) == (version + 1, 9_000_000)
    both = admin_pb2.ChangeParametersRequest(venue=wanted, market=market_of(1, 1, "BTC-PERP"))
    assert refusal_of(lambda: dev.admin.ChangeParameters(both)).name == "MALFORMED"


def test_a_venue_lives_under_the_newest_logic_unless_it_names_one_and_only_rises(dev: Client) -> None:
    def perennial(number: int, logic_version: int) -> parameters_pb2.VenueParameters:
        terms, _ = perennial_listing()
        terms.venue, terms.name, terms.logic_version = number, f"perennial-{number}", logic_version
        return terms

    def change(terms: parameters_pb2.VenueParameters) -> object:
        return dev.admin.ChangeParameters(admin_pb2.ChangeParametersRequest(venue=terms))

    latest = newest(common_pb2.RULEBOOK_PERENNIAL)
    create_venue(dev, perennial(61, 0))
    create_venue(dev, perennial(62, 1))
    refusal = refusal_of(lambda: create_venue(dev, perennial(63, latest + 1)))
    assert refusal == Refusal("PARAMETER_OUT_OF_BOUNDS", latest, latest + 1, "")
    assert {venue.venue: venue.logic_version for venue in dev.venues() if venue.venue in (4, 61, 62, 63)} == {
        4: latest,
        61: latest,
        62: 1,
    }
    refusal = refusal_of(lambda: change(perennial(62, latest + 1)))
    assert refusal == Refusal("PARAMETER_OUT_OF_BOUNDS", latest, latest + 1, "")
    change(perennial(62, latest))
    refusal = refusal_of(lambda: change(perennial(62, 1)))
    assert refusal == Refusal("PARAMETER_OUT_OF_BOUNDS", latest, 1, "")
    (raised,) = (venue for venue in dev.venues() if venue.venue == 62)
    assert raised.logic_version == latest


def test_a_halted_market_does_not_trade(dev: Client) -> None:
    move_mark(dev, PRICE_TICKS)
    account = funded_account(dev, 1_000_000)
    dev.admin.HaltMarket(admin_pb2.HaltMarketRequest(venue=1, market=1, halted=True, reason="a drill"))
    assert dev.list_markets()[0].halt_reason == "a drill"
    refusal = refusal_of(lambda: dev.open_position(account, "long", 1_000, "2"))
    assert (refusal.name, refusal.required) == ("MARKET_HALTED", 0)
    dev.admin.HaltMarket(admin_pb2.HaltMarketRequest(venue=1, market=1, halted=False))
    assert not dev.list_markets()[0].halted
    unknown = admin_pb2.HaltMarketRequest(venue=1, market=8, halted=True)
    assert refusal_of(lambda: dev.admin.HaltMarket(unknown)) == Refusal("UNKNOWN_MARKET", 1, 8, "")


def test_a_paused_node_takes_deposits_and_cancels(dev: Client) -> None:
    account = funded_account(dev, 1_000_000)
    dev.admin.Pause(admin_pb2.PauseRequest(paused=True))
    try:
        assert dev.status().state == admin_pb2.NODE_STATE_PAUSED
        dev.deposit(account, 5)
        request = accounts_pb2.WithdrawRequest(venue=1, account=account, amount_atoms=5)
        assert refusal_of(lambda: dev.accounts.Withdraw(request)).name in ("UNAVAILABLE", "RESUMING")
    finally:
        dev.admin.Pause(admin_pb2.PauseRequest(paused=False))
    assert dev.withdraw(account, 5).status == common_pb2.OUTCOME_STATUS_DONE


def test_a_snapshot_is_taken_at_a_height(dev: Client) -> None:
    before = dev.status().height
    height = dev.admin.TakeSnapshot(admin_pb2.TakeSnapshotRequest()).height
    assert height >= before
    assert dev.status().snapshot_height == height


def test_a_snapshot_that_finds_no_room_says_so(dev: Client, node: NodeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> "Future[int]":
        answer: Future[int] = Future()
        answer.set_exception(OSError(28, "No space left on device"))
        return answer

    monkeypatch.setattr(node.host, "take_snapshot", full)
    with pytest.raises(grpc.RpcError) as caught:
        dev.admin.TakeSnapshot(admin_pb2.TakeSnapshotRequest())
    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert caught.value.details() == "no snapshot was written: [Errno 28] No space left on device"
