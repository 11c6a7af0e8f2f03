"""What a client of a gateway that speaks TLS trusts and shows: PEM files named in the environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import grpc

# PEM files: whom to trust, and what to show where they ask for it.
TLS_CA_NAME: Final = "BREAKWATER_TLS_CA"
TLS_CERT_NAME: Final = "BREAKWATER_TLS_CERT"
TLS_KEY_NAME: Final = "BREAKWATER_TLS_KEY"


def credentials(environment: Mapping[str, str]) -> grpc.ChannelCredentials | None:
    """None where no file is named. Raises ValueError for a certificate without its key, OSError for a missing file."""
    named = {name: environment.get(name, "") for name in (TLS_CA_NAME, TLS_CERT_NAME, TLS_KEY_NAME)}
    if not any(named.values()):
        return None
    if bool(named[TLS_CERT_NAME]) != bool(named[TLS_KEY_NAME]):
        raise ValueError(f"{TLS_CERT_NAME} and {TLS_KEY_NAME} go together")
    import grpc

    pem = {name: Path(path).read_bytes() if path else None for name, path in named.items()}
    return grpc.ssl_channel_credentials(pem[TLS_CA_NAME], pem[TLS_KEY_NAME], pem[TLS_CERT_NAME])
