"""Ray embedded in a process: a start that loses a process is tried again, and leaves no process behind."""

import pytest
import ray
from ray._private.node import Node

from cluster import launch


class Starts:
    """Ray's own start, which fails so many times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, errors: list[Exception]) -> None:
        self._errors = errors
        self.begun, self.ended = 0, 0
        monkeypatch.setenv("RAY_AUTH_TOKEN", "of the test")
        monkeypatch.setattr(Node, "__init__", lambda node: self._begin())
        monkeypatch.setattr(Node, "kill_all_processes", lambda node, **how: self._end(**how))
        monkeypatch.setattr(ray, "init", lambda **settings: Node())

    def _begin(self) -> None:
        self.begun += 1
        if self._errors:
            raise self._errors.pop()

    def _end(self, check_alive: bool, wait: bool) -> None:
        assert (check_alive, wait) == (False, True)
        self.ended += 1


def lost() -> Exception:
    """What Ray says of its daemon."""
    return Exception("The current node timed out during startup.")


@pytest.mark.parametrize("failures", [0, 1, 2])
@pytest.mark.parametrize("error", [lost(), RuntimeError("Timed out waiting for file gcs_server_port")], ids=repr)
def test_a_start_that_loses_a_process_is_tried_again(
    failures: int, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = Starts(monkeypatch, [error] * failures)
    launch.start_ray(None)
    assert (starts.begun, starts.ended) == (failures + 1, failures)


def test_it_is_not_tried_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    starts = Starts(monkeypatch, [lost() for _ in range(9)])
    with pytest.raises(Exception, match="timed out during startup"):
        launch.start_ray(None)
    assert starts.begun == starts.ended == 3


def test_what_another_start_would_not_mend_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    starts = Starts(monkeypatch, [ValueError("num_cpus")])
    with pytest.raises(ValueError, match="num_cpus"):
        launch.start_ray(None)
    assert starts.begun == starts.ended == 1
