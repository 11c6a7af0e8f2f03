"""`explain`: why an account was (not) liquidated at a block, or its order refused."""

from pathlib import Path
from typing import Annotated

import typer

from node.cli.connection import DEFAULT_DATA, DataOption, VenueOption
from node.cli.output import EXIT_USAGE, JsonOption, Refusal, put_facts, put_json


def explain(
    account: Annotated[int, typer.Option(min=0, help="The account; 0 is a Margin Trade venue's vault.")],
    height: Annotated[int, typer.Option(min=1, help="The block.")],
    venue: VenueOption = 1,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Say why an account was or was not liquidated at a block, or its commands refused: the numbers and the rule.

    Reads the journal of a node that is not running and re-executes it up to that block.
    """
    if not Path(data).is_dir():
        raise Refusal(f"{data}: no such directory", EXIT_USAGE)
    from cluster.moment import NoSuchBlock, moment
    from node.report.explanation import as_json as facts_json
    from node.report.explanation import facts

    try:
        looked = moment(Path(data), venue, account, height)
    except NoSuchBlock as missing:
        raise Refusal(f"height {height}: {missing}", EXIT_USAGE) from missing
    except KeyError as missing:
        raise Refusal(f"venue {venue} is not there at height {height}", EXIT_USAGE) from missing
    if as_json:
        put_json(facts_json(looked))
    else:
        put_facts(f"Account {account} of venue {looked.venue.name} at height {height}", facts(looked))
