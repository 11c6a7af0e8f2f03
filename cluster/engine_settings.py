"""How an engine is run, and who validates behind it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from cluster.validation import Claim


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """None of it is part of the state."""

    driver_mode: bool = False
    max_queue_batches: int = 10_000
    block_rows: int = 20_000
    heartbeat_ms: int = 1_000
    snapshot_every: int = 1_000
    resume_grace_ms: int = 2_000
    # How many blocks of the journal stay below the oldest snapshot; 0: all.
    journal_keep_blocks: int = 0
    # Commands no block can be made with are voided; without it the node stops at them.
    void_poison: bool = True
    notice: Callable[[str], None] = lambda text: None


class Validation(Protocol):
    """Who validates and signs behind the pipeline; see `cluster.validation.ValidatorRunner`."""

    validated_height: int
    fault: str

    def submit(self, claim: Claim) -> None:
        """A block was committed."""

    def take_cut(self, parts: Mapping[str, bytes], height: int) -> None:
        """A newer cut to start from."""

    def wait_for(self, height: int, timeout_s: float) -> bool:
        """Waits until a height is validated."""
