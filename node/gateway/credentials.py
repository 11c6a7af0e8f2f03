"""TLS in front of a gateway: a certificate chain and its key, and of clients, where asked for, certificates too."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import grpc

from node.settings import ConfigError


@dataclass(frozen=True)
class Tls:
    """PEM files. With `client_ca` only clients come in whose certificate it signed."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


def credentials_of(tls: Tls) -> grpc.ServerCredentials:
    """What the server shows and asks for. Raises ConfigError for a file that cannot be read or is no PEM."""
    certificate = _pem(tls.certificate, b"CERTIFICATE")
    key = _pem(tls.key, b"PRIVATE KEY")
    mode = tls.key.stat().st_mode & 0o777
    if mode & 0o007:
        raise ConfigError(f"the key file {tls.key} is open to everybody (mode {mode:04o}): chmod 600 it")
    client_ca = _pem(tls.client_ca, b"CERTIFICATE") if tls.client_ca is not None else None
    return grpc.ssl_server_credentials(
        [(key, certificate)], root_certificates=client_ca, require_client_auth=client_ca is not None
    )


def _pem(path: Path, kind: bytes) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    if kind + b"-----" not in content:
        raise ConfigError(f"{path} holds no PEM block of a {kind.decode().lower()}")
    return content
