"""The path of prices every process of a load follows: a jump-diffusion from a seed, or the moves of a file of bars."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from node.flow.settings import LoadError
from node.load.bars import Bar, PriceFileError, read_bars

STEP_S: Final = 0.1
# A year at 60% volatility is about one basis point a second; a jump every twenty seconds, of three in a thousand in the
# mean, more often down; seven tenths of every move are the whole market's.
VOLATILITY: Final = 1.1e-4
JUMPS_A_S: Final = 0.05
JUMP_SIZE: Final = 3e-3
DOWN: Final = 0.55
COMMON: Final = 0.7
_BAR_S: Final = 60.0
_FILES: Final = ("*.csv", "*.csv.gz")
_LEAST_TICKS, _MOST_TICKS = 2, (1 << 40) - 1


def steps_of(seconds: float) -> int:
    """How many steps a run of so many seconds has."""
    return int(seconds / STEP_S) + 2


def jump_diffusion(start_ticks: Sequence[int], steps: int, seed: int) -> np.ndarray:
    """int64[markets, steps]: log prices diffuse and jump, together in part; jumps are double exponential."""
    rng = np.random.default_rng((seed, 0xF10))
    markets = len(start_ticks)
    scale = VOLATILITY * np.sqrt(STEP_S)
    diffusion = scale * _mixed(rng.standard_normal((1, steps)), rng.standard_normal((markets, steps)))
    return _ticks(start_ticks, np.cumsum(diffusion + _jumps(rng, markets, steps), axis=1))


def _mixed(common: np.ndarray, own: np.ndarray) -> np.ndarray:
    moves: np.ndarray = np.sqrt(COMMON) * common + np.sqrt(1 - COMMON) * own
    return moves


def _jumps(rng: np.random.Generator, markets: int, steps: int) -> np.ndarray:
    """The common part of the jumps comes in every market at once."""

    def made(rows: int, share: float) -> np.ndarray:
        happens = rng.random((rows, steps)) < JUMPS_A_S * share * STEP_S
        sign = np.where(rng.random((rows, steps)) < DOWN, -1.0, 1.0)
        drawn: np.ndarray = happens * sign * rng.exponential(JUMP_SIZE, (rows, steps))
        return drawn

    return made(1, COMMON) + made(markets, 1 - COMMON)


def from_files(path: Path, start_ticks: Sequence[int], steps: int, speed: float) -> np.ndarray:
    """The moves of bars, `speed` minutes in a minute, from where each market stands: of a file for every market, or of
    the files of a folder in the order of their names, one a market, beginning again where there are fewer.

    Raises PriceFileError, LoadError for a folder without files.
    """
    files = sorted(file for kind in _FILES for file in path.glob(kind)) if path.is_dir() else [path]
    if not files:
        raise LoadError(f"{path}: holds no file of bars ({', '.join(_FILES)})")
    times_s = np.arange(steps) * STEP_S * speed
    paths = [_log_path(read_bars(file), times_s, file) for file in files[: len(start_ticks)]]
    return _ticks(start_ticks, np.stack([paths[number % len(paths)] for number in range(len(start_ticks))]))


def _log_path(bars: Sequence[Bar], times_s: np.ndarray, file: Path) -> np.ndarray:
    """Log moves since the first open, straight between the corners of bars; behind the last bar it turns back."""
    corners_s: list[float] = []
    corners: list[float] = []
    for number, bar in enumerate(bars):
        low_first = bar.open_e18 - bar.low_e18 <= bar.high_e18 - bar.open_e18
        inner = (bar.low_e18, bar.high_e18) if low_first else (bar.high_e18, bar.low_e18)
        corners_s += [number * _BAR_S + part * _BAR_S / 3 for part in range(3)]
        corners += [float(price) for price in (bar.open_e18, *inner)]
    corners_s.append(len(bars) * _BAR_S)
    corners.append(float(bars[-1].close_e18))
    logs = np.log(np.array(corners) / corners[0])
    if not np.isfinite(logs).all():
        raise PriceFileError(f"{file}: its prices have no finite logarithm")
    length_s = len(bars) * _BAR_S
    folded_s = np.abs((times_s + length_s) % (2 * length_s) - length_s)
    moves: np.ndarray = np.interp(folded_s, corners_s, logs)
    return moves


def _ticks(start_ticks: Sequence[int], logs: np.ndarray) -> np.ndarray:
    start = np.array(start_ticks, dtype=np.float64)[:, None]
    return np.clip(np.rint(start * np.exp(logs)), _LEAST_TICKS, _MOST_TICKS).astype(np.int64)
