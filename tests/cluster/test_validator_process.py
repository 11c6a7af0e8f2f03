"""A validator in a process of its own, fed by a pipe: it signs, is made again where it dies, and ends with the node."""

import os
import signal
from pathlib import Path

import pytest

from actors.chain.roots import header_hash
from cluster.signing import verify
from cluster.transport.transport import ActorLost
from cluster.validation import ROWS_EVERY, ValidatorFault, ValidatorRunner, load_or_make_key
from cluster.validator_process import ProcessValidator
from node.config import VALIDATE_ROWS_EVERY
from tests.cluster.story import PATIENCE_S, story
from tests.cluster.test_validation import claims


def test_it_signs_as_any_other_and_one_that_is_killed_is_made_again(tmp_path: Path) -> None:
    key, made, signatures, noticed = load_or_make_key(tmp_path).public_key, [], dict[int, bytes](), list[str]()

    def make() -> ProcessValidator:
        made.append(ProcessValidator(str(tmp_path), 2, 4))
        return made[-1]

    runner = ValidatorRunner(make, None, 0, signatures.__setitem__, noticed.append)
    listed = claims()
    for claim in listed[:8]:
        runner.submit(claim)
    assert runner.wait_for(8, PATIENCE_S)
    os.kill(made[0].pid, signal.SIGKILL)
    for claim in listed[8:]:
        runner.submit(claim)
    assert runner.wait_for(len(story().blocks), PATIENCE_S), runner.fault
    runner.close()
    assert len(made) == 2 and noticed == ["the validator is gone; rebuilding it from the cut"]
    for claim in listed:
        assert verify(key, header_hash(claim.header), signatures[claim.height])
    with pytest.raises(ActorLost):
        made[-1].ask("validate", [])


def test_what_it_does_not_agree_with_is_said_by_height_and_it_lives_on(tmp_path: Path) -> None:
    first, second, *_ = claims()
    validator = ProcessValidator(str(tmp_path), 1, ROWS_EVERY)
    try:
        with pytest.raises(ValidatorFault, match=f"^height {second.height}: "):
            validator.ask("validate", [first, second._replace(header=first.header)])
        with pytest.raises(ValidatorFault, match="no attribute"):
            validator.ask("swear")
    finally:
        validator.close()


def test_it_ends_when_nobody_holds_the_pipe(tmp_path: Path) -> None:
    validator = ProcessValidator(str(tmp_path), 1, ROWS_EVERY)
    assert validator.ask("validate", []) == []
    process = validator._process
    process.stdin.close()
    assert process.wait(PATIENCE_S) == 0


def test_the_setting_s_default_is_the_validator_s() -> None:
    assert VALIDATE_ROWS_EVERY == ROWS_EVERY
