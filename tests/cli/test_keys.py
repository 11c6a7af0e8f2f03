"""`keys new`: API keys whose text is shown once, and signing keys nobody else can read."""

from pathlib import Path

import pytest

from cluster.signing import SigningKey
from node.cli.output import EXIT_USAGE
from node.guards.key_file import KEYS_NAME, digest_of, read_keys
from tests.cli.running import breakwater, only_object


def test_an_api_key_is_shown_once_and_kept_as_a_digest(tmp_path: Path) -> None:
    options = ["--role", "trader", "--role", "lp", "--account", "3", "--account", "4", "--data", str(tmp_path)]
    made = only_object(breakwater("keys", "new", "alice", *options, "--json"))
    assert made["roles"] == ["lp", "trader"]
    assert made["accounts"] == {"1": [[3, 4]]}
    (record,) = read_keys(tmp_path / KEYS_NAME).records
    assert record.digest == digest_of(made["key"])
    assert record.principal == made["principal"]
    assert made["key"] not in (tmp_path / KEYS_NAME).read_text(encoding="utf-8")
    assert (tmp_path / KEYS_NAME).stat().st_mode & 0o077 == 0


def test_a_name_is_taken_once(tmp_path: Path) -> None:
    assert breakwater("keys", "new", "a", "--role", "trader", "--data", tmp_path).exit_code == 0
    again = breakwater("keys", "new", "a", "--role", "trader", "--data", tmp_path)
    assert again.exit_code == EXIT_USAGE
    assert "exists already" in again.stderr


@pytest.mark.parametrize("times", [1, 2])
def test_a_signing_key_is_made_once_for_its_owner_only(tmp_path: Path, times: int) -> None:
    path = tmp_path / "validator.key"
    results = [breakwater("keys", "new", "--validator", path, "--json") for _ in range(times)]
    made = only_object(results[0])
    assert made == {"kind": "validator", "file": str(path), "public_key": SigningKey.load(path).public_key_hex}
    assert path.stat().st_mode & 0o077 == 0
    if times == 2:
        assert results[1].exit_code == EXIT_USAGE
        assert "exists already" in only_object(results[1])["error"]
