"""`python -m tests.pauses [--seed 1] [--longest 4] tests/api ...`: pytest on a machine that stands still now and then.

Every second or two one of its processes, pytest or a node or an actor it started, is stopped for a moment. A test that
takes two moments of a live node for one, or patience of a few seconds for enough, fails here and not once a month.
What a test itself stops in the same moment is woken with it: look twice at a test that sends SIGSTOP.
"""

import argparse
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import psutil

SHORTEST_S = 0.2
_RUNS_BETWEEN_S = (0.3, 2.5)
_AT_WORK = frozenset((psutil.STATUS_RUNNING, psutil.STATUS_SLEEPING, psutil.STATUS_DISK_SLEEP))


def main(arguments: Sequence[str]) -> int:
    """What pytest ends with."""
    parser = argparse.ArgumentParser(prog="python -m tests.pauses", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the moments and of whom they meet")
    parser.add_argument("--longest", type=float, default=4.0, metavar="SECONDS", help="of a pause")
    asked, words = parser.parse_known_args(arguments)
    run = subprocess.Popen([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words])
    try:
        pauses = pause_now_and_then(psutil.Process(run.pid), random.Random(asked.seed), asked.longest)
    except BaseException:
        run.terminate()
        raise
    print(f"{pauses:,} pauses of {SHORTEST_S:g} to {asked.longest:g} s (seed {asked.seed})")
    return run.wait()


def pause_now_and_then(root: psutil.Process, rng: random.Random, longest_s: float) -> int:
    """Stops a process of the tree for a moment, now and then, the root most often, until the root ends; how often."""
    pauses = 0
    while root.is_running() and root.status() != psutil.STATUS_ZOMBIE:
        time.sleep(rng.uniform(*_RUNS_BETWEEN_S))
        with suppress(psutil.NoSuchProcess):
            one = rng.choice([root, root, *root.children(recursive=True)])
            if one.status() in _AT_WORK:
                with stopped(one):
                    time.sleep(rng.uniform(SHORTEST_S, longest_s))
                pauses += 1
    return pauses


@contextmanager
def stopped(process: psutil.Process) -> Iterator[None]:
    """A process that stands still; it goes on whatever happens here."""
    process.suspend()
    try:
        yield
    finally:
        process.resume()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
