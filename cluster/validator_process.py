"""The validator of a node whose actors are all in one process, in a process of its own that a pipe feeds.

It shares nothing with the node but the pipe, so it takes no interpreter from it; it is niced, and ends when the node
does: the pipe has no other end any more. Where the node finds it gone it makes it again, from the cut.
"""

import os
import pickle
import signal
import subprocess
import sys
from typing import Any, BinaryIO

from cluster.transport.transport import ActorLost
from cluster.validation import ValidatorFault, ValidatorHost

_GONE = (EOFError, OSError, pickle.UnpicklingError)


class ProcessValidator:
    """A validator in a child of this process, with the face of `LocalValidator`; see `ValidatorHost`."""

    def __init__(self, data_dir: str, shards: int, rows_every: int) -> None:
        words = [sys.executable, "-m", __name__, data_dir, str(shards), str(rows_every)]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    @property
    def pid(self) -> int:
        """Its number in the system."""
        return self._process.pid

    def ask(self, method: str, *arguments: Any) -> Any:
        """Calls a method and waits. Raises ActorLost, and ValidatorFault with whatever the method complains of."""
        requests, answers = self._process.stdin, self._process.stdout
        assert requests and answers, "both are pipes"
        try:
            _put(requests, (method, arguments))
            is_done, answer = pickle.load(answers)
        except _GONE as error:
            self.close()
            raise ActorLost("validator") from error
        if not is_done:
            raise ValidatorFault(answer)
        return answer

    def close(self) -> None:
        """Ends the process; harmless when repeated."""
        self._process.kill()
        self._process.wait()


def _put(pipe: BinaryIO | Any, message: Any) -> None:
    pickle.dump(message, pipe, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.flush()


def serve(host: ValidatorHost, requests: BinaryIO, answers: BinaryIO) -> None:
    """Answers calls (method, arguments) one after the other, with (done, answer or complaint), until nobody asks."""
    try:
        while True:
            method, arguments = pickle.load(requests)
            try:
                answer = True, getattr(host, method)(*arguments)
            except Exception as error:
                answer = False, str(error) or repr(error)
            _put(answers, answer)
    except _GONE:
        return


def main() -> None:
    """The child: its answers leave by the standard output, so whatever is printed goes where complaints go."""
    # Who interrupts the node at a terminal interrupts its whole group; the node ends the validator itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    data_dir, shards, rows_every = sys.argv[1:]
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    serve(ValidatorHost(data_dir, int(shards), int(rows_every)), sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
