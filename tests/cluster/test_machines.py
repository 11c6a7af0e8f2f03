"""Who may run where: wishes are read, the most particular one counts, and one that nobody can meet is named."""

from pathlib import Path

import pytest

from cluster.machines import SHARE, PlaceError, Places
from node.config import load_config
from node.settings import ConfigError


def test_a_name_beats_its_kind_and_a_kind_beats_all() -> None:
    places = Places(["all=anywhere", "shard=big", "shard/1=huge", "book/2/1=quick", "validator=slow"])
    expected = {
        "shard/0": "big",
        "shard/1": "huge",
        "shard/11": "big",
        "book/2/1": "quick",
        "book/2/11": "anywhere",
        "pool/1": "anywhere",
        "validator": "slow",
    }
    assert {actor: dict(places.resources_of(actor)) for actor in expected} == {
        actor: {resource: SHARE} for actor, resource in expected.items()
    }
    assert Places().resources_of("shard/0") == {}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["shard"], "'shard': '' is no name of a resource; write it like shard=big"),
        (["shard="], "'shard=': '' is no name of a resource"),
        (["shards=big"], "'shards=big': all or one of shard, book, .* can be placed, not 'shards'"),
        (["insurance=big"], "can be placed, not 'insurance'"),
        (["shard/x=big"], "no actor is called 'shard/x'"),
        (["book/1=big"], "no actor is called 'book/1'"),
        (["coordinator/1=big"], "no actor is called 'coordinator/1'"),
        (["all/1=big"], "can be placed, not 'all'|no actor is called 'all/1'"),
        (["shard=CPU"], "CPU is not a custom resource"),
        (["shard=a b"], "'a b' is no name of a resource"),
        (["shard=big", "shard=small"], "shard is placed twice, by big and by small"),
    ],
)
def test_a_wish_that_is_none_is_named(words: list[str], complaint: str) -> None:
    with pytest.raises(PlaceError, match=complaint):
        Places(words)


def test_a_resource_that_nobody_offers_is_named_after_a_while_and_one_that_comes_late_is_waited_for() -> None:
    places, slept = Places(["pool=small", "shard=big"]), []
    with pytest.raises(PlaceError, match=r"offers big, by which shard is placed; offered: other, small$"):
        places.check(lambda: {"CPU": 2.0, "node:1": 1.0, "small": 1.0, "other": 1.0}, 0.0, slept.append)
    with pytest.raises(PlaceError, match="offered: no resource of its own"):
        places.check(lambda: {"CPU": 2.0}, 0.0, slept.append)
    assert not slept
    places.check(lambda: {"small": 1.0, "big": 1.0} if slept else {"small": 1.0}, 60.0, slept.append)
    assert len(slept) == 1


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ('place = "shard=big"', "place is a list of WHO=RESOURCE, not 'shard=big'"),
        ("place = 3", "place is a list of WHO=RESOURCE, not 3"),
        ("place = [3]", "place is a list of WHO=RESOURCE"),
        ('place = ["shard"]', "place: 'shard': '' is no name of a resource"),
        (
            'transport = "inline"\nplace = ["shard=big"]',
            "place needs the transport ray or lane: inline keeps all actors",
        ),
    ],
)
def test_a_setting_that_is_none_is_named(tmp_path: Path, setting: str, complaint: str) -> None:
    (tmp_path / "node.toml").write_text(setting)
    with pytest.raises(ConfigError, match=complaint):
        load_config(tmp_path / "node.toml", data_dir=tmp_path)


def test_wishes_are_settings_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "node.toml").write_text('place = ["all=breakwater", "shard/0=big"]')
    assert list(load_config(tmp_path / "node.toml", data_dir=tmp_path).place) == ["all=breakwater", "shard/0=big"]
