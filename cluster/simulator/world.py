"""A world: machines with nodes on them, gateways, a network, clients; first things go wrong, then they must come right.

Safety phase: faults as the swarm has them. Liveness phase: none; every request is answered, nothing lags behind.
"""

import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from breakwater.v1 import answers_pb2 as answers
from breakwater.v1 import common_pb2 as common
from cluster.history import Attempt, Recorder, check
from cluster.placement import even
from cluster.simulator.customer import Customer
from cluster.simulator.faults import Chaos, Fault
from cluster.simulator.fleet import Fleet
from cluster.simulator.gateway import SimGateway
from cluster.simulator.network import Network
from cluster.simulator.scheduler import Scheduler
from cluster.simulator.storage.depot import Depot
from cluster.simulator.storage.journal_store import LOG
from cluster.simulator.surroundings import Surroundings
from cluster.simulator.swarm import Swarm
from cluster.simulator.witness import Witness
from cluster.simulator.workload import Answer, Auditor, Workload

START_MS = 1_760_001_000_000  # a whole minute, no full hour
_GATEWAYS = 2
_LOOK_MS = 250
_SETUP_PATIENCE_MS = 60_000
_CALM_MS = 1_000
_CALM_PATIENCE_MS = 120_000
_STEP_MS = 50
_SLEEP_EVERY_MS = 500
_SLEEP_MS_LOG2 = 11, 21
# More are not looked for in one seed.
_ENOUGH = 20


@dataclass
class Outcome:
    """What a seed came to."""

    swarm: Swarm
    violations: list[str] = field(default_factory=list)
    blocks: int = 0
    simulated_ms: int = 0
    starts: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    without_a_node: int = 0  # of the unknown endings: somebody said that there is no node that could tell
    faults: Counter[Fault] = field(default_factory=Counter)
    timeline: list[str] = field(default_factory=list)
    history: list[Attempt] = field(default_factory=list)
    journal: bytes = b""
    state_root: str = ""

    @property
    def rulebooks(self) -> list[str]:
        """Names of those that live in this world."""
        names = (common.Rulebook.Name(rulebook) for rulebook in self.swarm.rulebooks)
        return [name.removeprefix("RULEBOOK_").lower().replace("_", " ") for name in names]


class WorldEnded(Exception):
    """The world cannot go on: what was found is in its violations."""


class World:
    """One seed. `make_workload` and `make_auditor` are given what they may draw from and strike with."""

    def __init__(
        self,
        swarm: Swarm,
        make_workload: Callable[[Swarm, Chaos], Workload],
        make_auditor: Callable[[], Auditor | None],
    ) -> None:
        self.swarm = swarm
        self.outcome = Outcome(swarm)
        self._scheduler = Scheduler(START_MS)
        self._chaos = Chaos(swarm.seed, dict(swarm.rates), self._note_fault)
        self._auditor = make_auditor()
        self._witness = Witness(swarm.shadow_shards, self._auditor, self._note, self._complain)
        machines = ["machine-1", "machine-2"] if swarm.is_server else ["machine-1"]
        self._depot = Depot(self._scheduler, self._chaos, swarm.is_server, machines, even(swarm.shards))
        around = Surroundings(
            swarm, self._scheduler, self._chaos, self._depot, self._witness, self._note, self._complain
        )
        self._fleet = Fleet(around)
        self._workload = make_workload(swarm, self._chaos)
        network = Network(self._scheduler, self._chaos, swarm.seed, swarm.hop_ms)
        self._gateways = [
            SimGateway(
                f"gateway-{number}", network, self._scheduler, self._chaos, self._fleet.nodes, self._workload.door
            )
            for number in range(1, _GATEWAYS + 1)
        ]
        self._recorder = Recorder(lambda: self._scheduler.now_ms * 1_000_000)
        self._network = network
        self._customers: list[Customer] = []

    def run(self) -> Outcome:
        """Set-up, safety, liveness, and the last look at everything."""
        try:
            self._set_up()
            self._go_wrong()
            self._come_right()
            self._look_back()
        except WorldEnded:
            pass
        except Exception as error:  # in the node, its surroundings or here: the seed must be named all the same
            self._complain(f"the world broke: {type(error).__name__}: {error}")
            self.outcome.timeline += traceback.format_exc().splitlines()
        return self._finish()

    # --- phases ---

    def _set_up(self) -> None:
        self._fleet.start()
        told: list[Answer] = []
        batches = self._workload.setup()
        self._gateways[0].look()
        for batch in batches:
            self._gateways[0].submit(batch.SerializeToString(), told.append)
        while len(told) < len(batches) and self._scheduler.now_ms < START_MS + _SETUP_PATIENCE_MS:
            self._run_for(_STEP_MS)
        for answer in told:
            if not isinstance(answer, answers.BatchOutcome) or all(answer.refusal):
                self._complain(f"set-up: a batch of it was refused: {str(answer)!r}")
                raise WorldEnded
        for number, client in enumerate(self._workload.clients()):
            gateway = self._gateways[number % _GATEWAYS]
            seed, wake_ms = self.swarm.seed, self.swarm.wake_ms
            customer = Customer(client, gateway, self._network, self._scheduler, self._recorder, seed, wake_ms)
            self._customers.append(customer)
            customer.begin()
        self._look()

    def _go_wrong(self) -> None:
        self._note(f"safety phase: {self.swarm.safety_ms} ms")
        self._chaos.calm = False
        self._perhaps_sleep()
        self._run_for(self.swarm.safety_ms)

    def _come_right(self) -> None:
        self._note("liveness phase")
        self._chaos.calm = True
        self._fleet.come_right()
        self._wait(self._fleet.is_ready, "no node became READY")
        self._run_for(_CALM_MS)
        for customer in self._customers:
            customer.client.finish()
        self._wait(self._is_answered, "requests are unanswered")
        self._wait(self._fleet.is_quiet, "the node did not come to rest")

    def _look_back(self) -> None:
        self._fleet.close()
        journal = self._fleet.read_journal()
        for fault in self._witness.differences(journal) + self._witness.unfounded_answers():
            self._complain(fault)
        for fault in check(self._recorder.attempts(), self._witness.blocks):
            self._complain(f"history: {fault}")
        if self._auditor is not None:
            for fault in self._auditor.finish(journal):
                self._complain(f"auditor: {fault}")
        journal.close()

    def _finish(self) -> Outcome:
        outcome = self.outcome
        outcome.history = self._recorder.attempts()
        outcome.endings = Counter(attempt.ending.value for attempt in outcome.history)
        outcome.without_a_node = sum(attempt.refusal > 0 for attempt in outcome.history if attempt.ending == "unknown")
        outcome.blocks = self._witness.height
        outcome.simulated_ms = self._scheduler.wall_ms - START_MS
        outcome.starts = self._fleet.started
        outcome.faults = self._chaos.struck
        outcome.journal = self._depot.disk.read(LOG)
        outcome.state_root = self._witness.last_root.hex()
        return outcome

    # --- time passes ---

    def _run_for(self, for_ms: int) -> None:
        self._scheduler.run_until(self._scheduler.now_ms + for_ms)
        if len(self.outcome.violations) >= _ENOUGH:
            raise WorldEnded

    def _wait(self, is_so: Callable[[], bool], otherwise: str) -> None:
        """Lets the world run until something is so; not for ever."""
        for _ in range(0, _CALM_PATIENCE_MS, _STEP_MS):
            if is_so():
                return
            self._run_for(_STEP_MS)
        self._complain(f"liveness: {otherwise} within {_CALM_PATIENCE_MS // 1_000} s: {self._fleet.state()}")
        raise WorldEnded

    def _perhaps_sleep(self) -> None:
        """From seconds to more than an hour, as likely to be twice as long as half: the date moves, nothing else."""
        if self._chaos.strikes(Fault.WORLD_SLEEPS):
            for_ms = 1 << self._chaos.between(Fault.WORLD_SLEEPS, *_SLEEP_MS_LOG2)
            self._scheduler.sleep(for_ms + self._chaos.between(Fault.WORLD_SLEEPS, 0, for_ms))
            self._note(f"it is {(self._scheduler.wall_ms - START_MS) // 1_000:,} s later than at the beginning")
        self._scheduler.after(_SLEEP_EVERY_MS, self._perhaps_sleep)

    def _look(self) -> None:
        """Gateways ask now and then which node serves."""
        for gateway in self._gateways:
            gateway.look()
        self._scheduler.after(_LOOK_MS, self._look)

    def _is_answered(self) -> bool:
        return all(not customer.in_flight and not customer.client.unanswered() for customer in self._customers)

    # --- what is written down ---

    def _note(self, text: str) -> None:
        self.outcome.timeline.append(f"{self._scheduler.now_ms - START_MS:>9} ms  {text}")

    def _note_fault(self, fault: Fault, where: str) -> None:
        self._note(f"! {fault.value}" + (f" ({where})" if where else ""))

    def _complain(self, text: str) -> None:
        self._note(f"VIOLATION {text}")
        self.outcome.violations.append(text)
