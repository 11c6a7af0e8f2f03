"""What can go wrong in a simulated world, how often, and whether it does now.

A seed switches every fault on or off by itself and gives it a rate of its own: worlds in which only one thing goes
wrong find what worlds full of noise hide.
"""

from collections import Counter
from collections.abc import Callable
from enum import Enum
from random import Random
from typing import NamedTuple


class Fault(Enum):
    """Everything that is injected, what operators do at bad moments too; the value is how a summary names it."""

    MESSAGE_LOST = "message lost"
    MESSAGE_DUPLICATED = "message duplicated"
    MESSAGE_DELAYED = "message delayed"
    MESSAGE_REORDERED = "message reordered"
    PARTITION_TO_NODE = "partition, requests lost"
    PARTITION_FROM_NODE = "partition, answers lost"
    CRASH_IN_CALL = "crash inside a call"
    CRASH_BEFORE_APPEND = "crash before the append"
    CRASH_IN_APPEND = "crash before the append is durable"
    CRASH_AFTER_APPEND = "crash before the acknowledgement"
    CRASH_IN_SNAPSHOT = "crash writing a snapshot"
    CRASH_IN_ARCHIVE = "crash writing the archive"
    CRASH_IN_RECOVERY = "crash in recovery"
    CRASH_IDLE = "crash between blocks"
    NODE_RESTARTED = "node stopped in order, other shards"
    GATEWAY_LOST = "gateway lost"
    VALIDATOR_LAGS = "validator lags"
    NODE_PAUSED = "node paused"
    NODE_ZOMBIE = "node paused, successor takes over"
    CLOCK_FORWARD = "clock jumps forward"
    CLOCK_BACK = "clock jumps back"
    WORLD_SLEEPS = "the whole world asleep"
    ACTOR_LOST_BEFORE = "actor lost before a call"
    ACTOR_LOST_AFTER = "actor lost after a call"
    CALL_DUPLICATED = "call delivered twice"
    CALL_DELAYED = "call delayed"
    SHARD_SLOW = "slow shard"
    REPLY_OF_ZOMBIE = "reply of a replaced actor"
    POISON = "poison command"
    BUCKETS_MOVED = "buckets moved between shards"
    SHARDS_ADDED = "shards added"
    WRITE_TORN = "write torn"
    WRITE_LOST = "write lost"
    DISK_FULL = "disk full"
    STORE_DOWN = "store down"
    BIT_FLIP_JOURNAL = "bit flip in the journal"
    BIT_FLIP_SNAPSHOT = "bit flip in a snapshot"
    ARCHIVE_LAGS = "archive lags"
    ARCHIVE_LOST = "archive lost"
    ORACLE_STALL = "oracle stalls"
    ORACLE_OUTLIER = "oracle outlier"
    ORACLE_GAP = "oracle gap"
    RETRY_SAME_BODY = "retry with the same body"
    RETRY_OTHER_BODY = "retry with another body"


class Odds(NamedTuple):
    """When a fault may strike, how often a seed has it at all, and between which rates its chance is drawn then."""

    occasion: str
    on: float
    least: float
    most: float


ODDS: dict[Fault, Odds] = {
    Fault.MESSAGE_LOST: Odds("a message", 0.5, 0.01, 0.15),
    Fault.MESSAGE_DUPLICATED: Odds("a message", 0.5, 0.01, 0.15),
    Fault.MESSAGE_DELAYED: Odds("a message", 0.5, 0.02, 0.3),
    Fault.MESSAGE_REORDERED: Odds("a message", 0.5, 0.05, 0.4),
    Fault.PARTITION_TO_NODE: Odds("a request to a node", 0.25, 0.01, 0.04),
    Fault.PARTITION_FROM_NODE: Odds("an answer of a node", 0.25, 0.01, 0.04),
    Fault.CRASH_IN_CALL: Odds("a fan-out, a snapshot or a restore of actors", 0.3, 0.002, 0.01),
    Fault.CRASH_BEFORE_APPEND: Odds("an append", 0.25, 0.01, 0.06),
    Fault.CRASH_IN_APPEND: Odds("an append", 0.35, 0.02, 0.12),
    Fault.CRASH_AFTER_APPEND: Odds("an append", 0.25, 0.01, 0.06),
    Fault.CRASH_IN_SNAPSHOT: Odds("a file of a snapshot", 0.35, 0.05, 0.3),
    Fault.CRASH_IN_ARCHIVE: Odds("a block archived", 0.25, 0.01, 0.05),
    Fault.CRASH_IN_RECOVERY: Odds("a store opened", 0.25, 0.05, 0.3),
    Fault.CRASH_IDLE: Odds("a turn of the engine", 0.25, 0.01, 0.05),
    Fault.NODE_RESTARTED: Odds("a turn of the engine", 0.25, 0.005, 0.04),
    Fault.GATEWAY_LOST: Odds("a request to a gateway", 0.25, 0.001, 0.01),
    Fault.VALIDATOR_LAGS: Odds("a block validated", 0.3, 0.05, 0.5),
    Fault.NODE_PAUSED: Odds("a fan-out", 0.3, 0.002, 0.01),
    Fault.NODE_ZOMBIE: Odds("a fan-out", 0.5, 0.004, 0.02),
    Fault.CLOCK_FORWARD: Odds("a turn of the engine", 0.25, 0.01, 0.05),
    Fault.CLOCK_BACK: Odds("a turn of the engine", 0.25, 0.01, 0.05),
    Fault.WORLD_SLEEPS: Odds("half a second", 0.75, 0.03, 0.2),
    Fault.ACTOR_LOST_BEFORE: Odds("a call", 0.35, 0.002, 0.02),
    Fault.ACTOR_LOST_AFTER: Odds("a call", 0.35, 0.002, 0.02),
    Fault.CALL_DUPLICATED: Odds("a call", 0.5, 0.01, 0.1),
    Fault.CALL_DELAYED: Odds("a call", 0.4, 0.01, 0.1),
    Fault.SHARD_SLOW: Odds("a call to a shard", 0.25, 0.01, 0.05),
    Fault.REPLY_OF_ZOMBIE: Odds("a call to an actor that was replaced", 0.4, 0.1, 0.5),
    Fault.POISON: Odds("a request", 0.25, 0.002, 0.02),
    Fault.BUCKETS_MOVED: Odds("a turn of the engine", 0.3, 0.02, 0.15),
    Fault.SHARDS_ADDED: Odds("a turn of the engine", 0.2, 0.01, 0.04),
    Fault.WRITE_TORN: Odds("an unsynced file when the power goes", 0.5, 0.1, 0.9),
    Fault.WRITE_LOST: Odds("an unsynced file when the power goes", 0.5, 0.1, 0.9),
    Fault.DISK_FULL: Odds("a write", 0.25, 0.01, 0.05),
    Fault.STORE_DOWN: Odds("an append", 0.4, 0.02, 0.08),
    Fault.BIT_FLIP_JOURNAL: Odds("a start", 0.3, 0.1, 0.5),
    Fault.BIT_FLIP_SNAPSHOT: Odds("a start", 0.35, 0.2, 0.7),
    Fault.ARCHIVE_LAGS: Odds("a block archived, a crash", 0.5, 0.1, 0.6),
    Fault.ARCHIVE_LOST: Odds("a crash", 0.25, 0.05, 0.25),
    Fault.ORACLE_STALL: Odds("a market's waking", 0.35, 0.02, 0.1),
    Fault.ORACLE_OUTLIER: Odds("a round of ticks", 0.35, 0.02, 0.1),
    Fault.ORACLE_GAP: Odds("a round of ticks", 0.5, 0.02, 0.1),
    Fault.RETRY_SAME_BODY: Odds("a client's waking", 0.6, 0.05, 0.5),
    Fault.RETRY_OTHER_BODY: Odds("a client's waking", 0.4, 0.02, 0.2),
}


def as_markdown() -> str:
    """The table of faults, as the documentation shows it."""
    lines = ["| fault | may strike on | in so many worlds | at these rates there |", "|---|---|---|---|"]
    for fault, odds in ODDS.items():
        rates = f"{_percent(odds.least)} to {_percent(odds.most)}"
        lines.append(f"| {fault.value} | {odds.occasion} | {_percent(odds.on)} | {rates} |")
    return "\n".join(lines)


def _percent(share: float) -> str:
    return f"{100 * share:g}%"


class Chaos:
    """Decides on every occasion whether a fault strikes; counts those that did and tells `told` of them."""

    def __init__(self, seed: int, rates: dict[Fault, float], told: Callable[[Fault, str], None]) -> None:
        self._rates = rates
        self._told = told
        # A stream of its own for every fault: one more message moves no crash.
        self._streams = {fault: Random(f"{seed}/{fault.name}") for fault in rates}
        self.struck: Counter[Fault] = Counter()
        self.calm = True

    def strikes(self, fault: Fault, where: str = "") -> bool:
        """Whether it happens on this occasion; never while the world is calm (set-up, liveness phase)."""
        if self.calm or fault not in self._rates or self._streams[fault].random() >= self._rates[fault]:
            return False
        self.note(fault, where)
        return True

    def has(self, fault: Fault) -> bool:
        """Whether this seed has the fault at all."""
        return fault in self._rates

    def between(self, fault: Fault, least: int, most: int) -> int:
        """A number both ends of which can come, drawn from the fault's own stream."""
        return self._streams[fault].randint(least, most)

    def note(self, fault: Fault, where: str) -> None:
        """Counts a fault that follows from another (a torn write from a crash)."""
        self.struck[fault] += 1
        self._told(fault, where)
