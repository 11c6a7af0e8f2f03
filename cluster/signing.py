"""Ed25519 keys of a validator: a file only its owner can read. A key cannot be pickled, so it cannot leave by accident
in a snapshot or a message."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import NoReturn

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey as _Seed
from nacl.signing import VerifyKey

PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64
_SEED_BYTES = 32
_LABEL = "breakwater-ed25519-v1"


class KeyFileError(Exception):
    """A key file that exists already, is missing, is open to others or is not a key. Never shows the key."""


class SigningKey:
    """A private key in memory."""

    __slots__ = ("_seed",)

    def __init__(self, seed: bytes) -> None:
        """`seed` is the 32 secret bytes."""
        self._seed = _Seed(seed)

    @classmethod
    def generate(cls, path: Path) -> SigningKey:
        """Create a key file with mode 0600, whole or not at all; raises KeyFileError when the path is taken."""
        seed = secrets.token_bytes(_SEED_BYTES)
        path.parent.mkdir(parents=True, exist_ok=True)
        _create_durably(path, f"{_LABEL} {seed.hex()}\n".encode())
        return cls(seed)

    @classmethod
    def load(cls, path: Path) -> SigningKey:
        """Read a key file; raises KeyFileError, also when group or others have any right on it."""
        try:
            with path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode & 0o777
                content = file.read(200)
        except OSError as error:
            raise KeyFileError(f"cannot read the key file {path}: {error.strerror}") from error
        if mode & 0o077:
            raise KeyFileError(f"key file {path} is open to others (mode {mode:04o}): chmod 600 it, or make a new key")
        words = content.decode("ascii", errors="replace").split()
        if len(words) != 2 or words[0] != _LABEL or len(words[1]) != 2 * _SEED_BYTES:
            raise KeyFileError(f"{path} is not a {_LABEL} key file")
        try:
            return cls(bytes.fromhex(words[1]))
        except ValueError:
            raise KeyFileError(f"{path} is not a {_LABEL} key file") from None

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature of the message."""
        return self._seed.sign(message).signature

    @property
    def public_key(self) -> bytes:
        """The 32 bytes that verify this key's signatures."""
        return bytes(self._seed.verify_key)

    @property
    def public_key_hex(self) -> str:
        """The public key as 64 hexadecimal digits, the form people pass around."""
        return self.public_key.hex()

    def __repr__(self) -> str:
        return f"SigningKey(public={self.public_key_hex})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signing key stays in the process that loaded it")


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Say whether the signature is this key's over this message. Malformed keys and signatures are simply not."""
    if len(public_key) != PUBLIC_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        VerifyKey(public_key).verify(message, signature)
    except BadSignatureError:
        return False
    return True


def _create_durably(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)  # unlike a rename, fails when the path is taken
    except FileExistsError:
        raise KeyFileError(f"{path} exists already and is left as it is") from None
    finally:
        temporary.unlink()
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
