"""Whether a process gets anywhere: asleep, at work, stopped, gone."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from cluster.transport.processes import Look, end, is_working, look
from tests.striking import strike
from tests.waiting import wait


@contextmanager
def child(code: str) -> Iterator[int]:
    """A Python process that has said that it is there."""
    process = subprocess.Popen([sys.executable, "-c", f"print(flush=True); {code}"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield process.pid
    finally:
        process.kill()
        process.communicate()


def is_asleep(pid: int) -> bool:
    return (now := look(pid)) is not None and not now.is_running


def test_one_that_sleeps_is_not_working_and_one_that_counts_is() -> None:
    with child("import time; time.sleep(600)") as asleep, child("\nwhile True: pass") as busy:
        wait(lambda: is_asleep(asleep))  # it was heard of before it lay down
        before = look(asleep), look(busy)
        time.sleep(0.5)
        after = look(asleep), look(busy)
    assert not is_working(before[0], after[0], 0.5)
    assert is_working(before[1], after[1], 0.5)


def test_one_that_is_stopped_or_gone_is_not_working_whatever_it_did_before() -> None:
    with child("\nwhile True: pass") as busy:
        before = look(busy)
        strike(busy, signal.SIGSTOP)
        assert not is_working(before, look(busy), 0.1)
        end(busy)
        wait(lambda: look(busy) is None)
    assert look(busy) is None
    end(busy)  # once more does no harm


def test_one_that_waits_for_a_processor_is_given_time() -> None:
    assert is_working(Look(1.0, False), Look(1.0, True), 5.0)
    assert not is_working(Look(1.0, False), Look(1.0, False), 5.0)
    assert is_working(None, Look(1.0, False), 5.0), "one look tells nothing"
    assert not is_working(None, None, 5.0)
