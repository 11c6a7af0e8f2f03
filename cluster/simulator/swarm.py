"""What one seed's world is like: which rulebooks live, which store, how busy, and what goes wrong how often."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any

from breakwater.v1 import common_pb2 as common
from cluster.simulator.faults import ODDS, Fault

RULEBOOKS = (
    common.RULEBOOK_TWILIGHT,
    common.RULEBOOK_MARGIN_TRADE,
    common.RULEBOOK_PERENNIAL,
    common.RULEBOOK_SPIN,
)
# How many rulebooks live together, as often as they are listed.
_HOW_MANY = (1, 1, 1, 1, 1, 2, 2, 2, 3, 4)
# Only one that has an embedded store, only one that has a server: nobody else can take over, nothing else goes down.
_OF_A_SERVER = (Fault.NODE_ZOMBIE, Fault.STORE_DOWN)
_OF_A_FILE = (Fault.WRITE_TORN, Fault.WRITE_LOST, Fault.ARCHIVE_LAGS)


@dataclass(frozen=True)
class Swarm:
    """Everything that is drawn before a world begins. Times are milliseconds."""

    seed: int
    rulebooks: tuple[int, ...]
    is_server: bool  # the journal's store outlives its writers, and successors may take over from them
    shards: int
    shadow_shards: int  # of the replica every block is compared with
    snapshot_every: int
    keep_blocks: int  # frames below the snapshots are pruned, but for so many; 0: never
    block_ms: tuple[int, int]  # least and most between two blocks that have something in them
    wake_ms: tuple[int, int]  # least and most between two wakings of a client
    hop_ms: tuple[int, int]  # least and most a message takes
    restart_ms: tuple[int, int]
    safety_ms: int
    rates: Mapping[Fault, float] = field(default_factory=dict)

    @classmethod
    def draw(cls, seed: int, safety_ms: int | None = None) -> "Swarm":
        """The world of a seed. `safety_ms`: how long things go wrong, where it is not the seed's to say."""
        rng = Random(f"{seed}/swarm")
        is_server = rng.random() < 0.5
        least = rng.randint(20, 300)
        return cls(
            seed=seed,
            rulebooks=tuple(sorted(rng.sample(RULEBOOKS, rng.choice(_HOW_MANY)))),
            is_server=is_server,
            shards=(shards := rng.randint(1, 4)),
            shadow_shards=_other_than(shards, rng.randint(1, 3)),
            snapshot_every=rng.choice((4, 7, 12, 20)),
            keep_blocks=rng.choice((0, 0, 1, 5, 15)),
            block_ms=(least, least + rng.randint(0, 600)),
            wake_ms=(100, rng.randint(200, 1_500)),
            hop_ms=(0, rng.choice((1, 5, 40))),
            restart_ms=(100, rng.randint(200, 4_000)),
            safety_ms=safety_ms or rng.randint(12_000, 34_000),
            rates={fault: _rate(rng, fault) for fault in Fault if _is_on(rng, fault, is_server)},
        )

    def save(self) -> str:
        """As JSON; names instead of numbers where there are names."""
        plain: dict[str, Any] = asdict(self)
        plain["rulebooks"] = [common.Rulebook.Name(rulebook) for rulebook in self.rulebooks]
        plain["rates"] = {fault.value: rate for fault, rate in self.rates.items()}
        return json.dumps(plain, indent=1)


def _other_than(shards: int, drawn: int) -> int:
    return drawn if drawn != shards else drawn % 3 + 1


def _is_on(rng: Random, fault: Fault, is_server: bool) -> bool:
    drawn = rng.random() < ODDS[fault].on
    return drawn and fault not in (_OF_A_FILE if is_server else _OF_A_SERVER)


def _rate(rng: Random, fault: Fault) -> float:
    return round(rng.uniform(ODDS[fault].least, ODDS[fault].most), 4)
