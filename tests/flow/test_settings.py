"""What a load may not be asked to do, and the lines its processes are told."""

import pytest

from node.flow.scenery import Scene
from node.flow.settings import LoadError, Part, check_targets, is_loopback
from tests.flow.parts import part_of, settings_of


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.9.9.9:7400", "localhost:7400", "[::1]:7400"])
def test_this_machine_needs_no_words(address: str) -> None:
    assert is_loopback(address)
    check_targets([address], not_loopback=False, allowed=[])


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1:1", "node.example:7400", "localhost.example:7400", "0.0.0.0:7400", "[::]:7400", "127.0.0.1.example:1"],
)
def test_another_machine_needs_two(address: str) -> None:
    assert not is_loopback(address)
    with pytest.raises(LoadError, match=r"--not-loopback --yes-i-may-load "):
        check_targets(["127.0.0.1:1", address], not_loopback=False, allowed=[address])
    with pytest.raises(LoadError, match="--yes-i-may-load names nothing"):
        check_targets([address], not_loopback=True, allowed=[])
    with pytest.raises(LoadError, match=r"names other\.example:1"):
        check_targets([address], not_loopback=True, allowed=["other.example:1"])
    check_targets([address], not_loopback=True, allowed=[address])


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"mode": "batches"}, "--mode is columns or orders, not 'batches'"),
        ({"accounts": 10, "processes": 2}, "2 processes need 16 accounts, 8 each, and have 10"),
        ({"in_flight": 33}, "--in-flight is 1 to 32 in mode columns, not 33"),
        ({"in_flight": 513, "mode": "orders"}, "--in-flight is 1 to 512 in mode orders, not 513"),
    ],
)
def test_what_cannot_be_is_said_with_its_numbers(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(LoadError) as caught:
        settings_of(**changes).check()
    assert str(caught.value) == complaint


def test_parts_and_scenes_arrive_as_they_were_sent_and_reports_name_no_key() -> None:
    part = part_of(seed=9)
    assert Part.of(part.line()) == part
    scene = Scene(part.settings, (1, 2), ((1, 2), (3,)), "prices.npy", 0.1, 5, (6, 7), 8)
    again = Scene.of(scene.line())
    assert (again.settings, again.bot, again.provide_atoms) == (scene.settings, 5, 8)
    assert "key" not in part.settings.facts().values() and "api_key" not in part.settings.facts()
