"""From options to a plan: assets by file names, markets of a folder, the minutes they share, what publishers say."""

from pathlib import Path

import pytest

from breakwater.v1 import commands_pb2 as cmd
from node.load.bars import PriceFileError
from node.load.driver import ReplayError
from node.load.options import ALL, ReplayOptions, plan_of, plans_of
from node.load.plan import NOISE_MOST_PPM, PPM, Plan

MINUTE_MS = 60_000


def _bars(folder: Path, name: str, prices: list[str], first_minute: int = 1) -> Path:
    path = folder / name
    rows = [f"{(first_minute + row) * MINUTE_MS},{price},{price},{price},{price}" for row, price in enumerate(prices)]
    path.write_text("\n".join(["open_time_ms,open,high,low,close", *rows]) + "\n", encoding="utf-8")
    return path


def _plan(prices: Path | None, venue: str = "margin-trade", ticks_per_bar: int = 1) -> Plan:
    return plan_of(ReplayOptions(venue, prices, 10, 1, 1, "inline", ticks_per_bar))


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("BTCUSDT_20251010_2043_2220.csv", "BTC-PERP"),
        ("BTC-PERP_1m_202201.csv", "BTC-PERP"),
        ("ethusdc.csv", "ETH-PERP"),
        ("SOLUSD_x.csv", "SOL-PERP"),
        ("doge_1m.csv", "DOGE-PERP"),
        ("_.csv", "ASSET-PERP"),
    ],
)
def test_a_market_is_named_by_its_file(tmp_path: Path, name: str, symbol: str) -> None:
    (market,) = _plan(_bars(tmp_path, name, ["100"])).markets
    assert market.symbol == symbol


@pytest.mark.parametrize(
    ("price", "tick_size_e9", "ticks"),
    [("160000.5", 10**9, 160_001), ("123.456", 10**7, 12_346), ("0.12345", 10**4, 12_345), ("0.000234", 10**3, 234)],
)
def test_an_unknown_asset_is_quoted_with_five_digits_of_its_first_price(
    tmp_path: Path, price: str, tick_size_e9: int, ticks: int
) -> None:
    plan = _plan(_bars(tmp_path, "NEW.csv", [price]))
    assert plan.markets[0].tick_size_e9 == tick_size_e9
    assert plan.prices(0) == [ticks]
    rules = plan.markets[0].margin_trade
    notional = rules.open_interest_cap_lots * ticks * rules.quote_atoms_per_tick_lot
    assert rules.max_order_lots > 0
    assert notional == pytest.approx(10**16, rel=0.25), "the caps follow the asset's price"


@pytest.mark.parametrize(("name", "price"), [("NEW.csv", "123.456"), ("BTCUSDT.csv", "7358.5"), ("LOW.csv", "12.5")])
def test_limits_of_bot_run_venues_follow_the_first_price(tmp_path: Path, name: str, price: str) -> None:
    path = _bars(tmp_path, name, [price])
    spin, perennial = (_plan(path, venue=venue) for venue in ("spin", "perennial"))
    rules, ticks = spin.markets[0].spin, spin.prices(0)[0]
    assert rules.max_position_lots * ticks * rules.quote_atoms_per_tick_lot == pytest.approx(10**14, rel=0.01)
    most = perennial.markets[0].perennial.maker_limit_lots * perennial.prices(0)[0] // 10**6
    assert most == pytest.approx(10**14, rel=0.01)


def test_all_venues_have_one_path_and_one_cast(tmp_path: Path) -> None:
    path = _bars(tmp_path, "BTCUSDT.csv", ["7358.5", "7000", "6500"])
    plans = plans_of(ReplayOptions(ALL, path, 10, 1, 1, "inline", 1))
    assert [plan.venue.venue for plan in plans] == [1, 2, 3, 4]
    assert len({tuple(point.time_ms for point in plan.points) for plan in plans}) == 1
    assert len({id(plan.cast) for plan in plans}) == 1
    with pytest.raises(PriceFileError, match="all venues at once take one price"):
        plans_of(ReplayOptions(ALL, tmp_path, 10, 1, 1, "inline", 1))


def test_a_price_below_the_smallest_step_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PriceFileError, match=r"line 2: PEPE is quoted in steps of 0\.000001"):
        _plan(_bars(tmp_path, "PEPEUSDT.csv", ["0.00000123"]))


def test_a_folder_is_a_market_a_file_in_the_minutes_they_share(tmp_path: Path) -> None:
    _bars(tmp_path, "LTCUSDT_1m.csv", ["100", "101", "102", "103"], first_minute=1)
    _bars(tmp_path, "DOTUSDT_1m.csv", ["5", "6", "7"], first_minute=2)
    (tmp_path / "readme.txt").write_text("no bars", encoding="utf-8")
    plan = _plan(tmp_path)
    assert [(market.market, market.symbol) for market in plan.markets] == [(1, "DOT-PERP"), (2, "LTC-PERP")]
    assert [[point.time_ms for point in path] for path in plan.paths] == [[120_000, 180_000, 240_000]] * 2
    assert plan.prices(0) == [50_000, 101_000]
    assert plan.prices(2) == [70_000, 103_000]


def test_files_without_a_common_minute_are_refused(tmp_path: Path) -> None:
    _bars(tmp_path, "LTCUSDT.csv", ["100"], first_minute=1)
    _bars(tmp_path, "DOTUSDT.csv", ["5"], first_minute=2)
    with pytest.raises(PriceFileError, match="no minute in common"):
        _plan(tmp_path)


def test_a_folder_without_bars_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PriceFileError, match=r"holds no file of bars \(\*\.csv, \*\.csv\.gz\)"):
        _plan(tmp_path)


def test_two_files_of_one_asset_are_refused(tmp_path: Path) -> None:
    _bars(tmp_path, "BTCUSDT_1.csv", ["100"])
    _bars(tmp_path, "BTC-PERP_2.csv", ["100"])
    with pytest.raises(PriceFileError, match="both are bars of BTC"):
        _plan(tmp_path)


def test_twilight_has_one_market(tmp_path: Path) -> None:
    with pytest.raises(PriceFileError, match="a folder; Twilight has one market"):
        _plan(tmp_path, venue="twilight", ticks_per_bar=4)


def test_a_venue_nobody_knows_is_refused() -> None:
    with pytest.raises(ReplayError, match="named 'mars'; there is twilight, margin-trade, spin, perennial, all"):
        _plan(None, venue="mars")


def test_publishers_say_the_price_within_two_basis_points(tmp_path: Path) -> None:
    _bars(tmp_path, "BTCUSDT.csv", ["50000"] * 40)
    _bars(tmp_path, "LTCUSDT.csv", ["100"] * 40)
    plan = _plan(tmp_path)
    publishers, again = plan.publishers(), plan.publishers()
    noises = []
    for step in range(40):
        said, repeated = (who.say(step, plan.prices(step)).body for who in (publishers, again))
        assert isinstance(said, cmd.Ticks)
        assert said == repeated, "the same seed says the same"
        assert list(zip(said.market, said.publisher, strict=True)) == [
            (market, publisher) for market in (1, 2) for publisher in (1, 2, 3, 11, 12, 13)
        ]
        for market, price in zip(said.market, said.price_ticks, strict=True):
            true = plan.prices(step)[market - 1]
            noises.append((price - true) * PPM // true)
    assert -NOISE_MOST_PPM - 10 <= min(noises) < -NOISE_MOST_PPM * 3 // 4
    assert NOISE_MOST_PPM * 3 // 4 < max(noises) <= NOISE_MOST_PPM
    assert len(set(noises)) > 50


def test_the_lock_of_the_vault_is_counted_in_blocks(tmp_path: Path) -> None:
    plan = _plan(_bars(tmp_path, "BTCUSDT.csv", ["100"] * 10))
    assert plan._blocks_in(MINUTE_MS) == 2
    assert plan._blocks_in(0) == 0


@pytest.mark.parametrize(
    ("folder", "markets", "minutes"), [("2025-02-03_tariff_crash", 4, 2_160), ("2026-02-05_crash", 7, 2_880)]
)
def test_the_real_folders_are_markets_of_equal_length(
    shared_dir: Path, folder: str, markets: int, minutes: int
) -> None:
    plan = _plan(shared_dir / "data/prices" / folder)
    assert len(plan.markets) == markets
    assert {len(path) for path in plan.paths} == {minutes}
