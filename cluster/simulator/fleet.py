"""The machines of a world and the nodes on them: who starts after a crash, who takes over, who is put to rest."""

from random import Random

from breakwater.v1 import admin_pb2 as admin
from cluster.archive import ArchiveMismatch
from cluster.journal import JournalCorrupted, JournalError, LeaseHeld, ReadableJournal
from cluster.simulator.node import SimNode
from cluster.simulator.process import Process
from cluster.simulator.storage.journal import SimJournal
from cluster.simulator.surroundings import Surroundings

_WATCH_MS = 300
# How long a node that is fenced or was stopped is left standing before its machine is free again.
_LINGERING_MS = 1_500


class Fleet:
    """Starts node after node; `nodes` are those there are, the newest last."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._swarm = around.swarm
        self._scheduler = around.scheduler
        self._depot = around.depot
        self._note = around.note
        self._complain = around.complain
        self._rng = Random(f"{around.swarm.seed}/fleet")
        self._starting = False
        self.nodes: list[SimNode] = []
        self.started = 0

    def start(self) -> None:
        """The first node, and the watch over all that follow."""
        self._start()
        self._scheduler.after(_WATCH_MS, self._watch)

    def _watch(self) -> None:
        """Nodes that are gone leave their machines; where none is left that could serve, another is started."""
        for node in list(self.nodes):
            if not node.process.lives() and not node.is_paused:
                self.nodes.remove(node)
            elif node.process.lives() and not node.is_up and not node.is_paused:
                self._scheduler.after(_LINGERING_MS, node.kill)
        if not any(node.is_up for node in self.nodes):
            self._start_later()
        self._scheduler.after(_WATCH_MS, self._watch)

    def take_over(self) -> None:
        """The node that serves is about to stand still: a successor is brought up elsewhere after a while."""
        self._start_later()

    def _start_later(self) -> None:
        if not self._starting:
            self._starting = True
            self._scheduler.after(self._rng.randint(*self._swarm.restart_ms), self._start)

    def _start(self) -> None:
        """One attempt; where another node has the lease and lives, the attempt is given up."""
        self._starting = False
        taken = {node.machine for node in self.nodes}
        free = [machine for machine in self._depot.archives if machine not in taken]
        if not free:
            return
        machine = self._rng.choice(free)
        flipped = self._flip_bits(machine)
        self.started += 1
        node = SimNode(f"node-{self.started}", machine, self._around, self.take_over)
        self.nodes.append(node)
        self._boot(node, flipped)

    def _flip_bits(self, machine: str) -> bool:
        """Before a start: bits of the newest snapshot, which is passed over, and of the journal, which is refused."""
        self._depot.flip_a_snapshot()
        store = self._depot.journal
        if store.is_server and (store.is_down or self.nodes):
            return False
        return self._depot.flip_a_frame(machine)

    def _boot(self, node: SimNode, flipped: bool) -> None:
        try:
            node.boot()
        except LeaseHeld as held:
            self._give_up(node, held)
            if held.free_in_ms is not None:
                self._scheduler.after(held.free_in_ms, self._start_later)
        except JournalCorrupted as error:
            self._give_up(node, error)
            if not flipped:
                self._complain(f"{node.name} did not start: {error}")
            self._start_later()
        except JournalError as error:
            self._give_up(node, error)
        except ArchiveMismatch as error:
            self._give_up(node, error)
            if not self._depot.clear_stale_archive(node.machine):
                self._complain(f"{node.name} did not start: ArchiveMismatch: {error}")
        except Exception as error:
            self._give_up(node, error)
            self._complain(f"{node.name} did not start: {type(error).__name__}: {error}")
        else:
            if flipped and node.is_up:
                self._complain(f"{node.name} started on a journal with a flipped bit")
        finally:
            self._depot.mend()

    def _give_up(self, node: SimNode, error: Exception) -> None:
        self._note(f"{node.name}: not started: {error}")
        self.nodes.remove(node)

    # --- the liveness phase ---

    def come_right(self) -> None:
        """Disks have room, stores are up, clocks are right."""
        self._depot.come_right()
        for node in self.nodes:
            node.set_clock_right()

    def is_ready(self) -> bool:
        """Exactly one node makes blocks, and says it is well."""
        up = [node for node in self.nodes if node.is_up]
        return len(up) == 1 and up[0].serves((admin.NODE_STATE_READY, admin.NODE_STATE_DEGRADED))

    def is_quiet(self) -> bool:
        """Nothing waits, nothing is owed, nothing lags."""
        if not self.is_ready():
            return False
        node = next(node for node in self.nodes if node.is_up)
        engine, validation = node.engine, node.engine.validation
        return (
            not engine.sequencer.queued()
            and not engine.state.has_legs()
            and not engine.archiver.behind
            and validation is not None
            and validation.validated_height == engine.height
        )

    def state(self) -> str:
        """Who there is, in a sentence."""
        told = [f"{node.name} {node.describe()}" for node in self.nodes]
        return ", ".join(told) or "there is no node"

    def close(self) -> None:
        """Every node ends in an orderly way."""
        for node in self.nodes:
            node.close()

    def read_journal(self) -> ReadableJournal:
        """The journal, when no node has it any more."""
        reader = Process("reader", self._around.chaos)
        return SimJournal.open(self._depot.journal, reader, self._depot.journal.lease().start, self._note)
