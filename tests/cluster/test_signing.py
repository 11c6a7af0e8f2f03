"""Keys: the file's mode, its creation, and signatures that fail for any change."""

import pickle
from pathlib import Path

import pytest

from cluster.signing import KeyFileError, SigningKey, verify


def test_a_key_file_holds_the_key_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "validator.key"
    key = SigningKey.generate(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert SigningKey.load(path).public_key_hex == key.public_key_hex
    assert [entry.name for entry in path.parent.iterdir()] == ["validator.key"]


def test_an_existing_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "validator.key"
    SigningKey.generate(path)
    before = path.read_bytes()
    with pytest.raises(KeyFileError, match="exists already"):
        SigningKey.generate(path)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "validator.key"
    SigningKey.generate(path)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match="open to others"):
        SigningKey.load(path)


@pytest.mark.parametrize(
    "content", [b"", b"breakwater-ed25519-v1", b"breakwater-ed25519-v1 " + b"zz" * 32, b"\xff" * 80]
)
def test_a_file_that_is_no_key_is_refused_without_showing_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "validator.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match="is not a") as refusal:
        SigningKey.load(path)
    assert "zz" not in str(refusal.value)
    with pytest.raises(KeyFileError, match="cannot read"):
        SigningKey.load(tmp_path / "absent.key")


def test_a_signature_holds_for_its_key_and_message_only() -> None:
    key, other = SigningKey(b"\x01" * 32), SigningKey(b"\x02" * 32)
    signature = key.sign(b"header")
    assert verify(key.public_key, b"header", signature)
    assert not verify(key.public_key, b"headex", signature)
    assert not verify(other.public_key, b"header", signature)
    assert not verify(key.public_key, b"header", signature[:-1])
    assert not verify(key.public_key[:-1], b"header", signature)
    for bit in range(0, 512, 37):
        damaged = bytearray(signature)
        damaged[bit // 8] ^= 1 << bit % 8
        assert not verify(key.public_key, b"header", bytes(damaged))


def test_the_published_ed25519_vector_verifies() -> None:
    """RFC 8032, section 7.1, test 2."""
    key = SigningKey(bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"))
    assert key.public_key_hex == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    assert key.sign(b"\x72").hex().startswith("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8f")


def test_a_key_shows_and_carries_nothing_secret() -> None:
    key = SigningKey(b"\x01" * 32)
    assert "01" * 32 not in repr(key)
    with pytest.raises(TypeError, match="stays in the process"):
        pickle.dumps(key)
