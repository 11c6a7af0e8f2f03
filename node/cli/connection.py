"""Where a client command finds its node and its key: options, the environment, or the node's data directory."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from node.cli.output import EXIT_AWAY, EXIT_USAGE, Refusal

if TYPE_CHECKING:
    from node.client import Client

DEFAULT_DATA = Path("breakwater-data")
DEV_KEY = "dev"
# The venues a node lists with order books of Margin Trade and of Spin, and with oracle versions.
BOOK_VENUE = 2
SPIN_VENUE = 3
PERENNIAL_VENUE = 4
# How long a client command waits for its node, seconds.
TIMEOUT_NAME = "BREAKWATER_TIMEOUT_S"
TIMEOUT_S = 5.0

AddressOption = Annotated[
    str | None,
    typer.Option(
        "--address",
        envvar="BREAKWATER_ADDRESS",
        help="HOST:PORT, several with commas between; else the node of --data.",
    ),
]
ApiKeyOption = Annotated[
    str | None,
    typer.Option("--api-key", envvar="BREAKWATER_API_KEY", help="Without it the key `dev` of --data (dev mode only)."),
]
DataOption = Annotated[Path, typer.Option("--data", envvar="BREAKWATER_DATA", help="Data directory of the node.")]
VenueOption = Annotated[int, typer.Option("--venue", min=1, help="Number of the venue.")]
BookVenueOption = Annotated[int, typer.Option("--venue", min=1, help="Number of a venue with order books.")]
SpinVenueOption = Annotated[int, typer.Option("--venue", min=1, help="Number of the Spin venue.")]
PerennialVenueOption = Annotated[int, typer.Option("--venue", min=1, help="Number of the Perennial venue.")]
BotVenueOption = Annotated[int, typer.Option("--venue", min=1, help="Number of a Spin or Perennial venue.")]
MarketOption = Annotated[int, typer.Option("--market", min=1, help="Number of the market in its venue.")]
AccountOption = Annotated[int, typer.Option("--account", min=1, help="Number of the account.")]


@contextmanager
def connected(address: str | None, api_key: str | None, data: Path) -> Iterator["Client"]:
    """A client of the node that is meant; raises Refusal where neither options nor data directory say which."""
    from node.client import Client

    where, key = endpoint(address, api_key, data)
    client = Client(addresses(where), key, _timeout_s(), tls_credentials())
    try:
        yield client
    finally:
        client.close()


def endpoint(address: str | None, api_key: str | None, data: Path) -> tuple[str, str]:
    """Address and key of the node that is meant; raises Refusal where neither options nor data directory say which."""
    return address or address_of(data), api_key or _dev_key_of(data)


def addresses(text: str) -> list[str]:
    """The addresses in a text with commas between them; raises Refusal where there is none."""
    found = [one.strip() for one in text.split(",") if one.strip()]
    if not found:
        raise Refusal(f"{text!r} names no HOST:PORT", EXIT_USAGE)
    return found


def tls_credentials() -> Any:
    """What a client of a gateway that speaks TLS trusts and shows: PEM files named in the environment; else None."""
    from node.client.tls import credentials

    try:
        return credentials(os.environ)
    except ValueError as error:
        raise Refusal(str(error), EXIT_USAGE) from error


def _timeout_s() -> float:
    text = os.environ.get(TIMEOUT_NAME, "")
    try:
        return float(text) if text else TIMEOUT_S
    except ValueError:
        raise Refusal(f"{TIMEOUT_NAME} is not a number of seconds: {text!r}", EXIT_USAGE) from None


def address_of(data: Path) -> str:
    """Where the node of a data directory says that it serves; raises Refusal."""
    content = _read(data / "node.json")
    if content is None:
        raise Refusal(f"no node runs on {data}: start one with `breakwater up`, or give --address", EXIT_AWAY)
    return str(content["address"])


def _dev_key_of(data: Path) -> str:
    content = _read(data / "dev_keys.json")
    if content is None or DEV_KEY not in content:
        raise Refusal(f"{data} has no keys of dev mode: give --api-key or BREAKWATER_API_KEY", EXIT_USAGE)
    return str(content[DEV_KEY])


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except orjson.JSONDecodeError as error:
        raise Refusal(f"{path} is not JSON: {error}", EXIT_USAGE) from error
    return content if isinstance(content, dict) else None
