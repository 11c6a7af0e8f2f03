"""A client in the world: its requests travel as bytes, its patience ends, and what it was told is written down."""

from random import Random

from breakwater.v1 import answers_pb2 as answers
from cluster.history import Recorder
from cluster.refused import Refused
from cluster.simulator.gateway import SimGateway
from cluster.simulator.network import Network
from cluster.simulator.scheduler import Scheduler
from cluster.simulator.workload import Answer, Client, Request


class Customer:
    """Wakes a client now and then and carries its requests to a gateway and the first answer to each back."""

    def __init__(
        self,
        client: Client,
        gateway: SimGateway,
        network: Network,
        scheduler: Scheduler,
        recorder: Recorder,
        seed: int,
        wake_ms: tuple[int, int],
    ) -> None:
        self.client = client
        self._gateway = gateway
        self._network = network
        self._scheduler = scheduler
        self._recorder = recorder
        self._rng = Random(f"{seed}/customer/{client.name}")
        self._wake_ms = wake_ms
        self.in_flight = 0

    def begin(self) -> None:
        """From here on it wakes by itself."""
        self._scheduler.after(self._rng.randint(0, self._wake_ms[1]), self._wake)

    def _wake(self) -> None:
        for request in self.client.wake(self._scheduler.wall_ms, self._gateway):
            self._send(request)
        self._scheduler.after(self._rng.randint(*self._wake_ms), self._wake)

    def _send(self, request: Request) -> None:
        name, gateway = self.client.name, self._gateway
        number = self._recorder.invoke(name, request.batch)
        sent = request.batch.SerializeToString()
        waiting = [True]
        self.in_flight += 1

        def end(answer: Answer) -> None:
            if not waiting:
                return  # an answer that comes twice, or too late
            waiting.clear()
            self.in_flight -= 1
            self._write_down(number, answer)
            self.client.answered(request, answer, self._scheduler.wall_ms)

        def back(answer: Answer) -> None:
            self._network.send(f"{gateway.name}>{name}", "answer", lambda: end(answer))

        self._network.send(f"{name}>{gateway.name}", "request", lambda: gateway.submit(sent, back))
        self._scheduler.after(request.timeout_ms, lambda: end(None))

    def _write_down(self, number: int, answer: Answer) -> None:
        if isinstance(answer, answers.BatchOutcome):
            self._recorder.ok(number, answer)
        elif isinstance(answer, Refused):
            self._recorder.fail(number, answer.refusal)
        else:
            self._recorder.unknown(number)
