"""`explain`: why an account was (not) liquidated at a block, or its order refused."""

from typing import Annotated

import typer

from node.cli.backing_up import JournalOption, SnapshotsOption
from node.cli.connection import DEFAULT_DATA, DataOption, VenueOption
from node.cli.keeping import require_directory
from node.cli.output import EXIT_USAGE, JsonOption, Refusal, put_facts, put_json


def explain(
    account: Annotated[int, typer.Option(min=0, help="The account; 0 is a Margin Trade venue's vault.")],
    height: Annotated[int, typer.Option(min=1, help="The block.")],
    venue: VenueOption = 1,
    data: DataOption = DEFAULT_DATA,
    journal: JournalOption = None,
    snapshots: SnapshotsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say why an account was or was not liquidated at a block, or its commands refused: the numbers and the rule.

    Reads the journal of a node that is not running (on PostgreSQL it may) and re-executes it up to that block.
    """
    require_directory(data)
    from cluster.moment import NoSuchBlock, moment
    from node.report.explanation import as_json as facts_json
    from node.report.explanation import facts

    try:
        looked = moment(data, venue, account, height, journal, snapshots)
    except NoSuchBlock as missing:
        raise Refusal(f"height {height}: {missing}", EXIT_USAGE) from missing
    except KeyError as missing:
        raise Refusal(f"venue {venue} is not there at height {height}", EXIT_USAGE) from missing
    if as_json:
        put_json(facts_json(looked))
    else:
        put_facts(f"Account {account} of venue {looked.venue.name} at height {height}", facts(looked))
