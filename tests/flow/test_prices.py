"""The path of prices: a jump-diffusion with the spread and the tails of one, or the moves of bars."""

from pathlib import Path

import numpy as np
import pytest

from node.flow.prices import JUMP_SIZE, JUMPS_A_S, STEP_S, VOLATILITY, from_files, jump_diffusion, steps_of
from node.flow.settings import LoadError
from node.flow.stream import Prices
from node.load.bars import PriceFileError

START = 1_000_000_000


def bars(path: Path, closes: list[float]) -> Path:
    """Bars that open at the close before and touch nothing else."""
    lines = ["open_time_ms,open,high,low,close"]
    for number, close in enumerate(closes):
        begin = closes[max(0, number - 1)]
        lines.append(f"{60_000 * (number + 1)},{begin},{max(begin, close)},{min(begin, close)},{close}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_diffusion_and_jumps_are_those_of_the_model() -> None:
    path = jump_diffusion([START] * 3, 400_000, seed=4)
    moves = np.diff(np.log(path), axis=1)
    small = moves[np.abs(moves) < 5 * VOLATILITY * np.sqrt(STEP_S)]
    assert small.std() / np.sqrt(STEP_S) == pytest.approx(VOLATILITY, rel=0.05)
    # Jumps beyond what diffusion does: so many a second and so large in the mean (exponential, of those above a size).
    large = np.abs(moves[np.abs(moves) > JUMP_SIZE])
    expected = moves.size * JUMPS_A_S * STEP_S * np.exp(-1)
    assert len(large) == pytest.approx(expected, rel=0.1)
    assert (large - JUMP_SIZE).mean() == pytest.approx(JUMP_SIZE, rel=0.1)
    down = (moves[np.abs(moves) > JUMP_SIZE] < 0).mean()
    assert down == pytest.approx(0.55, abs=0.03)
    # Seven tenths of the diffusion is common.
    calm = (np.abs(moves) < 5 * VOLATILITY * np.sqrt(STEP_S)).all(axis=0)
    assert np.corrcoef(moves[:, calm])[0, 1] == pytest.approx(0.7, abs=0.02)


def test_a_seed_has_one_path_and_it_stays_a_price() -> None:
    path = jump_diffusion([START, 5], 500, seed=4)
    assert (path == jump_diffusion([START, 5], 500, seed=4)).all()
    assert (path != jump_diffusion([START, 5], 500, seed=5)).any()
    assert path.min() >= 2 and path.dtype == np.int64


def test_bars_move_the_price_from_where_it_stands_and_turn_back_at_their_end(tmp_path: Path) -> None:
    file = bars(tmp_path / "a.csv", [100, 110, 99])
    path = from_files(file, [START, 2 * START], steps_of(600), speed=1.0)
    assert path[0, 0] == START and (path[1] == 2 * path[0]).all() | (np.abs(path[1] - 2 * path[0]) <= 1).all()
    at = {minute: path[0, round(minute * 60 / STEP_S)] / START for minute in range(7)}
    assert at == pytest.approx({0: 1.0, 1: 1.0, 2: 1.1, 3: 0.99, 4: 1.1, 5: 1.0, 6: 1.0}, rel=1e-6)
    fast = from_files(file, [START], steps_of(60), speed=3.0)
    assert fast[0, round(40 / STEP_S)] / START == pytest.approx(1.1, rel=1e-6)


def test_a_folder_has_a_file_for_each_market_in_the_order_of_their_names(tmp_path: Path) -> None:
    bars(tmp_path / "b.csv", [100, 90])
    bars(tmp_path / "a.csv", [100, 110])
    path = from_files(tmp_path, [START] * 3, steps_of(120), speed=1.0)
    assert path[:, 1_200] / START == pytest.approx([1.1, 0.9, 1.1], rel=1e-6)


def test_files_that_are_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="holds no file of bars"):
        from_files(tmp_path, [START], 10, 1.0)
    with pytest.raises(PriceFileError, match=r"nowhere\.csv"):
        from_files(tmp_path / "nowhere.csv", [START], 10, 1.0)


def test_recorded_crashes_can_be_followed(shared_dir: Path) -> None:
    folder = shared_dir / "data" / "prices"
    path = from_files(folder / "BTCUSDT_20200312_1000_1200.csv", [735_800], steps_of(7_200), speed=1.0)
    # 7,358 to 5,199 in 48 minutes.
    assert path.min() / path[0, 0] == pytest.approx(0.7066, abs=0.003)
    assert int(path[0].argmin()) * STEP_S / 60 == pytest.approx(48.5, abs=0.6)
    many = from_files(folder / "2025-02-03_tariff_crash", [START] * 4, steps_of(60), speed=600.0)
    assert (many.min(axis=1) < many[:, 0]).all()


def test_trend_is_in_usual_moves_and_nothing_where_nothing_moved() -> None:
    rising = np.linspace(1_000_000, 1_020_000, 101).astype(np.int64)[None, :]
    now, trend = Prices(rising, 0.1).at(5.0)
    assert now[0] == rising[0, 50]
    assert trend[0] == pytest.approx(1.0, rel=0.02)
    still = Prices(np.full((1, 5), 7, dtype=np.int64), 0.1)
    assert [part[0] for part in still.at(99.0)] == [7, 0.0]
    assert [part[0] for part in still.at(-1.0)] == [7, 0.0]
