"""`conformance`, `audit`, `receipt`, `verify`: numbers, journals and liquidations checked."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.backing_up import JournalOption, SnapshotsOption
from node.cli.connection import DEFAULT_DATA, AddressOption, ApiKeyOption, DataOption, VenueOption, connected
from node.cli.keeping import StoppedArgument, require_directory
from node.cli.output import EXIT_NO, EXIT_USAGE, JsonOption, Refusal, end, put_aside, put_facts, put_json, put_line

if TYPE_CHECKING:
    from breakwater.v1 import events_pb2
    from node.client import Client

_WINDOWS = (256, 4_096, 65_536)
_PAGE = 1_000
# Events of the ladder that did something to a position; the feed has more.
_RUNGS = ("position_liquidated", "liquidation_ordered", "taken_over", "deleverage_run", "deleveraged")


def conformance(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Vector files; folders are walked.")],
    exact: Annotated[bool, typer.Option("--exact", help="The exact variant of a rulebook that has two.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run vector files against the rulebooks; ends with `N passed, N failed` alone on a line."""
    from node.conformance import run

    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise Refusal(f"{', '.join(missing)}: no such file or folder", EXIT_USAGE)
    report = run(paths, exact=exact)
    if as_json:
        put_json(report.to_dict())
    else:
        typer.echo(report.text(), nl=False)
    if not report.ok:
        end(EXIT_NO)


def audit(
    directory: StoppedArgument,
    journal: JournalOption = None,
    snapshots: SnapshotsOption = None,
    frames: Annotated[
        Path | None, typer.Option(help="Directory of frames that `prune --archive` took out of the journal.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Re-execute a journal in this process and compare every root, the chain and the invariants."""
    require_directory(directory)
    from cluster.audit import audit as run

    report = run(directory, journal, snapshots, frames, put_aside)
    facts = {
        "first_height": report.first_height,
        "on_trust": report.on_trust,
        "heights": report.heights,
        "roots_equal": report.roots_equal,
        "conserved": report.conserved,
        "violations": list(report.violations),
        "signed": report.signed,
        "final_state_root": report.final_state_root,
    }
    if as_json:
        put_json(facts)
    else:
        put_facts(
            f"Audit of {directory}",
            [
                ("heights", f"{report.heights:,} re-executed, from {report.first_height:,} on"),
                ("on trust", report.on_trust or "nothing: from the first block on"),
                ("roots", "equal" if report.roots_equal else "DIFFERENT"),
                ("conservation", "to the atom, after every block" if report.conserved else "BROKEN"),
                ("signatures", f"{report.signed:,} of the validator, checked"),
                ("state root", report.final_state_root),
                ("violations", "none" if not report.violations else str(len(report.violations))),
                *(("", violation) for violation in report.violations),
            ],
        )
    if not report.ok:
        end(EXIT_NO)


def receipt(
    height: Annotated[int | None, typer.Option(min=1, help="Block of the liquidation; default: the newest.")] = None,
    index: Annotated[int | None, typer.Option(min=0, help="Its event in the block; default: the last there.")] = None,
    venue: VenueOption = 1,
    out: Annotated[Path, typer.Option(help="Folder for the file <height>-<index>.json.")] = Path("receipts"),
    address: AddressOption = None,
    api_key: ApiKeyOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Fetch the proof of a liquidation into a file that `verify` takes."""
    from breakwater.v1 import block_service_pb2 as blocks
    from node.report.receipt_file import write_receipt

    if index is not None and height is None:
        raise Refusal("--index needs --height", EXIT_USAGE)
    with connected(address, api_key, data) as client:
        if height is None or index is None:
            event = _liquidation(client, venue, height)
            height, index = event.height, event.index
        answer = client.blocks.GetReceipt(blocks.GetReceiptRequest(height=height, index=index))
        key = client.blocks.GetValidatorKey(blocks.GetValidatorKeyRequest()).public_key
    path = write_receipt(out, answer.receipt)
    facts = {"file": str(path), "height": height, "index": index, "validator_key": key.hex()}
    if as_json:
        put_json(facts)
    else:
        put_line(f"{path}\nverify it with: breakwater verify {path} --key {key.hex()}")


def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A receipt, as `receipt` and `replay` write it.")],
    key: Annotated[str, typer.Option("--key", help="The validator's public key: 64 hex digits, or a file with them.")],
    as_json: JsonOption = False,
) -> None:
    """Check a receipt offline, trusting only the validator's public key."""
    from actors.chain.receipt import check_receipt
    from cluster.signing import verify as verify_signature
    from node.report.receipt_file import ReceiptFileError, read_receipt

    public_key = _public_key(key)
    try:
        verdict = check_receipt(read_receipt(file), public_key, verify_signature)
        ok, reason, facts = verdict.ok, verdict.reason, list(verdict.facts)
    except ReceiptFileError as error:
        ok, reason, facts = False, str(error), []
    if as_json:
        put_json({"file": str(file), "valid": ok, "reason": reason, "facts": facts})
    elif ok:
        put_facts(f"{file} is valid", [("", fact) for fact in facts])
    else:
        put_line(f"{file} is REFUSED: {reason}")
    if not ok:
        end(EXIT_NO)


def _liquidation(client: "Client", venue: int, height: int | None) -> "events_pb2.Event":
    """The last liquidation of a block, or the newest of all: looked for in ever larger windows from the end."""
    from breakwater.v1 import block_service_pb2, blocks_pb2

    if height is not None:
        found = [event for event in _liquidations(client, venue, height) if event.height == height]
        if not found:
            raise Refusal(f"height {height} has no liquidation of venue {venue}")
        return found[-1]
    header = client.blocks.GetHeader(block_service_pb2.GetHeaderRequest()).header.header
    newest = blocks_pb2.BlockHeader.FromString(header).height
    for window in (*_WINDOWS, newest):
        found = _liquidations(client, venue, max(1, newest - window))
        if found:
            return found[-1]
    raise Refusal(f"venue {venue} has had no liquidation yet")


def _liquidations(client: "Client", venue: int, from_height: int) -> list["events_pb2.Event"]:
    from breakwater.v1 import liquidation_pb2

    found: list[events_pb2.Event] = []
    token = ""
    while True:
        page = client.liquidations.ListLiquidations(
            liquidation_pb2.ListLiquidationsRequest(
                venue=venue, from_height=from_height, page_size=_PAGE, page_token=token
            )
        )
        found += [event for event in page.events if event.WhichOneof("body") in _RUNGS]
        token = page.next_page_token
        if not token:
            return found


def _public_key(text: str) -> bytes:
    """The 32 bytes a text or the file it names stands for."""
    path = Path(text)
    if path.is_file():
        text = path.read_text(encoding="utf-8", errors="replace").strip()
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise Refusal("--key is neither 64 hex digits nor a file with them", EXIT_USAGE)
    return key
