"""Hunting a mutant: seed after seed with the fault planted, until somebody complains."""

import re
import time
from contextlib import nullcontext
from functools import cache
from typing import Any, NamedTuple

from cluster.simulator.swarm import Swarm
from node.simulation.run import simulate
from tests.mutants.mutant import Mutant

_BYTES = re.compile(r"b(\"|')(\\.|(?!\1).)*\1")
# What a mutant says that does not fit the code any more: no fault was planted, so nobody found one.
_MISFIT = re.compile(r"\b(AttributeError|ImportError|NameError|TypeError)\b")
_NUMBERS = re.compile(r"\b[0-9a-f]{12,}\b|\d[\d,]*")


class Catch(NamedTuple):
    """`seed` is None where nobody complained; `tried` counts the seeds that were run."""

    mutant: Mutant
    seed: int | None
    complaint: str
    tried: int
    seconds: float

    @property
    def check(self) -> str:
        """The complaint without its numbers and where it stood: which check it was."""
        text = re.sub(r"^height \d+: (height \d+: )?", "", self.complaint)
        return _NUMBERS.sub("N", _BYTES.sub("one", text)).replace("|", "/")[:90]


def hunt(mutant: Mutant, seeds: range) -> Catch:
    """The first of these seeds that finds the mutant. Seeds without a rulebook it shows in are passed over.

    Raises AssertionError where the mutant itself is broken.
    """
    began, tried = time.process_time(), 0
    for seed in seeds:
        if mutant.rulebooks and not set(mutant.rulebooks) & set(Swarm.draw(seed).rulebooks):
            continue
        tried += 1
        complaint = _complaint(mutant.plant, seed)
        assert not _MISFIT.search(complaint), f"the mutant {mutant.name!r} does not fit the code: {complaint}"
        if complaint and is_clean(seed):
            return Catch(mutant, seed, complaint, tried, time.process_time() - began)
    return Catch(mutant, None, "", tried, time.process_time() - began)


@cache
def is_clean(seed: int) -> bool:
    """Whether nobody complains without a mutant: what is said with one of any other seed proves nothing."""
    return not _complaint(nullcontext, seed)


def _complaint(plant: Any, seed: int) -> str:
    """The first complaint of a seed; a world that cannot even end is one."""
    with plant():
        try:
            violations = simulate(seed).violations
        except Exception as error:
            return f"the world broke: {type(error).__name__}: {error}"
    return violations[0] if violations else ""
