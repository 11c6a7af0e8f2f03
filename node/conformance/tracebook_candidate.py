"""Our book as a candidate of the referee `tracebook-conformance`: its lines of JSON in, its lines of JSON out.

`python -m node.conformance.tracebook_candidate` speaks version 1 of the protocol `tracebook.conformance` on standard
input and output: hello, then events, each answered by what happened and a hash of the whole state, snapshots, finish.
The referee waits five seconds for a candidate, so compile the kernels beforehand with `breakwater warm`.
"""

from __future__ import annotations

import os
import sys
from typing import IO, Any

import orjson

from node.conformance.tracebook_books import Books, Unsupported

PROTOCOL = "tracebook.conformance"
PROTOCOL_VERSION = 1


class ProtocolError(Exception):
    """A line that has no place in the conversation."""


def main() -> int:
    """Serves one conversation; 0 when the referee has finished it, 2 when it broke off."""
    return serve(sys.stdin.buffer, sys.stdout.buffer)


def serve(lines: IO[bytes], answers: IO[bytes]) -> int:
    """Answers line by line. What cannot be answered is said as an error, which ends the conversation."""
    conversation = _Conversation()
    try:
        for line in lines:
            if line.strip():
                _write(answers, conversation.answer(_object(line)))
            if conversation.is_finished:
                return 0
        raise ProtocolError("the lines end before finish")
    except (ProtocolError, Unsupported, KeyError, ValueError) as error:
        _write(answers, {"type": "error", "code": "PROTOCOL_ERROR", "message": str(error)})
        return 2


class _Conversation:
    """Where the conversation stands."""

    def __init__(self) -> None:
        self._books: Books | None = None
        self._events = 0
        self.is_finished = False

    def answer(self, message: dict[str, Any]) -> dict[str, Any]:
        """The one answer to one message."""
        kind = message.get("type")
        if self._books is None:
            return self._greet(message)
        if kind == "event":
            return self._event(self._books, message)
        if message.get("index" if kind == "snapshot" else "event_count") != self._events:
            raise ProtocolError(f"{kind} does not follow event {self._events}")
        if kind == "snapshot":
            return {"type": "snapshot", "index": self._events, "state": self._books.state()}
        if kind == "finish":
            self.is_finished = True
            return {"type": "complete", "event_count": self._events}
        raise ProtocolError(f"unknown message {kind!r}")

    def _greet(self, message: dict[str, Any]) -> dict[str, Any]:
        version = (message.get("type"), message.get("protocol"), message.get("protocol_version"))
        if version != ("hello", PROTOCOL, PROTOCOL_VERSION):
            raise ProtocolError(f"expected hello of {PROTOCOL} {PROTOCOL_VERSION}, got {version}")
        self._books = Books(message.get("config", {}))
        return {
            "type": "ready",
            "protocol": PROTOCOL,
            "protocol_version": PROTOCOL_VERSION,
            "engine": {"name": "breakwater-matching", "version": "1", "language": "Python, Numba"},
        }

    def _event(self, books: Books, message: dict[str, Any]) -> dict[str, Any]:
        if message.get("index") != self._events + 1:
            raise ProtocolError(f"event {message.get('index')} does not follow {self._events}")
        reason, trades = books.apply(message["event"])
        self._events += 1
        outcome = {"status": "rejected" if reason else "applied", "reason": reason or None, "message": None}
        return {
            "type": "observation",
            "index": self._events,
            "outcome": outcome,
            "trades": trades,
            "state_hash": books.digest(),
            "resting_order_count": books.order_count(),
        }


def _object(line: bytes) -> dict[str, Any]:
    message = orjson.loads(line)
    if not isinstance(message, dict):
        raise ProtocolError("a message must be an object")
    return message


def _write(answers: IO[bytes], message: dict[str, Any]) -> None:
    answers.write(orjson.dumps(message) + b"\n")
    answers.flush()


if __name__ == "__main__":
    # The referee gives half a second to be gone, and the interpreter would first take the compiled kernels apart.
    os._exit(main())
