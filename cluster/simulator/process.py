"""What the parts of a simulated node know of the process they are in: whether it lives, and where it dies."""

from collections.abc import Callable

from cluster.simulator.faults import Chaos, Fault
from cluster.simulator.scheduler import Scheduler


class NodeCrashed(BaseException):
    """The process ends here. No Exception, so that nothing in the node takes it for a failure it could mend."""


class ProcessClock:
    """Time as a process waits for it (`cluster.backoff.Clock`)."""

    def __init__(self, process: "Process", scheduler: Scheduler) -> None:
        self._process = process
        self._scheduler = scheduler

    def now_s(self) -> float:
        """Since the world began; never goes back."""
        return self._scheduler.now_ms / 1_000

    def sleep(self, seconds: float) -> None:
        """The world goes on meanwhile."""
        self._process.stand_still(int(seconds * 1_000))


class Process:
    """One incarnation of a node. `name` tells incarnations apart.

    `run_world` lets the world go on for so many milliseconds; `takeover` brings a successor.
    """

    def __init__(
        self,
        name: str,
        chaos: Chaos,
        run_world: Callable[[int], None] = lambda for_ms: None,
        takeover: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self._alive = True
        self.chaos = chaos
        self._run_world = run_world
        self._takeover = takeover

    def lives(self) -> bool:
        """Whether anything in it still runs, or will when it is woken."""
        return self._alive

    def end(self) -> None:
        """It is killed."""
        self._alive = False

    def crash_point(self, fault: Fault) -> None:
        """The process dies here where the fault strikes."""
        if self.lives() and self.chaos.strikes(fault, self.name):
            self.end()
        self.live()

    def live(self) -> None:
        """Raises NodeCrashed in a process that was killed: nothing in it runs any further."""
        if not self.lives():
            raise NodeCrashed(self.name)

    def pause_point(self) -> None:
        """The process is stopped here for a while where a fault says so, perhaps for long enough to be replaced."""
        if self.chaos.strikes(Fault.NODE_PAUSED, self.name):
            self.stand_still(self.chaos.between(Fault.NODE_PAUSED, 10, 3_000))
        if self.chaos.strikes(Fault.NODE_ZOMBIE, self.name):
            self._takeover()
            self.stand_still(self.chaos.between(Fault.NODE_ZOMBIE, 1_000, 8_000))

    def stand_still(self, for_ms: int) -> None:
        """The process does not run for a while; it may be killed meanwhile."""
        self._run_world(for_ms)
        self.live()
