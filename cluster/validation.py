"""The validator's host: a replica with its own shard count, the mind that judges, the key that signs; and who feeds it.

It runs beside the pipeline, one or more blocks behind, in a process of its own on Ray. A block it does not agree with
stops it: nothing after that is signed, and everybody sees the lag.
"""

import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Condition, Thread
from typing import Any, NamedTuple, Protocol

from actors.chain.roots import header_hash
from actors.validator import judge
from actors.ways import Way
from breakwater.v1 import blocks_pb2 as blocks
from breakwater.v1 import commands_pb2 as commands
from cluster import crash_points
from cluster.garbage import collect_rarely
from cluster.invariants import check_after_block
from cluster.replica import Replica
from cluster.signing import SigningKey
from cluster.transport.transport import ActorLost

KEY_NAME = "validator.key"
_BATCH_BLOCKS = 32
_GATHER_S = 0.02
_NICENESS = 10
MAX_DEATHS_IN_A_ROW = 8
# So many blocks ahead of its validator a node waits for it, with each block so long at most.
MOST_AHEAD = 64
PACE_S = 0.1
# Each such block is re-executed wholly row by row.
ROWS_EVERY = 64


class Claim(NamedTuple):
    """One block as the node has it: journal payload, frame hash, epoch, voided commands, header."""

    height: int
    payload: bytes
    frame_hash: bytes
    epoch: int
    voided: tuple[int, ...]
    header: bytes


class ValidatorFault(Exception):
    """Re-execution disagrees with the node."""


def load_or_make_key(data_dir: Path) -> SigningKey:
    """The validator's key of a data directory."""
    path = data_dir / KEY_NAME
    return SigningKey.load(path) if path.exists() else SigningKey.generate(path)


class ValidatorHost:
    """Re-executes, judges, signs. Runs on Ray or in this process.

    Liquidations go by row in every block, and in every `rows_every`-th by its height everything does.
    """

    def __init__(self, data_dir: str, shards: int, rows_every: int = ROWS_EVERY) -> None:
        self._key = load_or_make_key(Path(data_dir))
        self._replica = Replica(shards)
        self._rows_every = rows_every

    def yield_cpu(self) -> None:
        """In a process of its own: the block under way goes first where cores are few; validation may lag a little."""
        os.nice(_NICENESS)
        collect_rarely()

    def restore(self, parts: Mapping[str, bytes]) -> None:
        """Starts from a cut."""
        self._replica.restore(parts)

    def validate(self, claims: Sequence[Claim]) -> list[bytes]:
        """A signature a block, in order. Raises ValidatorFault at the first it does not agree with."""
        return [self._validate(claim) for claim in claims]

    def _validate(self, claim: Claim) -> bytes:
        crash_points.reached("validator:before")
        block = commands.BlockInput.FromString(claim.payload)
        by_row = claim.height % self._rows_every == 0
        self._replica.take_way(Way.BY_ROW if by_row else Way.LIQUIDATIONS_BY_ROW)
        try:
            result = self._replica.apply(block, claim.frame_hash, claim.epoch, claim.voided, claim.payload)
        except Exception as error:
            raise ValidatorFault(f"height {claim.height}: {str(error) or repr(error)}") from error
        claimed = blocks.BlockHeader.FromString(claim.header)
        state = self._replica.state
        faults = judge(claimed, result.header, result.events, state.venues, state.markets)
        faults += check_after_block(self._replica, result)
        if faults:
            raise ValidatorFault(f"height {claim.height}: " + "; ".join(faults))
        signature = self._key.sign(header_hash(claim.header))
        crash_points.reached("validator:after")
        return signature


class Validator(Protocol):
    """A `ValidatorHost`, wherever it is."""

    def ask(self, method: str, *arguments: Any) -> Any:
        """Calls a method and waits. Raises ActorLost, and what the method raises."""

    def close(self) -> None:
        """Ends it."""


class LocalValidator:
    """A validator in this process."""

    def __init__(self, host: type, *arguments: Any) -> None:
        self._host = host(*arguments)

    def ask(self, method: str, *arguments: Any) -> Any:
        """Calls a method."""
        return getattr(self._host, method)(*arguments)

    def close(self) -> None:
        """Nothing to end."""


class ValidatorRunner:
    """Feeds committed blocks to the validator from a thread of its own and hands the signatures on.

    Keeps the claims since the last cut, so a validator that dies is made again from the cut and fed them once more.
    Whoever submits waits a little where the validator works and is far behind, so that it never falls behind for good.
    """

    def __init__(
        self,
        make: Callable[[], Validator],
        parts: Mapping[str, bytes] | None,
        height: int,
        signed: Callable[[int, bytes], None],
        notice: Callable[[str], None],
    ) -> None:
        self._make = make
        self._parts = parts
        self._signed = signed
        self._notice = notice
        self._since_cut: deque[Claim] = deque()
        self._next = 0  # index in _since_cut of the first claim not validated
        self._changed = Condition()
        self._closing = False
        self.validated_height = height
        self._begun_height = height  # what it owes from before is no reason to wait
        self.fault: str = ""
        # Made with the first claim: a node that starts has the processors to itself.
        self._validator: Validator | None = None
        self._thread = Thread(target=self._run, name="validator", daemon=True)
        self._thread.start()

    def _start(self) -> Validator:
        validator = self._make()
        if self._parts is not None:
            validator.ask("restore", dict(self._parts))
        return validator

    def submit(self, claim: Claim) -> None:
        """A block was committed; returns when the validator is near enough, works no more, or has had its time."""
        with self._changed:
            self._since_cut.append(claim)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._is_near(claim.height) or bool(self.fault) or self._closing, PACE_S)

    def owe(self, claims: Sequence[Claim]) -> None:
        """Blocks of before this start, behind the cut."""
        with self._changed:
            self._since_cut.extend(claims)
            self._begun_height = max([self._begun_height, *(claim.height for claim in claims)])
            self._changed.notify_all()

    def _is_near(self, height: int) -> bool:
        return height - max(self.validated_height, self._begun_height) <= MOST_AHEAD

    def take_cut(self, parts: Mapping[str, bytes], height: int) -> None:
        """A newer cut; taken once everything up to it is validated, so that no block goes unchecked."""
        with self._changed:
            if self.validated_height < height:
                return
            self._parts = parts
            while self._since_cut and self._since_cut[0].height <= height:
                self._since_cut.popleft()
                self._next -= 1

    def wait_for(self, height: int, timeout_s: float) -> bool:
        """Waits until a height is validated; False after the time or when the validator stopped."""
        with self._changed:
            self._changed.wait_for(lambda: self.validated_height >= height or bool(self.fault), timeout_s)
            return self.validated_height >= height

    def _run(self) -> None:
        deaths = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._next < len(self._since_cut))
                # A few blocks a call: one call a block would cost the blocks under way more than it brings forward.
                self._changed.wait_for(self._has_a_batch, _GATHER_S)
                if self._closing:
                    return
                claims = [self._since_cut[index] for index in range(self._next, len(self._since_cut))][:_BATCH_BLOCKS]
            try:
                signatures = self._ask(claims)
            except ActorLost:
                signatures = None  # it died again while it was given the cut; the next call finds it gone
            except Exception as error:
                self._give_up(str(error))
                return
            if signatures is None:
                deaths += 1
                if deaths == MAX_DEATHS_IN_A_ROW:
                    self._give_up(f"it died {deaths} times in a row")
                    return
                continue
            deaths = 0
            for claim, signature in zip(claims, signatures, strict=True):
                self._signed(claim.height, signature)
            with self._changed:
                self._next += len(claims)
                self.validated_height = max(self.validated_height, claims[-1].height)
                self._changed.notify_all()

    def _has_a_batch(self) -> bool:
        return self._closing or len(self._since_cut) - self._next >= _BATCH_BLOCKS

    def _give_up(self, reason: str) -> None:
        """Nothing more is signed; the lag shows, and after a while stops opens and withdrawals."""
        with self._changed:
            self.fault = reason
            self._changed.notify_all()
        self._notice(f"the validator stopped: {reason}")

    def _ask(self, claims: Sequence[Claim]) -> list[bytes] | None:
        """The signatures; None where the validator had to be made again, or nobody waits for them any more."""
        if self._validator is None:
            self._validator = self._start()
        try:
            signatures: list[bytes] = self._validator.ask("validate", claims)
            return signatures
        except ActorLost:
            if self._closing:
                return None
            self._notice("the validator is gone; rebuilding it from the cut")
            with self._changed:
                self._next = 0
            self._validator = self._start()
            return None

    def close(self) -> None:
        """Stops after the batch under way."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout=10)
        if self._validator is not None:
            self._validator.close()
