"""Points at which a process kills itself when a test asks for it, so that every moment of a block can be met.

`BREAKWATER_CRASH_AT` says where; unset, a point costs one comparison:

    <point>#<nth>     this process dies at the nth time it reaches the point (without #: the first)
    payload:<hex>     it dies whenever an actor is handed a call that holds these bytes: a poison command
    @<path>           the same, read from a file at every point. Who dies at a point renames the file to <path>.met, so
                      that whoever takes the place goes on. No file: nobody dies.

A point may be named by its beginning, `actor:shard/0:before` is every call, or with stars: `actor:shard/*:LADDER*`.
docs/supervision.md lists the points.
"""

import os
import signal
from fnmatch import fnmatchcase
from pathlib import Path

VARIABLE = "BREAKWATER_CRASH_AT"
MET = ".met"
_PAYLOAD = "payload:"

_wanted = os.environ.get(VARIABLE, "")
_passed: dict[str, int] = {}


def is_armed() -> bool:
    """Whether anything is asked for: spares callers the naming of their point."""
    return bool(_wanted)


def reached(point: str) -> None:
    """The process is at this point; it may be its last."""
    if not _wanted:
        return
    wanted = _asked_for()
    name, _, nth = wanted.partition("#")
    if not name or not (point.startswith(name + ":") or fnmatchcase(point, name)):
        return
    _passed[wanted] = _passed.get(wanted, 0) + 1
    if _passed[wanted] == int(nth or 1) and _claim():
        _die()


def handed(payload: bytes) -> None:
    """An actor is about to be called with this."""
    if not _wanted:
        return
    wanted = _asked_for()
    if wanted.startswith(_PAYLOAD) and bytes.fromhex(wanted.removeprefix(_PAYLOAD)) in payload:
        _die()


def _asked_for() -> str:
    if not _wanted.startswith("@"):
        return _wanted
    try:
        return Path(_wanted[1:]).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""


def _claim() -> bool:
    """Takes the file away; False where another process was here first."""
    if not _wanted.startswith("@"):
        return True
    try:
        Path(_wanted[1:]).replace(_wanted[1:] + MET)
    except FileNotFoundError:
        return False
    _passed.clear()
    return True


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
