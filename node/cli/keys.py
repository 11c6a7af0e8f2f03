"""`keys`: API keys of a data directory, and a validator's Ed25519 key."""

from pathlib import Path
from typing import Annotated

import typer

from node.cli.connection import DEFAULT_DATA, DataOption, VenueOption
from node.cli.output import EXIT_USAGE, JsonOption, Refusal, put_facts, put_json

keys = typer.Typer(help="API keys and signing keys.", no_args_is_help=False)


@keys.callback()
def _keys() -> None:
    """API keys and signing keys."""


@keys.command("new")
def new(
    name: Annotated[str | None, typer.Argument(help="Name of the API key, for people.")] = None,
    role: Annotated[list[str] | None, typer.Option("--role", help="trader, lp, custodian, ...; repeat.")] = None,
    account: Annotated[list[int] | None, typer.Option("--account", help="An account it may act for; repeat.")] = None,
    every_account: Annotated[bool, typer.Option("--every-account", help="It may act for all accounts.")] = False,
    publisher: Annotated[list[int] | None, typer.Option("--publisher", help="A number it may publish as.")] = None,
    venue: VenueOption = 1,
    validator: Annotated[Path | None, typer.Option("--validator", help="Make an Ed25519 key in this file.")] = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Make an API key (its text is shown once and kept nowhere), or with --validator FILE a signing key."""
    if validator is not None:
        facts = _signing_key(validator)
    elif name is None or not role:
        raise Refusal("an API key needs a NAME and at least one --role; a signing key needs --validator", EXIT_USAGE)
    else:
        facts = _api_key(data, name, role, venue, account or [], every_account, publisher)
    if as_json:
        put_json(facts)
    else:
        put_facts("New key", [(label.replace("_", " "), str(value)) for label, value in facts.items()])


def _signing_key(path: Path) -> dict[str, object]:
    from cluster.signing import SigningKey

    return {"kind": "validator", "file": str(path), "public_key": SigningKey.generate(path).public_key_hex}


def _api_key(
    data: Path,
    name: str,
    role_names: list[str],
    venue: int,
    accounts: list[int],
    every_account: bool,
    publishers: list[int] | None,
) -> dict[str, object]:
    from node.guards.key_file import KEYS_NAME, KeyTable, update_keys
    from node.guards.roles import Role

    unknown = [role for role in role_names if role not in set(Role)]
    if unknown:
        raise Refusal(f"no role is named {', '.join(unknown)}; there are {', '.join(Role)}", EXIT_USAGE)
    texts: list[str] = []

    def add(table: KeyTable) -> None:
        try:
            texts.append(table.add(name, [Role(role) for role in role_names], every_account, publishers))
        except ValueError as error:
            raise Refusal(str(error), EXIT_USAGE) from error
        for account in accounts:
            table.records[-1].accounts.add(venue, account, account)

    table = update_keys(data / KEYS_NAME, add)
    record = table.records[-1]
    return {
        "kind": "api",
        "name": name,
        "principal": record.principal,
        "roles": sorted(role.value for role in record.roles),
        "accounts": record.accounts.to_json(),
        "key": texts[0],
    }
