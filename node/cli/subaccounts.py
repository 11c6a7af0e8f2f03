"""`subaccount`, `transfer`: further accounts of one owner on a Spin venue, and collateral between them."""

from typing import Annotated

import typer

from node.cli.connection import (
    DEFAULT_DATA,
    SPIN_VENUE,
    AccountOption,
    AddressOption,
    ApiKeyOption,
    DataOption,
    SpinVenueOption,
    connected,
)
from node.cli.output import JsonOption, put_facts, put_json
from node.cli.trading import put_outcome


def subaccount(
    account: AccountOption,
    venue: SpinVenueOption = SPIN_VENUE,
    address: AddressOption = None,
    api_key: ApiKeyOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Open a further account of an account's owner: isolated margin."""
    with connected(address, api_key, data) as client:
        opened = client.open_subaccount(account, venue)
    if as_json:
        put_json({"venue": venue, "owner": account, "account": opened})
    else:
        put_facts("Opened", [("account", str(opened)), ("of the owner of", str(account))])


def transfer(
    amount_atoms: Annotated[int, typer.Argument(metavar="ATOMS", help="What moves.")],
    account: AccountOption,
    to_account: Annotated[int, typer.Option("--to", min=1, help="Another account of the same owner.")],
    venue: SpinVenueOption = SPIN_VENUE,
    address: AddressOption = None,
    api_key: ApiKeyOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Move collateral to another account of the same owner; checked like a withdrawal."""
    with connected(address, api_key, data) as client:
        outcome = client.transfer(account, to_account, amount_atoms, venue)
        put_outcome("Transferred", outcome, as_json, account=account, to_account=to_account)
