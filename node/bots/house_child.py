"""The house bot seen from `up`: a child process that is started, listened to, and started again when it died."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import orjson
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from node.bots.house_orders import HouseOrders
from node.logs import logger

_MODULE: Final = "node.bots.house"
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0
_STOP_S: Final = 5.0
_COUNTERS: Final = {"wins": "Liquidations won", "rewards_atoms": "Rewards won, in atoms", "refusals": "Calls refused"}
_GAUGES: Final = {
    "working": "1 while the house bot works on the venue",
    "height": "Newest block the house bot knows",
    "below": "Accounts or positions that may be liquidated now",
}

_log = logger("house-bot")


class HouseBot:
    """`start` returns at once, `stop` when the child is gone. Whatever happens to the child, the node goes on."""

    def __init__(self, orders: HouseOrders, registry: CollectorRegistry) -> None:
        """The metrics of the registry show the child from now on."""
        self.restarts = 0
        self.status: dict[str, Any] = {}
        self._orders = orders
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="house-bot", daemon=True)
        registry.register(_Gauges(self))

    @property
    def pid(self) -> int:
        """Number of the child that was started last; 0 before."""
        return self._process.pid if self._process is not None else 0

    @property
    def alive(self) -> bool:
        """Whether the child runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Starts the child and whatever keeps it alive."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the child: at the end of its input, or when it does not listen by force."""
        self._stopping.set()
        with self._lock:
            process = self._process
        if process is not None:
            if process.stdin is not None:
                # A child that died has closed its end.
                with suppress(OSError):
                    process.stdin.close()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._thread.is_alive():
            self._thread.join(_STOP_S)

    def _keep(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            told = self._one_life()
            self.status = {}
            if self._stopping.is_set():
                return
            # One that worked is tried again soon, one that dies at once ever later.
            pause_s = _FIRST_PAUSE_S if told else min(2 * pause_s, _LONGEST_PAUSE_S)
            _log.warning("died", pause_s=pause_s, restarts=self.restarts)
            self._stopping.wait(pause_s)
            self.restarts += 1

    def _one_life(self) -> bool:
        """From start to end; whether the child told of a venue it works on."""
        try:
            with self._lock:
                if self._stopping.is_set():
                    return False
                process = self._process = _spawn()
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(self._orders.line())
            process.stdin.flush()
            worked = False
            for line in process.stdout:
                self.status = orjson.loads(line)
                worked = worked or any(venue["working"] for venue in self.status.values())
            process.wait()
            process.stdout.close()
        except (OSError, ValueError) as error:
            _log.warning("cannot run", reason=str(error))
            return False
        return worked


class _Gauges(Collector):
    def __init__(self, bot: HouseBot) -> None:
        self._bot = bot

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        bot, status = self._bot, dict(self._bot.status)
        yield GaugeMetricFamily("breakwater_house_bot_alive", "1 while its process runs", float(bot.alive))
        yield CounterMetricFamily("breakwater_house_bot_restarts", "Times its process was started again", bot.restarts)
        kinds = ((GaugeMetricFamily, _GAUGES), (CounterMetricFamily, _COUNTERS))
        for kind, names in kinds:
            for name, text in names.items():
                family = kind(f"breakwater_house_bot_{name}", text, labels=["venue"])
                for venue, facts in status.items():
                    family.add_metric([venue], float(facts.get(name, 0)))
                yield family


def _spawn() -> subprocess.Popen[bytes]:
    """The child, which imports from where we do and is spared the signals of our terminal."""
    return subprocess.Popen(
        [sys.executable, "-m", _MODULE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
